//! The list of operations.

use dxgk_hw::{Access, LogicalPage, MapError, PAGE_SHIFT, PageRun, Pfn};
use dxgk_iopt::{Format, PartialLeaf, Store, Table};
use serde::Deserialize;
use serde_json::Value;

use super::{Refused, number};

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Written {
    Map { iova: Value, phys: Value, pages: u64, access: String },
    Unmap { iova: Value, pages: u64 },
}

/// One operation.
pub(super) enum Op {
    /// Map the frames one after the other.
    Map { at: LogicalPage, runs: Vec<PageRun>, access: Access },
    /// Unmap a range.
    Unmap { at: LogicalPage, pages: u64 },
}

fn page(field: &str, value: &Value) -> Result<u64, String> {
    let at = match value {
        Value::String(text) => number(text),
        Value::Number(number) => number.as_u64(),
        _ => None,
    };
    let at = at.ok_or_else(|| format!("{field}: {value} is not an address; accepted: \"0x..\""))?;
    if at & ((1 << PAGE_SHIFT) - 1) != 0 {
        return Err(format!("{field}: {at:#x} is not a multiple of 0x1000"));
    }
    Ok(at >> PAGE_SHIFT)
}

fn runs(phys: &Value, pages: u64) -> Result<Vec<PageRun>, String> {
    let runs = match phys {
        Value::Array(frames) => {
            if frames.len() as u64 != pages {
                return Err(format!("phys: {} frames for {pages} pages", frames.len()));
            }
            frames
                .iter()
                .map(|frame| Ok(PageRun::new(Pfn::new(page("phys", frame)?), 1)))
                .collect::<Result<_, String>>()?
        }
        start => vec![PageRun::new(Pfn::new(page("phys", start)?), pages)],
    };
    Ok(runs)
}

fn access_letters(access: Access) -> &'static str {
    match (access.contains(Access::READ), access.contains(Access::WRITE)) {
        (true, true) => "rw",
        (true, false) => "r",
        (false, true) => "w",
        (false, false) => "",
    }
}

impl Op {
    fn from_json(value: Value) -> Result<Self, String> {
        let written: Written = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let (Written::Map { pages, .. } | Written::Unmap { pages, .. }) = written;
        if pages == 0 {
            return Err("pages: 0 pages; accepted: 1 and more".to_owned());
        }
        match written {
            Written::Map { iova, phys, pages, access } => {
                let access = match access.as_str() {
                    "r" => Access::READ,
                    "w" => Access::WRITE,
                    "rw" => Access::READ | Access::WRITE,
                    other => return Err(format!("access: '{other}'; accepted: r, w, rw")),
                };
                let at = LogicalPage::new(page("iova", &iova)?);
                Ok(Self::Map { at, runs: runs(&phys, pages)?, access })
            }
            Written::Unmap { iova, pages } => {
                Ok(Self::Unmap { at: LogicalPage::new(page("iova", &iova)?), pages })
            }
        }
    }

    /// Does it to a tree.
    fn apply<F: Format>(&self, tree: &mut Table<F>, store: Store<'_>) -> Result<(), String> {
        let format = tree.format();
        // The lower half of a canonical address has one bit less than the entries select by.
        let (input, width) = (format.end().get().ilog2() + PAGE_SHIFT, format.output_width());
        let granule = format.granule_pages() << PAGE_SHIFT;
        let said = |error: MapError| match error {
            MapError::BeyondWidth(page) => {
                format!("logical address {} is beyond the {input} bits of the format", page.address())
            }
            MapError::OffGranule(page) => {
                let at = page.address();
                format!(
                    "logical address {at}: address, frames or pages are off the format's granule of {granule:#x}"
                )
            }
            MapError::Inexpressible(access) => {
                format!("access: the format cannot express '{}'", access_letters(access))
            }
            other => other.to_string(),
        };
        match self {
            Self::Map { at, runs, access } => {
                let last = |run: &PageRun| run.start.checked_add(run.pages - 1);
                if runs.iter().any(|run| last(run).is_none_or(|last| last.get() >> (width - PAGE_SHIFT) != 0))
                {
                    return Err(format!("a physical address is beyond the {width} bits of the format"));
                }
                tree.map(store, *at, runs, *access).map_err(said)
            }
            Self::Unmap { at, pages } => {
                // No unit looks at these tables yet: what has to be broken first is mended at once. What is wrong with
                // the range is said by the unmap.
                for boundary in [Some(*at), at.checked_add(*pages)].into_iter().flatten() {
                    while let Ok(Some(broken)) = tree.split_at(store, boundary) {
                        tree.mend(store, broken).map_err(said)?;
                    }
                }
                tree.unmap(store, *at, *pages, PartialLeaf::Split).map_err(said)?;
                tree.settle(store, tree.pending(*at, *pages));
                Ok(())
            }
        }
    }
}

/// Does all of a list; stops at the first that is refused, by its index from 0.
pub(super) fn apply_all<F: Format>(text: &str, tree: &mut Table<F>, store: Store<'_>) -> Result<(), Refused> {
    let list: Vec<Value> =
        serde_json::from_str(text).map_err(|error| Refused(format!("--ops: not a JSON list: {error}")))?;
    for (index, value) in list.into_iter().enumerate() {
        Op::from_json(value)
            .and_then(|op| op.apply(tree, store))
            .map_err(|why| Refused(format!("--ops: operation {index}: {why}")))?;
    }
    Ok(())
}
