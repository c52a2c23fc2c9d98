//! The two checked-in lists: what the documentation says, and which of it means nothing off Windows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use cargo_metadata::camino::Utf8Path;
use serde::Deserialize;

/// One documented fact.
#[derive(Debug, Deserialize)]
pub(super) struct Statement {
    /// `S-<page>-<nn>`.
    pub(super) id: String,
    /// Path of the page in Microsoft's documentation repositories: `wdk-ddi-src/...` in windows-driver-docs-ddi, the others
    /// in windows-driver-docs.
    pub(super) page: String,
    /// The callback, member, DDI, flag or topic it is about.
    pub(super) subject: String,
    pub(super) statement: String,
    /// Ids that say otherwise, separated by spaces.
    pub(super) disagrees: String,
}

impl Statement {
    /// The id without its number: one prefix a page.
    pub(super) fn prefix(&self) -> &str {
        self.id.rsplit_once('-').map_or(self.id.as_str(), |(prefix, _)| prefix)
    }
}

#[derive(Deserialize)]
struct Reason {
    id: String,
    reason: String,
}

pub(super) fn read(path: &Utf8Path) -> Result<Vec<Statement>> {
    let statements: Vec<Statement> = rows(path)?;
    let mut seen = BTreeSet::new();
    for statement in &statements {
        ensure!(seen.insert(&statement.id), "{path}: {} stands there twice", statement.id);
    }
    Ok(statements)
}

/// The rows that mean nothing off Windows, each with its reason.
pub(super) fn reasons(path: &Utf8Path) -> Result<BTreeMap<String, String>> {
    let mut reasons = BTreeMap::new();
    for row in rows::<Reason>(path)? {
        ensure!(
            reasons.insert(row.id.clone(), row.reason).is_none(),
            "{path}: {} stands there twice",
            row.id
        );
    }
    Ok(reasons)
}

fn rows<T: for<'a> Deserialize<'a>>(path: &Utf8Path) -> Result<Vec<T>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("cannot read {path}"))?;
    reader.deserialize().collect::<Result<_, _>>().with_context(|| path.to_string())
}
