//! What an address in an event is: where a call returns to, or the instruction itself.
//!
//! The host stamps an event with one address. In a callback it is the return address, which may be the next line's or even the
//! next function's; so the call is looked up one byte before. In a trap (a register access, an exception) it is the instruction
//! that trapped, which is looked up as it is.

use std::collections::BTreeSet;

use dxgk_event::{Event, Record, StopCause};

/// Moments remembered; a run with more register writes that start something forgets the later ones' exact moments.
const MOST: usize = 1 << 16;

/// How an address is to be looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum At {
    /// A call returns there.
    Return,
    /// The instruction is there.
    Instruction,
}

impl At {
    /// The offset of (a byte of) the instruction in question.
    pub(super) fn instruction(self, offset: u64) -> Option<u64> {
        match self {
            Self::Return => offset.checked_sub(1),
            Self::Instruction => Some(offset),
        }
    }

    /// What a stop's address is.
    pub(crate) fn of_stop(cause: StopCause) -> Self {
        match cause {
            StopCause::Exception | StopCause::FastFail => Self::Instruction,
            // A system call is reported after its instruction, as a call is.
            StopCause::DriverAsked | StopCause::Port | StopCause::Sandbox | StopCause::Host => Self::Return,
        }
    }
}

/// The addresses that traps came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sites {
    traps: BTreeSet<u64>,
    returns: BTreeSet<u64>,
    /// Address and boundary of traps: an instruction that touches a register can follow a call.
    moments: BTreeSet<(u64, u64)>,
}

impl Sites {
    /// Takes the next event.
    pub(crate) fn note(&mut self, record: &Record, event: &Event) {
        let (rip, boundary) = (record.stamp.rip, record.stamp.boundary);
        match event {
            Event::Doorbell(_) => {
                insert(&mut self.traps, rip);
                insert(&mut self.moments, (rip, boundary));
            }
            Event::Callback(_) | Event::Object(_) | Event::Mapping(_) => insert(&mut self.returns, rip),
            _ => {}
        }
    }

    /// What an address is of which it is known when something happened there.
    pub(crate) fn at_moment(&self, rip: u64, boundary: u64) -> At {
        if self.moments.contains(&(rip, boundary)) { At::Instruction } else { self.at(rip) }
    }

    /// What an address is; where both happened there, a return.
    pub(crate) fn at(&self, rip: u64) -> At {
        let only_traps = self.traps.contains(&rip) && !self.returns.contains(&rip);
        if only_traps { At::Instruction } else { At::Return }
    }
}

fn insert<T: Ord>(set: &mut BTreeSet<T>, value: T) {
    if set.len() < MOST {
        set.insert(value);
    }
}

#[cfg(test)]
mod tests {
    use dxgk_event::{Doorbell, Event, Mapping, MappingStep, Record, Stamp, StopCause};

    use super::{At, Sites};

    const DOORBELL: Event = Event::Doorbell(Doorbell {
        register: 0,
        address: 0,
        bytes: 0,
        requester: 0,
        write: 0,
        reserved: [0; 5],
    });

    fn mapped() -> Event {
        Event::Mapping(Mapping {
            object: 0,
            logical_page: 0,
            pages: 0,
            frames: Default::default(),
            domain: 0,
            logical_adapter: 0,
            step: MappingStep::Mapped,
            access: 0,
            identity: 0,
            reserved: [0; 5],
        })
    }

    fn note(sites: &mut Sites, rip: u64, boundary: u64, event: &Event) {
        sites.note(&Record::new(Stamp { rip, boundary, ..Stamp::default() }, 0, event), event);
    }

    #[test]
    fn a_trap_is_looked_up_where_it_is_and_a_call_before_its_return_address() {
        assert_eq!(At::Instruction.instruction(0x1000), Some(0x1000));
        assert_eq!(At::Return.instruction(0x1000), Some(0xFFF));
        assert_eq!(At::Return.instruction(0), None);
        let mut sites = Sites::default();
        note(&mut sites, 0x1000, 1, &DOORBELL);
        note(&mut sites, 0x2000, 2, &mapped());
        assert_eq!(
            (sites.at(0x1000), sites.at(0x2000), sites.at(0x3000)),
            (At::Instruction, At::Return, At::Return)
        );
    }

    #[test]
    fn a_register_write_right_after_a_call_is_told_from_it_by_its_moment() {
        let mut sites = Sites::default();
        note(&mut sites, 0x1000, 1, &mapped());
        note(&mut sites, 0x1000, 2, &DOORBELL);
        assert_eq!(sites.at_moment(0x1000, 1), At::Return);
        assert_eq!(sites.at_moment(0x1000, 2), At::Instruction);
    }

    #[test]
    fn a_faulting_instruction_is_looked_up_where_it_is_and_a_call_that_stopped_the_machine_is_not() {
        assert_eq!(At::of_stop(StopCause::Exception), At::Instruction);
        assert_eq!(At::of_stop(StopCause::FastFail), At::Instruction);
        assert_eq!(At::of_stop(StopCause::DriverAsked), At::Return);
    }
}
