//! The qtest line protocol: one command a line, one answer a line that begins with `OK` or `FAIL`.
//!
//! Source: QEMU, comment "QTest Protocol" at the head of `softmmu/qtest.c` (7.2) / `system/qtest.c` (later). Lines that
//! begin with `IRQ` come unasked when interrupts are intercepted and are passed over.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long QEMU may think about one command. It answers within a millisecond; only a hang takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The connected socket.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one command, or several with a line end between them, and returns the first whole answer line. The
    /// answers to the others are had from [`Connection::answer`], in their order.
    pub(crate) fn ask(&mut self, commands: &str) -> io::Result<String> {
        self.stream.get_mut().write_all(format!("{commands}\n").as_bytes())?;
        self.answer()
    }

    /// The next whole answer line.
    pub(crate) fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the qtest socket was closed"));
            }
            let answer = line.trim_end();
            if !answer.starts_with("IRQ") {
                return Ok(answer.to_owned());
            }
        }
    }
}

/// The text after `OK`, or nothing for any other answer.
pub(crate) fn accepted(answer: &str) -> Option<&str> {
    let rest = answer.strip_prefix("OK")?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim())
}

/// `0x1f` -> 31.
pub(crate) fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// `0x0aff` -> the bytes 0x0a, 0xff.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The bytes 0x0a, 0xff -> `0x0aff`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("0x");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ok_is_an_ok() {
        assert_eq!(accepted("OK"), Some(""));
        assert_eq!(accepted("OK 0x10"), Some("0x10"));
        assert_eq!(accepted("OKAY"), None);
        assert_eq!(accepted("FAIL Unknown command 'clock_step'"), None);
    }

    #[test]
    fn bytes_survive_the_way_there_and_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&hex(&all)), Some(all));
        assert_eq!(bytes("0x123"), None);
        assert_eq!(bytes("0x1é"), None);
        assert_eq!(number("0x00d2008c222f0606"), Some(0x00d2_008c_222f_0606));
        assert_eq!(number("12"), None);
    }

    #[test]
    fn unasked_interrupt_lines_are_passed_over() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours).unwrap();
        let answering = std::thread::spawn(move || {
            let mut theirs = BufReader::new(theirs);
            let mut line = String::new();
            theirs.read_line(&mut line).unwrap();
            theirs.get_mut().write_all(b"IRQ raise 3\nOK 0x5\n").unwrap();
            line
        });
        assert_eq!(connection.ask("readb 0x0").unwrap(), "OK 0x5");
        assert_eq!(answering.join().unwrap(), "readb 0x0\n");
        assert!(connection.ask("readb 0x0").is_err(), "a closed socket is an error");
    }
}
