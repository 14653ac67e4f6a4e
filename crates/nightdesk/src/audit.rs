//! `nightdesk audit`: the book, judged by anybody, and its newest signatures to be kept elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::{Failure, out};

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
