//! Every rule, verb, field, condition and event of the language, and the test or file that shows it, as one table.
//!
//! The table is `crates/flow/INVENTORY.md`; `INVENTORY=write cargo nextest run -p flow inventory` writes it anew. A row
//! that nothing shows is a failure, and so is a table that is not up to date.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as a test does"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flow::{Field, RULES, verbs};

/// What goes wrong, what is done about it (§5), and the test that shows it.
const EVENTS: [(&str, &str); 14] = [
    ("no key in the wait: said again, shorter the second time", "the_figure"),
    ("wrong key: sorry, and the question again", "the_figure"),
    (
        "still nothing after `ask again`: `then`, or the question's own `if no answer`",
        "the_figure",
    ),
    (
        "silence or confusion inside triage: urgent, and the quiet-caller rule",
        "silence_in_spanish",
    ),
    ("0 pressed: the `press 0` section", "the_figure"),
    (
        "hang-up while collecting: delivered, marked cut off",
        "a_caller_who_hangs_up",
    ),
    ("hang-up while escalating: the ladder goes on", "a_caller_who_hangs_up"),
    ("speech fails: cached audio, then the safety net", "the_figure"),
    ("everything broken: the safety net", "the_figure"),
    (
        "step budget or 60 minutes: one warning, then the safety net",
        "the_figure",
    ),
    ("a section that runs out: the safety net", "the_figure"),
    ("the book is broken: phones ring all the same", "the_figure"),
    ("records are down: a person will call", "the_shipped_file_reads_whole"),
    ("a voicemail is no doctor: only the key accepts", "a_fever"),
];

/// The conditions of §6.
const CONDITIONS: [&str; 20] = [
    "the office is open",
    "the office is closed",
    "today is a holiday",
    "it is lunch time",
    "nobody is on call",
    "records are down",
    "recording is allowed",
    "this number called in the last hour",
    "language is",
    "line called is",
    "time is between",
    "day is one of",
    "caller state is",
    "patient age is under",
    "patient age is over",
    "patient age is at least",
    "patient age is at most",
    "patient age is known",
    "patient age is unknown",
    "age group is not",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below a folder with one of these endings, by its path from the root.
fn files(within: &str, endings: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![root().join(within)];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                left.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let from_root = name.split("/../../").nth(1).unwrap_or(&name).to_owned();
                found.insert(from_root, std::fs::read_to_string(&path).unwrap_or_default());
            }
        }
    }
    found
}

#[test]
fn inventory() {
    let bad = files("fixtures/flows/bad", &[""]);
    let mut good = files("fixtures/flows/good", &[".yaml"]);
    good.extend(files("flows", &[".yaml"]));
    let tests = files("crates/flow", &[".rs", ".snap"]);
    let mut missing = Vec::new();
    let mut table = String::from(
        "# What the language holds, and what shows it\n\nWritten by `INVENTORY=write cargo nextest run -p flow inventory`; do not edit.\n\n## Rules\n\n| rule | | says | shown by |\n|---|---|---|---|\n",
    );
    for rule in RULES {
        let prefix = format!("fixtures/flows/bad/{}-", rule.code);
        let mut shown: Vec<&str> = bad
            .keys()
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(|rest| rest.split('/').next().unwrap_or(rest))
            .collect();
        shown.dedup();
        // Not a file but a scenario that is missing.
        match rule.code {
            "T001" => shown.push("an_emergency_question_nobody_can_be_asked_is_told_of"),
            "T002" => shown.push("a_question_moved_down_is_told_as_its_callers_way"),
            _ => {}
        }
        if shown.is_empty() {
            missing.push(rule.code.to_owned());
        }
        let file = |name: &&str| {
            if name.contains('_') {
                format!("`{name}`")
            } else {
                format!("`{}-{name}`", rule.code)
            }
        };
        let shown: Vec<String> = shown.iter().map(file).collect();
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} |",
            rule.code,
            if rule.blocks_release && rule.severity == flow::Severity::Warning {
                "W, E at the release"
            } else {
                match rule.severity {
                    flow::Severity::Error => "E",
                    flow::Severity::Warning => "W",
                    flow::Severity::Advice => "A",
                }
            },
            rule.what.replace('|', "\\|"),
            shown.join(", ")
        );
    }
    table.push_str("\n## Verbs\n\n| verb | used in |\n|---|---|\n");
    for verb in verbs() {
        let step = format!("- {verb}");
        let used = good.iter().find(|(_, text)| {
            text.lines().any(|line| {
                let line = line.trim();
                line.strip_prefix(&step)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(':') || rest.starts_with(' '))
            })
        });
        row(&mut table, &mut missing, verb, used.map(|(name, _)| name.as_str()));
    }
    table.push_str("\n## Details callers are asked for\n\n| field | class | used in |\n|---|---|---|\n");
    for field in Field::ALL {
        let used = good
            .iter()
            .find(|(name, text)| name.ends_with(".flow.yaml") && text.contains(field.name()));
        if used.is_none() {
            missing.push(field.name().to_owned());
        }
        let _ = writeln!(
            table,
            "| {} | {} | `{}` |",
            field.name(),
            field.class().name(),
            used.map_or("", |(name, _)| name.as_str())
        );
    }
    table.push_str("\n## Conditions\n\n| condition | shown by |\n|---|---|\n");
    for condition in CONDITIONS {
        let used = good.iter().find(|(_, text)| {
            text.contains(&format!("if: {condition}"))
                || text.contains(&format!("when: {condition}"))
                || text.contains(condition)
        });
        row(&mut table, &mut missing, condition, used.map(|(name, _)| name.as_str()));
    }
    table.push_str("\n## When things go wrong\n\n| event | test |\n|---|---|\n");
    for (event, test) in EVENTS {
        let shown = tests.iter().any(|(name, text)| {
            name.ends_with(".rs") && (text.contains(&format!("fn {test}(")) || text.contains(&format!("\"{test}\"")))
        });
        row(&mut table, &mut missing, event, shown.then_some(test));
    }
    assert_eq!(missing, Vec::<String>::new(), "nothing shows these");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("INVENTORY.md");
    if std::env::var_os("INVENTORY").is_some() {
        std::fs::write(&path, &table).expect("the table can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == table,
        "write the table anew: INVENTORY=write cargo nextest run -p flow inventory"
    );
}

fn row(table: &mut String, missing: &mut Vec<String>, what: &str, shown: Option<&str>) {
    if shown.is_none() {
        missing.push(what.to_owned());
    }
    let _ = writeln!(table, "| {what} | `{}` |", shown.unwrap_or(""));
}
