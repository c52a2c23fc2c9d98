//! Plays a scenario: the one way in which anything happens to the adapters of a run.
//!
//! Every logical adapter is added before the first step and removed after the last, stopped first if it still runs; then the
//! driver is unloaded. A step that fails ends the scenario, unless the next one expects just that.

use dxgk_abi::NtStatus;
use dxgk_abi::life::DevicePowerState;
use dxgk_event::{Event, EventId, EventSink, FailureKind, ModeChoice, ScenarioStep, Text};
use dxgk_host::dxgk::LoadedMiniport;
use dxgk_host::platform::HostPlatform;
use dxgk_hw::{LogicalAddr, MachineMemory, PhysAddr};
use dxgk_port::{AdapterSpec, AttachError, DdiError, Halt, Late, LogicalAdapter, Port};
use dxgk_sysmm::Allocation as SysMmAllocation;

use super::rig::Rig;
use crate::scenario::{
    Allocation, Dma, Expect, ModeName, OfAdapter, Power, PowerState, Remove, Scenario, Step, StepEnd,
    SurpriseRemove, Work,
};

/// Status of a step that begins.
const BEGINS: u32 = u32::MAX;

/// Why a step did not do what it was to do.
enum Trouble {
    /// The machine stopped: nothing more is played.
    Stopped,
    /// The adapter did not start.
    NotStarted(NtStatus),
    /// In words.
    Failed(String),
}

impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Stopped => Self::Stopped,
            Halt::NotStarted(status) => Self::NotStarted(status),
            Halt::NoResources | Halt::NotLinked => Self::Failed(halt.to_string()),
        }
    }
}

impl Trouble {
    fn status(&self) -> NtStatus {
        match self {
            Self::NotStarted(status) => *status,
            Self::Stopped | Self::Failed(_) => NtStatus::UNSUCCESSFUL,
        }
    }
}

/// What a step gives.
type Played = Result<(), Trouble>;

/// A run that is played.
pub(super) struct Player<'r> {
    rig: &'r Rig,
    port: Port<'r, LoadedMiniport, HostPlatform>,
    adapters: Vec<LogicalAdapter>,
    /// How the last step that is no expectation ended.
    last: StepEnd,
}

impl<'r> Player<'r> {
    pub(super) fn new(rig: &'r Rig, port: Port<'r, LoadedMiniport, HostPlatform>) -> Self {
        Self { rig, port, adapters: Vec::new(), last: StepEnd::Ok }
    }

    /// The whole of it, from AddDevice to Unload. What goes wrong is in the event stream.
    pub(super) fn play(mut self, chains: &[Vec<AdapterSpec>], scenario: &Scenario) {
        let lived = self.add(chains).and_then(|()| self.steps(&scenario.steps));
        let stopped = match lived {
            Err(Trouble::Stopped) => true,
            Err(trouble) => {
                self.tell(&trouble, None);
                self.end().is_err()
            }
            Ok(()) => self.end().is_err(),
        };
        if !stopped {
            // A halt here is a stop, and recorded where it happened.
            let _ = self.port.unload();
        }
    }

    fn add(&mut self, chains: &[Vec<AdapterSpec>]) -> Played {
        for chain in chains {
            self.adapters.push(self.port.add(chain)?);
        }
        Ok(())
    }

    /// What every life ends with, whatever came of it.
    fn end(&mut self) -> Result<(), Halt> {
        for logical in &mut self.adapters {
            self.port.stop(logical)?;
            self.port.remove(logical)?;
        }
        Ok(())
    }

    fn steps(&mut self, steps: &[Step]) -> Played {
        for (index, step) in steps.iter().enumerate() {
            let begun = self.note(index, step, BEGINS);
            let played = self.step(step, begun);
            let status = played.as_ref().map_or_else(Trouble::status, |()| NtStatus::SUCCESS);
            if !matches!(played, Err(Trouble::Stopped)) {
                self.note(index, step, status.0);
            }
            match played {
                Ok(()) => {
                    if !matches!(step, Step::Expect(_)) {
                        self.last = StepEnd::Ok;
                    }
                }
                Err(Trouble::Stopped) => return Err(Trouble::Stopped),
                Err(_) if awaited(steps.get(index + 1)) => self.last = StepEnd::Failed,
                Err(trouble) => {
                    self.tell(&trouble, Some((index, step)));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Records that a step begins or has ended; the record.
    fn note(&self, index: usize, step: &Step, status: u32) -> EventId {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        self.rig.sink().emit(&Event::Step(ScenarioStep { name: Text::new(step.verb()), index, status }))
    }

    fn tell(&self, trouble: &Trouble, step: Option<(usize, &Step)>) {
        let sink = self.rig.sink();
        match (trouble, step) {
            (Trouble::Stopped, _) => {}
            (Trouble::NotStarted(status), _) => {
                sink.fail(FailureKind::NotStarted, &Halt::NotStarted(*status).to_string());
            }
            (Trouble::Failed(why), None) => sink.fail(FailureKind::NotStarted, why),
            (Trouble::Failed(why), Some((index, step))) => {
                let text = format!("step {} of the scenario ({}): {why}", index + 1, step.verb());
                sink.fail(FailureKind::Scenario, &text);
            }
        }
    }

    fn step(&mut self, step: &Step, begun: EventId) -> Played {
        match step {
            Step::Start(of) => self.each(of, |port, logical| Ok(port.start(logical)?)),
            Step::Stop(of) => self.each(of, |port, logical| Ok(port.stop(logical)?)),
            Step::Remove(remove) => self.remove(remove),
            Step::Work(work) => self.work(work),
            Step::Power(power) => self.power(power),
            Step::Attach(of) => self.each(of, |port, logical| attach(port, logical, Late::Asked)),
            Step::SecureVm(of) => self.each(of, |port, logical| attach(port, logical, Late::SecureVm)),
            Step::SurpriseRemove(removal) => self.surprise_remove(removal),
            Step::Pressure(pressure) => {
                let low = self.port.sysmm.low_resources();
                low.fail_nth(pressure.kind.map(kind), pressure.nth.into());
                Ok(())
            }
            Step::Wait(wait) => self.wait(wait.milliseconds),
            Step::Dma(dma) => self.dma(dma, begun),
            Step::Expect(expect) => self.expect(expect),
        }
    }

    /// Does it for the adapter that is meant, or for each.
    fn each(
        &mut self,
        of: &OfAdapter,
        mut act: impl FnMut(&Port<'_, LoadedMiniport, HostPlatform>, &mut LogicalAdapter) -> Played,
    ) -> Played {
        let count = self.adapters.len();
        let (first, number) = match of.adapter {
            Some(adapter) => (adapter as usize, 1),
            None => (0, count),
        };
        if first >= count {
            return Err(Trouble::Failed(format!(
                "there is no adapter {first}; the machine has {count}, from 0"
            )));
        }
        self.adapters.iter_mut().skip(first).take(number).try_for_each(|logical| {
            if logical.links() == 0 {
                return Err(Trouble::Failed("the adapter is removed".to_owned()));
            }
            act(&self.port, logical)
        })
    }

    /// As [`each`](Self::each), for what only a started adapter can do.
    fn each_started(
        &mut self,
        adapter: Option<u32>,
        act: impl Fn(&Port<'_, LoadedMiniport, HostPlatform>, &LogicalAdapter) -> Played,
    ) -> Played {
        self.each(&OfAdapter { adapter }, |port, logical| {
            if !logical.is_started() {
                return Err(Trouble::Failed("the adapter is not started".to_owned()));
            }
            act(port, logical)
        })
    }

    fn remove(&mut self, remove: &Remove) -> Played {
        self.each(&OfAdapter { adapter: remove.adapter }, |port, logical| {
            let order = match &remove.order {
                Some(order) => order.clone(),
                None => (0..u32::try_from(logical.links()).unwrap_or(u32::MAX)).rev().collect(),
            };
            if order.len() != logical.links() {
                let why =
                    format!("the order names {} adapters; the chain has {}", order.len(), logical.links());
                return Err(Trouble::Failed(why));
            }
            port.stop(logical)?;
            let mut left: Vec<u32> = (0u32..).take(logical.links()).collect();
            for place in order {
                let Some(position) = left.iter().position(|one| *one == place) else { continue };
                left.remove(position);
                port.remove_one(logical, position)?;
            }
            Ok(())
        })
    }

    /// For a transfer to be cut the driver needs work: a round of it; and, as not every driver can be given one, a way
    /// through D3, after which drivers begin anew (our choice). What does not transfer even then goes at rest.
    fn surprise_remove(&mut self, removal: &SurpriseRemove) -> Played {
        let rig = self.rig;
        self.each(&OfAdapter { adapter: removal.adapter }, |port, logical| {
            let devices: Vec<_> = rig.devices_of(&logical.requesters());
            if logical.is_started() && !removal.idle {
                devices.iter().for_each(|device| device.pull_out(true));
                port.work(logical)?;
                if !devices.iter().all(|device| device.is_pulled_out()) {
                    port.set_power(logical, DevicePowerState::D3)?;
                    port.set_power(logical, DevicePowerState::D0)?;
                }
            }
            devices.iter().for_each(|device| device.pull_out(false));
            Ok(port.surprise_removed(logical)?)
        })
    }

    fn work(&mut self, work: &Work) -> Played {
        self.each_started(work.adapter, |port, logical| {
            (0..work.rounds).try_for_each(|_| Ok(port.work(logical)?))
        })
    }

    fn power(&mut self, power: &Power) -> Played {
        let to = match power.to {
            PowerState::D0 => DevicePowerState::D0,
            PowerState::D1 => DevicePowerState::D1,
            PowerState::D2 => DevicePowerState::D2,
            PowerState::D3 => DevicePowerState::D3,
        };
        self.each_started(power.adapter, |port, logical| {
            for _ in 0..power.times {
                port.set_power(logical, to)?;
                if power.back && to != DevicePowerState::D0 {
                    port.set_power(logical, DevicePowerState::D0)?;
                }
            }
            Ok(())
        })
    }

    fn wait(&self, milliseconds: u32) -> Played {
        match self.rig.miniport().wait(milliseconds) {
            Ok(()) => Ok(()),
            Err(DdiError::Stopped) => Err(Trouble::Stopped),
            Err(error) => Err(Trouble::Failed(format!("time cannot pass: {error:?}"))),
        }
    }

    /// The step is the cause of the transfer: no doorbell was rung. One that the IOMMU refuses has left its events.
    fn dma(&self, dma: &Dma, begun: EventId) -> Played {
        let port = self.rig.device_port(dma.device).ok_or_else(|| {
            let count = self.rig.devices();
            Trouble::Failed(format!("there is no device {}; the machine has {count}, from 0", dma.device))
        })?;
        let at = LogicalAddr::new(dma.address);
        let mut bytes = vec![dma.fill; dma.bytes as usize];
        let _ = if dma.write { port.write(at, &bytes, begun.0) } else { port.read(at, &mut bytes, begun.0) };
        Ok(())
    }

    /// The part of an expectation that is about this process; the parent judges what was found.
    fn expect(&mut self, expect: &Expect) -> Played {
        let ended = expect.step.or(expect.is_bare().then_some(StepEnd::Ok));
        if ended.is_some_and(|wanted| wanted != self.last) {
            let said =
                if self.last == StepEnd::Ok { "the step before succeeded" } else { "the step before failed" };
            return Err(Trouble::Failed(said.to_owned()));
        }
        // A failure that nothing asked about is no success of the next expectation either.
        self.last = StepEnd::Ok;
        if let Some(mode) = expect.mode {
            self.each(&OfAdapter { adapter: expect.adapter }, |_, logical| in_mode(logical, mode))?;
        }
        match &expect.memory {
            Some(memory) => self.holds(memory.address, &memory.decoded().unwrap_or_default()),
            None => Ok(()),
        }
    }

    fn holds(&self, address: u64, wanted: &[u8]) -> Played {
        let mut found = vec![0; wanted.len()];
        let ram = self.rig.ram();
        ram.read(PhysAddr::new(address), &mut found)
            .map_err(|_| Trouble::Failed(format!("there is no RAM at {address:#x}")))?;
        match found.iter().zip(wanted).position(|(found, wanted)| found != wanted) {
            None => Ok(()),
            Some(at) => {
                let (found, wanted) = (found.get(at).unwrap_or(&0), wanted.get(at).unwrap_or(&0));
                let at = address.wrapping_add(at as u64);
                Err(Trouble::Failed(format!("the byte at {at:#x} is {found:#04x}, not {wanted:#04x}")))
            }
        }
    }
}

fn attach(port: &Port<'_, LoadedMiniport, HostPlatform>, logical: &mut LogicalAdapter, why: Late) -> Played {
    let what = if why == Late::SecureVm { "the secure virtual machine is not created: " } else { "" };
    port.attach(logical, why).map_err(|error| match error {
        AttachError::Halted => Trouble::Stopped,
        error => Trouble::Failed(format!("{what}{error}")),
    })
}

fn kind(allocation: Allocation) -> SysMmAllocation {
    match allocation {
        Allocation::Pages => SysMmAllocation::Pages,
        Allocation::TablePage => SysMmAllocation::TablePage,
        Allocation::Handle => SysMmAllocation::Handle,
        Allocation::LogicalRange => SysMmAllocation::LogicalRange,
        Allocation::View => SysMmAllocation::View,
        Allocation::Commit => SysMmAllocation::Commit,
    }
}

/// Whether the next step wants to know how this one failed.
fn awaited(next: Option<&Step>) -> bool {
    matches!(next, Some(Step::Expect(expect)) if expect.step == Some(StepEnd::Failed))
}

fn in_mode(logical: &LogicalAdapter, wanted: ModeName) -> Played {
    let wanted = match wanted {
        ModeName::Off => ModeChoice::Passthrough,
        ModeName::Isolation => ModeChoice::Isolation,
        ModeName::Remapping => ModeChoice::Remapping,
    };
    let choice = logical.choice();
    if choice.mode == wanted && !choice.refused {
        return Ok(());
    }
    let refused = if choice.refused { ", and its start was refused" } else { "" };
    let mode = crate::report::mode_name(choice.mode);
    Err(Trouble::Failed(format!("the adapter is in mode {mode}{refused}")))
}
