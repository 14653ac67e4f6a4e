//! Files of keys: whole or not at all, for their owner only; and the lines they are made of.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use crate::Fault;

/// Longest file of keys we read; a bundle of a hundred practices is below it.
const FILE_MAX: u64 = 16 << 20;

/// Makes a folder for its owner only.
pub(crate) fn folder(path: &Path) -> Result<(), Fault> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Fault::disk(path))
}

/// Writes beside the place, syncs, renames, syncs the folder.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    write_mode(path, bytes, 0o600)
}

/// The same for what anyone may read.
pub(crate) fn write_mode(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!("{name}.new"));
    let put = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_folder(path)
    };
    put().map_err(Fault::disk(path))
}

/// Writes nothing but octets over a file, and takes it away: what is left on the medium is not the key.
pub(crate) fn wipe(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = usize::try_from(file.metadata()?.len().min(FILE_MAX)).unwrap_or(0);
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    fs::remove_file(path)?;
    sync_folder(path)
}

pub(crate) fn sync_folder(of: &Path) -> io::Result<()> {
    File::open(of.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Reads a file of keys; wiped when dropped.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let length = fs::metadata(path).map_err(Fault::disk(path))?.len();
    if length > FILE_MAX {
        return Err(Fault::malformed(path, "longer than a file of keys can be"));
    }
    fs::read(path).map(Zeroizing::new).map_err(Fault::disk(path))
}

/// A file of lines `word value`, with the start of their SHA-256 as the last of them.
pub(crate) struct Lines(Vec<(String, String)>);

impl Lines {
    /// Reads a file that begins with `kind`.
    pub(crate) fn read(path: &Path, kind: &str) -> Result<Self, Fault> {
        let bytes = read(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Fault::malformed(path, "not a text file"))?;
        let before = text
            .strip_suffix('\n')
            .and_then(|text| text.rsplit_once('\n'))
            .and_then(|(before, last)| Some((format!("{before}\n"), last.strip_prefix("check ")?)))
            .filter(|(before, said)| check(before) == *said)
            .map(|(before, _)| before)
            .ok_or_else(|| Fault::malformed(path, "changed or cut short: its check does not fit"))?;
        let lines = before
            .lines()
            .map(|line| match line.split_once(' ') {
                Some((word, value)) => (word.to_owned(), value.to_owned()),
                None => (line.to_owned(), String::new()),
            })
            .collect::<Vec<_>>();
        match lines.first() {
            Some((word, value)) if word == kind && value == "1" => Ok(Self(lines)),
            _ => Err(Fault::malformed(path, format!("no {kind}, or one of a later version"))),
        }
    }

    /// Writes the lines of `pairs` under a first line of `kind`.
    pub(crate) fn write(path: &Path, kind: &str, pairs: &[(&str, &str)]) -> Result<(), Fault> {
        let mut text = Zeroizing::new(format!("{kind} 1\n"));
        for (word, value) in pairs {
            text.push_str(&format!("{word} {value}\n"));
        }
        let check = check(&text);
        text.push_str(&format!("check {check}\n"));
        write(path, text.as_bytes())
    }

    pub(crate) fn word(&self, path: &Path, word: &str) -> Result<&str, Fault> {
        self.0
            .iter()
            .find(|(found, _)| found == word)
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| Fault::malformed(path, format!("it does not say `{word}`")))
    }

    pub(crate) fn octets<const N: usize>(&self, path: &Path, word: &str) -> Result<[u8; N], Fault> {
        seal::keys::unhex(self.word(path, word)?)
            .ok_or_else(|| Fault::malformed(path, format!("`{word}` is not {} hexadecimal digits", 2 * N)))
    }

    /// Hexadecimal digits of any even count.
    pub(crate) fn any_octets(&self, path: &Path, word: &str) -> Result<Vec<u8>, Fault> {
        let digits = self.word(path, word)?;
        let wrong = || Fault::malformed(path, format!("`{word}` is not hexadecimal"));
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return Err(wrong());
        }
        pairs
            .iter()
            .map(|pair| {
                let pair = std::str::from_utf8(pair).ok()?;
                seal::keys::unhex::<1>(pair).map(|[octet]| octet)
            })
            .collect::<Option<_>>()
            .ok_or_else(wrong)
    }
}

fn check(text: &str) -> String {
    let hash = seal::hash(text.as_bytes());
    seal::keys::hex(hash.first_chunk::<4>().expect("4 of 32"))
}
