//! The rules a practice must keep before a caller may hear it (§13): a file for each.
//!
//! Rules about names (F001, F002, F003, F007, F009, F011) and about what a step must say (S003, S004 on a step) are kept
//! where the files are read, because there is no model without them. The rules here look at what was read.
//!
//! To add a rule: a file with one `check`, a row in its table below, and a bad file in `fixtures/flows/bad`.

mod c001;
mod c002;
mod c003;
mod c004;
mod c005;
mod c008;
mod c010;
mod f004;
mod f005;
mod f006;
mod f008;
mod f012;
mod p001;
mod p002;
mod p003;
mod p005;
mod p008;
mod paths;
mod s001;
mod s002;
mod s004;
mod s005;
mod s006;
mod s007;
mod s008;
mod s013;
mod s014;
mod u001;
mod u002;
mod u003;
mod u005;

use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Place};
use crate::model::SectionId;
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::parse::protocol::ProtocolDraft;

pub(crate) use s004::emergency_number;

type PracticeRule = fn(&PracticeDraft, &mut Vec<Diagnostic>);
type FlowRule = fn(&FlowDraft, &PracticeDraft, &mut Vec<Diagnostic>);
type ProtocolRule = fn(&ProtocolDraft, &mut Vec<Diagnostic>);

const PRACTICE_RULES: [PracticeRule; 4] = [s004::check, s013::check, s014::check, p001::check_practice];

const FLOW_RULES: [FlowRule; 21] = [
    s001::check,
    s002::check,
    s005::check,
    s006::check,
    s007::check,
    s008::check,
    c010::check_flow,
    p001::check,
    p002::check,
    p003::check,
    p005::check,
    p008::check,
    f004::check,
    f005::check,
    f006::check,
    f008::check,
    f012::check,
    u001::check,
    u002::check,
    u003::check,
    u005::check,
];

const PROTOCOL_RULES: [ProtocolRule; 6] = [
    c002::check,
    c003::check,
    c004::check,
    c005::check,
    c008::check,
    c010::check,
];

/// Every rule about the practice itself.
pub(crate) fn practice(draft: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    PRACTICE_RULES.iter().for_each(|rule| rule(draft, out));
}

/// Every rule about a flow and its protocols. `today` is known only where a clock is: without it no approval is overdue.
pub(crate) fn flow(draft: &FlowDraft, practice: &PracticeDraft, today: Option<Date>, out: &mut Vec<Diagnostic>) {
    FLOW_RULES.iter().for_each(|rule| rule(draft, practice, out));
    for protocol in &draft.protocols {
        PROTOCOL_RULES.iter().for_each(|rule| rule(protocol, out));
    }
    if let Some(today) = today {
        c001::check(draft, today, out);
    }
}

impl FlowDraft {
    /// Where a step stands; where its section stands when the step has no place.
    fn step_at(&self, section: SectionId, step: usize) -> &Place {
        self.steps
            .get(section.0)
            .and_then(|steps| steps.get(step))
            .unwrap_or_else(|| self.section_at(section))
    }

    fn section_at(&self, section: SectionId) -> &Place {
        self.sections.get(section.0).unwrap_or(&self.at)
    }

    fn message_at(&self, name: &str) -> &Place {
        self.messages.get(name).unwrap_or(&self.at)
    }

    fn is_broken(&self, section: SectionId) -> bool {
        self.broken.contains(&section)
    }

    /// Every step with its section and place in it.
    fn every_step(&self) -> impl Iterator<Item = (SectionId, usize, &crate::model::Step)> {
        self.flow.sections.iter().enumerate().flat_map(|(section, steps)| {
            steps
                .steps
                .iter()
                .enumerate()
                .map(move |(step, what)| (SectionId(section), step, what))
        })
    }
}
