//! What a device description says. Field names in a file are these with `-` for `_`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A PCI device: identity, BARs, registers, and what they do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Description {
    /// What reports call the device.
    pub name: String,
    /// What its configuration space says it is.
    pub pci: Pci,
    /// Its base address registers.
    #[serde(default)]
    pub bar: Vec<Bar>,
    /// Its capabilities: they stand in configuration space from 0x40 on, one behind the other, in this order.
    #[serde(default)]
    pub capability: Vec<Capability>,
    /// Memory inside the device, which only its DMA engines reach.
    #[serde(default)]
    pub memory: Vec<Memory>,
    /// Its registers.
    #[serde(default)]
    pub register: Vec<Register>,
    /// Its DMA engines.
    #[serde(default)]
    pub dma: Vec<Dma>,
    /// What asserts its interrupt line: any one of these.
    #[serde(default)]
    pub interrupt: Vec<Interrupt>,
    /// What it does from time to time.
    #[serde(default)]
    pub timer: Vec<Timer>,
}

/// The configuration header (PCI Local Bus 3.0, 6.1 and 6.2.1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pci {
    /// Vendor id; 0xffff is no vendor.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Revision.
    #[serde(default)]
    pub revision: u8,
    /// Base class, sub-class and programming interface in 24 bits: 0x030000 is a VGA display controller, 0x120000 a
    /// processing accelerator.
    pub class: u32,
    /// Subsystem vendor id.
    #[serde(default)]
    pub subsystem_vendor: u16,
    /// Subsystem id.
    #[serde(default)]
    pub subsystem: u16,
}

/// A capability (PCI Local Bus 3.0, 6.7).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Capability {
    /// What it is: 0x01 power management, 0x05 MSI, 0x09 a vendor's own, 0x10 PCI Express, 0x11 MSI-X.
    pub id: u8,
    /// Its bytes behind the number and the pointer to the next.
    pub body: Vec<u8>,
    /// Of each of these bytes, the bits that software can change; what is missing it cannot. Nothing comes of a change.
    #[serde(default)]
    pub writable: Vec<u8>,
}

/// What a BAR's RAM holds at power-on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Data {
    /// Bytes from the BAR's start.
    pub offset: u64,
    /// Words of 4 bytes, the lowest byte first.
    pub words: Vec<u32>,
}

/// A base address register.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bar {
    /// Its number, 0 to 5.
    pub index: u8,
    /// Memory (32-bit) or I/O ports.
    #[serde(default)]
    pub kind: BarKindName,
    /// Whether reading has no side effects; memory only.
    #[serde(default)]
    pub prefetchable: bool,
    /// Bytes or ports: a power of two, at least 16 bytes or 4 ports.
    pub size: u64,
    /// What is behind it.
    #[serde(default)]
    pub content: BarContent,
    /// What reads give where there is neither register nor RAM.
    #[serde(default)]
    pub undecoded: Undecoded,
    /// Where the device's own DMA engines see this BAR's RAM; without it they do not. `content = "ram"` or `"rom"` only.
    #[serde(default)]
    pub device_address: Option<u64>,
    /// What is in it at power-on, besides zeros. `content = "ram"` or `"rom"` only.
    #[serde(default)]
    pub data: Vec<Data>,
}

/// What a BAR decodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BarKindName {
    /// Memory addresses.
    #[default]
    Memory,
    /// I/O ports.
    Ports,
}

/// What is behind a BAR.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BarContent {
    /// The registers that name this BAR.
    #[default]
    Registers,
    /// RAM; any access inside it is served.
    Ram,
    /// The same, but what is written to it is dropped.
    Rom,
    /// Nothing: accesses are only recorded, as those to every BAR are.
    Log,
}

/// What nobody decodes reads as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Undecoded {
    /// All ones, as on a bus where nobody answers.
    #[default]
    Ones,
    /// Zero.
    Zeros,
}

/// Memory inside the device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Memory {
    /// Its first address, as the device's engines count.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// A register. A write goes through `locked-while`, then the masks, then the actions in `on-write`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Register {
    /// What the rest of the file calls it.
    pub name: String,
    /// The BAR that it is in.
    #[serde(default)]
    pub bar: u8,
    /// Bytes from the BAR's start; a multiple of the width.
    pub offset: u64,
    /// Bytes: 1, 2, 4 or 8.
    #[serde(default = "four")]
    pub width: u8,
    /// Access widths in bytes that are decoded, each at most `width`; without it, `width` alone. A narrower access
    /// reads or writes the bytes that it covers.
    #[serde(default)]
    pub access: Vec<u8>,
    /// Value at power-on.
    #[serde(default)]
    pub reset: u64,
    /// Bits that can be seen; others read as zero. Without it, all.
    #[serde(default)]
    pub read_mask: Option<u64>,
    /// Bits that a write changes; without it, all. 0 makes a constant, or a status that only the device changes.
    #[serde(default)]
    pub write_mask: Option<u64>,
    /// Bits that are cleared by writing 1 to them, and not changed by a write otherwise.
    #[serde(default)]
    pub write_1_to_clear: u64,
    /// Bits that a read clears, after it has seen them.
    #[serde(default)]
    pub read_to_clear: u64,
    /// Bits that are stored as the complement of what was written.
    #[serde(default)]
    pub invert: u64,
    /// Makes it a counter: 1 is added at each of these, modulo its width.
    #[serde(default)]
    pub counts: Option<Counts>,
    /// Writes are dropped while this holds.
    #[serde(default)]
    pub locked_while: Option<Condition>,
    /// What a write starts, in order.
    #[serde(default)]
    pub on_write: Vec<Action>,
}

fn four() -> u8 {
    4
}

/// What a counter counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// Reads of the register; the first one sees the reset value.
    Reads,
    /// Boundaries, the machine's units of time.
    Boundaries,
}

/// Bits of a value that are as they should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Condition {
    /// The register that is looked at; without it, the value just written (in `on-write` only).
    #[serde(default)]
    pub register: Option<String>,
    /// The bits that matter.
    pub bits: u64,
    /// What they have to be; without it, all set.
    #[serde(default)]
    pub equal: Option<u64>,
}

/// Something that happens: `store`, then `clear`, then `set`, then `start`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Action {
    /// Only when this holds at the moment of the write (or of the transfer's end, or of the timer).
    #[serde(default)]
    pub when: Option<Condition>,
    /// Boundaries until it happens; 0 is at once. While it waits, it is not started again.
    #[serde(default)]
    pub after: u64,
    /// Stores a value into a register, past its masks.
    #[serde(default)]
    pub store: Option<Store>,
    /// Clears bits of a register.
    #[serde(default)]
    pub clear: Option<Bits>,
    /// Sets bits of a register.
    #[serde(default)]
    pub set: Option<Bits>,
    /// Starts this DMA engine, unless it runs; not at the end of a transfer.
    #[serde(default)]
    pub start: Option<String>,
}

/// Bits of a register.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bits {
    /// The register.
    pub register: String,
    /// The bits; without it, those set in the value just written (in `on-write` only).
    #[serde(default)]
    pub bits: Option<u64>,
}

/// A value for a register.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Store {
    /// The register.
    pub register: String,
    /// The bits that are changed; without it, all.
    #[serde(default)]
    pub bits: Option<u64>,
    /// The value; without it, the one just written (in `on-write` only).
    #[serde(default)]
    pub value: Option<u64>,
}

/// A DMA engine. One transfer at a time: it takes its operands when it is started, moves the data `latency` boundaries
/// later in one request, and then does what `done` says. What is not in device memory is not transferred.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Dma {
    /// What `start` calls it.
    pub name: String,
    /// Where the data comes from: an address in RAM as the device sees it, or in device memory, as the direction says.
    pub source: Operand,
    /// Where it goes.
    pub destination: Operand,
    /// Bytes.
    pub length: Operand,
    /// The direction, when it is always the same.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// The direction, when a register chooses: `to-memory` while this holds, `to-device` otherwise.
    #[serde(default)]
    pub to_memory_when: Option<Condition>,
    /// Boundaries between the start and the transfer.
    #[serde(default = "latency")]
    pub latency: u64,
    /// What happens at the end, in order: busy bits cleared, status and interrupt bits set.
    #[serde(default)]
    pub done: Vec<Action>,
}

fn latency() -> u64 {
    crate::DMA_LATENCY
}

/// Which way data goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From RAM into the device.
    ToDevice,
    /// From the device into RAM.
    ToMemory,
}

/// A number: what registers hold, masked and then shifted, or a constant. One of `registers` and `value`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Operand {
    /// Registers, the lowest part first: `["ADDRESS_LO", "ADDRESS_HI"]`. At most 64 bits together.
    #[serde(default)]
    pub registers: Vec<String>,
    /// A constant.
    #[serde(default)]
    pub value: Option<u64>,
    /// Bits that count; without it, all.
    #[serde(default)]
    pub mask: Option<u64>,
    /// Bits to the left: 12 for a page number, 2 for a count of 4-byte words. Less than 64.
    #[serde(default)]
    pub shift: u8,
}

/// A reason for the interrupt line to be asserted: status AND enabled-by AND NOT masked-by is not zero.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Interrupt {
    /// The register with the pending interrupts.
    pub status: String,
    /// The register whose set bits let them through; without it, all pass.
    #[serde(default)]
    pub enabled_by: Option<String>,
    /// The register whose set bits hold them back.
    #[serde(default)]
    pub masked_by: Option<String>,
}

/// Something that happens from time to time: a vertical blank, a scan-out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Timer {
    /// Boundaries from one to the next, at least 1. Those that pass unseen are not made up for.
    pub every: u64,
    /// What happens, in order.
    pub actions: Vec<Action>,
}
