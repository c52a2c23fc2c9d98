//! The format engine of DbgPrint and its kin.
//!
//! Document: "Format specification syntax: printf and wprintf functions" (Microsoft C runtime), with what the DbgPrint page
//! adds (`%wZ`, `%ws`). Floating point is not supported by DbgPrint; such a conversion takes its argument and prints `?`.

use dxgk_abi::kernel::AnsiString;

use super::memory;
use super::trouble::Outcome;

/// Longest text that one call prints, in characters (our choice; DbgPrint transmits 512 bytes at most).
pub(crate) const LONGEST_OUTPUT: usize = 4096;

#[derive(Clone, Copy, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    size: Size,
    /// Of a wide function.
    wide: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Size {
    #[default]
    None,
    /// `hh`
    Byte,
    /// `h`
    Short,
    /// `l`, `w`: 32-bit numbers (long is 32 bits on Windows), wide texts
    Long,
    /// `ll`, `I64`, `j`, and on this architecture `I`, `z`, `t`
    Wide,
}

impl Spec {
    fn signed(self, slot: u64) -> i64 {
        match self.size {
            Size::Byte => i64::from(slot as i8),
            Size::Short => i64::from(slot as i16),
            Size::None | Size::Long => i64::from(slot as i32),
            Size::Wide => slot as i64,
        }
    }

    fn unsigned(self, slot: u64) -> u64 {
        match self.size {
            Size::Byte => u64::from(slot as u8),
            Size::Short => u64::from(slot as u16),
            Size::None | Size::Long => u64::from(slot as u32),
            Size::Wide => slot,
        }
    }

    /// Whether a character or a text is wide; `capital` letters mean what the function is not.
    fn is_wide(self, capital: bool) -> bool {
        match self.size {
            Size::Short => false,
            Size::Long => true,
            _ => capital != self.wide,
        }
    }

    /// A number: sign or base prefix, digits up to the precision, width.
    fn number(self, prefix: &str, digits: String) -> String {
        let digits = match self.precision {
            Some(0) if digits == "0" => String::new(),
            Some(precision) => format!("{digits:0>precision$}"),
            None => digits,
        };
        let used = prefix.len() + digits.len();
        if self.zero && !self.left && self.precision.is_none() && used < self.width {
            return format!("{prefix}{digits:0>width$}", width = self.width - prefix.len());
        }
        self.pad(&format!("{prefix}{digits}"))
    }

    fn text(self, text: &str) -> String {
        match self.precision {
            Some(limit) => self.pad(&text.chars().take(limit).collect::<String>()),
            None => self.pad(text),
        }
    }

    fn pad(self, text: &str) -> String {
        let width = self.width;
        if self.left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }
}

fn narrow(bytes: &[u8]) -> String {
    // One byte, one character: drivers print ASCII, and whatever else is there shows as Latin-1.
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Formats `format`, taking arguments from `next`.
///
/// # Errors
/// A fault when a text argument (or a counted string behind one) leads nowhere.
pub(crate) fn format(format: &[u8], next: &mut dyn FnMut() -> u64) -> Outcome<String> {
    let format: Vec<char> = format.iter().map(|byte| char::from(*byte)).collect();
    run(&format, false, next)
}

/// As [`format`], for the wide functions: the format is UTF-16, and a plain `%s` or `%c` is wide.
pub(crate) fn format_wide(format: &[u16], next: &mut dyn FnMut() -> u64) -> Outcome<String> {
    let format: Vec<char> = String::from_utf16_lossy(format).chars().collect();
    run(&format, true, next)
}

fn run(format: &[char], wide: bool, next: &mut dyn FnMut() -> u64) -> Outcome<String> {
    let mut out = String::new();
    let mut rest = format.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if out.len() >= LONGEST_OUTPUT {
            break;
        }
        if byte != '%' {
            out.push(byte);
            continue;
        }
        let mut spec = Spec { wide, ..Spec::default() };
        while let Some(flag) = rest.next_if(|byte| "-+ #0".contains(*byte)) {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '#' => spec.alternate = true,
                _ => spec.zero = true,
            }
        }
        if rest.next_if_eq(&'*').is_some() {
            let width = next() as i32;
            spec.left |= width < 0;
            spec.width = width.unsigned_abs() as usize;
        } else {
            spec.width = digits(&mut rest);
        }
        if rest.next_if_eq(&'.').is_some() {
            spec.precision = if rest.next_if_eq(&'*').is_some() {
                usize::try_from(next() as i32).ok()
            } else {
                Some(digits(&mut rest))
            };
        }
        spec.width = spec.width.min(LONGEST_OUTPUT);
        spec.precision = spec.precision.map(|precision| precision.min(LONGEST_OUTPUT));
        spec.size = size(&mut rest);
        let Some(conversion) = rest.next() else { break };
        convert(spec, conversion, next, &mut out)?;
    }
    if let Some((cut, _)) = out.char_indices().nth(LONGEST_OUTPUT) {
        out.truncate(cut);
    }
    Ok(out)
}

type Characters<'a> = std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, char>>>;

fn digits(rest: &mut Characters<'_>) -> usize {
    let mut number = 0usize;
    while let Some(digit) = rest.peek().and_then(|character| character.to_digit(10)) {
        rest.next();
        number = number.saturating_mul(10).saturating_add(digit as usize);
    }
    number
}

fn size(rest: &mut Characters<'_>) -> Size {
    match rest.peek() {
        Some('h') => {
            rest.next();
            if rest.next_if_eq(&'h').is_some() { Size::Byte } else { Size::Short }
        }
        Some('l') => {
            rest.next();
            if rest.next_if_eq(&'l').is_some() { Size::Wide } else { Size::Long }
        }
        Some('w') => {
            rest.next();
            Size::Long
        }
        Some('j' | 'z' | 't') => {
            rest.next();
            Size::Wide
        }
        Some('I') => {
            rest.next();
            if rest.next_if_eq(&'3').is_some() {
                rest.next_if_eq(&'2');
                return Size::Long;
            }
            if rest.next_if_eq(&'6').is_some() {
                rest.next_if_eq(&'4');
            }
            Size::Wide
        }
        _ => Size::None,
    }
}

fn convert(spec: Spec, conversion: char, next: &mut dyn FnMut() -> u64, out: &mut String) -> Outcome<()> {
    match conversion {
        '%' => out.push('%'),
        'd' | 'i' => {
            let value = spec.signed(next());
            let sign = match value {
                ..0 => "-",
                _ if spec.plus => "+",
                _ if spec.space => " ",
                _ => "",
            };
            out.push_str(&spec.number(sign, value.unsigned_abs().to_string()));
        }
        'u' => {
            let value = spec.unsigned(next());
            out.push_str(&spec.number("", value.to_string()));
        }
        'o' => {
            let value = spec.unsigned(next());
            out.push_str(&spec.number(if spec.alternate { "0" } else { "" }, format!("{value:o}")));
        }
        'x' => {
            let value = spec.unsigned(next());
            let prefix = if spec.alternate && value != 0 { "0x" } else { "" };
            out.push_str(&spec.number(prefix, format!("{value:x}")));
        }
        'X' => {
            let value = spec.unsigned(next());
            let prefix = if spec.alternate && value != 0 { "0X" } else { "" };
            out.push_str(&spec.number(prefix, format!("{value:X}")));
        }
        'p' => out.push_str(&spec.pad(&format!("{:016X}", next()))),
        'c' | 'C' => {
            let slot = next();
            let wide = spec.is_wide(conversion == 'C');
            let unit = if wide { u32::from(slot as u16) } else { u32::from(slot as u8) };
            out.push_str(&spec.pad(&char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER).to_string()));
        }
        's' | 'S' => {
            let wide = spec.is_wide(conversion == 'S');
            let text = text(next(), wide, spec.precision.unwrap_or(LONGEST_OUTPUT))?;
            out.push_str(&spec.text(&text));
        }
        'Z' => {
            let at = next();
            let text = if at == 0 {
                "(null)".to_owned()
            } else if spec.size == Size::Long {
                memory::unicode_text(at)?
            } else {
                let string: AnsiString = memory::read(at)?;
                let mut bytes = vec![0; usize::from(string.length)];
                memory::read_bytes(string.buffer.0, &mut bytes)?;
                narrow(&bytes)
            };
            out.push_str(&spec.text(&text));
        }
        'e' | 'E' | 'f' | 'g' | 'G' | 'a' | 'A' => {
            next();
            out.push('?');
        }
        // Takes its argument and writes nothing: storing through a driver's pointer from a format is no service to anyone.
        'n' => {
            next();
        }
        other => out.push(other),
    }
    Ok(())
}

fn text(at: u64, wide: bool, limit: usize) -> Outcome<String> {
    if at == 0 {
        return Ok("(null)".to_owned());
    }
    if wide {
        return Ok(String::from_utf16_lossy(&memory::read_wide_text(at, limit)?));
    }
    Ok(narrow(&memory::read_text(at, limit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str, arguments: &[u64]) -> String {
        let mut slots = arguments.iter().copied();
        format(text.as_bytes(), &mut || slots.next().unwrap_or(0xbad)).unwrap()
    }

    #[test]
    fn numbers_print_as_the_microsoft_runtime_prints_them() {
        let minus_five = 0xdead_beef_ffff_fffb;
        let rows: [(&str, &[u64], &str); 26] = [
            ("%d", &[minus_five], "-5"),
            ("%i|%u", &[7, minus_five], "7|4294967291"),
            ("%5d|%-5d|%05d", &[42, 42, 42], "   42|42   |00042"),
            ("%05d", &[minus_five], "-0005"),
            ("%+d % d", &[1, 2], "+1  2"),
            ("%.3d|%6.3d", &[7, 7], "007|   007"),
            ("%x %X %#x %#X", &[0xab, 0xab, 0xab, 0xab], "ab AB 0xab 0XAB"),
            ("%08lx", &[0x1234], "00001234"),
            ("%#010x", &[0x1f], "0x0000001f"),
            ("%hu %hhx", &[0x1_0002, 0x1ff], "2 ff"),
            ("%lu", &[0x1_0000_0001], "1"),
            ("%llu", &[u64::MAX], "18446744073709551615"),
            ("%I64x", &[0x1234_5678_9abc_def0], "123456789abcdef0"),
            ("%I64d", &[u64::MAX], "-1"),
            ("%I32u", &[0x1_0000_0003], "3"),
            ("%Ix %zx", &[0x1_0000_0003, 0x1_0000_0004], "100000003 100000004"),
            ("%p", &[0x5000_0000_1000], "0000500000001000"),
            ("%c%c", &[u64::from(b'o'), u64::from(b'k')], "ok"),
            ("%C", &[0x20ac], "\u{20ac}"),
            ("100%%", &[], "100%"),
            ("%*d|%-*d|", &[4, 9, 4, 9], "   9|9   |"),
            ("%*d", &[u64::from(-4i32 as u32), 9], "9   "),
            ("%o %#o", &[8, 8], "10 010"),
            ("%f is float, %d is not", &[0, 3], "? is float, 3 is not"),
            ("%.0d|", &[0], "|"),
            ("%", &[], ""),
        ];
        for (text, arguments, expected) in rows {
            assert_eq!(print(text, arguments), expected, "{text}");
        }
    }

    #[test]
    fn texts_narrow_wide_and_counted() {
        let narrow = b"hello\0";
        let wide: Vec<u16> = "w\u{f6}rld\0".encode_utf16().collect();
        let counted = [10u64 | 12 << 16, wide.as_ptr() as u64];
        let ansi = [4u64 | 5 << 16, narrow.as_ptr() as u64];
        let (n, w) = (narrow.as_ptr() as u64, wide.as_ptr() as u64);
        let (z, a) = (counted.as_ptr() as u64, ansi.as_ptr() as u64);
        let rows: [(&str, &[u64], &str); 10] = [
            ("%s, %S!", &[n, w], "hello, w\u{f6}rld!"),
            ("%ws %ls %hs", &[w, w, n], "w\u{f6}rld w\u{f6}rld hello"),
            ("[%8s][%-8s]", &[n, n], "[   hello][hello   ]"),
            ("%.3s", &[n], "hel"),
            ("%.*s|", &[2, n], "he|"),
            ("%wZ", &[z], "w\u{f6}rld"),
            ("%Z", &[a], "hell"),
            ("%s %S %wZ", &[0, 0, 0], "(null) (null) (null)"),
            ("%d %s", &[3, n], "3 hello"),
            ("no newline", &[], "no newline"),
        ];
        for (text, arguments, expected) in rows {
            assert_eq!(print(text, arguments), expected, "{text}");
        }
    }

    #[test]
    fn a_text_that_leads_nowhere_is_a_fault_not_a_crash() {
        let outcome = format(b"%s", &mut || 0x10);
        assert_eq!(outcome, Err(super::super::trouble::Trouble::Fault { address: 0x10, write: false }));
    }

    #[test]
    fn huge_widths_are_bounded() {
        let text = print("%999999999d|%.999999999d", &[1, 2]);
        assert!(text.len() <= LONGEST_OUTPUT, "{}", text.len());
    }
}
