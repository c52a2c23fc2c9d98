//! Registers, the adapters' life, and what a step is.

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{Attachment, CpuVa, LogicalAddr};
use dxgk_sysmm::callbacks::MapMemoryArgs;
use dxgk_sysmm::{Addressing, CallError, Caller};

use crate::reference::{Frame, INVALID, Mapping, Mode, Registers, Verdict, fatal};
use crate::world::{BAR, BAR_BYTES, CHAINS, DENIED, KERNEL, PORTS, Start, Step, World};

impl World {
    fn map_registers(&mut self) -> Step {
        let adapter = self.draw_adapter();
        let in_io_space = self.rng.one_in(3);
        let (base, bytes) = if in_io_space { (PORTS, 0x20) } else { (BAR, BAR_BYTES) };
        let offset = self.rng.below(bytes);
        let mut args = MapMemoryArgs {
            translated_address: base + offset,
            length: 1 + self.rng.below(bytes - offset) as u32,
            in_io_space,
            map_to_user_mode: self.rng.one_in(4),
            cache_type: self.rng.below(3) as u32,
        };
        match self.rng.below(20) {
            0 => args.length = 0,
            1 => args.length += (bytes - offset) as u32,
            2 => args.translated_address = self.rng.of(&[0x1000, u64::MAX, base - 1]),
            3 => args.cache_type = 5,
            4 => args.in_io_space = !in_io_space,
            _ => {}
        }
        let caller = Caller { process: self.rng.below(3) as u32, ..KERNEL };
        let (base, bytes) = if args.in_io_space { (PORTS, 0x20) } else { (BAR, BAR_BYTES) };
        let decide = || {
            self.reference.place(adapter.0)?;
            let length = u64::from(args.length);
            let end = args.translated_address.checked_add(length).filter(|_| length != 0).ok_or(INVALID)?;
            if !args.in_io_space && args.cache_type > 2 {
                return Err(INVALID);
            }
            if args.translated_address >= base && end <= base + bytes { Ok(()) } else { Err(DENIED) }
        };
        let wanted: Verdict<()> = decide();
        let got = self.bench.sysmm.map_memory(&caller, adapter, &args);
        let wanted = self.limited(wanted, 0, !args.in_io_space)?;
        self.agree(format!("MapMemory({adapter:?}, {args:x?})"), &wanted, &got)?;
        let (Ok(()), Ok(address)) = (wanted, got) else { return Ok(()) };
        let address = address.get();
        let low = args.translated_address & 0xfff;
        let right =
            if args.in_io_space { args.translated_address == address } else { address & 0xfff == low };
        if !right {
            return Err(format!("{args:x?} is mapped at {address:#x}"));
        }
        let process = (args.map_to_user_mode && !args.in_io_space).then_some(caller.process);
        self.reference.registers.push(Registers { address, adapter: adapter.0, process });
        Ok(())
    }

    fn unmap_registers(&mut self, process: u32, adapter: Handle, address: u64) -> Step {
        let same = |it: &Registers| it.address == address && it.adapter == adapter.0;
        let at = self.reference.registers.iter().rposition(same);
        let decide = || {
            self.reference.place(adapter.0)?;
            let map = &self.reference.registers[at.ok_or(INVALID)?];
            if map.process.is_none_or(|it| it == process) { Ok(()) } else { Err(INVALID) }
        };
        let wanted: Verdict<()> = decide();
        let caller = Caller { process, ..KERNEL };
        let got = self.bench.sysmm.unmap_memory(&caller, adapter, CpuVa::new(address));
        self.agree(format!("UnmapMemory({adapter:?}, {address:#x}) by {process}"), &wanted, &got)?;
        if let (Ok(()), Some(at)) = (wanted, at) {
            self.reference.registers.remove(at);
        }
        Ok(())
    }

    fn unmap_some_registers(&mut self) -> Step {
        let count = self.reference.registers.len() as u64;
        let nth = self.rng.below(count) as usize;
        let known =
            self.reference.registers.get(nth).map(|it| (it.address, it.adapter, it.process.unwrap_or(0)));
        let (mut address, mut adapter, mut process) = known.unwrap_or((PORTS, 0, 0));
        match self.rng.below(12) {
            0 => address += self.rng.of(&[1, 4096]),
            1 => adapter = self.draw_adapter().0,
            2 => process += 1,
            _ => {}
        }
        self.unmap_registers(process, Handle(adapter), address)
    }

    fn ask_device(&mut self) -> Step {
        let adapter = self.draw_adapter();
        let wanted = self.reference.place(adapter.0).map_err(|error| match error {
            CallError::Status(NtStatus::INVALID_HANDLE) => INVALID,
            other => other,
        });
        let got = self.bench.sysmm.get_device_information(&KERNEL, adapter);
        self.agree(format!("GetDeviceInformation({adapter:?})"), &wanted, &got)?;
        let ram: u64 = self.reference.ranges.iter().map(|it| it.bytes).sum();
        match got {
            Ok(it) if it.system_memory_size != ram => Err(format!("{it:?}, with {ram:#x} bytes of RAM")),
            _ => Ok(()),
        }
    }

    /// DxgkDdiStopDevice returned, or the adapter starts again.
    fn stop_or_start(&mut self) -> Step {
        let adapter = self.draw_adapter();
        let known = self.reference.adapters.get_mut(&adapter.0);
        let stopped = known.as_ref().is_some_and(|it| it.stopped);
        let wanted = known.map(|it| it.stopped = !stopped).ok_or(crate::reference::BAD_HANDLE);
        let sysmm = &self.bench.sysmm;
        let got = if stopped { sysmm.start_adapter(adapter) } else { sysmm.stop_adapter(adapter) };
        self.agree(format!("stop or start {adapter:?} (stopped: {stopped})"), &wanted, &got)
    }

    fn start_all(&mut self) -> Step {
        for (handle, adapter) in &mut self.reference.adapters {
            if adapter.stopped {
                adapter.stopped = false;
                self.bench.sysmm.start_adapter(Handle(*handle)).map_err(|it| it.to_string())?;
            }
        }
        Ok(())
    }

    /// The late switch; for an adapter that was switched, a second one, which is refused.
    fn switch_some(&mut self) -> Step {
        let live: Vec<usize> = self.reference.adapters.values().map(|it| it.logical).collect();
        let Some(logical) = self.rng.pick(&live).copied() else { return Ok(()) };
        let start = self.setup.starts[logical.min(1)];
        if self.reference.logical[logical].mode == Mode::Off {
            let fixed = start == Start::Off || self.rng.one_in(2);
            return if fixed { self.refused_switch(logical) } else { self.switch(logical) };
        }
        self.refused_switch(logical)
    }

    /// Remapping with something mapped already, or a second mode.
    fn refused_switch(&mut self, logical: usize) -> Step {
        let space = &self.reference.logical[logical];
        let (id, mode) = (space.id, space.mode);
        let busy = self.reference.pages.values().any(|it| it.map.logical == logical)
            || self.reference.adls.values().any(|it| it.map.logical == logical);
        if mode == Mode::Off && !busy {
            return Ok(());
        }
        let Ok(domain) = self.bench.unit.create_domain() else { return Ok(()) };
        let highest_visible = LogicalAddr::new(u64::MAX);
        let addressing = match self.rng.below(3) {
            0 if mode != Mode::Off => Addressing::Passthrough,
            1 if mode != Mode::Off => Addressing::Isolation { domain },
            _ => Addressing::Remapping { domain, highest_visible },
        };
        let wanted = match (mode, &addressing) {
            (Mode::Off, _) => CallError::Status(NtStatus::INVALID_DEVICE_STATE),
            (_, Addressing::Passthrough) => fatal(SysMmFatalError::IOMMU_DISABLED_FOR_INVALID_REASON),
            _ => fatal(SysMmFatalError::IOMMU_ENABLED_FOR_INVALID_REASON),
        };
        let got = self.bench.sysmm.set_mode(id, addressing);
        self.agree(format!("second switch of {logical}"), &Err::<(), _>(wanted), &got)
    }

    /// Removes the logical adapter's physical ones; what they hold is reported and taken back.
    pub(crate) fn unplug(&mut self, logical: usize) -> Step {
        self.attach(logical, &Attachment::Blocked)?;
        self.reference.logical[logical].blocked = true;
        let adapters = self.reference.adapters.iter().filter(|(_, it)| it.logical == logical);
        let handles: Vec<u64> = adapters.map(|(handle, _)| *handle).collect();
        for handle in handles {
            let owned =
                self.reference.pages.values().filter(|it| it.adapter == handle).map(|it| it.map.clone());
            let adls =
                self.reference.adls.values().filter(|it| it.adapter == handle).map(|it| it.map.clone());
            let gone: Vec<Mapping> = owned.chain(adls).collect();
            let held = self.reference.held_by(Some(handle));
            let leaks = self.bench.sysmm.remove_adapter(Handle(handle)).map_err(|it| it.to_string())?;
            self.note(format!("remove {handle:#x} -> {leaks:x?}"));
            let mut found: Vec<_> = leaks.iter().map(|leak| (leak.handle, leak.answered)).collect();
            found.sort_unstable();
            if found != held {
                return Err(format!("leaks: expected {held:x?}, got {found:x?}"));
            }
            self.reference.adapters.remove(&handle);
            self.reference.reclaim(Some(handle));
            gone.iter().try_for_each(|map| self.probe(map))?;
        }
        let id = self.reference.logical[logical].id;
        let still = self.bench.sysmm.remove_logical_adapter(id);
        if still == Ok(0) { Ok(()) } else { Err(format!("removed logical adapter: {still:?}")) }
    }

    fn replug(&mut self) -> Step {
        let last = self.reference.logical.len() - 1;
        if last == 0 {
            return Ok(());
        }
        self.unplug(last)?;
        // From now on these devices are the new logical adapter's.
        self.reference.logical[last].requesters.clear();
        self.plug(CHAINS.len() - 1)
    }

    /// A device uses a mapping that is alive, and so warms the unit's caches.
    fn touch(&mut self) -> Step {
        let pages = self.reference.pages.values().map(|it| &it.map);
        let all: Vec<&Mapping> = pages.chain(self.reference.adls.values().map(|it| &it.map)).collect();
        let Some(map) = self.rng.pick(&all).map(|map| (*map).clone()) else { return Ok(()) };
        self.probe(&map)
    }

    /// Gives everything back, as a correct driver does.
    pub(crate) fn free_all(&mut self) -> Step {
        self.start_all()?;
        for (at, adapter_memory) in
            self.reference.adls.iter().map(|(at, it)| (*at, it.adapter_memory)).collect::<Vec<_>>()
        {
            self.free_adl(adapter_memory, at)?;
        }
        for (base, process, physical, bytes) in self
            .reference
            .views
            .iter()
            .map(|(at, it)| (*at, it.process.unwrap_or(0), it.physical, it.bytes))
            .collect::<Vec<_>>()
        {
            self.unmap_view(process, physical, base, bytes)?;
        }
        for (handle, owned, adapter) in
            self.reference.pages.iter().map(|(at, it)| (*at, it.owned, it.adapter)).collect::<Vec<_>>()
        {
            self.end_pages(owned, Handle(adapter), Handle(handle))?;
        }
        for handle in self.reference.adapter_memory.keys().copied().collect::<Vec<_>>() {
            self.close_object(handle)?;
        }
        for handle in self.reference.physical.keys().copied().collect::<Vec<_>>() {
            self.destroy_object(handle, 0)?;
        }
        while let Some(it) = self.reference.registers.last() {
            let (process, adapter, address) = (it.process.unwrap_or(0), it.adapter, it.address);
            self.unmap_registers(process, Handle(adapter), address)?;
        }
        while !self.kernel.is_empty() {
            self.rng = crate::random::Random::new(3);
            self.give_kernel_pages()?;
        }
        self.drop_own_mdls();
        let left = self.reference.frames.iter().filter(|it| !matches!(it, Frame::Free | Frame::Reserved));
        if left.count() != 0 {
            return Err("pages are left after everything is freed".into());
        }
        // What the unit itself holds, and the root of each domain: emptied tables went back.
        let attached = |it: &&crate::reference::Logical| !it.blocked && it.mode != Mode::Off;
        let domains = self.reference.logical.iter().filter(attached).count();
        let tables = self.tables().len();
        if tables == self.bench.unit_frames + domains {
            self.balance()
        } else {
            Err(format!("{tables} table frames after everything is freed, with {domains} domains"))
        }
    }

    /// One step of the random sequence.
    pub(crate) fn step(&mut self, word: u64) -> Step {
        self.begin(word);
        self.act()?;
        self.end()
    }

    fn act(&mut self) -> Step {
        match self.rng.below(1000) {
            0..=1 => return self.free_all(),
            2 => return self.replug(),
            3..=9 => return self.switch_some(),
            10..=29 => {
                return match self.rng.below(6) {
                    0 => self.stop_or_start(),
                    1 | 2 => self.start_all(),
                    _ => self.ask_device(),
                };
            }
            30..=59 => return self.touch(),
            60..=69 => return self.scribble(),
            77..=91 => return self.trim(),
            92..=121 => return self.touch_view(),
            70..=76 => self.hoarding = !self.hoarding,
            _ => {}
        }
        let all = self.reference.frames.len() as u64;
        let free = self.reference.frames.iter().filter(|it| **it == Frame::Free).count() as u64;
        // Towards half full, or, from time to time, towards nothing left.
        let appetite = if self.hoarding { 78 } else { 30 + 45 * free / all };
        if self.rng.below(100) < appetite {
            match self.rng.below(40) {
                0..=6 => self.allocate_pages(),
                7..=12 => self.create_object(),
                13..=21 => self.allocate_adl(),
                22..=24 => self.map_view(),
                25..=29 => self.map_mdl(),
                30..=32 => self.make_mdl(),
                33..=35 => self.take_kernel_pages(),
                36 | 37 => self.map_registers(),
                _ => self.open_object(),
            }
        } else {
            match self.rng.below(40) {
                0..=6 => self.end_some_pages(true),
                7..=11 => self.destroy_some_object(),
                12..=14 => {
                    let live: Vec<u64> = self.reference.adapter_memory.keys().copied().collect();
                    let handle = self.draw_handle(&live);
                    self.close_object(handle)
                }
                15..=23 => self.free_some_adl(),
                24..=26 => self.unmap_some_view(),
                27..=32 => self.end_some_pages(false),
                33..=36 => self.give_kernel_pages(),
                _ => self.unmap_some_registers(),
            }
        }
    }
}
