//! `find patient by` and `offer appointments`, from the first key to what the records were asked, in order.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as a test does"
)]

mod practices;

use std::sync::Arc;

use flow::proof::{Awaits, Bounds, Estimate, Reach, Roads, bounds};
use flow::rehearse::{Suite, measured, solo};
use flow::{
    AskId, Beforehand, Broken, Caller, Do, Field, Heard, Message, Note, Outcome, Practice, RecordsAnswer, RecordsAsk,
    Run, Value, Visit,
};
use jiff::{SignedDuration, Timestamp};
use phi::Phi;
use practices::{compiled, folder};

fn cedar() -> Arc<Practice> {
    compiled(&folder("cedar-family-medicine"))
}

/// The pages of a few calls, as they are reviewed.
#[test]
fn appointments_are_booked_moved_and_cancelled_on_these_pages() {
    let practice = cedar();
    let folder = folder("cedar-family-medicine");
    let (suite, found) = Suite::parse("appointments.tests.yaml", &folder.files["appointments.tests.yaml"]);
    assert_eq!(found, []);
    let mut pages = String::new();
    let mut failures = Vec::new();
    for scenario in &suite.expect("it reads").scenarios {
        let rehearsed = solo::play(&practice, &practice.flows[0], scenario);
        failures.extend(
            rehearsed
                .failures
                .iter()
                .map(|failure| format!("{}: {failure}\n{}", scenario.name, rehearsed.page)),
        );
        let shown = [
            "A patient books the first time that suits",
            "The old appointment cannot be cancelled, so staff is told and the caller is not",
            "Two patients who cannot be told apart hear the same",
            "The records do not answer in time, so a person will call",
            "A caller who hangs up while the time is being booked has it all the same",
        ];
        if shown.contains(&scenario.name.as_str()) {
            pages += &format!("# {}\n{}\n", scenario.name, rehearsed.page);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    insta::assert_snapshot!(pages);
}

/// One call at the keys, with records that answer when they are told to.
struct Call {
    run: Run,
    now: Timestamp,
    said: String,
    asked: Vec<(AskId, RecordsAsk)>,
    kept: Vec<Message>,
    outcome: Option<Outcome>,
    sections: Vec<String>,
}

const NUMBER: &str = "+15125550199";

impl Call {
    /// At the menu of Cedar, about to press 3 for an appointment.
    fn begin(number: Option<&str>, beforehand: Beforehand) -> Self {
        Self::begin_at(cedar(), number, beforehand)
    }

    fn begin_at(practice: Arc<Practice>, number: Option<&str>, beforehand: Beforehand) -> Self {
        let flow = practice.flows[0].clone();
        let caller = Caller {
            number: number.map(|number| Phi::new(number.to_owned())),
            line: "main line".to_owned(),
            beforehand,
        };
        let now = "2026-11-22T05:40:00Z".parse().expect("a time");
        let run = Run::start(practice, flow, caller, now);
        let mut call = Self {
            run,
            now,
            said: String::new(),
            asked: Vec::new(),
            kept: Vec::new(),
            outcome: None,
            sections: Vec::new(),
        };
        call.obey();
        call
    }

    fn up() -> Beforehand {
        Beforehand {
            records_answer: true,
            ..Beforehand::default()
        }
    }

    /// Found, and at the menu of what can be arranged.
    fn found() -> Self {
        Self::found_at(cedar())
    }

    fn found_at(practice: Arc<Practice>) -> Self {
        let mut call = Self::begin_at(practice, Some(NUMBER), Self::up());
        call.keys("12302091984");
        call.keys("1");
        assert!(matches!(call.asked[0].1, RecordsAsk::Find(_)), "{}", call.said);
        call.answer(0, RecordsAnswer::Match(Phi::new("p-17".to_owned())));
        call
    }

    fn hear(&mut self, heard: Heard) {
        self.run.hear(self.now, heard);
        self.obey();
    }

    /// Does what is wanted; words are over at once.
    fn obey(&mut self) {
        let mut said = None;
        while let Some(wanted) = self.run.poll() {
            match wanted {
                Do::Say { id, words, .. } => {
                    self.said += &format!("{}\n", words.text());
                    said = Some(id);
                }
                Do::AskRecords { id, ask } => self.asked.push((id, ask)),
                Do::Keep { message, .. } => self.kept.push(message),
                Do::Note(Note::Section(name)) => self.sections.push(name),
                Do::Note(Note::Outcome(outcome)) => self.outcome = Some(outcome),
                _ => {}
            }
        }
        if let Some(id) = said {
            self.later(1);
            self.hear(Heard::Said(id));
        }
    }

    fn later(&mut self, seconds: i64) {
        self.now = self
            .now
            .saturating_add(SignedDuration::from_secs(seconds))
            .expect("a time");
    }

    fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.later(1);
            self.hear(Heard::Key(Phi::new(key)));
        }
    }

    /// So many seconds pass, and every timer in them.
    fn wait(&mut self, seconds: i64) {
        let until = self
            .now
            .saturating_add(SignedDuration::from_secs(seconds))
            .expect("a time");
        while let Some(due) = self.run.timeout().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.hear(Heard::Time);
        }
        self.now = until;
    }

    fn answer(&mut self, nth: usize, answer: RecordsAnswer) {
        let id = self.asked[nth].0;
        self.hear(Heard::Records { id, answer });
    }

    fn visit(&self, days: i64) -> Visit {
        let at = self
            .now
            .saturating_add(SignedDuration::from_hours(24 * days))
            .expect("a time");
        Visit {
            id: Phi::new(format!("v-{days}")),
            visit_type: Phi::new("office visit".to_owned()),
            at: Phi::new(at),
            with: Some(Phi::new("Dr. Okafor".to_owned())),
            place: Some(Phi::new("the house of somebody unknown".to_owned())),
        }
    }

    fn visits(&self, days: &[i64]) -> RecordsAnswer {
        RecordsAnswer::Visits(days.iter().map(|days| self.visit(*days)).collect())
    }

    fn names(&self) -> Vec<&'static str> {
        self.asked.iter().map(|(_, ask)| ask.name()).collect()
    }
}

#[test]
fn nothing_is_asked_of_a_caller_while_the_records_are_down() {
    let mut down = Call::begin(Some(NUMBER), Beforehand::default());
    down.keys("123");
    let mut breaks = Call::begin(Some(NUMBER), Call::up());
    breaks.hear(Heard::Broken(Broken::Records));
    breaks.keys("123");
    for call in [down, breaks] {
        assert!(call.asked.is_empty());
        assert!(!call.said.contains("date of birth"), "{}", call.said);
        assert_eq!(call.sections.last().map(String::as_str), Some("appointment message"));
    }
}

#[test]
fn a_number_that_may_be_somebody_elses_is_no_evidence() {
    let doubted = Beforehand {
        number_is_doubted: true,
        ..Call::up()
    };
    for (number, beforehand) in [(None, Call::up()), (Some(NUMBER), doubted)] {
        let mut call = Call::begin(number, beforehand);
        call.keys("123");
        assert!(call.asked.is_empty(), "one detail finds nobody");
        assert!(!call.said.contains("date of birth"), "{}", call.said);
        assert!(call.said.contains("A person will help you with it."), "{}", call.said);
    }
}

#[test]
fn what_finds_a_patient_was_confirmed() {
    let mut call = Call::begin(Some(NUMBER), Call::up());
    call.keys("123020919842020919842020919842");
    assert!(call.asked.is_empty(), "the date was denied three times");
    assert_eq!(call.sections.last().map(String::as_str), Some("appointment message"));
}

#[test]
fn after_four_seconds_the_records_are_down_and_a_late_answer_finds_nobody() {
    let mut call = Call::begin(Some(NUMBER), Call::up());
    call.keys("123020919841");
    assert_eq!(call.names(), ["find the patient"]);
    assert!(call.said.ends_with("One moment, please.\n"), "{}", call.said);
    call.wait(5);
    assert_eq!(call.sections.last().map(String::as_str), Some("appointment message"));
    call.answer(0, RecordsAnswer::Match(Phi::new("p-17".to_owned())));
    assert!(!call.said.contains("press 1. To move"), "{}", call.said);
    assert_eq!(call.names(), ["find the patient"], "whoever is late matches nobody");
}

#[test]
fn zero_leads_to_a_person_while_the_records_are_looked_into() {
    let mut call = Call::begin(Some(NUMBER), Call::up());
    call.keys("123020919841");
    call.keys("0");
    assert_eq!(call.sections.last().map(String::as_str), Some("cannot wait"));
}

#[test]
fn three_searches_a_call_and_no_more() {
    let mut call = Call::begin(Some(NUMBER), Call::up());
    // Cedar never comes back to a search; this flow does.
    let practice = cedar();
    let flow = looping(&practice);
    let caller = Caller {
        number: Some(Phi::new(NUMBER.to_owned())),
        line: "main line".to_owned(),
        beforehand: Call::up(),
    };
    call.run = Run::start(practice, flow, caller, call.now);
    call.obey();
    for _ in 0..6 {
        call.keys("02091984");
        call.keys("1");
        if let Some(nth) = call.asked.len().checked_sub(1) {
            call.answer(nth, RecordsAnswer::NoMatch);
        }
    }
    assert_eq!(call.asked.len(), 3);
}

/// Cedar, where whoever is not found is looked for again.
fn looping(practice: &Arc<Practice>) -> Arc<flow::Flow> {
    let mut flow = flow::Flow::clone(&practice.flows[0]);
    let at = flow.section_named("appointments").expect("Cedar has it");
    let section = flow
        .sections
        .iter_mut()
        .find(|section| section.name == "appointments")
        .expect("Cedar has it");
    if let flow::Act::FindPatient { if_not_found, .. } = &mut section.steps[0].act {
        *if_not_found = at;
    }
    flow.start = at;
    Arc::new(flow)
}

#[test]
fn a_move_books_first_and_cancels_after() {
    let mut call = Call::found();
    call.keys("2");
    let theirs = call.visits(&[9]);
    call.answer(1, theirs);
    let open = call.visits(&[2, 3, 4, 5]);
    call.answer(2, open);
    assert!(
        call.said.contains("with Dr. Okafor. For this one, press 3"),
        "{}",
        call.said
    );
    assert!(!call.said.contains("For this one, press 4"), "three times are offered");
    assert!(
        !call.said.contains("somebody unknown"),
        "a place nobody named is not said"
    );
    call.keys("2");
    assert_eq!(call.names()[3..], ["book"]);
    let booked = call.visit(3);
    call.answer(3, RecordsAnswer::Booked(booked));
    assert_eq!(call.names()[3..], ["book", "cancel"]);
    assert!(matches!(&call.asked[4].1, RecordsAsk::Cancel { visit, .. } if visit.id.expose() == "v-9"));
    call.answer(4, RecordsAnswer::Cancelled);
    assert!(call.said.contains("Your appointment is now"), "{}", call.said);
    assert_eq!(call.outcome, Some(Outcome::AppointmentMoved));
    assert!(call.kept.is_empty());
}

#[test]
fn nothing_is_cancelled_when_the_new_time_cannot_be_booked() {
    for answer in [RecordsAnswer::Refused, RecordsAnswer::Down, RecordsAnswer::Unsure] {
        let mut call = Call::found();
        call.keys("2");
        let theirs = call.visits(&[9]);
        call.answer(1, theirs);
        let open = call.visits(&[2]);
        call.answer(2, open);
        call.keys("1");
        call.answer(3, answer.clone());
        if answer == RecordsAnswer::Refused {
            // The only time is gone: asked once more, and nothing else is open.
            let again = call.visits(&[2]);
            call.answer(4, again);
        }
        assert!(!call.names().contains(&"cancel"), "{answer:?}: {:?}", call.names());
        assert_eq!(call.sections.last().map(String::as_str), Some("appointment message"));
        let marks: Vec<&String> = call.kept.iter().flat_map(|message| &message.marks).collect();
        let told = answer == RecordsAnswer::Unsure;
        assert_eq!(!marks.is_empty(), told, "{answer:?}: {marks:?}");
    }
}

#[test]
fn staff_is_told_what_the_records_may_have_done() {
    let mut call = Call::found();
    call.keys("11");
    let open = call.visits(&[2]);
    call.answer(1, open);
    call.keys("1");
    call.wait(5);
    assert_eq!(call.kept.len(), 1);
    let message = &call.kept[0];
    assert_eq!(message.marks, ["a booking may have been made"]);
    assert_eq!(message.goes_to.name(), "front desk inbox");
    let fields: Vec<Field> = message.fields.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields, [Field::CallbackNumber, Field::PatientDateOfBirth]);
    assert!(message.fields.iter().all(|(_, value)| *value != Value::Unknown));
    // The answer comes when nobody waits for it any more.
    let booked = call.visit(2);
    call.answer(2, RecordsAnswer::Booked(booked));
    assert!(!call.said.contains("You are booked"), "{}", call.said);
}

#[test]
fn a_hang_up_in_the_middle_of_a_move_sees_it_through() {
    let mut call = Call::found();
    call.keys("2");
    let theirs = call.visits(&[9]);
    call.answer(1, theirs);
    let open = call.visits(&[2]);
    call.answer(2, open);
    call.keys("1");
    call.hear(Heard::HungUp);
    assert!(!call.run.over(), "it is still being booked");
    let booked = call.visit(2);
    call.answer(3, RecordsAnswer::Booked(booked));
    assert_eq!(call.names()[3..], ["book", "cancel"]);
    call.answer(4, RecordsAnswer::Refused);
    assert_eq!(call.kept[0].marks, ["moved: the old appointment is not cancelled"]);
    assert_eq!(call.outcome, Some(Outcome::AppointmentMoved));
    assert!(call.run.over());
}

#[test]
fn when_everything_breaks_in_the_middle_staff_is_told_and_the_net_holds_the_caller() {
    let mut call = Call::found();
    call.keys("11");
    let open = call.visits(&[2]);
    call.answer(1, open);
    call.keys("1");
    call.hear(Heard::Broken(Broken::Everything));
    assert_eq!(call.kept[0].marks, ["a booking may have been made"]);
    assert_eq!(call.sections.last().map(String::as_str), Some("safety net"));
}

#[test]
fn a_kind_of_visit_nobody_named_is_for_a_person() {
    let mut call = Call::found();
    call.keys("3");
    let mut theirs = call.visit(9);
    theirs.visit_type = Phi::new("procedure".to_owned());
    call.answer(1, RecordsAnswer::Visits(vec![theirs]));
    assert!(!call.said.contains("To cancel it"), "{}", call.said);
    assert_eq!(call.sections.last().map(String::as_str), Some("appointment message"));
}

#[test]
fn what_the_records_offer_and_nobody_asked_for_is_not_offered() {
    let mut call = Call::found();
    call.keys("11");
    let past = call.visit(-1);
    let mut other = call.visit(1);
    other.visit_type = Phi::new("video visit".to_owned());
    call.answer(1, RecordsAnswer::Visits(vec![past, other]));
    assert_eq!(call.sections.last().map(String::as_str), Some("appointment message"));
}

#[test]
fn a_place_is_said_where_the_practice_knows_its_name_and_left_out_elsewhere() {
    let mut folder = folder("cedar-family-medicine");
    let text = folder.files.get_mut("practice.yaml").expect("it is there");
    *text = text.replace(
        "  system: athenahealth\n",
        "  system: athenahealth\n  places: [the Elm Street office]\n",
    );
    let offered = |place: &str| {
        let mut call = Call::found_at(compiled(&folder));
        call.keys("11");
        let mut visit = call.visit(2);
        visit.place = Some(Phi::new(place.to_owned()));
        call.answer(1, RecordsAnswer::Visits(vec![visit]));
        call.said
    };
    let known = offered("the Elm Street office");
    assert!(known.contains("with Dr. Okafor at the Elm Street office"), "{known}");
    let unknown = offered("the house of somebody unknown");
    assert!(unknown.contains("with Dr. Okafor"), "{unknown}");
    assert!(!unknown.contains("house"), "{unknown}");
}

#[test]
fn what_waits_for_the_records_prints_nothing_of_the_patient() {
    let mut call = Call::found();
    call.keys("11");
    let open = call.visits(&[2]);
    call.answer(1, open);
    call.keys("1");
    let told = format!("{:?} {:?}", call.run, call.asked);
    for secret in ["p-17", "1984", "5550199", "v-2"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
}

/// Cedar, where appointments come first and whoever finds none that fits is put through.
#[test]
fn strangers_wait_no_longer_for_the_records_than_is_proved_and_come_near() {
    let mut files = folder("cedar-family-medicine");
    let file = "after-hours.flow.yaml";
    let text = files.files[file]
        .replace("    - go to: main menu\n", "    - go to: appointments\n")
        .replace("if not found: appointment message", "if not found: reach the doctor")
        .replace("      within: 14 days\n", "      if nothing fits: reach the doctor\n")
        .replace(
            "if records are down: appointment message",
            "if records are down: reach the doctor",
        );
    files.files.insert(file.to_owned(), text);
    let flow::Compiled {
        practice, diagnostics, ..
    } = flow::compile(&files);
    let practice = practice.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let flow = &practice.flows[0];
    for reach in [Reach::Attentive, Reach::Slowest] {
        let each = flow
            .languages
            .iter()
            .map(|&language| bounds(&Roads::of(&practice, flow, language, &Estimate), reach));
        let proved = each.fold(Bounds::default(), Bounds::max);
        let seen = measured(&practice, flow, &Estimate, reach, 1_000, 2026);
        for awaits in [Awaits::Ring, Awaits::Person] {
            let (Some(proved), Some(seen)) = (proved.seconds(awaits), seen.seconds(awaits)) else {
                panic!("one of them knows no way");
            };
            assert!(
                seen <= proved,
                "{reach:?} {awaits:?}: {seen} s measured, {proved} s proved"
            );
            assert!(
                proved <= seen * 1.10,
                "{reach:?} {awaits:?}: {seen} s measured, {proved} s proved"
            );
        }
    }
}

#[test]
fn every_word_about_records_reads() {
    let records = "{patients: [{number: +1 512 555 0199, date of birth: 1984-02-09, medical record number: \"123\", no longer here: yes, appointments: [{type: a, at: 2026-11-23 10 am, with: b, place: c}]}, {no longer here: no}], open times: [{type: a, at: 2026-11-23 10 am, with: b, place: c}], taken: [2026-11-23 10 am], cancels nothing: ANSWER, answers after: 6 seconds, down after: 2 answers}";
    for (answer, cancels_nothing) in [("yes", true), ("no", false)] {
        let records = records.replace("ANSWER", answer);
        for (given, own) in [(records.as_str(), ""), ("{}", records.as_str())] {
            let own = if own.is_empty() {
                String::new()
            } else {
                format!("    records: {own}\n")
            };
            let text = format!(
                "tests for: a.flow.yaml\ngiven: {{now: 2026-11-21 11 pm, records: {given}}}\nscenarios:\n  - name: a\n{own}    expect: {{outcome: ended}}\n"
            );
            let (suite, found) = Suite::parse("a", &text);
            assert_eq!(found, []);
            let read = suite.expect("it reads").scenarios[0].records.clone().expect("records");
            assert_eq!(
                (read.patients.len(), read.open_times.len(), read.taken.len()),
                (2, 1, 1)
            );
            assert_eq!(read.patients[0].record.as_deref(), Some("123"));
            assert!(read.patients[0].gone && !read.patients[1].gone);
            assert_eq!(read.open_times[0].place.as_deref(), Some("c"));
            assert_eq!(read.patients[0].appointments, read.open_times);
            assert_eq!(read.cancels_nothing, cancels_nothing);
            assert_eq!(read.answers_after.map(|time| time.as_secs()), Some(6));
            assert_eq!(read.down_after, Some(2));
        }
    }
}
