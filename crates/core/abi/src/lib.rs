//! The words of the Windows display-driver binary interface, for x86-64 drivers.
//!
//! This crate holds types only: what a miniport and the port driver write into each other's memory, the numbers
//! they pass, and the prototypes of the functions they call. Algorithms live elsewhere.
//!
//! # Why it looks the way it does
//!
//! * **Everything here is plain bytes.** A driver can write any value anywhere, so enumerations are open
//!   (`struct PhysicalMemoryType(u32)` with named constants), flags keep the bits nobody named, and there is no
//!   `bool`, no reference and no raw pointer in a structure. Padding is written out (`_pad0`). All structures
//!   therefore convert to and from bytes safely (`zerocopy`), and this crate forbids unsafe code.
//! * **No unions.** Where Windows has a union, the structure holds the widest area as words or bytes, and
//!   methods read it as one member or another.
//! * **Every offset is written beside its field** and checked by the compiler (module [`mod@layout`]); the numbers are
//!   those of the public WDK 10.0.22621 headers, measured with a compiler. `layout.csv` is the same table for
//!   people, held against this one by a test.
//! * **Tables of functions hold addresses** (`u64`), so that they too are bytes; the type of each slot's function
//!   is an alias beside it. Drivers use the Windows x64 calling convention whatever the host's is: the alias macro
//!   says so once.
//!
//! Names are the manual's nouns: `DXGKARGCB_MAPMDLTOIOMMU` is [`callback::ArgCbMapMdlToIoMmu`], `MDL` is
//! [`mdl::Mdl`]. Each item's documentation gives the Windows name, and since which version it exists; an item that
//! says nothing about versions exists in all of them.

#![no_std]
#![forbid(unsafe_code)]

#[macro_use]
pub mod layout;
#[macro_use]
mod number;
#[macro_use]
mod function;
#[macro_use]
pub mod table;

pub mod adl;
pub mod allocation;
pub mod bugcheck;
pub mod callback;
pub mod caps;
pub mod device;
pub mod display;
pub mod init;
pub mod interface;
pub mod interrupt;
pub mod irql;
pub mod kernel;
pub mod life;
pub mod mdl;
pub mod paging;
pub mod prototype;
pub mod query;
pub mod resources;
pub mod segment;
pub mod status;
pub mod structures;
pub mod submit;
pub mod version;
pub mod word;

pub use adl::{Adl, AdlFlags};
pub use bugcheck::BugCheck;
pub use interface::DxgkrnlInterface;
pub use irql::Irql;
pub use mdl::{Mdl, MdlFlags};
pub use status::NtStatus;
pub use version::InterfaceVersion;
pub use word::{Boolean, Guid, Handle, Luid, Pointer};
