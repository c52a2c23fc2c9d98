//! The options of `dxgk run`, and their translation into a [`RunConfig`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, FromArgMatches, ValueEnum};
use dxgk_abi::InterfaceVersion;
use dxgk_shm::RamLayout;

use super::config::{
    LogicalBase, Missing, PoolForm, RegistryEntry, RegistryValue, RunConfig, Stacks, Strictness,
};
use super::device;
use super::rig::MOST_DEVICES;
use super::unit::IommuUnitChoice;
use crate::scenario::{Loaded, Scenario};
use crate::usage::{Usage, in_one_line};

/// Options of `dxgk run`.
#[derive(Args, Debug)]
pub(crate) struct RunOptions {
    /// The miniport to run; without it the built-in sample runs
    driver: Option<PathBuf>,

    /// The PCI device that the driver is given: edu, none, FILE.toml, which describes one (`dxgk schema device`), or
    /// vfio-user:SOCKET, a device model in another process
    #[arg(long, default_value = "edu")]
    device: String,

    /// Physical adapters linked into one logical adapter (LDA) [default: 1, or what the demo needs]
    #[arg(long, value_name = "N", value_parser = parse_number)]
    adapters: Option<u64>,

    /// Logical adapters beside each other, each with --adapters physical ones
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_number)]
    logical_adapters: u64,

    /// The addressing mode asked for
    #[arg(long, value_enum, default_value_t = IommuMode::Auto)]
    iommu: IommuMode,

    /// Apply --iommu whatever the driver reports: what a driver not yet ported would break (not Windows behaviour)
    #[arg(long)]
    force_iommu: bool,

    /// Where logical addresses come from: away from RAM addresses, or from 0 up as in Windows
    #[arg(long, value_enum, default_value_t = LogicalBase::Safe)]
    logical_base: LogicalBase,

    /// Which hardware enforces it
    #[arg(long, value_enum, default_value_t = IommuUnitChoice::Vtd)]
    iommu_unit: IommuUnitChoice,

    /// Who plays machine and device
    #[arg(long, value_enum, default_value_t = Hardware::Model)]
    hardware: Hardware,

    /// RAM: a size, or ranges SIZE@START or SIZE@START:nodeN, separated by commas
    #[arg(long, value_name = "LAYOUT", default_value = "4G")]
    ram: String,

    /// Highest address that the device can put on the bus, instead of what the driver reports
    #[arg(long, value_name = "ADDRESS", value_parser = parse_number)]
    highest_visible_address: Option<u64>,

    /// Interface offered: Size and Version of the smaller of it and of the driver's own Version
    #[arg(long, value_name = "VERSION", default_value = "3.1")]
    wddm: String,

    /// A value under the driver's service key: NAME=dword:N or NAME=string:S (repeatable; NAME may be KEY\NAME)
    #[arg(long, value_name = "NAME=TYPE:VALUE")]
    registry: Vec<String>,

    /// The IOMMUFlags registry switch
    #[arg(long, value_name = "N", default_value = "0x7", value_parser = parse_number)]
    iommu_flags: u64,

    /// What happens to the adapters: `default`, or FILE.toml (`dxgk schema scenario`), whose options these override
    #[arg(long, value_name = "FILE", default_value = crate::scenario::DEFAULT)]
    pub(crate) scenario: String,

    /// The built-in sample misbehaves in the named way; `list` shows the names
    #[arg(long, value_name = "NAME")]
    pub(crate) demo: Option<String>,

    /// No child process and no sandbox; built-in sample only
    #[arg(long)]
    pub(crate) in_process: bool,

    /// Everything that may vary is drawn from it: same seed, same events
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_number)]
    seed: u64,

    /// Record and go on, or stop where Windows would bug check
    #[arg(long, value_enum, default_value_t = Strictness::Report)]
    strictness: Strictness,

    /// How pool blocks lie
    #[arg(long, value_enum, default_value_t = PoolForm::Fast)]
    pool: PoolForm,

    /// What becomes of imports that are not there
    #[arg(long, value_enum, default_value_t = Missing::Fail)]
    missing: Missing,

    /// How many call stacks are taken
    #[arg(long, value_enum, default_value_t = Stacks::Few)]
    stacks: Stacks,

    /// Write the report: .json or .txt, `-` is text on stdout (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,

    /// Functions and lines of the driver: a PDB, a file with DWARF, or a folder [default: beside the driver]
    #[arg(long, value_name = "PATH")]
    symbols: Option<PathBuf>,

    /// Print the DDI and callback log, in order
    #[arg(long)]
    pub(crate) log: bool,

    /// Stop a driver that hangs after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_number)]
    timeout: u64,

    /// Print only the findings and the summary
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print notes and counters too
    #[arg(long)]
    pub(crate) verbose: bool,

    /// Colours in the text report
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// RAM that the IOMMU's tables and the firmware's frame buffer leave something of (our choice).
const LEAST_RAM: u64 = 64 << 10;

/// `--iommu`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum IommuMode {
    /// The strongest that the driver claims
    Auto,
    /// Device addresses are allocated logical ones
    Remapping,
    /// Device addresses equal physical ones; only mapped pages are reachable
    Isolation,
    /// Device addresses are physical, nothing is translated
    Off,
}

/// `--hardware`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Hardware {
    /// Software hardware of this project
    Model,
}

/// `--color`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Color {
    /// When stdout is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl RunOptions {
    /// Reads arguments of `run`; of an option that is given twice the later one counts.
    pub(crate) fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Usage> {
        let command =
            Self::augment_args(clap::Command::new("run")).no_binary_name(true).args_override_self(true);
        let matches =
            command.try_get_matches_from(arguments).map_err(|error| Usage::line(in_one_line(&error)))?;
        Self::from_arg_matches(&matches).map_err(|error| Usage::line(in_one_line(&error)))
    }

    /// The options of a scenario's file and, over them, those of the command line, which are `arguments`.
    pub(crate) fn over(
        loaded: &Loaded,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Usage> {
        let of_file = loaded.settings.iter().map(|setting| OsString::from(&setting.argument));
        let mut options = Self::from_arguments(of_file.chain(arguments))?;
        options.driver = options.driver.or_else(|| loaded.driver.clone());
        Ok(options)
    }

    /// Checks what clap cannot, and gives the configuration of the run.
    pub(crate) fn config(&self, scenario: Scenario) -> Result<RunConfig, Usage> {
        let layout = RamLayout::from_str(&self.ram).map_err(|error| Usage::option("--ram", error))?;
        if layout.total_bytes() < LEAST_RAM {
            let bytes = layout.total_bytes();
            return Err(Usage::option(
                "--ram",
                format!("{bytes} bytes hold no machine; accepted: {LEAST_RAM} bytes or more"),
            ));
        }
        let version = self.version()?;
        let mut registry = Vec::new();
        for text in &self.registry {
            registry.push(parse_registry(text)?);
        }
        if let Some(demo) = &self.demo {
            registry.push(self.demo_entry(demo)?);
        }
        if self.timeout == 0 {
            return Err(Usage::option("--timeout", "leaves the driver no time; accepted: 1 second or more"));
        }
        if self.in_process && self.driver.is_some() {
            return Err(Usage::option("--in-process", "runs only the built-in sample, not a driver file"));
        }
        let (adapters, logical_adapters) = self.adapters()?;
        Ok(RunConfig {
            driver: self.driver.clone(),
            device: device::choose(&self.device)?,
            adapters,
            logical_adapters,
            iommu: match self.iommu {
                IommuMode::Auto => super::config::Iommu::Auto,
                IommuMode::Remapping => super::config::Iommu::Remapping,
                IommuMode::Isolation => super::config::Iommu::Isolation,
                IommuMode::Off => super::config::Iommu::Off,
            },
            force_iommu: self.force_iommu,
            iommu_unit: self.iommu_unit,
            logical_base: self.logical_base,
            ram: self.ram.clone(),
            ram_bytes: layout.total_bytes(),
            highest_visible_address: self.highest_visible_address,
            wddm: version.0,
            registry,
            iommu_flags: u32::try_from(self.iommu_flags).map_err(|_| {
                Usage::option("--iommu-flags", "does not fit in 32 bits; accepted: 0 to 0xffffffff")
            })?,
            seed: self.seed,
            strictness: self.strictness,
            pool: self.pool,
            missing: self.missing,
            stacks: self.stacks,
            timeout_seconds: self.timeout,
            scenario,
        })
    }

    /// Physical adapters of each logical one, and logical ones.
    fn adapters(&self) -> Result<(u32, u32), Usage> {
        let needed = self
            .demo
            .as_ref()
            .and_then(|name| dxgk_miniport_edu::DEMOS.iter().find(|demo| demo.name == name))
            .map_or(1, |demo| demo.adapters().into());
        let asked =
            [("--adapters", self.adapters.unwrap_or(needed)), ("--logical-adapters", self.logical_adapters)];
        let counted = asked.map(|(option, count)| match u32::try_from(count) {
            Ok(count @ 1..=MOST_DEVICES) => Ok(count),
            _ => Err(Usage::option(option, format!("{count} adapters; accepted: 1 to {MOST_DEVICES}"))),
        });
        let [adapters, logical] = counted;
        let (adapters, logical) = (adapters?, logical?);
        if adapters * logical > MOST_DEVICES {
            let why = format!("{adapters} times {logical} devices; a bus has room for {MOST_DEVICES}");
            return Err(Usage::option("--adapters", why));
        }
        if adapters * logical > 1 && self.device.starts_with(device::OUTSIDE) {
            let why = "a device model behind vfio-user:SOCKET is one device; accepted with it: 1";
            return Err(Usage::option("--adapters", why));
        }
        Ok((adapters, logical))
    }

    /// Where symbols are to be looked for, if that was said.
    pub(crate) fn symbols(&self) -> Result<Option<PathBuf>, Usage> {
        if let Some(path) = &self.symbols {
            std::fs::metadata(path).map_err(|error| Usage::file(path, error))?;
        }
        Ok(self.symbols.clone())
    }

    fn version(&self) -> Result<InterfaceVersion, Usage> {
        InterfaceVersion::from_str(&self.wddm)
            .map_err(|error| Usage::option("--wddm", format!("{:?} is {error}", self.wddm)))
    }

    fn demo_entry(&self, demo: &str) -> Result<RegistryEntry, Usage> {
        if self.driver.is_some() {
            return Err(Usage::option(
                "--demo",
                "makes the built-in sample misbehave; leave the driver file out",
            ));
        }
        let known = dxgk_miniport_edu::DEMOS;
        if !known.iter().any(|candidate| candidate.name == demo) {
            let names: Vec<&str> = known.iter().map(|candidate| candidate.name).collect();
            return Err(Usage::option(
                "--demo",
                format!("unknown name {demo:?}; accepted: list, {}", names.join(", ")),
            ));
        }
        Ok(RegistryEntry { name: "Demo".to_owned(), value: RegistryValue::String(demo.to_owned()) })
    }
}

/// A number in decimal, `0x` hexadecimal, or with the suffix K, M, G, T.
fn parse_number(text: &str) -> Result<u64, String> {
    let refused =
        || format!("{text:?} is no number; accepted: decimal, 0x hexadecimal, and the suffixes K, M, G, T");
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).map_err(|_| refused());
    }
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 10),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 20),
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 30),
        Some(b'T' | b't') => (text.get(..text.len() - 1), 40),
        _ => (Some(text), 0),
    };
    let number: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(refused)?;
    number.checked_mul(1 << shift).ok_or_else(refused)
}

/// `NAME=dword:N` or `NAME=string:S`.
fn parse_registry(text: &str) -> Result<RegistryEntry, Usage> {
    let refused = |why: &str| {
        Usage::option("--registry", format!("{text:?} {why}; accepted: NAME=dword:N, NAME=string:S"))
    };
    let (name, value) = text.split_once('=').ok_or_else(|| refused("has no '='"))?;
    if name.is_empty() || name.split('\\').any(str::is_empty) {
        return Err(refused("has an empty name"));
    }
    let (kind, value) = value.split_once(':').ok_or_else(|| refused("names no type"))?;
    let value = match kind {
        "dword" => {
            let number = parse_number(value).map_err(|error| refused(&error))?;
            RegistryValue::Dword(u32::try_from(number).map_err(|_| refused("does not fit in 32 bits"))?)
        }
        "string" => RegistryValue::String(value.to_owned()),
        _ => return Err(refused("has an unknown type")),
    };
    Ok(RegistryEntry { name: name.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::{parse_number, parse_registry};
    use crate::run::config::RegistryValue;

    #[test]
    fn numbers_are_decimal_hexadecimal_or_have_a_size() {
        assert_eq!(parse_number("7"), Ok(7));
        assert_eq!(parse_number("0xff"), Ok(255));
        assert_eq!(parse_number("4G"), Ok(4 << 30));
        for bad in ["", "0x", "G", "-1", "99999999999T"] {
            assert!(parse_number(bad).is_err(), "{bad:?} was taken for a number");
        }
    }

    #[test]
    fn registry_values_name_their_type() {
        let entry = parse_registry("Parameters\\X=dword:0x10").expect("well-formed");
        assert_eq!((entry.name.as_str(), entry.value), ("Parameters\\X", RegistryValue::Dword(16)));
        for bad in
            ["X", "=dword:1", "X=1", "X=qword:1", "X=dword:no", "X=dword:0x100000000", "a\\\\b=dword:1"]
        {
            assert!(parse_registry(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
