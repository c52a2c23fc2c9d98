//! The port's handles of allocations and resources, and what the driver keeps behind them.
//!
//! Pages "DxgkCbGetHandleData", "DxgkCbGetHandleParent", "DxgkCbEnumHandleChildren", "DxgkCbAcquireHandleData",
//! "DxgkCbReleaseHandleData". A handle's number is not used again.

use alloc::collections::BTreeMap;

use dxgk_abi::Handle;
use dxgk_abi::callback::HandleType;

/// The first handle. Real ones of Windows look alike: a high bit pattern, then an index.
const FIRST: u32 = 0x4000_0040;
/// From one handle to the next.
const STEP: u32 = 0x40;

/// What a driver keeps behind an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DriverData {
    /// `hAllocation` of `DXGK_ALLOCATIONINFO`.
    pub allocation: Handle,
    /// `hDeviceSpecificAllocation` of the device that opened it; null while none has.
    pub device_specific: Handle,
}

struct Entry {
    data: DriverData,
    /// The resource that it is in.
    parent: u32,
    /// DxgkCbAcquireHandleData without DxgkCbReleaseHandleData yet.
    acquired: u32,
}

/// The handles of allocations and resources of a run.
pub struct AllocationHandles {
    next: u32,
    allocations: BTreeMap<u32, Entry>,
    /// The driver's handle of each resource.
    resources: BTreeMap<u32, Handle>,
}

impl Default for AllocationHandles {
    fn default() -> Self {
        Self { next: FIRST, allocations: BTreeMap::new(), resources: BTreeMap::new() }
    }
}

impl AllocationHandles {
    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(STEP);
        number
    }

    /// A resource with one allocation in it, as the driver described both: the allocation's handle.
    pub fn add(&mut self, allocation: Handle, resource: Handle) -> u32 {
        let parent = self.number();
        let object = self.number();
        self.resources.insert(parent, resource);
        let data = DriverData { allocation, device_specific: Handle::NULL };
        self.allocations.insert(object, Entry { data, parent, acquired: 0 });
        object
    }

    /// A device opened the allocation, or closed it (a null handle).
    pub fn set_device_specific(&mut self, object: u32, handle: Handle) {
        if let Some(entry) = self.allocations.get_mut(&object) {
            entry.data.device_specific = handle;
        }
    }

    /// The allocation goes, and its resource with it.
    pub fn remove(&mut self, object: u32) {
        if let Some(entry) = self.allocations.remove(&object) {
            self.resources.remove(&entry.parent);
        }
    }

    /// `DxgkCbGetHandleData`: null for a handle that names nothing of this kind.
    #[must_use]
    pub fn data(&self, object: u32, kind: HandleType, device_specific: bool) -> Handle {
        match kind {
            HandleType::ALLOCATION => self.allocations.get(&object).map_or(Handle::NULL, |entry| {
                if device_specific { entry.data.device_specific } else { entry.data.allocation }
            }),
            HandleType::RESOURCE => self.resources.get(&object).copied().unwrap_or_default(),
            _ => Handle::NULL,
        }
    }

    /// `DxgkCbGetHandleParent`: the resource that an allocation is in, or 0.
    #[must_use]
    pub fn parent(&self, allocation: u32) -> u32 {
        self.allocations.get(&allocation).map_or(0, |entry| entry.parent)
    }

    /// `DxgkCbEnumHandleChildren`: the allocation with this number in a resource, or 0.
    #[must_use]
    pub fn child(&self, resource: u32, index: u32) -> u32 {
        let children = self.allocations.iter().filter(|(_, entry)| entry.parent == resource);
        children.map(|(object, _)| *object).nth(index as usize).unwrap_or(0)
    }

    /// `DxgkCbAcquireHandleData`: the data, and the handle to release it with.
    pub fn acquire(
        &mut self,
        object: u32,
        kind: HandleType,
        device_specific: bool,
    ) -> Option<(Handle, Handle)> {
        let data = self.data(object, kind, device_specific);
        if data.is_null() {
            return None;
        }
        if let Some(entry) = self.allocations.get_mut(&object) {
            entry.acquired += 1;
        }
        // What the driver gets is the handle itself: it is ours to choose.
        Some((data, Handle(object.into())))
    }

    /// `DxgkCbReleaseHandleData`: whether it had been acquired.
    pub fn release(&mut self, release: Handle, kind: HandleType) -> bool {
        let Ok(object) = u32::try_from(release.0) else { return false };
        match kind {
            HandleType::ALLOCATION => match self.allocations.get_mut(&object) {
                Some(entry) if entry.acquired > 0 => {
                    entry.acquired -= 1;
                    true
                }
                _ => false,
            },
            HandleType::RESOURCE => self.resources.contains_key(&object),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_parents_and_children_are_found_until_the_handle_goes() {
        let mut handles = AllocationHandles::default();
        let object = handles.add(Handle(0xa), Handle(0xb));
        let other = handles.add(Handle(0xc), Handle(0xd));
        assert_ne!(object, other);
        let data = |handles: &AllocationHandles, device| handles.data(object, HandleType::ALLOCATION, device);
        assert_eq!((data(&handles, false), data(&handles, true)), (Handle(0xa), Handle::NULL));
        handles.set_device_specific(object, Handle(0xe));
        assert_eq!(data(&handles, true), Handle(0xe));
        let parent = handles.parent(object);
        assert_eq!(handles.data(parent, HandleType::RESOURCE, false), Handle(0xb));
        assert_eq!((handles.child(parent, 0), handles.child(parent, 1)), (object, 0));
        assert_eq!(handles.data(object, HandleType::RESOURCE, false), Handle::NULL, "of another kind");
        handles.remove(object);
        assert_eq!(data(&handles, false), Handle::NULL);
        assert_eq!((handles.parent(object), handles.child(parent, 0)), (0, 0));
        assert_eq!(handles.data(other, HandleType::ALLOCATION, false), Handle(0xc));
    }

    #[test]
    fn what_is_released_was_acquired() {
        let mut handles = AllocationHandles::default();
        let object = handles.add(Handle(0xa), Handle(0xb));
        assert!(!handles.release(Handle(object.into()), HandleType::ALLOCATION));
        let (data, release) = handles.acquire(object, HandleType::ALLOCATION, false).expect("live");
        assert_eq!(data, Handle(0xa));
        assert!(handles.release(release, HandleType::ALLOCATION));
        assert!(!handles.release(release, HandleType::ALLOCATION));
        assert_eq!(handles.acquire(1, HandleType::ALLOCATION, false), None);
        assert!(!handles.release(Handle(u64::MAX), HandleType::ALLOCATION));
    }
}
