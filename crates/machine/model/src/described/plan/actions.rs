//! What writes, transfers and timers do.

use super::super::check::{BadDescription, Place};
use super::super::description;
use super::super::limits;
use super::Resolver;

/// Something that happens.
#[derive(Clone, Debug)]
pub(in super::super) struct Action {
    pub(in super::super) when: Option<Condition>,
    pub(in super::super) after: u64,
    pub(in super::super) effects: Vec<Effect>,
}

/// Bits of a register, or of what was written, that are as they should be.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Condition {
    pub(in super::super) register: Option<usize>,
    pub(in super::super) bits: u64,
    pub(in super::super) equal: u64,
}

/// One change; where there is no value, it is the one that was written.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Effect {
    Store { register: usize, bits: u64, value: Option<u64> },
    Clear { register: usize, bits: Option<u64> },
    Set { register: usize, bits: Option<u64> },
    Start { engine: usize },
}

/// Which way an engine moves data.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum Way {
    /// Into the device.
    In,
    /// Out to RAM.
    Out,
    /// Out while this holds, in otherwise.
    OutWhen(Condition),
}

/// When actions happen: what they may refer to depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Occasion {
    Write,
    Done,
    Timer,
}

impl Resolver<'_> {
    /// `written`: whether there is a value that was just written.
    pub(super) fn condition(
        &self,
        place: &Place,
        condition: &description::Condition,
        written: bool,
    ) -> Result<Condition, BadDescription> {
        let register = match &condition.register {
            Some(name) => Some(self.registers.find(&place.field("register"), name)?),
            None if written => None,
            None => return Err(place.bad("nothing was written here; needs register = \"NAME\"")),
        };
        let equal = condition.equal.unwrap_or(condition.bits);
        place.field("equal").require(equal & !condition.bits == 0, || {
            format!("{equal:#x} has bits outside {:#x}, so it never holds", condition.bits)
        })?;
        Ok(Condition { register, bits: condition.bits, equal })
    }

    pub(super) fn actions(
        &self,
        place: &Place,
        actions: &[description::Action],
        occasion: Occasion,
    ) -> Result<Vec<Action>, BadDescription> {
        place.require(actions.len() <= limits::ACTIONS, || {
            format!("there are {} actions; accepted: at most {}", actions.len(), limits::ACTIONS)
        })?;
        let action = |(index, action)| self.action(&place.index(index), action, occasion);
        actions.iter().enumerate().map(action).collect()
    }

    fn action(
        &self,
        place: &Place,
        action: &description::Action,
        occasion: Occasion,
    ) -> Result<Action, BadDescription> {
        let written = occasion == Occasion::Write;
        let given = |field: &'static str, value: Option<u64>| {
            place.field(field).require(value.is_some() || written, || {
                format!(
                    "nothing was written here; needs {} = N",
                    if field == "store" { "value" } else { "bits" }
                )
            })
        };
        let mut effects = Vec::new();
        if let Some(store) = &action.store {
            given("store", store.value)?;
            let register = self.register(&place.field("store"), &store.register)?;
            effects.push(Effect::Store {
                register,
                bits: store.bits.unwrap_or(u64::MAX),
                value: store.value,
            });
        }
        if let Some(clear) = &action.clear {
            given("clear", clear.bits)?;
            let register = self.register(&place.field("clear"), &clear.register)?;
            effects.push(Effect::Clear { register, bits: clear.bits });
        }
        if let Some(set) = &action.set {
            given("set", set.bits)?;
            let register = self.register(&place.field("set"), &set.register)?;
            effects.push(Effect::Set { register, bits: set.bits });
        }
        if let Some(name) = &action.start {
            let place = place.field("start");
            place.require(occasion != Occasion::Done, || {
                "a transfer's end starts no other; accepted in on-write and in timers".to_owned()
            })?;
            place.require(action.after == 0, || {
                "a start does not wait; accepted with after = 0, the engine's latency comes on top".to_owned()
            })?;
            effects.push(Effect::Start { engine: self.engines.find(&place, name)? });
        }
        place.require(!effects.is_empty(), || {
            "nothing happens; needs one of store, clear, set, start".to_owned()
        })?;
        let when = action
            .when
            .as_ref()
            .map(|condition| self.condition(&place.field("when"), condition, written))
            .transpose()?;
        Ok(Action { when, after: action.after, effects })
    }

    fn register(&self, place: &Place, name: &str) -> Result<usize, BadDescription> {
        self.registers.find(&place.field("register"), name)
    }
}
