use dxgk_event::Event;

use super::*;

fn log(bench: &Bench) -> Vec<(String, bool)> {
    let lines = bench.events().into_iter().filter_map(|event| match event {
        Event::Log(log) => Some((log.text.as_str().to_owned(), log.more != 0)),
        _ => None,
    });
    lines.collect()
}

#[test]
fn printed_lines_become_log_events_with_their_arguments() {
    let bench = Bench::new();
    let format = bench.place(0, b"%s: %d of %I64x\nnext %c\n\0");
    let name = bench.place(0x100, b"edu\0");
    // Six arguments: the last two travel on the stack.
    bench.call("DbgPrint", &[format, name, 7, 0x1_0000_0000, u64::from(b'z')]);
    bench.call("DbgPrintEx", &[77, 0, format, name, 8, 0xff, u64::from(b'y')]);
    let list = bench.place(0x200, &[name, 9, 0xabc, u64::from(b'x')].map(u64::to_le_bytes).concat());
    bench.call("vDbgPrintEx", &[77, 0, format, list]);
    let expected = ["edu: 7 of 100000000", "next z", "edu: 8 of ff", "next y", "edu: 9 of abc", "next x"];
    assert_eq!(log(&bench), expected.map(|line| (line.to_owned(), false)));
}

#[test]
fn a_long_line_is_parted() {
    let bench = Bench::new();
    let text: String = "0123456789".repeat(20);
    let format = bench.place(0, format!("{text}\0").as_bytes());
    bench.call("DbgPrint", &[format]);
    let parts = log(&bench);
    assert_eq!(parts.iter().map(|(part, _)| part.as_str()).collect::<String>(), text);
    assert_eq!(parts.iter().map(|(_, more)| *more).collect::<Vec<_>>(), [true, true, false]);
}
