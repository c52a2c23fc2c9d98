//! What the memory manager runs on.

use dxgk_event::EventSink;
use dxgk_hw::{DriverMemory, MachineMemory, PageStore};
use lock_api::RawMutex;

/// A machine, the driver's side of it, a place for events, and a lock.
pub trait Platform: Send + Sync + 'static {
    /// The lock. It is held for short times and never across a call into the driver.
    type RawMutex: RawMutex + Send + Sync;
    /// Installed RAM.
    type Memory: MachineMemory;
    /// The driver's address space.
    type Driver: DriverMemory;
    /// Where events go.
    type Sink: EventSink;

    /// Installed RAM.
    fn memory(&self) -> &Self::Memory;

    /// The driver's address space.
    fn driver(&self) -> &Self::Driver;

    /// Where events go.
    fn events(&self) -> &Self::Sink;

    /// Where pages of sections go that lose their frame; `None`: they never lose it.
    fn page_store(&self) -> Option<&dyn PageStore> {
        None
    }
}
