//! Which test proves which promise about health information: a table made from the tests themselves.
//!
//! A test that proves a numbered requirement says so in its first words: `/// Proves SEC-12: …`. The table in
//! `crates/EVIDENCE.md` is made of these (`make evidence`); it is stale, or a promise without a proof: this fails.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test reads the tests, and fails loudly"
)]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What must hold before anybody may trust the product with a patient, and what the Security Rule's pack stands on besides,
/// by its number, in our words.
const MUST: &[(&str, &str)] = &[
    (
        "ADM-05",
        "nobody whose training is missing or overdue works with patients' information",
    ),
    ("ADM-09", "a breach has its clocks, by the agreement and by law"),
    ("ADM-10", "how many people it touches is counted from the book"),
    ("ADM-11", "an incident is found, weighed and reported, in these stages"),
    (
        "SEC-10",
        "what is odd about who looked at what is told, with the reason",
    ),
    (
        "ADM-01",
        "without an agreement on file a practice is not in service, and nothing of a call is recorded",
    ),
    (
        "ADM-02",
        "an agreement says what may be used, how it is kept, how soon a breach is told, how it ends, who is liable",
    ),
    (
        "ADM-03",
        "every outside service has an agreement, or carries nothing of a patient",
    ),
    (
        "AUD-01",
        "the book cannot be changed unnoticed: edits, losses, swaps, insertions and cut ends are each found",
    ),
    (
        "AUD-02",
        "who looked at one patient's information, and when, is answered in a second",
    ),
    ("AUD-03", "who handled a call, what they saw, how it was passed on"),
    (
        "AUD-04",
        "log-ins, refusals, listening, exports, edits, releases and the use of keys are rows",
    ),
    ("AUD-05", "each step of an escalation is a row"),
    ("AUD-06", "an auditor finds and exports every interaction"),
    ("AUD-10", "one call as one time line"),
    (
        "CON-01",
        "callers from states where everybody must agree are asked before the first frame is kept",
    ),
    (
        "CON-02",
        "the strictest of the caller's, the practice's and the providers' states decides; unknown is strict",
    ),
    (
        "CON-04",
        "the table of states, its sources, and the rule applied to a call can be shown",
    ),
    (
        "CON-05",
        "whoever joins a recorded call is told, and may keep out of it",
    ),
    ("CON-06", "a no costs no care: the same flow, no sound kept, a row"),
    (
        "ESC-12",
        "number and reason are on the disk before the first phone rings, and the ladder outlives the caller",
    ),
    (
        "INT-10",
        "sealed from the first packet; nothing of before the permission is written",
    ),
    (
        "RET-01",
        "six years unless a practice says otherwise, and a warning when it says less",
    ),
    ("RET-02", "what is destroyed stays destroyed, though a backup has it"),
    ("RET-03", "every class has an end; for ever needs a named hold"),
    ("RET-06", "a backup holds nothing that opens without the keys"),
    (
        "RET-07",
        "sound, messages, keys pressed, calls and the audit trail have periods of their own",
    ),
    (
        "SEC-01",
        "nothing readable is on the disk: AES-256-GCM, and none of the planted words found",
    ),
    ("SEC-02", "TLS 1.2 at least, with no way to lower it"),
    (
        "SEC-03",
        "calls can be encrypted, and one that is not says so in its record",
    ),
    ("SEC-05", "backups are sealed, and come back with the keys only"),
    ("SEC-06", "every action has one named person"),
    ("SEC-07", "roles: each sees what their work needs, and nothing else"),
    ("SEC-08", "a session ends when nobody uses it, and after half a day"),
    ("SEC-09", "no setting turns encryption, the book or the question off"),
    (
        "SEC-11",
        "a recording is sealed from its first octet, and opens to a listed reader only",
    ),
    ("SEC-12", "a lost telephone or disk tells nothing"),
    ("SEC-13", "logs and terminals show nothing of a patient"),
    ("SEC-14", "the rows of the book are sealed like the sound"),
    ("SEC-15", "what the work does not need is not kept"),
    (
        "SEC-17",
        "every stored thing has its hash in the chain; a flipped bit is found",
    ),
    ("SEC-18", "nobody shares a log-in"),
];

/// Promises that no test proves yet.
const OPEN: &[&str] = &[];

#[test]
fn every_promise_about_health_information_names_its_proof() {
    let mut proofs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in sources() {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let place = file.strip_prefix(root()).expect("below the root").display().to_string();
        for (ids, test) in proved_in(&text) {
            for id in ids {
                proofs.entry(id).or_default().push(format!("`{place}` {test}"));
            }
        }
    }
    let mut table = String::from(
        "# Which test proves which promise\n\nMade from the tests by `make evidence`; the numbers are those of the requirements.\n\n\
         | promise | what it says | proved by |\n|---|---|---|\n",
    );
    let mut open = Vec::new();
    let mut rows = MUST.to_vec();
    rows.sort_unstable();
    for (id, what) in &rows {
        let mut tests = proofs.remove(*id).unwrap_or_default();
        tests.sort();
        if tests.is_empty() {
            open.push(*id);
            tests.push("nobody yet".to_owned());
        }
        let _ = writeln!(table, "| {id} | {what} | {} |", tests.join("<br>"));
    }
    let page = root().join("crates/EVIDENCE.md");
    if std::env::var_os("EVIDENCE").is_some_and(|what| what == "write") {
        std::fs::write(&page, &table).expect("room");
    }
    assert_eq!(open, OPEN, "promises without a proof");
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(written == table, "crates/EVIDENCE.md is stale: make evidence");
}

/// The numbers each test of a file claims, and its name.
fn proved_in(text: &str) -> Vec<(Vec<String>, String)> {
    let mut out = Vec::new();
    let mut claimed: Option<Vec<String>> = None;
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if let Some(claim) = line.strip_prefix("/// Proves ").and_then(|rest| rest.split_once(':')) {
            claimed = Some(claim.0.split(", ").map(str::to_owned).collect());
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("///") || line.starts_with("#[") {
        } else if let Some(name) = line.trim_start_matches("async ").strip_prefix("fn ") {
            let name = name.split('(').next().unwrap_or_default().to_owned();
            // A claim beside something that is no test is none.
            if let Some(ids) = claimed.take().filter(|_| is_test) {
                out.push((ids, name));
            }
            is_test = false;
        } else {
            (claimed, is_test) = (None, false);
        }
    }
    out
}

fn sources() -> Vec<PathBuf> {
    let mut left = vec![root().join("crates"), root().join("tests")];
    let mut out = Vec::new();
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                out.push(path);
            }
        }
    }
    out
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn a_claim_counts_only_on_a_test() {
    let text = "/// Proves SEC-01, SEC-02: this.\n/// And more.\n#[test]\nfn one() {\n}\n/// Proves SEC-03: that.\nfn no_test() {}\n";
    assert_eq!(
        proved_in(text),
        [(vec!["SEC-01".to_owned(), "SEC-02".to_owned()], "one".to_owned())]
    );
}
