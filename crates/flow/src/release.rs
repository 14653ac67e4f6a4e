//! What is signed and released: a fingerprint over the words that decide, the sentence a signature is under, and when.
//!
//! Flows, protocols and translations are released; `practice.yaml` (people, hours, ladders) changes any time and the tests
//! decide nothing, so neither is in the fingerprint (§3, §11). One thing to know: the fingerprint is taken over what was
//! *read*, in order, and not over the bytes, so comments, indentation and quotation marks void no signature, and nothing
//! that a caller could hear leaves one standing.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime, Weekday};

use crate::parse::translations::language_of;
use crate::source::{self, Kind, Node};
use crate::time::reading;

/// Whether a file is released with the flow.
pub fn is_released(file: &str) -> bool {
    let endings = [".flow.yaml", ".protocol.yaml", ".shared.yaml"];
    endings.iter().any(|ending| file.ends_with(ending)) || language_of(file).is_some()
}

/// SHA-256 over the released files of a folder, as they read. `None` while one of them cannot be read.
pub fn fingerprint(files: &BTreeMap<String, String>) -> Option<[u8; 32]> {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for (file, text) in files.iter().filter(|(file, _)| is_released(file)) {
        let read = source::read(file, text);
        if read.diagnostics.iter().any(crate::Diagnostic::is_error) {
            return None;
        }
        word(file, &mut digest);
        node(&read.tree?, &mut digest);
    }
    digest.finish().as_ref().try_into().ok()
}

/// Each word with its length, so that nothing can move from one place to the next unseen.
fn word(text: &str, digest: &mut ring::digest::Context) {
    digest.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(text.as_bytes());
}

fn node(node_: &Node, digest: &mut ring::digest::Context) {
    match &node_.kind {
        Kind::Nothing => digest.update(b"n"),
        Kind::Text(text) => {
            digest.update(b"t");
            word(&source::normalized(text), digest);
        }
        Kind::List(items) => {
            digest.update(b"l");
            digest.update(&u64::try_from(items.len()).unwrap_or(u64::MAX).to_be_bytes());
            items.iter().for_each(|item| node(item, digest));
        }
        Kind::Map { entries, .. } => {
            digest.update(b"m");
            digest.update(&u64::try_from(entries.len()).unwrap_or(u64::MAX).to_be_bytes());
            for (name, value) in entries {
                word(&name.text, digest);
                node(value, digest);
            }
        }
    }
}

/// What somebody signs: that they approve these words, by name, on a day.
pub fn statement(fingerprint: &str, by: &str, on: Date) -> Vec<u8> {
    format!("nightdesk 1: I approve the flows, protocols and translations {fingerprint}\nby {by}\non {on}\n")
        .into_bytes()
}

/// `Adaeze Okafor MD, medical director` → `adaeze-okafor-md`: how a person is known in file names and on both sides of a
/// comparison. What follows a comma is an office, not a name.
pub fn known_as(name: &str) -> String {
    let name = name.split(',').next().unwrap_or(name);
    let words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

/// `Monday 6 am`, `tomorrow 6 am`, `today noon`, `2026-11-23 6 am`: the next such moment on the practice's clock.
pub fn moment(text: &str, now: DateTime) -> Option<DateTime> {
    let (day, clock) = text.trim().split_once(' ')?;
    let clock = clock.trim().trim_start_matches("at ");
    let time = reading::time(reading::clock(clock)?)?;
    let date = match day.to_lowercase().as_str() {
        "today" => now.date(),
        "tomorrow" => now.date().tomorrow().ok()?,
        other => match weekday(other) {
            // The coming one: today's when its hour is still to come.
            Some(wanted) => {
                let mut date = now.date();
                while date.weekday() != wanted || date.to_datetime(time) <= now {
                    date = date.tomorrow().ok()?;
                }
                date
            }
            None => day.parse().ok()?,
        },
    };
    Some(date.to_datetime(time)).filter(|moment| *moment > now)
}

fn weekday(name: &str) -> Option<Weekday> {
    let names = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let at = names.iter().position(|known| *known == name)?;
    Weekday::Monday.cycle_forward().nth(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn files(flow: &str) -> BTreeMap<String, String> {
        [
            ("a.flow.yaml", flow),
            ("a.protocol.yaml", "protocol: A\nurgent: [Is it bad?]\n"),
            ("a.es.yaml", "Hello.: Hola.\n"),
            ("practice.yaml", "practice: A\n"),
            ("a.tests.yaml", "tests for: a.flow.yaml\n"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into()
    }

    #[test]
    fn the_fingerprint_is_of_the_words_and_of_nothing_else() {
        let plain = fingerprint(&files("flow: A\nsections:\n  one: [{say: Hello.}]\n"));
        let other_look = fingerprint(&files(
            "# a comment\nflow:   \"A\"\nsections:\n    one:\n      - say: >-\n          Hello.\n",
        ));
        assert!(plain.is_some());
        assert_eq!(plain, other_look);
        let mut people = files("flow: A\nsections:\n  one: [{say: Hello.}]\n");
        people.insert("practice.yaml".to_owned(), "practice: B\n".to_owned());
        people.remove("a.tests.yaml");
        assert_eq!(plain, fingerprint(&people));
        for (file, text) in [
            ("a.flow.yaml", "flow: A\nsections:\n  one: [{say: Hello!}]\n"),
            ("a.flow.yaml", "flow: A\nsections:\n  one: [{say: [Hello.]}]\n"),
            ("a.protocol.yaml", "protocol: A\nurgent: [Is it very bad?]\n"),
            ("a.es.yaml", "Hello.: Buenas.\n"),
            ("b.es.yaml", "Hello.: Hola.\n"),
        ] {
            let mut other = files("flow: A\nsections:\n  one: [{say: Hello.}]\n");
            other.insert(file.to_owned(), text.to_owned());
            assert_ne!(plain, fingerprint(&other), "{file}: {text}");
        }
        assert_eq!(fingerprint(&files("flow: [")), None);
    }

    #[test]
    fn people_are_known_by_their_names_and_not_by_their_offices() {
        assert_eq!(known_as("Adaeze Okafor MD, medical director"), "adaeze-okafor-md");
        assert_eq!(known_as("Dr. Björn  O'Neil"), "dr-björn-o-neil");
        assert_eq!(known_as("../../etc/passwd"), "etc-passwd");
    }

    #[test]
    fn a_release_is_made_for_a_moment_to_come() {
        // A Saturday.
        let now = date(2026, 11, 21).at(23, 40, 0, 0);
        let at = |text| moment(text, now).map(|moment| moment.to_string());
        assert_eq!(at("Monday 6 am").as_deref(), Some("2026-11-23T06:00:00"));
        assert_eq!(at("Saturday 6 am").as_deref(), Some("2026-11-28T06:00:00"));
        assert_eq!(at("Saturday 11:45 pm").as_deref(), Some("2026-11-21T23:45:00"));
        assert_eq!(at("tomorrow at noon").as_deref(), Some("2026-11-22T12:00:00"));
        assert_eq!(at("2026-12-01 6:30 am").as_deref(), Some("2026-12-01T06:30:00"));
        for wrong in [
            "2026-11-01 6 am",
            "today 6 am",
            "Monday",
            "soon",
            "Moonday 6 am",
            "Monday 6",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }
}
