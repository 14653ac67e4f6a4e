//! `- escalate to: ladder`: people are tried rung by rung until one presses the accept key (§9).

use super::{StepText, field, menu};
use crate::diagnostic::Diagnostic;
use crate::model::{Act, IfAccepted, IfCallerHangsUp, Waiting};
use crate::parse::{choice, word_list};

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    const ACCEPTED: [(&str, IfAccepted); 2] = [
        ("connect them", IfAccepted::ConnectThem),
        ("they call back", IfAccepted::TheyCallBack),
    ];
    const HANGS_UP: [(&str, IfCallerHangsUp); 2] = [
        ("keep going, and call back", IfCallerHangsUp::KeepGoing),
        ("stop", IfCallerHangsUp::Stop),
    ];
    const WAITING: [(&str, Waiting); 3] = [
        ("hold music", Waiting::HoldMusic),
        ("quiet", Waiting::Quiet),
        ("calm words", Waiting::CalmWords),
    ];
    let head = step.head()?;
    let ladder = step.names.ladder(head, "escalate to", step.out);
    let about = match step.beside.take("about") {
        Some(node) => Some(step.names.message(node, "about", step.out)?),
        None => None,
    };
    let while_waiting = step
        .beside
        .take("while waiting")
        .map_or(Some(Waiting::default()), |node| {
            choice(node, "while waiting", &WAITING, step.out)
        });
    let meanwhile_ask = step.beside.take("meanwhile ask").map_or_else(Vec::new, |node| {
        word_list(node, "meanwhile ask", step.out)
            .into_iter()
            .filter_map(|(text, at)| field(text, at, step.out))
            .collect()
    });
    let pressed = step.beside.take_beginning("or press ", "or press 3");
    if let Some((second, _)) = pressed.get(1) {
        step.out.push(Diagnostic::error(
            "F025",
            &second.at,
            "Only one key can be offered while a ladder runs.",
            "A caller who waits for a person would be led through a menu.",
            "Keep one `or press`; offer the rest in the section it leads to.",
        ));
    }
    let or_press = match pressed.first() {
        Some((name, node)) => Some(menu::choice(name, node, step.names, step.out)?),
        None => None,
    };
    let if_accepted = step
        .beside
        .take("if accepted")
        .map_or(Some(IfAccepted::default()), |node| {
            choice(node, "if accepted", &ACCEPTED, step.out)
        });
    let hangs_up = step
        .beside
        .take("if the caller hangs up")
        .map_or(Some(IfCallerHangsUp::default()), |node| {
            choice(node, "if the caller hangs up", &HANGS_UP, step.out)
        });
    let if_no_one_accepts = step.if_nobody("if no one accepts");
    Some(Act::Escalate {
        ladder: ladder?,
        about,
        while_waiting: while_waiting?,
        meanwhile_ask,
        or_press,
        if_accepted: if_accepted?,
        if_no_one_accepts: if_no_one_accepts?,
        if_the_caller_hangs_up: hangs_up?,
    })
}
