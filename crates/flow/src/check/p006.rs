//! P006: the recorder can start before the caller has allowed it.
//!
//! The recorder starts only on a yes, so what is left to go wrong is a yes that is none: the question asked before the
//! caller could hear it, or in a language the caller has not chosen yet. (`recording: always` cannot be said at all.)

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Recording};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::{At, Estimate, Roads};
use crate::words::Language;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let flow = &draft.flow;
    if flow.recording == Recording::Never || !draft.broken.is_empty() {
        return;
    }
    let roads = Roads::of(&practice.practice, flow, Language::English, &Estimate);
    let chooses = draft.every_step().any(|(_, _, step)| step.act == Act::ChooseLanguage);
    for (section, index, step) in draft.every_step() {
        if step.act != Act::AskPermissionToRecord {
            continue;
        }
        let here = At::Step(section, index);
        if super::paths::comes_without(&roads, here, &|act| *act == Act::Answer) {
            out.push(early(
                draft,
                section,
                index,
                "before the call is answered",
                "Put `- answer` before it.",
            ));
        } else if flow.languages.len() > 1
            && chooses
            && super::paths::comes_without(&roads, here, &|act| *act == Act::ChooseLanguage)
        {
            out.push(early(
                draft,
                section,
                index,
                "before the caller has chosen a language",
                "Put `- choose language` before it.",
            ));
        }
    }
}

fn early(draft: &FlowDraft, section: crate::model::SectionId, index: usize, when: &str, fix: &str) -> Diagnostic {
    Diagnostic::error(
        "P006",
        draft.step_at(section, index),
        format!("Permission to record is asked {when}."),
        "A caller could be recorded who did not understand what they were asked: that is no permission.",
        fix,
    )
}
