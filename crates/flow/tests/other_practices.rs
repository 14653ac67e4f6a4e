//! The other two practices of the design, rehearsed: a pediatric line (age guards, Poison Control) and a crisis line
//! (phones ring before any menu, a way out by a key, 988 as the second net).

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it measured"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use flow::rehearse::{Rehearsed, Suite, solo};
use flow::{Folder, Practice};

fn compiled(files: &[(&str, &str)]) -> Arc<Practice> {
    let files: BTreeMap<String, String> = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let compiled = flow::compile(&Folder {
        files,
        ..Folder::default()
    });
    let errors: Vec<String> = compiled
        .diagnostics
        .iter()
        .filter(|d| d.is_error())
        .map(|d| format!("{}:{} {}", d.file, d.line, d.what))
        .collect();
    compiled.practice.unwrap_or_else(|| panic!("it compiles: {errors:#?}"))
}

fn rehearsed(practice: &Arc<Practice>, tests: &str) -> Vec<Rehearsed> {
    let (suite, found) = Suite::parse("tests", tests);
    assert_eq!(found, []);
    let suite = suite.expect("it has no slip");
    suite
        .scenarios
        .iter()
        .map(|scenario| solo::play(practice, &practice.flows[0], scenario))
        .collect()
}

fn all_pass(rehearsals: &[Rehearsed]) {
    for rehearsed in rehearsals {
        assert_eq!(rehearsed.failures, [], "{}\n{}", rehearsed.name, rehearsed.page);
    }
}

#[test]
fn the_crisis_line() {
    const FOLDER: [(&str, &str); 2] = [
        (
            "crisis.practice.yaml",
            include_str!("../../../flows/stillwater-behavioral-health/crisis.practice.yaml"),
        ),
        (
            "crisis.flow.yaml",
            include_str!("../../../flows/stillwater-behavioral-health/crisis.flow.yaml"),
        ),
    ];
    let practice = compiled(&FOLDER);
    let tests = include_str!("../../../flows/stillwater-behavioral-health/crisis.tests.yaml");
    let rehearsals = rehearsed(&practice, tests);
    all_pass(&rehearsals);
    assert_eq!(rehearsals.len(), 4);
    // The phones ring before any menu (flow-language §18): a silent caller is with a counselor well within a minute.
    let silent = rehearsals[0].first_ring_after.expect("a phone rang");
    assert!(silent.as_secs() < 20, "{silent:?}");
    insta::assert_snapshot!("no_counselor_is_free", rehearsals[1].page);
}

#[test]
fn the_pediatric_line() {
    const FOLDER: [(&str, &str); 5] = [
        (
            "pediatrics.practice.yaml",
            include_str!("../../../flows/bright-harbor-pediatrics/pediatrics.practice.yaml"),
        ),
        (
            "pediatrics.flow.yaml",
            include_str!("../../../flows/bright-harbor-pediatrics/pediatrics.flow.yaml"),
        ),
        (
            "pediatrics.es.yaml",
            include_str!("../../../flows/bright-harbor-pediatrics/pediatrics.es.yaml"),
        ),
        (
            "child-symptoms.protocol.yaml",
            include_str!("../../../flows/bright-harbor-pediatrics/child-symptoms.protocol.yaml"),
        ),
        (
            "child-symptoms.es.yaml",
            include_str!("../../../flows/bright-harbor-pediatrics/child-symptoms.es.yaml"),
        ),
    ];
    let practice = compiled(&FOLDER);
    let tests = include_str!("../../../flows/bright-harbor-pediatrics/pediatrics.tests.yaml");
    let rehearsals = rehearsed(&practice, tests);
    all_pass(&rehearsals);
    assert_eq!(rehearsals.len(), 4);
}
