//! `dxgk iopt build`.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use dxgk_hw::{PAGE_SHIFT, PhysAddr};
use dxgk_iopt::{Format, Store, Table, Visit};
use serde::{Serialize, Serializer};

use super::format::{InFormat, entry_leaf_shifts, in_format, size_name};
use super::image::Image;
use super::{Refused, ops, page_address, written};

/// Arguments of `dxgk iopt build`.
#[derive(Args)]
pub(super) struct Build {
    /// Table format: vtd-ss3|4|5, vtd-fs4, amdv1-3|4|5|6, smmu-s1|s2-4k|16k|64k
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
    #[serde(skip_serializing_if = "Option::is_none")]
    tsz: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sl0: Option<u32>,
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
        check_place(format, self.load_address)?;
        let image = Image::new(self.load_address);
        let store = Store { memory: &image, frames: &image };
        let mut tree =
            Table::new(format, store).map_err(|error| Refused(format!("--load-address: {error}")))?;
        ops::apply_all(self.ops, &mut tree, store)?;
        // Sizes that take several entries are named where they occur.
        let mut counts: BTreeMap<u32, u64> =
            entry_leaf_shifts(format).into_iter().map(|shift| (shift, 0)).collect();
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
            leaves: counts.into_iter().map(|(shift, count)| (size_name(shift), count)).collect(),
            tsz: format.table_base().map(|base| base.tsz),
            sl0: format.table_base().and_then(|base| base.sl0),
        };
        Ok((summary, bytes))
    }
}

/// Whether tables can stand there: the root at the load address itself.
fn check_place<F: Format>(format: F, at: PhysAddr) -> Result<(), Refused> {
    let (width, align) = (format.output_width(), format.table_frames(format.root_level()) << PAGE_SHIFT);
    if at.get() >> width != 0 {
        return Err(Refused(format!("--load-address: {at} is beyond the {width} bits of the format")));
    }
    if !at.get().is_multiple_of(align) {
        return Err(Refused(format!(
            "--load-address: {at} is not a multiple of {align:#x}, the root's size"
        )));
    }
    Ok(())
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
