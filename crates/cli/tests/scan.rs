//! `dxgk scan` refuses what is no driver, in one line.

use std::process::Command;

#[test]
fn what_is_no_driver_is_refused_in_one_line_with_status_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.sys");
    std::fs::write(&text, "not a driver at all, however long it may be: no header begins like this")
        .expect("a file");
    for (path, why) in [(text, "not a PE image"), (folder.path().join("absent.sys"), "No such file")] {
        for json in [&[][..], &["--json"][..]] {
            let output = Command::new(env!("CARGO_BIN_EXE_dxgk"))
                .arg("scan")
                .arg(&path)
                .args(json)
                .output()
                .expect("dxgk starts");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(why) && said.lines().count() == 1, "{said}");
            assert!(output.stdout.is_empty());
        }
    }
}
