//! Capabilities, laid out one behind the other.

use super::super::check::{BadDescription, Place};
use super::super::description::Description;
use crate::pci::Capability;

/// First byte behind the configuration header, and first beyond configuration space.
const FIRST: usize = 0x40;
const END: usize = 0x100;
/// Bytes of the number and the pointer.
const HEAD: usize = 2;

/// Gives each capability its place: a multiple of 4.
pub(super) fn plan(description: &Description) -> Result<Vec<Capability>, BadDescription> {
    let mut at = FIRST;
    let mut capabilities = Vec::new();
    for (index, capability) in description.capability.iter().enumerate() {
        let place = Place::table("capability").index(index);
        let end = at + HEAD + capability.body.len();
        place.field("body").require(end <= END, || {
            format!("it would end at {end:#x}; capabilities have 192 bytes together")
        })?;
        let body = capability.body.len();
        place.field("writable").require(capability.writable.len() <= body, || {
            format!("has {} bytes; the body has {body}", capability.writable.len())
        })?;
        capabilities.push(Capability {
            at: at as u8,
            id: capability.id,
            body: capability.body.clone(),
            writable: capability.writable.clone(),
        });
        at = end.next_multiple_of(4);
    }
    Ok(capabilities)
}
