//! `nightdesk calls`: every call in one line, or one call as one time line (AUD-10): SIP ladder, prompts, key classes,
//! tries, outcome.

use std::fmt::Write;

use switchboard::{CallId, Fact, Stamped, ladder};

use crate::archive::{Archive, Reader};
use crate::{Failure, out};

/// One line a call.
pub(crate) fn list(archive: &Archive) -> Result<(), Failure> {
    for (call, facts) in archive.calls()? {
        let Some(first) = facts.first() else { continue };
        let practice = facts.iter().find_map(|stamped| match &stamped.fact {
            Fact::CallBegan { practice, .. } => Some(practice.as_str()),
            _ => None,
        });
        let outcome = facts.iter().rev().find_map(|stamped| match &stamped.fact {
            Fact::CallEnded { outcome, seconds, .. } => Some(format!("{outcome} ({seconds} s)")),
            _ => None,
        });
        out!(
            "{call}  {:.0}  {}  {}",
            first.at,
            practice.unwrap_or("unknown"),
            outcome.as_deref().unwrap_or("in progress")
        );
    }
    Ok(())
}

/// A call's id as people copy it.
pub(crate) fn id(text: &str) -> Result<CallId, Failure> {
    CallId::parse(text).ok_or_else(|| {
        Failure::new(
            format!("{text} is not a call id"),
            "copy the id from `nightdesk calls list`",
        )
    })
}

/// A call and everything in the book about it.
pub(crate) fn of(archive: &Archive, text: &str) -> Result<(CallId, Vec<Stamped>), Failure> {
    let call = id(text)?;
    let facts = archive.views()?.facts_of(call)?;
    if facts.is_empty() {
        return Err(Failure::new(
            format!("the book knows no call {text}"),
            "copy the id from `nightdesk calls list`",
        ));
    }
    Ok((call, facts))
}

/// The whole of one call; looking leaves a row.
pub(crate) fn show(archive: &Archive, who: &Reader, id: &str) -> Result<(), Failure> {
    let (call, facts) = of(archive, id)?;
    let _receipt = archive.note_access(who, "show", call.0, Some(call))?;
    let mut text = String::new();
    let _ = writeln!(text, "call {call}");
    text.push_str(&ladder::time_line(&facts));
    out!("{}", text.trim_end());
    Ok(())
}
