//! `- menu: question` with `press N: {for, go to, remember}`. The lines callers hear are made from the keys (§2.2).

use super::remember::pair;
use super::{Names, StepText};
use crate::diagnostic::Diagnostic;
use crate::model::{Act, Choice, Menu};
use crate::parse::settings::Settings;
use crate::source::{Name, Node};

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let head = step.head()?;
    let question = step.names.speech.sentence(head, "menu", step.out);
    let keys = step.beside.take_beginning("press ", "press 1");
    if keys.is_empty() {
        step.out.push(Diagnostic::error(
            "F024",
            &step.beside.at,
            "`menu` has no keys.",
            "The caller would be asked and could not answer.",
            "Add `press 1: {for: …, go to: …}`.",
        ));
    }
    let read: Vec<Option<Choice>> = keys
        .iter()
        .map(|(name, node)| choice(name, node, step.names, step.out))
        .collect();
    let if_no_answer = match step.beside.take("if no answer") {
        Some(node) => Some(step.names.section(node, "if no answer", step.out)?),
        None => None,
    };
    let choices = read.into_iter().collect::<Option<Vec<_>>>()?;
    if choices.is_empty() {
        return None;
    }
    Some(Act::Menu(Menu {
        question: question?,
        choices,
        if_no_answer,
    }))
}

/// `press 2: {for: a prescription refill, go to: refills}`; also `or press 3:` beside `escalate to`.
pub(super) fn choice(name: &Name, node: &Node, names: &Names<'_>, out: &mut Vec<Diagnostic>) -> Option<Choice> {
    let key = name.text.rsplit(' ').next().unwrap_or("");
    let mut keys = key.chars();
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if key.is_ascii_digit() || key == '#' => key,
        _ => {
            out.push(crate::parse::not_understood(
                &name.at,
                format!("`{key}` is not a key of a telephone that a menu can use."),
                "Write a digit or #; star says the menu again.",
            ));
            return None;
        }
    };
    let mut settings = Settings::of(node, &name.text, out)?;
    let label = settings
        .need("for", "The caller would not hear what this key is for.", out)
        .and_then(|node| names.speech.sentence(node, "for", out));
    let go_to = settings.take("go to");
    let remember = settings.take("remember");
    if go_to.is_none() && remember.is_none() {
        out.push(Diagnostic::error(
            "F024",
            &name.at,
            format!("`{}` leads nowhere.", name.text),
            "The caller would press the key and nothing would come of it.",
            "Add `go to:` and a section.",
        ));
    }
    let go_to = match go_to {
        Some(node) => Some(names.section(node, "go to", out)?),
        None => None,
    };
    let remember = match remember {
        Some(node) => Some(pair(node, out)?),
        None => None,
    };
    settings.finish(out);
    let label = label?;
    let spoken = names.speech.option(&label, key);
    Some(Choice {
        key,
        label,
        spoken,
        remember,
        go_to,
    })
}
