//! The run's figure: from every state, on everything it can hear. And the rules that need a small flow of their own.
//!
//! A script is a string: digits, `*`, `#` are keys; `.` the words end; `t` the time it asked for comes; `k`/`n` the
//! message is (not) kept; `c`/`q` the clip ends with or without speech; `A`/`E` somebody or nobody accepts; `C`/`N` the
//! other line answers or not; `H` the caller hangs up; `B` the book breaks, `X` everything does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use phi::Phi;

use super::*;
use crate::library::option_line;
use crate::model::*;
use crate::time::OfficeHours;
use crate::words::Language;

const START: &str = "2026-11-22T05:40:00Z";

fn words(english: &str) -> Sentence {
    Sentence {
        spoken: BTreeMap::from([(Language::English, english.into())]),
    }
}

fn choice(key: char, label: &str, go_to: usize) -> Choice {
    Choice {
        key,
        label: words(label),
        spoken: words(&option_line(label, key, Language::English)),
        remember: None,
        go_to: Some(SectionId(go_to)),
    }
}

fn escalate(or_press: Option<Choice>, meanwhile_ask: Vec<Field>, then: Then) -> Act {
    Act::Escalate {
        ladder: "doctor on call".to_owned(),
        about: None,
        while_waiting: Waiting::Words,
        meanwhile_ask,
        or_press,
        if_accepted: IfAccepted::ConnectThem,
        if_no_one_accepts: then,
        if_the_caller_hangs_up: IfCallerHangsUp::KeepGoing,
    }
}

fn kind(name: &str, ask: &[Field], goes_to: Target) -> (String, Kind) {
    let name = name.to_owned();
    (
        name.clone(),
        Kind {
            name,
            ask: ask.to_vec(),
            goes_to,
            call_back_by: None,
            mark_as: None,
            keep_audio: true,
        },
    )
}

/// Sections of the small flow, in order.
const MENU: usize = 0;
const TRIAGE: usize = 1;
const DOCTOR: usize = 2;
const MESSAGE: usize = 3;
const REFILL: usize = 4;
const SISTER: usize = 5;
const EMERGENCY: usize = 6;
const CRISIS: usize = 7;
const TROUBLE: usize = 8;
const LOOP: usize = 9;
const CLOSED: usize = 10;
const NET: usize = 11;

fn flow() -> Flow {
    let ladder = || Target::Ladder("doctor on call".to_owned());
    let inbox = || Target::Inbox("front desk inbox".to_owned());
    let question = |id: &str, level, text: &str| Question {
        id: id.to_owned(),
        level,
        words: words(text),
        only_if: None,
    };
    let protocol = Protocol {
        name: "Small".to_owned(),
        version: "1".to_owned(),
        file: "small.protocol.yaml".to_owned(),
        meant_for: String::new(),
        source: String::new(),
        approval: approval(),
        questions: vec![
            question("chest", Level::Emergency, "Is there chest pain?"),
            question("fever", Level::Urgent, "Is there a fever?"),
            question("worse", Level::SemiUrgent, "Is it getting worse?"),
        ],
        if_unclear: Level::Urgent,
        if_every_answer_is_no: Level::Routine,
        sample: true,
    };
    let skippable = |text: &str| Act::Say {
        words: words(text),
        can_be_skipped: true,
    };
    let sections: Vec<(&str, Vec<Act>)> = vec![
        (
            "menu",
            vec![
                Act::Answer,
                skippable("Hello."),
                Act::Menu(Menu {
                    question: words("How can we help?"),
                    choices: vec![
                        choice('1', "a symptom", TRIAGE),
                        choice('2', "a doctor", DOCTOR),
                        choice('3', "a message", MESSAGE),
                        choice('4', "a refill", REFILL),
                        choice('5', "our sister", SISTER),
                        choice('6', "a crisis", CRISIS),
                        choice('7', "a circle", LOOP),
                        choice('8', "our hours", CLOSED),
                    ],
                    if_no_answer: None,
                }),
            ],
        ),
        (
            "triage",
            vec![Act::Triage {
                protocol: Arc::new(protocol),
                if_emergency: SectionId(EMERGENCY),
                if_urgent: SectionId(DOCTOR),
                if_semi_urgent: SectionId(MESSAGE),
                if_routine: SectionId(MESSAGE),
            }],
        ),
        (
            "doctor",
            vec![
                Act::Collect("urgent call".to_owned()),
                skippable("Please stay on the line."),
                escalate(None, Vec::new(), Then::Section(SectionId(TROUBLE))),
            ],
        ),
        (
            "message",
            vec![
                Act::TakeMessage("office message".to_owned()),
                skippable("We will call you."),
                Act::HangUp,
            ],
        ),
        (
            "refill",
            vec![
                Act::TakeRefill("refill request".to_owned()),
                skippable("We will answer."),
                Act::HangUp,
            ],
        ),
        (
            "sister",
            vec![Act::Connect {
                to: "Sister".to_owned(),
                dial: Phi::new("+15125550177".to_owned()),
                ring_for: Duration::from_secs(30),
                show: Show::PracticeNumber,
                if_no_answer: Then::Section(SectionId(TROUBLE)),
            }],
        ),
        ("emergency", vec![Act::TellToCall911, Act::HangUp]),
        (
            "crisis",
            vec![escalate(
                Some(choice('3', "something that can wait", MESSAGE)),
                vec![Field::SafeToCallBack],
                Then::Section(SectionId(TROUBLE)),
            )],
        ),
        (
            "trouble",
            vec![
                skippable("I have not reached a doctor. If it gets worse, call 911."),
                Act::HangUp,
            ],
        ),
        ("circle", vec![Act::GoTo(SectionId(LOOP))]),
        (
            "hours",
            vec![Act::Remember {
                name: "asked".to_owned(),
                value: "yes".to_owned(),
            }],
        ),
        (
            "safety net",
            vec![
                Act::EmergencyNotice(Notice::General),
                escalate(None, Vec::new(), Then::Continue),
                Act::RecordMessage {
                    longest: Duration::from_secs(180),
                },
                Act::HangUp,
            ],
        ),
    ];
    let step = |act| Step {
        act,
        only_if: None,
        line: 1,
    };
    Flow {
        name: "Small".to_owned(),
        version: "1".to_owned(),
        file: "small.flow.yaml".to_owned(),
        languages: vec![Language::English],
        line: "main line".to_owned(),
        when: Condition::default(),
        owner: String::new(),
        approval: approval(),
        recording: Recording::AskFirst,
        every_question: EveryQuestion {
            wait: Duration::from_secs(6),
            ask_again: 2,
            then: SectionId(MESSAGE),
            press_zero: Some(SectionId(DOCTOR)),
            press_star: true,
        },
        if_the_caller_hangs_up: HangUpRule::SendWhatWeHave,
        start: SectionId(MENU),
        sections: sections
            .into_iter()
            .map(|(name, acts)| Section {
                name: name.to_owned(),
                steps: acts.into_iter().map(step).collect(),
            })
            .collect(),
        safety_net: SectionId(NET),
        messages: BTreeMap::from([
            kind(
                "urgent call",
                &[Field::CallbackNumber, Field::PatientDateOfBirth, Field::Reason],
                ladder(),
            ),
            kind("office message", &[Field::CallbackNumber, Field::Reason], inbox()),
            kind("refill request", &[Field::CallbackNumber, Field::Medicine], inbox()),
        ]),
    }
}

fn approval() -> Approval {
    let day = jiff::civil::date(2026, 11, 18);
    Approval {
        by: "A MD".to_owned(),
        on: day,
        review_by: day,
    }
}

fn practice() -> Practice {
    let zone = TimeZone::UTC;
    let ladder = Ladder {
        rungs: Vec::new(),
        they_hear: words("An urgent call."),
        accept_with: '1',
        pass_with: '2',
        keep_paging: Some(KeepPaging {
            every: Duration::from_secs(300),
            lasting: Duration::from_secs(3600),
        }),
    };
    Practice {
        name: "Small".to_owned(),
        state: "Texas".to_owned(),
        time_zone: zone.clone(),
        languages: vec![Language::English],
        lines: BTreeMap::new(),
        outside_lines: BTreeMap::new(),
        hours: OfficeHours::unstated(zone),
        people: BTreeMap::new(),
        on_call: OnCall::default(),
        ladders: BTreeMap::from([("doctor on call".to_owned(), ladder)]),
        inboxes: BTreeMap::new(),
        records: None,
        keep: Keep {
            messages: Period::Years(6),
            recordings: Period::Days(90),
            keys: Period::Years(6),
            calls: Period::Years(6),
            audit: Period::Years(6),
            grace: Period::Days(30),
        },
        confidentiality: None,
        flows: Vec::new(),
        fingerprint: [0; 32],
    }
}

struct Walk {
    run: Run,
    now: Timestamp,
    saying: Option<SayId>,
    clip: Option<ClipId>,
    keeping: Option<MessageId>,
    done: Vec<String>,
}

impl Walk {
    fn new() -> Self {
        Self::calling(Some("+15125550199"))
    }

    fn calling(number: Option<&str>) -> Self {
        Self::with(flow(), number)
    }

    fn with(flow: Flow, number: Option<&str>) -> Self {
        let now = START.parse().unwrap();
        let caller = Caller {
            number: number.map(|number| Phi::new(number.to_owned())),
            line: "main line".to_owned(),
            beforehand: Beforehand::default(),
        };
        let run = Run::start(Arc::new(practice()), Arc::new(flow), caller, now);
        let mut walk = Self {
            run,
            now,
            saying: None,
            clip: None,
            keeping: None,
            done: Vec::new(),
        };
        walk.drain();
        walk
    }

    fn play(script: &str) -> Self {
        let mut walk = Self::new();
        walk.go(script);
        walk
    }

    fn go(&mut self, script: &str) -> &mut Self {
        for letter in script.chars().filter(|letter| !letter.is_whitespace()) {
            self.step(letter);
        }
        self
    }

    fn step(&mut self, letter: char) {
        let heard = match letter {
            '0'..='9' | '*' | '#' => {
                self.now = later(self.now, 1);
                Some(Heard::Key(Phi::new(letter)))
            }
            '.' => {
                self.now = later(self.now, 2);
                self.saying.take().map(Heard::Said)
            }
            't' => self.run.timeout().map(|due| {
                self.now = due.max(self.now);
                Heard::Time
            }),
            'k' => self.keeping.map(Heard::Kept),
            'n' => self.keeping.map(Heard::NotKept),
            'c' => self.clip.take().map(|id| Heard::Clip {
                id,
                heard: Some(Duration::from_secs(3)),
            }),
            'q' => self.clip.take().map(|id| Heard::Clip { id, heard: None }),
            'A' => Some(Heard::Escalation(Escalated::Accepted {
                person: "Dr. Okafor".to_owned(),
            })),
            'E' => Some(Heard::Escalation(Escalated::Exhausted)),
            'C' => Some(Heard::Connected),
            'N' => Some(Heard::NotConnected),
            'H' => Some(Heard::HungUp),
            'B' => Some(Heard::Broken(Broken::Book)),
            'X' => Some(Heard::Broken(Broken::Everything)),
            other => panic!("no such letter: {other}"),
        };
        if let Some(heard) = heard {
            self.run.hear(self.now, heard);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(order) = self.run.poll() {
            let line = match &order {
                Do::Say { id, words, .. } => {
                    self.saying = Some(*id);
                    let text = if words.private {
                        "‹private›".to_owned()
                    } else {
                        words.text()
                    };
                    let short: String = text.chars().take(40).collect();
                    format!("say \"{short}{}\"", if short.len() < text.len() { "…" } else { "" })
                }
                Do::RecordClip { id, field, .. } => {
                    self.clip = Some(*id);
                    format!("clip {}", field.name())
                }
                Do::EndClip { .. } => "end clip".to_owned(),
                Do::Keep { id, message } => {
                    self.keeping = Some(*id);
                    let missing: Vec<&str> = message.missing.iter().map(|field| field.name()).collect();
                    let cut_off = if message.cut_off { " cut off" } else { "" };
                    format!("keep {}{cut_off} {:?} missing {missing:?}", message.kind, message.marks)
                }
                Do::Escalate {
                    ladder,
                    message,
                    connect,
                    ..
                } => format!(
                    "escalate to {ladder}{}{}",
                    if message.is_some() { " with message" } else { "" },
                    if *connect { "" } else { " to call back" }
                ),
                Do::Connect { to, .. } => format!("connect {to}"),
                Do::Note(Note::Section(name)) => format!("§ {name}"),
                Do::Note(note) => format!("note {note:?}"),
                other => format!("{other:?}").to_lowercase(),
            };
            self.done.push(line);
        }
    }

    fn since(&mut self) -> String {
        std::mem::take(&mut self.done).join(" · ")
    }

    fn state(&self) -> String {
        let debug = format!("{:?}", self.run.doing);
        debug.split(['(', ' ']).next().unwrap_or_default().to_owned()
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap()
}

#[test]
fn the_figure() {
    // Where each script leads, and what is tried from there.
    let states = [
        ("the greeting", ""),
        ("the menu, being said", "."),
        ("the menu, waiting", ".."),
        ("a red-flag question, just begun", "..1"),
        ("a red-flag question, waiting", "..1."),
        ("the number, waiting", "..2."),
        ("the number, half typed", "..2.512"),
        ("the date, read back", "..2. 1t . 02091984 ."),
        ("the reason, being asked", "..2. 1t . 02091984 1"),
        ("the reason, being spoken", "..2. 1t . 02091984 1 ."),
        ("the details, being kept", "..2. 1t . 02091984 1 . c"),
        ("stay on the line", "..2. 1t . 02091984 1 . ck"),
        ("phones ring", "..2. 1t . 02091984 1 . ck."),
        ("phones ring, a question asked", "..6 k ."),
        ("nobody accepted, still on the line", "..2. 1t . 02091984 1 . ck. E"),
        ("911, being said", "..1..1"),
        ("911, the line open", "..1..1."),
        ("a refill: controlled?", "..4. 1t .c ."),
        ("the sister rings", "..5"),
        ("two people talking", "..5C"),
        ("the net: notice", "X"),
        ("the net: phones ring", "X."),
        ("the net: message asked", "X..E"),
        ("the net: message spoken", "X..E."),
        ("gone, while details were kept", "..3. 1t .H c"),
        ("gone, while phones ring", "..2. 1t . 02091984 1 . ck. H"),
        ("over", "..3. 1t .ck.H"),
    ];
    let mut figure = String::new();
    for (name, script) in states {
        let mut before = Walk::play(script);
        before.since();
        figure += &format!("\n{name}  [{}]\n", before.state());
        for letter in [
            '1', '2', '0', '*', '#', '.', 't', 'k', 'n', 'c', 'q', 'A', 'E', 'C', 'N', 'H', 'B',
        ] {
            let mut walk = Walk::play(script);
            walk.since();
            let (was, timeout) = (walk.state(), walk.run.timeout());
            walk.step(letter);
            let done = walk.since();
            // What changes nothing is absorbed, and not drawn.
            if done.is_empty() && walk.state() == was && walk.run.timeout() == timeout {
                continue;
            }
            figure += &format!("  {letter} ──▶ {:<12} {done}\n", walk.state());
        }
    }
    insta::assert_snapshot!(figure);
}

#[test]
fn a_key_ahead_answers_the_menu_and_never_a_red_flag() {
    // "1" during the greeting is kept for the menu; "11" would be the menu and then a red flag nobody heard.
    let mut walk = Walk::play("1");
    assert_eq!(walk.state(), "Triaging");
    assert!(walk.since().ends_with("say \"Is there chest pain?\""));
    // Half a second into the question: still too soon. A second later: an answer.
    walk.run.hear(walk.now, Heard::Key(Phi::new('1')));
    walk.drain();
    assert_eq!((walk.state().as_str(), walk.since().as_str()), ("Triaging", ""));
    walk.go("1");
    assert_eq!(walk.state(), "Lingering");
}

#[test]
fn a_yes_that_was_not_heard_is_no_permission() {
    let mut small = flow();
    small.sections[MENU].steps.insert(
        2,
        Step {
            act: Act::AskPermissionToRecord,
            only_if: None,
            line: 1,
        },
    );
    let mut walk = Walk::with(small, None);
    walk.go("11");
    let done = walk.since();
    assert!(
        done.contains("note Permission(true)"),
        "the second key came while it was asked: {done}"
    );
    assert_eq!(done.matches("startrecording").count(), 1);
    let mut small = flow();
    small.sections[MENU].steps.insert(
        2,
        Step {
            act: Act::AskPermissionToRecord,
            only_if: None,
            line: 1,
        },
    );
    let mut walk = Walk::with(small, None);
    walk.go("1.t");
    let done = walk.since();
    assert!(
        done.contains("note Permission(false)") && !done.contains("startrecording"),
        "{done}"
    );
}

#[test]
fn keys_during_the_emergency_notice_are_not_acted_on() {
    let mut small = flow();
    small.sections[MENU].steps.insert(
        2,
        Step {
            act: Act::EmergencyNotice(Notice::General),
            only_if: None,
            line: 1,
        },
    );
    let mut walk = Walk::with(small, None);
    walk.go("1");
    walk.since();
    walk.go("12345");
    assert_eq!(walk.since(), "", "said to its end");
    walk.go(".");
    assert_eq!(walk.state(), "Choosing", "the menu asks, nothing was kept");
    assert!(walk.since().starts_with("say \"How can we help?"));
}

#[test]
fn silence_at_a_red_flag_is_urgent_and_asks_nothing_more() {
    let mut walk = Walk::play("..1.");
    walk.since();
    walk.go("t.t.t k. k");
    insta::assert_snapshot!(walk.since().replace(" · ", "\n"), @r#"
    say "Is there chest pain? Press 1 for yes, or…"
    say "Is there chest pain?"
    note Answered { question: "chest", answer: Unclear }
    note Disposition { level: Urgent, question: None }
    § doctor
    keep urgent call [] missing ["patient date of birth", "reason"]
    say "Please stay on the line."
    escalate to doctor on call with message
    "#);
}

#[test]
fn an_urgent_caller_who_falls_silent_elsewhere_is_put_through() {
    let mut flow = flow();
    flow.every_question.press_zero = Some(SectionId(MENU));
    let mut walk = Walk::with(flow, Some("+15125550199"));
    // Fever, so urgent; instead of the number 0, which leads to the menu; there nothing more.
    walk.go("..1.2.1.0");
    walk.since();
    walk.go("....t.t.t k. k");
    insta::assert_snapshot!(walk.since().replace(" · ", "\n"), @r#"
    say "How can we help? For a symptom, press 1.…"
    say "I did not hear a key. How can we help? F…"
    say "I did not hear a key. For a symptom, pre…"
    note Chose { question: "How can we help?", choice: Silence }
    § doctor
    keep urgent call [] missing ["patient date of birth", "reason"]
    say "Please stay on the line."
    escalate to doctor on call with message
    "#);
}

#[test]
fn without_a_number_the_quiet_caller_is_asked_for_one() {
    let mut walk = Walk::calling(None);
    walk.go("..1.t.t.t");
    assert!(
        walk.since()
            .ends_with("say \"Please enter the ten digit number where …\"")
    );
    walk.go(".t.t");
    assert!(
        walk.since()
            .contains(r#"missing ["callback number", "patient date of birth", "reason"]"#)
    );
}

#[test]
fn two_silences_end_the_asking() {
    let mut walk = Walk::play("..2.");
    walk.since();
    walk.go("t.t");
    let done = walk.since();
    assert!(
        done.ends_with(r#"keep urgent call [] missing ["patient date of birth", "reason"]"#),
        "{done}"
    );
}

#[test]
fn a_number_is_confirmed_or_marked() {
    let mut walk = Walk::play("..3. 5125550142");
    assert!(walk.since().ends_with("say \"‹private›\""));
    // "No, again", twice more, and then the patience ends.
    walk.go("2 5125550143 2 5125550144 2 .c");
    let done = walk.since();
    assert!(
        done.contains(r#"keep office message ["call-back number not confirmed"] missing []"#),
        "{done}"
    );
    let mut walk = Walk::play("..3. 9115550142 .5125550142 1 .c");
    let done = walk.since();
    assert!(
        done.contains("That is not a ten digit telephone number") && done.contains("keep office message []"),
        "{done}"
    );
}

#[test]
fn one_then_ten_digits_is_a_number_and_a_lone_one_is_this_number() {
    let mut walk = Walk::play("..3. 15125550142");
    assert!(
        walk.since().ends_with("say \"‹private›\""),
        "read back, not taken for \"this number\""
    );
    let mut walk = Walk::play("..3. 1");
    walk.since();
    walk.go("t");
    assert!(walk.since().starts_with("say \"After the tone"));
}

#[test]
fn what_was_told_once_is_not_asked_again() {
    // The number goes into the office message; then 0 for a doctor: the urgent call does not ask for it again.
    let mut walk = Walk::play("..3. 1t");
    walk.since();
    walk.go("0");
    let done = walk.since();
    assert!(
        done.contains("§ doctor") && done.ends_with("say \"Please enter the patient's date of birth…\""),
        "{done}"
    );
}

#[test]
fn nothing_is_promised_and_nobody_rings_before_it_is_kept() {
    let mut walk = Walk::play("..2. 1t . 02091984 1 . c");
    assert!(!walk.since().contains("escalate"));
    walk.go("n");
    let done = walk.since();
    assert!(done.contains("note SafetyNet(Broken(Book))"), "{done}");
    walk.go(". .");
    assert!(
        walk.since().contains("escalate to doctor on call"),
        "the net rings all the same"
    );
    // The book never answers: the same, after five seconds.
    let mut walk = Walk::play("..2. 1t . 02091984 1 . c");
    walk.since();
    walk.go("t");
    assert!(walk.since().contains("note SafetyNet(Broken(Book))"));
}

#[test]
fn the_crisis_caller_may_leave_by_a_key_and_is_kept_company() {
    let mut walk = Walk::play("..6");
    walk.since();
    walk.go("k");
    assert_eq!(
        walk.since(),
        "escalate to doctor on call with message · say \"For something that can wait, press 3.\""
    );
    walk.go(".1");
    assert!(
        walk.since().contains("keep call back [] missing []"),
        "the answer is added to the message"
    );
    walk.go("t");
    assert!(walk.since().starts_with("say \"I am still trying"));
    walk.go("3");
    let done = walk.since();
    assert!(done.starts_with("hush · leaveescalation · note Chose"), "{done}");
    assert!(done.contains("§ message"), "{done}");
    // Somebody accepts now: they get the number, the caller is not torn from what they are doing.
    walk.go("A");
    assert_eq!(walk.since(), "");
}

#[test]
fn music_plays_between_the_words_and_ends_with_the_waiting() {
    let waits = || {
        let mut flow = flow();
        for step in flow.sections.iter_mut().flat_map(|section| &mut section.steps) {
            if let Act::Escalate { while_waiting, .. } = &mut step.act {
                *while_waiting = Waiting::HoldMusic;
            }
        }
        let mut walk = Walk::with(flow, Some("+15125550199"));
        walk.go("..2.t.t k.k");
        walk.since();
        walk
    };
    let mut walk = waits();
    // It ends and begins again; after 15 seconds a voice; then music again, until somebody accepts.
    walk.go("..tt.A");
    insta::assert_snapshot!(walk.since().replace(" · ", "\n"), @r#"
    say "♪"
    say "♪"
    say "♪"
    say "I am still trying to reach someone for y…"
    say "♪"
    hush
    bridge
    "#);
    // Music that ends as it begins, since nobody has the sound, is not begun again and again.
    let mut walk = waits();
    walk.go(".");
    assert_eq!(walk.since(), "say \"♪\"");
    let music = walk.saying.take().unwrap();
    walk.run.hear(walk.now, Heard::Said(music));
    walk.drain();
    assert_eq!(walk.since(), "");
}

#[test]
fn somebody_accepts_while_the_caller_is_told_that_nobody_did() {
    let mut walk = Walk::play("..2. 1t . 02091984 1 . ck. E");
    walk.since();
    walk.go("A");
    assert_eq!(
        (walk.since().as_str(), walk.state().as_str()),
        ("hush · bridge", "Bridged")
    );
    walk.now = later(walk.now, 60);
    walk.go("N");
    assert_eq!(walk.since(), "hangup · note Outcome(Connected { to: \"Dr. Okafor\" })");
}

#[test]
fn a_bridge_that_falls_apart_at_once_was_no_conversation() {
    let mut walk = Walk::play("..2. 1t . 02091984 1 . ck. A");
    walk.since();
    walk.go("N");
    assert!(walk.since().starts_with("§ trouble"));
}

#[test]
fn a_circle_ends_in_the_net_with_a_warning() {
    let mut walk = Walk::play("..7");
    let done = walk.since();
    assert!(
        done.contains("note SafetyNet(TooLong)") && done.ends_with("say \"This call has lasted a long time. I will…\"")
    );
    walk.go(". .");
    assert!(walk.since().contains("escalate to doctor on call"));
}

#[test]
fn a_section_without_an_ending_ends_in_the_net() {
    let mut walk = Walk::play("..8");
    assert!(walk.since().contains("note SafetyNet(DeadEnd)"));
}

#[test]
fn an_hour_is_enough() {
    let mut walk = Walk::play("..");
    walk.since();
    walk.now = later(walk.now, 3600);
    walk.run.hear(walk.now, Heard::Time);
    walk.drain();
    assert!(walk.since().contains("note SafetyNet(TooLong)"));
    // A conversation is as long as it is.
    let mut walk = Walk::play("..5C");
    assert_eq!(walk.run.timeout(), None);
    walk.now = later(walk.now, 7200);
    walk.go("t");
    assert_eq!(walk.state(), "Bridged");
}

#[test]
fn conditions_ask_what_the_call_knows() {
    let mut small = flow();
    let is = |thing, value: &str| {
        Some(Condition {
            clauses: vec![Clause::Is {
                thing,
                not: false,
                value: value.to_owned(),
            }],
        })
    };
    let say = |text: &str, only_if| Step {
        act: Act::Say {
            words: words(text),
            can_be_skipped: true,
        },
        only_if,
        line: 1,
    };
    let under = Some(Condition {
        clauses: vec![Clause::Compare {
            thing: Thing::PatientAge,
            how: Comparison::Under,
            amount: Amount::Minutes(90 * 24 * 60),
        }],
    });
    let fact = |fact| {
        Some(Condition {
            clauses: vec![Clause::Fact(fact)],
        })
    };
    small.sections[MENU].steps = vec![
        Step {
            act: Act::Remember {
                name: "age group".to_owned(),
                value: "a baby".to_owned(),
            },
            only_if: None,
            line: 1,
        },
        say("Known.", is(Thing::Remembered("age group".to_owned()), "A baby")),
        say("Wrong.", is(Thing::Remembered("age group".to_owned()), "a child")),
        say("Wrong.", is(Thing::CallerState, "Texas")),
        say("Sunday.", is(Thing::Day, "Sunday")),
        say("Down.", fact(Fact::RecordsDown)),
        say("Wrong.", fact(Fact::OfficeOpen)),
        Step {
            act: Act::Ask {
                field: Field::PatientDateOfBirth,
                if_no_answer: None,
            },
            only_if: None,
            line: 1,
        },
        say("Newborn.", under),
        Step {
            act: Act::HangUp,
            only_if: None,
            line: 1,
        },
    ];
    let mut walk = Walk::with(small, None);
    walk.go("... . 11012026 1.");
    insta::assert_snapshot!(walk.since().replace(" · ", "\n"), @r#"
    § menu
    say "Known."
    say "Sunday."
    say "Down."
    say "Please enter the patient's date of birth…"
    say "‹private›"
    note Chose { question: "if patient age is under 3 months", choice: Yes }
    say "Newborn."
    hangup
    note Outcome(Ended)
    "#);
}

/// The small flow with every ladder otherwise, as far as a caller who presses 2, says nothing more, and is rung for.
fn rung_for(change: impl Fn(&mut Act)) -> Walk {
    let mut flow = flow();
    for step in flow.sections.iter_mut().flat_map(|section| &mut section.steps) {
        if matches!(step.act, Act::Escalate { .. }) {
            change(&mut step.act);
        }
    }
    let mut walk = Walk::with(flow, Some("+15125550199"));
    walk.go("..2.t.t k.k");
    walk.since();
    walk
}

#[test]
fn a_sentence_that_may_not_be_skipped_is_said_to_its_end() {
    let hello = |skipped| {
        let mut flow = flow();
        flow.sections[MENU].steps[1].act = Act::Say {
            words: words("Hello."),
            can_be_skipped: skipped,
        };
        let mut walk = Walk::with(flow, None);
        walk.since();
        walk.go("2");
        (walk.since().contains("§ doctor"), walk)
    };
    assert!(hello(true).0, "the key skips, and answers the menu");
    let (skips, mut walk) = hello(false);
    assert!(!skips);
    walk.go(".");
    assert!(walk.since().contains("§ doctor"), "the key was kept for the menu");
}

#[test]
fn whoever_accepts_may_call_back_instead() {
    let mut walk = rung_for(|act| {
        if let Act::Escalate { if_accepted, .. } = act {
            *if_accepted = IfAccepted::TheyCallBack;
        }
    });
    walk.go("AH");
    let done = walk.since();
    assert!(!done.contains("bridge"), "{done}");
    assert!(
        done.ends_with("note Outcome(CallingBack { person: \"Dr. Okafor\" })"),
        "{done}"
    );
}

#[test]
fn a_ladder_that_stops_with_the_caller_is_rung_no_more() {
    let hangs_up = |rule| {
        let mut walk = rung_for(|act| {
            if let Act::Escalate {
                if_the_caller_hangs_up, ..
            } = act
            {
                *if_the_caller_hangs_up = rule;
            }
        });
        walk.go("H");
        (walk.state(), walk.since())
    };
    let (state, done) = hangs_up(IfCallerHangsUp::Stop);
    assert!(
        state == "Over" && done.ends_with("note Outcome(CallerHungUp)"),
        "{done}"
    );
    let (state, done) = hangs_up(IfCallerHangsUp::KeepGoing);
    assert!(
        state == "Parting" && !done.contains("Outcome"),
        "the ladder goes on alone: {done}"
    );
}

#[test]
fn quiet_and_calm_words_come_every_fifteen_seconds() {
    for (waiting, says) in [
        (Waiting::Quiet, "say \"I am still trying to reach someone for y…\""),
        (Waiting::CalmWords, "say \"I am still here with you. I am reaching …\""),
    ] {
        let mut walk = rung_for(|act| {
            if let Act::Escalate { while_waiting, .. } = act {
                *while_waiting = waiting;
            }
        });
        let since = walk.now;
        walk.go("t");
        assert_eq!((walk.since().as_str(), later(since, 15)), (says, walk.now));
    }
}

#[test]
fn a_key_of_the_waiting_is_remembered() {
    let mut choice = choice('3', "a bill", MENU);
    choice.remember = Some(("about".to_owned(), "a bill".to_owned()));
    let mut walk = rung_for(|act| {
        if let Act::Escalate { or_press, .. } = act {
            *or_press = Some(choice.clone());
        }
    });
    walk.go("3");
    let done = walk.since();
    assert!(done.contains("leaveescalation") && done.contains("§ menu"), "{done}");
    assert!(walk.run.scene.memory().contains("a bill"));
}

#[test]
fn the_key_of_the_way_out_is_a_digit_of_a_number_and_the_way_out_when_nothing_follows_it() {
    let asked = |field: Field, keys: &str| {
        let mut walk = rung_for(|act| {
            if let Act::Escalate {
                or_press,
                meanwhile_ask,
                ..
            } = act
            {
                *or_press = Some(choice('3', "a bill", MENU));
                *meanwhile_ask = vec![field];
            }
        });
        walk.go(".");
        walk.since();
        walk.go(keys);
        walk.since()
    };
    let left = |done: &str| done.contains("leaveescalation") && done.contains("§ menu");
    let born = Field::PatientDateOfBirth;
    assert!(!left(&asked(born, "3")), "more digits may follow");
    assert!(left(&asked(born, "3t")), "nothing followed");
    let date = asked(born, "03311984");
    assert!(date.contains("say \"‹private›\"") && !left(&date), "{date}");
    let slip = asked(born, "33t");
    assert!(
        !left(&slip) && slip.contains("date"),
        "two digits are a date that went wrong: {slip}"
    );
    // An age of three is an answer.
    assert!(!left(&asked(Field::PatientAge, "3t")));
    // Whoever is asked to speak types no digit.
    assert!(left(&asked(Field::Reason, "3")));
    assert!(
        left(&asked(Field::Reason, ".3")),
        "in the middle of the words they speak, too"
    );
}

#[test]
fn a_line_is_rung_as_long_and_shown_what_the_flow_says() {
    let connects = |ring, shows| {
        let mut flow = flow();
        if let Act::Connect { ring_for, show, .. } = &mut flow.sections[SISTER].steps[0].act {
            (*ring_for, *show) = (Duration::from_secs(ring), shows);
        }
        let mut walk = Walk::with(flow, Some("+15125550199"));
        walk.go("..");
        walk.run.hear(later(walk.now, 1), Heard::Key(Phi::new('5')));
        let told = std::iter::from_fn(|| walk.run.poll()).find_map(|order| match order {
            Do::Connect { ring_for, show, .. } => Some((ring_for.as_secs(), show)),
            _ => None,
        });
        // Nobody tells how it ended: given up when the ringing is over.
        let due = walk.run.timeout().map(|due| due.duration_since(walk.now).as_secs());
        (told, due)
    };
    assert_eq!(
        connects(12, Show::CallerNumber),
        (Some((12, Show::CallerNumber)), Some(1 + 12 + 10))
    );
    assert_eq!(
        connects(40, Show::PracticeNumber),
        (Some((40, Show::PracticeNumber)), Some(1 + 40 + 10))
    );
}

#[test]
fn each_emergency_notice_has_its_own_words() {
    for (notice, says) in [
        (Notice::General, "medical emergency"),
        (Notice::BehavioralHealth, "988"),
        (Notice::Obstetric, "bleeding"),
    ] {
        let mut flow = flow();
        flow.sections[MENU].steps[1].act = Act::EmergencyNotice(notice);
        let mut walk = Walk::with(flow, None);
        let said = Phrase::notice(notice).text(Language::English);
        assert!(said.contains(says) && said.contains("911"), "{said}");
        let begins: String = said.chars().take(40).collect();
        assert!(walk.since().contains(&begins));
    }
}

#[test]
fn a_message_without_audio_asks_for_no_clip_and_carries_its_mark() {
    let mut flow = flow();
    let kind = flow.messages.get_mut("office message").expect("a message");
    (kind.keep_audio, kind.mark_as) = (false, Some("lab".to_owned()));
    let mut walk = Walk::with(flow, Some("+15125550199"));
    walk.go("..3.1t");
    let done = walk.since();
    assert!(!done.contains("clip reason"), "{done}");
    assert!(
        done.ends_with("keep office message [\"lab\"] missing [\"reason\"]"),
        "{done}"
    );
}

#[test]
fn what_the_desk_knows_beforehand_decides_and_what_nobody_knows_is_no() {
    let known = |beforehand: Beforehand| {
        let mut flow = flow();
        let when = |clause: Clause, text: &str| Step {
            act: Act::Say {
                words: words(text),
                can_be_skipped: true,
            },
            only_if: Some(Condition { clauses: vec![clause] }),
            line: 1,
        };
        let age = |known| Clause::Known {
            thing: Thing::PatientAge,
            known,
        };
        flow.sections[MENU].steps = vec![
            when(Clause::Fact(Fact::CalledLately), "Again."),
            when(Clause::Fact(Fact::NobodyOnCall), "A gap."),
            when(age(false), "Of any age."),
            when(age(true), "Of some age."),
        ];
        let caller = Caller {
            number: None,
            line: "main line".to_owned(),
            beforehand,
        };
        let mut run = Run::start(Arc::new(practice()), Arc::new(flow), caller, START.parse().unwrap());
        let mut said = Vec::new();
        while let Some(order) = run.poll() {
            if let Do::Say { id, words, .. } = order {
                said.push(words.text());
                run.hear(START.parse().unwrap(), Heard::Said(id));
            }
            if said.len() > 3 {
                break;
            }
        }
        said.retain(|words| words.len() < 15);
        said
    };
    let nothing = known(Beforehand::default());
    assert_eq!(nothing, ["Of any age."]);
    let both = Beforehand {
        nobody_on_call: Some(true),
        called_lately: Some(true),
        ..Beforehand::default()
    };
    assert_eq!(known(both), ["Again.", "A gap.", "Of any age."]);
    let neither = Beforehand {
        nobody_on_call: Some(false),
        called_lately: Some(false),
        ..Beforehand::default()
    };
    assert_eq!(known(neither), ["Of any age."]);
}

#[test]
fn a_disk_or_a_voice_that_fails_ends_no_call() {
    // Without recordings no clip is asked for, nothing is recorded, and the message is kept as far as it goes.
    let mut walk = Walk::new();
    walk.run.hear(walk.now, Heard::Broken(Broken::Recordings));
    walk.go("..3.1t");
    let done = walk.since();
    assert!(
        !done.contains("SafetyNet") && done.contains("keep office message"),
        "{done}"
    );
    // Records are a matter of their own verbs.
    walk.run.hear(walk.now, Heard::Broken(Broken::Records));
    walk.drain();
    assert!(!walk.since().contains("SafetyNet"));
    // Without a voice, and without the book, the net rings.
    for broken in [Broken::Speech, Broken::Book, Broken::Everything] {
        let mut walk = Walk::play("..");
        walk.run.hear(walk.now, Heard::Broken(broken));
        walk.drain();
        walk.go("..");
        let done = walk.since();
        assert!(
            done.contains(&format!("note SafetyNet(Broken({broken:?}))"))
                && done.contains("escalate to doctor on call"),
            "{done}"
        );
    }
}

#[test]
fn every_question_waits_and_asks_as_the_flow_says() {
    for (wait, ask_again) in [(4, 1), (9, 3)] {
        let mut flow = flow();
        flow.every_question.wait = Duration::from_secs(wait);
        flow.every_question.ask_again = ask_again;
        let mut walk = Walk::with(flow, None);
        walk.go("..");
        walk.since();
        for _ in 0..ask_again {
            let due = walk.run.timeout().map(|due| due.duration_since(walk.now).as_secs());
            assert_eq!(due, i64::try_from(wait).ok());
            walk.go("t");
            let done = walk.since();
            assert!(done.starts_with("say \"I did not hear a key."), "{done}");
            walk.go(".");
        }
        walk.go("t");
        let done = walk.since();
        assert!(done.contains("§ message"), "{done}");
    }
}
