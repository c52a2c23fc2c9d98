//! `dxgk rules` and `dxgk explain`: the catalogue of rules, for people.

use std::io::{self, Write};

use clap::Args;
use dxgk_verify::{RULES, Rule};

use crate::usage::Usage;

/// Columns of a terminal that text is broken at.
const COLUMNS: usize = 100;

/// Options of `dxgk explain`.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The rule, as findings name it: DMA-001
    rule: String,
}

/// Prints one line for each rule.
pub(crate) fn list(out: &mut dyn Write) -> io::Result<()> {
    RULES.iter().try_for_each(|rule| writeln!(out, "{:<8}  {}", rule.id, rule.broken_when))
}

/// Prints everything about one rule.
pub(crate) fn explain(asked: &Explain, out: &mut dyn Write) -> Result<io::Result<()>, Usage> {
    let known = RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(&asked.rule));
    let rule = known.ok_or_else(|| {
        let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        Usage::option("explain", format!("unknown rule {:?}; accepted: {}", asked.rule, ids.join(", ")))
    })?;
    Ok(write_rule(rule, out))
}

fn write_rule(rule: &Rule, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", rule.id)?;
    for (title, text) in [
        ("Broken when", rule.broken_when),
        ("In Windows", rule.windows),
        ("Explanation", rule.explanation),
        ("Mend", rule.mend),
    ] {
        writeln!(out, "\n{title}")?;
        for line in lines(text, COLUMNS - 2) {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out, "\nDocumentation")?;
    rule.documentation.iter().try_for_each(|page| writeln!(out, "  {page}"))
}

/// A text in lines of at most `columns` characters, broken at spaces.
fn lines(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Explain, explain, lines, list};
    use dxgk_verify::RULES;

    #[test]
    fn every_rule_is_listed_and_explained_with_its_pages() {
        let mut listed = Vec::new();
        list(&mut listed).expect("memory");
        let listed = String::from_utf8(listed).expect("text");
        assert_eq!(listed.lines().count(), RULES.len());
        for rule in RULES {
            assert!(listed.lines().any(|line| line.starts_with(rule.id)), "{}", rule.id);
            let mut out = Vec::new();
            let asked = Explain { rule: rule.id.to_lowercase() };
            explain(&asked, &mut out).expect("a rule").expect("memory");
            let text = String::from_utf8(out).expect("text");
            assert!(text.starts_with(rule.id), "{text}");
            assert!(rule.documentation.iter().all(|page| text.contains(page)), "{text}");
        }
    }

    #[test]
    fn an_unknown_rule_is_refused_with_the_list() {
        let error = explain(&Explain { rule: "DMA-999".to_owned() }, &mut Vec::new()).expect_err("no rule");
        let text = error.to_string();
        assert!(text.contains("DMA-999") && RULES.iter().all(|rule| text.contains(rule.id)), "{text}");
    }

    #[test]
    fn lines_are_broken_at_spaces_and_lose_no_word() {
        let text = "one two  three\nfour";
        assert_eq!(lines(text, 9), ["one two", "three", "four"]);
        assert_eq!(lines("longerthanthat", 3), ["longerthanthat"]);
    }
}
