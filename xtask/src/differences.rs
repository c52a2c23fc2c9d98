//! docs/differences.md: what is our choice because Microsoft's pages are silent, or differs from Windows on purpose.
//!
//! The convention: a comment that decides something where the documentation is silent says "our choice" in the sentence that
//! decides it. The page lists these sentences, each with the place where it stands, under the introduction in
//! `docs/differences/introduction.md`. `cargo xtask differences` writes it; a test here refuses one that is out of date.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use cargo_metadata::camino::Utf8Path;

use crate::limits;

const PAGE: &str = "docs/differences.md";
const INTRODUCTION: &str = "docs/differences/introduction.md";
/// The folders that decide how things behave, and what the page calls them.
const ROOMS: &[(&str, &str)] = &[
    ("crates/core/sysmm/src", "The memory manager"),
    ("crates/core/port/src", "The port: an adapter's life, modes, video memory"),
    ("crates/core/verify/src", "The rules"),
    ("crates/driver/host/src", "The kernel around the driver"),
    ("crates/cli/src", "The command"),
];
const MARK: &str = "our choice";

/// A sentence that decides something.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Choice {
    /// What the comment stands at; empty at the head of a file.
    item: String,
    sentence: String,
}

/// Writes the page; how many choices it has.
pub(crate) fn write(root: &Utf8Path) -> Result<usize> {
    let (page, count) = page(root)?;
    std::fs::write(root.join(PAGE), page).context(PAGE)?;
    Ok(count)
}

fn page(root: &Utf8Path) -> Result<(String, usize)> {
    let mut page = std::fs::read_to_string(root.join(INTRODUCTION)).context(INTRODUCTION)?;
    let mut count = 0;
    for (room, title) in ROOMS {
        write!(page, "\n## {title}\n\n| where | choice |\n| --- | --- |\n")?;
        let mut files = limits::sources(&root.join(room))?;
        files.sort();
        for path in files {
            let shown = path.strip_prefix(root).unwrap_or(&path);
            let below = shown.strip_prefix(room).unwrap_or(shown);
            for choice in choices(&std::fs::read_to_string(&path)?) {
                let item = if choice.item.is_empty() { String::new() } else { format!(" `{}`", choice.item) };
                writeln!(page, "| [{below}](../{shown}){item} | {} |", cell(&choice.sentence))?;
                count += 1;
            }
        }
    }
    Ok((page, count))
}

/// Text fit for a table's cell.
fn cell(text: &str) -> String {
    // Links to items mean nothing outside rustdoc.
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
        plain.push(']');
    }
    plain.push_str(rest);
    plain.replace('|', "\\|")
}

/// The choices of a file, in order.
fn choices(text: &str) -> Vec<Choice> {
    let mut found = Vec::new();
    let mut comment = String::new();
    let mut waiting: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(words) = line.strip_prefix("//") {
            let words = words.trim_start_matches(['/', '!']).trim();
            if words.is_empty() || words.starts_with(['|', '*', '#', '-']) {
                waiting.extend(marked(&std::mem::take(&mut comment)));
            }
            if words.starts_with('|') {
                // A row of a table is a statement of its own.
                waiting.extend(marked(words.trim_matches(['|', ' '])));
            } else if !words.is_empty() && !words.starts_with('#') {
                comment.push_str(words);
                comment.push(' ');
            }
        } else if line.starts_with('#') {
            // An attribute stands between a comment and its item.
        } else {
            waiting.extend(marked(&std::mem::take(&mut comment)));
            let item = item(line).unwrap_or_default();
            found.extend(waiting.drain(..).map(|sentence| Choice { item: item.clone(), sentence }));
        }
    }
    waiting.extend(marked(&comment));
    found.extend(waiting.into_iter().map(|sentence| Choice { item: String::new(), sentence }));
    found
}

/// The sentences of a paragraph that say so.
fn marked(paragraph: &str) -> Vec<String> {
    let paragraph = paragraph.trim();
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, _) in paragraph.match_indices(". ") {
        let next = paragraph.get(at + 2..).and_then(|rest| rest.chars().next());
        if next.is_some_and(|next| next.is_uppercase() || "`[\"(".contains(next)) {
            sentences.extend(paragraph.get(start..=at));
            start = at + 2;
        }
    }
    sentences.extend(paragraph.get(start..));
    let says = |sentence: &&str| sentence.to_lowercase().contains(MARK);
    sentences.into_iter().filter(says).map(|sentence| sentence.trim().to_owned()).collect()
}

/// The name that an item's first line, a field's or a variant's gives it.
fn item(line: &str) -> Option<String> {
    let words = line.split(|it: char| !(it.is_alphanumeric() || it == '_')).filter(|word| !word.is_empty());
    let mut words =
        words.skip_while(|word| matches!(*word, "pub" | "crate" | "super" | "const" | "unsafe" | "extern"));
    let first = words.next()?;
    match first {
        "fn" | "struct" | "enum" | "trait" | "static" | "mod" | "type" | "impl" => {
            words.next().map(str::to_owned)
        }
        "use" | "let" | "if" | "match" | "return" | "for" | "Some" | "Ok" | "Err" | "None" => None,
        name => Some(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, PAGE, choices, page};

    #[test]
    fn sentences_are_found_with_what_they_stand_at_however_they_are_wrapped() {
        let text = "//! Of the file. This is our\n//! choice: all of it.\n\nuse x;\n\n/// Doubles. A half is\n/// rounded up \
                    (our choice). Nothing else.\n#[must_use]\npub(crate) fn double(x: u8) -> u8 {\n    // Plain.\n    x\n}\n";
        let expected = [
            Choice { item: String::new(), sentence: "This is our choice: all of it.".into() },
            Choice { item: "double".into(), sentence: "A half is rounded up (our choice).".into() },
        ];
        assert_eq!(choices(text), expected);
    }

    #[test]
    fn the_page_is_as_the_sources_are() {
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().expect("cargo metadata");
        let (wanted, count) = page(&metadata.workspace_root).expect("the sources can be read");
        let there = std::fs::read_to_string(metadata.workspace_root.join(PAGE)).unwrap_or_default();
        assert!(there == wanted, "{PAGE} is out of date: run `cargo xtask differences`");
        assert!(count > 60, "only {count} choices were found");
    }
}
