//! What a practice manager runs, run as she would: the binary, its words, its exit status.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reads files and the clock, and fails loudly"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A day on which the approvals of the practices that ship hold.
const A_DAY: &str = "2026-11-22";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The binary that `tools/test` has built beside these tests.
fn nightdesk(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

fn command(arguments: &[&str]) -> Command {
    let tests = std::env::current_exe().expect("this test is a file");
    let program = tests.ancestors().nth(2).expect("tests lie in deps").join("nightdesk");
    assert!(
        program.exists(),
        "{} is missing: run `make test`, or `cargo build -p nightdesk` first",
        program.display()
    );
    // Spoken sentences are shared by all tests; they hold nothing about any caller.
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root())
        .env("XDG_CACHE_HOME", root().join("target/cache"));
    command
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
    let output = nightdesk(&["flow", "check", "flows/cedar-family-medicine", "--on", A_DAY]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("Cedar Family Medicine: good"),
        "{}",
        said(&output)
    );
}

#[test]
fn flow_check_judges_approvals_by_the_day_and_recordings_by_their_sentences() {
    let output = nightdesk(&["flow", "check", "flows/cedar-family-medicine", "--on", "2027-02-19"]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("C001") && said(&output).contains("2027-02-18"),
        "{}",
        said(&output)
    );

    let folder = cedar_with("more.tests.yaml", "passed out", "passed out");
    let words = folder.path().join("words");
    std::fs::create_dir(&words).expect("room");
    std::fs::write(words.join("0123456789abcdef-our-old-greeting.wav"), "a sound").expect("room");
    let path = folder.path().to_str().expect("a plain path");
    let output = nightdesk(&["flow", "check", path, "--on", A_DAY]);
    assert!(
        said(&output).contains("F010") && said(&output).contains("our old greeting"),
        "{}",
        said(&output)
    );
    // It is not even a sound file.
    assert!(said(&output).contains("U010"), "{}", said(&output));
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

/// Every practice of `flows/`.
fn shipped() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("flows")).expect("the shipped practices");
    let mut folders: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| format!("flows/{}", entry.file_name().to_string_lossy()))
        .collect();
    folders.sort();
    assert!(folders.len() >= 3, "{folders:?}");
    folders
}

#[test]
fn flow_check_tells_programs_one_object_a_line() {
    let folder = cedar_with(
        "after-hours.flow.yaml",
        "- escalate to: doctor on call",
        "- escalate to: docter on call",
    );
    let path = folder.path().to_str().expect("a plain path");
    let output = nightdesk(&["flow", "check", path, "--format", "json", "--on", A_DAY]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    let told: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|fault| panic!("{fault}: {line}")))
        .collect();
    let found = told.iter().find(|found| found["code"] == "F002").expect("the slip");
    assert_eq!(found["severity"], "E");
    assert_eq!(found["file"], "after-hours.flow.yaml");
    assert_eq!(found["fix"], "Did you mean `doctor on call`?");
    let (start, end) = (found["start"].as_u64(), found["end"].as_u64());
    assert!(
        start.is_some() && start < end && found["line"].as_u64() > Some(1),
        "{found}"
    );
}

#[test]
fn every_sentence_of_every_shipped_practice_can_be_heard() {
    for folder in shipped() {
        let output = nightdesk(&["flow", "check", &folder, "--on", A_DAY]);
        let said = said(&output);
        assert!(output.status.success(), "{folder}: {said}");
        let heard = said
            .lines()
            .find(|line| line.contains("sentences and pieces can be heard"));
        let count = heard.and_then(|line| line.split("; ").nth(1)?.split(' ').next()?.parse::<u32>().ok());
        assert!(count.is_some_and(|count| count > 300), "{folder}: {said}");
    }
}

#[test]
fn the_scenarios_pass_in_memory_with_what_every_flow_must_have() {
    for folder in shipped() {
        let output = nightdesk(&["flow", "test", &folder, "--require"]);
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        assert!(
            said.contains(" passed, 0 failed in ") && said.contains(" s of CPU"),
            "{said}"
        );
        assert!(said.contains("generated scenarios") && !said.contains("FAIL"), "{said}");
        let paths = said.lines().find(|line| line.contains("emergency and urgent paths"));
        assert!(paths.is_some_and(|paths| paths.trim_end().ends_with("100 %")), "{said}");
    }
}

#[test]
fn a_release_is_not_rehearsed_while_an_urgent_path_has_no_scenario() {
    let folder = cedar_with("more.tests.yaml", "passed out", "passed away");
    for more in ["more.tests.yaml", "appointments.tests.yaml"] {
        std::fs::remove_file(folder.path().join(more)).expect("the other scenarios are taken away");
    }
    let path = folder.path().to_str().expect("a plain path");
    let output = nightdesk(&["flow", "test", path, "--require"]);
    let said = said(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("10 passed, 0 failed"), "{said}");
    assert!(
        said.contains("no scenario walks:") && said.contains("bleeding that will not stop"),
        "{said}"
    );
    assert!(
        nightdesk(&["flow", "test", path]).status.success(),
        "it is told and forgiven without --require"
    );
}

#[test]
fn worst_times_are_proved_and_measured() {
    let output = nightdesk(&["flow", "explain", "worst-times", "flows/stillwater-behavioral-health"]);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    for wanted in [
        "Told to call 911",
        "First ring",
        "A person",
        "measured",
        "The longest way",
    ] {
        assert!(said.contains(wanted), "{wanted}:\n{said}");
    }
}

#[test]
fn the_ten_scenarios_pass_over_sip_with_real_audio_and_digits() {
    let output = nightdesk(&[
        "flow",
        "test",
        "flows/cedar-family-medicine",
        "--over-sip",
        "--only",
        "after-hours.tests.yaml",
        "--ladder-speed",
        "10",
    ]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("10 passed, 0 failed"), "{}", said(&output));
}

#[test]
fn over_sip_it_is_the_night_of_the_scenario() {
    // Lunch on a Monday, whatever day and hour it is here.
    let output = nightdesk(&[
        "flow",
        "test",
        "fixtures/flows/good/everything",
        "--over-sip",
        "--only",
        "The same line at lunch on a Monday",
    ]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("1 passed, 0 failed"), "{}", said(&output));
}

/// Cedar in a folder of its own, with some words of one file otherwise.
fn cedar_with(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for entry in std::fs::read_dir(root().join("flows/cedar-family-medicine")).expect("cedar is there") {
        let path = entry.expect("a readable entry").path();
        if path.is_file() {
            let text = std::fs::read_to_string(&path).expect("text");
            let name = path.file_name().expect("a file");
            let text = if name == file {
                assert!(text.contains(from), "{file} says {from}");
                text.replacen(from, to, 1)
            } else {
                text
            };
            std::fs::write(folder.path().join(name), text).expect("a copy");
        }
    }
    folder
}

#[test]
fn flow_read_prints_what_callers_hear_and_html_to_sign() {
    let output = nightdesk(&["flow", "read", "flows/cedar-family-medicine"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    assert!(
        text.contains("MAIN MENU\n  The caller hears   How can we help?"),
        "{text}"
    );
    assert!(text.contains("1 Symptoms    2 Refills    3 Appointments"), "{text}");
    let page = tempfile::tempdir()
        .expect("a temporary folder")
        .path()
        .with_extension("html");
    let to = page.to_str().expect("a plain path");
    let output = nightdesk(&["flow", "read", "flows/cedar-family-medicine", "--html", "--out", to]);
    assert!(output.status.success(), "{}", said(&output));
    let html = std::fs::read_to_string(&page).expect("the page");
    std::fs::remove_file(&page).expect("tidied up");
    assert!(html.contains("Signature") && html.contains("@page"), "{html}");
}

#[test]
fn flow_graph_and_explain_show_the_same_flow() {
    let output = nightdesk(&["flow", "graph", "flows/cedar-family-medicine", "--format", "mermaid"]);
    assert!(said(&output).contains("n4([reach the doctor])"), "{}", said(&output));
    let output = nightdesk(&["flow", "graph", "flows/cedar-family-medicine"]);
    assert!(said(&output).starts_with("<svg "), "{}", said(&output));
    let output = nightdesk(&["flow", "graph", "flows/cedar-family-medicine", "--format", "dot"]);
    let text = said(&output);
    assert!(
        text.starts_with("digraph") && text.contains("reach the doctor") && text.contains("->"),
        "{text}"
    );
    let output = nightdesk(&["flow", "explain", "urgent", "flows/cedar-family-medicine"]);
    assert!(said(&output).contains("chest pain"), "{}", said(&output));
    let output = nightdesk(&["flow", "explain", "delivery", "flows/cedar-family-medicine"]);
    assert!(said(&output).contains("nurse inbox: Dana Ruiz"), "{}", said(&output));
    let output = nightdesk(&["flow", "explain", "flows/cedar-family-medicine"]);
    let whole = said(&output);
    for part in [
        "to be reviewed by",
        "chest pain",
        "nurse inbox: Dana Ruiz",
        "answers for every gap",
        "WAIT AT WORST",
    ] {
        assert!(whole.contains(part), "{part}\n{whole}");
    }
}

#[test]
fn flow_diff_says_a_downgrade_in_clinical_words_and_by_its_exit_status() {
    let fever = "  - Is there a fever over 103, or a fever with a stiff neck or a new rash?\n";
    let lower = cedar_with("adult-symptoms.protocol.yaml", fever, "");
    let protocol = lower.path().join("adult-symptoms.protocol.yaml");
    let text = std::fs::read_to_string(&protocol).expect("the protocol");
    std::fs::write(
        &protocol,
        text.replacen("semi-urgent:\n", &format!("semi-urgent:\n{fever}"), 1),
    )
    .expect("written");
    let new = lower.path().to_str().expect("a plain path");
    let output = nightdesk(&["flow", "diff", "flows/cedar-family-medicine", new]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        said(&output).contains("fever over 103: urgent → semi-urgent"),
        "{}",
        said(&output)
    );
    assert!(said(&output).contains("second approver"), "{}", said(&output));
    let output = nightdesk(&["flow", "diff", new, new]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn flow_simulate_is_held_through_a_pipe_and_can_be_kept_as_a_scenario() {
    let tests = std::env::current_exe().expect("this test is a file");
    let program = tests.ancestors().nth(2).expect("tests lie in deps").join("nightdesk");
    let mut child = Command::new(program)
        .args(["flow", "simulate", "flows/cedar-family-medicine"])
        .args(["--now", "Saturday 2026-11-21 11:40 pm"])
        .args(["--on-call", "primary=Dr. Okafor", "--on-call", "backup=Dr. Lindqvist"])
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // English, recording, a hospital calling, this number; name, birth date, right, reason; then the telephones.
    let typed =
        "1\n1\nwhat\n4\n1\nAna Rivera\n02091984\n1\nLab result\nvoicemail\nsave A lab calls\nwait 118\naccepts\n";
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(typed.as_bytes()).expect("read");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("`what` means nothing here"), "{text}");
    assert_eq!(text.matches("rings Dr. Okafor").count(), 2, "{text}");
    assert!(
        text.contains("Dr. Okafor accepts") && text.contains("connected to Dr. Okafor"),
        "{text}"
    );
    assert!(
        text.contains("- name: A lab calls") && text.contains("phones: {Dr. Okafor: [voicemail]}"),
        "{text}"
    );
}

/// J2, 1: the telephone of a rehearsed call as a page, for this machine's browser and no other page.
#[test]
fn flow_simulate_is_a_telephone_in_a_browser_too() {
    let mut child = command(&[
        "flow",
        "simulate",
        "flows/cedar-family-medicine",
        "--browser",
        "127.0.0.1:0",
    ])
    .args([
        "--now",
        "Saturday 2026-11-21 11:40 pm",
        "--on-call",
        "primary=Dr. Okafor",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .expect("the program is built");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = lines
        .find_map(|line| {
            let line = line.expect("text");
            line.strip_prefix("the same telephone in a browser: http://")
                .map(|rest| rest.trim_end_matches('/').to_owned())
        })
        .expect("it says where");
    // It goes on printing; nobody may wait for a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    let ask = |method: &str, path: &str, host: &str, body: &str| {
        let mut stream = std::net::TcpStream::connect(&address).expect("it listens");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("it listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    };
    let call = |typed: &str| ask("POST", "/call", &address, typed);

    let page = ask("GET", "/", &address, "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("phone.js"), "{page}");
    assert!(
        page.contains("no-store") && page.contains("default-src 'self'"),
        "{page}"
    );
    let begun = call("[]");
    assert!(
        begun.contains("Thank you for calling") && begun.contains(r#""waits_for":"keys""#),
        "{begun}"
    );
    let sound = begun
        .split("\"sounds\":[\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let sound = ask(
        "GET",
        &format!("/sound/{}", sound.expect("something is heard")),
        &address,
        "",
    );
    assert!(sound.contains("audio/wav") && sound.contains("RIFF"), "a WAV file");
    // A hospital, details skipped by silence, and the doctor's telephone rings.
    let rings = call(r#"[{"press":"1"},{"press":"1"},{"press":"4"},{"wait":60}]"#);
    assert!(rings.contains(r#""waits_for":{"phone":"Dr. Okafor"}"#), "{rings}");
    let talks = call(
        r#"[{"press":"1"},{"press":"1"},{"press":"4"},{"wait":60},{"phone":{"person":"Dr. Okafor","does":"accepts"}}]"#,
    );
    assert!(
        talks.contains("connected to Dr. Okafor") && talks.contains(r#""waits_for":"nothing""#),
        "{talks}"
    );

    // Another page of the same browser, another name for this machine, and what is no turn.
    assert!(ask("POST", "/call", "rehearsal.example.com", "[]").starts_with("HTTP/1.1 403"));
    assert!(call(r#"[{"press":"x"}]"#).starts_with("HTTP/1.1 422"));
    assert!(call("no").starts_with("HTTP/1.1 4"));
    assert!(ask("GET", "/sound/..%2F..%2Fetc%2Fpasswd", &address, "").starts_with("HTTP/1.1 404"));
    child.kill().expect("it runs");
    child.wait().expect("it ran");
}

#[test]
fn flow_new_makes_a_practice_that_checks_and_passes_and_writes_over_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to = folder.path().join("north");
    let to = to.to_str().expect("a plain path");
    let new = ["flow", "new", to, "--template", "urgent-care", "--name", "North Clinic"];
    let output = nightdesk(&new);
    assert!(output.status.success(), "{}", said(&output));
    let output = nightdesk(&["flow", "test", to, "--require"]);
    assert!(
        output.status.success() && said(&output).contains(" passed, 0 failed"),
        "{}",
        said(&output)
    );
    let output = nightdesk(&new);
    assert!(
        !output.status.success() && said(&output).contains("is not empty"),
        "{}",
        said(&output)
    );
    let output = nightdesk(&[
        "flow",
        "new",
        "/nowhere",
        "--template",
        "dentist",
        "--name",
        "North Clinic",
    ]);
    assert!(said(&output).contains("home-health"), "{}", said(&output));
}

#[test]
fn flow_words_go_out_as_a_script_and_come_back_as_recordings_of_their_sentences() {
    let practice = cedar_with("after-hours.flow.yaml", "format: 1", "format: 1");
    let folder = practice.path().to_str().expect("a plain path");
    let booth = tempfile::tempdir().expect("a temporary folder");
    let script = booth.path().join("script.csv");
    let script = script.to_str().expect("a plain path");
    let output = nightdesk(&["flow", "words", "export", folder, "--out", script]);
    assert!(output.status.success(), "{}", said(&output));
    let text = std::fs::read_to_string(script).expect("the script");
    let row = text
        .lines()
        .find(|line| line.ends_with("\"Please stay on the line.\""))
        .expect("its row");
    let name = row.split(',').next().expect("a file name");
    // Half a second of a quiet tone, as a booth would send it: 16 kHz, 16 bit, one channel.
    let samples: Vec<u8> = (0..8000)
        .flat_map(|n: i32| (((n % 40) - 20) as i16 * 200).to_le_bytes())
        .collect();
    let length = samples.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(16000_u32.to_le_bytes());
    wav.extend(32000_u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    std::fs::write(booth.path().join(name), wav).expect("room");
    let recordings = booth.path().to_str().expect("a plain path");
    let import = ["flow", "words", "import", folder, script, recordings];
    let output = nightdesk(&import);
    assert!(said(&output).contains("1 recordings taken"), "{}", said(&output));
    let output = nightdesk(&["flow", "words", "export", folder, "--missing"]);
    assert!(
        !said(&output).contains("\"Please stay on the line.\""),
        "{}",
        said(&output)
    );
    // The sentence is changed: what was recorded for it is left out, and said to be.
    for file in ["after-hours.flow.yaml", "after-hours.es.yaml"] {
        let file = practice.path().join(file);
        let text = std::fs::read_to_string(&file).expect("a file");
        std::fs::write(&file, text.replace("Please stay on the line.", "Please hold the line.")).expect("room");
    }
    let output = nightdesk(&import);
    assert!(
        said(&output).contains("0 recordings taken") && said(&output).contains("1 left out"),
        "{}",
        said(&output)
    );
}
