//! The targets, a line each: a name, where its seeds are, the words of its format, and what to do with an input.
//!
//! `run` must hold whatever the bytes are; it returns a verdict, a number that differs when something different happened. A
//! verdict seen for the first time keeps its input for further mutation, so let it tell apart what code paths tell apart
//! (which fault, how many of what), and not what bytes tell apart.

mod sip;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// One parser.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Folders under `fixtures`, every file of which is a seed.
    pub folders: &'static [&'static str],
    /// Further seeds.
    pub texts: &'static [&'static str],
    /// Words to put in.
    pub tokens: &'static [&'static str],
    /// One input.
    pub run: fn(&[u8]) -> u64,
}

/// Every target. To add one: a function in a file of this folder, and a line here.
pub const TARGETS: &[Target] = &[
    Target {
        name: "sip_message",
        folders: &["sip/torture", "sip/carriers"],
        texts: &[],
        tokens: sip::WORDS,
        run: sip::message,
    },
    Target {
        name: "sip_stream",
        folders: &["sip/torture", "sip/carriers"],
        texts: &[],
        tokens: sip::WORDS,
        run: sip::stream,
    },
    Target {
        name: "sip_uri",
        folders: &[],
        texts: sip::URIS,
        tokens: sip::WORDS,
        run: sip::uri,
    },
    Target {
        name: "sip_values",
        folders: &[],
        texts: sip::VALUES,
        tokens: sip::WORDS,
        run: sip::values,
    },
];

impl Target {
    /// The corpus it starts from.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
        let mut seeds = self
            .texts
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect::<Vec<_>>();
        for folder in self.folders {
            seeds.extend(files(&fixtures.join(folder)));
        }
        assert!(!seeds.is_empty(), "{} has no seeds", self.name);
        seeds
    }
}

/// Every file of a folder, in the order of their names, so that a seed means the same everywhere.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect::<Vec<_>>();
    paths.sort();
    paths.iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

/// A verdict out of whatever tells it apart.
pub fn verdict(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A count as a verdict sees it: 0, 1, 2, 4, 8 …
pub fn about(count: usize) -> u32 {
    usize::BITS - count.leading_zeros()
}
