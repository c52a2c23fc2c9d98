//! What a scenario expects of the run, judged where the findings are known.
//!
//! An expectation with no other step behind it speaks of the whole run; any other of what had come about when its turn
//! came. What cannot have come about before the end (a bug check, say) is always judged at the end.

use dxgk_verify::{Finding, Severity};

use crate::report::Outcome;
use crate::scenario::{Expect, Scenario, Step};

/// The expectations of a run, and those that were not met.
#[derive(Default)]
pub(crate) struct Expectations {
    /// With its place among the steps, until it is judged.
    open: Vec<(usize, Expect)>,
    /// From this step on there are only expectations.
    tail: usize,
    unmet: Vec<String>,
}

impl Expectations {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        let is_expect = |step: &Step| matches!(step, Step::Expect(_));
        let tail = scenario.steps.iter().rposition(|step| !is_expect(step)).map_or(0, |last| last + 1);
        let open = scenario.steps.iter().enumerate().filter_map(|(index, step)| match step {
            Step::Expect(expect) => Some((index, expect.clone())),
            _ => None,
        });
        Self { open: open.collect(), tail, unmet: Vec::new() }
    }

    /// The step with this number begins.
    pub(crate) fn reached(&mut self, step: u32, findings: &[Finding]) {
        let due = |(index, expect): &mut (usize, Expect)| {
            let only_at_the_end = !matches!(expect.outcome, None | Some(Outcome::Clean | Outcome::Findings));
            *index == step as usize && *index < self.tail && !only_at_the_end
        };
        let so_far = if above_note(findings) { Outcome::Findings } else { Outcome::Clean };
        let due: Vec<_> = self.open.extract_if(.., due).collect();
        for (index, expect) in due {
            self.judge(index, &expect, so_far, findings);
        }
    }

    /// The run has ended; what was expected and did not come about, one line each.
    pub(crate) fn ended(mut self, outcome: Outcome, findings: &[Finding]) -> Vec<String> {
        for (index, expect) in std::mem::take(&mut self.open) {
            self.judge(index, &expect, outcome, findings);
        }
        self.unmet
    }

    fn judge(&mut self, index: usize, expect: &Expect, outcome: Outcome, findings: &[Finding]) {
        let mut unmet = |why: String| self.unmet.push(format!("step {} (expect): {why}", index + 1));
        let wanted = expect.outcome.or(expect.is_bare().then_some(Outcome::Clean));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != outcome) {
            unmet(format!("{} was expected; it came to {}", wanted.words(), outcome.words()));
        }
        let found = |id: &String| findings.iter().any(|finding| finding.rule.id == id);
        if let Some(id) = expect.finding.as_ref().filter(|id| !found(id)) {
            unmet(format!("{id} was expected and not found"));
        }
        if let Some(id) = expect.no_finding.as_ref().filter(|id| found(id)) {
            unmet(format!("{id} was found"));
        }
    }
}

/// Whether there is a finding that makes a run more than clean.
pub(crate) fn above_note(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity > Severity::Note)
}
