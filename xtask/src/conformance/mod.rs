//! Which documented statements the tests show: docs/conformance.md and what holds it to the truth.
//!
//! `docs/conformance/statements.csv` says in our own words what Microsoft's pages say, one fact a row. A test that fails when
//! a statement is turned round names it (`tags.rs` says how). Rows that mean nothing off Windows stand in
//! `docs/conformance/not-applicable.csv` with the reason. What has neither is open; the number in
//! `docs/conformance/open-at-most.txt` may only fall.
//!
//! `cargo xtask conformance` writes the page, `cargo xtask check` refuses tags that are wrong and rows that have come open,
//! and a test here refuses a page that is out of date: the page changes with every tag, so holding each commit to it would
//! only make commits collide.

mod page;
mod statements;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use crate::limits;
use statements::Statement;

const FOLDER: &str = "docs/conformance";
const PAGE: &str = "docs/conformance.md";

/// The folders whose tests may show statements.
const ROOMS: &[&str] = &["crates", "miniports"];

/// A test that shows a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Test {
    /// Path from the top of the repository.
    file: Utf8PathBuf,
    name: String,
}

/// Everything the page is made from, checked.
struct Conformance {
    statements: Vec<Statement>,
    shown: BTreeMap<String, BTreeSet<Test>>,
    not_applicable: BTreeMap<String, String>,
}

/// What a row has to show for itself.
enum Standing<'a> {
    Shown(&'a BTreeSet<Test>),
    NotApplicable(&'a str),
    Open,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    shown: usize,
    not_applicable: usize,
    open: usize,
}

impl Counts {
    fn add(&mut self, standing: &Standing<'_>) {
        match standing {
            Standing::Shown(_) => self.shown += 1,
            Standing::NotApplicable(_) => self.not_applicable += 1,
            Standing::Open => self.open += 1,
        }
    }
}

impl Conformance {
    fn standing(&self, id: &str) -> Standing<'_> {
        if let Some(tests) = self.shown.get(id) {
            Standing::Shown(tests)
        } else if let Some(reason) = self.not_applicable.get(id) {
            Standing::NotApplicable(reason)
        } else {
            Standing::Open
        }
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for statement in &self.statements {
            counts.add(&self.standing(&statement.id));
        }
        counts
    }

    /// Reads tags and lists; what is wrong with them goes to `broken`.
    fn read(root: &Utf8Path, broken: &mut Vec<String>) -> Result<Self> {
        let folder = root.join(FOLDER);
        let statements = statements::read(&folder.join("statements.csv"))?;
        let not_applicable = statements::reasons(&folder.join("not-applicable.csv"))?;
        let known: BTreeSet<&str> = statements.iter().map(|statement| statement.id.as_str()).collect();

        let mut shown: BTreeMap<String, BTreeSet<Test>> = BTreeMap::new();
        for room in ROOMS {
            for path in limits::sources(&root.join(room))? {
                let file = path.strip_prefix(root).unwrap_or(&path).to_owned();
                let text = std::fs::read_to_string(&path)?;
                let found = tags::scan(&text);
                broken.extend(
                    found
                        .errors
                        .iter()
                        .map(|error| format!("conformance: {file}:{}: {}", error.line, error.what)),
                );
                for tag in found.tags {
                    if known.contains(tag.id.as_str()) {
                        let test = Test { file: file.clone(), name: tag.test };
                        shown.entry(tag.id).or_default().insert(test);
                    } else {
                        broken.push(format!("conformance: {file}:{}: no statement {}", tag.line, tag.id));
                    }
                }
            }
        }
        for (id, reason) in &not_applicable {
            if !known.contains(id.as_str()) {
                broken.push(format!("conformance: not-applicable.csv: no statement {id}"));
            }
            if reason.trim().is_empty() {
                broken.push(format!("conformance: not-applicable.csv: {id} gives no reason"));
            }
            if let Some(test) = shown.get(id).and_then(BTreeSet::first) {
                broken.push(format!("conformance: not-applicable.csv: {id} is shown by {}", test.name));
            }
        }
        Ok(Self { statements, shown, not_applicable })
    }
}

fn ratchet(root: &Utf8Path) -> Result<usize> {
    let path = root.join(FOLDER).join("open-at-most.txt");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    text.trim().parse().with_context(|| format!("{path}: {:?} is no number", text.trim()))
}

/// Tags that are wrong, and rows that have come open.
pub(crate) fn check(root: &Utf8Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    let conformance = Conformance::read(root, &mut broken)?;
    let (open, most) = (conformance.counts().open, ratchet(root)?);
    if open > most {
        broken.push(format!(
            "conformance: {open} statements are neither shown nor not applicable; {most} at most were so before"
        ));
    }
    Ok(broken)
}

/// Writes the page and draws the ratchet tight. Returns what the page says in one line.
pub(crate) fn write(root: &Utf8Path) -> Result<String> {
    let mut broken = Vec::new();
    let conformance = Conformance::read(root, &mut broken)?;
    for line in &broken {
        eprintln!("{line}");
    }
    anyhow::ensure!(broken.is_empty(), "{} tag(s) or row(s) are wrong", broken.len());
    let counts = conformance.counts();
    std::fs::write(root.join(PAGE), page::write(&conformance))?;
    if counts.open < ratchet(root)? {
        std::fs::write(root.join(FOLDER).join("open-at-most.txt"), format!("{}\n", counts.open))?;
    }
    Ok(page::summary(counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Utf8Path {
        Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    #[test]
    fn every_tag_names_a_statement_and_no_row_has_come_open() {
        assert_eq!(check(root()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_page_is_what_the_tests_make_it() {
        let conformance = Conformance::read(root(), &mut Vec::new()).unwrap();
        println!("conformance: {}", page::summary(conformance.counts()));
        let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
        assert!(
            page == page::write(&conformance),
            "docs/conformance.md is out of date: run `cargo xtask conformance`"
        );
    }
}
