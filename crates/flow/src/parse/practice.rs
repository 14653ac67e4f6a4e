//! `practice.yaml`: lines, hours, people, ladders, inboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use phi::Phi;

use super::settings::Settings;
use super::speech::Speech;
use super::translations::Translations;
use super::{choice, duration, not_understood, unknown, word_list, words};
use crate::area;
use crate::diagnostic::{Diagnostic, Place, did_you_mean, nearest};
use crate::model::{
    Class, Gap, Inbox, Keep, KeepPaging, Ladder, OnCall, Page, Period, Person, Practice, Records, Rung, Sentence,
    Source,
};
use crate::source::{Kind, Name, Node, normalized};
use crate::time::{Closed, OfficeHours, Span, reading, zone};
use crate::words::Language;

/// How often one rung may be tried.
const TRIES_MAX: u64 = 9;

/// A practice as far as it could be read, and where things stand in its file.
pub(crate) struct PracticeDraft {
    /// What could be read; holes are left out.
    pub(crate) practice: Practice,
    /// The first line.
    pub(crate) at: Place,
    /// Where each ladder begins.
    pub(crate) ladders: BTreeMap<String, Place>,
    /// Where each of its own lines stands.
    pub(crate) lines: BTreeMap<String, Place>,
    /// Where each outside line stands.
    pub(crate) outside_lines: BTreeMap<String, Place>,
    /// Where each person stands.
    pub(crate) people: BTreeMap<String, Place>,
    /// Where `they hear` stands, by ladder.
    pub(crate) they_hear: BTreeMap<String, Place>,
    /// Ladders with a rung that could not be read.
    pub(crate) broken_ladders: BTreeSet<String>,
    /// `closed on:` is stated, if only to say there are none.
    pub(crate) holidays_stated: bool,
    /// Where `keep:` stands.
    pub(crate) keep: Option<Place>,
}

/// Reads the practice file. What has a name keeps it even when the rest of it could not be read, so that a slip in one
/// line does not make every line that names it look wrong.
pub(crate) fn practice(tree: &Node, translations: &Translations, out: &mut Vec<Diagnostic>) -> Option<PracticeDraft> {
    let mut top = Settings::of(tree, "the practice file", out)?;
    super::format(&mut top, out);
    let name = top
        .need("practice", "Nobody could be told whom they have called.", out)
        .and_then(|node| words(node, "practice", out))
        .map(normalized)
        .unwrap_or_default();
    let state = top
        .need("state", "Nobody could tell which law of recording applies.", out)
        .and_then(|node| state(node, out))
        .unwrap_or_default()
        .to_owned();
    let time_zone = time_zone(&mut top, out);
    let languages = languages(&mut top, out);
    let speech = Speech {
        practice: &name,
        languages: &languages,
        translations,
    };
    let lines = numbers(
        top.need("lines", "No call would find this practice.", out),
        "lines",
        false,
        out,
    );
    let outside = numbers(top.take("outside lines"), "outside lines", true, out);
    let (hours, holidays_stated) = office_hours(&mut top, time_zone.clone().unwrap_or(TimeZone::UTC), out);
    let (people, people_at) = people(top.need("people", "There would be nobody to reach.", out), out);
    let on_call = on_call(
        top.need("on call", "There would be nobody to reach.", out),
        &people,
        out,
    );
    let mut ladders_at = BTreeMap::new();
    let mut they_hear_at = BTreeMap::new();
    let mut ladders = BTreeMap::new();
    let mut broken_ladders = BTreeSet::new();
    for (key, node) in named(
        top.need("ladders", "There would be nobody to reach.", out),
        "ladders",
        out,
    ) {
        ladders_at.insert(key.text.clone(), key.at.clone());
        let (ladder, heard_at, whole) = ladder(&key.text, node, &people, &on_call, &speech, out);
        they_hear_at.extend(heard_at.map(|at| (key.text.clone(), at)));
        ladders.insert(key.text.clone(), ladder);
        if !whole {
            broken_ladders.insert(key.text.clone());
        }
    }
    let inboxes = named(top.take("inboxes"), "inboxes", out)
        .into_iter()
        .map(|(key, node)| (key.text.clone(), inbox(&key.text, node, &people, &on_call, out)))
        .collect();
    let records = top.take("records").and_then(|node| records(node, out));
    let keep_node = top.take("keep");
    let keep = keep(keep_node, out);
    let confidentiality = top
        .take("confidentiality")
        .and_then(|node| words(node, "confidentiality", out))
        .map(normalized);
    top.finish(out);
    let practice = Practice {
        name: name.clone(),
        state,
        time_zone: time_zone.unwrap_or(TimeZone::UTC),
        languages: languages.clone(),
        lines: lines
            .iter()
            .map(|(name, (number, _))| (name.clone(), number.clone()))
            .collect(),
        outside_lines: outside
            .iter()
            .map(|(name, (number, _))| (name.clone(), number.clone()))
            .collect(),
        hours,
        people,
        on_call,
        ladders,
        inboxes,
        records,
        keep,
        confidentiality,
        flows: Vec::new(),
        fingerprint: [0; 32],
    };
    Some(PracticeDraft {
        practice,
        at: Place {
            span: tree.at.span.start..tree.at.span.start,
            ..tree.at.clone()
        },
        ladders: ladders_at,
        lines: lines.into_iter().map(|(name, (_, at))| (name, at)).collect(),
        outside_lines: outside.into_iter().map(|(name, (_, at))| (name, at)).collect(),
        people: people_at,
        they_hear: they_hear_at,
        broken_ladders,
        holidays_stated,
        keep: keep_node.map(|node| node.at.clone()),
    })
}

/// F012 when it is missing or no zone.
fn time_zone(top: &mut Settings<'_>, out: &mut Vec<Diagnostic>) -> Option<TimeZone> {
    const SUFFERS: &str =
        "The office would open and close at the wrong hour, and promises would fall on the wrong day.";
    let Some(node) = top.take("time zone") else {
        out.push(Diagnostic::error(
            "F012",
            &top.at,
            "The practice has no time zone.",
            SUFFERS,
            "Add `time zone: America/Chicago`, with the practice's own city.",
        ));
        return None;
    };
    let text = words(node, "time zone", out)?;
    let found = zone(text);
    if found.is_none() {
        out.push(Diagnostic::error(
            "F012",
            &node.at,
            format!("`{}` is not a time zone.", text.trim()),
            SUFFERS,
            "Write continent and city: America/New_York, America/Chicago, America/Denver, America/Phoenix, America/Los_Angeles, America/Anchorage, Pacific/Honolulu.",
        ));
    }
    found
}

fn state(node: &Node, out: &mut Vec<Diagnostic>) -> Option<&'static str> {
    let written = normalized(words(node, "state", out)?);
    let found = area::state_named(&written);
    if found.is_none() {
        out.push(Diagnostic::error(
            "F025",
            &node.at,
            format!("`{written}` is no state we know."),
            "Which law stands behind the question whether a call may be recorded could not be told to anybody who asks.",
            nearest(&written, area::named()).map_or_else(
                || "Write its name or its postal code: `Texas` or `TX`.".to_owned(),
                |near| format!("Did you mean `{near}`?"),
            ),
        ));
    }
    found
}

fn languages(top: &mut Settings<'_>, out: &mut Vec<Diagnostic>) -> Vec<Language> {
    let node = top.need("languages", "Callers could not choose a language.", out);
    let languages = node.map_or_else(Vec::new, |node| read_languages(node, "languages", out));
    if languages.is_empty() {
        vec![Language::English]
    } else {
        languages
    }
}

/// `[English, Spanish]`
pub(crate) fn read_languages(node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Vec<Language> {
    let mut languages = Vec::new();
    for (name, at) in word_list(node, what, out) {
        match Language::named(name) {
            Some(language) if languages.contains(&language) => {}
            Some(language) => languages.push(language),
            None => out.push(not_understood(
                at,
                format!("The engine does not speak `{name}`."),
                &did_you_mean(name, Language::ALL.iter().map(|language| language.name())),
            )),
        }
    }
    if !languages.contains(&Language::English) {
        out.push(not_understood(
            &node.at,
            "Flows are written in English, so English must be among the languages.".to_owned(),
            "Add English; callers choose their language first.",
        ));
    }
    languages
}

/// A map whose names are the author's own.
fn named<'a>(node: Option<&'a Node>, what: &str, out: &mut Vec<Diagnostic>) -> Vec<(&'a Name, &'a Node)> {
    node.and_then(|node| Settings::of(node, what, out))
        .map(|mut settings| settings.rest())
        .unwrap_or_default()
}

fn numbers(
    node: Option<&Node>,
    what: &str,
    short: bool,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<String, (String, Place)> {
    named(node, what, out)
        .into_iter()
        .map(|(key, node)| {
            (
                key.text.clone(),
                (number(node, &key.text, short, out).unwrap_or_default(), node.at.clone()),
            )
        })
        .collect()
}

/// A telephone number as E.164; a short code where those are allowed. Findings never quote the digits.
fn number(node: &Node, what: &str, short: bool, out: &mut Vec<Diagnostic>) -> Option<String> {
    let text = words(node, what, out)?;
    let found = dialled(text, short);
    if found.is_none() {
        out.push(not_understood(
            &node.at,
            format!("The number of `{what}` cannot be dialled."),
            "Write a plus, the country and the number: +1 512 555 0100.",
        ));
    }
    found
}

fn dialled(text: &str, short: bool) -> Option<String> {
    let text = text.trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let plain = text
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '(' | ')' | '.'));
    if !plain {
        return None;
    }
    if let Some(rest) = text.strip_prefix('+') {
        // E.164: at most fifteen digits; in the +1 countries exactly eleven.
        let fits = (8..=15).contains(&digits.len()) && (!digits.starts_with('1') || digits.len() == 11);
        return (!rest.contains('+') && fits).then(|| format!("+{digits}"));
    }
    match digits.len() {
        3..=6 if short => Some(digits),
        10 => Some(format!("+1{digits}")),
        11 if digits.starts_with('1') => Some(format!("+{digits}")),
        _ => None,
    }
}

fn office_hours(top: &mut Settings<'_>, zone: TimeZone, out: &mut Vec<Diagnostic>) -> (OfficeHours, bool) {
    let mut hours = OfficeHours::unstated(zone);
    let mut lunch = top.take("lunch");
    if let Some(mut days) = top.take("hours").and_then(|node| Settings::of(node, "hours", out)) {
        hours.stated = true;
        lunch = days.take("lunch").or(lunch);
        for (key, node) in days.rest() {
            let Some(indices) = days_of(&key.text) else {
                out.push(not_understood(
                    &key.at,
                    format!("`{}` is not a day.", key.text),
                    "Write `Monday`, or `Monday to Thursday`.",
                ));
                continue;
            };
            let spans = spans(node, &key.text, out);
            for index in indices {
                let Some(day) = hours.week.get_mut(index) else { continue };
                day.extend(spans.iter().copied());
                day.sort();
                let overlap = day.iter().zip(day.iter().skip(1)).any(|(a, b)| b.from < a.to);
                if overlap {
                    out.push(contradictory(
                        &key.at,
                        format!("`{}` gives hours that another line gives too.", key.text),
                    ));
                }
                day.dedup();
            }
        }
    }
    if let Some(node) = lunch {
        hours.lunch = spans(node, "lunch", out).first().copied();
    }
    let closed = top.take("closed on");
    if let Some(node) = closed {
        for (text, at) in word_list(node, "closed on", out) {
            match closed_on(text) {
                Some(closed) => hours.closed.push(closed),
                None => out.push(Diagnostic::error(
                    "F012",
                    at,
                    format!("`{text}` is not a closed day."),
                    "On that day callers would be told the office is open.",
                    "Write `US federal holidays`, `2026-11-27`, `2026-12-24 from noon` or `2026-12-24 to 2026-12-26`.",
                )),
            }
        }
    }
    (hours, closed.is_some())
}

fn contradictory(at: &Place, what: String) -> Diagnostic {
    Diagnostic::error(
        "F012",
        at,
        what,
        "Callers would be told the office is open when it is closed, or the other way round.",
        "Give each day its hours once: `8:00 am to 5:00 pm`, or `8 am to noon, 1 pm to 5 pm`.",
    )
}

/// `Monday to Thursday`, `Saturday, Sunday`.
fn days_of(text: &str) -> Option<Vec<usize>> {
    let index = |day: &str| super::condition::weekday(day).map(crate::time::weekday_index);
    if let Some((first, last)) = text.split_once(" to ") {
        let (first, last) = (index(first)?, index(last)?);
        // Saturday to Monday goes round the end of the week.
        let count = (last + 7 - first) % 7 + 1;
        return Some((0..count).map(|ahead| (first + ahead) % 7).collect());
    }
    if matches!(text.trim().to_lowercase().as_str(), "every day" | "daily") {
        return Some((0..7).collect());
    }
    text.split([',', '&'])
        .flat_map(|part| part.split(" and "))
        .map(index)
        .collect()
}

/// `8:00 am to 5:00 pm`, `8 am to noon, 1 pm to 5 pm`, `closed`, `all day`.
fn spans(node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Vec<Span> {
    let texts: Vec<(String, Place)> = word_list(node, what, out)
        .into_iter()
        .flat_map(|(text, at)| {
            text.split(',')
                .map(|text| (text.trim().to_lowercase(), at.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    let mut spans = Vec::new();
    for (text, at) in texts {
        match text.as_str() {
            "closed" => continue,
            "all day" | "24 hours" => spans.push(Span::WHOLE_DAY),
            _ => {
                let read = text
                    .split_once(" to ")
                    .and_then(|(from, to)| Some((reading::clock(from)?, reading::clock(to)?)));
                match read.map(|(from, to)| Span {
                    from,
                    to: if to == 0 { 1440 } else { to },
                }) {
                    Some(span) if span.from < span.to => spans.push(span),
                    Some(_) => out.push(contradictory(&at, format!("`{what}` ends before it begins."))),
                    None => out.push(contradictory(&at, format!("`{text}` is not a span of hours."))),
                }
            }
        }
    }
    spans
}

fn closed_on(text: &str) -> Option<Closed> {
    let text = normalized(text);
    if text.eq_ignore_ascii_case("US federal holidays") {
        return Some(Closed::FederalHolidays);
    }
    let day = |text: &str| text.trim().parse::<jiff::civil::Date>().ok();
    if let Some((date, minute)) = text.split_once(" from ") {
        return Some(Closed::From {
            date: day(date)?,
            minute: reading::clock(minute)?,
        });
    }
    if let Some((date, minute)) = text.split_once(" until ") {
        return Some(Closed::Until {
            date: day(date)?,
            minute: reading::clock(minute)?,
        });
    }
    let (first, last) = match text.split_once(" to ") {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(&text)?, day(&text)?),
    };
    (first <= last).then_some(Closed::Days { first, last })
}

fn people(node: Option<&Node>, out: &mut Vec<Diagnostic>) -> (BTreeMap<String, Person>, BTreeMap<String, Place>) {
    let mut people = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (key, node) in named(node, "people", out) {
        places.insert(key.text.clone(), key.at.clone());
        people.insert(
            key.text.clone(),
            Person {
                role: String::new(),
                call: Phi::default(),
                page: None,
                pin: None,
            },
        );
        let Some(mut person) = Settings::of(node, &key.text, out) else {
            continue;
        };
        let role = person
            .need("role", "Nobody could tell what this person may see.", out)
            .and_then(|node| words(node, "role", out))
            .map(normalized);
        // A short code is read too, so that S004 can say what is wrong with 911.
        let call = person
            .need("call", "This person could not be reached.", out)
            .and_then(|node| number(node, &key.text, true, out));
        let page = person.take("page").and_then(|node| {
            let (how, address) = words(node, "page", out)?.trim().split_once(' ')?;
            Some(Page {
                how: how.to_owned(),
                address: Phi::new(address.trim().to_owned()),
            })
        });
        let pin = person.take("pin").and_then(|node| pin(node, out));
        person.finish(out);
        if let (Some(role), Some(call)) = (role, call) {
            people.insert(
                key.text.clone(),
                Person {
                    role,
                    call: Phi::new(call),
                    page,
                    pin,
                },
            );
        }
    }
    (people, places)
}

fn pin(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Phi<String>> {
    let text = words(node, "pin", out)?.trim();
    let fits = (3..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !fits {
        out.push(not_understood(
            &node.at,
            "A pin is three to eight digits.".to_owned(),
            "Write digits in quotes: \"0417\".",
        ));
    }
    fits.then(|| Phi::new(text.to_owned()))
}

fn on_call(node: Option<&Node>, people: &BTreeMap<String, Person>, out: &mut Vec<Diagnostic>) -> OnCall {
    let Some(mut settings) = node.and_then(|node| Settings::of(node, "on call", out)) else {
        return OnCall::default();
    };
    let if_nobody = settings
        .need(
            "if nobody is listed",
            "In a gap of the schedule nobody would be called.",
            out,
        )
        .and_then(|node| Some((words(node, "if nobody is listed", out)?.trim().to_owned(), &node.at)));
    if let Some((name, at)) = &if_nobody {
        known_person(name, at, people, out);
    }
    let alarm = settings.take("raise an alarm").and_then(|node| alarm(node, out));
    let mut roles = BTreeMap::new();
    for (key, node) in settings.rest() {
        let source = match &node.kind {
            Kind::Text(person) => {
                known_person(person.trim(), &node.at, people, out);
                Source::Person(person.trim().to_owned())
            }
            _ => feed(&key.text, node, out).unwrap_or(Source::Feed {
                from: String::new(),
                settings: BTreeMap::new(),
            }),
        };
        roles.insert(key.text.clone(), source);
    }
    OnCall {
        roles,
        if_nobody: if_nobody.map(|(name, _)| name).unwrap_or_default(),
        alarm,
    }
}

/// `{from: QGenda, task: CALL}`: which feed, and whatever it needs to be told.
fn feed(role: &str, node: &Node, out: &mut Vec<Diagnostic>) -> Option<Source> {
    let mut settings = Settings::of(node, role, out)?;
    let from = settings
        .need("from", "Nobody would know who is on duty.", out)
        .and_then(|node| words(node, "from", out))?;
    let rest = settings.rest();
    let settings = rest
        .into_iter()
        .filter_map(|(key, node)| Some((key.text.clone(), normalized(words(node, &key.text, out)?))))
        .collect();
    Some(Source::Feed {
        from: normalized(from),
        settings,
    })
}

/// `48 hours before a gap, or when a feed is 6 hours old`
fn alarm(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Gap> {
    let text = normalized(words(node, "raise an alarm", out)?);
    let mut gap = Gap {
        before_a_gap: None,
        feed_age_max: None,
    };
    let mut understood = true;
    for part in text.split(", or ").flat_map(|part| part.split(" or when ")) {
        let part = part.trim().trim_start_matches("when ");
        if let Some(length) = part.strip_suffix("before a gap") {
            gap.before_a_gap = reading::duration(length);
            understood &= gap.before_a_gap.is_some();
        } else if let Some(length) = part
            .strip_prefix("a feed is ")
            .and_then(|rest| rest.strip_suffix("old"))
        {
            gap.feed_age_max = reading::duration(length);
            understood &= gap.feed_age_max.is_some();
        } else {
            understood = false;
        }
    }
    if !understood {
        out.push(not_understood(
            &node.at,
            format!("`{text}` is not when an alarm can be raised."),
            "Write `48 hours before a gap, or when a feed is 6 hours old`.",
        ));
        return None;
    }
    Some(gap)
}

fn known_person(name: &str, at: &Place, people: &BTreeMap<String, Person>, out: &mut Vec<Diagnostic>) {
    if !people.contains_key(name) {
        out.push(unknown(
            at,
            format!("Nobody among the people is called `{name}`."),
            "There would be nobody to reach at this point.",
            &did_you_mean(name, people.keys().map(String::as_str)),
        ));
    }
}

fn known_callee(
    name: &str,
    at: &Place,
    people: &BTreeMap<String, Person>,
    on_call: &OnCall,
    out: &mut Vec<Diagnostic>,
) -> bool {
    if on_call.roles.contains_key(name) || people.contains_key(name) {
        return true;
    }
    let names = on_call.roles.keys().chain(people.keys()).map(String::as_str);
    out.push(unknown(
        at,
        format!("`{name}` is neither a role of `on call` nor one of the people."),
        "There would be nobody to reach at this point.",
        &did_you_mean(name, names),
    ));
    false
}

/// The ladder, where `they hear` stands, and whether everything of it could be read.
fn ladder(
    name: &str,
    node: &Node,
    people: &BTreeMap<String, Person>,
    on_call: &OnCall,
    speech: &Speech<'_>,
    out: &mut Vec<Diagnostic>,
) -> (Ladder, Option<Place>, bool) {
    let mut ladder = Ladder {
        rungs: Vec::new(),
        they_hear: Sentence::default(),
        accept_with: '1',
        pass_with: '2',
        keep_paging: None,
    };
    let Some(mut settings) = Settings::of(node, name, out) else {
        return (ladder, None, false);
    };
    let mut whole = false;
    if let Some(order) = settings.need("order", "There would be nobody to reach.", out) {
        if order.items().is_empty() {
            out.push(not_understood(
                &order.at,
                "A ladder needs at least two rungs.".to_owned(),
                "List them: `- {call: primary, tries: 2, apart: 2 minutes, ring for: 25 seconds}`.",
            ));
        }
        ladder
            .rungs
            .extend(order.items().iter().filter_map(|node| rung(node, people, on_call, out)));
        whole = !order.items().is_empty() && ladder.rungs.len() == order.items().len();
    }
    let heard = settings.need("they hear", "A doctor would pick up and not know why.", out);
    let they_hear = heard.and_then(|node| speech.sentence(node, "they hear", out));
    let accept_with = settings
        .need("accept with", "A voicemail greeting would count as a doctor.", out)
        .and_then(|node| key(node, "accept with", out));
    let pass_with = settings
        .take("pass with")
        .map_or(Some('2'), |node| key(node, "pass with", out));
    ladder.keep_paging = settings.take("keep paging").and_then(|node| keep_paging(node, out));
    let at = settings.at.clone();
    settings.finish(out);
    if accept_with.is_some() && accept_with == pass_with {
        out.push(not_understood(
            &at,
            "The key that accepts also passes the call on.".to_owned(),
            "Use 1 to accept; 2 passes it on.",
        ));
    }
    ladder.they_hear = they_hear.unwrap_or_default();
    ladder.accept_with = accept_with.unwrap_or('1');
    ladder.pass_with = pass_with.unwrap_or('2');
    (ladder, heard.map(|node| node.at.clone()), whole)
}

fn rung(node: &Node, people: &BTreeMap<String, Person>, on_call: &OnCall, out: &mut Vec<Diagnostic>) -> Option<Rung> {
    let mut settings = Settings::of(node, "order", out)?;
    let call = settings
        .need("call", "There would be nobody to reach at this rung.", out)
        .and_then(|node| {
            let name = words(node, "call", out)?.trim().to_owned();
            known_callee(&name, &node.at, people, on_call, out).then_some(name)
        });
    let tries = settings.take("tries").map_or(Some(1), |node| {
        let text = words(node, "tries", out)?;
        let tries = reading::count(text)
            .filter(|tries| (1..=TRIES_MAX).contains(tries))
            .and_then(|tries| u8::try_from(tries).ok());
        if tries.is_none() {
            out.push(not_understood(
                &node.at,
                format!("`{}` is not a number of tries.", text.trim()),
                "Write 1 to 9.",
            ));
        }
        tries
    });
    let apart = settings
        .take("apart")
        .map_or(Some(Duration::ZERO), |node| duration(node, "apart", out));
    let ring_for = settings
        .take("ring for")
        .map_or(Some(Duration::from_secs(25)), |node| ring_for(node, out));
    settings.finish(out);
    Some(Rung {
        call: call?,
        tries: tries?,
        apart: apart?,
        ring_for: ring_for?,
    })
}

/// How long a phone rings: long enough to be heard, short of what any carrier allows.
pub(crate) fn ring_for(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Duration> {
    let length = duration(node, "ring for", out)?;
    let fits = (5..=120).contains(&length.as_secs());
    if !fits {
        out.push(not_understood(
            &node.at,
            "A phone rings for 5 seconds to 2 minutes.".to_owned(),
            "Write `ring for: 25 seconds`.",
        ));
    }
    fits.then_some(length)
}

fn key(node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<char> {
    let text = words(node, what, out)?.trim();
    let mut keys = text.chars();
    match (keys.next(), keys.next()) {
        (Some(key), None) if key.is_ascii_digit() => Some(key),
        _ => {
            out.push(not_understood(
                &node.at,
                format!("`{what}` is one key."),
                "Write one digit: 1.",
            ));
            None
        }
    }
}

/// `every 5 minutes for 1 hour`
fn keep_paging(node: &Node, out: &mut Vec<Diagnostic>) -> Option<KeepPaging> {
    let text = normalized(words(node, "keep paging", out)?);
    let read = text
        .strip_prefix("every ")
        .and_then(|rest| rest.split_once(" for "))
        .and_then(|(every, lasting)| {
            Some(KeepPaging {
                every: reading::duration(every)?,
                lasting: reading::duration(lasting)?,
            })
        });
    if read.is_none_or(|paging| paging.every < Duration::from_secs(30) || paging.lasting < paging.every) {
        out.push(not_understood(
            &node.at,
            format!("`{text}` is not how to keep paging."),
            "Write `every 5 minutes for 1 hour`.",
        ));
        return None;
    }
    read
}

fn inbox(
    name: &str,
    node: &Node,
    people: &BTreeMap<String, Person>,
    on_call: &OnCall,
    out: &mut Vec<Diagnostic>,
) -> Inbox {
    let mut inbox = Inbox {
        tell: String::new(),
        if_unclaimed_after: None,
        then_tell: None,
        may_see: None,
    };
    let Some(mut settings) = Settings::of(node, name, out) else {
        return inbox;
    };
    let told = |node: Option<&Node>, what: &str, out: &mut Vec<Diagnostic>| {
        let node = node?;
        let name = words(node, what, out)?.trim().to_owned();
        known_callee(&name, &node.at, people, on_call, out).then_some(name)
    };
    let tell = settings.need("tell", "Messages would wait and nobody would know.", out);
    inbox.tell = told(tell, "tell", out).unwrap_or_default();
    inbox.if_unclaimed_after = settings
        .take("if unclaimed after")
        .and_then(|node| duration(node, "if unclaimed after", out));
    let then_tell = settings.take("then tell");
    inbox.then_tell = told(then_tell, "then tell", out);
    let classes = [Class::Routing, Class::Identity, Class::Clinical].map(|class| (class.name(), class));
    inbox.may_see = settings
        .take("may see")
        .and_then(|node| choice(node, "may see", &classes, out));
    settings.finish(out);
    inbox
}

fn records(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Records> {
    let mut settings = Settings::of(node, "records", out)?;
    let system = settings
        .need("system", "No patient could be found.", out)
        .and_then(|node| words(node, "system", out))
        .map(normalized);
    let mut list = |name: &str, out: &mut Vec<Diagnostic>| {
        settings.take(name).map_or_else(Vec::new, |node| {
            word_list(node, name, out)
                .into_iter()
                .map(|(text, _)| text.to_owned())
                .collect::<Vec<_>>()
        })
    };
    let (reads, writes, places) = (list("reads", out), list("writes", out), list("places", out));
    let agreement = settings
        .take("baa")
        .and_then(|node| words(node, "baa", out))
        .map(normalized);
    settings.finish(out);
    Some(Records {
        system: system?,
        reads,
        writes,
        places,
        agreement,
    })
}

/// As long as the law wants what is written about security kept (45 CFR 164.316(b)(2)(i)), and no trail of who did what goes
/// earlier.
const SIX_YEARS: Period = Period::Years(6);

/// Six years where the practice does not say; 30 days after a contract's end, the month its own backups of keys last.
fn keep(node: Option<&Node>, out: &mut Vec<Diagnostic>) -> Keep {
    let mut keep = Keep {
        messages: SIX_YEARS,
        recordings: SIX_YEARS,
        keys: SIX_YEARS,
        calls: SIX_YEARS,
        audit: SIX_YEARS,
        grace: Period::Days(30),
    };
    if let Some(mut settings) = node.and_then(|node| Settings::of(node, "keep", out)) {
        for (name, kept) in [
            ("messages", &mut keep.messages),
            ("recordings", &mut keep.recordings),
            ("keys pressed", &mut keep.keys),
            ("calls", &mut keep.calls),
            ("audit", &mut keep.audit),
            ("after the contract ends", &mut keep.grace),
        ] {
            let Some(node) = settings.take(name) else { continue };
            let Some(period) = period(node, out) else { continue };
            if name == "audit" && period.days() < 6 * 365 {
                out.push(not_understood(
                    &node.at,
                    "Who did what is kept for six years at least (45 CFR 164.316).".to_owned(),
                    "Write `audit: 6 years`, or leave it out.",
                ));
                continue;
            }
            *kept = period;
        }
        settings.finish(out);
    }
    keep
}

fn period(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Period> {
    let text = words(node, "keep", out)?.trim();
    let read = text.split_once(' ').and_then(|(count, unit)| {
        let count = u32::try_from(reading::count(count)?).ok()?;
        match unit.trim() {
            "day" | "days" => Some(Period::Days(count)),
            "month" | "months" => count.checked_mul(30).map(Period::Days),
            "year" | "years" => Some(Period::Years(count)),
            _ => None,
        }
    });
    if read.is_none() && ["forever", "for ever", "always", "unlimited"].contains(&text) {
        out.push(not_understood(
            &node.at,
            "Nothing is kept for ever: whatever is kept can be lost, stolen or subpoenaed.".to_owned(),
            "Write a period such as `6 years`; what a court wants kept is held by name: `nightdesk retention hold add`.",
        ));
    } else if read.is_none() {
        out.push(not_understood(
            &node.at,
            format!("`{text}` is not how long to keep something."),
            "Write `90 days` or `6 years`.",
        ));
    }
    read
}

/// `yes` and `no`, as words.
pub(crate) fn yes_or_no(node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<bool> {
    choice(node, what, &[("yes", true), ("no", false)], out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dialled_as_written_or_not_at_all() {
        assert_eq!(dialled("+1 512 555 0100", false).as_deref(), Some("+15125550100"));
        assert_eq!(dialled("(512) 555-0100", false).as_deref(), Some("+15125550100"));
        assert_eq!(dialled("+44 1632 960001", false).as_deref(), Some("+441632960001"));
        assert_eq!(dialled("988", true).as_deref(), Some("988"));
        for wrong in [
            "988",
            "+1 512 555 010",
            "512 555 010",
            "+",
            "call me",
            "+1 512 555 0100 ext 4",
            "1 512 555 01000",
        ] {
            assert_eq!(dialled(wrong, false), None, "{wrong}");
        }
    }

    #[test]
    fn an_alarm_is_raised_as_long_before_as_is_written_or_two_days() {
        let said = |alarm: &str| {
            let mut out = Vec::new();
            let tree = |text: &str| crate::source::read("practice.yaml", text).tree.expect("it reads");
            let known = tree("Dr. Reyes: {role: physician, call: +1 614 555 0141}");
            let (people, _) = people(Some(&known), &mut out);
            let written = tree(&format!("if nobody is listed: Dr. Reyes\n{alarm}\n"));
            let on_call = on_call(Some(&written), &people, &mut out);
            let hours = |length: Duration| length.as_secs() / 3_600;
            let feed = on_call.alarm.and_then(|alarm| alarm.feed_age_max).map(hours);
            (hours(on_call.before_a_gap()), feed, out.len())
        };
        let both = "raise an alarm: 72 hours before a gap, or when a feed is 6 hours old";
        assert_eq!(said(both), (72, Some(6), 0));
        assert_eq!(said("raise an alarm: 1 day before a gap"), (24, None, 0));
        assert_eq!(said("raise an alarm: when a feed is 12 hours old"), (48, Some(12), 0));
        assert_eq!(said(""), (48, None, 0));
        assert_eq!(said("raise an alarm: sometimes"), (48, None, 1));
    }

    #[test]
    fn days_go_round_the_week() {
        assert_eq!(days_of("Monday to Thursday"), Some(vec![0, 1, 2, 3]));
        assert_eq!(days_of("Saturday to Monday"), Some(vec![5, 6, 0]));
        assert_eq!(days_of("Saturday and Sunday"), Some(vec![5, 6]));
        assert_eq!(days_of("Friday"), Some(vec![4]));
        assert_eq!(days_of("Funday"), None);
    }
}
