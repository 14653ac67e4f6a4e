//! The flow of `fixtures/flows/good/everything`, which uses every verb, setting, detail and condition there is, lived
//! through by the callers of its scenarios: what the inventory says runs has run here.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]
#![allow(clippy::panic, reason = "a helper of tests fails as a test does")]

mod practices;

use flow::rehearse::{Suite, solo};
use flow::{Note, compile};
use practices::everything;

#[test]
fn everything_the_language_has_is_rehearsed() {
    let folder = everything();
    let practice = compile(&folder).practice.expect("nothing is wrong with it");
    let (suite, found) = Suite::parse("everything.tests.yaml", &folder.files["everything.tests.yaml"]);
    assert_eq!(found, []);
    let suite = suite.expect("it has no slip");
    let flow = &practice.flows[0];
    let failed: String = suite
        .scenarios
        .iter()
        .map(|scenario| solo::play(&practice, flow, scenario))
        .filter(|rehearsed| !rehearsed.failures.is_empty())
        .map(|rehearsed| format!("{}\n{:?}\n{}\n", rehearsed.name, rehearsed.failures, rehearsed.page))
        .collect();
    assert!(failed.is_empty(), "{failed}");
    // A scenario can say what a notice must not hold; here is what it does hold.
    let chest = suite
        .scenarios
        .iter()
        .find(|scenario| scenario.name.starts_with("Chest pain"));
    let notices = solo::play(&practice, flow, chest.expect("it is there"))
        .observed
        .notices;
    assert_eq!(
        notices,
        ["A caller to Maple Ridge Clinic was told to call 911 at 11:30 pm"]
    );
    let sections: std::collections::BTreeSet<String> = suite
        .scenarios
        .iter()
        .flat_map(|scenario| solo::play(&practice, flow, scenario).notes)
        .filter_map(|note| match note {
            Note::Section(name) => Some(name),
            _ => None,
        })
        .collect();
    let unheard = flow.sections.iter().filter(|section| !sections.contains(&section.name));
    let unheard: Vec<&str> = unheard.map(|section| section.name.as_str()).collect();
    assert_eq!(unheard, Vec::<&str>::new(), "sections nobody came to");
}
