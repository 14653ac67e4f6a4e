//! The verbs: a file for each, with its settings and their defaults (§4).
//!
//! A step is read verb first. Only when the verb is known are its settings judged, so that a slip gets the answer a
//! colleague would give: *`menuu` is not a verb. Did you mean `menu`?*
//!
//! To add a verb: a file here with one `read`, a row in [`VERBS`], an [`Act`], and its run in `run/`.

mod answer;
mod ask;
mod ask_permission;
mod ask_yes_or_no;
mod choose_language;
mod collect;
mod connect;
mod emergency_notice;
mod escalate;
mod find_patient;
mod go_to;
mod hang_up;
mod menu;
mod notify;
mod offer_appointments;
mod play;
mod record_message;
mod remember;
mod say;
mod take_message;
mod take_refill;
mod tell_911;
mod transfer;
mod triage;
mod use_piece;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::check::{f001, f002, f003, f007, s003};
use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::model::{Act, Field, Practice, Protocol, SectionId, Step, Target, Then};
use crate::parse::condition::Declared;
use crate::parse::settings::Settings;
use crate::parse::speech::Speech;
use crate::parse::words;
use crate::source::{Kind, Node, normalized};

pub(crate) use remember::pairs as remembered_pairs;

/// A verb: its word, and how what stands beside it is read.
struct Verb {
    name: &'static str,
    read: fn(&mut StepText<'_, '_>) -> Option<Act>,
}

const VERBS: [Verb; 25] = [
    Verb {
        name: "answer",
        read: answer::read,
    },
    Verb {
        name: "say",
        read: say::read,
    },
    Verb {
        name: "play",
        read: play::read,
    },
    Verb {
        name: "emergency notice",
        read: emergency_notice::read,
    },
    Verb {
        name: "choose language",
        read: choose_language::read,
    },
    Verb {
        name: "ask permission to record",
        read: ask_permission::read,
    },
    Verb {
        name: "menu",
        read: menu::read,
    },
    Verb {
        name: "ask yes or no",
        read: ask_yes_or_no::read,
    },
    Verb {
        name: "ask",
        read: ask::read,
    },
    Verb {
        name: "triage",
        read: triage::read,
    },
    Verb {
        name: "tell the caller to call 911",
        read: tell_911::read,
    },
    Verb {
        name: "collect",
        read: collect::read,
    },
    Verb {
        name: "take message",
        read: take_message::read,
    },
    Verb {
        name: "take refill",
        read: take_refill::read,
    },
    Verb {
        name: "record a message",
        read: record_message::read,
    },
    Verb {
        name: "find patient by",
        read: find_patient::read,
    },
    Verb {
        name: "offer appointments",
        read: offer_appointments::read,
    },
    Verb {
        name: "escalate to",
        read: escalate::read,
    },
    Verb {
        name: "connect to",
        read: connect::read,
    },
    Verb {
        name: "transfer to",
        read: transfer::read,
    },
    Verb {
        name: "notify",
        read: notify::read,
    },
    Verb {
        name: "remember",
        read: remember::read,
    },
    Verb {
        name: "use",
        read: use_piece::read,
    },
    Verb {
        name: "go to",
        read: go_to::read,
    },
    Verb {
        name: "hang up",
        read: hang_up::read,
    },
];

/// Every verb, in the order of the specification.
pub fn verbs() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|verb| verb.name)
}

/// Everything a step may name.
pub(crate) struct Names<'a> {
    pub(crate) practice: &'a Practice,
    /// In the order of the flow; the safety net is the last.
    pub(crate) sections: &'a [String],
    pub(crate) messages: &'a [String],
    /// The protocols that could be read, by file.
    pub(crate) protocols: &'a BTreeMap<String, Option<Arc<Protocol>>>,
    pub(crate) speech: &'a Speech<'a>,
    pub(crate) declared: &'a Declared,
}

/// A step being read.
struct StepText<'a, 'n> {
    verb: &'static str,
    /// What stands after the verb's colon.
    head: Option<&'a Node>,
    /// What stands beside it.
    beside: Settings<'a>,
    names: &'n Names<'n>,
    out: &'n mut Vec<Diagnostic>,
}

/// Reads one step.
pub(crate) fn step(node: &Node, names: &Names<'_>, out: &mut Vec<Diagnostic>) -> Option<Step> {
    let (verb, head, mut beside) = pick(node, out)?;
    let only_if = beside.take("if").map(|node| names.declared.condition(node, out));
    let mut text = StepText {
        verb: verb.name,
        head,
        beside,
        names,
        out,
    };
    let act = (verb.read)(&mut text);
    let StepText { beside, out, .. } = text;
    beside.finish(out);
    Some(Step {
        act: act?,
        // A condition that could not be read must not become "always".
        only_if: match only_if {
            Some(read) => Some(read?),
            None => None,
        },
        line: node.at.line,
    })
}

/// The verb of a step, what stands after it, and what stands beside it.
fn pick<'a>(node: &'a Node, out: &mut Vec<Diagnostic>) -> Option<(&'static Verb, Option<&'a Node>, Settings<'a>)> {
    match &node.kind {
        Kind::Text(text) => {
            let text = normalized(text);
            let verb = VERBS.iter().find(|verb| verb.name == text);
            if verb.is_none() {
                // `- say Hello`: the colon is missing.
                let colon = VERBS
                    .iter()
                    .map(|verb| verb.name)
                    .filter(|name| text.starts_with(&format!("{name} ")))
                    .max_by_key(|name| name.len());
                let fix = colon.map_or_else(
                    || did_you_mean(&text, VERBS.iter().map(|verb| verb.name)),
                    |name| format!("Put a colon after the verb: `{name}: …`."),
                );
                out.push(not_a_verb(&node.at, &text, fix));
            }
            verb.map(|verb| (verb, None, Settings::none(verb.name, node.at.clone())))
        }
        Kind::Map { entries, .. } => {
            let mut found = entries.iter().filter_map(|(name, value)| {
                VERBS
                    .iter()
                    .find(|verb| verb.name == name.text)
                    .map(|verb| (verb, name, value))
            });
            let Some((verb, _, value)) = found.next() else {
                let (name, _) = entries.first()?;
                out.push(not_a_verb(
                    &name.at,
                    &name.text,
                    did_you_mean(&name.text, VERBS.iter().map(|verb| verb.name)),
                ));
                return None;
            };
            if let Some((second, name, _)) = found.next() {
                out.push(Diagnostic::error(
                    "F022",
                    &name.at,
                    format!("`{}` and `{}` stand in one step.", verb.name, second.name),
                    "One of the two would not be done.",
                    format!("Begin a new step: write `- ` before `{}`.", second.name),
                ));
                return None;
            }
            let mut beside = Settings::of(node, verb.name, out)?;
            beside.take(verb.name);
            let head = (value.kind != Kind::Nothing).then_some(value);
            Some((verb, head, beside))
        }
        Kind::Nothing | Kind::List(_) => {
            let what = if node.kind == Kind::Nothing {
                "nothing"
            } else {
                "a list"
            };
            out.push(not_a_verb(
                &node.at,
                what,
                "Write a verb after the dash: `- say: …`.".to_owned(),
            ));
            None
        }
    }
}

fn not_a_verb(at: &Place, text: &str, fix: String) -> Diagnostic {
    Diagnostic::error(
        "F022",
        at,
        format!("`{text}` is not a verb."),
        "Nothing would happen at this step.",
        fix,
    )
}

impl<'a> StepText<'a, '_> {
    /// What stands after the verb; a finding when nothing does.
    fn head(&mut self) -> Option<&'a Node> {
        if self.head.is_none() {
            self.out.push(Diagnostic::error(
                "F024",
                &self.beside.at,
                format!("Nothing stands after `{}:`.", self.verb),
                "Nothing would happen at this step.",
                format!("Write what `{}` needs after the colon.", self.verb),
            ));
        }
        self.head
    }

    /// Nothing may stand after a bare verb.
    fn bare(&mut self, act: Act) -> Option<Act> {
        if let Some(head) = self.head {
            self.out.push(crate::parse::not_understood(
                &head.at,
                format!("Nothing stands after `{}`.", self.verb),
                &format!("Write `- {}` alone.", self.verb),
            ));
            return None;
        }
        Some(act)
    }

    /// The words after the verb.
    fn head_words(&mut self) -> Option<(&'a str, &'a Node)> {
        let head = self.head()?;
        Some((words(head, self.verb, self.out)?.trim(), head))
    }

    /// A section named beside the verb; `None` when it is not there or not known.
    fn section(&mut self, setting: &str) -> Option<SectionId> {
        let node = self.beside.take(setting)?;
        self.names.section(node, setting, self.out)
    }

    /// A section that must be named beside the verb.
    fn need_section(&mut self, setting: &str, suffers: &str) -> Option<SectionId> {
        let node = self.beside.need(setting, suffers, self.out)?;
        self.names.section(node, setting, self.out)
    }

    /// What follows when nobody answers: `continue` or a section (S003 when it is not said).
    fn if_nobody(&mut self, setting: &str) -> Option<Then> {
        let Some(node) = self.beside.take(setting) else {
            self.out.push(s003::unsaid(&self.beside.at, self.verb, setting));
            return None;
        };
        if node.text().is_some_and(|text| text.trim() == "continue") {
            return Some(Then::Continue);
        }
        self.names.section(node, setting, self.out).map(Then::Section)
    }
}

impl Names<'_> {
    /// F001.
    pub(crate) fn section(&self, node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<SectionId> {
        let name = normalized(words(node, what, out)?);
        // The safety net is entered by the engine alone.
        let ordinary = self.sections.split_last().map_or(&[][..], |(_, ordinary)| ordinary);
        let found = ordinary.iter().position(|section| *section == name).map(SectionId);
        if found.is_none() {
            out.push(f001::unknown(&node.at, &name, ordinary.iter().map(String::as_str)));
        }
        found
    }

    /// F002.
    fn ladder(&self, node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<String> {
        let name = normalized(words(node, what, out)?);
        if self.practice.ladders.contains_key(&name) {
            return Some(name);
        }
        let ladders = self.practice.ladders.keys().map(String::as_str);
        out.push(f002::unknown(&node.at, &name, ladders));
        None
    }

    /// F007.
    pub(crate) fn target(&self, node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<Target> {
        let name = normalized(words(node, what, out)?);
        if self.practice.inboxes.contains_key(&name) {
            return Some(Target::Inbox(name));
        }
        if self.practice.ladders.contains_key(&name) {
            return Some(Target::Ladder(name));
        }
        let names = self
            .practice
            .inboxes
            .keys()
            .chain(self.practice.ladders.keys())
            .map(String::as_str);
        out.push(f007::unknown(&node.at, &name, names));
        None
    }

    /// F003.
    fn message(&self, node: &Node, what: &str, out: &mut Vec<Diagnostic>) -> Option<String> {
        let name = normalized(words(node, what, out)?);
        if self.messages.contains(&name) {
            return Some(name);
        }
        out.push(f003::unknown(&node.at, &name, self.messages.iter().map(String::as_str)));
        None
    }
}

/// A field of the library.
pub(crate) fn field(text: &str, at: &Place, out: &mut Vec<Diagnostic>) -> Option<Field> {
    let name = normalized(text);
    let found = Field::ALL.into_iter().find(|field| field.name() == name);
    if found.is_none() {
        out.push(crate::parse::not_understood(
            at,
            format!("`{name}` is not a detail the engine can ask for."),
            &did_you_mean(&name, Field::ALL.iter().map(|field| field.name())),
        ));
    }
    found
}
