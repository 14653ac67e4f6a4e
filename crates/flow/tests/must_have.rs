//! The scenarios the engine writes for every flow: they pass on what is shipped, and what they cannot come to is told.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as a test does"
)]

mod practices;

use flow::Act;
use flow::rehearse::{Suite, broken, must_have, solo, unrehearsed};
use jiff::civil::{DateTime, datetime};
use practices::{PRACTICES, compiled, folder};

fn night() -> DateTime {
    datetime(2026, 11, 22, 2, 10, 0, 0)
}

#[test]
fn every_shipped_flow_passes_what_every_flow_must() {
    for name in PRACTICES {
        let practice = compiled(&folder(name));
        for flow in &practice.flows {
            let triages = flow.sections.iter().flat_map(|section| &section.steps);
            let at_least = match triages.filter(|step| matches!(step.act, Act::Triage { .. })).count() {
                0 => 1,
                _ => 14,
            };
            let scenarios = must_have(&practice, flow, night());
            assert!(scenarios.len() >= at_least, "{name}: {}", scenarios.len());
            for scenario in &scenarios {
                let rehearsed = solo::play(&practice, flow, scenario);
                assert_eq!(rehearsed.failures, [], "{name}: {}\n{}", scenario.name, rehearsed.page);
            }
            assert_eq!(unrehearsed(&practice, flow, &[], night()), [], "{name}");
        }
    }
}

#[test]
fn a_question_moved_down_is_told_as_its_callers_way() {
    let mut folder = folder("cedar-family-medicine");
    let protocol = folder
        .files
        .get_mut("adult-symptoms.protocol.yaml")
        .expect("a protocol");
    let fever = "  - Is there a fever over 103, or a fever with a stiff neck or a new rash?\n";
    *protocol = protocol
        .replace(fever, "")
        .replace("semi-urgent:\n", &format!("semi-urgent:\n{fever}"));
    let practice = compiled(&folder);
    let (suite, wrong) = Suite::parse("after-hours.tests.yaml", &folder.files["after-hours.tests.yaml"]);
    assert_eq!(wrong, []);
    let found = broken(&practice, &practice.flows[0], &[suite.expect("a suite")]);
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn an_emergency_question_nobody_can_be_asked_is_told_of() {
    let mut folder = folder("bright-harbor-pediatrics");
    let protocol = folder
        .files
        .get_mut("child-symptoms.protocol.yaml")
        .expect("a protocol");
    *protocol = protocol.replace(
        "  - Is the child limp, very hard to wake, or having a seizure?\n",
        "  - ask: Is the child limp, very hard to wake, or having a seizure?\n    only if: age group is under 3 months\n",
    );
    // Parents of a newborn are sent elsewhere, so nobody is ever asked.
    let flow = folder.files.get_mut("pediatrics.flow.yaml").expect("a flow");
    *flow = flow.replace(
        "remember: age group is under 3 months, go to: symptoms",
        "remember: age group is under 3 months, go to: reach the doctor",
    );
    let practice = compiled(&folder);
    let found = unrehearsed(&practice, &practice.flows[0], &[], night());
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"));
}
