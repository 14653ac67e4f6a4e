//! `nightdesk calls`: every call in one line, or one call as one time line (AUD-10): SIP ladder, prompts, key classes,
//! tries, outcome.

use std::collections::BTreeMap;
use std::fmt::Write;

use seal::RowKeyId;
use switchboard::{CallId, Fact, Stamped, ladder};

use crate::archive::Archive;
use crate::config::Settings;
use crate::gate::{self, About, Gate};
use crate::retention::Destroyed;
use crate::{Failure, Who, out, serve};

/// What one line says of a call.
#[derive(Default)]
struct Line {
    at: Option<jiff::Timestamp>,
    practice: Option<String>,
    outcome: Option<String>,
    /// The key of a row that was destroyed.
    lost: Option<RowKeyId>,
}

/// One line a call, of the practices that whoever asks works for.
pub(crate) fn list(settings: &Settings) -> Result<(), Failure> {
    let allowed = Gate::new(settings).pass("calls list", &About::default(), "")?;
    let mut order = Vec::new();
    let mut lines: BTreeMap<CallId, Line> = BTreeMap::new();
    Archive::new(settings).each_row(|row, stamped| {
        let Some(call) = row.call.map(CallId) else { return };
        let line = lines.entry(call).or_insert_with(|| {
            order.push(call);
            Line::default()
        });
        line.at = line.at.or_else(|| jiff::Timestamp::from_millisecond(row.at_ms).ok());
        if row.lost {
            line.lost = line.lost.or(Some(row.key));
        }
        match stamped.map(|stamped| stamped.fact) {
            Some(Fact::CallBegan { practice, .. }) => line.practice = Some(practice),
            Some(Fact::CallEnded { outcome, seconds, .. }) => line.outcome = Some(format!("{outcome} ({seconds} s)")),
            _ => {}
        }
    })?;
    let destroyed = Destroyed::of(settings)?;
    for call in order {
        let Some(line) = lines.remove(&call) else { continue };
        // Whose it was, and what came of it, went with the rows that said so.
        let gone = line.lost.as_ref().filter(|_| line.practice.is_none());
        let done = gone.and_then(|key| destroyed.rows(key));
        let practice = line
            .practice
            .as_deref()
            .or(done.and_then(|done| done.practice.as_deref()));
        if !allowed.sees(practice) {
            continue;
        }
        let what = match (gone, done) {
            (Some(_), Some(done)) => done.to_string(),
            (Some(_), None) => WITHOUT_KEY.to_owned(),
            (None, _) => line.outcome.unwrap_or_else(|| "in progress".to_owned()),
        };
        out!(
            "{call}  {:.0}  {}  {what}",
            line.at.unwrap_or_default(),
            practice.unwrap_or("unknown")
        );
    }
    Ok(())
}

/// A row that cannot be read, and of whose destruction there is no certificate here.
const WITHOUT_KEY: &str = "cannot be read: its key is not here, and no certificate says that it was destroyed";

/// A call's id as people copy it.
pub(crate) fn id(text: &str) -> Result<CallId, Failure> {
    CallId::parse(text).ok_or_else(|| {
        Failure::new(
            format!("{text} is not a call id"),
            "copy the id from `nightdesk calls list`",
        )
    })
}

/// A call, and everything in the book about it.
pub(crate) struct Opened {
    pub(crate) call: CallId,
    pub(crate) facts: Vec<Stamped>,
    /// Rows that say nothing any more, by the key that is gone.
    lost: BTreeMap<RowKeyId, usize>,
    destroyed: Destroyed,
}

/// A call by its id.
fn of(settings: &Settings, text: &str) -> Result<Opened, Failure> {
    let call = id(text)?;
    let rows = Archive::new(settings).views()?.rows_of(call)?;
    let mut opened = Opened {
        call,
        facts: Vec::new(),
        lost: BTreeMap::new(),
        destroyed: Destroyed::of(settings)?,
    };
    for (_, row) in rows.iter().filter(|(_, row)| row.class == ledger::Class::Fact) {
        if row.lost {
            *opened.lost.entry(row.key).or_default() += 1;
        }
        opened.facts.extend(Stamped::decode(&row.body));
    }
    if opened.facts.is_empty() && opened.lost.is_empty() {
        return Err(Failure::new(
            format!("the book knows no call {text}"),
            "copy the id from `nightdesk calls list`",
        ));
    }
    Ok(opened)
}

impl Opened {
    fn practice(&self) -> Option<&str> {
        let lost = || self.lost.keys().find_map(|key| self.destroyed.rows(key));
        Archive::practice_of(&self.facts).or_else(|| lost()?.practice.as_deref())
    }

    /// Whether rows of it say nothing any more.
    pub(crate) fn has_lost_rows(&self) -> bool {
        !self.lost.is_empty()
    }

    /// What there was of it, and is no more: its rows, its recordings.
    pub(crate) fn gone(&self) -> Vec<String> {
        let rows = self.lost.iter().map(|(key, count)| match self.destroyed.rows(key) {
            Some(done) => format!("{count} rows ({}): {done}", done.what),
            None => format!("{count} rows: {WITHOUT_KEY}"),
        });
        let files = self.facts.iter().filter_map(|stamped| {
            let (Fact::RecordingBegan { recording } | Fact::ClipKept { recording, .. }) = &stamped.fact else {
                return None;
            };
            let done = self.destroyed.file(&recording.0)?;
            Some(format!("recording {recording}: {done}"))
        });
        rows.chain(files).collect()
    }
}

/// One call, for whoever may see it; looking leaves a row, and so does looking for what is not there.
pub(crate) fn opened(command: &str, who: &Who, id: &str) -> Result<Opened, Failure> {
    let settings = serve::settings(&who.config)?;
    let found = of(&settings, id);
    let about = match &found {
        Ok(opened) => About {
            practice: opened.practice(),
            object: opened.call.0,
            call: Some(opened.call.0),
            ..About::default()
        },
        Err(_) => About::default(),
    };
    let _allowed = gate::pass(&settings, command, &about, who)?;
    found
}

/// The whole of one call.
pub(crate) fn show(who: &Who, id: &str) -> Result<(), Failure> {
    let opened = opened("calls show", who, id)?;
    let mut text = String::new();
    let _ = writeln!(text, "call {}", opened.call);
    text.push_str(&ladder::time_line(&opened.facts));
    for line in opened.gone() {
        let _ = writeln!(text, "           {line}");
    }
    out!("{}", text.trim_end());
    Ok(())
}
