//! Where a description is wrong, and how.

use std::fmt;

/// A step from a table to what is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Field(&'static str),
    Index(usize),
}

/// A field's place in the description.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Place(Vec<Step>);

impl Place {
    /// An array of the description.
    pub(super) fn table(name: &'static str) -> Self {
        Self::default().field(name)
    }

    pub(super) fn field(&self, name: &'static str) -> Self {
        self.and(Step::Field(name))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.and(Step::Index(index))
    }

    fn and(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The complaint that `message` is wrong here.
    pub(super) fn bad(&self, message: impl Into<String>) -> BadDescription {
        BadDescription { place: self.clone(), message: message.into() }
    }

    /// Complains unless `good`.
    pub(super) fn require(&self, good: bool, message: impl Fn() -> String) -> Result<(), BadDescription> {
        if good { Ok(()) } else { Err(self.bad(message())) }
    }
}

/// A description that describes no device: the field (`register[0].on-write[1].start`), what is wrong with it, and what
/// is accepted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadDescription {
    place: Place,
    message: String,
}

impl BadDescription {
    pub(super) fn path(&self) -> &[Step] {
        &self.place.0
    }
}

impl fmt::Display for BadDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.path().iter().enumerate() {
            match step {
                Step::Field(name) if position == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for BadDescription {}
