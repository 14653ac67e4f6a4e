//! Whole files through the compiler: the shipped practice, the examples, the wrong ones of `fixtures/flows/bad`, any text.
//!
//! A wrong file stands in for the good one of its kind in `fixtures/flows/good`; its name begins with the rule it breaks.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as a test does"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flow::{Act, Compiled, Folder, Language, Severity, compile, compile_on};
use jiff::civil::date;
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
    assert!(practice.flow_for("fax", monday_morning).is_none());
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
fn every_wrong_file_is_told_what_is_wrong() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(root().join("fixtures/flows/bad"))
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    names.sort();
    assert!(names.len() >= 25);
    for path in names {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let mut folder = folder("fixtures/flows/good", &GOOD);
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).expect("readable") {
                let path = entry.expect("readable").path();
                folder.files.insert(
                    path.file_name().expect("a name").to_string_lossy().into_owned(),
                    text(&path),
                );
            }
        } else {
            let kind = GOOD.iter().find(|good| {
                let ending = good.split_once('.').map_or("", |(_, ending)| ending);
                (ending != "yaml" && name.ends_with(ending)) || name.ends_with(&format!(".{good}"))
            });
            let kind = *kind.expect("a kind of file");
            folder.files.insert(kind.to_owned(), text(&path));
        }
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
            let lines = folder.files[&found.file].lines().count();
            assert!(found.line >= 1 && found.line <= lines.max(1), "{name}: {found}");
            assert!(
                !found.to_string().contains("614"),
                "{name}: a finding quotes a number: {found}"
            );
        }
        insta::assert_snapshot!(name.replace('.', "-"), told(&compiled));
    }
}

/// The other two practices of the design: every verb they use is read. Pediatrics has no Spanish yet, and says so.
#[test]
fn the_examples_are_read_whole() {
    let crisis = compile(&folder(
        "fixtures/flows/good/crisis",
        &["crisis.practice.yaml", "crisis.flow.yaml"],
    ));
    let practice = crisis.practice.clone().unwrap_or_else(|| panic!("{}", told(&crisis)));
    let counselor = practice.flows[0].section_named("counselor").expect("a section");
    assert!(
        matches!(&practice.flows[0].section(counselor).steps[1].act, Act::Escalate { or_press: Some(choice), .. } if choice.key == '3')
    );
    let files = [
        "pediatrics.practice.yaml",
        "pediatrics.flow.yaml",
        "child-symptoms.protocol.yaml",
    ];
    let pediatrics = compile(&folder("fixtures/flows/good/pediatrics", &files));
    let errors: BTreeSet<_> = pediatrics
        .diagnostics
        .iter()
        .filter(|found| found.is_error())
        .map(|found| found.code)
        .collect();
    assert_eq!(errors, BTreeSet::from(["F009"]), "{}", told(&pediatrics));
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
