//! An IOMMU that writes down who was attached to what, and fails where it is told to.

use std::sync::{Arc, Mutex};

use dxgk_hw::{
    Access, Attachment, DomainId, DomainOps, IommuUnit, LogicalAddr, LogicalPage, MapError, PageRun,
    RequesterId, UnitError, total_pages,
};

use crate::rig::Journal;

/// What goes wrong: lines of the journal that end in failure.
#[derive(Clone, Default)]
pub(crate) struct Failing(Arc<Mutex<Vec<String>>>);

impl Failing {
    pub(crate) fn add(&self, line: &str) {
        self.0.lock().expect("unpoisoned").push(line.to_owned());
    }

    fn has(&self, line: &str) -> bool {
        self.0.lock().expect("unpoisoned").iter().any(|it| it == line)
    }
}

pub(crate) struct Unit {
    pub(crate) journal: Journal,
    pub(crate) failing: Failing,
}

impl Unit {
    fn note(&self, line: String) -> Result<(), UnitError> {
        let fails = self.failing.has(&line);
        self.journal.note(line);
        if fails { Err(UnitError::Hung) } else { Ok(()) }
    }
}

impl IommuUnit for Unit {
    fn name(&self) -> &'static str {
        "mock"
    }

    fn create_domain(&self) -> Result<Arc<dyn DomainOps>, UnitError> {
        self.note("create domain".to_owned())?;
        Ok(Arc::new(Domain { journal: self.journal.clone(), failing: self.failing.clone() }))
    }

    fn attach(&self, requester: RequesterId, what: Attachment) -> Result<(), UnitError> {
        let what = match what {
            Attachment::Blocked => "blocked",
            Attachment::PassThrough => "pass-through",
            Attachment::Domain(domain) => {
                assert_eq!(domain.id(), ID);
                "domain"
            }
        };
        self.note(format!("device {} {what}", requester.devfn()))
    }
}

pub(crate) const ID: DomainId = DomainId(7);

struct Domain {
    journal: Journal,
    failing: Failing,
}

impl DomainOps for Domain {
    fn id(&self) -> DomainId {
        ID
    }

    fn highest(&self) -> LogicalAddr {
        LogicalAddr::new((1 << 48) - 1)
    }

    fn map(&self, _at: LogicalPage, runs: &[PageRun], _access: Access) -> Result<(), MapError> {
        if self.failing.has("map") {
            return Err(MapError::NoFrame);
        }
        self.journal.note(format!("map {}", total_pages(runs)));
        Ok(())
    }

    fn unmap(&self, _at: LogicalPage, pages: u64) -> Result<(), MapError> {
        self.journal.note(format!("unmap {pages}"));
        Ok(())
    }

    fn sync(&self, _at: LogicalPage, _pages: u64) -> Result<(), UnitError> {
        Ok(())
    }
}
