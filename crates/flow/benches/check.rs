//! How long the checker takes over a flow of a thousand sections, and a practice over all its scenarios, generated ones
//! included. Printed, not judged: a busy machine is no fault of the code. `make bench-flow`.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads files and the clock, and prints what it measured"
)]

#[path = "../tests/practices/mod.rs"]
mod practices;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use flow::rehearse::{Suite, must_have, solo};
use flow::{Folder, compile};
use practices::{PRACTICES, folder};

const SECTIONS: usize = 1_000;
const TIMES: usize = 15;

fn main() {
    let large = large();
    let mut spent: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            let compiled = compile(&large);
            let errors = compiled.diagnostics.iter().filter(|found| found.is_error()).count();
            assert!(
                compiled.practice.is_some(),
                "{errors} errors: {:#?}",
                compiled.diagnostics.first()
            );
            began.elapsed()
        })
        .collect();
    spent.sort();
    println!(
        "a flow of {SECTIONS} sections is read, checked and compiled in {:.0} ms (at most {:.0} ms of {TIMES}); target 200 ms",
        milliseconds(spent.get(TIMES / 2)),
        milliseconds(spent.last()),
    );
    for name in PRACTICES {
        let folder = folder(name);
        let practice = compile(&folder).practice.expect("a shipped practice compiles");
        let began = Instant::now();
        let mut played = 0;
        for (file, text) in folder.files.iter().filter(|(file, _)| file.ends_with(".tests.yaml")) {
            let suite = Suite::parse(file, text).0.expect("scenarios");
            for flow in practice.flows.iter().filter(|flow| flow.file == suite.tests_for) {
                let night = suite.scenarios.first().map(|one| one.now).expect("a scenario");
                let generated = must_have(&practice, flow, night);
                for scenario in suite.scenarios.iter().chain(&generated) {
                    solo::play(&practice, flow, scenario);
                    played += 1;
                }
            }
        }
        println!(
            "{name}: {played} scenarios written and played in {:.0} ms; target 1,000 ms",
            milliseconds(Some(&began.elapsed()))
        );
    }
}

fn milliseconds(time: Option<&Duration>) -> f64 {
    time.map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
}

/// Cedar with a menu tree of a thousand sections: menus, yes-or-no questions, messages and a way back to the doctor.
fn large() -> Folder {
    let mut folder = folder("cedar-family-medicine");
    let flow = folder.files.get("after-hours.flow.yaml").expect("a flow").clone();
    let (head, tail) = flow.split_once("  cannot wait:\n").expect("a section");
    let mut more = String::new();
    let known = flow
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .count();
    let count = SECTIONS.saturating_sub(known);
    for nth in 0..count {
        let next = if nth + 1 < count {
            format!("topic {}", nth + 1)
        } else {
            "office message".to_owned()
        };
        // A String takes whatever is written to it.
        let _ = match nth % 3 {
            0 => write!(
                more,
                "  topic {nth}:\n    - menu: Is it about topic {nth}?\n      press 1: {{for: topic {nth}, go to: nurse message}}\n      press 2: {{for: another topic, go to: {next}}}\n\n"
            ),
            1 => write!(
                more,
                "  topic {nth}:\n    - ask yes or no: Is it topic {nth}?\n      if yes: reach the doctor\n      if no: {next}\n\n"
            ),
            _ => write!(
                more,
                "  topic {nth}:\n    - say: This is topic {nth}.\n    - go to: {next}\n\n"
            ),
        };
    }
    let head = head
        .replace("spoken in: [English, Spanish]", "spoken in: [English]")
        .replace(
            "press 5: {for: anything else, go to: office message}",
            "press 5: {for: anything else, go to: topic 0}",
        );
    folder.files.insert(
        "after-hours.flow.yaml".to_owned(),
        format!("{head}{more}  cannot wait:\n{tail}"),
    );
    folder.files.retain(|file, _| !file.ends_with(".es.yaml"));
    let practice = folder.files.get_mut("practice.yaml").expect("a practice");
    *practice = practice.replace("languages: [English, Spanish]", "languages: [English]");
    folder
}
