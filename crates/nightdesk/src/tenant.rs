//! `nightdesk tenant`: everything of one practice, handed over at the end of its contract and then
//! destroyed (RET-04, RET-05).

mod export;

use std::path::PathBuf;

use clap::Subcommand;

use crate::{Failure, Who, out, retention};

/// `nightdesk tenant`
#[derive(Subcommand)]
pub(crate) enum Tenant {
    /// Write everything of a practice into a folder that it can read without us: sound as WAV, the rest as JSON, and a signed
    /// list of the files; a row for each call and each recording comes first
    #[command(
        after_help = "The folder is plain: put it on an encrypted disk of the practice's, for nothing in it is sealed any more.\n\
                      Example: nightdesk tenant export \"Cedar Family Medicine\" --into /mnt/cedar/records --config nightdesk.yaml --reason \"end of contract\""
    )]
    Export(export::Export),
    /// Hold an export against its signed list, with the public key alone; names what was changed, taken away or added
    #[command(
        after_help = "Exit status: 0 good, 1 not what was handed over. `nightdesk-verify FOLDER book.public` does the same as a small program of its own."
    )]
    Verify {
        /// The folder of the export
        folder: PathBuf,
        /// The key that checks the book's signatures
        #[arg(long)]
        key: PathBuf,
    },
    /// How the contract with a practice stands: agreement, termination_grace_days, holds, whether its records were taken along
    Report {
        /// The practice, as its file names it
        practice: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Destroy everything of a practice whose contract is over: two owners, each runs it; there is no way back, and a certificate
    #[command(
        after_help = "Example: nightdesk tenant destroy \"Cedar Family Medicine\" --dry-run --config nightdesk.yaml --reason \"contract ended\""
    )]
    Destroy {
        /// The practice, as its file names it
        practice: String,
        /// Only say what would go, and what stands in the way
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        who: Who,
    },
}

pub(crate) fn tenant(command: &Tenant) -> Result<(), Failure> {
    match command {
        Tenant::Export(export) => export.write(),
        Tenant::Report { practice, config } => retention::tenant::report(config, practice),
        Tenant::Destroy { practice, dry_run, who } => retention::tenant::destroy(who, practice, *dry_run),
        Tenant::Verify { folder, key } => {
            let octets = std::fs::read(key).map_err(Failure::file(key))?;
            let public = seal::Verifier::from_bytes(&octets).map_err(|fault| {
                Failure::new(
                    format!("{}: {fault}", key.display()),
                    "name the engine's book.public, as it was handed over apart from the export",
                )
            })?;
            let judged = ledger::judge_parcel(folder, &public).map_err(Failure::book)?;
            out!("{judged}");
            if judged.is_clean() {
                return Ok(());
            }
            Err(Failure::new(
                format!("{} is not what was handed over", folder.display()),
                "ask for another copy, and tell whoever handed it over",
            ))
        }
    }
}
