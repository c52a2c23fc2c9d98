//! `dxgk iopt build`.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use dxgk_hw::PhysAddr;
use dxgk_iopt::{Format, Store, Table, Visit};
use serde::{Serialize, Serializer};

use super::format::{InFormat, in_format, leaf_shifts, size_name};
use super::image::Image;
use super::{Refused, ops, page_address, written};

/// Arguments of `dxgk iopt build`.
#[derive(Args)]
pub(super) struct Build {
    /// Table format, e.g. vtd-ss4
    #[arg(long)]
    format: String,
    /// JSON list of operations
    #[arg(long, value_name = "OPS.json")]
    ops: PathBuf,
    /// Where in physical memory the image is meant to stand
    #[arg(long, value_name = "A")]
    load_address: String,
    /// Where to write the table pages
    #[arg(long, value_name = "OUT.bin")]
    image: PathBuf,
}

/// The line that is printed.
#[derive(Serialize)]
struct Summary {
    root: String,
    levels: u32,
    format: &'static str,
    table_pages: u64,
    #[serde(serialize_with = "as_map")]
    leaves: Vec<(String, u64)>,
}

fn as_map<S: Serializer>(pairs: &[(String, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(name, count)| (name, count)))
}

struct Task<'a> {
    ops: &'a str,
    load_address: PhysAddr,
}

impl InFormat for Task<'_> {
    type Out = Result<(Summary, Vec<u8>), Refused>;

    fn go<F: Format>(self, format: F) -> Self::Out {
        let image = Image::new(self.load_address);
        let store = Store { memory: &image, frames: &image };
        let mut tree =
            Table::new(format, store).map_err(|error| Refused(format!("--load-address: {error}")))?;
        ops::apply_all(self.ops, &mut tree, store)?;
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        let _ = tree.visit(&image, &mut |met| {
            if let Visit::Leaf { leaf, .. } = met {
                *counts.entry(leaf.shift).or_default() += 1;
            }
            ControlFlow::Continue(())
        });
        let (bytes, table_pages) = image.packed(&tree);
        let summary = Summary {
            root: format!("{:#x}", self.load_address.get()),
            levels: format.root_level(),
            format: format.name(),
            table_pages,
            leaves: leaf_shifts(format)
                .into_iter()
                .map(|shift| (size_name(shift), counts.get(&shift).copied().unwrap_or(0)))
                .collect(),
        };
        Ok((summary, bytes))
    }
}

impl Build {
    /// Builds, writes the image, prints the summary. Nothing is written unless every operation succeeded.
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Refused> {
        let load_address = PhysAddr::new(page_address("--load-address", &self.load_address)?);
        let ops = std::fs::read_to_string(&self.ops)
            .map_err(|error| Refused(format!("--ops: {}: {error}", self.ops.display())))?;
        let (summary, bytes) = in_format(&self.format, Task { ops: &ops, load_address })??;
        std::fs::write(&self.image, bytes)
            .map_err(|error| Refused(format!("--image: {}: {error}", self.image.display())))?;
        let line = serde_json::to_string(&summary).map_err(|error| Refused(error.to_string()))?;
        written(writeln!(out, "{line}"))
    }
}
