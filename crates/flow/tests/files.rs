//! Whole files through the compiler: the shipped practice, the examples, the wrong ones of `fixtures/flows/bad`, any text.
//!
//! A wrong file stands in for the good one of its kind in `fixtures/flows/good`; its name begins with the rule it breaks.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as a test does"
)]

mod practices;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flow::{Act, Compiled, Folder, Language, Measure, RULES, Severity, SoundFile, compile, compile_on};
use jiff::civil::date;
use practices::PRACTICES;
use proptest::prelude::*;

const CEDAR: [&str; 5] = [
    "practice.yaml",
    "after-hours.flow.yaml",
    "after-hours.es.yaml",
    "adult-symptoms.protocol.yaml",
    "adult-symptoms.es.yaml",
];
const GOOD: [&str; 3] = ["practice.yaml", "after-hours.flow.yaml", "symptoms.protocol.yaml"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

fn folder(within: &str, files: &[&str]) -> Folder {
    let mut folder = Folder::default();
    for file in files {
        folder
            .files
            .insert((*file).to_owned(), text(&root().join(within).join(file)));
    }
    folder
}

/// What a sound file is like, as `voice` would tell.
fn listened_to(path: &Path) -> SoundFile {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    let spec = reader.spec();
    let full = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
    let samples = reader
        .samples::<i32>()
        .map(|sample| sample.expect("whole") as f32 / full);
    let samples: Vec<f32> = samples.collect();
    match Measure::of(&samples, spec.sample_rate, spec.bits_per_sample) {
        Some(measure) => SoundFile::Heard(measure),
        None => SoundFile::Unusable("it holds no sound".to_owned()),
    }
}

/// The files of a folder over those that are there already.
fn lay_over(folder: &mut Folder, path: &Path, within: &str) {
    for entry in std::fs::read_dir(path).expect("readable") {
        let path = entry.expect("readable").path();
        let name = format!("{within}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            lay_over(folder, &path, &format!("{name}/"));
        } else if name.ends_with(".wav") {
            let name = name.trim_start_matches("words/").to_owned();
            folder
                .recordings
                .get_or_insert_default()
                .insert(name, listened_to(&path));
        } else {
            folder.files.insert(name, text(&path));
        }
    }
}

fn cedar() -> Folder {
    folder("flows/cedar-family-medicine", &CEDAR)
}

fn told(compiled: &Compiled) -> String {
    compiled.diagnostics.iter().map(|found| format!("{found}\n")).collect()
}

fn codes(compiled: &Compiled) -> BTreeSet<&'static str> {
    compiled.diagnostics.iter().map(|found| found.code).collect()
}

#[test]
fn cedar_compiles_without_an_error() {
    let compiled = compile(&cedar());
    insta::assert_snapshot!(told(&compiled));
    let practice = compiled.practice.expect("no error");
    assert_eq!(practice.flows.len(), 1);
    let saturday_night = "2026-11-22T05:40:00Z".parse().unwrap();
    let monday_morning = "2026-11-23T15:00:00Z".parse().unwrap();
    assert_eq!(
        practice.flow_for("main line", saturday_night).unwrap().name,
        "After hours at Cedar Family Medicine"
    );
    // The office is open, no flow says so, and the number is ours: it is answered all the same.
    assert!(practice.flow_for("main line", monday_morning).is_some());
    assert!(
        practice.flow_for("fax", monday_morning).is_some(),
        "a number we own is answered"
    );
}

#[test]
fn every_sentence_of_cedar_is_spoken_in_both_languages() {
    let practice = compile(&cedar()).practice.expect("no error");
    let mut sentences = 0;
    for step in practice
        .flows
        .iter()
        .flat_map(|flow| &flow.sections)
        .flat_map(|section| &section.steps)
    {
        step.act.spoken(&mut |sentence| {
            sentences += 1;
            assert_ne!(sentence.text(Language::English), sentence.text(Language::Spanish));
        });
    }
    assert!(sentences > 30, "{sentences}");
    let parts = practice.all_parts();
    for spoken in [
        "For a medical question or a symptom, press 1.",
        "Para resurtir una receta, marque 2.",
        "¿Hay dolor o presión en el pecho, o dificultad para respirar?",
    ] {
        assert!(parts.iter().any(|part| part.text.as_ref() == spoken), "{spoken}");
    }
    assert!(
        parts.iter().all(|part| !part.text.contains(['{', '}'])),
        "a clip never holds a brace"
    );
    assert!(
        parts
            .iter()
            .any(|part| part.text.contains("Cedar Family Medicine") && part.language == Language::Spanish)
    );
}

#[test]
fn the_fingerprint_is_of_what_callers_hear_and_of_nothing_else() {
    let print = |folder: &Folder| compile(folder).practice.expect("no error").fingerprint();
    let plain = cedar();
    let mut more = cedar();
    more.files
        .insert("after-hours.tests.yaml".to_owned(), "tests for: nothing\n".to_owned());
    more.files
        .entry("practice.yaml".to_owned())
        .and_modify(|text| *text = text.replace('\n', "  \r\n"));
    assert_eq!(print(&plain), print(&more));
    let mut other = cedar();
    other
        .files
        .entry("after-hours.es.yaml".to_owned())
        .and_modify(|text| *text = text.replace("Gracias. Adiós.", "Adiós."));
    assert_ne!(print(&plain), print(&other));
}

#[test]
fn the_good_folder_has_nothing_to_say() {
    let compiled = compile_on(&folder("fixtures/flows/good", &GOOD), Some(date(2026, 11, 21)));
    assert_eq!(told(&compiled), "");
    assert!(compiled.practice.is_some());
}

#[test]
fn a_shared_piece_is_read_in_its_place() {
    let mut folder = folder("fixtures/flows/good", &GOOD);
    lay_over(&mut folder, &root().join("fixtures/flows/good/shared"), "");
    let compiled = compile_on(&folder, Some(date(2026, 11, 21)));
    assert_eq!(told(&compiled), "");
    let practice = compiled.practice.expect("no error");
    let flow = &practice.flows[0];
    let message = flow.section(flow.section_named("nurse message").expect("a section"));
    // What the piece leads to came along, and what it needs was put in.
    let (the_end, more) = (
        flow.section_named("the end of Closing words").expect("it came along"),
        flow.section_named("more of Closing words").expect("it came along"),
    );
    let doctor = flow.section_named("the doctor").expect("a section");
    assert!(
        matches!(message.steps[2].act, Act::AskYesOrNo { if_yes, if_no, .. } if if_yes == more && if_no == the_end),
        "{:?}",
        message.steps
    );
    assert_eq!(flow.section(more).steps[0].act, Act::GoTo(doctor));
    // A condition beside `use` goes for every step of it.
    let flow_file = folder.files.get_mut("after-hours.flow.yaml").expect("a flow");
    *flow_file = flow_file.replace("      version: 3\n", "      version: 3\n      if: today is a holiday\n");
    let compiled = compile(&folder);
    let codes = codes(&compiled);
    assert!(
        codes.contains("S001"),
        "passed by on other days, the section ends in silence: {}",
        told(&compiled)
    );
}

#[test]
fn a_signature_holds_until_a_word_changes() {
    let folder_signed = |fingerprint: &str| {
        let mut folder = folder("fixtures/flows/good", &GOOD);
        let text = folder.files.get_mut("symptoms.protocol.yaml").expect("a protocol");
        *text = text.replace("2027-02-01}", &format!("2027-02-01, fingerprint: {fingerprint}}}"));
        folder
    };
    let plain = compile(&folder("fixtures/flows/good", &GOOD));
    let approvals: Vec<_> = plain
        .approvals
        .iter()
        .map(|approvable| approvable.file.as_str())
        .collect();
    assert_eq!(approvals, ["after-hours.flow.yaml", "symptoms.protocol.yaml"]);
    assert!(plain.approvals.iter().all(|approvable| !approvable.is_signed()));
    let fingerprint = &plain.approvals[1].fingerprint;
    let mut signed = folder_signed(fingerprint);
    let compiled = compile(&signed);
    assert_eq!(told(&compiled), "");
    assert!(compiled.approvals[1].is_signed());
    // Comments and spaces are no words; a question is.
    let text = signed.files.get_mut("symptoms.protocol.yaml").expect("a protocol");
    text.push_str("# read by everybody\n");
    assert_eq!(told(&compile(&signed)), "");
    let text = signed.files.get_mut("symptoms.protocol.yaml").expect("a protocol");
    *text = text.replace("Is there a fever?", "Is there a high fever?");
    assert!(codes(&compile(&signed)).contains("C007"));
}

/// The good folder with this file, or the files of this folder, in the place of its own.
fn standing_in(path: &Path) -> (String, Folder) {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut folder = folder("fixtures/flows/good", &GOOD);
    if path.is_dir() {
        lay_over(&mut folder, path, "");
    } else {
        let kind = GOOD.iter().find(|good| {
            let ending = good.split_once('.').map_or("", |(_, ending)| ending);
            (ending != "yaml" && name.ends_with(ending)) || name.ends_with(&format!(".{good}"))
        });
        let kind = *kind.expect("a kind of file");
        folder.files.insert(kind.to_owned(), text(path));
    }
    (name, folder)
}

/// Beside every wrong file the nearest right writing: the shortest way to mend it, or the most a rule still allows.
#[test]
fn the_nearest_right_writing_of_every_rule_has_nothing_to_say() {
    let mut shown = BTreeSet::new();
    let mut wrong = String::new();
    for entry in std::fs::read_dir(root().join("fixtures/flows/good")).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let (name, folder) = match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.starts_with(char::is_uppercase) => standing_in(&path),
            _ => continue,
        };
        let found = told(&compile_on(&folder, Some(date(2026, 11, 21))));
        if !found.is_empty() {
            wrong += &format!("{name}: {found}");
        }
        shown.insert(name.split('-').next().expect("a rule").to_owned());
    }
    assert_eq!(wrong, "");
    // Rules about scenarios have tests of their own.
    let rules = RULES.iter().map(|rule| rule.code).filter(|code| !code.starts_with('T'));
    let missing: Vec<&str> = rules.filter(|code| !shown.contains(*code)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn every_wrong_file_is_told_what_is_wrong() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(root().join("fixtures/flows/bad"))
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    names.sort();
    // Issue 4: at least 80, each with its message as a snapshot.
    assert!(names.len() >= 80);
    for path in names {
        let (name, folder) = standing_in(&path);
        let compiled = compile_on(&folder, Some(date(2026, 11, 21)));
        let code = name.split('-').next().expect("a rule");
        assert!(codes(&compiled).contains(code), "{name}: {}", told(&compiled));
        // A wrong file never runs; a doubtful one does.
        let error = compiled
            .diagnostics
            .iter()
            .any(|found| found.severity == Severity::Error);
        assert_eq!(compiled.practice.is_none(), error, "{name}");
        for found in &compiled.diagnostics {
            let lines = folder.files.get(&found.file).map_or(1, |text| text.lines().count());
            assert!(found.line >= 1 && found.line <= lines.max(1), "{name}: {found}");
            assert!(
                !found.to_string().contains("614"),
                "{name}: a finding quotes a number: {found}"
            );
        }
        insta::assert_snapshot!(name.replace('.', "-"), told(&compiled));
    }
}

/// The practices as they are shipped: no finding but that their wording is a sample (Stillwater asks no protocol), and
/// that Cedar, the design's to the byte, cannot call back who leaves a voice message.
#[test]
fn the_practices_are_read_whole() {
    for practice in PRACTICES {
        let expected = match practice {
            "stillwater-behavioral-health" => BTreeSet::new(),
            "cedar-family-medicine" => BTreeSet::from(["C008", "U003"]),
            _ => BTreeSet::from(["C008"]),
        };
        let mut folder = Folder::default();
        lay_over(&mut folder, &root().join("flows").join(practice), "");
        let compiled = compile_on(&folder, Some(date(2026, 11, 21)));
        assert_eq!(codes(&compiled), expected, "{practice}: {}", told(&compiled));
        assert!(compiled.practice.is_some());
    }
}

/// The examples of the design as they were written, each with the SHA-256 of its bytes.
const EXAMPLES: [(&str, &str); 11] = [
    (
        "bright-harbor-pediatrics/child-symptoms.protocol.yaml",
        "48b34b0e08c7ed60275507446a5daf32774de0682774d9b54a635784ec0daa2f",
    ),
    (
        "bright-harbor-pediatrics/pediatrics.flow.yaml",
        "061a3f111fcc4f892dc74fd78e13e18902190c83228e07c26ca838e6a4522d86",
    ),
    (
        "bright-harbor-pediatrics/pediatrics.practice.yaml",
        "44e8c5d9569985d0c14a444cd6fdd452c78f39e0c83b29049b40213f40b3301d",
    ),
    (
        "bright-harbor-pediatrics/pediatrics.tests.yaml",
        "ebe64735d75c4fc19a9bd3c45cada60cef676a283ec77b22c3a726259aede9a1",
    ),
    (
        "cedar-family-medicine/adult-symptoms.protocol.yaml",
        "32f58402a93172be042bacd7ecddeee1cfc077ba56d85ff1b2242bfbc702370e",
    ),
    (
        "cedar-family-medicine/after-hours.flow.yaml",
        "11f3a67e2e13f9a8ec12157e79fd9e8045d2cf9d51977a5553c433be39701a22",
    ),
    (
        "cedar-family-medicine/after-hours.tests.yaml",
        "bb1f6937941b5555159eea9d609343164023f16cec7291f62a9ea6d497fd5062",
    ),
    (
        "cedar-family-medicine/practice.yaml",
        "65ad83edcf6eaaa9d787710b6b4b9d557e335af7c20340af06e7a3d45cd6805c",
    ),
    (
        "stillwater-behavioral-health/crisis.flow.yaml",
        "4549958a25278222ec1f00043a8d9a60c7d41ca92d6502d35c37edff2392dfd7",
    ),
    (
        "stillwater-behavioral-health/crisis.practice.yaml",
        "c90b7cd5efbba4011fab5bc13652ce65d063ee88ba9d0b1e89d7ada7759a0ef5",
    ),
    (
        "stillwater-behavioral-health/crisis.tests.yaml",
        "f79b58f84424e5da47918d97ecb3206b90cb4c047eb7956668f691a12a701d07",
    ),
];

/// What is told about the language is told about these very files: whatever else a practice needs stands elsewhere.
#[test]
fn the_examples_of_the_design_are_shipped_to_the_byte() {
    for (file, expected) in EXAMPLES {
        let bytes = std::fs::read(root().join("flows").join(file)).expect("a shipped file");
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
        let digest: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(digest, expected, "{file} is not the example any more");
    }
}

/// Every practice of this repository, the ones that tests run among them, still runs.
#[test]
fn every_practice_here_compiles() {
    let mut folders: Vec<PathBuf> = ["flows", "tests/bench/practices"]
        .iter()
        .filter_map(|within| std::fs::read_dir(root().join(within)).ok())
        .flatten()
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.extend(["tests/conformance/practice", "tests/interop/practice"].map(|within| root().join(within)));
    let mut broken = String::new();
    for path in folders {
        let mut folder = Folder::default();
        lay_over(&mut folder, &path, "");
        let compiled = compile(&folder);
        for found in compiled.diagnostics.iter().filter(|found| found.is_error()) {
            broken.push_str(&format!("{}: {found}\n", path.display()));
        }
    }
    assert_eq!(broken, "");
}

/// Every verb, setting, detail and condition there is, in one folder.
#[test]
fn a_flow_that_uses_everything_is_read() {
    let mut folder = Folder::default();
    lay_over(&mut folder, &root().join("fixtures/flows/good/everything"), "");
    let compiled = compile_on(&folder, Some(date(2026, 11, 21)));
    assert!(compiled.practice.is_some(), "{}", told(&compiled));
    insta::assert_snapshot!(told(&compiled));
}

/// One line of a real file replaced by anything, cut or doubled: what a hurried editor does.
fn hurt(text: &str, at: usize, with: &str, how: u8) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let at = at % lines.len().max(1);
    match how {
        0 => lines[at] = with,
        1 => lines.insert(at, with),
        2 => {
            lines.remove(at);
        }
        3 => lines.insert(at, lines[at]),
        _ => lines.truncate(at),
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_text_makes_the_compiler_panic(
        file in 0_usize..5, at in any::<usize>(), how in 0_u8..5,
        with in "[ ]{0,6}(- )?(say|menu|go to|if|press 1|escalate to|ask|triage|\\PC{0,12})?(: ?)?(\\PC{0,24}|\\{\\PC{0,16}\\}|\\[\\PC{0,16}\\]|[0-9]{1,24} (years|seconds|pm))",
    ) {
        let mut folder = cedar();
        let text = folder.files.get_mut(CEDAR[file]).expect("one of Cedar's files");
        *text = hurt(text, at, &with, how);
        let compiled = compile_on(&folder, Some(date(2026, 11, 21)));
        prop_assert_eq!(compiled.practice.is_none(), compiled.diagnostics.iter().any(|found| found.is_error()));
        for found in &compiled.diagnostics {
            prop_assert!(found.to_json().is_object());
            if let Some(text) = folder.files.get(&found.file) {
                // Every span can be pointed at.
                prop_assert!(text.get(found.span.clone()).is_some(), "{}", found);
            }
        }
    }

    #[test]
    fn no_practice_without_a_finding_when_everything_is_noise(noise in "\\PC{0,300}") {
        let mut folder = Folder::default();
        for file in CEDAR {
            folder.files.insert(file.to_owned(), noise.clone());
        }
        prop_assert!(compile(&folder).practice.is_none());
    }
}

/// A thousand sections, as a hospital with many lines would write: the checks look at each way a bounded number of times.
#[test]
fn a_thousand_sections_are_checked() {
    let good = folder("fixtures/flows/good", &GOOD);
    let flow = &good.files["after-hours.flow.yaml"];
    let mut sections = String::new();
    // A tree, as deep as callers bear.
    let room = |nth: usize| match nth {
        0..995 => format!("room {nth}"),
        _ => "nurse message".to_owned(),
    };
    for nth in 0..995 {
        let (left, right) = (room(2 * nth + 1), room(2 * nth + 2));
        sections.push_str(&format!(
            "  room {nth}:\n    - menu: How can room {nth} help?\n      press 1: {{for: the room on the left, go to: {left}}}\n      press 2: {{for: the room on the right, go to: {right}}}\n"
        ));
    }
    let flow = flow
        .replace("messages:\n", &format!("{sections}messages:\n"))
        .replace("form\", go to: nurse message}", "form\", go to: room 0}");
    let mut large = good.clone();
    large.files.insert("after-hours.flow.yaml".to_owned(), flow);
    let compiled = compile(&large);
    let practice = compiled
        .practice
        .unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics));
    assert_eq!(practice.flows[0].sections.len(), 1004);
}
