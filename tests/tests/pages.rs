//! Golden calls: a page of prose, the scenario a nurse could follow, and the ladder the engine draws on a virtual clock.
//!
//! `make ladders` redraws every ladder; the diff is the review.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reads files and the clock, and fails loudly"
)]

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::rehearse::Suite;
use sip::locate::{Answer, Question};
use sip::message::Host;
use switchboard::Outbound;
use switchboard::carrier::{Carrier, PASSWORD};
use switchboard::trunk::{Ping, Security, Target};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn practice(name: &str) -> Arc<flow::Practice> {
    let folder = root().join("flows").join(name);
    let mut files = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the practice's folder is there") {
        let path = entry.expect("a readable entry").path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            files.insert(name, std::fs::read_to_string(&path).expect("a readable file"));
        }
    }
    let compiled = flow::compile(&flow::Folder {
        files,
        ..flow::Folder::default()
    });
    compiled
        .practice
        .unwrap_or_else(|| panic!("{name} compiles: {:#?}", compiled.diagnostics))
}

/// The block of a page that begins with this fence, and where it stands.
fn block<'a>(page: &'a str, fence: &str) -> Option<(&'a str, std::ops::Range<usize>)> {
    let opening = format!("```{fence}\n");
    let from = page.find(&opening)? + opening.len();
    let length = page[from..].find("```")?;
    Some((&page[from..from + length], from..from + length))
}

/// The far end of a page's trunk: a line for everything that is not as usual.
fn carrier(lines: &str) -> Carrier {
    let mut carrier = Carrier::default();
    for line in lines.lines() {
        let (name, value) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("{line}: a name and a value"));
        let address = |text: &str| -> IpAddr { text.trim().parse().unwrap_or_else(|_| panic!("{text}: an address")) };
        let duration = |text: &str| -> Duration {
            let (amount, unit) = text
                .trim()
                .split_once(' ')
                .unwrap_or_else(|| panic!("{text}: an amount and a unit"));
            let amount = amount.parse().expect("a number");
            match unit {
                "s" => Duration::from_secs(amount),
                "ms" => Duration::from_millis(amount),
                _ => panic!("{unit}: s or ms"),
            }
        };
        let trunk = &mut carrier.trunks[0];
        match name {
            "host" => {
                let (host, addresses) = value.split_once(" = ").expect("a name and its addresses");
                let mut target = Target::new(Host::Name(host.to_owned()));
                target.port = Some(5060);
                trunk.outbound = Some(Outbound::to(target));
                let addresses = addresses.split(' ').map(address).collect();
                let answer = Answer::Addresses(addresses, Duration::from_secs(300));
                carrier.names.insert(Question::Addresses(host.to_owned()), answer);
            }
            "dead" => drop(carrier.dead.insert(address(value))),
            "unavailable" => drop(carrier.unavailable.insert(address(value))),
            "challenges" => {
                trunk.credentials = Some(sip::Credentials::new(value.to_owned(), PASSWORD.to_owned()));
                carrier.challenges = Some(value.to_owned());
            }
            "offers late" => carrier.offers_late = value == "yes",
            "second edge" => carrier.by_second_edge = Some(duration(value)),
            "forwards back" => drop(carrier.forwards_back.insert(value.to_owned())),
            "asked" => trunk.ping = (value == "yes").then(Ping::default),
            "deaf" => {
                let (from, to) = value.split_once(" to ").expect("a time to a time");
                carrier.deaf = Some((duration(from), duration(to)));
            }
            "calls of one practice" => carrier.calls_per_practice_max = Some(value.parse().expect("a number")),
            "security" => {
                trunk.security = match value {
                    "required" => Security::Required,
                    "preferred" => Security::Preferred,
                    _ => panic!("{value}: required or preferred"),
                }
            }
            _ => panic!("{name}: nothing a carrier does"),
        }
    }
    carrier
}

#[test]
fn every_page_draws_its_ladder() {
    let redraw = std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always");
    let cedar = practice("cedar-family-medicine");
    let anchor = Instant::now();
    let mut wrong = String::new();
    let mut pages = 0;
    let folder = root().join("tests/pages");
    for entry in std::fs::read_dir(&folder).expect("the pages are there") {
        let path = entry.expect("a readable entry").path();
        let page = std::fs::read_to_string(&path).expect("a readable page");
        let (script, _) = block(&page, "yaml").unwrap_or_else(|| panic!("{} has a scenario", path.display()));
        let (suite, diagnostics) = Suite::parse(&path.display().to_string(), script);
        let suite = suite.unwrap_or_else(|| panic!("{}: {diagnostics:#?}", path.display()));
        let carrier = block(&page, "carrier").map_or_else(Carrier::default, |(lines, _)| carrier(lines));
        let rehearsed = switchboard::rehearse::play_by(anchor, &cedar, &suite.scenarios[0], carrier);
        for failure in &rehearsed.failures {
            let _ = writeln!(wrong, "{}: {failure}", path.display());
        }
        let (drawn, place) = block(&page, "ladder").unwrap_or_else(|| panic!("{} has a ladder", path.display()));
        if redraw {
            let mut redrawn = page.clone();
            redrawn.replace_range(place, &rehearsed.page);
            std::fs::write(&path, redrawn).expect("a page can be redrawn");
        } else if drawn != rehearsed.page {
            let _ = writeln!(wrong, "{}: the engine now draws\n{}", path.display(), rehearsed.page);
        }
        pages += 1;
    }
    assert!(pages >= 10, "only {pages} pages");
    assert!(wrong.is_empty(), "{wrong}");
}

/// One scenario of a shipped practice, as the desk plays it.
fn played(folder: &str, script: &str) -> String {
    let suite = Suite::parse("a.tests.yaml", script).0.expect("a scenario");
    let rehearsed = switchboard::rehearse::play(Instant::now(), &practice(folder), &suite.scenarios[0]);
    assert_eq!(rehearsed.failures, [], "{}", rehearsed.page);
    rehearsed.page
}

/// The scenario of a page.
fn script(page: &str) -> String {
    let text = std::fs::read_to_string(root().join("tests/pages").join(page)).expect("the page is there");
    block(&text, "yaml").expect("a scenario").0.to_owned()
}

/// That each of these stands on the page, in this order.
fn in_order(page: &str, lines: &[&str]) {
    let places: Vec<_> = lines
        .iter()
        .map(|line| page.find(line).unwrap_or_else(|| panic!("{line}: {page}")))
        .collect();
    assert!(places.is_sorted(), "{lines:?}: {page}");
}

/// Proves CON-05: whoever joins a recorded call is told first; a no ends the recording before they are heard, and costs no
/// care; a line that cannot be asked is not recorded either.
#[test]
fn the_doctor_does_not_want_to_be_recorded() {
    let declines = script("the-doctor-does-not-want-to-be-recorded.md");
    let page = played("cedar-family-medicine", &declines);
    in_order(
        &page,
        &["Dr. Okafor does not want to be recorded", "caller ◀═════▶ Dr. Okafor"],
    );
    let sealed = page.lines().find(|line| line.contains("sealed")).expect("a recording");
    assert!(
        page.contains("recording permitted") && sealed.contains(" 0.0 s"),
        "{page}"
    );

    let page = played(
        "cedar-family-medicine",
        &declines.replace("accepts unrecorded", "accepts"),
    );
    in_order(
        &page,
        &["Dr. Okafor was told of the recording", "caller ◀═════▶ Dr. Okafor"],
    );
    assert!(!page.contains("does not want"), "{page}");

    // Nobody at the hospital's switchboard is asked anything, so nobody there is recorded.
    let file = root().join("flows/larkspur-heart-group/after-hours.tests.yaml");
    let suite = Suite::parse("a.tests.yaml", &std::fs::read_to_string(file).expect("scenarios")).0;
    let suite = suite.expect("scenarios").scenarios;
    let by_line = suite
        .iter()
        .find(|scenario| scenario.name.contains("hospital operator is rung"));
    let scenario = by_line.expect("Larkspur is as it was");
    let page = switchboard::rehearse::play(Instant::now(), &practice("larkspur-heart-group"), scenario).page;
    let ends = "Hospital operator cannot be asked: the recording ends";
    in_order(&page, &[ends, "caller ◀═════▶ Hospital operator"]);
}

/// Proves CON-06, INT-10: a caller who says no reaches the same doctor on the same way, and nothing is recorded before a yes
/// or after a no, which is a row.
#[test]
fn a_no_costs_no_care_and_keeps_no_sound() {
    let yes = script("the-doctor-does-not-want-to-be-recorded.md").replace("accepts unrecorded", "accepts");
    let page = played("cedar-family-medicine", &yes);
    in_order(
        &page,
        &[
            "May we record",
            "recording permitted",
            "begins",
            "caller ◀═════▶ Dr. Okafor",
        ],
    );
    assert_eq!(page.matches("recording permitted").count(), 1, "{page}");
    let no = played(
        "cedar-family-medicine",
        &yes.replace("presses: [1, 1, 4]", "presses: [1, 2, 4]"),
    );
    in_order(
        &no,
        &["May we record", "recording not permitted", "caller ◀═════▶ Dr. Okafor"],
    );
    assert_eq!(no.matches("recording ").count(), 1, "the no itself: {no}");
    let way = |page: &str| -> Vec<String> {
        let sections = page.lines().filter_map(|line| line.split_once("section "));
        sections.map(|(_, name)| name.to_owned()).collect()
    };
    assert_eq!(way(&page), way(&no));
}

/// Proves ESC-12, AUD-05: number and reason are in the book before the first phone rings; the ladder goes on without the
/// caller; each step of it is a row.
#[test]
fn what_a_caller_said_is_kept_before_a_phone_rings() {
    let page = played("cedar-family-medicine", &script("hangs-up-while-waiting.md"));
    let steps = [
        "message urgent call for doctor on call: callback number",
        "ladder doctor on call begins",
        "desk ── INVITE ──▶ Dr. Okafor",
        "caller ── BYE ──▶ desk",
        "no answer after",
        "accepted after",
        "ladder doctor on call ends: accepted",
        "outcome: Dr. Okafor is calling back",
    ];
    in_order(&page, &steps);
}

#[test]
fn the_ten_scenarios_of_cedar_pass_in_memory_through_the_whole_desk() {
    let cedar = practice("cedar-family-medicine");
    let file = root().join("flows/cedar-family-medicine/after-hours.tests.yaml");
    let text = std::fs::read_to_string(file).expect("the scenarios are there");
    let (suite, diagnostics) = Suite::parse("after-hours.tests.yaml", &text);
    let suite = suite.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    assert_eq!(suite.scenarios.len(), 10);
    let anchor = Instant::now();
    let mut wrong = String::new();
    for scenario in &suite.scenarios {
        let rehearsed = switchboard::rehearse::play(anchor, &cedar, scenario);
        if !rehearsed.failures.is_empty() {
            let _ = writeln!(
                wrong,
                "{}: {:?}\n{}",
                rehearsed.name, rehearsed.failures, rehearsed.page
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_same_night_twice_is_the_same_page() {
    let cedar = practice("cedar-family-medicine");
    let text = std::fs::read_to_string(root().join("flows/cedar-family-medicine/after-hours.tests.yaml"))
        .expect("the scenarios are there");
    let suite = Suite::parse("after-hours.tests.yaml", &text).0.expect("scenarios");
    for scenario in &suite.scenarios {
        let once = switchboard::rehearse::play(Instant::now(), &cedar, scenario);
        let again = switchboard::rehearse::play(Instant::now(), &cedar, scenario);
        assert_eq!(once.page, again.page, "{}", scenario.name);
    }
}
