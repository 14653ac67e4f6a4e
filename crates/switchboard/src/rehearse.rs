//! Rehearsals in the true world: the practice's scenarios played through SIP, desk, ladder and book on a virtual clock.
//!
//! [`flow::rehearse`] reads the scenarios and plays the caller; here its caller talks to a real [`crate::Desk`]. What is
//! judged is what stands in the book: the facts, and the words the caller heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::rehearse::{Act, Actor, Failing, Failure, Observed, PaperRecords, Phone as Scripted, Scenario};

use crate::carrier::{Carrier, EDGE};
use crate::door::{Health, Released};
use crate::fact::{Fact, Stamped};
use crate::ladder::time_line;
use crate::phone::Answering;
use crate::weather::Weather;
use crate::world::{Scene, Setting, World, spoken};

/// A rehearsal that lasts longer than a night is broken.
const LIMIT: Duration = Duration::from_secs(6 * 60 * 60);
/// How often a call whose caller is gone is looked at.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// Scenes one rehearsal may have; a call has hundreds, and one that is paged for has one a second.
const SCENES_MAX: usize = 50_000;

/// What came of one scenario.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// The scenario's name.
    pub name: String,
    /// What is not as expected; empty when it passes.
    pub failures: Vec<Failure>,
    /// What was seen.
    pub observed: Observed,
    /// What stands in the book.
    pub facts: Vec<Stamped>,
    /// The call on a page.
    pub page: String,
    /// How long the night was.
    pub lasted: Duration,
}

/// Plays one scenario. `anchor` is any instant; only differences to it matter.
pub fn play(anchor: Instant, practice: &Arc<flow::Practice>, scenario: &Scenario) -> Rehearsed {
    play_by(anchor, practice, scenario, Carrier::default())
}

/// Plays one scenario with a carrier of its own kind.
pub fn play_by(anchor: Instant, practice: &Arc<flow::Practice>, scenario: &Scenario, carrier: Carrier) -> Rehearsed {
    let now = scenario
        .now
        .to_zoned(practice.time_zone.clone())
        .map(|zoned| zoned.timestamp())
        .unwrap_or_default();
    let roster = Arc::new(roster_of(practice, &scenario.on_call));
    let released = Released::new(practice.clone(), roster);
    let mut carrier = carrier;
    if scenario.failing.contains(&Failing::Trunk) {
        carrier.unavailable.insert(EDGE.ip());
    }
    let setting = Setting {
        now,
        health: Health {
            everything_down: scenario.failing.contains(&Failing::Everything)
                || scenario.failing.contains(&Failing::Speech),
            recordings_down: scenario.failing.contains(&Failing::Disk),
            ..Health::default()
        },
        book: [Failing::Database, Failing::Disk]
            .iter()
            .all(|failing| !scenario.failing.contains(failing))
            .then_some(Duration::from_millis(3)),
        wire: Duration::from_millis(1),
    };
    let mut world = World::by_carrier(anchor, released, setting, Weather::default(), carrier);
    if let Some(records) = records_of(scenario, practice) {
        world.keep_records(&practice.name, records);
    }
    for (person, answers) in &scenario.phones {
        let number = practice.people.get(person).map(|known| known.call.expose());
        // A line outside, such as Poison Control, answers by the same words.
        if let Some(number) = number.or_else(|| practice.outside_lines.get(person)) {
            world.phone().plan(number, answers.iter().copied().map(answering));
        }
    }
    let line = scenario.line_called.as_ref().and_then(|line| practice.lines.get(line));
    let number = line
        .or_else(|| practice.lines.values().next())
        .cloned()
        .unwrap_or_default();
    let mut actor = Actor::new(scenario);
    let mut transcript = String::new();
    world.caller_dials(&number, scenario.caller.as_deref());
    let mut caller_here = true;
    for _ in 0..SCENES_MAX {
        let Some(scene) = world.next_scene(LIMIT) else { break };
        match scene {
            Scene::Hears(words) => {
                actor.heard(&words);
                transcript.push_str(&words);
                transcript.push(' ');
            }
            Scene::Quiet => actor.quiet(world.wall()),
            Scene::Time => actor.time(world.wall()),
            Scene::Over | Scene::Refused(_) => caller_here = false,
            Scene::Answered | Scene::Talking => {}
        }
        let mut typed = 0;
        while let Some(act) = actor.poll() {
            match act {
                Act::Press(key) => {
                    world.caller_presses_after(Duration::from_millis(150) * typed, key);
                    typed += 1;
                }
                Act::Speak(words) => world.caller_speaks(spoken(&words).max(Duration::from_secs(1))),
                Act::HangUp => world.caller_hangs_up(),
            }
        }
        if let Some(due) = actor.due() {
            let wait = Duration::try_from(due.duration_since(world.wall())).unwrap_or_default();
            world.wake_after(wait);
        }
        let decided = world
            .facts()
            .iter()
            .any(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }));
        if !caller_here && decided {
            break;
        }
        if !caller_here {
            // What became of the call is known when it is kept, milliseconds later or after an hour of paging: looked for at
            // once, so that telephones that ring after it are none of this call's.
            world.wake_after(AFTERWARDS);
        }
    }
    let mut observed = observe(world.facts(), transcript);
    observed.stuck = actor.stuck();
    Rehearsed {
        name: scenario.name.clone(),
        failures: scenario.expect.judge(&observed),
        observed,
        facts: world.facts().to_vec(),
        page: time_line(world.facts()),
        lasted: world.elapsed(),
    }
}

/// What a scenario is judged by, from the facts of one call and what the caller heard.
pub fn observe(facts: &[Stamped], transcript: String) -> Observed {
    let mut observed = Observed {
        transcript,
        ..Observed::default()
    };
    let Some(first) = facts.first() else { return observed };
    let after = |stamped: &Stamped| Duration::try_from(stamped.at.duration_since(first.at)).unwrap_or_default();
    let mut messages: BTreeMap<u64, flow::Message> = BTreeMap::new();
    for stamped in facts {
        match &stamped.fact {
            Fact::Signal {
                party,
                ours: true,
                what,
            } if what == "INVITE" => observed.tried.push(party.clone()),
            Fact::Told911 => {
                observed.told_911_after.get_or_insert(after(stamped));
            }
            Fact::Bridged { .. } | Fact::NumberGiven { .. } => {
                observed.reached_after.get_or_insert(after(stamped));
            }
            Fact::MessageKept(message) => {
                observed.reached_after.get_or_insert(after(stamped));
                let missing = message
                    .missing
                    .iter()
                    .filter_map(|name| flow::Field::ALL.into_iter().find(|field| field.name() == name));
                let kept = flow::Message {
                    kind: message.kind.clone(),
                    goes_to: flow::Target::Inbox(message.goes_to.clone()),
                    fields: Vec::new(),
                    call_back_by: message.call_back_by,
                    marks: message.marks.clone(),
                    cut_off: message.cut_off,
                    missing: missing.collect(),
                };
                messages.insert(message.id, kept);
            }
            Fact::Notified { words, .. } => observed.notices.push(words.clone()),
            Fact::RecordingBegan { .. } => observed.recording = true,
            Fact::CallEnded { outcome, .. } => observed.outcome = outcome_of(outcome),
            _ => {}
        }
    }
    observed.messages = messages.into_values().collect();
    observed
}

/// Reads the phrase in the book back into what it means.
fn outcome_of(phrase: &str) -> Option<flow::Outcome> {
    let strip = |prefix: &str| phrase.strip_prefix(prefix).map(str::to_owned);
    if let Some(to) = strip("connected to ") {
        Some(flow::Outcome::Connected { to })
    } else if let Some(ladder) = strip("still paging ") {
        Some(flow::Outcome::StillPaging { ladder })
    } else if let Some(ladder) = strip("nobody accepted on ") {
        Some(flow::Outcome::NobodyAccepted { ladder })
    } else if let Some(inbox) = strip("message in ") {
        Some(flow::Outcome::Message { inbox })
    } else if let Some(person) = phrase.strip_suffix(" is calling back") {
        Some(flow::Outcome::CallingBack {
            person: person.to_owned(),
        })
    } else {
        match phrase {
            "told to call 911" => Some(flow::Outcome::Told911),
            "appointment booked" => Some(flow::Outcome::AppointmentBooked),
            "appointment moved" => Some(flow::Outcome::AppointmentMoved),
            "appointment cancelled" => Some(flow::Outcome::AppointmentCancelled),
            "appointment kept" => Some(flow::Outcome::AppointmentKept),
            "ended" => Some(flow::Outcome::Ended),
            _ => Some(flow::Outcome::CallerHungUp),
        }
    }
}

/// The records a scenario has and can reach.
pub fn records_of(scenario: &Scenario, practice: &flow::Practice) -> Option<PaperRecords> {
    let broken = [Failing::Records, Failing::Internet, Failing::Everything];
    let reached = broken.iter().all(|failing| !scenario.failing.contains(failing));
    let holds = scenario.records.clone().filter(|_| reached)?;
    Some(PaperRecords::new(holds, practice.time_zone.clone()))
}

/// Who is on duty in a scenario: as it says, and the practice's fall-back for every gap.
pub fn roster_of(practice: &flow::Practice, on_call: &BTreeMap<String, String>) -> oncall::Roster {
    let mut roster = oncall::Roster::new(Some(practice.on_call.if_nobody.clone()));
    for (role, person) in on_call {
        // A scenario names a handful of roles; the roster's limit is thousands.
        let _ = roster.add_standing(role, person, "the scenario");
    }
    roster
}

/// How a scripted phone behaves on the wire.
pub fn answering(scripted: Scripted) -> Answering {
    scripted.name().parse().unwrap_or(Answering::NoAnswer)
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "a test reads a shipped practice, and any instant will do for a beginning"
)]
mod tests {
    use super::*;
    use flow::rehearse::Suite;

    /// The scenarios of a text that has no slip.
    fn written(text: &str) -> Suite {
        let (suite, found) = Suite::parse("a.tests.yaml", text);
        assert_eq!(found, []);
        suite.expect("scenarios")
    }

    fn shipped(name: &str) -> flow::Folder {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../flows")
            .join(name);
        let mut source = flow::Folder::default();
        for entry in std::fs::read_dir(folder).expect("the practice is there").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".yaml") {
                let text = std::fs::read_to_string(entry.path()).expect("a text");
                source.files.insert(name, text);
            }
        }
        source
    }

    /// Proves SEC-15: a PIN is held against what is known, and kept nowhere.
    #[test]
    fn a_person_with_a_pin_is_reached_by_it_alone() {
        let text = "tests for: after-hours.flow.yaml
given:
  now: Saturday 2026-11-21 11:40 pm
  on call: {primary: Dr. Okafor, backup: Dr. Lindqvist}
scenarios:
  - name: a hospital calls
    caller: +1 512 555 0199
    phones: {Dr. Okafor: [accepts, accepts], Dr. Lindqvist: [accepts]}
    conversation:
      - presses: [1, 1, 4]
      - stays silent
    expect: {outcome: ended}
";
        let scenario = &written(text).scenarios[0];
        let call = |others: &str| {
            let mut source = shipped("cedar-family-medicine");
            let file = source.files.get_mut("practice.yaml").expect("Cedar's");
            *file = file.replace(
                "page: wctp 5125550141}",
                &format!("page: wctp 5125550141, pin: \"0417\"}}{others}"),
            );
            assert!(file.contains("0417"), "Cedar is as it was");
            let practice = flow::compile(&source).practice.expect("it compiles");
            play(Instant::now(), &practice, scenario)
        };
        let right = call("");
        let outcome = right.observed.outcome.expect("it ends").to_string();
        assert_eq!(outcome, "connected to Dr. Okafor", "{}", right.page);
        assert_eq!(right.observed.tried, ["Dr. Okafor"]);
        assert!(!right.page.contains("0417"), "a PIN stands nowhere: {}", right.page);
        // Somebody else's hand on that telephone: by name they come first, and so it is their PIN that is typed.
        let wrong = call("\n  Aaron Page: {role: nurse, call: +1 512 555 0141, pin: \"9999\"}");
        let outcome = wrong.observed.outcome.expect("it ends").to_string();
        assert_eq!(outcome, "connected to Dr. Lindqvist", "{}", wrong.page);
        assert_eq!(wrong.observed.tried, ["Dr. Okafor", "Dr. Okafor", "Dr. Lindqvist"]);
        assert_eq!(
            wrong.page.matches("answered without the key").count(),
            2,
            "{}",
            wrong.page
        );
    }

    #[test]
    fn who_was_given_the_number_is_rung_again_for_a_caller_who_is_back() {
        let source = shipped("saguaro-home-health");
        let practice = flow::compile(&source).practice.expect("it compiles");
        // The nurse accepts while the caller is away by key 3, and hears the number when they wait for that ladder again.
        let text = "tests for: hospice.flow.yaml
given:
  now: Sunday 2026-11-22 2:10 am
  on call: {hospice nurse: Ruth Tsosie, second hospice nurse: Daniel Cole}
scenarios:
  - name: away by a key, and back
    caller: +1 602 555 0199
    phones: {Ruth Tsosie: [voicemail, accepts, accepts]}
    conversation:
      - presses: 1
      - hears: I am reaching your hospice nurse now
      - presses: 3
      - hears: What do you need
      - presses: 1
      - hears: before noon tomorrow
      - presses: 1
      - hears: I am reaching your hospice nurse now
    expect: {outcome: connected to Ruth Tsosie}
";
        for scenario in written(text).aimed_at(&practice).scenarios {
            let rehearsed = play(Instant::now(), &practice, &scenario);
            assert_eq!(rehearsed.failures, [], "{}", rehearsed.page);
            let given = rehearsed
                .page
                .find("was given the number")
                .expect("the number is given");
            let again = rehearsed
                .page
                .rfind("hospice nurse on call begins")
                .expect("it is rung for again");
            assert!(again < given, "the case this is about: {}", rehearsed.page);
        }
    }

    #[test]
    fn a_ladder_the_caller_left_ends_without_the_one_they_wait_for() {
        let source = shipped("sandhill-regional-hospital");
        let practice = flow::compile(&source).practice.expect("it compiles");
        // The transfer desk rings on after key 3, and has rung everybody while the caller still waits for the hospitalist.
        let text = "tests for: transfer.flow.yaml
given:
  now: Sunday 2026-11-22 2:10 am
  on call: {emergency: Dr. Ellison, hospitalist: Dr. Mayhew, supervisor: Gwen Tate}
scenarios:
  - name: the hospitalist takes the call at the second try
    caller: +1 850 555 0180
    phones: {Dr. Mayhew: [no answer, accepts]}
    conversation:
      - hears: I am reaching our transfer desk
      - presses: 3
      - presses: [1, 1]
      - says: Ana Rivera
      - says: Joe Rivera
      - says: Potassium 7
      - hears: Please stay on the line
    expect: {outcome: connected to Dr. Mayhew, never hears: [Our desk is with another patient]}
  - name: the caller hangs up meanwhile, and is called back
    caller: +1 850 555 0180
    phones: {Dr. Mayhew: [no answer, accepts]}
    conversation:
      - hears: I am reaching our transfer desk
      - presses: 3
      - presses: [1, 1]
      - says: Ana Rivera
      - says: Joe Rivera
      - says: Potassium 7
      - hears: still trying
      - hangs up
    expect: {outcome: Dr. Mayhew is calling back}
";
        for scenario in written(text).aimed_at(&practice).scenarios {
            let rehearsed = play(Instant::now(), &practice, &scenario);
            assert_eq!(rehearsed.failures, [], "{}\n{}", scenario.name, rehearsed.page);
        }
    }
}
