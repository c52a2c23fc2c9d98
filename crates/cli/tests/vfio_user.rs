//! `--device vfio-user:SOCKET`: a device model in another process, good and bad, from the command line to the driver.

#[path = "../../machine/vfio-user/examples/edu/model.rs"]
mod model;
mod support;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use dxgk_vfio_user::server::{Client, Model, serve};
use model::{Edu, Work};
use serde_json::Value;
use support::{Run, run};

/// A socket, and a thread that serves one client of it.
struct Socket {
    folder: tempfile::TempDir,
}

impl Socket {
    fn served(serve: impl FnOnce(UnixListener) + Send + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("device.sock")).expect("a socket");
        thread::spawn(move || serve(listener));
        Self { folder }
    }

    fn of(mut model: impl Model + Send + 'static) -> Self {
        // A client that is killed breaks its connection, which is no concern of the server's.
        Self::served(move |listener| drop(serve(&listener, &mut model)))
    }

    fn path(&self) -> String {
        self.folder.path().join("device.sock").display().to_string()
    }

    fn device(&self) -> String {
        format!("vfio-user:{}", self.path())
    }
}

fn run_on(model: impl Model + Send + 'static, more: &[&str]) -> (Run, String) {
    let socket = Socket::of(model);
    (run(&[&["--device", &socket.device()], more].concat()), socket.path())
}

#[test]
fn the_sample_lives_with_an_edu_in_another_process_as_with_the_built_in_one() {
    for mode in ["remapping", "isolation", "off"] {
        let built_in = run(&["--iommu", mode]).report;
        for work in [Work::AtOnce, Work::Afterwards] {
            for more in [&["--iommu", mode][..], &["--iommu", mode, "--in-process"]] {
                let (run, path) = run_on(Edu::new(work), more);
                assert_eq!((run.status, run.text("/outcome")), (0, "clean"), "{}", run.told());
                assert_eq!(run.text("/machine/device"), format!("vfio-user:{path}"));
                for part in ["life", "dma", "findings", "callbacks"] {
                    assert_eq!(run.report[part], built_in[part], "{part}: {}", run.told());
                }
                assert!(run.report["dma"]["bytes"].as_u64() > Some(0), "{}", run.told());
            }
        }
    }
}

#[test]
fn its_transfers_are_judged_like_any_devices_and_traced_to_the_write_before_them() {
    for demo in dxgk_miniport_edu::DEMOS.iter().filter(|demo| demo.rule.starts_with("DMA-")) {
        let mode = demo.modes.first().copied().unwrap_or("remapping");
        let (run, _) = run_on(Edu::new(Work::AtOnce), &["--demo", demo.name, "--iommu", mode]);
        assert_eq!(run.status, 1, "{}", run.told());
        let findings = run.report["findings"].as_array().expect("findings");
        let found = findings.iter().find(|finding| finding["rule"] == demo.rule);
        let found = found.unwrap_or_else(|| panic!("no {}: {}", demo.rule, run.told()));
        assert_eq!(found["where"]["module"], "edu.sys (linked)", "{}", run.told());
        // The command register, in the BAR's window.
        let told = "was written to the register at 0xe0000098, the last write before it";
        let history = found["history"].as_array().expect("a history");
        let rung = |entry: &Value| entry["what"].as_str().is_some_and(|what| what.contains(told));
        assert!(history.iter().any(rung), "{}", run.told());
    }
}

/// An edu that does something else at a read of its identification, after so many.
struct Failing {
    edu: Edu,
    reads: u32,
    fail: Box<dyn FnMut() + Send>,
}

impl Model for Failing {
    fn region_bytes(&self, region: u32) -> u64 {
        self.edu.region_bytes(region)
    }

    fn read(&mut self, region: u32, offset: u64, out: &mut [u8], client: &mut Client) -> io::Result<()> {
        if region == 0 && offset == 0x98 {
            match self.reads.checked_sub(1) {
                Some(left) => self.reads = left,
                None => (self.fail)(),
            }
        }
        self.edu.read(region, offset, out, client)
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8], client: &mut Client) -> io::Result<()> {
        self.edu.write(region, offset, bytes, client)
    }

    fn work(&mut self, client: &mut Client) {
        self.edu.work(client);
    }

    fn interrupt(&self) -> bool {
        self.edu.interrupt()
    }
}

/// The run was ended for what the device model did; the report says so, and how far the driver came.
fn check_ended(run: &Run, path: &str, said: &str) {
    assert_eq!((run.status, run.text("/outcome")), (4, "internal-error"), "{}", run.told());
    let failure = run.text("/failure");
    assert!(failure.starts_with(&format!("the device model behind {path} ")), "{}", run.told());
    assert!(failure.contains(said), "{failure:?} does not say {said:?}");
    assert!(run.stdout.contains(said), "{}", run.told());
    let life = run.report["life"].as_array().expect("a life");
    assert!(life.iter().any(|entry| entry["ddi"] == "DxgkDdiStartDevice"), "{}", run.told());
    assert_eq!(run.report["bugcheck"], Value::Null, "{}", run.told());
}

#[test]
fn a_device_model_that_dies_in_the_middle_is_named_and_the_report_still_written() {
    for more in [&[][..], &["--in-process"]] {
        // Unwinding without a message: the thread ends, and its connection with it.
        let fail = Box::new(|| std::panic::resume_unwind(Box::new(())));
        let (run, path) = run_on(Failing { edu: Edu::new(Work::AtOnce), reads: 5, fail }, more);
        check_ended(
            &run,
            &path,
            "closed the connection instead of answering a read of 8 bytes at BAR 0 + 0x98",
        );
    }
}

#[test]
fn a_device_model_that_hangs_is_waited_for_only_so_long() {
    // Until the test is over.
    let (over, until_over) = mpsc::channel::<()>();
    let fail = Box::new(move || {
        let _ = until_over.recv();
    });
    let begun = Instant::now();
    let (run, path) = run_on(Failing { edu: Edu::new(Work::AtOnce), reads: 5, fail }, &["--timeout", "4"]);
    check_ended(&run, &path, "did not answer a read of 8 bytes at BAR 0 + 0x98 within 2 seconds");
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    drop(over);
}

#[test]
fn a_device_model_that_lies_is_named_for_it() {
    // Between a good server and its client, somebody adds bytes that are no message.
    let good = Socket::of(Edu::new(Work::AtOnce));
    let path = good.path();
    let bad = Socket::served(move |listener| {
        let (client, _) = listener.accept().expect("a client");
        let server = UnixStream::connect(path).expect("the good server");
        let (mut from_client, mut to_server) =
            (client.try_clone().expect("a copy"), server.try_clone().expect("a copy"));
        thread::spawn(move || {
            // Without its files: the device has no interrupt then, which the sample does not need.
            let _ = io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let (mut from_server, mut to_client) = (server, client);
        let mut bytes = [0; 4096];
        let mut passed = 0;
        while let Ok(count @ 1..) = from_server.read(&mut bytes) {
            if to_client.write_all(&bytes[..count]).is_err() {
                return;
            }
            passed += count;
            if passed > 5000 && to_client.write_all(&[0xee; 64]).is_err() {
                return;
            }
        }
    });
    let run = run(&["--device", &bad.device()]);
    check_ended(&run, &bad.path(), "broke the vfio-user protocol: a message of 4008636142 bytes");
}

#[test]
fn what_is_no_device_model_is_one_line_and_nothing_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = format!("vfio-user:{}/none.sock", folder.path().display());
    let file = folder.path().join("file");
    std::fs::write(&file, "no socket").expect("a file");
    let no_socket = format!("vfio-user:{}", file.display());
    let silent = Socket::served(|listener| {
        let (mut client, _) = listener.accept().expect("a client");
        // Until the client has had enough.
        let _ = client.read_to_end(&mut Vec::new());
    });
    let other = Socket::served(|listener| {
        let (mut client, _) = listener.accept().expect("a client");
        let mut header = [0; 16];
        client.read_exact(&mut header).expect("a header");
        header[4..12].copy_from_slice(&[20, 0, 0, 0, 1, 0, 0, 0]);
        client.write_all(&[&header[..], &[2, 0, 0, 0]].concat()).expect("an answer");
        let _ = client.read_to_end(&mut Vec::new());
    });
    let cases: [(&str, &str); 5] = [
        ("vfio-user:", "names no socket; accepted: vfio-user:SOCKET"),
        (&nowhere, "none.sock: cannot connect: No such file or directory"),
        (&no_socket, "file: cannot connect: Connection refused"),
        (
            &silent.device(),
            "the device model did not answer the version that was proposed within 0.5 seconds",
        ),
        (&other.device(), "the device model speaks version 2.0 of vfio-user; dxgk speaks 0.1 and 0.0"),
    ];
    let two = run(&["--device", &nowhere, "--adapters", "2"]);
    assert!(two.status == 2 && two.stderr.contains("is one device"), "{}", two.told());
    for (device, said) in cases {
        let run = run(&["--device", device, "--timeout", "1"]);
        assert_eq!((run.status, run.stdout.as_str(), run.json.as_str()), (2, "", ""), "{}", run.told());
        assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.told());
        assert!(run.stderr.starts_with("dxgk: --device: vfio-user:"), "{}", run.told());
        assert!(run.stderr.contains(said), "{said:?} is not said: {}", run.told());
    }
}
