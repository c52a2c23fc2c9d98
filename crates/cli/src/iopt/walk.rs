//! `dxgk iopt walk` and `dxgk iopt dump`.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use dxgk_hw::{Access, LogicalAddr, PhysAddr};
use dxgk_iopt::{Entry, Format, Outcome, Table, Visit};

use super::format::{InFormat, in_format, size_name};
use super::image::Image;
use super::{Refused, address, page_address, written};

/// Tables in a file.
#[derive(Args)]
struct Tables {
    /// Table format: vtd-ss3|4|5, vtd-fs4, amdv1-3|4|5|6, smmu-s1|s2-4k|16k|64k
    #[arg(long)]
    format: String,
    /// File with the table pages
    #[arg(long, value_name = "IMG")]
    image: PathBuf,
    /// Where in physical memory the image stands
    #[arg(long, value_name = "A")]
    load_address: String,
    /// Physical address of the root table
    #[arg(long, value_name = "R")]
    root: String,
}

/// Arguments of `dxgk iopt walk`.
#[derive(Args)]
pub(super) struct Walk {
    #[command(flatten)]
    tables: Tables,
    /// Logical address to translate
    #[arg(long, value_name = "X")]
    iova: String,
}

/// Arguments of `dxgk iopt dump`.
#[derive(Args)]
pub(super) struct Dump {
    #[command(flatten)]
    tables: Tables,
    /// Stop after so many lines
    #[arg(long, value_name = "N", default_value_t = 1 << 20)]
    lines: u64,
}

impl Tables {
    fn load(&self) -> Result<(Image, PhysAddr), Refused> {
        let base = PhysAddr::new(page_address("--load-address", &self.load_address)?);
        let root = PhysAddr::new(page_address("--root", &self.root)?);
        let bytes = std::fs::read(&self.image)
            .map_err(|error| Refused(format!("--image: {}: {error}", self.image.display())))?;
        Ok((Image::load(base, &bytes)?, root))
    }
}

fn access_name(access: Access) -> &'static str {
    match (access.contains(Access::READ), access.contains(Access::WRITE)) {
        (true, true) => "read and write",
        (true, false) => "read",
        (false, true) => "write",
        (false, false) => "neither read nor write",
    }
}

fn entry_says(entry: Entry) -> String {
    match entry {
        Entry::Absent => "not present".to_owned(),
        Entry::Table { table, level, access } => {
            format!("table of level {level} at {}, {}", table.address(), access_name(access))
        }
        Entry::Leaf(leaf) => {
            let (size, access) = (size_name(leaf.shift), access_name(leaf.access));
            format!("{size} leaf at {}, {access}", leaf.frame.address())
        }
        Entry::Malformed(why) => format!("malformed: {why}"),
    }
}

fn outcome_says(outcome: Outcome) -> String {
    match outcome {
        Outcome::Mapped { to, access, shift } => {
            format!("mapped to {to} by a {} leaf: {}", size_name(shift), access_name(access))
        }
        Outcome::NotMapped => "not mapped".to_owned(),
        Outcome::Malformed(why) => format!("broken: {why}"),
        Outcome::OutsideRam(table) => format!("broken: the table at {} is not in the image", table.address()),
        Outcome::Skipped => {
            "not mapped: the table is reached over levels whose address bits are not 0".to_owned()
        }
        Outcome::BeyondWidth => "the address has more bits than the format, or is not canonical".to_owned(),
    }
}

struct WalkTask<'a> {
    image: &'a Image,
    root: PhysAddr,
    iova: LogicalAddr,
    out: &'a mut dyn Write,
}

impl InFormat for WalkTask<'_> {
    type Out = io::Result<()>;

    fn go<F: Format>(self, format: F) -> Self::Out {
        let walk = Table::at(format, self.root.page()).walk(self.image, self.iova);
        writeln!(self.out, "{}: {} levels, root {}", format.name(), format.root_level(), self.root)?;
        for step in walk.steps() {
            writeln!(
                self.out,
                "level {}: table {}, index {:#x} (address bits {}:{}), entry at {} = {:#018x}: {}",
                step.level,
                step.table.address(),
                step.index,
                format.span_shift(step.level) - 1,
                format.entry_shift(step.level),
                step.at(),
                step.word,
                entry_says(step.entry)
            )?;
        }
        writeln!(self.out, "logical address {}: {}", self.iova, outcome_says(walk.outcome))?;
        for (request, access) in [("read", Access::READ), ("write", Access::WRITE)] {
            if let Some(fault) = walk.fault(format, access) {
                writeln!(self.out, "a {request} is stopped: {fault}")?;
            }
        }
        Ok(())
    }
}

impl Walk {
    /// Walks, and says what was met.
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Refused> {
        let iova = LogicalAddr::new(address("--iova", &self.iova)?);
        let (image, root) = self.tables.load()?;
        written(in_format(&self.tables.format, WalkTask { image: &image, root, iova, out })?)
    }
}

struct DumpTask<'a> {
    image: &'a Image,
    root: PhysAddr,
    lines: u64,
    out: &'a mut dyn Write,
}

impl InFormat for DumpTask<'_> {
    type Out = io::Result<()>;

    fn go<F: Format>(self, format: F) -> Self::Out {
        let tree = Table::at(format, self.root.page());
        let indent = |level: u32| "  ".repeat(format.root_level().saturating_sub(level) as usize);
        let mut left = self.lines;
        let mut result = Ok(());
        let _ = tree.visit(self.image, &mut |met| {
            if left == 0 {
                result = writeln!(self.out, "... more than {} lines; --lines raises the bound", self.lines);
                return ControlFlow::Break(());
            }
            left -= 1;
            let line = match met {
                Visit::Table { level, table, first } => {
                    format!(
                        "{}{}: table of level {level} at {}",
                        indent(level),
                        first.address(),
                        table.address()
                    )
                }
                Visit::Leaf { level, first, leaf } => {
                    format!("{}  {}: {}", indent(level), first.address(), entry_says(Entry::Leaf(leaf)))
                }
                Visit::Broken { level, first, outcome } => {
                    format!("{}  {}: {}", indent(level), first.address(), outcome_says(outcome))
                }
            };
            result = writeln!(self.out, "{line}");
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        result
    }
}

impl Dump {
    /// Prints the tree.
    pub(super) fn run(&self, out: &mut dyn Write) -> Result<(), Refused> {
        let (image, root) = self.tables.load()?;
        let task = DumpTask { image: &image, root, lines: self.lines, out };
        written(in_format(&self.tables.format, task)?)
    }
}
