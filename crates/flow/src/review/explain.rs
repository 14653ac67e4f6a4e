//! The flow as a written protocol: what counts as urgent, where messages go, how long a caller waits (P11, TRI-15, MSG-10).

use std::sync::Arc;
use std::time::Duration;

use super::page::{Document, Page, Row};
use super::read::protocols;
use super::wording::{self, heading, section};
use crate::model::{Act, Flow, Level, Practice, SectionId, Source, Target};
use crate::proof::{Awaits, Bounds, Length, Reach, Roads, bounds, longest_way};
use crate::rehearse::measured;
use crate::words::Language;

/// What counts as urgent, in writing, and where it goes.
pub fn urgent(practice: &Practice) -> Document {
    let mut document = Document {
        title: format!("What counts as urgent at {}", practice.name),
        front: vec![Row::new(
            "In short",
            "Questions are asked most urgent first. The first yes decides. Silence is never taken for a no.",
        )],
        pages: Vec::new(),
    };
    for flow in &practice.flows {
        for protocol in protocols(flow) {
            let Some(leads) = leads(flow, &protocol.file) else {
                continue;
            };
            let mut page = Page::new(format!("{}: {}", flow.name, protocol.name));
            for level in [Level::Emergency, Level::Urgent, Level::SemiUrgent] {
                let questions: Vec<String> = protocol
                    .questions
                    .iter()
                    .filter(|question| question.level == level)
                    .map(|question| {
                        let only_if = question.only_if.as_ref().map_or_else(String::new, |only_if| {
                            format!(" (only if {})", wording::condition(only_if))
                        });
                        format!("{}{only_if}", question.words.text(Language::English))
                    })
                    .collect();
                page.row(heading(level.name()), questions.join("\n"));
                page.row("", format!("→ {}", becomes(practice, flow, leads(level))));
            }
            page.row(
                "Every answer no",
                format!(
                    "{} → {}",
                    heading(protocol.if_every_answer_is_no.name()),
                    becomes(practice, flow, leads(protocol.if_every_answer_is_no))
                ),
            );
            page.row(
                "Unclear, silent",
                format!(
                    "{} → {}",
                    heading(protocol.if_unclear.name()),
                    becomes(practice, flow, leads(protocol.if_unclear))
                ),
            );
            page.signed_by = Some(format!(
                "{}, {}; to be reviewed by {}",
                protocol.approval.by, protocol.approval.on, protocol.approval.review_by
            ));
            document.pages.push(page);
        }
        let straight = without_triage(practice, flow);
        if !straight.rows.is_empty() {
            document.pages.push(straight);
        }
    }
    document
}

/// Who is on call, where that stands, and how each person is reached (FLW-07). Private numbers are left out: the paper is filed.
pub fn on_call(practice: &Practice) -> Document {
    let mut roles = Page::new("Who is on call".to_owned());
    for (role, source) in &practice.on_call.roles {
        let source = match source {
            Source::Person(name) => format!("{name}, always"),
            Source::Feed { from, .. } => format!("as {from} has it"),
        };
        roles.row(heading(role), source);
    }
    roles.row(
        "Nobody listed",
        format!("{} answers for every gap.", practice.on_call.if_nobody),
    );
    roles.row(
        "Alarm",
        format!("{} before a gap.", wording::time(practice.on_call.before_a_gap())),
    );
    let mut ladders = Page::new("How they are reached".to_owned());
    for (name, ladder) in &practice.ladders {
        let pass = format!("{} accepts, {} passes it on", ladder.accept_with, ladder.pass_with);
        ladders.row(
            heading(name),
            format!(
                "Rings {}.\nThey hear: {} (key {pass}; picking up, or a voicemail, never accepts)",
                wording::ladder(practice, name),
                ladder.they_hear.text(Language::English)
            ),
        );
    }
    let mut people = Page::new("People".to_owned());
    for (name, person) in &practice.people {
        let page = person
            .page
            .as_ref()
            .map_or_else(String::new, |page| format!(" and {}", page.how));
        people.row(name.clone(), format!("{}, by telephone{page}", person.role));
    }
    Document {
        title: format!("Who is on call at {}, and how they are reached", practice.name),
        front: Vec::new(),
        pages: vec![roles, ladders, people],
    }
}

/// The written protocol of a practice: what is urgent, who is on call and how they are reached, where messages go, how long a
/// caller waits at worst; who approved it, and when it is to be looked at again (J2, FLW-05, FLW-07, P11).
pub fn protocol(practice: &Arc<Practice>, length: &dyn Length, calls: u32) -> Document {
    let front = practice.flows.iter().map(|flow| {
        let approval = &flow.approval;
        let told = format!(
            "{}, version {}, approved by {} on {}; to be reviewed by {}",
            flow.name, flow.version, approval.by, approval.on, approval.review_by
        );
        Row::new("Approval", told)
    });
    let parts = [
        urgent(practice),
        on_call(practice),
        delivery(practice),
        worst_times(practice, length, calls),
    ];
    let pages = parts.into_iter().flat_map(|part| {
        let mut before = Page::new(part.title);
        before.rows = part.front;
        Some(before)
            .filter(|page| !page.rows.is_empty())
            .into_iter()
            .chain(part.pages)
    });
    Document {
        title: format!("The telephone of {} when nobody is in the office", practice.name),
        front: front.collect(),
        pages: pages.collect(),
    }
}

/// Where each kind of message goes, by which way, and how it is kept.
pub fn delivery(practice: &Practice) -> Document {
    let mut document = Document {
        title: format!("Where messages go at {}", practice.name),
        front: vec![
            Row::new(
                "Kept",
                "Every message is sealed (AES-256-GCM) in the house's own book before anything is promised; what the caller \
                 says is kept as sealed audio.",
            ),
            Row::new(
                "Notices",
                "A notice names the practice, the urgency and the time, and nothing about the patient.",
            ),
        ],
        pages: Vec::new(),
    };
    for flow in &practice.flows {
        let mut page = Page::new(flow.name.clone());
        for kind in flow.messages.values() {
            let to = match &kind.goes_to {
                Target::Ladder(name) => format!(
                    "{}; rung until a person accepts by key",
                    wording::target(practice, &Target::Ladder(name.clone()))
                ),
                Target::Inbox(name) => {
                    let told = practice.inboxes.get(name).map(|inbox| {
                        let by = |person: &str| {
                            let page = practice.people.get(person).and_then(|person| person.page.as_ref());
                            page.map_or_else(|| "by telephone".to_owned(), |page| format!("by {}", page.how))
                        };
                        let then = inbox.then_tell.as_ref().map_or_else(String::new, |next| {
                            let after = inbox
                                .if_unclaimed_after
                                .map_or_else(String::new, |after| format!(" after {}", wording::time(after)));
                            format!("; unclaimed{after}: {next}, {}", by(next))
                        });
                        format!("{} is told, {}{then}", inbox.tell, by(&inbox.tell))
                    });
                    format!("{name}: {}", told.unwrap_or_default())
                }
            };
            let call_back = kind.call_back_by.map_or_else(
                || "none is promised".to_owned(),
                |by| format!("by {}", wording::promise(by)),
            );
            let audio = if kind.keep_audio { "" } else { "\nNo audio is kept." };
            page.row(
                heading(&kind.name),
                format!(
                    "Asks: {}\nTo: {to}\nCall back: {call_back}{audio}",
                    wording::fields(&kind.ask)
                ),
            );
        }
        document.pages.push(page);
    }
    document
}

/// How long a caller waits at worst for each thing that helps: proved over every way through each flow, and beside it the
/// longest that so many simulated strangers waited (P3).
pub fn worst_times(practice: &Arc<Practice>, length: &dyn Length, calls: u32) -> Document {
    let mut document = Document {
        title: format!("How long callers of {} wait at worst", practice.name),
        front: vec![
            Row::new(
                "At once",
                "A caller who hears every sentence once and answers at once, and a first telephone that is picked up.",
            ),
            Row::new(
                "At worst",
                "The slowest caller on the longest way: lets every wait run out, types each digit just before it is too \
                 late, denies what is read back; every telephone rings to its end. Who asks to hear things again, or goes \
                 round, waits as long as they like.",
            ),
            Row::new(
                "Measured",
                format!("The longest of {calls} simulated random callers of each kind, walked through the engine."),
            ),
        ],
        pages: Vec::new(),
    };
    for flow in &practice.flows {
        let mut page = Page::new(flow.name.clone());
        let (at_once, at_worst) = (
            at_once(practice, flow, length),
            in_every_language(practice, flow, length, Reach::Slowest),
        );
        let seen = |reach: Reach| measured(practice, flow, length, reach, calls, u64::from(calls));
        let (seen_at_once, seen_at_worst) = (seen(Reach::Attentive), seen(Reach::Slowest));
        for (what, awaits) in [
            ("Told to call 911", Awaits::Direction),
            ("First ring", Awaits::Ring),
            ("A person", Awaits::Person),
        ] {
            let roads = Roads::of(practice, flow, Language::English, length);
            let Some(worst) = at_worst.seconds(awaits) else {
                page.row(what, "No way of this flow leads there.");
                continue;
            };
            let row = |bound: Option<f64>, seen: Option<f64>| match (bound, seen) {
                (Some(bound), Some(seen)) => format!("{} (measured {})", long(bound), long(seen)),
                (Some(bound), None) => long(bound),
                (None, _) => "only after a wait".to_owned(),
            };
            let way = longest_way(&roads, Reach::Slowest, awaits);
            page.row(
                what,
                format!(
                    "At once: {}\nAt worst: {}\nThe longest way: the caller {}",
                    row(at_once.seconds(awaits), seen_at_once.seconds(awaits)),
                    row(Some(worst), seen_at_worst.seconds(awaits)),
                    in_short(&way),
                ),
            );
        }
        document.pages.push(page);
    }
    document
}

/// How long a caller waits who hears every sentence once and answers at once, at most, in whichever language.
pub fn at_once(practice: &Practice, flow: &Flow, length: &dyn Length) -> Bounds {
    in_every_language(practice, flow, length, Reach::Attentive)
}

fn in_every_language(practice: &Practice, flow: &Flow, length: &dyn Length, reach: Reach) -> Bounds {
    let each = flow.languages.iter().map(|&language| {
        let roads = Roads::of(practice, flow, language, length);
        bounds(&roads, reach)
    });
    each.fold(Bounds::default(), Bounds::max)
}

/// A way in a line or two: questions answered alike are counted.
fn in_short(way: &[String]) -> String {
    if way.is_empty() {
        return "only listens".to_owned();
    }
    let no = |step: &String| step.starts_with("answers no to ");
    let told: Vec<String> = way
        .chunk_by(|a, b| no(a) && no(b))
        .flat_map(|alike| match alike {
            [_, _, ..] => vec![format!("answers no to {} questions", alike.len())],
            one => one.to_vec(),
        })
        .collect();
    told.join(", then ")
}

/// `95 s`, `12 min 5 s`
fn long(seconds: f64) -> String {
    // Rounded up: a bound must not be told shorter than it is.
    let whole = Duration::from_secs_f64(seconds.max(0.0).ceil()).as_secs();
    match (whole / 60, whole % 60) {
        (0 | 1, _) => format!("{whole} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// Where the levels of a protocol lead in a flow.
fn leads(flow: &Flow, file: &str) -> Option<impl Fn(Level) -> SectionId + use<>> {
    let steps = flow.sections.iter().flat_map(|section| &section.steps);
    steps
        .filter_map(|step| match &step.act {
            Act::Triage {
                protocol,
                if_emergency,
                if_urgent,
                if_semi_urgent,
                if_routine,
            } if protocol.file == file => Some((*if_emergency, *if_urgent, *if_semi_urgent, *if_routine)),
            _ => None,
        })
        .next()
        .map(|(emergency, urgent, semi_urgent, routine)| {
            move |level: Level| level.choose(emergency, urgent, semi_urgent, routine)
        })
}

/// What happens to a caller who is sent to a section, in one sentence.
fn becomes(practice: &Practice, flow: &Flow, id: SectionId) -> String {
    let mut does = Vec::new();
    for step in &flow.section(id).steps {
        match &step.act {
            Act::TellToCall911 => does.push("is told to hang up and call 911, twice".to_owned()),
            Act::Escalate { ladder, .. } => {
                does.push(format!("waits while we ring {}", wording::ladder(practice, ladder)))
            }
            Act::Connect { to, .. } | Act::Transfer { to, .. } => does.push(format!("is connected to {to}")),
            Act::TakeMessage(name) | Act::TakeRefill(name) => {
                let by = flow.messages.get(name).and_then(|kind| kind.call_back_by);
                let by = by.map_or_else(String::new, |by| format!(" and is called by {}", wording::promise(by)));
                does.push(format!("leaves a message ({name}){by}"));
            }
            Act::Collect(name) => does.push(format!("leaves details ({name}) in case the line is cut")),
            Act::RecordMessage { .. } => does.push("leaves a spoken message".to_owned()),
            Act::GoTo(to) if does.is_empty() && step.only_if.is_none() => {
                does.push(format!("goes to {}", section(flow, *to)))
            }
            _ => {}
        }
    }
    let does = if does.is_empty() {
        "goes on".to_owned()
    } else {
        does.join(", then ")
    };
    format!("{}: the caller {does}.", section(flow, id))
}

/// Keys and answers that ring a person, or tell the caller to call 911, without any triage question.
fn without_triage(practice: &Practice, flow: &Flow) -> Page {
    let mut page = Page::new(format!("{}: without a triage question", flow.name));
    let strong = |id: SectionId| {
        flow.section(id).steps.iter().any(|step| {
            matches!(
                step.act,
                Act::TellToCall911 | Act::Escalate { .. } | Act::Connect { .. } | Act::Transfer { .. }
            )
        })
    };
    for part in &flow.sections {
        for step in &part.steps {
            match &step.act {
                Act::Menu(menu) => {
                    for choice in &menu.choices {
                        if let Some(to) = choice.go_to.filter(|to| strong(*to)) {
                            page.row(
                                heading(&part.name),
                                format!(
                                    "{} (key {}) → {}",
                                    choice.label.text(Language::English),
                                    choice.key,
                                    becomes(practice, flow, to)
                                ),
                            );
                        }
                    }
                }
                Act::AskYesOrNo {
                    question,
                    if_yes,
                    if_no,
                    ..
                } => {
                    for (answer, to) in [("yes", if_yes), ("no", if_no)] {
                        if strong(*to) {
                            page.row(
                                heading(&part.name),
                                format!(
                                    "“{}” {answer} → {}",
                                    question.text(Language::English),
                                    becomes(practice, flow, *to)
                                ),
                            );
                        }
                    }
                }
                _ => {}
            }
        }
    }
    page
}
