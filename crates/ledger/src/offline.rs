//! A copy of the data folder, judged on another machine by whoever holds the book's public key and nothing else.

use std::fmt;
use std::path::{Path, PathBuf};

use seal::Verifier;

use crate::verify::{Report, book_in, verify};
use crate::{Checkpoint, Fault};

/// The books of a data folder: what happened, who looked, who may, what is held and was destroyed.
const BOOKS: [&str; 4] = ["book", "readers", "office", "retention"];
/// Checkpoints that are read from a file; an engine makes one a minute at most, so this is a year of them.
pub const KNOWN_MAX: usize = 600_000;

/// What a copy is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Each book that is there.
    pub books: Vec<(PathBuf, Report)>,
    /// Checkpoints, kept elsewhere, of books that are not there at all.
    pub gone: Vec<Checkpoint>,
}

/// Judges the books in `folder`, which is a data folder or a book itself. `known` are checkpoints that were kept elsewhere.
pub fn judge(folder: &Path, key: &Verifier, known: &[Checkpoint]) -> Result<Judged, Fault> {
    let below = BOOKS
        .map(|name| folder.join(name))
        .into_iter()
        .filter(|folder| folder.is_dir());
    let mut folders: Vec<PathBuf> = below.collect();
    if folders.is_empty() {
        folders.push(folder.to_owned());
    }
    let mut books = Vec::new();
    let mut gone: Vec<Checkpoint> = known.to_vec();
    for folder in folders {
        // A single book is held against everything that was kept: its own head may be what was changed.
        let own = book_in(&folder)?;
        let (ours, others) = gone
            .into_iter()
            .partition(|known| own.is_none_or(|own| own == known.book));
        gone = others;
        let report = verify(&folder, key, &ours)?;
        books.push((folder, report));
    }
    Ok(Judged { books, gone })
}

/// Reads checkpoints kept elsewhere, one a line; the number of a line that is none is the error.
pub fn read_known(text: &str) -> Result<Vec<Checkpoint>, usize> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .take(KNOWN_MAX)
        .map(|(number, line)| Checkpoint::from_line(line).ok_or(number + 1))
        .collect()
}

impl Judged {
    /// Nothing is wrong, and there was something to judge.
    pub fn is_clean(&self) -> bool {
        let rows: u64 = self.books.iter().map(|(_, report)| report.rows).sum();
        rows > 0 && self.gone.is_empty() && self.books.iter().all(|(_, report)| report.is_clean())
    }

    /// The newest good signature of each book, to be kept off this machine.
    pub fn newest(&self) -> impl Iterator<Item = &Checkpoint> {
        self.books.iter().filter_map(|(_, report)| report.last.as_ref())
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (folder, report) in &self.books {
            write!(f, "{}: {report}", folder.display())?;
        }
        for gone in &self.gone {
            writeln!(
                f,
                "gone: a book that was signed through row {}, of which there is nothing here",
                gone.sequence
            )?;
        }
        let findings: u64 = self
            .books
            .iter()
            .map(|(_, report)| report.findings.len() as u64 + report.more_findings)
            .sum();
        let findings = findings + self.gone.len() as u64;
        if self.is_clean() {
            f.write_str("good: nothing was changed, dropped, inserted, swapped or cut off")
        } else if findings == 0 {
            f.write_str("nothing to judge: there is no row")
        } else {
            write!(
                f,
                "NOT what was written: {findings} findings, the first of each book first"
            )
        }
    }
}
