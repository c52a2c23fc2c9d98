//! A driver that writes down what it is asked and answers from a script.

use std::sync::{Arc, Mutex};

use dxgk_abi::callback::{ArgCbAllocatePagesForMdl, ArgCbSaveMemoryForHotUpdate, MemoryCachingType};
use dxgk_abi::caps::{DriverCaps, VidMmCapsFlags, VidSchCaps, WddmVersion};
use dxgk_abi::life::{DevicePowerState, LinkedDevice};
use dxgk_abi::query::{FrameBufferSaveArea, IommuCaps, PhysicalMemoryCaps, QueryAdapterInfoType};
use dxgk_abi::{Handle, Irql, NtStatus, Pointer};
use dxgk_hw::{PAGE_SIZE, PageRun, total_pages};
use dxgk_port::vidmm::VideoMemory;
use dxgk_port::{
    AdapterIdentity, DdiError, DdiResult, DeviceContext, DriverFacts, Miniport, Restored, Started,
};
use dxgk_sysmm::{CallError, Caller, SysMm};
use zerocopy::IntoBytes;

use crate::platform::Machine;
use crate::rig::Journal;
use crate::video::Video;

/// What the driver says of itself.
#[derive(Clone, Copy)]
pub(crate) struct Says {
    /// `None`: IOMMU_CAPS fails, as in drivers older than 2.9.
    pub(crate) iommu: Option<IommuCaps>,
    /// `None`: PHYSICAL_MEMORY_CAPS fails.
    pub(crate) highest_visible: Option<u64>,
    pub(crate) started: VidMmCapsFlags,
    pub(crate) display_only: bool,
    /// What FRAMEBUFFERSAVESIZE answers for each adapter of the chain; nothing: 0.
    pub(crate) save_areas: &'static [u64],
    pub(crate) reserved: &'static [(u64, u64)],
}

pub(crate) struct Driver {
    pub(crate) journal: Journal,
    pub(crate) says: Says,
    /// Lines of the journal that end otherwise than well.
    pub(crate) outcomes: Mutex<Vec<(String, DdiError)>>,
    pub(crate) sysmm: Arc<SysMm<Machine>>,
    pub(crate) handles: Mutex<Vec<Handle>>,
    /// Pages that each StartDevice allocates and keeps.
    pub(crate) pages_at_start: u64,
    /// What DxgkDdiLinkDevice says of the chain's length; `None`: the table has no such DDI.
    pub(crate) links: Option<u32>,
    /// The device that it calls the lead.
    pub(crate) lead: u64,
    /// Pages of blocks that it took over after its update.
    pub(crate) restored: Mutex<Vec<PageRun>>,
    /// `None`: a driver without video memory.
    pub(crate) video: Option<Video>,
}

impl Driver {
    pub(crate) fn called(&self, line: String) -> DdiResult<()> {
        let outcomes = self.outcomes.lock().expect("unpoisoned");
        let outcome = outcomes.iter().find(|(failing, _)| *failing == line).map(|(_, error)| *error);
        self.journal.note(line);
        outcome.map_or(Ok(()), Err)
    }

    fn on(&self, ddi: &str, device: DeviceContext) -> DdiResult<()> {
        self.called(format!("{ddi} {}", number(device)))
    }

    /// What DxgkCbAllocatePagesForMdl says to the adapter with this number.
    pub(crate) fn allocate(&self, number: usize, pages: u64) -> Result<(), CallError> {
        let handle = self.handles.lock().expect("unpoisoned")[number];
        let caller = Caller::new(Irql::PASSIVE_LEVEL, 0);
        let args = ArgCbAllocatePagesForMdl {
            high_address: u64::MAX,
            total_bytes: pages * PAGE_SIZE,
            cache_type: MemoryCachingType::CACHED,
            ..ArgCbAllocatePagesForMdl::default()
        };
        self.sysmm.allocate_pages_for_mdl(&caller, handle, &args).map(|_| ())
    }
}

pub(crate) fn number(device: DeviceContext) -> u64 {
    device.0 - 0x1000
}

impl Miniport for Driver {
    fn facts(&self) -> DriverFacts {
        DriverFacts { version: 0x1100a, display_only: self.says.display_only }
    }

    fn add_device(&self, adapter: &AdapterIdentity) -> DdiResult<DeviceContext> {
        self.handles.lock().expect("unpoisoned").push(adapter.handle);
        self.called(format!("add {}", adapter.number))?;
        Ok(DeviceContext(0x1000 + u64::from(adapter.number)))
    }

    fn link_device(&self, device: DeviceContext) -> DdiResult<LinkedDevice> {
        let Some(links) = self.links else { return Err(DdiError::Absent) };
        self.on("link", device)?;
        let lead = number(device) == self.lead;
        Ok(LinkedDevice {
            chain_uid: 7,
            number_of_links_in_chain: links,
            lead_link: lead.into(),
            ..LinkedDevice::default()
        })
    }

    fn query_adapter_info(
        &self,
        device: DeviceContext,
        query: QueryAdapterInfoType,
        input: &[u8],
        output: &mut [u8],
    ) -> DdiResult<()> {
        let index = input.first().map_or(String::new(), |index| format!(" of {index}"));
        let name = query.name().unwrap_or("?");
        self.called(format!("ask {} {name}{index}", number(device)))?;
        let no = || DdiError::Failed(NtStatus::NOT_SUPPORTED);
        let mut answer = |bytes: &[u8]| output[..bytes.len()].copy_from_slice(bytes);
        match query {
            QueryAdapterInfoType::IOMMU_CAPS => answer(self.says.iommu.ok_or_else(no)?.as_bytes()),
            QueryAdapterInfoType::PHYSICAL_MEMORY_CAPS => {
                let highest_visible_address = self.says.highest_visible.ok_or_else(no)?;
                answer(PhysicalMemoryCaps { highest_visible_address }.as_bytes());
            }
            QueryAdapterInfoType::DRIVERCAPS => {
                let mut caps = DriverCaps::default();
                caps.memory_management_caps.value = self.says.started;
                caps.wddm_version = WddmVersion::V2_9;
                caps.scheduling_caps = VidSchCaps::MULTI_ENGINE_AWARE;
                answer(caps.as_bytes());
            }
            QueryAdapterInfoType::FRAMEBUFFERSAVESIZE => {
                let index = input.first().copied().unwrap_or(0) as usize;
                let maximum_size = self.says.save_areas.get(index).copied().unwrap_or(0);
                answer(FrameBufferSaveArea { maximum_size }.as_bytes());
            }
            _ => {}
        }
        Ok(())
    }

    fn hardware_reserved_ranges(&self, device: DeviceContext) -> DdiResult<Vec<(u64, u64)>> {
        self.on("reserved ranges", device)?;
        Ok(self.says.reserved.to_vec())
    }

    fn start_device(&self, device: DeviceContext, adapter: &AdapterIdentity) -> DdiResult<Started> {
        assert_eq!(number(device), u64::from(adapter.number), "its own context and handle");
        self.on("start", device)?;
        if self.pages_at_start != 0 {
            self.allocate(adapter.number as usize, self.pages_at_start).expect("pages");
        }
        Ok(Started { sources: 1, children: 2 })
    }

    fn enumerate_children(&self, device: DeviceContext, children: u32) -> DdiResult<()> {
        assert_eq!(children, 2);
        self.on("children", device)
    }

    fn begin_exclusive_access(&self, device: DeviceContext) -> DdiResult<()> {
        self.on("begin", device)
    }

    fn end_exclusive_access(&self, device: DeviceContext) -> DdiResult<()> {
        self.on("end", device)
    }

    fn video_memory(&self) -> Option<&dyn VideoMemory> {
        self.video.as_ref().map(|_| self as _)
    }

    fn work(&self, device: DeviceContext) -> DdiResult<()> {
        self.on("work", device)
    }

    fn set_power_state(&self, device: DeviceContext, state: DevicePowerState) -> DdiResult<()> {
        let state = if state == DevicePowerState::D0 { "D0" } else { "D3" };
        self.on(state, device)
    }

    fn hot_update_context(&self, device: DeviceContext) -> DdiResult<u64> {
        self.on("hot update interface", device)?;
        Ok(0xC0)
    }

    fn save_memory_for_hot_update(&self, device: DeviceContext, context: u64) -> DdiResult<()> {
        let handle = self.handles.lock().expect("unpoisoned")[number(device) as usize];
        let caller = Caller::new(Irql::PASSIVE_LEVEL, 0);
        for data_size in [5000, 8] {
            let args = ArgCbSaveMemoryForHotUpdate {
                data: Pointer(0x1000),
                data_size,
                meta_data: Pointer(0x2000),
                meta_data_size: data_size / 8,
                ..ArgCbSaveMemoryForHotUpdate::default()
            };
            self.sysmm.save_memory_for_hot_update(&caller, handle, &args).expect("it was asked to");
        }
        self.called(format!("save with {context:#x}"))
    }

    fn restore_memory_for_hot_update(
        &self,
        _device: DeviceContext,
        context: u64,
        block: Option<Restored<'_>>,
    ) -> DdiResult<()> {
        self.called(match block {
            None => format!("restored with {context:#x}"),
            Some(it) => format!("restore {} pages and {} bytes", total_pages(it.pages), it.metadata.len()),
        })?;
        if let Some(block) = block {
            self.restored.lock().expect("unpoisoned").extend(block.pages.iter().copied());
        }
        Ok(())
    }

    fn stop_device(&self, device: DeviceContext) -> DdiResult<()> {
        self.on("stop", device)
    }

    fn remove_device(&self, device: DeviceContext) -> DdiResult<()> {
        self.on("remove", device)
    }

    fn unload(&self) -> DdiResult<()> {
        self.called("unload".to_owned())
    }
}
