//! docs/conformance.md.

use std::fmt::Write;

use super::{Conformance, Counts, Standing, Statement, Test};

/// The counts in one line.
pub(super) fn summary(counts: Counts) -> String {
    format!(
        "{} statements: {} shown, {} not applicable off Windows, {} open",
        counts.shown + counts.not_applicable + counts.open,
        counts.shown,
        counts.not_applicable,
        counts.open
    )
}

pub(super) fn write(conformance: &Conformance) -> String {
    let mut page = String::from(HEAD);
    put(&mut page, format_args!("**{}.**\n", summary(conformance.counts())));
    for subject in subjects(&conformance.statements) {
        put(
            &mut page,
            format_args!("\n## {subject}\n\n| id | statement | shown by |\n| --- | --- | --- |\n"),
        );
        for statement in conformance.statements.iter().filter(|statement| statement.subject == subject) {
            row(&mut page, conformance, statement);
        }
    }
    pages(&mut page, conformance);
    page
}

const HEAD: &str = "<!-- Made by `cargo xtask conformance`; do not edit. -->
# Conformance

What Microsoft's public pages say about the memory callbacks and what belongs to them, one fact a row, in our own words, and
the tests that fail when it is turned round. A row that is about Windows itself, and means nothing here, says so with the
reason. The last table names the pages (windows-driver-docs-ddi as of 6dcd4d9, windows-driver-docs as of
825aa15). How to add to it: `cargo xtask conformance --help`.

";

/// In the order in which they first come.
fn subjects(statements: &[Statement]) -> Vec<&str> {
    let mut subjects: Vec<&str> = Vec::new();
    for statement in statements {
        if !subjects.contains(&statement.subject.as_str()) {
            subjects.push(&statement.subject);
        }
    }
    subjects
}

fn row(page: &mut String, conformance: &Conformance, statement: &Statement) {
    let shown = match conformance.standing(&statement.id) {
        Standing::Shown(tests) => tests.iter().map(link).collect::<Vec<_>>().join("<br>"),
        Standing::NotApplicable(reason) => format!("not applicable off Windows: {}", cell(reason)),
        Standing::Open => "**open**".to_owned(),
    };
    let disagrees = if statement.disagrees.is_empty() {
        String::new()
    } else {
        format!(" *(other pages say otherwise: {})*", statement.disagrees.replace(' ', ", "))
    };
    put(page, format_args!("| {} | {}{disagrees} | {shown} |\n", statement.id, cell(&statement.statement)));
}

/// A link from docs/ to the file of a test.
fn link(test: &Test) -> String {
    format!("[{}](../{})", test.name.replace('_', " "), test.file)
}

/// Text that may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('_', "\\_")
}

/// The counts for each page of Microsoft's.
fn pages(page: &mut String, conformance: &Conformance) {
    page.push_str(
        "\n## Pages\n\n| ids | shown | not applicable | open | page |\n| --- | --: | --: | --: | --- |\n",
    );
    let mut prefixes: Vec<(&str, &str)> = Vec::new();
    for statement in &conformance.statements {
        if !prefixes.iter().any(|(prefix, _)| *prefix == statement.prefix()) {
            prefixes.push((statement.prefix(), &statement.page));
        }
    }
    for (prefix, source) in prefixes {
        let mut counts = Counts::default();
        for statement in conformance.statements.iter().filter(|statement| statement.prefix() == prefix) {
            counts.add(&conformance.standing(&statement.id));
        }
        let repository = if source.starts_with("wdk-ddi-src/") {
            "windows-driver-docs-ddi"
        } else {
            "windows-driver-docs"
        };
        put(
            page,
            format_args!(
                "| {prefix} | {} | {} | {} | [{source}](https://github.com/MicrosoftDocs/{repository}/blob/staging/{source}) |\n",
                counts.shown, counts.not_applicable, counts.open
            ),
        );
    }
}

/// Writing to a string cannot fail.
fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _infallible = page.write_fmt(text);
}
