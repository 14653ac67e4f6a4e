//! `nightdesk audit`: the book, judged by anybody; its newest signatures, to be kept elsewhere; who looked at what, and why.

mod anomalies;
mod export;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use ledger::Access;
use serde::Serialize;
use switchboard::{CallId, Fact};

use crate::archive::Archive;
use crate::gate::{self, About, Gate};
use crate::views::{Look, Views};
use crate::{Failure, Who, out, serve};

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Judge a data folder, or a copy of one, with the public key alone
    #[command(
        after_help = "Exit status: 0 good, 1 not what was written or not to be judged. `nightdesk-verify` does the same as a small program of its own.\n\
                      Example: nightdesk audit verify data --key certs/book.public --signed /mnt/elsewhere/checkpoints"
    )]
    Verify {
        /// The engine's data folder
        folder: PathBuf,
        /// The key that checks the book's signatures
        #[arg(long)]
        key: PathBuf,
        /// Checkpoints that were kept elsewhere, one a line: they tell whether the end was cut off
        #[arg(long)]
        signed: Option<PathBuf>,
    },
    /// Who looked at what, and why; looking for it leaves a row too
    #[command(after_help = "Example: nightdesk audit search --by priya --config nightdesk.yaml --format csv")]
    Search {
        /// Only this person
        #[arg(long)]
        by: Option<String>,
        /// Only what was done so, in the words of the command: `calls show`, `recordings export`
        #[arg(long)]
        action: Option<String>,
        /// Only this call, and its recordings
        #[arg(long)]
        call: Option<String>,
        /// How it is printed; `json` and `csv` carry each row's number and hash, which `audit verify` holds against the book
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        who: Who,
    },
    /// Everybody who looked at anything of one caller
    #[command(
        after_help = "Example: nightdesk audit who-accessed --caller +15125550199 --config nightdesk.yaml --reason \"patient asked\""
    )]
    WhoAccessed {
        /// The number the patient called from
        #[arg(long)]
        caller: String,
        /// How it is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        who: Who,
    },
    /// Looks that somebody should ask about, each with the rule that found it and why; leaves a row
    #[command(
        after_help = "Example: nightdesk audit anomalies --days 7 --zone America/Chicago --config nightdesk.yaml --reason \"weekly review\""
    )]
    Anomalies {
        /// What happened in these last days; what was before only says what is usual
        #[arg(long, default_value_t = 30)]
        days: u16,
        /// Where people work, such as America/Chicago; else the machine's own time zone
        #[arg(long)]
        zone: Option<String>,
        #[command(flatten)]
        who: Who,
    },
    /// Rows of the books as a file, with a second file that proves them to whoever has the public key alone; leaves a row
    #[command(
        after_help = "The proof holds the signed stretches of the chain around the rows, sealed, and for each row the one key that opens it.\n\
                      Check both anywhere: nightdesk-verify looks.csv book.public\n\
                      Example: nightdesk audit export --what looks --from 2026-11-01 --into looks.csv --config nightdesk.yaml --reason \"auditor asked\""
    )]
    Export(export::Export),
    /// Make the index over the books again; it may be deleted at any time, and is then made by the next question
    Reindex {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Print the newest signature of each book; append it to a file on another machine, every minute if you can
    #[command(
        after_help = "Example: ssh engine nightdesk audit checkpoint data --key certs/book.public >> checkpoints"
    )]
    Checkpoint {
        /// The engine's data folder
        folder: PathBuf,
        /// The key that checks the book's signatures
        #[arg(long)]
        key: PathBuf,
    },
}

/// How rows are printed.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// A line for each, to be read.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
    /// RFC 4180.
    Csv,
}

pub(crate) fn audit(command: &Audit) -> Result<(), Failure> {
    match command {
        Audit::Verify { folder, key, signed } => {
            let judged = judge(folder, key, signed.as_deref())?;
            out!("{judged}");
            if judged.is_clean() {
                return Ok(());
            }
            Err(Failure::new(
                "the book cannot be relied on as evidence",
                "keep this copy untouched, compare it with your backups row by row, and open an incident",
            ))
        }
        Audit::Search {
            by,
            action,
            call,
            format,
            who,
        } => {
            let settings = serve::settings(&who.config)?;
            let call = call.as_deref().map(crate::calls::id).transpose()?;
            let about = About {
                object: call.map_or([0; 16], |call| call.0),
                call: call.map(|call| call.0),
                ..About::default()
            };
            let allowed = gate::pass(&settings, "audit search", &about, who)?;
            let views = Archive::new(&settings).views()?;
            let looks = match (call, by) {
                (Some(call), _) => views.looks_at(&[call])?,
                (None, Some(by)) => views.looks_by(by)?,
                (None, None) => views.looks()?,
            };
            let wanted = |access: &Access| {
                allowed.sees(access.practice.as_deref())
                    && by.as_ref().is_none_or(|by| access.actor == *by)
                    && action.as_ref().is_none_or(|action| access.action == *action)
                    && call.is_none_or(|call| access.call == Some(call.0) || access.object == call.0)
            };
            print(&looks, *format, wanted);
            Ok(())
        }
        Audit::WhoAccessed { caller, format, who } => {
            let settings = serve::settings(&who.config)?;
            let archive = Archive::new(&settings);
            let number = sip::number::e164_of(caller, sip::number::Country::US).ok_or_else(|| {
                Failure::new(
                    "that is no telephone number",
                    "write it as the patient would dial it, or as +1 and ten digits",
                )
            })?;
            let allowed = gate::pass(&settings, "audit who-accessed", &About::default(), who)?;
            let views = archive.views()?;
            let mut calls = views.calls_from(number.expose())?;
            let mut practices = BTreeMap::new();
            let mut others = BTreeSet::new();
            for call in &calls {
                if !allowed.sees(practice_of(&views, &mut practices, *call)?.as_deref()) {
                    others.insert(*call);
                }
            }
            calls.retain(|call| !others.contains(call));
            if calls.is_empty() {
                return Err(Failure::new(
                    "nobody has called from that number",
                    "a caller may have withheld it: search by call instead, `nightdesk audit search --call ID`",
                ));
            }
            print(&views.looks_at(&calls)?, *format, |_| true);
            Ok(())
        }
        Audit::Anomalies { days, zone, who } => {
            let settings = serve::settings(&who.config)?;
            let archive = Archive::new(&settings);
            let zone = match zone {
                Some(name) => jiff::tz::TimeZone::get(name).map_err(|_| {
                    Failure::new(
                        format!("{name} is no time zone"),
                        "write it as America/Chicago is written",
                    )
                })?,
                None => jiff::tz::TimeZone::system(),
            };
            let allowed = gate::pass(&settings, "audit anomalies", &About::default(), who)?;
            if !allowed.sees(None) {
                return Err(of_every_practice());
            }
            let office =
                office::read(&settings.data, crate::keys::book_key(&settings.keys)?).map_err(Failure::office)?;
            anomalies(&archive, &office, *days, &zone)
        }
        Audit::Export(export) => export.write(),
        Audit::Reindex { config } => {
            let settings = serve::settings(config)?;
            let _allowed = Gate::new(&settings).pass("audit reindex", &About::default(), "")?;
            let archive = Archive::new(&settings);
            let views = archive.reindex()?;
            out!("made again from the books: {} rows", views.rows());
            Ok(())
        }
        Audit::Checkpoint { folder, key } => {
            let judged = judge(folder, key, None)?;
            if !judged.is_clean() {
                out!("{judged}");
                return Err(Failure::new(
                    "no signature is passed on of a book that is not what was written",
                    "run `nightdesk audit verify` with the checkpoints you have",
                ));
            }
            judged.newest().for_each(|checkpoint| out!("{}", checkpoint.to_line()));
            Ok(())
        }
    }
}

/// Whoever works for one practice goes through its calls, not through everybody's rows.
pub(crate) fn of_every_practice() -> Failure {
    Failure::new(
        "that goes through the rows of every practice, and you work for some",
        "name a call of yours with `--call`, or ask somebody who works for all of them",
    )
}

/// A row as it is exported: with its number and hash it can be held against the book it came from.
#[derive(Serialize)]
struct Printed<'a> {
    book: &'a str,
    row: u64,
    hash: String,
    at: String,
    actor: &'a str,
    role: &'a str,
    action: &'a str,
    object: String,
    call: Option<String>,
    reason: &'a str,
    source: &'a str,
    practice: &'a str,
    session: &'a str,
    refused: &'a str,
}

/// Every look, every refusal, by the rules.
fn anomalies(archive: &Archive, office: &office::State, days: u16, zone: &jiff::tz::TimeZone) -> Result<(), Failure> {
    let views = archive.views()?;
    let mut practices = BTreeMap::new();
    let mut events = Vec::new();
    for Look { book, row, access } in views.looks()? {
        // The office's own rows tell of wrong passwords.
        if access.refused.as_deref() == Some(office::WRONG) {
            continue;
        }
        let practice = match access.call {
            Some(call) => practice_of(&views, &mut practices, CallId(call))?,
            None => access.practice.clone(),
        };
        events.push(anomalies::Event {
            row: (book, row.position.sequence),
            at: Timestamp::from_millisecond(access.at_ms).unwrap_or_default(),
            actor: access.actor,
            role: access.role,
            what: match access.refused {
                Some(_) => anomalies::What::Refused,
                None => anomalies::What::Looked {
                    action: access.action,
                    source: access.source,
                    call: access.call,
                    practice,
                },
            },
        });
    }
    events.extend(
        views
            .refusals()?
            .into_iter()
            .map(|(book, row, actor)| anomalies::Event {
                row: (book, row.position.sequence),
                at: Timestamp::from_millisecond(row.at_ms).unwrap_or_default(),
                actor,
                role: String::new(),
                what: anomalies::What::Refused,
            }),
    );
    events.sort_by_key(|event| event.at);
    let since = Timestamp::now() - SignedDuration::from_hours(24 * i64::from(days));
    let found = anomalies::find(&events, since, zone, |person, practice| {
        office.works_for(person, practice)
    });
    for anomaly in &found {
        let (book, row) = anomaly.row;
        out!(
            "{:.0}  {}  {}: {}  ({book}, row {row})",
            anomaly.at,
            anomaly.actor,
            anomaly.rule,
            anomaly.reason
        );
    }
    out!(
        "{} looks and refusals of {days} days gone through, {} questions; who asked them is a row too",
        events.iter().filter(|event| event.at >= since).count(),
        found.len()
    );
    Ok(())
}

/// Whose call it was; a call is looked up once.
fn practice_of(
    views: &Views,
    known: &mut BTreeMap<CallId, Option<String>>,
    call: CallId,
) -> Result<Option<String>, Failure> {
    if let Some(practice) = known.get(&call) {
        return Ok(practice.clone());
    }
    let facts = views.facts_of(call)?;
    let practice = facts.into_iter().find_map(|stamped| match stamped.fact {
        Fact::CallBegan { practice, .. } => Some(practice),
        _ => None,
    });
    known.insert(call, practice.clone());
    Ok(practice)
}

fn print(looks: &[Look], format: Format, wanted: impl Fn(&Access) -> bool) {
    if matches!(format, Format::Csv) {
        out!("book,row,hash,at,actor,role,action,object,call,reason,source,practice,session,refused");
    }
    for Look { book, row, access } in looks.iter().filter(|look| wanted(&look.access)) {
        let at = jiff::Timestamp::from_millisecond(access.at_ms).unwrap_or_default();
        let printed = Printed {
            book,
            row: row.position.sequence,
            hash: seal::keys::hex(&row.hash),
            at: at.to_string(),
            actor: &access.actor,
            role: &access.role,
            action: &access.action,
            object: seal::keys::hex(&access.object),
            call: access.call.map(|call| seal::keys::hex(&call)),
            reason: &access.reason,
            source: &access.source,
            practice: access.practice.as_deref().unwrap_or_default(),
            session: access.session.as_deref().unwrap_or_default(),
            refused: access.refused.as_deref().unwrap_or_default(),
        };
        match format {
            Format::Json => out!("{}", serde_json::to_string(&printed).unwrap_or_default()),
            Format::Csv => {
                let Printed {
                    book,
                    row,
                    hash,
                    at,
                    actor,
                    role,
                    action,
                    object,
                    call,
                    reason,
                    source,
                    practice,
                    session,
                    refused,
                } = printed;
                let call = call.unwrap_or_default();
                let texts = [
                    actor, role, action, &object, &call, reason, source, practice, session, refused,
                ]
                .map(cell);
                out!("{book},{row},{hash},{at},{}", texts.join(","));
            }
            Format::Text => out!(
                "{at:.0}  {} ({})  {}  {}  {}{}",
                printed.actor,
                printed.role,
                printed.action,
                printed.call.as_deref().unwrap_or("-"),
                printed.reason,
                access
                    .refused
                    .as_ref()
                    .map_or_else(String::new, |why| format!("  REFUSED: {why}"))
            ),
        }
    }
}

/// One cell (RFC 4180, section 2). What a spreadsheet would take for a formula is kept a text.
pub(crate) fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = text.replace('"', "\"\"");
    format!("\"{}{text}\"", if formula { "'" } else { "" })
}

fn judge(folder: &Path, key: &Path, signed: Option<&Path>) -> Result<ledger::Judged, Failure> {
    let bytes = fs::read(key).map_err(Failure::file(key))?;
    let verifier = seal::Verifier::from_bytes(&bytes).map_err(|fault| {
        Failure::new(
            format!("{}: {fault}", key.display()),
            "name `book.public` of the engine's key folder",
        )
    })?;
    let known = match signed {
        Some(file) => {
            let text = fs::read_to_string(file).map_err(Failure::file(file))?;
            ledger::read_known(&text).map_err(|line| {
                Failure::new(
                    format!("{}: line {line} is no checkpoint", file.display()),
                    "keep the lines of `nightdesk audit checkpoint` as they are",
                )
            })?
        }
        None => Vec::new(),
    };
    ledger::judge(folder, &verifier, &known).map_err(Failure::book)
}
