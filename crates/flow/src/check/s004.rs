//! S004: nobody is ever connected or transferred to an emergency number, by whatever name it goes.

use crate::diagnostic::{Diagnostic, Place};
use crate::parse::practice::PracticeDraft;

/// 911, and the numbers callers from elsewhere or on mobile phones know instead.
pub(crate) fn emergency_number(dialled: &str) -> bool {
    let digits: String = dialled.chars().filter(char::is_ascii_digit).collect();
    let national = digits
        .strip_prefix('1')
        .filter(|rest| rest.len() == 3)
        .unwrap_or(&digits);
    matches!(national, "911" | "112" | "933" | "999") && dialled.chars().all(|c| !c.is_alphabetic())
}

pub(super) fn check(draft: &PracticeDraft, out: &mut Vec<Diagnostic>) {
    let practice = &draft.practice;
    for (name, number) in &practice.outside_lines {
        if emergency_number(number) {
            out.push(found(draft.outside_lines.get(name).unwrap_or(&draft.at), name));
        }
    }
    for (name, person) in &practice.people {
        if emergency_number(person.call.expose()) {
            out.push(found(draft.people.get(name).unwrap_or(&draft.at), name));
        }
    }
}

fn found(at: &Place, name: &str) -> Diagnostic {
    Diagnostic::error(
        "S004",
        at,
        format!("`{name}` is an emergency number; a call is never connected to one."),
        "Dispatchers would see the practice's number and address instead of the caller's, and help would go to the wrong place.",
        "Take it out; flows say `tell the caller to call 911`.",
    )
}

#[cfg(test)]
mod tests {
    use super::emergency_number;

    #[test]
    fn emergency_numbers_are_known_in_any_spelling() {
        for number in ["911", "+1 911", "9-1-1", "112", "999", "933", "1911"] {
            assert!(emergency_number(number), "{number}");
        }
        for number in ["988", "+1 512 555 0911", "Poison Control", "+19115550100", "team 911"] {
            assert!(!emergency_number(number), "{number}");
        }
    }
}
