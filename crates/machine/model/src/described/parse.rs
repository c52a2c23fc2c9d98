//! From text to a description that is known to make sense.

use toml::de::{DeTable, DeValue};

use super::check::{BadDescription, Step};
use super::description::Description;
use super::limits;
use super::plan::Plan;

/// Why a text is no description.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The field, what is wrong with it and what is accepted.
    pub message: String,
}

impl Description {
    /// Reads a description and checks all of it.
    ///
    /// # Errors
    /// [`ParseError`] for the first mistake: no TOML, an unknown or missing field, a value out of its range, a name that
    /// nothing has.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > limits::TEXT_BYTES {
            let message = format!("the description is longer than {} bytes", limits::TEXT_BYTES);
            return Err(ParseError { line: 1, message });
        }
        let description: Self = toml::from_str(text).map_err(|error| ParseError {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().trim().replace('\n', ", "),
        })?;
        match Plan::new(&description) {
            Ok(_) => Ok(description),
            Err(bad) => Err(ParseError { line: line_of(text, find(text, &bad)), message: bad.to_string() }),
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Where the field that is complained about stands: as far down its path as the text goes.
fn find(text: &str, bad: &BadDescription) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 0 };
    let mut at = 0;
    let mut steps = bad.path().iter();
    let Some(Step::Field(first)) = steps.next() else { return at };
    let Some((key, value)) = root.get_ref().get_key_value(*first) else { return at };
    at = key.span().start;
    let mut value = value;
    for step in steps {
        let below = match (step, value.get_ref()) {
            (Step::Field(name), DeValue::Table(table)) => {
                table.get_key_value(*name).map(|(key, value)| (key.span().start, value))
            }
            (Step::Index(index), DeValue::Array(array)) => {
                array.get(*index).map(|value| (value.span().start, value))
            }
            _ => None,
        };
        let Some((start, next)) = below else { return at };
        // A table in `[[brackets]]` has the place of its header.
        at = start;
        value = next;
    }
    at
}
