//! Shift lists: read, put on a roster, and asked who is on duty.

use std::hint::black_box;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use oncall::list;
use oncall::{Roster, Span};

use super::{about, verdict};

/// A list: refused whole with every fault named, or put on a roster that answers.
pub fn list(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    match list::parse(&text, "on-call.txt", None, &zone) {
        Ok(read) => {
            let counts = (about(read.shifts.len()), about(read.rules.len()));
            let mut roster = Roster::new(Some("office".to_owned()));
            let added = read.add_to(&mut roster).is_ok();
            let from = Timestamp::from_second(1_795_000_000).expect("2026");
            let until = Timestamp::from_second(1_795_000_000 + 14 * 86_400).expect("2026");
            for role in ["primary", "backup"] {
                assert!(
                    !roster.who(role, from).people.is_empty(),
                    "somebody is always on duty: the fall-back"
                );
                black_box(roster.gaps(role, Span { from, until }).len());
            }
            verdict((added, counts, about(roster.people().len())))
        }
        Err(faults) => {
            assert!(!faults.is_empty() && faults.len() <= list::FAULTS_MAX + 1);
            verdict(faults.iter().map(|fault| about(fault.what.len())).max())
        }
    }
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// Lists to begin with.
pub const LISTS: &[&str] = &[
    "zone: America/Chicago\nprimary | Dr. Okafor | 2026-11-20 17:00 | 2026-11-23 08:00 |\nbackup | Dr. Lindqvist | every Monday to Friday 17:00 | 08:00\n",
    "zone: America/Chicago\nprimary | Dr. Lindqvist | 2026-11-21 5 pm | 2026-11-22 8 am | | cover\n# a comment\nbackup | Dr. Okafor then Dr. Lindqvist | turns of 7 days from 2026-11-16 08:00\n",
    "primary | Dr. Okafor | every Monday to Sunday 08:00 | 08:00 | Europe/London\n",
];

/// Words of a list.
pub const WORDS: &[&str] = &[
    "zone: America/Chicago\n",
    "zone:",
    "|",
    " | ",
    "#",
    "\n",
    "primary",
    "backup",
    "Dr. Okafor",
    " then ",
    "every ",
    "Monday",
    "Sunday",
    " to ",
    "turns of ",
    " days from ",
    "2026-11-16 08:00",
    "2026-03-08 02:30",
    "9999-12-31 23:59",
    "0000-01-01",
    "-009999-01-01",
    "24:00",
    "5 pm",
    "12 am",
    "cover",
    "Europe/London",
    "\u{feff}",
];
