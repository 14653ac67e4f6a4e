//! Where a call can go: what every step leads to, for the rules about paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Act, Flow, Level, SectionId, Step, Then};
use crate::proof::{At, Does, Roads};

/// What a step does to the way of a call.
pub(super) struct Ways {
    /// Sections it can lead to.
    pub(super) to: Vec<SectionId>,
    /// Where a caller who does nothing, and whom nobody answers, is led; `None` is the next step.
    pub(super) if_nothing_happens: Option<SectionId>,
    /// The next step can be reached.
    pub(super) goes_on: bool,
    /// The call can end here, well or by a person taking it.
    pub(super) can_end: bool,
}

/// The ways out of a step. A step with an `if:` may also be passed by.
pub(super) fn ways(step: &Step, flow: &Flow) -> Ways {
    let rule = &flow.every_question;
    let mut ways = Ways {
        to: Vec::new(),
        if_nothing_happens: None,
        goes_on: true,
        can_end: false,
    };
    let unanswered = |own: Option<SectionId>, ways: &mut Ways| {
        let then = own.unwrap_or(rule.then);
        ways.to.push(then);
        ways.to.extend(rule.press_zero);
        ways.if_nothing_happens = Some(then);
    };
    match &step.act {
        Act::GoTo(section) => {
            ways.to.push(*section);
            ways.if_nothing_happens = Some(*section);
            ways.goes_on = false;
        }
        Act::HangUp | Act::Transfer { .. } => {
            ways.goes_on = false;
            ways.can_end = true;
        }
        Act::Menu(menu) => {
            unanswered(menu.if_no_answer, &mut ways);
            ways.to.extend(menu.choices.iter().filter_map(|choice| choice.go_to));
            ways.goes_on = menu.choices.iter().any(|choice| choice.go_to.is_none());
        }
        Act::AskYesOrNo {
            if_yes,
            if_no,
            if_no_answer,
            ..
        } => {
            unanswered(*if_no_answer, &mut ways);
            ways.to.extend([*if_yes, *if_no]);
            ways.goes_on = false;
        }
        Act::Triage {
            protocol,
            if_emergency,
            if_urgent,
            if_semi_urgent,
            if_routine,
        } => {
            ways.to
                .extend([*if_emergency, *if_urgent, *if_semi_urgent, *if_routine]);
            ways.to.extend(rule.press_zero);
            let unclear = protocol.if_unclear.max(Level::Emergency);
            ways.if_nothing_happens = Some(unclear.choose(*if_emergency, *if_urgent, *if_semi_urgent, *if_routine));
            ways.goes_on = false;
        }
        // A detail nobody gives is left out; only `if no answer` leads away (§4, §5).
        Act::Ask { if_no_answer, .. } => {
            ways.to.extend(*if_no_answer);
            ways.to.extend(rule.press_zero);
            ways.if_nothing_happens = *if_no_answer;
        }
        Act::Collect(_) | Act::TakeMessage(_) | Act::TakeRefill(_) => ways.to.extend(rule.press_zero),
        Act::FindPatient { if_not_found, .. } => {
            ways.to.push(*if_not_found);
            ways.to.extend(rule.press_zero);
            ways.if_nothing_happens = Some(*if_not_found);
        }
        Act::OfferAppointments {
            if_nothing_fits,
            if_records_are_down,
            ..
        } => {
            unanswered(None, &mut ways);
            ways.to.extend(*if_nothing_fits);
            ways.to.push(*if_records_are_down);
        }
        Act::Escalate {
            if_no_one_accepts,
            or_press,
            ..
        } => {
            ways.to.extend(or_press.as_ref().and_then(|choice| choice.go_to));
            nobody(*if_no_one_accepts, &mut ways);
        }
        Act::Connect { if_no_answer, .. } => nobody(*if_no_answer, &mut ways),
        Act::Answer
        | Act::Say { .. }
        | Act::Play { .. }
        | Act::EmergencyNotice(_)
        | Act::ChooseLanguage
        | Act::AskPermissionToRecord
        | Act::TellToCall911
        | Act::RecordMessage { .. }
        | Act::Notify { .. }
        | Act::Remember { .. } => {}
    }
    if step.only_if.is_some() {
        ways.goes_on = true;
    }
    ways
}

fn nobody(then: Then, ways: &mut Ways) {
    ways.can_end = true;
    match then {
        Then::Continue => {}
        Then::Section(section) => {
            ways.to.push(section);
            ways.if_nothing_happens = Some(section);
            ways.goes_on = false;
        }
    }
}

/// The steps of a section that can be reached from its first.
pub(super) fn live_steps(flow: &Flow, section: SectionId) -> &[Step] {
    let steps = flow.sections.get(section.0).map_or(&[][..], |section| &section.steps);
    let end = steps
        .iter()
        .position(|step| !ways(step, flow).goes_on)
        .map_or(steps.len(), |at| at + 1);
    steps.get(..end).unwrap_or(steps)
}

/// The sections a section can lead to.
pub(super) fn leads_to(flow: &Flow, section: SectionId) -> BTreeSet<SectionId> {
    live_steps(flow, section)
        .iter()
        .flat_map(|step| ways(step, flow).to)
        .collect()
}

/// Every section that can be reached from these.
pub(super) fn reachable(flow: &Flow, from: impl IntoIterator<Item = SectionId>) -> BTreeSet<SectionId> {
    let mut seen = BTreeSet::new();
    let mut left: Vec<SectionId> = from.into_iter().collect();
    while let Some(section) = left.pop() {
        if seen.insert(section) {
            left.extend(leads_to(flow, section));
        }
    }
    seen
}

/// Every point a call can come to from here.
pub(super) fn from_here(roads: &Roads<'_>, from: At) -> BTreeSet<At> {
    let mut seen = BTreeSet::new();
    let mut left = vec![from];
    while let Some(at) = left.pop() {
        if seen.insert(at) {
            left.extend(roads.from(at).iter().map(|road| road.to));
        }
    }
    seen
}

/// A call can come here on a way where no such step was taken. A question that was not answered has not been taken.
pub(super) fn comes_without(roads: &Roads<'_>, to: At, taken: &dyn Fn(&Act) -> bool) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![roads.start()];
    while let Some(at) = left.pop() {
        if at == to {
            return true;
        }
        if !seen.insert(at) {
            continue;
        }
        let act = roads.step(at).map(|step| &step.act);
        let takes = act.is_some_and(taken);
        let asks = matches!(act, Some(Act::Menu(_) | Act::Ask { .. }));
        left.extend(
            roads
                .from(at)
                .iter()
                .filter(|road| match road.does {
                    Does::PassesBy => true,
                    Does::StaysSilent | Does::PressesZero => !takes || asks,
                    _ => !takes,
                })
                .map(|road| road.to),
        );
    }
    false
}

/// Every point from which a call can come to such a step, the step among them.
pub(super) fn leading_to(roads: &Roads<'_>, is: &dyn Fn(&Act) -> bool) -> BTreeSet<At> {
    let mut back: BTreeMap<At, Vec<At>> = BTreeMap::new();
    let mut left = Vec::new();
    for at in roads.points() {
        for road in roads.from(at) {
            back.entry(road.to).or_default().push(at);
        }
        if roads.step(at).is_some_and(|step| is(&step.act)) {
            left.push(at);
        }
    }
    let mut found = BTreeSet::new();
    while let Some(at) = left.pop() {
        if found.insert(at) {
            left.extend(back.get(&at).into_iter().flatten().copied());
        }
    }
    found
}
