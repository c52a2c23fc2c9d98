//! `cargo xtask witness`: what CI does with a few scenarios, with many.

use anyhow::{Result, bail};

use crate::{shell, test};

pub(crate) fn run(scenarios: u64) -> Result<()> {
    if !test::has_qemu() {
        bail!("the witness is QEMU, and it is not there");
    }
    let number = scenarios.to_string();
    let environment = [("DXGK_REQUIRE_QEMU", "1"), ("DXGK_WITNESS_SCENARIOS", number.as_str())];
    let arguments = ["test", "--package", "dxgk-iommu", "--test", "witness", "--", "--nocapture"];
    shell::run("cargo", &arguments, &environment)
}
