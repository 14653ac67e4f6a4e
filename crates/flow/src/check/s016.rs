//! S016: a behavioral-health line whose first human is more than 45 seconds away, for a caller who says nothing.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::model::{Act, Notice};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;
use crate::proof::{At, Does, End, Estimate, Reach, Roads};

const SECONDS_MAX: f64 = 45.0;

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let behavioral = draft
        .every_step()
        .any(|(_, _, step)| step.act == Act::EmergencyNotice(Notice::BehavioralHealth));
    if !behavioral || !draft.broken.is_empty() {
        return;
    }
    for &language in &draft.flow.languages {
        let roads = Roads::of(&practice.practice, &draft.flow, language, &Estimate);
        let what = match silent_seconds(&roads) {
            Some(seconds) if seconds <= SECONDS_MAX => continue,
            Some(seconds) => format!(
                "In {} a caller who says nothing waits {seconds:.0} seconds for the first person; {SECONDS_MAX:.0} is the most.",
                language.name()
            ),
            None => "A caller who says nothing reaches no person at all.".to_owned(),
        };
        out.push(Diagnostic::warning(
            "S016",
            draft.section_at(draft.flow.start),
            what,
            "People in a crisis hang up before anybody has spoken to them.",
            "Ring first, and ask while phones ring: `escalate to` with `or press` and `meanwhile ask`.",
        ));
        return;
    }
}

/// The way of a caller who does nothing, until the first phone is picked up.
fn silent_seconds(roads: &Roads<'_>) -> Option<f64> {
    let mut at = roads.start();
    let mut seconds = 0.0;
    let mut seen = BTreeSet::new();
    while seen.insert(at) {
        let all = roads.from(at);
        if let Some(picked_up) = all.iter().find(|road| road.to == At::End(End::Person)) {
            return Some(seconds + picked_up.words);
        }
        let silent = all.iter().find(|road| road.does == Does::StaysSilent);
        let road = silent.or_else(|| all.iter().find(|road| !road.does.is_key()))?;
        seconds += if silent.is_some() {
            Reach::Slowest.seconds(road)
        } else {
            road.words
        };
        at = road.to;
    }
    None
}
