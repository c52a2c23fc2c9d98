//! From requester to domain: the device table (manual 2.2.2), and the cache of its entries.

use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_iopt::amdvi::spec::{
    DTE_BYTES, DeviceTableBase, DteFirst, DteFourth, DteSecond, DteThird, EventCode, EventFlags,
    HardwareError,
};

use super::config::AmdviConfig;

/// A device table entry that passed its checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Device {
    pub domain: u16,
    /// Its page faults are not logged (SA).
    pub quiet: bool,
    /// Reads are permitted.
    pub read: bool,
    pub write: bool,
    pub target: Target,
    /// The entry's first word, and where it stood.
    pub entry: u64,
    pub entry_at: u64,
}

/// Where requests go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// To the same physical address, whatever the permissions: the entry is not valid (V clear).
    Unchecked,
    /// To the same physical address, as the permissions allow (mode 0).
    Direct,
    /// Nowhere: valid, but without translation information (TV clear).
    Nowhere,
    /// Through the table in this frame.
    Tables { root: u64, levels: u8 },
}

/// Why there is no entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoDevice {
    pub code: EventCode,
    pub flags: EventFlags,
    /// The entry's first word, 0 when it could not be read, and its address.
    pub entry: u64,
    pub entry_at: u64,
}

/// Looks a requester up in memory.
pub(super) fn find(
    memory: &dyn MachineMemory,
    config: &AmdviConfig,
    table: DeviceTableBase,
    requester: u16,
) -> Result<Device, NoDevice> {
    let within = u64::from(requester) * DTE_BYTES;
    let entry_at = (table.base() << 12) + within;
    let mut bytes = [0; DTE_BYTES as usize];
    // What lies beyond the table answers as what is no memory does (our choice: the manual says only that it is not
    // to be).
    let beyond = within >= (u64::from(table.size()) + 1) << 12;
    if beyond || memory.read(PhysAddr::new(entry_at), &mut bytes).is_err() {
        let code = EventCode::DEV_TAB_HARDWARE_ERROR;
        let flags = EventFlags::new().with_kind(HardwareError::MasterAbort as u8);
        return Err(NoDevice { code, flags, entry: 0, entry_at });
    }
    let word = |nth: usize| {
        bytes.iter().skip(nth * 8).take(8).rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
    };
    let (first, second) = (DteFirst::from_bits(word(0)), DteSecond::from_bits(word(1)));
    let (third, fourth) = (DteThird::from_bits(word(2)), DteFourth::from_bits(word(3)));
    let device = |target| Device {
        domain: second.domain_id(),
        quiet: second.sa(),
        read: first.ir(),
        write: first.iw(),
        target,
        entry: first.into_bits(),
        entry_at,
    };
    if !first.v() {
        return Ok(Device { domain: 0, ..device(Target::Unchecked) });
    }
    let illegal = |reserved: bool| NoDevice {
        code: EventCode::ILLEGAL_DEV_TABLE_ENTRY,
        flags: EventFlags::new().with_rz(reserved),
        entry: first.into_bits(),
        entry_at,
    };
    // Guest translation, and noting accesses and writes, are what the unit does not have.
    let reserved = first.reserved() != 0
        || first.reserved_63()
        || first.had() != 0
        || first.gv()
        || third.reserved() != 0
        || fourth.reserved() != 0;
    if reserved {
        return Err(illegal(true));
    }
    match first.mode() {
        _ if !first.tv() => Ok(device(Target::Nowhere)),
        0 => Ok(device(Target::Direct)),
        mode if mode <= config.levels => Ok(device(Target::Tables { root: first.root(), levels: mode })),
        _ => Err(illegal(false)),
    }
}

/// Device table entries that have been read, kept until an invalidation covers them or another needs the place.
/// Fully associative, round robin.
pub(super) struct DeviceCache {
    entries: Vec<Option<(u16, Device)>>,
    victim: usize,
}

impl DeviceCache {
    pub(super) fn new(entries: usize) -> Self {
        Self { entries: vec![None; entries], victim: 0 }
    }

    pub(super) fn lookup(&self, requester: u16) -> Option<Device> {
        self.entries.iter().flatten().find(|(of, _)| *of == requester).map(|(_, device)| *device)
    }

    pub(super) fn insert(&mut self, requester: u16, device: Device) {
        let place = self.entries.iter().position(Option::is_none).unwrap_or_else(|| {
            let way = self.victim;
            self.victim = (way + 1) % self.entries.len();
            way
        });
        if let Some(place) = self.entries.get_mut(place) {
            *place = Some((requester, device));
        }
    }

    pub(super) fn invalidate(&mut self, requester: u16) {
        for entry in &mut self.entries {
            entry.take_if(|(of, _)| *of == requester);
        }
    }

    pub(super) fn invalidate_all(&mut self) {
        self.entries.fill(None);
    }
}
