//! A description with its names resolved and everything in it checked: what the device runs on.

mod actions;
mod bars;
mod capabilities;
mod registers;

use std::collections::BTreeMap;

use super::check::{BadDescription, Place};
use super::description::{Description, Direction};
use super::limits;
use crate::pci::{Capability, Identity};

pub(super) use actions::{Action, Condition, Effect, Way};
pub(super) use bars::{Bar, Content, MemoryPlan};
pub(super) use registers::Register;

/// Everything that a device is made of. Registers, engines and memories are known by their position.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) identity: Identity,
    pub(super) bars: Vec<Bar>,
    pub(super) capabilities: Vec<Capability>,
    pub(super) memories: Vec<MemoryPlan>,
    pub(super) registers: Vec<Register>,
    pub(super) engines: Vec<Engine>,
    pub(super) interrupts: Vec<Interrupt>,
    pub(super) timers: Vec<Timer>,
}

/// A DMA engine.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) source: Operand,
    pub(super) destination: Operand,
    pub(super) length: Operand,
    pub(super) way: Way,
    pub(super) latency: u64,
    pub(super) done: Vec<Action>,
}

/// A number out of registers, the lowest first with their bits.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub(super) parts: Vec<(usize, u32)>,
    pub(super) constant: u64,
    pub(super) mask: u64,
    pub(super) shift: u32,
}

/// A reason for an interrupt, by register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interrupt {
    pub(super) status: usize,
    pub(super) enabled_by: Option<usize>,
    pub(super) masked_by: Option<usize>,
}

/// Something periodic.
#[derive(Clone, Debug)]
pub(super) struct Timer {
    pub(super) every: u64,
    pub(super) actions: Vec<Action>,
}

/// Positions by name.
pub(super) struct Names {
    /// What they are names of.
    what: &'static str,
    known: BTreeMap<String, usize>,
}

impl Names {
    fn new<'a>(
        what: &'static str,
        table: &'static str,
        most: usize,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<Self, BadDescription> {
        let mut known = BTreeMap::new();
        for (index, name) in names.enumerate() {
            let place = Place::table(table).index(index);
            place.require(index < most, || format!("there are more than {most} of these"))?;
            check_name(&place.field("name"), name)?;
            if known.insert(name.clone(), index).is_some() {
                return Err(place.field("name").bad(format!("there is another {what} {name:?}")));
            }
        }
        Ok(Self { what, known })
    }

    /// The position of what is called `name`.
    pub(super) fn find(&self, place: &Place, name: &str) -> Result<usize, BadDescription> {
        self.known.get(name).copied().ok_or_else(|| {
            let names: Vec<&str> = self.known.keys().take(16).map(String::as_str).collect();
            let accepted = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
            place.bad(format!("no {} is called {name:?}; accepted: {accepted}", self.what))
        })
    }
}

fn check_name(place: &Place, name: &str) -> Result<(), BadDescription> {
    let accepted = !name.is_empty()
        && name.len() <= limits::NAME_BYTES
        && name.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ');
    place.require(accepted, || {
        format!("{name:?} is no name; accepted: 1 to {} printable ASCII characters", limits::NAME_BYTES)
    })
}

impl Plan {
    /// Resolves and checks.
    pub(super) fn new(description: &Description) -> Result<Self, BadDescription> {
        check_name(&Place::table("name"), &description.name)?;
        let registers = Names::new(
            "register",
            "register",
            limits::REGISTERS,
            description.register.iter().map(|register| &register.name),
        )?;
        let engines =
            Names::new("dma", "dma", limits::ENGINES, description.dma.iter().map(|engine| &engine.name))?;
        let resolver = Resolver { description, registers, engines };
        let (bars, memories) = bars::plan(description)?;
        Ok(Self {
            identity: identity(description)?,
            capabilities: capabilities::plan(description)?,
            registers: registers::plan(&resolver)?,
            engines: resolver.engines()?,
            interrupts: resolver.interrupts()?,
            timers: resolver.timers()?,
            bars,
            memories,
        })
    }
}

fn identity(description: &Description) -> Result<Identity, BadDescription> {
    let pci = &description.pci;
    let place = Place::table("pci");
    place.field("vendor").require(pci.vendor != u16::MAX, || "0xffff is no vendor".to_owned())?;
    place.field("class").require(pci.class < 1 << 24, || {
        format!("{:#x} has more than 24 bits; accepted: 0xBBSSPP, such as 0x030000", pci.class)
    })?;
    Ok(Identity {
        vendor: pci.vendor,
        device: pci.device,
        revision: pci.revision,
        class: pci.class,
        subsystem_vendor: pci.subsystem_vendor,
        subsystem: pci.subsystem,
    })
}

/// Finds what names stand for.
pub(super) struct Resolver<'a> {
    pub(super) description: &'a Description,
    pub(super) registers: Names,
    pub(super) engines: Names,
}

impl Resolver<'_> {
    fn operand(
        &self,
        place: &Place,
        operand: &super::description::Operand,
    ) -> Result<Operand, BadDescription> {
        place.require(operand.value.is_some() == operand.registers.is_empty(), || {
            "needs one of registers = [..] and value = N".to_owned()
        })?;
        place
            .field("shift")
            .require(operand.shift < 64, || format!("{} is too far; accepted: 0 to 63", operand.shift))?;
        let mut parts = Vec::new();
        let mut bits = 0u32;
        for (position, name) in operand.registers.iter().enumerate() {
            let place = place.field("registers").index(position);
            let index = self.registers.find(&place, name)?;
            let width = self.description.register.get(index).map_or(4, |register| register.width);
            bits = bits.saturating_add(u32::from(width).saturating_mul(8));
            place.require(bits <= 64, || {
                "the registers have more than 64 bits together; accepted: at most 64".to_owned()
            })?;
            parts.push((index, u32::from(width) * 8));
        }
        Ok(Operand {
            parts,
            constant: operand.value.unwrap_or(0),
            mask: operand.mask.unwrap_or(u64::MAX),
            shift: u32::from(operand.shift),
        })
    }

    fn engines(&self) -> Result<Vec<Engine>, BadDescription> {
        let engine = |(index, engine): (usize, &super::description::Dma)| {
            let place = Place::table("dma").index(index);
            let way = match (engine.direction, &engine.to_memory_when) {
                (Some(Direction::ToDevice), None) => Way::In,
                (Some(Direction::ToMemory), None) => Way::Out,
                (None, Some(condition)) => {
                    Way::OutWhen(self.condition(&place.field("to-memory-when"), condition, false)?)
                }
                _ => {
                    let message =
                        "needs one of direction = \"to-device\" or \"to-memory\", and to-memory-when";
                    return Err(place.bad(message));
                }
            };
            Ok(Engine {
                source: self.operand(&place.field("source"), &engine.source)?,
                destination: self.operand(&place.field("destination"), &engine.destination)?,
                length: self.operand(&place.field("length"), &engine.length)?,
                way,
                latency: engine.latency,
                done: self.actions(&place.field("done"), &engine.done, actions::Occasion::Done)?,
            })
        };
        self.description.dma.iter().enumerate().map(engine).collect()
    }

    fn interrupts(&self) -> Result<Vec<Interrupt>, BadDescription> {
        let interrupt = |(index, interrupt): (usize, &super::description::Interrupt)| {
            let place = Place::table("interrupt").index(index);
            place.require(index < limits::OTHERS, || format!("there are more than {}", limits::OTHERS))?;
            let other = |field: &'static str, name: &Option<String>| {
                name.as_ref().map(|name| self.registers.find(&place.field(field), name)).transpose()
            };
            Ok(Interrupt {
                status: self.registers.find(&place.field("status"), &interrupt.status)?,
                enabled_by: other("enabled-by", &interrupt.enabled_by)?,
                masked_by: other("masked-by", &interrupt.masked_by)?,
            })
        };
        self.description.interrupt.iter().enumerate().map(interrupt).collect()
    }

    fn timers(&self) -> Result<Vec<Timer>, BadDescription> {
        let timer = |(index, timer): (usize, &super::description::Timer)| {
            let place = Place::table("timer").index(index);
            place.require(index < limits::OTHERS, || format!("there are more than {}", limits::OTHERS))?;
            place
                .field("every")
                .require(timer.every > 0, || "0 is no time; accepted: 1 boundary or more".to_owned())?;
            let actions = self.actions(&place.field("actions"), &timer.actions, actions::Occasion::Timer)?;
            Ok(Timer { every: timer.every, actions })
        };
        self.description.timer.iter().enumerate().map(timer).collect()
    }
}
