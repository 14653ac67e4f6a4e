//! What stands in a file and is no step of a call: change what is written, and what is meant changes.
//!
//! Each setting is changed alone in the folder that uses everything, `fixtures/flows/good/everything`. A setting that
//! changed nothing would be one that nobody reads.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of tests fails as a test does"
)]

mod practices;

use std::sync::Arc;

use flow::review::explain::delivery;
use flow::{Act, Compiled, Practice, Protocol, compile};
use practices::everything;

const PRACTICE: &str = "practice.yaml";
const FLOW: &str = "everything.flow.yaml";
const PROTOCOL: &str = "symptoms.protocol.yaml";
const SHARED: &str = "closing.shared.yaml";

/// The folder with one thing written otherwise.
fn with(file: &str, written: &str, instead: &str) -> Compiled {
    let mut folder = everything();
    let text = folder.files.get_mut(file).expect("it is there");
    assert_eq!(text.matches(written).count(), 1, "{file}: {written}");
    *text = text.replace(written, instead);
    compile(&folder)
}

fn means(file: &str, written: &str, instead: &str) -> Arc<Practice> {
    let compiled = with(file, written, instead);
    let told = format!("{file}: {instead}: {:?}", compiled.diagnostics);
    compiled.practice.expect(&told)
}

/// What a wrong value is told by.
fn found(file: &str, written: &str, instead: &str) -> Vec<&'static str> {
    let told = with(file, written, instead).diagnostics;
    told.iter().map(|found| found.code).collect()
}

fn protocol(practice: &Practice) -> &Protocol {
    let steps = practice.flows[0].sections.iter().flat_map(|section| &section.steps);
    let asked = steps.filter_map(|step| match &step.act {
        Act::Triage { protocol, .. } => Some(protocol),
        _ => None,
    });
    asked.into_iter().next().expect("it asks one")
}

/// Each line: what is written, what is written instead, and what the practice then says of it, before and after.
macro_rules! each {
    ($file:expr; $($written:literal => $instead:literal, $probe:expr, $was:expr => $is:expr;)*) => {$(
        let probe: fn(&Practice) -> String = |practice| ($probe)(practice).to_string();
        let before = compile(&everything()).practice.expect("nothing is wrong with it");
        assert_eq!(probe(&before), $was, "{}", $written);
        assert_eq!(probe(&means($file, $written, $instead)), $is, "{}", $instead);
    )*};
}

/// Proves RET-03, RET-07: every class has a period of its own, and `forever` is none.
#[test]
fn every_setting_of_a_practice_is_what_is_written() {
    each! { PRACTICE;
        "practice: Maple Ridge Clinic" => "practice: Birch Hill Clinic",
            |p: &Practice| p.name.clone(), "Maple Ridge Clinic" => "Birch Hill Clinic";
        "state: Ohio" => "state: California", |p: &Practice| p.state.clone(), "Ohio" => "California";
        "America/New_York" => "America/Denver",
            |p: &Practice| p.time_zone.iana_name().unwrap_or_default().to_owned(), "America/New_York" => "America/Denver";
        "+1 614 555 0101" => "+1 614 555 0109", |p: &Practice| p.lines["nurse line"].clone(), "+16145550101" => "+16145550109";
        "+1 800 222 1222" => "+1 614 555 0171",
            |p: &Practice| p.outside_lines["Poison Control"].clone(), "+18002221222" => "+16145550171";
        "Monday to Friday: 8 am to 5 pm" => "Monday to Friday: 8 am to 6 pm",
            |p: &Practice| format!("{:?}", p.hours.week[0]), "[Span { from: 480, to: 1020 }]" => "[Span { from: 480, to: 1080 }]";
        "  lunch: noon to 1 pm\n" => "lunch: noon to 2 pm\n",
            |p: &Practice| format!("{:?}", p.hours.lunch), "Some(Span { from: 720, to: 780 })" => "Some(Span { from: 720, to: 840 })";
        "closed on: [US federal holidays]" => "closed on: [US federal holidays, 2026-12-24 from noon]",
            |p: &Practice| p.hours.closed.len(), "1" => "2";
        "Lee Park: {role: nurse" => "Lee Park: {role: physician",
            |p: &Practice| p.people["Lee Park"].role.clone(), "nurse" => "physician";
        "+1 614 555 0143" => "+1 614 555 0149",
            |p: &Practice| p.people["Lee Park"].call.expose().clone(), "+16145550143" => "+16145550149";
        "wctp 6145550142" => "snpp 6145550149",
            |p: &Practice| p.people["Dr. Stone"].page.as_ref().map(|page| format!("{} {}", page.how, page.address.expose())).unwrap_or_default(),
            "wctp 6145550142" => "snpp 6145550149";
        "pin: \"0417\"" => "pin: \"0518\"",
            |p: &Practice| p.people["Dr. Reyes"].pin.as_ref().map(|pin| pin.expose().clone()).unwrap_or_default(), "0417" => "0518";
        "backup: Dr. Stone" => "backup: Dr. Reyes",
            |p: &Practice| format!("{:?}", p.on_call.roles["backup"]), "Person(\"Dr. Stone\")" => "Person(\"Dr. Reyes\")";
        "task: CALL" => "task: NIGHT", |p: &Practice| format!("{:?}", p.on_call.roles["primary"]),
            "Feed { from: \"QGenda\", settings: {\"task\": \"CALL\"} }" => "Feed { from: \"QGenda\", settings: {\"task\": \"NIGHT\"} }";
        "if nobody is listed: Dr. Reyes" => "if nobody is listed: Dr. Stone",
            |p: &Practice| p.on_call.if_nobody.clone(), "Dr. Reyes" => "Dr. Stone";
        "48 hours before a gap" => "24 hours before a gap",
            |p: &Practice| p.on_call.before_a_gap().as_secs() / 3_600, "48" => "24";
        "{tell: Lee Park," => "{tell: Dr. Stone,", |p: &Practice| p.inboxes["nurse inbox"].tell.clone(), "Lee Park" => "Dr. Stone";
        "system: athenahealth" => "system: Epic",
            |p: &Practice| p.records.as_ref().map(|records| records.system.clone()).unwrap_or_default(), "athenahealth" => "Epic";
        "reads: [patients, open appointments]" => "reads: [patients, open appointments, appointments]",
            |p: &Practice| p.records.as_ref().map_or(0, |records| records.reads.len()), "2" => "3";
        "writes: [appointments, documents]" => "writes: [appointments], places: [the Elm Street office]",
            |p: &Practice| p.records.as_ref().map(|records| format!("{:?} {:?}", records.writes, records.places)).unwrap_or_default(),
            "[\"appointments\", \"documents\"] []" => "[\"appointments\"] [\"the Elm Street office\"]";
        "baa: athenahealth-2026" => "baa: athenahealth-2027",
            |p: &Practice| p.records.as_ref().and_then(|records| records.agreement.clone()).unwrap_or_default(),
            "athenahealth-2026" => "athenahealth-2027";
        "messages: 7 years" => "messages: 8 years",
            |p: &Practice| format!("{:?}", p.keep.messages), "Years(7)" => "Years(8)";
        "recordings: 30 days" => "recordings: 2 months",
            |p: &Practice| format!("{:?}", p.keep.recordings), "Days(30)" => "Days(60)";
        "recordings: 30 days" => "recordings: 30 days, keys pressed: 1 year",
            |p: &Practice| format!("{:?}", p.keep.keys), "Years(6)" => "Years(1)";
        "recordings: 30 days" => "recordings: 30 days, calls: 7 years",
            |p: &Practice| format!("{:?}", p.keep.calls), "Years(6)" => "Years(7)";
        "recordings: 30 days" => "recordings: 30 days, audit: 10 years",
            |p: &Practice| format!("{:?}", p.keep.audit), "Years(6)" => "Years(10)";
        "recordings: 30 days" => "recordings: 30 days, after the contract ends: 60 days",
            |p: &Practice| format!("{:?}", p.keep.grace), "Days(30)" => "Days(60)";
        "confidentiality: HIPAA" => "confidentiality: Part 2 program",
            |p: &Practice| p.confidentiality.clone().unwrap_or_default(), "HIPAA" => "Part 2 program";
    }
    // Nothing is kept for ever, and no trail of who did what for less than the law asks.
    assert!(found(PRACTICE, "recordings: 30 days", "recordings: forever").contains(&"F025"));
    assert!(found(PRACTICE, "recordings: 30 days", "recordings: 30 days, audit: 5 years").contains(&"F025"));
    // Whoever reads a nurse's inbox may be told less than a nurse may see, and the checker sees to it.
    assert!(!found(PRACTICE, "may see: clinical", "may see: clinical ").contains(&"P004"));
    assert!(found(PRACTICE, "may see: clinical", "may see: identity").contains(&"P004"));
    assert!(found(PRACTICE, "may see: clinical", "may see: routing").contains(&"P004"));
    // A language is one that every word of the practice can be said in.
    assert!(found(PRACTICE, "languages: [English]", "languages: [English, Spanish]").contains(&"F009"));
    assert!(found(PRACTICE, "format: 1", "format: 2").contains(&"F025"));
}

/// An inbox says who is told, by what, and who is told next.
#[test]
fn who_is_told_of_a_message_and_when_is_printed_as_it_is_written() {
    let delivered = |written: &str, instead: &str| {
        let printed = delivery(&means(PRACTICE, written, instead)).to_text();
        printed.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let whole = delivered("format: 1", "format: 1 ");
    assert!(
        whole.contains("Lee Park is told, by telephone; unclaimed after 2 hours: Dr. Reyes, by telephone"),
        "{whole}"
    );
    let later = delivered("if unclaimed after: 2 hours", "if unclaimed after: 3 hours");
    assert!(later.contains("unclaimed after 3 hours: Dr. Reyes"), "{later}");
    let other = delivered("then tell: Dr. Reyes", "then tell: Dr. Stone");
    assert!(other.contains("unclaimed after 2 hours: Dr. Stone, by wctp"), "{other}");
}

#[test]
fn what_a_flow_says_of_itself_is_what_is_written() {
    each! { FLOW;
        "flow: Everything at Maple Ridge Clinic" => "flow: Nights at Maple Ridge Clinic",
            |p: &Practice| p.flows[0].name.clone(), "Everything at Maple Ridge Clinic" => "Nights at Maple Ridge Clinic";
        "version: 2026-11-21.1" => "version: 2026-11-22.1",
            |p: &Practice| p.flows[0].version.clone(), "2026-11-21.1" => "2026-11-22.1";
        "answers: {line: main line, when: any time}" => "answers: {line: nurse line, when: the office is closed}",
            |p: &Practice| format!("{} {}", p.flows[0].line, p.flows[0].when.clauses.len()), "main line 0" => "nurse line 1";
        "owner: Lee Park, nurse" => "owner: Ana Cole, manager",
            |p: &Practice| p.flows[0].owner.clone(), "Lee Park, nurse" => "Ana Cole, manager";
        "by: \"Ines Reyes MD\"" => "by: \"Omar Stone MD\"",
            |p: &Practice| p.flows[0].approval.by.clone(), "Ines Reyes MD" => "Omar Stone MD";
        "on: 2026-11-01" => "on: 2026-11-02", |p: &Practice| p.flows[0].approval.on, "2026-11-01" => "2026-11-02";
        "review by: 2027-02-01" => "review by: 2027-03-01",
            |p: &Practice| p.flows[0].approval.review_by, "2027-02-01" => "2027-03-01";
        "start: welcome\nsections:\n" => "start: early\nsections:\n  early:\n    - go to: welcome\n",
            |p: &Practice| p.flows[0].section(p.flows[0].start).name.clone(), "welcome" => "early";
        "\n  sister:\n" => "\n  another section:\n    - hang up\n  sister:\n",
            |p: &Practice| p.flows[0].section_named("another section").is_some(), "false" => "true";
    }
    assert!(found(FLOW, "practice: practice.yaml", "practice: another.yaml").contains(&"F026"));
    assert!(found(FLOW, "spoken in: [English]", "spoken in: [English, Spanish]").contains(&"F009"));
    assert!(
        found(
            FLOW,
            "review by: 2027-02-01}",
            "review by: 2027-02-01, fingerprint: 0123456789abcdef}"
        )
        .contains(&"C007")
    );
    assert!(found(FLOW, "format: 1", "format: 2").contains(&"F025"));
}

#[test]
fn what_a_protocol_says_of_itself_is_what_is_written() {
    each! { PROTOCOL;
        "protocol: Symptoms" => "protocol: Adults", |p: &Practice| protocol(p).name.clone(), "Symptoms" => "Adults";
        "version: 1" => "version: 2", |p: &Practice| protocol(p).version.clone(), "1" => "2";
        "for: adults, 18 and older" => "for: anybody",
            |p: &Practice| protocol(p).meant_for.clone(), "adults, 18 and older" => "anybody";
        "written for this test." => "of 2026.", |p: &Practice| protocol(p).source.clone(),
            "Wording of the Elm Street Clinic, written for this test." => "Wording of the Elm Street Clinic, of 2026.";
        "  - Is there chest pain, or trouble breathing?" =>
            "  - {ask: \"Is there chest pain, or trouble breathing?\", id: chest, only if: age group is any}",
            |p: &Practice| format!("{} {:?}", protocol(p).questions[0].id, protocol(p).questions[0].only_if.is_some()),
            "is-there-chest-pain-or-trouble-breathing false" => "chest true";
        "  - Is the problem getting worse since yesterday?" =>
            "  - {ask: Is the problem getting worse since yesterday?, id: worse, only if: age group is any}",
            |p: &Practice| format!("{} {:?}", protocol(p).questions[3].id, protocol(p).questions[3].only_if.is_some()),
            "is-the-problem-getting-worse-since-yesterday false" => "worse true";
    }
    assert!(found(PROTOCOL, "format: 1", "format: 2").contains(&"F025"));
}

#[test]
fn what_a_shared_piece_says_of_itself_is_what_is_written() {
    each! { SHARED;
        "shared: Closing words" => "shared: Farewell",
            |p: &Practice| p.flows[0].section_named("the end of Farewell").is_some(), "false" => "true";
        "  the end:\n    - say: Thank you." => "  the end:\n    - say: Many thanks.",
            |p: &Practice| p.all_parts().iter().any(|part| part.text.starts_with("Many thanks.")), "false" => "true";
    }
    assert!(found(SHARED, "version: 3", "version: 4").contains(&"F029"));
    assert!(found(SHARED, "needs: [doctor]", "needs: [doctor, nurse]").contains(&"F024"));
    assert!(found(SHARED, "format: 1", "format: 2").contains(&"F025"));
}
