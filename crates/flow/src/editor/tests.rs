use std::collections::BTreeMap;

use super::*;

const PRACTICE: &str = "practice: A\nlines: {main line: +1 512 555 0100}\npeople:\n  Dr. Okafor: {role: physician, call: +1 512 555 0141}\n  Dana: {role: nurse, call: +1 512 555 0143}\non call:\n  primary: Dr. Okafor\n  if nobody is listed: Dana\nladders:\n  doctor on call:\n    order:\n      - {call: primary, tries: 2}\n    they hear: A call.\ninboxes: {nurse inbox: {tell: Dana}}\n";
const FLOW: &str = "flow: A\nanswers: {line: main line, when: any time}\nsections:\n\n  welcome:\n    - answer\n    - say: Hello.\n      can be skipped: no\n    - menu: Which?\n      press 1: {for: this, go to: the end}\n      \n    - ask yes or no: Is it?\n      if yes: \n      if no: wel\n    - escalate to: doctor on call\n      meanwhile ask: [reason, pa]\n      if no one accepts: \n    - \n\n  the end:\n    - hang up\n\nmessages:\n  note: {ask: [reason], goes to: nurse inbox}\nsafety net:\n  - \n";

fn folder() -> Folder {
    Folder {
        files: BTreeMap::from([
            ("practice.yaml".to_owned(), PRACTICE.to_owned()),
            ("a.flow.yaml".to_owned(), FLOW.to_owned()),
            ("child.protocol.yaml".to_owned(), "protocol: C\n".to_owned()),
        ]),
        ..Folder::default()
    }
}

/// After the nth time these words stand in the flow.
fn after(words: &str, nth: usize) -> usize {
    FLOW.match_indices(words).nth(nth).expect("it stands there").0 + words.len()
}

fn labels(at: usize) -> Vec<String> {
    suggest(&folder(), "a.flow.yaml", at)
        .into_iter()
        .map(|one| one.label)
        .collect()
}

#[test]
fn a_dash_offers_verbs() {
    for at in [after("    - \n", 0) - 1, after("  - \n", 1) - 1] {
        let all = suggest(&folder(), "a.flow.yaml", at);
        assert_eq!(all.len(), VERBS.len(), "at {at}");
        let menu = all.iter().find(|one| one.label == "menu").expect("a verb");
        assert_eq!(
            (menu.text.as_str(), menu.over.clone(), menu.sort),
            ("menu: ", at..at, Sort::Verb)
        );
        assert!(all.iter().any(|one| one.text == "hang up"));
    }
}

#[test]
fn beside_a_verb_its_settings_are_offered_that_are_not_there_yet() {
    assert_eq!(
        labels(after("go to: the end}\n      ", 0)),
        ["press 2", "if no answer", "if"]
    );
    let typed = suggest(&folder(), "a.flow.yaml", after("Hello.\n      can", 0));
    assert_eq!(
        typed.iter().map(|one| one.label.as_str()).collect::<Vec<_>>(),
        ["can be skipped", "if"]
    );
    assert_eq!(typed[0].over.len(), 3, "what was typed is replaced");
}

#[test]
fn after_a_colon_names_are_offered_that_fit() {
    assert_eq!(labels(after("if yes: ", 0)), ["welcome", "the end"]);
    let begun = suggest(&folder(), "a.flow.yaml", after("if no: wel", 0));
    assert_eq!(begun[0].over.len(), 3, "what was typed is replaced");
    assert_eq!(
        labels(after("if no one accepts: ", 0)),
        ["continue", "welcome", "the end"]
    );
    assert_eq!(labels(after("go to: th", 0)), ["welcome", "the end"], "within braces");
    assert_eq!(labels(after("goes to: n", 0)), ["nurse inbox", "doctor on call"]);
    assert_eq!(labels(after("escalate to: ", 0)), ["doctor on call"]);
    assert!(labels(after("[reason, pa", 0)).contains(&"patient name".to_owned()));
    assert_eq!(labels(after("answers: {line: ", 0)), ["main line"]);
    let when = labels(after("when: ", 0));
    assert!(when.contains(&"the office is closed".to_owned()), "{when:?}");
    let rung = PRACTICE.find("primary, tries").expect("a rung");
    let people: Vec<_> = suggest(&folder(), "practice.yaml", rung)
        .into_iter()
        .map(|one| one.label)
        .collect();
    assert_eq!(people, ["primary", "Dr. Okafor", "Dana"]);
}

#[test]
fn at_the_margin_the_file_s_own_names_are_offered() {
    let all = labels(FLOW.len());
    assert!(
        all.contains(&"start".to_owned()) && !all.contains(&"sections".to_owned()),
        "{all:?}"
    );
}

#[test]
fn words_tell_what_they_mean_and_nobody_s_number() {
    let told = |words: &str| meaning(&folder(), "a.flow.yaml", after(words, 0) - 1).map(|told| told.text);
    assert!(told("menu").expect("a verb").starts_with("Asks a question"));
    assert_eq!(told("can be").as_deref().map(|text| &text[..13]), Some("Whether a key"));
    assert!(told("    - ans").expect("a bare verb").starts_with("Picks up"));
    assert!(told("go to: the e").expect("a section").contains("hang up"));
    assert!(told("if yes").expect("a setting").ends_with("Needed."));
    let at = PRACTICE.find("Dr. Okafor\n  if nobody").expect("a role");
    let person = meaning(&folder(), "practice.yaml", at + 2).expect("a person").text;
    assert_eq!(person, "physician");
}

#[test]
fn a_name_leads_to_what_it_names() {
    let place = |words: &str| definition(&folder(), "a.flow.yaml", after(words, 0) - 1);
    let end = place("go to: the e").expect("a section");
    assert_eq!((&FLOW[end.span.clone()], end.line), ("the end", 20));
    let ladder = place("escalate to: doctor").expect("a ladder");
    assert_eq!(
        (&*ladder.file, &PRACTICE[ladder.span]),
        ("practice.yaml", "doctor on call")
    );
    assert_eq!(
        &PRACTICE[place("goes to: nurse").expect("an inbox").span],
        "nurse inbox"
    );
    assert!(place("Hello").is_none());
}

#[test]
fn sections_messages_and_people_are_landmarks() {
    let names: Vec<_> = landmarks(FLOW).into_iter().map(|one| (one.among, one.name)).collect();
    let expected = [("sections", "welcome"), ("sections", "the end"), ("messages", "note")];
    assert_eq!(names, expected.map(|(among, name)| (among.to_owned(), name.to_owned())));
    assert_eq!(landmarks(PRACTICE).len(), 4);
}

#[test]
fn no_place_in_any_half_of_a_file_is_too_much() {
    let mut folder = folder();
    for end in (0..=FLOW.len()).step_by(7) {
        let half = FLOW[..end].to_owned();
        folder.files.insert("a.flow.yaml".to_owned(), half);
        for at in (0..=end).step_by(5).chain([end]) {
            suggest(&folder, "a.flow.yaml", at);
            meaning(&folder, "a.flow.yaml", at);
            definition(&folder, "a.flow.yaml", at);
        }
    }
    assert!(suggest(&folder, "a.flow.yaml", usize::MAX).is_empty());
}
