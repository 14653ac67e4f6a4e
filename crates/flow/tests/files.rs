//! Whole files through the compiler: the shipped practices, the wrong ones of `fixtures/flows/bad`, and any text at all.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]

use std::path::{Path, PathBuf};

use flow::{Compiled, Folder, Language, compile, compile_on};
use proptest::prelude::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
}

fn cedar() -> Folder {
    let mut folder = Folder::default();
    for file in [
        "practice.yaml",
        "after-hours.flow.yaml",
        "after-hours.es.yaml",
        "adult-symptoms.protocol.yaml",
        "adult-symptoms.es.yaml",
    ] {
        folder.files.insert(file.to_owned(), text(&format!("flows/cedar-family-medicine/{file}")));
    }
    folder
}

fn told(compiled: &Compiled) -> String {
    compiled.diagnostics.iter().map(|found| format!("{found}\n")).collect()
}

#[test]
fn cedar_compiles_without_an_error() {
    let compiled = compile(&cedar());
    insta::assert_snapshot!(told(&compiled));
    let practice = compiled.practice.expect("no error");
    assert_eq!(practice.flows.len(), 1);
    let saturday_night = "2026-11-22T05:40:00Z".parse().unwrap();
    let monday_morning = "2026-11-23T15:00:00Z".parse().unwrap();
    assert_eq!(practice.flow_for("main line", saturday_night).unwrap().name, "After hours at Cedar Family Medicine");
    // The office is open, no flow says so, and the number is ours: it is answered all the same.
    assert!(practice.flow_for("main line", monday_morning).is_some());
    assert!(practice.flow_for("fax", monday_morning).is_none());
}
