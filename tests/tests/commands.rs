//! What a practice manager runs, run as she would: the binary, its words, its exit status.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reads files and the clock, and fails loudly"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The binary that `tools/test` has built beside these tests.
fn nightdesk(arguments: &[&str]) -> Output {
    let tests = std::env::current_exe().expect("this test is a file");
    let program = tests.ancestors().nth(2).expect("tests lie in deps").join("nightdesk");
    assert!(
        program.exists(),
        "{} is missing: run `make test`, or `cargo build -p nightdesk` first",
        program.display()
    );
    // Spoken sentences are shared by all tests; they hold nothing about any caller.
    Command::new(program)
        .args(arguments)
        .current_dir(root())
        .env("XDG_CACHE_HOME", root().join("target/cache"))
        .output()
        .expect("the binary runs")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn flow_check_finds_cedar_good() {
    let output = nightdesk(&["flow", "check", "flows/cedar-family-medicine"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("Cedar Family Medicine: good"),
        "{}",
        said(&output)
    );
}

#[test]
fn flow_check_names_the_line_and_the_fix_in_a_broken_flow() {
    let broken = tempfile::tempdir().expect("a temporary folder");
    for entry in std::fs::read_dir(root().join("flows/cedar-family-medicine")).expect("cedar is there") {
        let path = entry.expect("a readable entry").path();
        if path.is_file() {
            std::fs::copy(&path, broken.path().join(path.file_name().expect("a file"))).expect("a copy");
        }
    }
    let flow = broken.path().join("after-hours.flow.yaml");
    let text = std::fs::read_to_string(&flow)
        .expect("the flow")
        .replace("- escalate to: doctor on call", "- esclate to: doctor on call");
    std::fs::write(&flow, text).expect("the broken flow is written");
    let output = nightdesk(&["flow", "check", broken.path().to_str().expect("a plain path")]);
    assert!(!output.status.success());
    let said = said(&output);
    assert!(said.contains("esclate to") && said.contains("escalate to"), "{said}");
    assert!(said.contains("after-hours.flow.yaml"), "{said}");
}

#[test]
fn the_ten_scenarios_pass_in_memory() {
    let output = nightdesk(&["flow", "test", "flows/cedar-family-medicine"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("10 passed, 0 failed"), "{}", said(&output));
}

#[test]
fn the_ten_scenarios_pass_over_sip_with_real_audio_and_digits() {
    let output = nightdesk(&[
        "flow",
        "test",
        "flows/cedar-family-medicine",
        "--over-sip",
        "--ladder-speed",
        "10",
    ]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("10 passed, 0 failed"), "{}", said(&output));
}
