//! What the run cost, stage by stage: for `--verbose`. Not in the JSON report, which two equal runs have equal.

use std::time::Duration;

use dxgk_host::cost::{self, Stage};
use dxgk_shm::{Mark, RingReader};

/// What one stage cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CostLine {
    pub(crate) name: &'static str,
    /// Processor time of the process that the stage ran in.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// The parent's watch, and what the child left on its own.
#[derive(Debug)]
pub(crate) struct Costs {
    began: Mark,
    children_before: Duration,
    /// The child was started, and has what it needs.
    started: Mark,
    marks: Vec<(Stage, Mark)>,
    ended: Mark,
    children: Duration,
}

impl Costs {
    /// Before the child is started.
    pub(crate) fn begin() -> Self {
        let (began, before) = (cost::now(), cost::of_children());
        Self {
            began,
            children_before: before,
            started: began,
            marks: Vec::new(),
            ended: began,
            children: Duration::ZERO,
        }
    }

    /// The child has started.
    pub(crate) fn started(&mut self) {
        self.started = cost::now();
    }

    /// The child has ended, and was waited for; `ring` has its marks.
    pub(crate) fn ended(&mut self, ring: &RingReader) {
        self.ended = cost::now();
        self.children = cost::of_children().saturating_sub(self.children_before);
        self.marks =
            Stage::ALL.iter().filter_map(|stage| Some((*stage, ring.mark(*stage as usize)?))).collect();
    }

    /// The stages that were reached, then what the parent did beside them and afterwards. The numbers of a child that died, or
    /// of a hostile one, are what it left.
    pub(crate) fn lines(&self) -> Vec<CostLine> {
        let mut lines = Vec::new();
        let mut before = Mark { cpu: Duration::ZERO, wall: self.began.wall };
        for (stage, mark) in &self.marks {
            // The parent's share of the start is counted with it.
            let parent = if *stage == Stage::Spawn {
                self.started.cpu.saturating_sub(self.began.cpu)
            } else {
                Duration::ZERO
            };
            lines.push(CostLine {
                name: stage.name(),
                cpu: mark.cpu.saturating_sub(before.cpu) + parent,
                wall: mark.wall.saturating_sub(before.wall),
            });
            before = *mark;
        }
        let now = cost::now();
        lines.push(CostLine {
            name: "teardown",
            cpu: self.children.saturating_sub(before.cpu),
            wall: self.ended.wall.saturating_sub(before.wall),
        });
        lines.push(CostLine {
            name: "reading",
            cpu: self.ended.cpu.saturating_sub(self.started.cpu),
            wall: self.ended.wall.saturating_sub(self.started.wall),
        });
        lines.push(CostLine {
            name: "report",
            cpu: now.cpu.saturating_sub(self.ended.cpu),
            wall: now.wall.saturating_sub(self.ended.wall),
        });
        lines
    }
}
