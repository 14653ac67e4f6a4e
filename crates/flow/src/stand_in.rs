//! What a line says while nothing may be said in the practice's own words: the emergency notice, a person, a tone.
//!
//! A number we own is always answered (T1). When a practice was never released, or no release of it can be believed, or its
//! files cannot be read, its practice file alone still tells which numbers are its, and who is on duty. One thing to know:
//! not a word of it is the practice's, so there is nothing in it that somebody would have had to sign.
//!
//! A practice that no agreement covers may hear nothing of a patient at all: [`out_of_service`] tells its callers that the
//! number is not in service, rings nobody and asks nothing (ADM-01).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::library::Phrase;
use crate::model::{
    Act, Approval, Condition, EveryQuestion, Flow, HangUpRule, IfAccepted, IfCallerHangsUp, Notice, Practice,
    Recording, Section, SectionId, Sentence, Step, Then, Waiting,
};
use crate::parse::practice::practice;
use crate::parse::translations::Translations;
use crate::source;
use crate::words::Language;

/// As in the safety nets that practices write.
const MESSAGE_MAX: Duration = Duration::from_secs(180);

/// A practice that speaks without a flow.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// Each of its lines has a flow of built-in words. Its fingerprint is all noughts: it is no release.
    pub practice: Arc<Practice>,
    /// The ladder that is rung; `None` when the practice file names nobody.
    pub rings: Option<String>,
    /// The practice file has no fault; with one, what could be read of it serves.
    pub whole: bool,
}

/// What a practice file alone is good for. `None` when not one number can be read in it.
pub fn stand_in(file: &str, text: &str) -> Option<StandIn> {
    let mut found = Vec::new();
    let read = source::read(file, text);
    found.extend(read.diagnostics);
    let draft = practice(&read.tree?, &Translations::default(), &mut found)?;
    // The translations of what the on-call person hears stand in other files; English is always there.
    let whole = !found.iter().any(|found| found.is_error() && found.code != "F009");
    let mut practice = draft.practice;
    if practice.lines.is_empty() {
        return None;
    }
    let rings = ladder(&practice);
    let flows = practice
        .lines
        .keys()
        .map(|line| Arc::new(flow(&practice, line, rings.as_deref())));
    practice.flows = flows.collect();
    Some(StandIn {
        practice: Arc::new(practice),
        rings,
        whole,
    })
}

/// The same practice while no agreement with it holds: each of its lines says that the number is not in service, twice, and
/// hangs up. Its people and ladders stay, for a ladder that was begun before goes on.
pub fn out_of_service(practice: &Practice) -> Practice {
    let notice = || said(practice, Phrase::OutOfService);
    let acts = vec![Act::Answer, notice(), notice(), Act::HangUp];
    let net = vec![notice(), notice(), Act::HangUp];
    let flows = practice.lines.keys().map(|line| {
        let sections = (acts.clone(), net.clone());
        Arc::new(of_two_sections("Out of service", practice, line, sections))
    });
    Practice {
        flows: flows.collect(),
        fingerprint: [0; 32],
        ..practice.clone()
    }
}

/// The ladder that tries hardest: a department's is shorter than the one for everybody.
fn ladder(practice: &Practice) -> Option<String> {
    let climbs = practice.ladders.iter().filter(|(_, ladder)| !ladder.rungs.is_empty());
    // Of several with most rungs the first by name.
    let best = climbs.min_by_key(|(_, ladder)| std::cmp::Reverse(ladder.rungs.len()));
    best.map(|(name, _)| name.clone())
}

fn flow(practice: &Practice, line: &str, rings: Option<&str>) -> Flow {
    let notice = match &practice.confidentiality {
        Some(rule) if rule.contains("Part 2") => Notice::BehavioralHealth,
        _ => Notice::General,
    };
    let mut net = vec![Act::EmergencyNotice(notice), said(practice, Phrase::NotInService)];
    if let Some(ladder) = rings {
        net.push(Act::Escalate {
            ladder: ladder.to_owned(),
            about: None,
            while_waiting: Waiting::default(),
            meanwhile_ask: Vec::new(),
            or_press: None,
            if_accepted: IfAccepted::default(),
            if_no_one_accepts: Then::Continue,
            if_the_caller_hangs_up: IfCallerHangsUp::default(),
        });
        net.push(Act::RecordMessage { longest: MESSAGE_MAX });
    }
    net.extend([said(practice, Phrase::Goodbye), Act::HangUp]);
    let mut start = net.clone();
    start.insert(0, Act::Answer);
    of_two_sections("Not in service", practice, line, (start, net))
}

/// A flow that answers and then needs nothing but the telephone line.
fn of_two_sections(name: &str, practice: &Practice, line: &str, (start, net): (Vec<Act>, Vec<Act>)) -> Flow {
    let section = |name: &str, acts: Vec<Act>| Section {
        name: name.to_owned(),
        steps: acts.into_iter().map(step).collect(),
    };
    let never = jiff::civil::Date::MAX;
    Flow {
        name: name.to_owned(),
        version: String::new(),
        file: String::new(),
        languages: languages(practice),
        line: line.to_owned(),
        when: Condition::default(),
        owner: String::new(),
        approval: Approval {
            by: String::new(),
            on: never,
            review_by: never,
        },
        recording: Recording::Never,
        every_question: EveryQuestion {
            wait: Duration::from_secs(6),
            ask_again: 1,
            then: SectionId(1),
            press_zero: None,
            press_star: false,
        },
        if_the_caller_hangs_up: HangUpRule::SendWhatWeHave,
        start: SectionId(0),
        sections: vec![section(&name.to_lowercase(), start), section("safety net", net)],
        safety_net: SectionId(1),
        messages: BTreeMap::new(),
    }
}

/// Those of the practice; English is always one of them.
fn languages(practice: &Practice) -> Vec<Language> {
    let mut languages = practice.languages.clone();
    if !languages.contains(&Language::English) {
        languages.push(Language::English);
    }
    languages
}

fn step(act: Act) -> Step {
    Step {
        act,
        only_if: None,
        line: 1,
    }
}

fn said(practice: &Practice, phrase: Phrase) -> Act {
    let spoken = languages(practice)
        .into_iter()
        .map(|language| (language, phrase.text(language).into()));
    Act::Say {
        words: Sentence {
            spoken: spoken.collect(),
        },
        can_be_skipped: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::{Suite, solo};

    const PEOPLE: &str = include_str!("../../../flows/cedar-family-medicine/practice.yaml");

    /// What a caller of Cedar's number meets when a practice file is all there is.
    fn rehearsed(text: &str, scenario: &str) -> String {
        let practice = stand_in("practice.yaml", text).expect("it names a number").practice;
        let (suite, found) = Suite::parse(
            "a.tests.yaml",
            &format!(
                "tests for: a.flow.yaml\ngiven: {{now: Saturday 2026-11-21 11:40 pm, on call: {{primary: Dr. Okafor, backup: Dr. Lindqvist}}}}\nscenarios:\n  - name: One\n    caller: +1 512 555 0199\n{scenario}"
            ),
        );
        assert_eq!(found, []);
        let suite = suite.expect("a suite");
        let rehearsed = solo::play(&practice, &practice.flows[0], &suite.scenarios[0]);
        assert!(
            rehearsed.failures.is_empty(),
            "{:?}\n{}",
            rehearsed.failures,
            rehearsed.page
        );
        rehearsed.page
    }

    #[test]
    fn a_practice_file_alone_reaches_a_person() {
        let page = rehearsed(
            PEOPLE,
            "    phones: {Dr. Okafor: [no answer, voicemail], Dr. Lindqvist: [accepts]}\n    conversation:\n      - hears: dial 911\n      - hears: service of this line\n    expect:\n      outcome: connected to Dr. Lindqvist\n",
        );
        assert!(page.find("dial 911") < page.find("service of this line"), "{page}");
    }

    #[test]
    fn who_reaches_nobody_leaves_a_message() {
        rehearsed(
            PEOPLE,
            "    conversation:\n      - hears: dial 911\n      - says: This is Ana Rivera\n      - hears: Goodbye\n    expect:\n      outcome: still paging doctor on call\n",
        );
    }

    #[test]
    fn nobody_to_ring_is_said_and_not_hidden() {
        let (lines, _) = PEOPLE.split_once("people:").expect("Cedar has people");
        let alone = stand_in("practice.yaml", lines).expect("it names a number");
        assert!(!alone.whole && alone.rings.is_none());
        rehearsed(
            lines,
            "    conversation:\n      - hears: dial 911\n      - hears: service of this line\n      - hears: Goodbye\n    expect:\n      outcome: ended\n",
        );
        assert!(stand_in("practice.yaml", "practice: [").is_none());
        assert!(stand_in("practice.yaml", "practice: Nobody\n").is_none());
    }

    /// Proves ADM-01: who calls a practice without an agreement hears that the number is not in service; nobody is rung, and
    /// nothing is asked, promised or left.
    #[test]
    fn out_of_service_rings_nobody_and_keeps_nothing() {
        let alone = stand_in("practice.yaml", PEOPLE).expect("it names a number").practice;
        let practice = Arc::new(out_of_service(&alone));
        assert!(!practice.ladders.is_empty(), "a ladder that was begun goes on");
        assert_eq!(practice.flows.len(), practice.lines.len());
        let (suite, _) = Suite::parse(
            "a.tests.yaml",
            "tests for: a.flow.yaml\ngiven: {now: Saturday 2026-11-21 11:40 pm, on call: {primary: Dr. Okafor, backup: Dr. Lindqvist}}\nscenarios:\n  - name: One\n    caller: +1 512 555 0199\n    conversation:\n      - hears: is not in service\n      - hears: dial 911\n    expect:\n      outcome: ended\n",
        );
        let rehearsed = solo::play(&practice, &practice.flows[0], &suite.expect("a suite").scenarios[0]);
        assert!(
            rehearsed.failures.is_empty(),
            "{:?}\n{}",
            rehearsed.failures,
            rehearsed.page
        );
        for promised in ["rings", "Okafor", "message", "record"] {
            assert!(!rehearsed.page.contains(promised), "{promised}: {}", rehearsed.page);
        }
    }

    #[test]
    fn the_ladder_for_everybody_is_rung_and_the_crisis_notice_kept() {
        let crisis = include_str!("../../../flows/stillwater-behavioral-health/crisis.practice.yaml");
        let alone = stand_in("crisis.practice.yaml", crisis).expect("it names a number");
        assert!(alone.whole);
        assert_eq!(alone.rings.as_deref(), Some("crisis counselor"));
        let first = &alone.practice.flows[0].sections[0].steps[1].act;
        assert_eq!(*first, Act::EmergencyNotice(Notice::BehavioralHealth));
        let hospital = crate::template::Template::named("hospital")
            .expect("there is one")
            .files("North", jiff::civil::date(2026, 11, 21));
        let alone = stand_in("practice.yaml", &hospital["practice.yaml"]).expect("it names a number");
        assert_eq!(alone.rings.as_deref(), Some("transfer desk"));
    }
}
