//! A folder that is handed over: each file in it by its hash, under one signature (RET-04).
//!
//! The list is a text, `manifest.txt`, whose lines of files are such as `sha256sum --check` reads, so that whoever has neither
//! our programs nor a key can see whether a file is what was handed over. With the public key [`judge_parcel`] says
//! besides whether the list itself is ours, and what was added.
//!
//! ```text
//! nightdesk-parcel 1
//! practice …      by …      reason …      at …
//! SHA256  PATH                 a file below the folder
//! files N
//! signature …                  by the book's key over every line above
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use seal::keys::{hex, unhex};
use seal::{Hasher, SIGNATURE, Signer, Verifier};

use crate::Fault;

/// The name of the list in the folder.
pub const PARCEL_LIST: &str = "manifest.txt";
/// Files in one folder.
pub const PARCEL_FILES_MAX: usize = 1_000_000;
/// Octets of a list that is read.
const LIST_OCTETS_MAX: u64 = 512 * 1024 * 1024;
/// Folders below one another; ours has one.
const DEPTH_MAX: usize = 8;
const FIRST_LINE: &str = "nightdesk-parcel 1";

/// What is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Whose it is.
    pub practice: String,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, RFC 3339.
    pub at: String,
    /// Each file below the folder, and its SHA-256 in hexadecimal.
    pub files: BTreeMap<String, String>,
}

impl Parcel {
    /// Takes in every file of a folder that is ready.
    pub fn of(folder: &Path, practice: &str, by: &str, reason: &str, at: &str) -> Result<Self, Fault> {
        let mut files = BTreeMap::new();
        for (name, path) in files_below(folder)? {
            files.insert(name, hash(&path)?);
        }
        Ok(Self {
            practice: practice.to_owned(),
            by: by.to_owned(),
            reason: reason.to_owned(),
            at: at.to_owned(),
            files,
        })
    }

    /// The list as it goes along, signed.
    pub fn sign(&self, signer: &Signer) -> String {
        let text = self.to_string();
        let signature = signer.sign(text.as_bytes());
        format!("{text}signature {}\n", hex(&signature))
    }

    /// Reads a list; the signature is over everything before its own line.
    fn parse(text: &str) -> Option<(Self, [u8; SIGNATURE])> {
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        let mut parcel = Self {
            practice: value("practice")?,
            by: value("by")?,
            reason: value("reason")?,
            at: value("at")?,
            files: BTreeMap::new(),
        };
        for line in lines.by_ref() {
            if let Some(count) = line.strip_prefix("files ") {
                if count.parse() != Ok(parcel.files.len()) {
                    return None;
                }
                let signature = unhex(lines.next()?.strip_prefix("signature ")?)?;
                return Some((parcel, signature));
            }
            let (hash, name) = line.split_once("  ")?;
            unhex::<32>(hash)?;
            if parcel.files.len() >= PARCEL_FILES_MAX || parcel.files.insert(name.to_owned(), hash.to_owned()).is_some()
            {
                return None;
            }
        }
        None
    }
}

/// Everything that is signed.
impl fmt::Display for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value is one line, whatever somebody typed.
        let line = |text: &str| text.replace(char::is_control, " ");
        writeln!(f, "{FIRST_LINE}")?;
        for (name, value) in [
            ("practice", &self.practice),
            ("by", &self.by),
            ("reason", &self.reason),
            ("at", &self.at),
        ] {
            writeln!(f, "{name} {}", line(value))?;
        }
        for (name, hash) in &self.files {
            writeln!(f, "{hash}  {name}")?;
        }
        writeln!(f, "files {}", self.files.len())
    }
}

/// What a folder that was handed over is worth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JudgedParcel {
    /// What it says it is.
    pub parcel: Option<Parcel>,
    /// The list was signed by the book's key.
    pub signed: bool,
    /// Files that are not what was handed over.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub missing: Vec<String>,
    /// Files that were not among them.
    pub added: Vec<String>,
}

impl JudgedParcel {
    /// Octet for octet what was handed over.
    pub fn is_clean(&self) -> bool {
        self.signed && self.changed.is_empty() && self.missing.is_empty() && self.added.is_empty()
    }
}

impl fmt::Display for JudgedParcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parcel) = &self.parcel else {
            return write!(f, "{PARCEL_LIST} is gone, cut or changed: NOT what was handed over");
        };
        writeln!(
            f,
            "{}: {} files, handed over by {} on {}",
            parcel.practice,
            parcel.files.len(),
            parcel.by,
            parcel.at
        )?;
        for (what, names) in [
            ("changed", &self.changed),
            ("missing", &self.missing),
            ("added", &self.added),
        ] {
            for name in names {
                writeln!(f, "  {what}: {name}")?;
            }
        }
        if !self.signed {
            writeln!(f, "  forged: the list of files is not signed by this key")?;
        }
        if self.is_clean() {
            f.write_str("good: every file is what was handed over, and no other is there")
        } else {
            f.write_str("NOT what was handed over")
        }
    }
}

/// Holds a folder against its list, with the public key alone.
pub fn judge_parcel(folder: &Path, key: &Verifier) -> Result<JudgedParcel, Fault> {
    let mut judged = JudgedParcel::default();
    let path = folder.join(PARCEL_LIST);
    let mut text = String::new();
    // A list that is no text, or not there, is a list that was changed.
    let read = File::open(&path).and_then(|list| list.take(LIST_OCTETS_MAX).read_to_string(&mut text));
    let Some((parcel, signature)) = read.ok().and_then(|_| Parcel::parse(&text)) else {
        return Ok(judged);
    };
    let signed = text
        .rfind("signature ")
        .and_then(|at| text.get(..at))
        .unwrap_or_default();
    // What was read has to be all there is in the list, or a line after the signature would go unseen.
    let whole = format!("{parcel}signature {}", hex(&signature));
    judged.signed = text.trim_end() == whole && key.check(signed.as_bytes(), &signature).is_ok();
    let mut there = files_below(folder)?;
    there.remove(PARCEL_LIST);
    for (name, wanted) in &parcel.files {
        match there.remove(name) {
            None => judged.missing.push(name.clone()),
            Some(path) if hash(&path)? != *wanted => judged.changed.push(name.clone()),
            Some(_) => {}
        }
    }
    judged.added = there.into_keys().collect();
    judged.parcel = Some(parcel);
    Ok(judged)
}

/// Every file below a folder, by its path from there.
fn files_below(folder: &Path) -> Result<BTreeMap<String, PathBuf>, Fault> {
    let listing = || Fault::disk("list a folder that is handed over");
    let mut found = BTreeMap::new();
    let mut left = vec![(folder.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = left.pop() {
        for entry in fs::read_dir(&folder).map_err(listing())? {
            let entry = entry.map_err(listing())?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            // A link is a file that is not ours: it is named and never followed.
            if entry.file_type().map_err(listing())?.is_dir() && depth < DEPTH_MAX {
                left.push((entry.path(), format!("{name}/"), depth + 1));
            } else if found.len() < PARCEL_FILES_MAX {
                found.insert(name, entry.path());
            } else {
                return Err(listing()(std::io::ErrorKind::FileTooLarge.into()));
            }
        }
    }
    Ok(found)
}

/// A file's SHA-256, read a piece at a time.
fn hash(path: &Path) -> Result<String, Fault> {
    let reading = || Fault::disk("read a file that is handed over");
    if !fs::symlink_metadata(path).map_err(reading())?.is_file() {
        return Ok("no file".to_owned());
    }
    let mut file = File::open(path).map_err(reading())?;
    let mut running = Hasher::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut piece).map_err(reading())?;
        if read == 0 {
            return Ok(hex(&running.finish()));
        }
        running.update(piece.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves RET-04: a folder that was handed over is judged with the public key alone, and what was changed, taken away or
    /// added is named.
    #[test]
    fn what_was_handed_over_is_told_from_anything_else() {
        let signer = Signer::generate(&mut |out| out.fill(3));
        let make = || {
            let folder = tempfile::tempdir().expect("a folder");
            fs::create_dir(folder.path().join("recordings")).expect("room");
            for name in ["calls.jsonl", "recordings/a.wav", "recordings/b.wav"] {
                fs::write(folder.path().join(name), name).expect("room");
            }
            let parcel = Parcel::of(folder.path(), "Cedar", "marisol", "the\nend", "2026-11-22T00:00:00Z");
            let list = parcel.expect("readable").sign(&signer);
            fs::write(folder.path().join(PARCEL_LIST), list).expect("room");
            folder
        };
        let key = signer.verifier();
        let judge = |folder: &Path| judge_parcel(folder, &key).expect("readable").to_string();
        let said = judge(make().path());
        assert!(said.contains("Cedar: 3 files") && said.contains("good"), "{said}");
        type Tampering = fn(&Path);
        let kinds: [(Tampering, &str); 8] = [
            (
                |f| fs::write(f.join("calls.jsonl"), "x").expect("ours"),
                "changed: calls.jsonl",
            ),
            (
                |f| fs::remove_file(f.join("recordings/a.wav")).expect("ours"),
                "missing: recordings/a.wav",
            ),
            (
                |f| fs::write(f.join("recordings/c.wav"), "x").expect("ours"),
                "added: recordings/c.wav",
            ),
            (
                |f| fs::rename(f.join("recordings/a.wav"), f.join("recordings/c.wav")).expect("ours"),
                "added: recordings/c.wav",
            ),
            (
                |f| {
                    fs::remove_file(f.join("calls.jsonl")).expect("ours");
                    std::os::unix::fs::symlink("/etc/hostname", f.join("calls.jsonl")).expect("ours");
                },
                "changed: calls.jsonl",
            ),
            (
                |f| fs::remove_file(f.join(PARCEL_LIST)).expect("ours"),
                "is gone, cut or changed",
            ),
            (
                |f| {
                    let list = fs::read_to_string(f.join(PARCEL_LIST)).expect("ours");
                    fs::write(f.join(PARCEL_LIST), list.replace("by marisol", "by eve")).expect("ours");
                },
                "forged",
            ),
            (
                |f| {
                    let list = fs::read_to_string(f.join(PARCEL_LIST)).expect("ours");
                    fs::write(f.join(PARCEL_LIST), list + "and more\n").expect("ours");
                },
                "forged",
            ),
        ];
        for (tamper, named) in kinds {
            let folder = make();
            tamper(folder.path());
            let said = judge(folder.path());
            assert!(
                said.contains(named) && said.contains("NOT what was handed over"),
                "{named}: {said}"
            );
        }
        let other = Signer::generate(&mut |out| out.fill(4)).verifier();
        assert!(!judge_parcel(make().path(), &other).expect("readable").is_clean());
    }
}
