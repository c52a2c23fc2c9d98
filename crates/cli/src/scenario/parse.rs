//! From text to a scenario that is known to make sense, or to the place of the first mistake.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, ValueDeserializer};

use super::settings::{Options, Setting};
use super::step::Step;
use super::{Loaded, Scenario};

/// Steps at most (our choice).
const MOST_STEPS: usize = 10_000;

/// Why a text is no scenario.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub(crate) struct BadScenario {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// What is wrong, and what is accepted.
    pub(crate) message: String,
}

impl BadScenario {
    fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: 1 + before.bytes().filter(|byte| *byte == b'\n').count(),
            column: 1 + before.get(line_start..).unwrap_or("").chars().count(),
            message: message.into(),
        }
    }

    fn toml(text: &str, within: Range<usize>, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(within.start, |span| span.start);
        Self::at(text, offset, error.message().trim().replace('\n', ", "))
    }
}

/// Reads a scenario called `name`; its relative paths begin in `folder`.
///
/// # Errors
/// [`BadScenario`] for the first mistake: no TOML, an unknown field or step, a value that an option does not accept.
pub(super) fn parse(name: &str, text: &str, folder: &Path) -> Result<Loaded, BadScenario> {
    let root = DeTable::parse(text).map_err(|error| BadScenario::toml(text, 0..0, &error))?;
    let whole = root.span();
    let mut root = root.into_inner();
    let steps = match root.remove("step") {
        Some(steps) => read_steps(text, steps)?,
        None => return Err(BadScenario::at(text, 0, "there is no [[step]]; a scenario has at least one")),
    };
    let keys = root.clone();
    let options = Options::deserialize(Deserializer::from(Spanned::new(whole.clone(), root)))
        .map_err(|error| BadScenario::toml(text, whole, &error))?;
    let (settings, driver) = options.settings(folder);
    for setting in &settings {
        setting.check().map_err(|why| BadScenario::at(text, place(&keys, setting), why))?;
    }
    Ok(Loaded { scenario: Scenario { name: name.to_owned(), steps }, settings, driver })
}

/// Where a setting stands.
fn place(root: &DeTable<'_>, setting: &Setting) -> usize {
    let table = root.get(setting.table).map(Spanned::get_ref);
    let Some(DeValue::Table(table)) = table else { return 0 };
    let Some((key, value)) = table.get_key_value(setting.key) else { return 0 };
    match (setting.index, value.get_ref()) {
        (Some(index), DeValue::Array(array)) => array.get(index).map_or(0, |element| element.span().start),
        _ => key.span().start,
    }
}

fn read_steps(text: &str, steps: Spanned<DeValue<'_>>) -> Result<Vec<Step>, BadScenario> {
    let at = steps.span().start;
    let DeValue::Array(steps) = steps.into_inner() else {
        return Err(BadScenario::at(text, at, "step is no list of tables; accepted: [[step]]"));
    };
    if steps.is_empty() || steps.len() > MOST_STEPS {
        let message = format!("{} steps; accepted: 1 to {MOST_STEPS}", steps.len());
        return Err(BadScenario::at(text, at, message));
    }
    steps.into_iter().map(|step| read_step(text, step)).collect()
}

fn read_step(text: &str, step: Spanned<DeValue<'_>>) -> Result<Step, BadScenario> {
    let span = step.span();
    let verbs = || format!("accepted: {}", Step::VERBS.join(", "));
    let DeValue::Table(mut table) = step.into_inner() else {
        return Err(BadScenario::at(text, span.start, "a step is no table; accepted: [[step]]"));
    };
    let Some(verb) = table.remove("do") else {
        return Err(BadScenario::at(text, span.start, format!("the step has no `do`; {}", verbs())));
    };
    let verb_at = verb.span().start;
    let DeValue::String(verb) = verb.into_inner() else {
        return Err(BadScenario::at(text, verb_at, format!("`do` is no text; {}", verbs())));
    };
    let keys = table.clone();
    let fields = ValueDeserializer::from(Spanned::new(span.clone(), DeValue::Table(table)));
    let step = Step::read(&verb, fields)
        .ok_or_else(|| BadScenario::at(text, verb_at, format!("unknown step {verb:?}; {}", verbs())))?
        .map_err(|error| BadScenario::toml(text, span.clone(), &error))?;
    step.check().map_err(|(field, why)| {
        let at = keys.get_key_value(field).map_or(span.start, |(key, _)| key.span().start);
        BadScenario::at(text, at, why)
    })?;
    Ok(step)
}
