//! `nightdesk audit`: the book, judged by anybody; its newest signatures, to be kept elsewhere; who looked at what, and why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use ledger::Access;
use serde::Serialize;
use switchboard::{Fact, Stamped};

use crate::archive::{Archive, Reader};
use crate::{Failure, Who, out};

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
    #[command(after_help = "Example: nightdesk audit search --actor priya --config nightdesk.yaml --format csv")]
    Search {
        /// Only this person
        #[arg(long)]
        by: Option<String>,
        /// Only what was done so: show, export, consent, search
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
            let archive = crate::archive(&who.config)?;
            let call = call.as_deref().map(crate::calls::id).transpose()?;
            let asked = call.map_or([0; 16], |call| call.0);
            let _receipt = archive.note_access(&reader(who), "search", asked, call)?;
            let wanted = |access: &Access| {
                by.as_ref().is_none_or(|by| access.actor == *by)
                    && action.as_ref().is_none_or(|action| access.action == *action)
                    && call.is_none_or(|call| access.call == Some(call.0) || access.object == call.0)
            };
            print(&archive, *format, wanted)
        }
        Audit::WhoAccessed { caller, format, who } => {
            let archive = crate::archive(&who.config)?;
            let number = sip::number::e164_of(caller, sip::number::Country::US).ok_or_else(|| {
                Failure::new(
                    "that is no telephone number",
                    "write it as the patient would dial it, or as +1 and ten digits",
                )
            })?;
            let _receipt = archive.note_access(&reader(who), "who accessed", [0; 16], None)?;
            let from_there = |stamped: &Stamped| match &stamped.fact {
                Fact::CallBegan { caller, .. } => caller.expose().as_ref() == Some(number.expose()),
                _ => false,
            };
            let calls = archive.calls()?;
            let calls = calls.into_iter().filter(|(_, facts)| facts.iter().any(from_there));
            let calls: BTreeSet<[u8; 16]> = calls.map(|(call, _)| call.0).collect();
            if calls.is_empty() {
                return Err(Failure::new(
                    "nobody has called from that number",
                    "a caller may have withheld it: search by call instead, `nightdesk audit search --call ID`",
                ));
            }
            print(&archive, *format, |access| {
                access.call.is_some_and(|call| calls.contains(&call)) || calls.contains(&access.object)
            })
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

fn reader(who: &Who) -> Reader {
    Reader {
        actor: who.actor.clone(),
        reason: who.reason.clone(),
    }
}

/// A row as it is exported: with its number and hash it can be held against the book it came from.
#[derive(Serialize)]
struct Printed<'a> {
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
}

fn print(archive: &Archive, format: Format, wanted: impl Fn(&Access) -> bool) -> Result<(), Failure> {
    if matches!(format, Format::Csv) {
        out!("row,hash,at,actor,role,action,object,call,reason,source");
    }
    for (row, access) in archive.accesses()?.iter().filter(|(_, access)| wanted(access)) {
        let at = jiff::Timestamp::from_millisecond(access.at_ms).unwrap_or_default();
        let printed = Printed {
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
        };
        match format {
            Format::Json => out!("{}", serde_json::to_string(&printed).unwrap_or_default()),
            Format::Csv => {
                let Printed {
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
                } = printed;
                let call = call.unwrap_or_default();
                let texts = [actor, role, action, &object, &call, reason, source].map(cell);
                out!("{row},{hash},{at},{}", texts.join(","));
            }
            Format::Text => out!(
                "{at:.0}  {} ({})  {}  {}  {}",
                printed.actor,
                printed.role,
                printed.action,
                printed.call.as_deref().unwrap_or("-"),
                printed.reason
            ),
        }
    }
    Ok(())
}

/// One cell (RFC 4180, section 2). What a spreadsheet would take for a formula is kept a text.
fn cell(text: &str) -> String {
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
