//! No text makes the reader panic, and no driver the device.

use dxgk_hw::{PciFunction, Width};
use dxgk_model::{Described, Description};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Bench, DISPLAY, EDU, NPU};

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![Just(Width::Byte), Just(Width::Word), Just(Width::Dword), Just(Width::Qword)]
}

fn example() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(NPU), Just(DISPLAY), Just(EDU)]
}

/// What a number in a text is replaced by.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0u64..300, Just(u64::MAX), (0u32..64).prop_map(|bit| 1 << bit)]
}

/// The text with some of its numbers replaced: most still parse.
fn mutated(text: &str, changes: &[(usize, u64)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (at, value) in changes {
        let index = at % lines.len();
        if let Some((key, _)) = lines[index].split_once(" = 0x").map(|(key, rest)| (key.to_owned(), rest)) {
            lines[index] = if lines[index].contains('{') {
                lines[index].replacen("bits = 0x", &format!("bits = {value:#x}"), 1)
            } else {
                format!("{key} = {value:#x}")
            };
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_texts_and_changed_numbers_never_panic(
        text in example(),
        changes in vec((any::<usize>(), number()), 1..6),
        accesses in vec((0u8..4, 0u64..0x110, width(), any::<u64>(), 0u8..3), 1..80),
    ) {
        let Ok(description) = Description::parse(&mutated(text, &changes)) else { return Ok(()) };
        let bench = Bench::of(Described::new(&description).expect("what was parsed makes a device"));
        let mut now = 0u64;
        for (bar, offset, width, value, action) in accesses {
            match action {
                0 => bench.function.write(bar, offset, width, value),
                1 => prop_assert_eq!(bench.function.read(bar, offset, width) & !width.mask(), 0),
                _ => now = now.saturating_add(value >> (value % 64)),
            }
            bench.function.advance(now);
        }
    }

    #[test]
    fn cut_and_spliced_texts_never_panic(
        text in example(),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        noise in "\\PC{0,12}",
    ) {
        let (from, to) = (from.index(text.len()), to.index(text.len()));
        let (start, end) = (from.min(to), from.max(to));
        let spliced = format!("{}{noise}{}", &text[..start], &text[end..]);
        if let Err(error) = Description::parse(&spliced) {
            prop_assert!(error.line >= 1 && error.line <= spliced.lines().count() + 1);
            prop_assert!(!error.message.contains('\n'));
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let text = format!("{EDU}\n#{}", "x".repeat(1 << 20));
    let refusal = Description::parse(&text).expect_err("too long").to_string();
    assert!(refusal.contains("longer"), "{refusal}");
}
