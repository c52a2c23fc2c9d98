//! A machine with a driver in it, put together in this process: RAM, IOMMU, devices, memory manager, kernel, port.

use std::sync::Arc;

use dxgk_abi::InterfaceVersion;
use dxgk_event::{Event, EventSink, FailureKind, Import, ModuleLoaded, Tally, Text};
use dxgk_host::cost::Stage;
use dxgk_host::dxgk::{
    DeviceWindows, Devices, LoadedMiniport, PortState, PostDisplay, Settings, port_entries,
};
use dxgk_host::image::{Image, LoadError};
use dxgk_host::kernel::{DriverImage, Installed, Kernel, KernelParts, MissingStubs, PoolKind};
use dxgk_host::layout::{LayoutError, Purpose, Region, RunGuard};
use dxgk_host::modules::Registration;
use dxgk_host::patch::Patches;
use dxgk_host::platform::{HostPlatform, KernelPages};
use dxgk_host::processor::{Processor, boundary};
use dxgk_host::sink::{HostSink, StackPolicy};
use dxgk_hw::{DmaPort, FrameSource, IommuUnit, MachineMemory, PciFunction, RequesterId};
use dxgk_model::{Described, Device, Edu, Machine, NoRegisters, PciDevice, Remote};
use dxgk_port::mode::{Asked, IommuFlags, Request};
use dxgk_port::{AdapterSpec, Port};
use dxgk_shm::Ram;
use dxgk_sysmm::policy::{LogicalBase as LogicalBasePolicy, Strictness as PolicyStrictness};
use dxgk_sysmm::{PageDatabase, Policy, SysMm};

use super::config::{DeviceChoice, Iommu, LogicalBase, Missing, PoolForm, RunConfig, Stacks, Strictness};
use super::linked;
use super::play::Player;
use super::registry;

/// Devices at most: a bus has 32 places, and the first three are the machine's own, as on a PC.
pub(crate) const MOST_DEVICES: u32 = 29;
const FIRST_DEVICE: u8 = 3;
/// Every DMA address bit: the model's edu reaches all of memory.
const EDU_DMA_MASK: u64 = u64::MAX;

/// Why a run could not even begin; our own limit, or the driver's file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RigError {
    /// The driver's file cannot be loaded.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The host lacks something.
    #[error("{0}")]
    Host(String),
}

fn host(what: &str) -> impl FnOnce(dxgk_hw::NoRoom) -> RigError + '_ {
    move |_| RigError::Host(format!("no room for {what}"))
}

/// The driver to run.
pub(crate) enum DriverSource {
    /// The built-in sample, linked into this process.
    Linked,
    /// A file's name and bytes.
    File(String, Vec<u8>),
}

/// What keeps the driver's code in place.
#[expect(dead_code, reason = "held for what their drop undoes")]
enum Code {
    Linked(Registration),
    Loaded(Image, Region),
}

/// Everything of a run. Fields are dropped in order: the processor outlives what refers to it.
pub(crate) struct Rig {
    miniport: LoadedMiniport,
    sysmm: Arc<SysMm<HostPlatform>>,
    unit: Arc<dyn IommuUnit>,
    machine: Machine,
    functions: Vec<Arc<dyn PciFunction>>,
    ram: Arc<Ram>,
    sink: Arc<HostSink>,
    /// Keeps the driver's code mapped, and known to stack walks.
    code: Code,
    /// Keeps the kernel reachable from exports.
    installed: Installed,
    /// Keeps the thread a processor.
    processor: Processor,
    #[expect(dead_code, reason = "one run a process")]
    guard: RunGuard,
}

impl Rig {
    /// Puts the machine together and loads the driver; no driver code runs yet. `device` is the device of the run where
    /// that is in another process.
    pub(crate) fn build(
        config: &RunConfig,
        ram: Arc<Ram>,
        sink: &Arc<HostSink>,
        driver: &DriverSource,
        device: Option<Remote>,
    ) -> Result<Self, RigError> {
        let guard = RunGuard::acquire();
        let processor = Processor::attach(&guard).map_err(|error| RigError::Host(error.to_string()))?;
        let platform = Arc::new(HostPlatform::new(Arc::clone(&ram), Arc::clone(sink)));
        let policy = policy(config);
        let pages = PageDatabase::new(Arc::clone(&platform), &policy);
        let machine = machine(config, &ram, sink, device)?;
        let frames: Arc<dyn FrameSource> = Arc::clone(&pages) as _;
        let memory: Arc<dyn MachineMemory> = Arc::clone(&ram) as _;
        let unit = config
            .iommu_unit
            .start(&machine, memory, frames)
            .map_err(|error| RigError::Host(format!("the IOMMU does not start: {error}")))?;
        let functions: Vec<Arc<dyn PciFunction>> =
            machine.functions().iter().map(|it| Arc::clone(it) as _).collect();
        let devices = Arc::new(Devices::new(functions.clone(), Arc::clone(sink), &guard));
        let post_display = post_display(&pages);
        let sysmm = Arc::new(SysMm::new(Arc::clone(&platform), Arc::clone(&pages), policy));
        let kernel = Kernel::new(
            KernelParts {
                events: Arc::clone(sink) as _,
                ram: Arc::clone(&ram) as _,
                pages: Arc::new(KernelPages(pages)),
                io: Arc::new(DeviceWindows(Arc::clone(&devices))),
                time: Arc::clone(&devices) as _,
                registry: registry::fill(config, &functions),
                pool: match config.pool {
                    PoolForm::Fast => PoolKind::Fast,
                    PoolForm::Special => PoolKind::Special,
                },
            },
            &guard,
        )
        .map_err(host("the kernel"))?;
        let kernel = Arc::new(kernel);
        platform.set_kernel(Arc::clone(&kernel));
        kernel.set_going_on(config.strictness == Strictness::Report);
        let installed = kernel.install();
        let settings = Settings {
            offered: InterfaceVersion(config.wddm),
            stop_like_windows: config.strictness == Strictness::Windows,
            post_display,
        };
        let port = Arc::new(PortState::new(Arc::clone(&sysmm), Arc::clone(sink), devices, settings));
        kernel.set_pager(Arc::clone(&sysmm) as _);
        kernel.set_port(Arc::clone(&port) as _);
        kernel.set_port_entries(port_entries());
        sink.mark(Stage::Machine);
        let (code, place) = bring_in(driver, config.missing, &kernel, sink, &guard)?;
        let arguments = kernel.add_driver(registry::SERVICE, place).map_err(host("the driver object"))?;
        let keys = registry::device_keys(functions.len());
        let miniport = LoadedMiniport::new(kernel, port, place.entry, arguments, keys)
            .map_err(host("the driver's arguments"))?;
        Ok(Self {
            miniport,
            sysmm,
            unit,
            machine,
            functions,
            ram,
            sink: Arc::clone(sink),
            code,
            installed,
            processor,
            guard,
        })
    }

    /// DriverEntry, then the adapters' lives as the scenario has them. What can be told only at the end follows.
    pub(crate) fn live(&self, config: &RunConfig) {
        self.whole_life(config);
        self.installed.kernel().check_freed_pool();
        let traps = self.processor.run().traps();
        let patches = match &self.code {
            Code::Loaded(image, _) => image.patches(),
            Code::Linked(_) => Patches::default(),
        };
        self.sink.emit(&Event::Tally(Tally {
            patched: patches.shared_data.into(),
            registers: traps.registers,
            shared_data: traps.shared_data,
            guards: traps.guards,
            privileged: traps.privileged,
            level: traps.level,
            exceptions: traps.exceptions,
            handled: self.processor.run().handled_exceptions(),
            boundaries: boundary(),
            level_patched: patches.level,
            level_left: patches.level_left,
        }));
    }

    fn whole_life(&self, config: &RunConfig) {
        if let Err(error) = self.miniport.driver_entry() {
            match error {
                dxgk_port::DdiError::Stopped => {}
                other => self
                    .sink
                    .fail(FailureKind::NotStarted, &format!("DriverEntry did not succeed: {other:?}")),
            }
            return;
        }
        if let Code::Loaded(image, _) = &self.code
            && let Err(error) = image.discard_initialization()
        {
            self.sink.fail(FailureKind::Internal, &error.to_string());
            return;
        }
        let port = Port {
            miniport: &self.miniport,
            sysmm: &self.sysmm,
            unit: Some(Arc::clone(&self.unit)),
            sink: self.sink.as_ref(),
            request: request(config),
            limit: config.highest_visible_address,
            highest_physical: self.ram.highest_physical_address().get(),
        };
        Player::new(self, port).play(&self.chains(config.adapters), &config.scenario);
    }

    /// The physical adapters of each logical adapter.
    fn chains(&self, adapters: u32) -> Vec<Vec<AdapterSpec>> {
        let spec = |function: &Arc<dyn PciFunction>| AdapterSpec {
            requester: function.requester(),
            bars: function.bars(),
        };
        self.functions
            .chunks(adapters.max(1) as usize)
            .map(|chain| chain.iter().map(spec).collect())
            .collect()
    }

    pub(super) fn sink(&self) -> &HostSink {
        &self.sink
    }

    pub(super) fn miniport(&self) -> &LoadedMiniport {
        &self.miniport
    }

    pub(super) fn ram(&self) -> &Ram {
        &self.ram
    }

    /// How many devices the machine has.
    pub(super) fn devices(&self) -> usize {
        self.functions.len()
    }

    /// The devices at these places of the bus.
    pub(super) fn devices_of(&self, requesters: &[RequesterId]) -> Vec<Arc<PciDevice>> {
        let functions = self.machine.functions().iter();
        functions.filter(|function| requesters.contains(&function.requester())).map(Arc::clone).collect()
    }

    /// A device's way to memory.
    pub(super) fn device_port(&self, device: u32) -> Option<Arc<dyn DmaPort>> {
        self.functions.get(device as usize).map(|function| self.machine.port(function.requester()))
    }
}

fn policy(config: &RunConfig) -> Policy {
    Policy {
        seed: config.seed,
        logical_base: match config.logical_base {
            LogicalBase::Safe => LogicalBasePolicy::Safe,
            LogicalBase::Windows => LogicalBasePolicy::Windows,
        },
        strictness: match config.strictness {
            Strictness::Report => PolicyStrictness::Report,
            Strictness::Windows => PolicyStrictness::Windows,
        },
        ..Policy::default()
    }
}

fn request(config: &RunConfig) -> Request {
    let (asked, flags) = match config.iommu {
        Iommu::Auto => (Asked::Auto, config.iommu_flags),
        Iommu::Remapping => (Asked::Remapping, config.iommu_flags),
        Iommu::Isolation => (Asked::Isolation, config.iommu_flags),
        Iommu::Off => (Asked::Off, 0),
    };
    Request {
        asked,
        forced: config.force_iommu,
        flags: IommuFlags::from_bits_truncate(flags),
        offered: InterfaceVersion(config.wddm),
        opt_in: registry::opt_in(config),
    }
}

/// How many stacks the sink takes.
pub(crate) fn stack_policy(config: &RunConfig) -> StackPolicy {
    match config.stacks {
        Stacks::All => StackPolicy::All,
        Stacks::Few => StackPolicy::Few,
        Stacks::None => StackPolicy::None,
    }
}

fn machine(
    config: &RunConfig,
    ram: &Arc<Ram>,
    sink: &Arc<HostSink>,
    mut outside: Option<Remote>,
) -> Result<Machine, RigError> {
    let builder =
        Machine::builder(Arc::clone(ram) as _, Arc::clone(sink) as _).unit(config.iommu_unit.model());
    let count = (config.adapters * config.logical_adapters).min(MOST_DEVICES) as u8;
    let mut places = (FIRST_DEVICE..FIRST_DEVICE + count).map(|place| RequesterId::new(0, place, 0));
    let builder = places.try_fold(builder, |builder, place| {
        let device: Box<dyn Device> = match &config.device {
            DeviceChoice::Edu => Box::new(Edu::new(EDU_DMA_MASK)),
            DeviceChoice::None => Box::new(NoRegisters),
            DeviceChoice::VfioUser { .. } => {
                let none = || RigError::Host("no link to the device model".to_owned());
                Box::new(outside.take().ok_or_else(none)?)
            }
            DeviceChoice::File { path, description } => {
                let refused = |error| RigError::Host(format!("{}: {error}", path.display()));
                Box::new(Described::new(description).map_err(refused)?)
            }
        };
        Ok::<_, RigError>(builder.device(place, &config.device.name(), device))
    })?;
    builder.build().map_err(|error| RigError::Host(error.to_string()))
}

/// The frame buffer that firmware would have left: 1024 x 768 in memory that it set aside (our choice).
fn post_display(pages: &Arc<PageDatabase<HostPlatform>>) -> Option<PostDisplay> {
    use dxgk_sysmm::pages::{Layout, PageRequest};
    let (width, height) = (1024u32, 768u32);
    let pitch = width * 4;
    let request = PageRequest {
        layout: Layout::Contiguous { align: 256, boundary: 0 },
        ..PageRequest::anywhere(u64::from(pitch * height).div_ceil(dxgk_hw::PAGE_SIZE))
    };
    let run = pages.set_aside(&request).ok()?.first().copied()?;
    Some(PostDisplay { width, height, pitch, physical: run.start.address().get() })
}

/// Makes the driver's code callable, and records what was loaded and what it imports.
fn bring_in(
    driver: &DriverSource,
    missing: Missing,
    kernel: &Kernel,
    sink: &Arc<HostSink>,
    guard: &RunGuard,
) -> Result<(Code, DriverImage), RigError> {
    let note = |name: &str, slot: u64, missing: bool| {
        sink.emit(&Event::Import(Import { name: Text::new(name), missing: missing.into(), slot }));
    };
    match driver {
        DriverSource::Linked => {
            let linked =
                linked::bind(kernel, |name, missing| note(name, 0, missing)).map_err(RigError::Host)?;
            announce(sink, &linked.name, linked.place, true);
            Ok((Code::Linked(linked.registration), linked.place))
        }
        DriverSource::File(name, bytes) => {
            let mut region = Region::new(Purpose::Images, guard);
            let refused = |error: LayoutError| RigError::Host(error.to_string());
            let mut stubs = match missing {
                Missing::Fail => None,
                Missing::Stub => Some(MissingStubs::new(&mut region).map_err(refused)?),
            };
            let mut resolve = |module: &str, import: &str| {
                let found = kernel.resolve(module, import).map(|export| export.address);
                note(import, 0, found.is_none());
                found.or_else(|| stubs.as_mut()?.add(kernel, import))
            };
            let image = Image::load(bytes, name, &mut region, &mut resolve)?;
            if let Some(stubs) = &stubs {
                stubs.finish().map_err(refused)?;
            }
            let size = u32::try_from(image.bytes()).unwrap_or(u32::MAX);
            let place = DriverImage { base: image.base(), bytes: size, entry: image.entry() };
            announce(sink, name, place, false);
            Ok((Code::Loaded(image, region), place))
        }
    }
}

fn announce(sink: &HostSink, name: &str, place: DriverImage, linked: bool) {
    sink.emit(&Event::ModuleLoaded(ModuleLoaded {
        base: place.base,
        bytes: place.bytes.into(),
        name: Text::new(name),
        linked: linked.into(),
    }));
}
