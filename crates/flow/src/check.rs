//! The rules a practice must keep before a caller may hear it (§13): a file for each.
//!
//! Most look at what was read. Rules about names and words (F001, F002, F003, F007, F009, F011) and about what a step must
//! say (S003, S004 on a step) are asked while files are read, because there is no model without them, and T001 while
//! scenarios are played; what they find stands in their files here all the same.
//!
//! To add a rule: a file with one `check`, a row in its table below, and a bad file in `fixtures/flows/bad`.

mod c001;
mod c002;
mod c003;
mod c004;
mod c005;
mod c006;
mod c007;
mod c008;
mod c009;
mod c010;
mod c011;
pub(crate) mod f001;
pub(crate) mod f002;
pub(crate) mod f003;
mod f004;
mod f005;
mod f006;
pub(crate) mod f007;
mod f008;
pub(crate) mod f009;
mod f010;
pub(crate) mod f011;
mod f012;
mod f013;
mod f014;
mod f030;
mod p001;
mod p002;
mod p003;
mod p004;
mod p005;
mod p006;
mod p007;
mod p008;
mod paths;
mod recordings;
mod rules;
mod s001;
mod s002;
pub(crate) mod s003;
mod s004;
mod s005;
mod s006;
mod s007;
mod s008;
mod s009;
mod s010;
mod s011;
mod s012;
mod s013;
mod s014;
mod s015;
mod s016;
mod s017;
pub(crate) mod t001;
mod u001;
mod u002;
mod u003;
mod u004;
mod u005;
mod u006;
mod u010;
mod u011;
mod u012;
mod u013;
mod u014;
mod u015;
mod v001;
mod v002;
mod v003;

use jiff::civil::Date;

use crate::approval::Approvable;
use crate::compile::Folder;
use crate::diagnostic::{Diagnostic, Place};
use crate::model::{Practice, SectionId};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::parse::protocol::ProtocolDraft;
use crate::proof::{Estimate, Roads, Story, stories};
use crate::words::Language;

pub use rules::{RULES, Rule};
pub(crate) use s004::emergency_number;

type PracticeRule = fn(&PracticeDraft, &mut Vec<Diagnostic>);
type FlowRule = fn(&FlowDraft, &PracticeDraft, &mut Vec<Diagnostic>);
type ProtocolRule = fn(&ProtocolDraft, &mut Vec<Diagnostic>);

const PRACTICE_RULES: [PracticeRule; 5] = [s004::check, s013::check, s014::check, p001::check_practice, p007::check];

const FLOW_RULES: [FlowRule; 37] = [
    s001::check,
    s002::check,
    s005::check,
    s006::check,
    s007::check,
    s008::check,
    s009::check,
    s010::check,
    s011::check,
    s012::check,
    s015::check,
    s016::check,
    s017::check,
    v001::check,
    v002::check,
    v003::check,
    c010::check_flow,
    c011::check,
    p001::check,
    p002::check,
    p003::check,
    p004::check,
    p005::check,
    p006::check,
    p008::check,
    f004::check,
    f005::check,
    f006::check,
    f008::check,
    f012::check,
    f030::check,
    u001::check,
    u002::check,
    u003::check,
    u004::check,
    u005::check,
    u006::check,
];

const PROTOCOL_RULES: [ProtocolRule; 8] = [
    c002::check,
    c003::check,
    c004::check,
    c005::check,
    c006::check,
    c008::check,
    c009::check,
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
    c007::check(draft, out);
    if let Some(today) = today {
        c001::check(draft, today, out);
    }
}

/// The rule about lines, once every flow is known.
pub(crate) fn lines(draft: &PracticeDraft, practice: &Practice, out: &mut Vec<Diagnostic>) {
    f013::check(draft, practice, out);
}

/// The rules about recorded words.
pub(crate) fn recordings(folder: &Folder, practice: &Practice, out: &mut Vec<Diagnostic>) {
    f010::check(folder, practice, out);
    f014::check(folder, practice, out);
    u010::check(folder, out);
    let heard = recordings::heard(folder, practice);
    for rule in [u011::check, u012::check, u013::check, u014::check, u015::check] {
        rule(&heard, out);
    }
}

/// Every way a flow fails a caller, in every language it is spoken in the same. A flow with a step that could not be
/// read has ways nobody knows.
fn proved<'a>(draft: &'a FlowDraft, practice: &PracticeDraft) -> &'a [Story] {
    draft.stories.get_or_init(|| {
        if !draft.broken.is_empty() {
            return Vec::new();
        }
        let roads = Roads::of(&practice.practice, &draft.flow, Language::English, &Estimate);
        stories(&practice.practice, &roads)
    })
}

impl FlowDraft {
    /// What a clinician signs of this flow and its protocols.
    pub(crate) fn approvables(&self) -> Vec<Approvable> {
        let one =
            |file: &str, approval: &crate::model::Approval, fingerprint: &str, signed: Option<&(String, Place)>| {
                Approvable {
                    file: file.to_owned(),
                    approval: approval.clone(),
                    fingerprint: fingerprint.to_owned(),
                    signed: signed.map(|(signed, _)| signed.clone()),
                }
            };
        let flow = one(
            &self.flow.file,
            &self.flow.approval,
            &self.fingerprint,
            self.signed.as_ref(),
        );
        let protocols = self.protocols.iter().map(|draft| {
            one(
                &draft.protocol.file,
                &draft.protocol.approval,
                &draft.fingerprint,
                draft.signed.as_ref(),
            )
        });
        std::iter::once(flow).chain(protocols).collect()
    }

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
