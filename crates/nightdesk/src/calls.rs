//! `nightdesk calls`: every call in one line, or one call as one time line (AUD-10): SIP ladder, prompts, key classes,
//! tries, outcome.

use std::fmt::Write;

use switchboard::{CallId, Fact, Stamped, ladder};

use crate::archive::Archive;
use crate::config::Settings;
use crate::gate::{self, About, Gate};
use crate::{Failure, Who, out, serve};

/// One line a call, of the practices that whoever asks works for.
pub(crate) fn list(settings: &Settings) -> Result<(), Failure> {
    let allowed = Gate::new(settings).pass("calls list", &About::default(), "")?;
    for (call, facts) in Archive::new(settings).calls()? {
        let Some(first) = facts.first() else { continue };
        let practice = Archive::practice_of(&facts);
        if !allowed.sees(practice) {
            continue;
        }
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

/// One call, for whoever may see it; looking leaves a row, and so does looking for what is not there.
pub(crate) fn opened(command: &str, who: &Who, id: &str) -> Result<(CallId, Vec<Stamped>), Failure> {
    let settings = serve::settings(&who.config)?;
    let found = of(&Archive::new(&settings), id);
    let about = match &found {
        Ok((call, facts)) => About {
            practice: Archive::practice_of(facts),
            object: call.0,
            call: Some(call.0),
            ..About::default()
        },
        Err(_) => About::default(),
    };
    let _allowed = gate::pass(&settings, command, &about, who)?;
    found
}

/// The whole of one call.
pub(crate) fn show(who: &Who, id: &str) -> Result<(), Failure> {
    let (call, facts) = opened("calls show", who, id)?;
    let mut text = String::new();
    let _ = writeln!(text, "call {call}");
    text.push_str(&ladder::time_line(&facts));
    out!("{}", text.trim_end());
    Ok(())
}
