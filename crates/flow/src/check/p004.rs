//! P004: what is wrong with a patient goes to an inbox whose people may not see it.
//!
//! A practice says of an inbox what its people may see (`may see: routing`); where it does not, the role of the people
//! who are told decides, and the desk's roles are the ones below.

use crate::diagnostic::Diagnostic;
use crate::model::{Class, Practice, Source, Target};
use crate::parse::flow::FlowDraft;
use crate::parse::practice::PracticeDraft;

/// Roles whose work needs a name and a number and nothing more (minimum necessary, 45 CFR 164.502(b)).
const DESK: [&str; 8] = [
    "billing",
    "volunteer",
    "answering service",
    "operator",
    "interpreter",
    "marketing",
    "receptionist",
    "contractor",
];

pub(super) fn check(draft: &FlowDraft, practice: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let practice = &practice.practice;
    for (name, message) in &draft.flow.messages {
        let Target::Inbox(inbox_name) = &message.goes_to else {
            continue;
        };
        let Some(inbox) = practice.inboxes.get(inbox_name) else {
            continue;
        };
        let told = [Some(&inbox.tell), inbox.then_tell.as_ref()];
        let by_role = told
            .into_iter()
            .flatten()
            .filter_map(|name| role(practice, name))
            .map(|role| {
                if of_the_desk(role) {
                    Class::Identity
                } else {
                    Class::Clinical
                }
            })
            .min();
        let may_see = inbox.may_see.or(by_role).unwrap_or(Class::Clinical);
        if let Some(field) = message.ask.iter().find(|field| field.class() > may_see) {
            out.push(Diagnostic::error(
                "P004",
                draft.message_at(name),
                format!(
                    "The message `{name}` asks for `{}`, and the people of `{inbox_name}` may not see that.",
                    field.name()
                ),
                "What a patient tells in confidence would be read by people it is none of the business of.",
                "Send it to an inbox of clinical staff, or leave the detail out.",
            ));
        }
    }
}

fn role<'a>(practice: &'a Practice, name: &str) -> Option<&'a str> {
    let person = match practice.on_call.roles.get(name) {
        Some(Source::Person(person)) => person.as_str(),
        _ => name,
    };
    practice.people.get(person).map(|person| person.role.as_str())
}

fn of_the_desk(role: &str) -> bool {
    let role = role.to_lowercase();
    DESK.iter().any(|desk| role.contains(desk))
}
