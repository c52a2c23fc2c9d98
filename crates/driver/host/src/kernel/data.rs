//! Data exports: variables that drivers read through their import tables (abi.md, "Data exports of ntoskrnl").
//!
//! Every variable has 8 bytes to itself, except the one table, on a page of driver-readable memory that is laid out once.

use std::collections::BTreeMap;

use super::memory;
use super::space::Space;
use super::trouble::Outcome;
use crate::layout::{HIGHEST_USER_ADDRESS, USER_PROBE_ADDRESS};

/// The types of objects that a handle can be asked for; the variable holds an address that stands for the type.
const OBJECT_TYPES: [&str; 16] = [
    "ExDesktopObjectType",
    "ExEventObjectType",
    "ExSemaphoreObjectType",
    "ExWindowStationObjectType",
    "IoAdapterObjectType",
    "IoDeviceHandlerObjectType",
    "IoDeviceObjectType",
    "IoDriverObjectType",
    "IoFileObjectType",
    "LpcPortObjectType",
    "MmSectionObjectType",
    "PsJobType",
    "PsProcessType",
    "PsThreadType",
    "SeTokenObjectType",
    "TmTransactionObjectType",
];

/// Plain variables and their values.
const VALUES: [(&str, u64); 11] = [
    ("KdDebuggerEnabled", 0),
    ("KdDebuggerNotPresent", 1),
    ("KdEnteredDebugger", 0),
    ("KeNumberProcessors", 1),
    ("InitSafeBootMode", 0),
    ("Mm64BitPhysicalAddress", 1),
    ("MmHighestUserAddress", HIGHEST_USER_ADDRESS),
    ("MmSystemRangeStart", HIGHEST_USER_ADDRESS + 1),
    ("MmUserProbeAddress", USER_PROBE_ADDRESS),
    ("NtBuildNumber", super::rtl::BUILD as u64),
    ("NtGlobalFlag", 0),
];

/// The variable that holds the system process.
const SYSTEM_PROCESS: &str = "PsInitialSystemProcess";

/// Whether there is such a variable.
pub(super) fn is_variable(name: &str) -> bool {
    name == SYSTEM_PROCESS || OBJECT_TYPES.contains(&name) || VALUES.iter().any(|(known, _)| *known == name)
}

/// Where the variables are.
#[derive(Debug)]
pub(crate) struct DataExports {
    variables: BTreeMap<&'static str, u64>,
    types: BTreeMap<&'static str, u64>,
    system_process: u64,
}

impl DataExports {
    /// Writes them all; `None` when the host has no room.
    pub(crate) fn lay_out(space: &Space) -> Outcome<Option<Self>> {
        let Ok(page) = space.map_host(4096) else { return Ok(None) };
        let (mut variables, mut types) = (BTreeMap::new(), BTreeMap::new());
        let mut at = page.get();
        for (name, value) in VALUES {
            memory::write(at, &value)?;
            variables.insert(name, at);
            at += 8;
        }
        // The types themselves are opaque: 16 bytes behind the variables stand for each.
        let mut kind = page.get() + 2048;
        for name in OBJECT_TYPES {
            memory::write(at, &kind)?;
            variables.insert(name, at);
            types.insert(name, kind);
            at += 8;
            kind += 16;
        }
        memory::write(at, &kind)?;
        variables.insert(SYSTEM_PROCESS, at);
        Ok(Some(Self { variables, types, system_process: kind }))
    }

    /// Address of a variable.
    pub(crate) fn address(&self, name: &str) -> Option<u64> {
        self.variables.get(name).copied()
    }

    /// The value that stands for an object type, by the name of its variable.
    pub(crate) fn object_type(&self, name: &str) -> Option<u64> {
        self.types.get(name).copied()
    }

    /// What stands for the system process, which is opaque.
    pub(crate) fn system_process(&self) -> u64 {
        self.system_process
    }

    /// Names of all variables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.variables.keys().copied()
    }
}
