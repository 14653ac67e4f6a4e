//! The table against the readers: what a reader offers after a slip is what the table says may stand there.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{Folder, compile};

const SLIP: &str = "zzzz";

/// What stands after a name in an example.
fn example(holds: &Holds) -> String {
    let one = |takes: &Takes| match takes {
        Takes::Words(example) => (*example).to_owned(),
        Takes::OneOf(these) => these.first().copied().unwrap_or_default().to_owned(),
        Takes::Named(Kind::Field) => "reason".to_owned(),
        Takes::Named(Kind::Language) => "English".to_owned(),
        Takes::ContinueOrSection => "continue".to_owned(),
        Takes::Condition => "the office is closed".to_owned(),
        Takes::Named(_) => "something".to_owned(),
    };
    match holds {
        Holds::One(takes) | Holds::Either(takes, _) => one(takes),
        Holds::List(takes) => format!("[{}]", one(takes)),
        Holds::Map(_) => "{zzzz: zzzz}".to_owned(),
        Holds::Maps(_) | Holds::Eithers(..) | Holds::Steps => "[]".to_owned(),
    }
}

/// The names a file's reader asked for, by whose settings they are: what it says of a slip.
fn offered(files: &[(&str, String)]) -> BTreeMap<String, BTreeSet<String>> {
    let files = files
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.clone()))
        .collect();
    let found = compile(&Folder {
        files,
        ..Folder::default()
    });
    found
        .diagnostics
        .iter()
        .filter(|found| found.code == "F023" && found.what.starts_with(&format!("`{SLIP}`")))
        .filter_map(|found| {
            let whose = found.what.split('`').nth(3)?;
            let names = found.fix.strip_prefix("Write one of: ").unwrap_or_default();
            let names = names.trim_end_matches('.').split(", ").filter(|name| !name.is_empty());
            Some((whose.to_owned(), names.map(str::to_owned).collect()))
        })
        .collect()
}

fn names(entries: &[Entry]) -> BTreeSet<String> {
    let fixed = |entry: &&Entry| !matches!(entry.name, Name::Own(_));
    entries.iter().filter(fixed).map(Entry::written).collect()
}

const PRACTICE_TEXT: &str = "practice: A\nformat: 1\nlanguages: [English]\nlines: {main: +1 512 555 0100}\npeople:\n  p: {role: nurse, call: +1 512 555 0141, zzzz: 1}\nladders:\n  l:\n    order: [{call: p, zzzz: 1}]\n    zzzz: 1\ninboxes:\n  i: {tell: p, zzzz: 1}\nrecords: {system: x, zzzz: 1}\nkeep: {zzzz: 1}\non call: {if nobody is listed: p}\nzzzz: 1\n";

#[test]
fn every_verb_takes_what_its_reader_takes() {
    let verbs: BTreeSet<&str> = VERBS.iter().map(|verb| verb.name).collect();
    assert_eq!(verbs, crate::verbs().collect());
    for verb in VERBS.iter().filter(|verb| verb.name != "use") {
        let after = verb.after.as_ref().map(example).unwrap_or_default();
        let flow = format!(
            "flow: A\npractice: practice.yaml\nspoken in: [English]\nsections:\n  something:\n    - {}: {after}\n      {SLIP}: 1\n",
            verb.name
        );
        let offered = offered(&[("practice.yaml", PRACTICE_TEXT.to_owned()), ("a.flow.yaml", flow)]);
        let theirs = offered
            .get(verb.name)
            .unwrap_or_else(|| panic!("no slip in `{}`", verb.name));
        // An `or press 3` is offered by its own key.
        let theirs: BTreeSet<String> = theirs.iter().map(|name| name.replace("press 3", "press 1")).collect();
        let mut ours = names(verb.beside);
        ours.extend(["if".to_owned(), verb.name.to_owned()]);
        assert_eq!(theirs, ours, "{}", verb.name);
    }
}

#[test]
fn every_file_takes_what_its_reader_takes() {
    let flow = "flow: A\npractice: practice.yaml\nspoken in: [English]\nanswers: {line: main, when: any time, zzzz: 1}\nclinical approval: {by: A, zzzz: 1}\nevery question: {zzzz: 1}\nsections:\n  s:\n    - triage: p.protocol.yaml\n    - menu: Which?\n      press 1: {for: this, go to: s, zzzz: 1}\nmessages:\n  m: {ask: [reason], zzzz: 1}\nzzzz: 1\n";
    let protocol = "protocol: A\nemergency:\n  - {ask: Is it bad?, zzzz: 1}\nzzzz: 1\n";
    let offered = offered(&[
        ("practice.yaml", PRACTICE_TEXT.to_owned()),
        ("a.flow.yaml", flow.to_owned()),
        ("p.protocol.yaml", protocol.to_owned()),
    ]);
    let inside = |entries: &'static [Entry], path: &[&str]| -> &'static [Entry] {
        path.iter().fold(entries, |entries, name| {
            match entry(entries, name).expect("it is in the table").holds {
                Holds::Map(inside) | Holds::Maps(inside) | Holds::Either(_, inside) | Holds::Eithers(_, inside) => {
                    inside
                }
                Holds::One(_) | Holds::List(_) | Holds::Steps => panic!("{name} holds no names"),
            }
        })
    };
    let choice = match entry(verb("menu").expect("a verb").beside, "press 1")
        .expect("keys")
        .holds
    {
        Holds::Map(choice) => choice,
        _ => panic!("a key has settings"),
    };
    let table: [(&str, &[Entry]); 16] = [
        ("the practice file", PRACTICE),
        ("p", inside(PRACTICE, &["people", "p"])),
        ("l", inside(PRACTICE, &["ladders", "l"])),
        ("order", inside(PRACTICE, &["ladders", "l", "order"])),
        ("i", inside(PRACTICE, &["inboxes", "i"])),
        ("records", inside(PRACTICE, &["records"])),
        ("keep", inside(PRACTICE, &["keep"])),
        ("the flow file", FLOW),
        ("answers", inside(FLOW, &["answers"])),
        ("clinical approval", inside(FLOW, &["clinical approval"])),
        ("every question", inside(FLOW, &["every question"])),
        ("m", inside(FLOW, &["messages", "m"])),
        ("press 1", choice),
        ("the protocol file", PROTOCOL),
        ("emergency", inside(PROTOCOL, &["emergency"])),
        ("p", inside(PRACTICE, &["people", "p"])),
    ];
    for (whose, entries) in table {
        let theirs = offered
            .get(whose)
            .unwrap_or_else(|| panic!("no slip in `{whose}`: {offered:#?}"));
        let listed = 14;
        let ours = names(entries);
        // A long list is cut short where it is printed.
        if ours.len() > listed {
            assert!(
                theirs.iter().all(|name| name == "…" || ours.contains(name)),
                "{whose}: {theirs:?}"
            );
        } else {
            assert_eq!(*theirs, ours, "{whose}");
        }
    }
}

#[test]
fn what_must_stand_is_missed_where_it_lacks() {
    for (file, whose, entries) in [
        ("practice.yaml", "the practice file", PRACTICE),
        ("a.flow.yaml", "the flow file", FLOW),
    ] {
        let mut files = BTreeMap::from([("practice.yaml".to_owned(), PRACTICE_TEXT.to_owned())]);
        files.insert(file.to_owned(), "format: 1\n".to_owned());
        let found = compile(&Folder {
            files,
            ..Folder::default()
        });
        let missed: BTreeSet<&str> = found
            .diagnostics
            .iter()
            .filter_map(|found| {
                found
                    .what
                    .strip_prefix(&format!("`{whose}` lacks `"))?
                    .strip_suffix("`.")
            })
            .collect();
        let needed: BTreeSet<&str> = entries
            .iter()
            .filter(|entry| entry.needed && entry.name != Name::Is("format"))
            .filter_map(|entry| match entry.name {
                Name::Is(name) => Some(name),
                _ => None,
            })
            .collect();
        let others: Vec<_> = needed.difference(&missed).collect();
        // What is missed under a rule of its own is said in that rule's words.
        assert!(others.iter().all(|name| **name == "time zone"), "{whose}: {others:?}");
        assert!(missed.is_subset(&needed), "{whose}: {missed:?}");
    }
}

#[test]
fn the_schema_names_every_verb_and_is_whole() {
    let schema = schema("a flow", FLOW);
    let text = schema.to_string();
    assert!(VERBS.iter().all(|verb| text.contains(&format!("\"{}\"", verb.name))));
    assert_eq!(
        schema["properties"]["sections"]["additionalProperties"]["items"]["$ref"],
        "#/$defs/step"
    );
    let steps = schema["$defs"]["step"]["else"]["allOf"].as_array().expect("a list");
    let menu = steps
        .iter()
        .find(|step| step["if"]["required"][0] == "menu")
        .expect("menu");
    assert_eq!(
        menu["then"]["patternProperties"]["^press [0-9#]$"]["required"][0],
        "for"
    );
    assert_eq!(menu["then"]["additionalProperties"], false);
}
