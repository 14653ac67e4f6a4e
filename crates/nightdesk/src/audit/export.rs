//! `nightdesk audit export`: rows of the books for somebody outside, and what proves them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ledger::{Class, EXPORT_ROWS_MAX, Line, Proof, Row};

use crate::archive::Archive;
use crate::gate::{self, About};
use crate::{Failure, Who, out, serve};

/// What is exported.
#[derive(clap::Args)]
pub(crate) struct Export {
    /// Which rows
    #[arg(long, value_enum, default_value_t)]
    what: Rows,
    /// Only this call's
    #[arg(long)]
    call: Option<String>,
    /// From this day on, UTC
    #[arg(long)]
    from: Option<Date>,
    /// Through this day, UTC
    #[arg(long)]
    through: Option<Date>,
    /// The file, `.json` or `.csv`; the proof is written beside it, with `.proof` at the end
    #[arg(long)]
    into: PathBuf,
    #[command(flatten)]
    who: Who,
}

/// Which rows are exported.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// Who looked at what: no patient's details are in them.
    #[default]
    Looks,
    /// What happened, with callers' numbers and what they said.
    Facts,
    /// Both.
    All,
}

impl Export {
    /// Writes both files.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let as_csv = match self.into.extension().and_then(|ending| ending.to_str()) {
            Some("json") => false,
            Some("csv") => true,
            _ => {
                return Err(Failure::new(
                    format!("{}: neither .json nor .csv", self.into.display()),
                    "end the file's name with the form you want",
                ));
            }
        };
        let settings = serve::settings(&self.who.config)?;
        let archive = Archive::new(&settings);
        let call = self.call.as_deref().map(crate::calls::id).transpose()?;
        let views = archive.views()?;
        let facts = call.map(|call| views.facts_of(call)).transpose()?.unwrap_or_default();
        let practice = Archive::practice_of(&facts);
        let about = About {
            practice,
            object: call.map_or([0; 16], |call| call.0),
            call: call.map(|call| call.0),
            ..About::default()
        };
        let command = match self.what {
            Rows::Looks => "audit export",
            Rows::Facts | Rows::All => "audit export --what facts",
        };
        let allowed = gate::pass(&settings, command, &about, &self.who)?;
        if !allowed.sees(practice) {
            return Err(super::of_every_practice());
        }
        let (from, to) = (start(self.from, 0)?, start(self.through, 1)?);
        let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
        let mut rows = match call {
            Some(call) => views.rows_of(call)?,
            None => views.between(from, to)?,
        };
        rows.retain(|(_, row)| self.wants(row) && (from..to).contains(&row.at_ms));
        if rows.len() > EXPORT_ROWS_MAX {
            return Err(Failure::new(
                format!("{} rows are more than the {EXPORT_ROWS_MAX} of one export", rows.len()),
                "export a shorter time with --from and --through",
            ));
        }
        let keys = archive.read_keys()?;
        let mut wanted: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for (book, row) in &rows {
            wanted.entry(book).or_default().insert(row.position.sequence);
        }
        let mut proof = Proof::begin();
        let mut unsigned = BTreeSet::new();
        for (book, wanted) in &wanted {
            let part = Proof::of(book, &archive.book(book), &keys, wanted).map_err(Failure::book)?;
            proof.push_str(part.text());
            unsigned.extend(part.unsigned.iter().map(|sequence| (*book, *sequence)));
        }
        let signed = rows
            .iter()
            .filter(|(book, row)| !unsigned.contains(&(*book, row.position.sequence)));
        let mut lines: Vec<Line> = signed.map(|(book, row)| Line::new(book, row)).collect();
        lines.sort_by(|one, other| (&one.book, one.row).cmp(&(&other.book, other.row)));
        let text = if as_csv {
            ledger::to_csv(&lines)
        } else {
            ledger::to_json(&lines)
        };
        let mut beside = self.into.clone().into_os_string();
        beside.push(".proof");
        save(&self.into, text.as_bytes())?;
        save(Path::new(&beside), proof.as_bytes())?;
        out!(
            "{}  {} rows, proved by {}",
            self.into.display(),
            lines.len(),
            Path::new(&beside).display()
        );
        if !unsigned.is_empty() {
            out!(
                "{} rows are under no signature yet and left out: the engine signs within a minute, export again then",
                unsigned.len()
            );
        }
        Ok(())
    }

    fn wants(&self, row: &Row) -> bool {
        // Passwords' hashes and authenticators' secrets leave the house for nobody.
        if row.kind == office::KIND && office::holds_secret(&row.body) {
            return false;
        }
        match self.what {
            Rows::Looks => row.class == Class::Access,
            Rows::Facts => row.class == Class::Fact,
            Rows::All => true,
        }
    }
}

/// The start of a day, or of one `days` later.
fn start(day: Option<Date>, days: i64) -> Result<Option<i64>, Failure> {
    let start = |day: Date| {
        let day = day.checked_add(jiff::Span::new().days(days))?;
        Ok(day.to_zoned(TimeZone::UTC)?.timestamp().as_millisecond())
    };
    day.map(start)
        .transpose()
        .map_err(|_: jiff::Error| Failure::new("no day of the calendar", "write 2026-11-21"))
}

/// For its owner only: it may hold patients' details. A file that is there is never written over.
fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Failure::file(path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(Failure::file(path))
}
