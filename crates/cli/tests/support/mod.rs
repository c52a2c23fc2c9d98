//! Runs the real command as a user does, and looks at what it leaves behind: exit status, text, report, processes.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What one `dxgk run` left behind.
pub(crate) struct Run {
    /// The arguments, for messages.
    pub(crate) arguments: String,
    /// Exit status.
    pub(crate) status: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about.
    pub(crate) stderr: String,
    /// The JSON report; null when none was written.
    pub(crate) report: Value,
    /// The same, byte for byte.
    pub(crate) json: String,
}

/// `dxgk run ARGUMENTS --report FILE.json`. Fails when the command leaves a process behind, panics, or writes a report
/// that is no JSON.
pub(crate) fn run(arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a folder for the report");
    let path = folder.path().join("report.json");
    let shown = arguments.join(" ");
    let child = Command::new(env!("CARGO_BIN_EXE_dxgk"))
        .arg("run")
        .args(arguments)
        .arg("--report")
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it leaves behind can be told from other runs.
        .process_group(0)
        .spawn()
        .expect("the command starts");
    let group = child.id();
    let output = child.wait_with_output().expect("the command ends");
    let left = processes_of(group);
    assert!(left.is_empty(), "{shown}: processes are left behind: {left:?}");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let status = output.status.code().unwrap_or_else(|| panic!("{shown}: {}\n{stderr}", output.status));
    assert!(!stderr.contains("panicked"), "{shown}: {stderr}");
    let json = std::fs::read_to_string(&path).unwrap_or_default();
    let report = match json.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|error| panic!("{shown}: {error}\n{text}")),
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Run { arguments: shown, status, stdout, stderr, report, json }
}

impl Run {
    /// A string of the report by its JSON pointer; empty when it is not there.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.report.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }

    /// Everything that can be said about it, for a failing test.
    pub(crate) fn told(&self) -> String {
        let Self { arguments, status, stdout, stderr, json, .. } = self;
        format!("dxgk run {arguments}: status {status}\n{stderr}{stdout}{json}")
    }
}

/// Processes, other than itself, of a group whose leader has ended.
fn processes_of(group: u32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let in_group = |path: &PathBuf| {
        let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
        // pid (name) state parent group: the name may hold anything but ends at the last bracket (proc_pid_stat(5)).
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        fields.split(' ').nth(2).and_then(|field| field.parse().ok()) == Some(group)
    };
    entries.map(|entry| entry.path()).filter(in_group).collect()
}
