//! `*.flow.yaml`: what callers of one line hear, and who is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::condition::Declared;
use super::protocol::ProtocolDraft;
use super::settings::Settings;
use super::speech::Speech;
use super::translations::Translations;
use super::{choice, duration, not_understood, unknown, word_list, words};
use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::model::{
    Approval, EveryQuestion, Flow, HangUpRule, Kind as Message, Practice, Recording, Section, SectionId,
};
use crate::source::{Kind, Node, normalized};
use crate::time::{Promise, reading};
use crate::verb::{self, Names};
use crate::words::Language;

/// The name of the section the engine enters by itself.
pub(crate) const SAFETY_NET: &str = "safety net";
/// How many sections a flow may have, and steps a section.
const SECTIONS_MAX: usize = 2_000;
const STEPS_MAX: usize = 100;

/// A flow as far as it could be read, and where things stand in its file.
pub(crate) struct FlowDraft {
    /// What could be read. Where nothing else was possible, a name leads to the first section.
    pub(crate) flow: Flow,
    /// The first line.
    pub(crate) at: Place,
    /// Where each section's name stands.
    pub(crate) sections: Vec<Place>,
    /// Where each step stands, by section.
    pub(crate) steps: Vec<Vec<Place>>,
    /// Sections with a step that could not be read: rules about paths hold back there.
    pub(crate) broken: BTreeSet<SectionId>,
    /// Where each message stands.
    pub(crate) messages: BTreeMap<String, Place>,
    /// Where the approval's review date stands.
    pub(crate) review_by: Option<Place>,
    /// Where `answers` says when.
    pub(crate) when: Option<Place>,
    /// The protocols it uses.
    pub(crate) protocols: Vec<ProtocolDraft>,
    /// The fingerprint its approval was given for.
    pub(crate) signed: Option<(String, Place)>,
    /// The fingerprint of its words as they are, its protocols' among them.
    pub(crate) fingerprint: String,
    /// Something had to be made up; the flow must not run.
    pub(crate) hole: bool,
    /// How it fails callers, once somebody has asked.
    pub(crate) stories: std::cell::OnceCell<Vec<crate::proof::Story>>,
}

/// What a flow is read against.
pub(crate) struct Around<'a> {
    pub(crate) practice: &'a Practice,
    pub(crate) practice_file: &'a str,
    pub(crate) protocols: &'a BTreeMap<String, Option<Node>>,
    pub(crate) translations: &'a Translations,
}

/// Reads a flow.
pub(crate) fn flow(tree: &Node, around: &Around<'_>, out: &mut Vec<Diagnostic>) -> Option<FlowDraft> {
    let mut top = Settings::of(tree, "the flow file", out)?;
    super::format(&mut top, out);
    let name = head(
        &mut top,
        "flow",
        "Nobody could say which flow a call went through.",
        out,
    );
    let version = head(&mut top, "version", "Nobody could say which words a caller heard.", out);
    let owner = head(&mut top, "owner", "Nobody could be asked about this flow.", out);
    if let Some(node) = top.need("practice", "Nobody could tell whose lines this flow answers.", out)
        && words(node, "practice", out).is_some_and(|file| file.trim() != around.practice_file)
    {
        out.push(unknown(
            &node.at,
            "That practice file is not the one of this folder.".to_owned(),
            "The flow would answer for another practice.",
            &format!("Write `practice: {}`.", around.practice_file),
        ));
    }
    let languages = languages(&mut top, around.practice, out);
    let speech = Speech {
        practice: &around.practice.name,
        languages: &languages,
        translations: around.translations,
    };
    let mut declared = Declared {
        lines: around.practice.lines.keys().cloned().collect(),
        ..Declared::default()
    };
    verb::remembered_pairs(tree, &mut declared.remembered);

    let answers = top
        .need("answers", "No call would find this flow.", out)
        .and_then(|node| answers(node, around.practice, &declared, out));
    let approval = super::approval(&mut top, out);
    let recording = top.take("recording").map_or(Some(Recording::default()), |node| {
        if node
            .text()
            .is_some_and(|text| ["always", "yes", "on", "announce"].contains(&text.trim()))
        {
            out.push(Diagnostic::error(
                "P006",
                &node.at,
                "A call is never recorded without asking.",
                "A caller would be recorded who did not allow it, which is a crime in several states.",
                "Write `recording: ask first`, or `recording: never`.",
            ));
            return None;
        }
        choice(
            node,
            "recording",
            &[("ask first", Recording::AskFirst), ("never", Recording::Never)],
            out,
        )
    });
    let hang_up = top
        .need(
            "if the caller hangs up",
            "What a caller said before hanging up would be lost.",
            out,
        )
        .and_then(|node| {
            let rules = [
                ("send what we have", HangUpRule::SendWhatWeHave),
                ("send what we have, and mark it cut off", HangUpRule::SendWhatWeHave),
            ];
            choice(node, "if the caller hangs up", &rules, out)
        });
    if let Some(node) = top.need("if anything breaks", "A fault would leave the caller in silence.", out) {
        choice(node, "if anything breaks", &[("use the safety net", ())], out);
    }

    // Names first, so that a step may lead to a section below it.
    let section_nodes = top
        .need("sections", "There would be nothing to hear.", out)
        .and_then(|node| Settings::of(node, "sections", out))
        .map(|mut all| all.rest())
        .unwrap_or_default();
    let net = top.need(
        SAFETY_NET,
        "When something breaks, the caller would be left in silence.",
        out,
    );
    let mut section_names: Vec<String> = section_nodes.iter().map(|(name, _)| name.text.clone()).collect();
    section_names.push(SAFETY_NET.to_owned());
    if let Some((clash, _)) = section_nodes.iter().find(|(name, _)| name.text == SAFETY_NET) {
        out.push(not_understood(
            &clash.at,
            "`safety net` is the engine's own section.".to_owned(),
            "Give this section another name.",
        ));
    }
    if section_names.len() > SECTIONS_MAX {
        out.push(not_understood(
            &tree.at,
            format!("A flow has at most {SECTIONS_MAX} sections."),
            "Split it into two flows.",
        ));
        return None;
    }
    let message_nodes = top
        .take("messages")
        .and_then(|node| Settings::of(node, "messages", out))
        .map(|mut all| all.rest())
        .unwrap_or_default();
    let message_names: Vec<String> = message_nodes.iter().map(|(name, _)| name.text.clone()).collect();
    let (protocols, drafts) = protocols(tree, around, &speech, &declared, out);
    let names = Names {
        practice: around.practice,
        sections: &section_names,
        messages: &message_names,
        protocols: &protocols,
        speech: &speech,
        declared: &declared,
    };

    let every_question = top
        .need(
            "every question",
            "A caller who presses nothing would wait for ever.",
            out,
        )
        .and_then(|node| every_question(node, &names, out));
    let start = top
        .need("start", "The call would have nowhere to begin.", out)
        .and_then(|node| names.section(node, "start", out));
    let mut messages = BTreeMap::new();
    let mut messages_at = BTreeMap::new();
    let mut hole = false;
    for (key, node) in &message_nodes {
        messages_at.insert(key.text.clone(), key.at.clone());
        match message(&key.text, node, &names, out) {
            Some(message) => {
                messages.insert(key.text.clone(), message);
            }
            None => hole = true,
        }
    }
    let mut sections = Vec::new();
    let mut places = Vec::new();
    let mut steps_at = Vec::new();
    let mut broken = BTreeSet::new();
    let all = section_nodes
        .iter()
        .map(|(name, node)| (name.text.clone(), name.at.clone(), Some(*node)))
        .chain(std::iter::once((
            SAFETY_NET.to_owned(),
            net.map_or_else(|| tree.at.clone(), |node| node.at.clone()),
            net,
        )));
    for (index, (name, at, node)) in all.enumerate() {
        let (steps, at_steps, whole) = steps(&name, &at, node, &names, out);
        if !whole {
            broken.insert(SectionId(index));
        }
        sections.push(Section { name, steps });
        places.push(at);
        steps_at.push(at_steps);
    }
    top.finish(out);
    if every_question.is_none() || start.is_none() {
        // Where silence leads, or a call begins, is not known, so nothing can be said about any way.
        broken.extend((0..sections.len()).map(SectionId));
    }

    let safety_net = SectionId(sections.len() - 1);
    let (approval, review_by, signed) = match approval {
        Some(approved) => (Some(approved.approval), Some(approved.review_by), approved.signed),
        None => (None, None, None),
    };
    hole |= start.is_none()
        || answers.is_none()
        || every_question.is_none()
        || approval.is_none()
        || hang_up.is_none()
        || recording.is_none()
        || !broken.is_empty();
    let (line, when, when_at) = answers.unwrap_or_default();
    let first = SectionId(0);
    let flow = Flow {
        name,
        version,
        file: tree.at.file.to_string(),
        languages: languages.clone(),
        line,
        when,
        owner,
        approval: approval.unwrap_or(Approval {
            by: String::new(),
            on: jiff::civil::Date::MIN,
            review_by: jiff::civil::Date::MAX,
        }),
        recording: recording.unwrap_or_default(),
        every_question: every_question.unwrap_or(EveryQuestion {
            wait: Duration::from_secs(6),
            ask_again: 2,
            then: start.unwrap_or(first),
            press_zero: None,
            press_star: true,
        }),
        if_the_caller_hangs_up: hang_up.unwrap_or(HangUpRule::SendWhatWeHave),
        start: start.unwrap_or(first),
        sections,
        safety_net,
        messages,
    };
    let mut further: Vec<String> = drafts.iter().map(|draft| draft.fingerprint.clone()).collect();
    for step in flow.sections.iter().flat_map(|section| &section.steps) {
        step.act.spoken(&mut |sentence| further.extend(sentence.translated()));
    }
    Some(FlowDraft {
        fingerprint: crate::approval::fingerprint(tree, further.iter().map(String::as_str)),
        signed,
        flow,
        at: Place {
            span: tree.at.span.start..tree.at.span.start,
            ..tree.at.clone()
        },
        sections: places,
        steps: steps_at,
        broken,
        messages: messages_at,
        review_by,
        when: when_at,
        protocols: drafts,
        hole,
        stories: std::cell::OnceCell::new(),
    })
}

fn head(top: &mut Settings<'_>, name: &str, suffers: &str, out: &mut Vec<Diagnostic>) -> String {
    top.need(name, suffers, out)
        .and_then(|node| words(node, name, out))
        .map(normalized)
        .unwrap_or_default()
}

fn languages(top: &mut Settings<'_>, practice: &Practice, out: &mut Vec<Diagnostic>) -> Vec<Language> {
    let Some(node) = top.need("spoken in", "Callers could not choose a language.", out) else {
        return vec![Language::English];
    };
    let languages = super::practice::read_languages(node, "spoken in", out);
    for language in languages
        .iter()
        .filter(|language| !practice.languages.contains(language))
    {
        out.push(unknown(
            &node.at,
            format!("The practice does not list {} among its languages.", language.name()),
            "A caller would choose it and reach people who do not speak it.",
            "Add it to `languages` in the practice file, or take it out here.",
        ));
    }
    if languages.is_empty() {
        vec![Language::English]
    } else {
        languages
    }
}

type Answers = (String, crate::model::Condition, Option<Place>);

fn answers(node: &Node, practice: &Practice, declared: &Declared, out: &mut Vec<Diagnostic>) -> Option<Answers> {
    let mut settings = Settings::of(node, "answers", out)?;
    let line = settings
        .need("line", "No call would find this flow.", out)
        .and_then(|node| {
            let name = normalized(words(node, "line", out)?);
            if practice.lines.contains_key(&name) {
                return Some(name);
            }
            out.push(unknown(
                &node.at,
                format!("The practice has no line `{name}`."),
                "No call would find this flow.",
                &did_you_mean(&name, practice.lines.keys().map(String::as_str)),
            ));
            None
        });
    let when = settings
        .need("when", "Nobody could say when this flow answers.", out)
        .and_then(|node| Some((declared.condition(node, out)?, node.at.clone())));
    settings.finish(out);
    let (when, at) = when?;
    Some((line?, when, Some(at)))
}

/// Every protocol of the folder that this flow names, read in this flow's languages.
fn protocols(
    tree: &Node,
    around: &Around<'_>,
    speech: &Speech<'_>,
    declared: &Declared,
    out: &mut Vec<Diagnostic>,
) -> (
    BTreeMap<String, Option<Arc<crate::model::Protocol>>>,
    Vec<ProtocolDraft>,
) {
    let mut named = BTreeSet::new();
    name_protocols(tree, &mut named);
    let mut found = BTreeMap::new();
    let mut drafts = Vec::new();
    for (file, node) in around.protocols {
        let draft = node
            .as_ref()
            .filter(|_| named.contains(file))
            .and_then(|node| super::protocol::protocol(node, speech, declared, out));
        found.insert(
            file.clone(),
            draft.as_ref().map(|draft| Arc::new(draft.protocol.clone())),
        );
        drafts.extend(draft);
    }
    (found, drafts)
}

fn name_protocols(node: &Node, named: &mut BTreeSet<String>) {
    match &node.kind {
        Kind::Map { entries, .. } => {
            for (name, value) in entries {
                match value.text() {
                    Some(file) if name.text == "triage" => {
                        named.insert(file.trim().to_owned());
                    }
                    _ => name_protocols(value, named),
                }
            }
        }
        Kind::List(items) => items.iter().for_each(|item| name_protocols(item, named)),
        Kind::Nothing | Kind::Text(_) => {}
    }
}

fn every_question(node: &Node, names: &Names<'_>, out: &mut Vec<Diagnostic>) -> Option<EveryQuestion> {
    let mut settings = Settings::of(node, "every question", out)?;
    let wait = settings.take("wait").map_or(Some(Duration::from_secs(6)), |node| {
        let wait = duration(node, "wait", out)?;
        let fits = (2..=30).contains(&wait.as_secs());
        if !fits {
            out.push(not_understood(
                &node.at,
                "A question waits 2 to 30 seconds for a key.".to_owned(),
                "Write `wait: 6 seconds`.",
            ));
        }
        fits.then_some(wait)
    });
    let ask_again = settings.take("ask again").map_or(Some(2), |node| {
        let text = words(node, "ask again", out)?;
        let count = text
            .trim()
            .trim_end_matches('s')
            .strip_suffix(" time")
            .and_then(reading::count)
            .filter(|count| (1..=3).contains(count));
        if count.is_none() {
            out.push(not_understood(
                &node.at,
                format!("`{}` is not how often a question is asked again.", text.trim()),
                "Write `1 time`, `2 times` or `3 times`.",
            ));
        }
        u8::try_from(count?).ok()
    });
    let then = settings
        .need("then", "A caller who presses nothing would have nowhere to go.", out)
        .and_then(|node| names.section(node, "then", out));
    let press_zero = settings.take("press 0").map(|node| names.section(node, "press 0", out));
    let press_star = settings
        .take("press star")
        .map(|node| choice(node, "press star", &[("hear it again", ())], out));
    settings.finish(out);
    let press_zero = match press_zero {
        Some(section) => Some(section?),
        None => None,
    };
    Some(EveryQuestion {
        wait: wait?,
        ask_again: ask_again?,
        then: then?,
        press_zero,
        press_star: press_star.is_none_or(|read| read.is_some()),
    })
}

fn message(name: &str, node: &Node, names: &Names<'_>, out: &mut Vec<Diagnostic>) -> Option<Message> {
    let mut settings = Settings::of(node, name, out)?;
    let ask = settings.need("ask", "The caller would be asked for nothing.", out);
    let fields: Option<Vec<_>> = ask.map(|node| {
        word_list(node, "ask", out)
            .into_iter()
            .filter_map(|(text, at)| verb::field(text, at, out))
            .collect()
    });
    let goes_to = settings
        .need_one_of(
            "goes to",
            names.practice.inboxes.keys().map(String::as_str),
            "What the caller says would reach nobody.",
            out,
        )
        .and_then(|node| names.target(node, "goes to", out));
    let call_back_by = settings.take("call back by").map(|node| {
        let text = words(node, "call back by", out)?;
        Promise::parse(text)
            .map_err(|what| {
                out.push(not_understood(
                    &node.at,
                    what,
                    "Name a time and a day the office keeps.",
                ))
            })
            .ok()
    });
    let mark_as = settings
        .take("mark as")
        .and_then(|node| words(node, "mark as", out))
        .map(normalized);
    let keep_audio = settings.take("record audio").map_or(Some(true), |node| {
        choice(node, "record audio", &[("encrypted", true), ("none", false)], out)
    });
    settings.finish(out);
    let call_back_by = match call_back_by {
        Some(promise) => Some(promise?),
        None => None,
    };
    Some(Message {
        name: name.to_owned(),
        ask: fields?,
        goes_to: goes_to?,
        call_back_by,
        mark_as,
        keep_audio: keep_audio?,
    })
}

/// The steps of a section, where they stand, and whether every one of them could be read.
fn steps(
    name: &str,
    at: &Place,
    node: Option<&Node>,
    names: &Names<'_>,
    out: &mut Vec<Diagnostic>,
) -> (Vec<crate::model::Step>, Vec<Place>, bool) {
    let Some(node) = node else {
        return (Vec::new(), Vec::new(), false);
    };
    if !matches!(node.kind, Kind::List(_)) || node.items().is_empty() || node.items().len() > STEPS_MAX {
        out.push(not_understood(
            at,
            format!("`{name}` should be a list of 1 to {STEPS_MAX} steps."),
            "Write each step on a line of its own, after `- `.",
        ));
        return (Vec::new(), Vec::new(), false);
    }
    let mut steps = Vec::new();
    let mut places = Vec::new();
    let mut whole = true;
    for node in node.items() {
        match verb::step(node, names, out) {
            Some(step) => {
                steps.push(step);
                places.push(node.at.clone());
            }
            None => whole = false,
        }
    }
    (steps, places, whole)
}
