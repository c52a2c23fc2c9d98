//! `[machine]` and `[driver]`: options of the command line, under the names that they have there.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scenario;
use super::step::Step;
use crate::run::RunOptions;

/// A scenario file, as `dxgk schema scenario` describes it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema is made from it; the reader takes the parts one by one, for their places"
)]
pub(crate) struct File {
    /// Options about the machine; the command line overrides them.
    #[schemars(default)]
    machine: Machine,
    /// Options about the driver; the command line overrides them.
    #[schemars(default)]
    driver: Driver,
    /// What happens, in order.
    step: Vec<Step>,
}

/// The options of a file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    machine: Machine,
    driver: Driver,
}

/// The value of an option: what stands behind `=` on the command line, or the number itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Value {
    /// A switch: `true` is as if the option were given.
    Switch(bool),
    /// A number.
    Number(u64),
    /// As on the command line.
    Text(String),
    /// An option that may be given several times.
    Several(Vec<String>),
}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident = $table:literal { $($(#[$field_doc:meta])* $key:literal => $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        struct $name {
            $($(#[$field_doc])* #[serde(rename = $key, skip_serializing_if = "Option::is_none")] $field: Option<Value>,)*
        }

        impl $name {
            fn entries(self) -> impl Iterator<Item = (&'static str, &'static str, Value)> {
                [$(($table, $key, self.$field)),*]
                    .into_iter()
                    .filter_map(|(table, key, value)| Some((table, key, value?)))
            }
        }
    };
}

table! {
    /// What the driver meets.
    Machine = "machine" {
        /// `--device`; a file's path begins where the scenario is.
        "device" => device,
        /// `--adapters`.
        "adapters" => adapters,
        /// `--logical-adapters`.
        "logical-adapters" => logical_adapters,
        /// `--iommu`.
        "iommu" => iommu,
        /// `--force-iommu`.
        "force-iommu" => force_iommu,
        /// `--iommu-flags`.
        "iommu-flags" => iommu_flags,
        /// `--logical-base`.
        "logical-base" => logical_base,
        /// `--iommu-unit`.
        "iommu-unit" => iommu_unit,
        /// `--hardware`.
        "hardware" => hardware,
        /// `--ram`.
        "ram" => ram,
        /// `--highest-visible-address`.
        "highest-visible-address" => highest_visible_address,
        /// `--seed`.
        "seed" => seed,
    }
}

table! {
    /// Who the driver is, and how it is treated.
    Driver = "driver" {
        /// The driver's file; it begins where the scenario is. Without it the built-in sample runs.
        "path" => path,
        /// `--wddm`.
        "wddm" => wddm,
        /// `--registry`, as a list.
        "registry" => registry,
        /// `--demo`.
        "demo" => demo,
        /// `--missing`.
        "missing" => missing,
        /// `--pool`.
        "pool" => pool,
        /// `--strictness`.
        "strictness" => strictness,
        /// `--stacks`.
        "stacks" => stacks,
        /// `--symbols`; it begins where the scenario is.
        "symbols" => symbols,
        /// `--timeout`.
        "timeout" => timeout,
    }
}

/// An option that a scenario gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Setting {
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    /// Which of several.
    pub(super) index: Option<usize>,
    /// As it would stand on the command line.
    pub(crate) argument: String,
}

impl Setting {
    /// Whether the command line would accept it.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.key == "path" {
            return Err("path is no text; accepted: the driver's file".to_owned());
        }
        let alone =
            RunOptions::from_arguments([self.argument.clone().into()]).map_err(|error| error.to_string())?;
        alone.config(Scenario::nothing()).map(|_| ()).map_err(|error| error.to_string())
    }
}

impl Options {
    /// The options, as arguments of the command line, and the driver's file. Relative paths begin in `folder`.
    pub(super) fn settings(self, folder: &Path) -> (Vec<Setting>, Option<PathBuf>) {
        let mut settings = Vec::new();
        let mut driver = None;
        for (table, key, value) in self.machine.entries().chain(self.driver.entries()) {
            let mut add = |index, argument| settings.push(Setting { table, key, index, argument });
            match value {
                Value::Text(path) if key == "path" => driver = Some(folder.join(path)),
                Value::Text(text) => add(None, format!("--{key}={}", from_folder(key, &text, folder))),
                Value::Number(number) => add(None, format!("--{key}={number}")),
                Value::Switch(true) => add(None, format!("--{key}")),
                Value::Switch(false) => {}
                Value::Several(texts) => {
                    for (index, text) in texts.iter().enumerate() {
                        add(Some(index), format!("--{key}={text}"));
                    }
                }
            }
        }
        (settings, driver)
    }
}

/// A path that begins where the scenario is.
fn from_folder(key: &str, text: &str, folder: &Path) -> String {
    let is_path = match key {
        "device" => Path::new(text).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml")),
        "symbols" | "inf" => true,
        _ => false,
    };
    if is_path { folder.join(text).display().to_string() } else { text.to_owned() }
}
