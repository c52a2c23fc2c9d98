//! Which statements the tests of a file say they show.
//!
//! A test names them in its doc comment, directly above `#[test]`, as a sentence of their own that may go over several lines:
//!
//! ```text
//! /// Shows S-MMI-01, S-MMI-03,
//! /// S-MMI-04.
//! #[test]
//! fn a_mapped_mdl_is_reached_by_the_device() {
//! ```
//!
//! In a test that goes through a table, a plain comment of the same form beside a case counts for that test.
//!
//! Lines are scanned, not parsed: that also sees tests inside macros such as `proptest!`, and rustfmt sees to it that a
//! function ends at the brace that stands as far in as its `fn`.

/// A statement named by a test.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) id: String,
    pub(super) test: String,
    pub(super) line: usize,
}

/// A tag that says nothing, or of nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) tags: Vec<Tag>,
    pub(super) errors: Vec<Error>,
}

const NO_TEST: &str = "`Shows S-...` stands above something that is no test";
const NOT_INSIDE: &str =
    "`Shows S-...` in a plain comment stands outside a test; above a test it is a doc comment";
const IGNORED: &str = "`Shows S-...` stands above a test that is ignored";
const MALFORMED: &str = "`Shows S-...` is a list of ids with commas between them and a full stop at the end";

/// The ids named so far above an item, and what is known of the item.
#[derive(Default)]
struct Above {
    ids: Vec<(String, usize)>,
    is_test: bool,
    ignored: bool,
    /// Brackets of an attribute that are still open.
    open: i32,
}

/// A list of ids of which the full stop has not come yet.
struct Unfinished {
    text: String,
    line: usize,
    doc: bool,
}

pub(super) fn scan(text: &str) -> Found {
    let mut found = Found::default();
    let mut above = Above::default();
    let mut inside: Option<(String, usize)> = None;
    let mut unfinished: Option<Unfinished> = None;

    for (line, whole) in (1..).zip(text.lines()) {
        let code = whole.trim_start();
        let indent = whole.len() - code.len();

        if let Some((doc, comment)) = comment(code) {
            let list = match unfinished.take() {
                Some(list) if list.doc == doc => {
                    Some(Unfinished { text: format!("{} {comment}", list.text), ..list })
                }
                Some(list) => {
                    found.errors.push(Error { line: list.line, what: MALFORMED });
                    None
                }
                None => comment
                    .strip_prefix("Shows ")
                    .filter(|rest| rest.starts_with("S-"))
                    .map(|rest| Unfinished { text: rest.to_owned(), line, doc }),
            };
            let Some(list) = list else { continue };
            if !list.text.ends_with('.') && list.text.ends_with(',') {
                unfinished = Some(list);
                continue;
            }
            match (ids(&list.text), doc, &inside) {
                (None, ..) => found.errors.push(Error { line: list.line, what: MALFORMED }),
                (Some(ids), true, _) => above.ids.extend(ids.into_iter().map(|id| (id, list.line))),
                (Some(ids), false, Some((test, _))) => found.tags.extend(ids.into_iter().map(|id| Tag {
                    id,
                    test: test.clone(),
                    line: list.line,
                })),
                (Some(_), false, None) => found.errors.push(Error { line: list.line, what: NOT_INSIDE }),
            }
            continue;
        }
        if let Some(list) = unfinished.take() {
            found.errors.push(Error { line: list.line, what: MALFORMED });
        }
        if above.open > 0 || code.starts_with("#[") {
            above.attribute(code);
            continue;
        }
        if let Some(name) = function(code) {
            let item = std::mem::take(&mut above);
            for (id, line) in item.ids {
                match (item.is_test, item.ignored) {
                    (true, false) => found.tags.push(Tag { id, test: name.to_owned(), line }),
                    (true, true) => found.errors.push(Error { line, what: IGNORED }),
                    (false, _) => found.errors.push(Error { line, what: NO_TEST }),
                }
            }
            if item.is_test && !item.ignored {
                inside = Some((name.to_owned(), indent));
            }
            continue;
        }
        if inside.as_ref().is_some_and(|(_, start)| code == "}" && indent == *start) {
            inside = None;
        }
        if !code.is_empty() {
            let item = std::mem::take(&mut above);
            found.errors.extend(item.ids.iter().map(|(_, line)| Error { line: *line, what: NO_TEST }));
        }
    }
    let rest = above.ids.iter().map(|(_, line)| Error { line: *line, what: NO_TEST });
    found.errors.extend(rest);
    if let Some(list) = unfinished {
        found.errors.push(Error { line: list.line, what: MALFORMED });
    }
    found
}

impl Above {
    fn attribute(&mut self, code: &str) {
        if self.open == 0 {
            let path: String =
                code.trim_start_matches("#[").chars().take_while(|c| !"](= ".contains(*c)).collect();
            match path.rsplit("::").next() {
                Some("test") => self.is_test = true,
                Some("ignore") => self.ignored = true,
                _ => {}
            }
        }
        for character in code.chars() {
            self.open += match character {
                '[' | '(' => 1,
                ']' | ')' => -1,
                _ => 0,
            };
        }
    }
}

/// A line comment: whether it is documentation, and its text.
fn comment(code: &str) -> Option<(bool, &str)> {
    let text = code.strip_prefix("//")?;
    let (doc, text) = text.strip_prefix('/').map_or((false, text), |text| (true, text));
    Some((doc, text.trim()))
}

/// The ids of `S-A-01, S-B-02.`; nothing if it is not such a list.
fn ids(list: &str) -> Option<Vec<String>> {
    list.strip_suffix('.')?.split(',').map(|id| is_id(id.trim()).then(|| id.trim().to_owned())).collect()
}

fn is_id(text: &str) -> bool {
    let mut parts = text.split('-');
    let prefix =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    parts.next() == Some("S")
        && parts.next().is_some_and(prefix)
        && parts.next().is_some_and(|part| part.len() == 2 && part.chars().all(|c| c.is_ascii_digit()))
        && parts.next().is_none()
}

/// The name of the function whose signature starts here.
fn function(code: &str) -> Option<&str> {
    let mut words = code.split_whitespace();
    let words = words.by_ref();
    loop {
        match words.next()? {
            "fn" => break,
            word if matches!(word, "async" | "const" | "unsafe" | "pub") || word.starts_with("pub(") => {}
            _ => return None,
        }
    }
    words.next()?.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Vec<(String, String)> {
        let found = scan(text);
        assert_eq!(found.errors, [], "{text}");
        found.tags.into_iter().map(|tag| (tag.id, tag.test)).collect()
    }

    fn errors(text: &str) -> Vec<(usize, &'static str)> {
        scan(text).errors.into_iter().map(|error| (error.line, error.what)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, test)| ((*id).to_owned(), (*test).to_owned())).collect()
    }

    #[test]
    fn a_doc_line_above_a_test_names_statements_also_over_several_lines_and_past_other_attributes() {
        let text = "/// Why.\n/// Shows S-MMI-01,\n/// S-B1E4-05.\n#[test]\n#[expect(\n    x,\n    reason = \"y\"\n)]\nfn it_maps() {\n}\n";
        assert_eq!(tags(text), pairs(&[("S-MMI-01", "it_maps"), ("S-B1E4-05", "it_maps")]));
    }

    #[test]
    fn a_plain_comment_inside_a_test_counts_for_it_and_outside_for_nothing() {
        let inside = "    #[test]\n    fn cases() {\n        for x in [\n            // Shows S-MMI-01.\n            1,\n        ] {\n        }\n    }\n";
        assert_eq!(tags(inside), pairs(&[("S-MMI-01", "cases")]));
        let outside = "#[test]\nfn cases() {\n}\n\n// Shows S-MMI-01.\nconst X: u8 = 1;\n";
        assert_eq!(errors(outside), [(5, NOT_INSIDE)]);
    }

    #[test]
    fn a_tag_above_something_that_is_no_test_that_is_ignored_or_that_runs_on_is_refused() {
        for (text, expected) in [
            ("/// Shows S-MMI-01.\nfn not_a_test() {\n}\n", (1, NO_TEST)),
            ("/// Shows S-MMI-01.\nstruct X;\n#[test]\nfn t() {\n}\n", (1, NO_TEST)),
            ("/// Shows S-MMI-01.\n", (1, NO_TEST)),
            ("/// Shows S-MMI-01.\n#[test]\n#[ignore = \"slow\"]\nfn t() {\n}\n", (1, IGNORED)),
            ("/// Shows S-MMI-01\n#[test]\nfn t() {\n}\n", (1, MALFORMED)),
            ("/// Shows S-MMI-01,\n#[test]\nfn t() {\n}\n", (1, MALFORMED)),
            ("/// Shows S-MMI-1.\n#[test]\nfn t() {\n}\n", (1, MALFORMED)),
            ("/// Shows S-MMI-01 and S-MMI-02.\n#[test]\nfn t() {\n}\n", (1, MALFORMED)),
        ] {
            assert_eq!(errors(text), [expected], "{text}");
            assert!(scan(text).tags.is_empty(), "{text}");
        }
    }

    #[test]
    fn words_about_showing_are_no_tag() {
        assert_eq!(tags("/// Shows the way.\nfn way() {\n}\n"), []);
    }
}
