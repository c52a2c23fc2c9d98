//! The device that a description makes.

use std::collections::BTreeMap;

use dxgk_event::{Doorbell, Event};
use dxgk_hw::Width;

use super::check::BadDescription;
use super::description::Description;
use super::plan::{Action, Bar, Content, Effect, Plan, Way};
use super::registers::Registers;
use super::transfer::{Memories, Transfer};
use crate::pci::{BarShape, Bus, Capability, Device, Identity};

/// A device made from a [`Description`].
pub struct Described {
    plan: Plan,
    state: State,
}

/// What changes.
struct State {
    now: u64,
    registers: Registers,
    memories: Memories,
    engines: Vec<EngineState>,
    /// When each timer is due.
    timers: Vec<u64>,
    /// Actions whose time has not come.
    waiting: BTreeMap<Site, Waiting>,
}

#[derive(Clone, Copy, Default)]
struct EngineState {
    running: Option<Transfer>,
    /// The doorbell that a driver rang last: what a timer starts is its consequence.
    doorbell: u64,
}

/// Where in the description an action stands: its owner, and its position there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Site(Owner, usize);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Register(usize),
    Engine(usize),
    Timer(usize),
}

#[derive(Clone, Copy)]
struct Waiting {
    due: u64,
    written: u64,
}

/// Something whose time has come. The order is that of things due at the same boundary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Transfer(usize),
    Action(Site),
    Timer(usize),
}

impl Described {
    /// The device after power-on.
    ///
    /// # Errors
    /// [`BadDescription`]: what does not fit together. A description that came from [`Description::parse`] does.
    pub fn new(description: &Description) -> Result<Self, BadDescription> {
        let plan = Plan::new(description)?;
        let state = State {
            now: 0,
            registers: Registers::new(&plan.registers),
            memories: Memories::new(&plan.memories),
            engines: vec![EngineState::default(); plan.engines.len()],
            timers: plan.timers.iter().map(|timer| timer.every).collect(),
            waiting: BTreeMap::new(),
        };
        Ok(Self { plan, state })
    }

    fn bar(&self, index: u8) -> Option<Bar> {
        self.plan.bars.iter().find(|bar| bar.shape.index == index).copied()
    }
}

impl Device for Described {
    fn identity(&self) -> Identity {
        self.plan.identity
    }

    fn bars(&self) -> Vec<BarShape> {
        self.plan.bars.iter().map(|bar| bar.shape).collect()
    }

    fn capabilities(&self) -> Vec<Capability> {
        self.plan.capabilities.clone()
    }

    fn read(&mut self, bar: u8, offset: u64, width: Width, _bus: &Bus<'_>) -> u64 {
        let Some(bar) = self.bar(bar) else { return u64::MAX };
        match bar.content {
            Content::Ram(memory) | Content::Rom(memory) => self.state.memories.read(memory, offset, width),
            Content::Log => bar.undecoded,
            Content::Registers => {
                let (plan, registers) = (&self.plan.registers, &mut self.state.registers);
                let hit = registers.hit(plan, bar.shape.index, offset, width);
                hit.map_or(bar.undecoded, |hit| registers.read(plan, hit))
            }
        }
    }

    fn write(&mut self, bar: u8, offset: u64, width: Width, value: u64, bus: &Bus<'_>) {
        let Some(bar) = self.bar(bar) else { return };
        match bar.content {
            Content::Ram(memory) => self.state.memories.write(memory, offset, width, value),
            Content::Rom(_) | Content::Log => {}
            Content::Registers => self.state.write(&self.plan, (bar.shape.index, offset), width, value, bus),
        }
    }

    fn advance(&mut self, now: u64, bus: &Bus<'_>) {
        self.state.registers.count(&self.plan.registers, now.saturating_sub(self.state.now));
        self.state.now = now;
        for (_, due) in self.state.due() {
            self.state.happen(&self.plan, due, bus);
        }
    }

    fn interrupt(&self) -> bool {
        let value = |register: usize| self.state.registers.value(register);
        self.plan.interrupts.iter().any(|interrupt| {
            let enabled = interrupt.enabled_by.map_or(u64::MAX, value);
            let masked = interrupt.masked_by.map_or(0, value);
            value(interrupt.status) & enabled & !masked != 0
        })
    }
}

impl State {
    fn write(&mut self, plan: &Plan, (bar, offset): (u8, u64), width: Width, value: u64, bus: &Bus<'_>) {
        let Some(hit) = self.registers.hit(&plan.registers, bar, offset, width) else { return };
        let Some(written) = self.registers.write(&plan.registers, hit, value) else { return };
        let Some(register) = plan.registers.get(hit.register) else { return };
        let rung = bus.register_address(bar, register.offset).map_or(0, |address| address.get());
        let owner = Owner::Register(hit.register);
        self.act(plan, owner, &register.on_write, Reason { written, rung: Some(rung) }, bus);
    }

    /// Does what is to be done now, and remembers the rest.
    fn act(&mut self, plan: &Plan, owner: Owner, actions: &[Action], reason: Reason, bus: &Bus<'_>) {
        for (index, action) in actions.iter().enumerate() {
            if !action.when.is_none_or(|condition| self.registers.holds(condition, reason.written)) {
                continue;
            }
            if action.after == 0 {
                self.apply(plan, action, reason, bus);
            } else {
                let due = self.now.saturating_add(action.after);
                let waiting = Waiting { due, written: reason.written };
                self.waiting.entry(Site(owner, index)).or_insert(waiting);
            }
        }
    }

    fn apply(&mut self, plan: &Plan, action: &Action, reason: Reason, bus: &Bus<'_>) {
        for effect in &action.effects {
            match effect {
                Effect::Start { engine } => self.start(plan, *engine, reason.rung, bus),
                other => self.registers.apply(&plan.registers, *other, reason.written),
            }
        }
    }

    fn start(&mut self, plan: &Plan, index: usize, rung: Option<u64>, bus: &Bus<'_>) {
        let (Some(engine), Some(state)) = (plan.engines.get(index), self.engines.get_mut(index)) else {
            return;
        };
        if state.running.is_some() {
            return;
        }
        let number = |operand| self.registers.operand(operand);
        let (source, destination) = (number(&engine.source), number(&engine.destination));
        let bytes = number(&engine.length);
        let to_memory = match engine.way {
            Way::In => false,
            Way::Out => true,
            Way::OutWhen(condition) => self.registers.holds(condition, 0),
        };
        let (outside, inside) = if to_memory { (destination, source) } else { (source, destination) };
        if let Some(register) = rung {
            let doorbell = Event::Doorbell(Doorbell {
                register,
                address: outside,
                bytes,
                requester: bus.requester.0,
                write: u8::from(to_memory),
                reserved: [0; 5],
            });
            state.doorbell = bus.events.emit_with_stack(&doorbell).0;
        }
        let due = self.now.saturating_add(engine.latency);
        let cause = state.doorbell;
        state.running = Some(Transfer { due, cause, to_memory, outside, inside, bytes });
    }

    /// What is due by now, in its order.
    fn due(&self) -> Vec<(u64, Due)> {
        let mut all = Vec::new();
        for (index, engine) in self.engines.iter().enumerate() {
            all.extend(engine.running.map(|transfer| (transfer.due, Due::Transfer(index))));
        }
        all.extend(self.waiting.iter().map(|(site, waiting)| (waiting.due, Due::Action(*site))));
        all.extend(self.timers.iter().enumerate().map(|(index, due)| (*due, Due::Timer(index))));
        all.retain(|(due, _)| *due <= self.now);
        all.sort_unstable();
        all
    }

    fn happen(&mut self, plan: &Plan, due: Due, bus: &Bus<'_>) {
        match due {
            Due::Transfer(index) => {
                let running = self.engines.get_mut(index).and_then(|engine| engine.running.take());
                let (Some(transfer), Some(engine)) = (running, plan.engines.get(index)) else { return };
                self.memories.transfer(&transfer, bus);
                self.act(plan, Owner::Engine(index), &engine.done, Reason::default(), bus);
            }
            Due::Action(site) => {
                let Some(Waiting { written, .. }) = self.waiting.remove(&site) else { return };
                if let Some(action) = plan.actions(site.0).get(site.1) {
                    self.apply(plan, action, Reason { written, rung: None }, bus);
                }
            }
            Due::Timer(index) => {
                let (Some(timer), Some(next)) = (plan.timers.get(index), self.timers.get_mut(index)) else {
                    return;
                };
                let late = self.now.saturating_sub(*next).checked_rem(timer.every).unwrap_or(0);
                *next = self.now.saturating_sub(late).saturating_add(timer.every);
                self.act(plan, Owner::Timer(index), &timer.actions, Reason::default(), bus);
            }
        }
    }
}

/// Why actions happen.
#[derive(Clone, Copy, Default)]
struct Reason {
    /// What was written, or 0.
    written: u64,
    /// The address of the register whose write it is, if it is one.
    rung: Option<u64>,
}

impl Plan {
    fn actions(&self, owner: Owner) -> &[Action] {
        match owner {
            Owner::Register(index) => self.registers.get(index).map(|register| register.on_write.as_slice()),
            Owner::Engine(index) => self.engines.get(index).map(|engine| engine.done.as_slice()),
            Owner::Timer(index) => self.timers.get(index).map(|timer| timer.actions.as_slice()),
        }
        .unwrap_or_default()
    }
}
