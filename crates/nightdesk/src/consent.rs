//! `nightdesk consent`: the law behind the question whether a call may be recorded, and which of it stood behind one call's.

use flow::consent::{ALL_PARTIES, READ};
use switchboard::Fact;

use crate::{Failure, Who, calls, out};

/// Every state whose law asks for everybody's consent.
pub(crate) fn table() {
    out!(
        "Every caller is asked before anything is kept, and no answer is a no. These states ask for everybody's consent by law;"
    );
    out!(
        "a number whose state is not known counts as theirs. Gone through on {READ}; confirmed by counsel: by nobody yet."
    );
    for law in ALL_PARTIES {
        let disputed = law.disputed.map_or(String::new(), |what| format!("  ~ {what}"));
        out!("{:<14} {}{disputed}", law.state, law.statute);
    }
    out!("{:<14} one party: 18 U.S.C. § 2511(2)(d)", "elsewhere");
}

/// What one call's caller was asked, by which law, what they said, and what was kept.
pub(crate) fn explain(who: &Who, id: &str) -> Result<(), Failure> {
    let opened = calls::opened("consent explain", who, id)?;
    let call = opened.call;
    let mut asked = false;
    for stamped in &opened.facts {
        let at = stamped.at;
        match &stamped.fact {
            Fact::Permission { given, rule } => {
                asked = true;
                let said = if *given { "yes" } else { "no, or nothing" };
                out!("{at:.0}  the caller was asked, and said {said}");
                let rule = rule.as_deref().unwrap_or("not kept at that time");
                out!("{:20}  rule: {rule}", "");
            }
            Fact::PartyPermission { person, given, asked } => {
                let said = match (given, asked) {
                    (true, _) => "was told of the recording, and took the call",
                    (false, true) => "did not want to be recorded: the recording ended first",
                    (false, false) => "could not be asked: the recording ended first",
                };
                out!("{at:.0}  {person} {said}");
            }
            Fact::RecordingBegan { recording } => out!("{at:.0}  recording {recording} began"),
            Fact::RecordingSealed { recording, .. } => out!("{at:.0}  recording {recording} was sealed"),
            _ => {}
        }
    }
    for line in opened.gone() {
        out!("{line}");
    }
    match (asked, opened.has_lost_rows()) {
        (true, _) => {}
        (false, true) => {
            out!("whether the caller of {call} was asked is not known: rows of the call say nothing any more")
        }
        (false, false) => out!("the caller of {call} was not asked, and the call was not recorded"),
    }
    Ok(())
}
