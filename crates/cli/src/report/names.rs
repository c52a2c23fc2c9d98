//! Arguments of DDIs as people write them.

use dxgk_abi::life::DevicePowerState;
use dxgk_abi::query::QueryAdapterInfoType;

/// A DDI call in a line: the query or power state by name, other arguments as they are, none when it is 0.
pub(super) fn call(ddi: &str, argument: &str) -> String {
    let number = argument.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let name = match (ddi, number) {
        ("DxgkDdiQueryAdapterInfo", Some(query)) => QueryAdapterInfoType(query).name(),
        ("DxgkDdiSetPowerState", Some(state)) => DevicePowerState(state).name(),
        (_, Some(0)) => return ddi.to_owned(),
        _ => None,
    };
    format!("{ddi}({})", name.unwrap_or(argument))
}
