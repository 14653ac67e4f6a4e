//! The practices' language: a file as YAML, and a whole practice with one of its files mutated.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::path::Path;
use std::sync::LazyLock;

use flow::rehearse::Suite;
use flow::{Compiled, Diagnostic, Folder, editor};

use super::{about, verdict};

/// Where the seeds lie.
pub const FOLDERS: &[&str] = &[
    "flows/cedar-family-medicine",
    "fixtures/flows/good",
    "fixtures/flows/good/everything",
    "fixtures/flows/good/shared",
    "flows/bright-harbor-pediatrics",
    "flows/stillwater-behavioral-health",
    "flows/marigold-womens-health",
    "flows/saguaro-home-health",
    "flows/camas-urgent-care",
    "fixtures/flows/bad",
];

/// The practice around a mutated file.
static CEDAR: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flows/cedar-family-medicine");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml"))
        .filter_map(|name| Some((name.clone(), std::fs::read_to_string(folder.join(name)).ok()?)))
        .collect()
});

/// Any file: a tree or diagnostics that point into it; and as scenarios.
pub fn source(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let read = flow::source::read("x.yaml", &text);
    let (suite, found) = Suite::parse("x.tests.yaml", &text);
    for diagnostic in read.diagnostics.iter().chain(&found) {
        points_into(diagnostic, &text);
    }
    verdict((
        read.tree.map(|tree| about(tree.entries().len() + tree.items().len())),
        codes(&read.diagnostics),
        suite.map(|suite| about(suite.scenarios.len())),
        codes(&found),
    ))
}

/// A file in its place in a whole practice: it compiles, or says why not.
pub fn compile(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let mut files = CEDAR.clone();
    // Which place: by what its first words look like.
    let place = match text.get(..600).unwrap_or(&text) {
        head if head.contains("protocol:") => "adult-symptoms.protocol.yaml",
        head if head.contains("flow:") => "after-hours.flow.yaml",
        head if head.contains("practice:") => "practice.yaml",
        head if head.contains("scenarios:") => "after-hours.tests.yaml",
        _ => "after-hours.es.yaml",
    };
    files.insert(place.to_owned(), text.clone().into_owned());
    let folder = Folder {
        files,
        ..Folder::default()
    };
    // Somebody may be typing anywhere in it.
    let at = bytes
        .iter()
        .fold(0usize, |at, byte| at.wrapping_mul(31).wrapping_add((*byte).into()))
        % (text.len() + 1);
    black_box((
        editor::suggest(&folder, place, at),
        editor::meaning(&folder, place, at),
        editor::definition(&folder, place, at),
    ));
    let Compiled {
        practice, diagnostics, ..
    } = flow::compile(&folder);
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.file == place) {
        points_into(diagnostic, &text);
    }
    let parts = practice.map(|practice| about(practice.all_parts().len()));
    assert!(
        parts.is_some() || diagnostics.iter().any(Diagnostic::is_error),
        "refused without a reason"
    );
    verdict((place, parts, codes(&diagnostics)))
}

fn points_into(diagnostic: &Diagnostic, text: &str) {
    assert!(diagnostic.span.start <= diagnostic.span.end && diagnostic.span.end <= text.len());
    black_box((diagnostic.to_json(), diagnostic.shown_in(text).to_string()));
}

fn codes(diagnostics: &[Diagnostic]) -> BTreeSet<&'static str> {
    diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

/// Words of the language, and of YAML where we refuse it.
pub const WORDS: &[&str] = &[
    "\n",
    "\n  ",
    "\n    - ",
    ": ",
    "- ",
    "\t",
    "#",
    "\"",
    "'",
    "|",
    ">",
    ">-",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "? ",
    "no",
    "null",
    "~",
    ".inf",
    "1e999",
    "0x1f",
    "2026-11-21",
    "\\u0000",
    "\\x41",
    "\u{feff}",
    "\u{2028}",
    "flow:",
    "practice:",
    "protocol:",
    "scenarios:",
    "say:",
    "menu:",
    "go to:",
    "escalate:",
    "take message:",
    "triage:",
    "hang up",
    "answer",
    "otherwise:",
    "if silent:",
    "press 1:",
    "{name}",
    "{{",
    "25 seconds",
    "0 seconds",
    "99999999999 minutes",
    "+15125550142",
    "911",
    "every",
    "to",
    "24:00",
    "America/Chicago",
    "Nowhere/City",
];
