//! The offline verifier: a copied data folder, the book's public key, and nothing else. For auditors.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own: it reads files and speaks to the person in front of it"
)]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

const USE: &str = "nightdesk-verify FOLDER book.public [CHECKPOINTS]\n\n\
    FOLDER       a copy of the engine's data folder\n\
    book.public  the key that checks its signatures\n\
    CHECKPOINTS  lines of `nightdesk audit checkpoint` that were kept elsewhere: they tell whether the end was cut off\n\n\
    Exit status: 0 good, 1 not what was written, 2 it could not be judged.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, key, known) = match arguments.as_slice() {
        [folder, key] => (folder, key, None),
        [folder, key, known] => (folder, key, Some(known)),
        _ => {
            eprintln!("{USE}");
            return ExitCode::from(2);
        }
    };
    match judge(folder, key, known.map(String::as_str)) {
        Ok(judged) => {
            println!("{judged}");
            ExitCode::from(u8::from(!judged.is_clean()))
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn judge(folder: &str, key: &str, known: Option<&str>) -> Result<ledger::Judged, String> {
    let bytes = fs::read(key).map_err(|fault| format!("{key}: {fault}"))?;
    let key = seal::Verifier::from_bytes(&bytes).map_err(|fault| format!("{key}: {fault}"))?;
    let known = match known {
        Some(file) => {
            let text = fs::read_to_string(file).map_err(|fault| format!("{file}: {fault}"))?;
            ledger::read_known(&text).map_err(|line| format!("{file}: line {line} is no checkpoint"))?
        }
        None => Vec::new(),
    };
    ledger::judge(Path::new(folder), &key, &known).map_err(|fault| format!("{folder}: {fault}"))
}
