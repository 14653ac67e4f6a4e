//! Recorded words: WAV files that stand for sentences (flow-language.md §3, `words/`).
//!
//! A folder says in two ways which file is which sentence, and both may be used together (a flow can name files besides,
//! with `play:`):
//!
//! - the file's name begins with the first 16 hex digits of the sentence's hash: `3fa0c1d2e4b59687-goodbye.wav`
//!   ([`file_name`] makes it, so that a list for the recording booth can be printed);
//! - or a file `index.txt` names it, one line each, in the manner of a shift list:
//!
//! ```text
//! # file      | language | sentence
//! goodbye.wav | English  | Goodbye.
//! ```
//!
//! Below it, `spoken/` holds what a program has said before (`nightdesk flow words speak`), named the same way. It stands
//! last: a person's voice wins over it, and so does a program that speaks now; it is heard when there is neither.
//!
//! One thing to know: a sentence is matched without regard to case, spacing and the kind of quotes, and with regard to
//! everything else. Whoever changes a word of a sentence makes its recording stale, and the old words are not heard.

use crate::cache::hex;
pub use flow::sentence_hash;
use flow::{Language, Part};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which files stand for which sentences.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    /// By the first 8 bytes of the hash.
    files: HashMap<[u8; 8], PathBuf>,
    /// What a program has said before, likewise.
    spoken: HashMap<[u8; 8], PathBuf>,
}

/// The folder, below that of recorded words, of what a program has said.
pub const SPOKEN: &str = "spoken";

/// Most files of all folders together.
const FILES_MAX: usize = 20_000;
/// Largest index.
const INDEX_BYTES_MAX: u64 = 4 << 20;
/// Longest readable tail of a file name.
const SLUG_CHARS_MAX: usize = 40;

/// The name to give a recording of this sentence: `3fa0c1d2e4b59687-goodbye.wav`.
pub fn file_name(part: &Part) -> String {
    let mut slug = String::new();
    for c in part.text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
        if slug.len() >= SLUG_CHARS_MAX {
            break;
        }
    }
    format!("{}-{}.wav", hex(&short(part)), slug.trim_end_matches('-'))
}

/// Whether a file's name is one that [`file_name`] makes.
pub fn is_file_name(name: &str) -> bool {
    by_name(Path::new(name)).is_some()
}

impl Recorded {
    /// Looks through the folders; a folder that is not there has nothing recorded. Faults are for a person to read.
    pub(crate) fn look(folders: &[PathBuf]) -> (Self, Vec<String>) {
        let mut recorded = Self::default();
        let mut faults = Vec::new();
        for folder in folders {
            for (key, path) in named(folder, &mut faults) {
                recorded.add(key, path, &mut faults);
            }
            recorded.read_index(folder, &mut faults);
            // Two practices may keep one sentence; either is it.
            recorded.spoken.extend(named(&folder.join(SPOKEN), &mut faults));
        }
        (recorded, faults)
    }

    /// A file of this folder that somebody names for a sentence (`play:`).
    pub(crate) fn name(&mut self, folder: &Path, file: &str, part: &Part, faults: &mut Vec<String>) {
        let path = folder.join(file);
        if file.contains(['/', '\\']) || !path.is_file() {
            return faults.push(format!(
                "{}: there is no such recording; its words are spoken instead",
                path.display()
            ));
        }
        self.add(short(part), path, faults);
    }

    pub(crate) fn file(&self, part: &Part) -> Option<&Path> {
        self.files.get(&short(part)).map(PathBuf::as_path)
    }

    /// What a program has said before.
    pub(crate) fn spoken(&self, part: &Part) -> Option<&Path> {
        self.spoken.get(&short(part)).map(PathBuf::as_path)
    }

    fn read_index(&mut self, folder: &Path, faults: &mut Vec<String>) {
        let path = folder.join("index.txt");
        let Ok(about) = fs::metadata(&path) else { return };
        if about.len() > INDEX_BYTES_MAX {
            faults.push(format!("{}: larger than {INDEX_BYTES_MAX} bytes", path.display()));
            return;
        }
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(fault) => {
                faults.push(format!("{}: {fault}", path.display()));
                return;
            }
        };
        for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut fault = |what: &str| faults.push(format!("{} line {}: {what}", path.display(), at + 1));
            let columns: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
            let [file, language, sentence] = columns.as_slice() else {
                fault("write: file | language | sentence");
                continue;
            };
            let known = Language::ALL
                .into_iter()
                .find(|l| l.suffix().eq_ignore_ascii_case(language));
            let Some(language) = Language::named(language).or(known) else {
                fault("the second column is no language we speak; write English or Spanish");
                continue;
            };
            // A name, not a way: an index cannot reach outside its folder.
            if file.contains(['/', '\\']) || !folder.join(file).is_file() {
                fault("the file is not in this folder");
                continue;
            }
            self.add(short(&Part::new(*sentence, language)), folder.join(file), faults);
        }
    }

    fn add(&mut self, key: [u8; 8], path: PathBuf, faults: &mut Vec<String>) {
        if self.files.len() >= FILES_MAX {
            return faults.push(format!("{}: more than {FILES_MAX} recordings", path.display()));
        }
        if let Some(other) = self.files.get(&key).filter(|other| **other != path) {
            return faults.push(format!(
                "{} and {} stand for one sentence",
                other.display(),
                path.display()
            ));
        }
        self.files.insert(key, path);
    }
}

fn short(part: &Part) -> [u8; 8] {
    let hash = sentence_hash(part);
    hash.first_chunk().copied().unwrap_or_default()
}

/// The files of a folder that are named by the hash of a sentence; a folder that is not there has none.
fn named(folder: &Path, faults: &mut Vec<String>) -> Vec<([u8; 8], PathBuf)> {
    let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(fault) => {
            faults.push(format!("{}: {fault}", folder.display()));
            return Vec::new();
        }
    };
    // The same folder gives the same answer on every disk.
    paths.sort();
    let keyed = |path: PathBuf| by_name(&path).map(|key| (key, path));
    paths.into_iter().filter_map(keyed).take(FILES_MAX).collect()
}

fn by_name(path: &Path) -> Option<[u8; 8]> {
    if !path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("wav"))
    {
        return None;
    }
    let digits = path.file_stem()?.to_str()?.get(..16)?;
    // from_str_radix takes a sign; a name with one is no hash.
    let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
    all.then(|| u64::from_str_radix(digits, 16).ok())?.map(u64::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::{Recorded, file_name, sentence_hash};
    use flow::{Language, Part};
    use std::fs;

    #[test]
    fn a_sentence_is_one_with_itself_and_with_no_other() {
        let hash = |text: &str, language| sentence_hash(&Part::new(text, language));
        let plain = hash("I don't know.", Language::English);
        assert_eq!(hash("  i DON’T\n know. ", Language::English), plain);
        assert_ne!(hash("I don't know", Language::English), plain);
        assert_ne!(hash("I don't know.", Language::Spanish), plain);
        assert_eq!(hash("Sábado", Language::Spanish), hash("sábado", Language::Spanish));
    }

    #[test]
    fn files_are_found_by_their_name_and_by_the_index() {
        let folder = tempfile::tempdir().expect("a folder");
        let goodbye = Part::new("Goodbye.", Language::English);
        let adios = Part::new("¡Adiós!", Language::Spanish);
        let named = file_name(&goodbye);
        assert!(named.ends_with("-goodbye.wav"), "{named}");
        fs::write(folder.path().join(&named), b"x").expect("room");
        fs::write(folder.path().join("bye.wav"), b"x").expect("room");
        fs::write(folder.path().join("+0000000000000ff.wav"), b"x").expect("room");
        let index =
            "# booth, 3 November\nbye.wav | es | ¡Adiós!\n../x.wav | English | Hello\nbye.wav | Dutch | Dag\nbye.wav\n";
        fs::write(folder.path().join("index.txt"), index).expect("room");
        let nowhere = folder.path().join("nowhere");
        let (recorded, faults) = Recorded::look(&[folder.path().to_owned(), nowhere]);
        assert_eq!(recorded.file(&goodbye), Some(folder.path().join(&named).as_path()));
        assert_eq!(recorded.file(&adios), Some(folder.path().join("bye.wav").as_path()));
        assert_eq!(recorded.file(&Part::new("Goodbye!", Language::English)), None);
        let faults: Vec<_> = faults
            .iter()
            .filter_map(|f| f.split_once("index.txt ").map(|(_, what)| what))
            .collect();
        assert_eq!(
            faults,
            [
                "line 3: the file is not in this folder",
                "line 4: the second column is no language we speak; write English or Spanish",
                "line 5: write: file | language | sentence",
            ]
        );
    }

    #[test]
    fn two_files_for_one_sentence_are_a_fault_and_the_first_is_heard() {
        let folder = tempfile::tempdir().expect("a folder");
        let goodbye = Part::new("Goodbye.", Language::English);
        let prefix: String = file_name(&goodbye).chars().take(16).collect();
        fs::write(folder.path().join(format!("{prefix}-a.wav")), b"x").expect("room");
        fs::write(folder.path().join(format!("{prefix}-b.WAV")), b"x").expect("room");
        let (recorded, faults) = Recorded::look(&[folder.path().to_owned()]);
        assert!(
            recorded
                .file(&goodbye)
                .is_some_and(|path| path.ends_with(format!("{prefix}-a.wav")))
        );
        assert_eq!(faults.len(), 1);
    }
}
