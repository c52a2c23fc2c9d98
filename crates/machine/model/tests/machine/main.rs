//! The machine from outside: registers, DMA and events. Tables, descriptors and register offsets are written here
//! as numbers from the manual (VT-d Architecture Specification, revision 4.1), not through the definitions that the
//! model uses.

mod amdvi;
mod caches;
mod described;
mod edu;
mod faults;
mod hostile;
mod pci;
mod queue;
mod registers;
mod remote;
mod rig;
mod scalable;
mod smmu;
mod walks;
