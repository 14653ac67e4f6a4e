//! The offline verifier: a copied data folder or an export, the book's public key, and nothing else. For auditors.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own: it reads files and speaks to the person in front of it"
)]

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

const USE: &str = "nightdesk-verify FOLDER book.public [CHECKPOINTS]\n\
    nightdesk-verify EXPORT book.public [PROOF]\n\
    nightdesk-verify CERTIFICATE book.public\n\
    nightdesk-verify PARCEL book.public\n\n\
    FOLDER       a copy of the engine's data folder\n\
    EXPORT       a file of `nightdesk audit export`\n\
    CERTIFICATE  a certificate of destruction\n\
    PARCEL       a folder of `nightdesk tenant export`\n\
    book.public  the key that checks the book's signatures\n\
    CHECKPOINTS  lines of `nightdesk audit checkpoint` that were kept elsewhere: they tell whether the end was cut off\n\
    PROOF        what came beside the export; without it EXPORT.proof is read\n\n\
    Exit status: 0 good, 1 not what was written, 2 it could not be judged.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, key, more) = match arguments.as_slice() {
        [what, key] => (what, key, None),
        [what, key, more] => (what, key, Some(more.as_str())),
        _ => {
            eprintln!("{USE}");
            return ExitCode::from(2);
        }
    };
    let judged = if Path::new(what).is_file() {
        judge_export(what, key, more)
    } else if Path::new(what).join(ledger::PARCEL_LIST).exists() {
        judge_parcel(what, key)
    } else {
        judge(what, key, more)
    };
    match judged {
        Ok((said, clean)) => {
            println!("{said}");
            ExitCode::from(u8::from(!clean))
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

/// What is said, and whether it is good.
type Said = (Box<dyn Display>, bool);

fn judge(folder: &str, key: &str, known: Option<&str>) -> Result<Said, String> {
    let key = verifier(key)?;
    let known = match known {
        Some(file) => {
            ledger::read_known(&text(file)?).map_err(|line| format!("{file}: line {line} is no checkpoint"))?
        }
        None => Vec::new(),
    };
    let judged = ledger::judge(Path::new(folder), &key, &known).map_err(|fault| format!("{folder}: {fault}"))?;
    let clean = judged.is_clean();
    Ok((Box::new(judged), clean))
}

fn judge_parcel(folder: &str, key: &str) -> Result<Said, String> {
    let judged =
        ledger::judge_parcel(Path::new(folder), &verifier(key)?).map_err(|fault| format!("{folder}: {fault}"))?;
    let clean = judged.is_clean();
    Ok((Box::new(judged), clean))
}

fn judge_export(export: &str, key: &str, proof: Option<&str>) -> Result<Said, String> {
    let key = verifier(key)?;
    if text(export)?.starts_with(ledger::CERTIFICATE_FIRST_LINE) {
        return judge_certificate(export, &key);
    }
    let proof = proof.map_or_else(|| format!("{export}.proof"), str::to_owned);
    let judged = ledger::judge_export(&text(export)?, &text(&proof)?, &key)?;
    let clean = judged.is_clean();
    Ok((Box::new(judged), clean))
}

fn judge_certificate(file: &str, key: &seal::Verifier) -> Result<Said, String> {
    let signed =
        ledger::SignedCertificate::parse(&text(file)?).ok_or(format!("{file}: no certificate, or a part of one"))?;
    let clean = signed.is_signed_by(key);
    let verdict = if clean {
        format!(
            "good: signed by the book's key, {} objects destroyed",
            signed.certificate.objects.len()
        )
    } else {
        "NOT signed by this key".to_owned()
    };
    Ok((Box::new(verdict), clean))
}

fn verifier(file: &str) -> Result<seal::Verifier, String> {
    let bytes = fs::read(file).map_err(|fault| format!("{file}: {fault}"))?;
    seal::Verifier::from_bytes(&bytes).map_err(|fault| format!("{file}: {fault}"))
}

fn text(file: &str) -> Result<String, String> {
    let octets = fs::metadata(file).map_err(|fault| format!("{file}: {fault}"))?.len();
    if octets > ledger::EXPORT_BYTES_MAX {
        return Err(format!("{file}: {octets} octets are more than is read"));
    }
    fs::read_to_string(file).map_err(|fault| format!("{file}: {fault}"))
}
