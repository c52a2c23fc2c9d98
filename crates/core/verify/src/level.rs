//! Rules about the level of a call: IRQL-001, IRQL-002.
//!
//! Above the highest level that any page names: IRQL-001. At APC_LEVEL, where the topics and the reference pages
//! disagree: IRQL-002.

use alloc::format;
use alloc::vec::Vec;

use dxgk_abi::Irql;

use crate::Verifier;
use crate::calls::{Call, MemoryCall};
use crate::finding::{Finding, Severity};
use crate::rules::{IRQL_001, IRQL_002};

impl Verifier {
    pub(crate) fn judge_level(&mut self, call: &Call<'_>, memory: &MemoryCall) {
        let highest = if memory.up_to_apc { Irql::APC_LEVEL } else { Irql::PASSIVE_LEVEL };
        let level = Irql(call.irql);
        let rule = if level.0 > highest.0 {
            &IRQL_001
        } else if level == Irql::APC_LEVEL {
            &IRQL_002
        } else {
            return;
        };
        self.found_in_call(rule, call, |this, moment| {
            let name = call.name();
            let (severity, message) = if rule.id == IRQL_001.id {
                (Severity::Error, format!("{name} was called at {level}; the highest level for it is {highest}"))
            } else {
                let message = format!(
                    "{name} was called at {level}: its topic allows that, its reference page says PASSIVE_LEVEL"
                );
                (Severity::Warning, message)
            };
            let history = Vec::from([this.modules.history(format!("{name} called at {level}"), &moment)]);
            Finding { history, ..this.told(rule, severity, &moment, message, rule.mend) }
        });
    }
}
