//! An edu-like device in a process of its own: `cargo run -p dxgk-vfio-user --example edu -- /tmp/edu.sock`, and then
//! `dxgk run --device vfio-user:/tmp/edu.sock`. It serves one run after the other until it is stopped. With the word
//! `afterwards` it works only after it has answered the write that starts it, as a device with a thread of its own does.

mod model;

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;

use dxgk_vfio_user::server;
use model::{Edu, Work};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (path, work) = match arguments.as_slice() {
        [path] => (*path, Work::AtOnce),
        [path, "afterwards"] => (*path, Work::Afterwards),
        _ => return complain("accepted: SOCKET [afterwards]"),
    };
    match serve(path, work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("{path}: {error}")),
    }
}

fn serve(path: &str, work: Work) -> io::Result<()> {
    // A socket that an earlier server left behind would refuse the new one; anything else is kept.
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if UnixStream::connect(path).is_err_and(refused) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    loop {
        // What one client does wrong is its own trouble.
        if let Err(error) = server::serve(&listener, &mut Edu::new(work)) {
            let _ = complain(&format!("a client: {error}"));
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program's own errors")]
fn complain(text: &str) -> ExitCode {
    eprintln!("edu: {text}");
    ExitCode::from(2)
}
