//! S008: however the call goes, the emergency notice has begun within 20 seconds, in every language.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::library::Phrase;
use crate::model::{Act, Flow, Recording};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::words::Language;

/// What a caller in an emergency may be made to wait.
const SECONDS_MAX: usize = 20;
/// How fast speech is: the rate the rehearsed timings of §18 were taken at.
const LETTERS_PER_SECOND: usize = 15;

pub(super) fn check(draft: &FlowDraft, _: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let flow = &draft.flow;
    let mut letters = 0;
    let mut section = flow.start;
    let mut seen = BTreeSet::new();
    while seen.insert(section) {
        let Some(steps) = flow.sections.get(section.0) else {
            return;
        };
        let mut next = None;
        for (index, step) in steps.steps.iter().enumerate() {
            match &step.act {
                Act::Say { words, .. } | Act::Play { words, .. } => {
                    letters += flow
                        .languages
                        .iter()
                        .map(|language| words.text(*language).chars().count())
                        .max()
                        .unwrap_or(0);
                }
                Act::EmergencyNotice(notice) => {
                    // It is said in one language after the other: the last one waits for all before it.
                    for (nth, language) in flow.languages.iter().enumerate() {
                        let seconds = letters.div_ceil(LETTERS_PER_SECOND);
                        if seconds > SECONDS_MAX {
                            return late(draft, section, index, seconds, nth, *language, out);
                        }
                        letters += Phrase::notice(*notice).text(*language).chars().count();
                    }
                    return;
                }
                Act::GoTo(to) if step.only_if.is_none() => {
                    next = Some(*to);
                    break;
                }
                // Asked before the notice, these wait for a key that a silent caller does not press.
                Act::AskPermissionToRecord if flow.recording == Recording::AskFirst => {
                    letters += Phrase::AskPermission.text(Language::English).chars().count() + pause(flow, 1);
                }
                Act::ChooseLanguage if flow.languages.len() > 1 => {
                    let once: usize = flow
                        .languages
                        .iter()
                        .map(|language| Phrase::ChooseLanguage.text(*language).chars().count())
                        .sum();
                    letters += 2 * once + pause(flow, 2);
                }
                // S002 has said that the notice comes too late.
                Act::Menu(_) | Act::AskYesOrNo { .. } | Act::Ask { .. } | Act::Triage { .. } => return,
                _ => {}
            }
        }
        match next {
            Some(to) => section = to,
            None => return,
        }
    }
}

/// So many waits for a key, counted in letters that could be said meanwhile.
fn pause(flow: &Flow, times: usize) -> usize {
    let seconds = usize::try_from(flow.every_question.wait.as_secs()).unwrap_or(usize::MAX / 1000);
    seconds * LETTERS_PER_SECOND * times
}

fn late(
    draft: &FlowDraft,
    section: crate::model::SectionId,
    step: usize,
    seconds: usize,
    nth: usize,
    language: Language,
    out: &mut Vec<Diagnostic>,
) {
    let fix = if nth == 0 {
        "Shorten what is said before it, or move the notice up."
    } else {
        "Shorten the greeting; the notice is said once in each language."
    };
    out.push(Diagnostic::error(
        "S008",
        draft.step_at(section, step),
        format!(
            "In {} the emergency notice begins after about {seconds} seconds; {SECONDS_MAX} is the most.",
            language.name()
        ),
        "A caller in an emergency would wait to be told to dial 911.",
        fix,
    ));
}
