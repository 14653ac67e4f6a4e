//! The targets, a line each: a name, where its seeds are, the words of its format, and what to do with an input.
//!
//! `run` must hold whatever the bytes are; it returns a verdict, a number that differs when something different happened. A
//! verdict seen for the first time keeps its input for further mutation, so let it tell apart what code paths tell apart
//! (which fault, how many of what), and not what bytes tell apart.

mod config;
mod edge;
mod flow;
mod media;
mod oncall;
mod safe;
mod sip;
mod socket;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// One parser.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Whether its inputs come from a network, from anybody: the ones `fuzz wire` takes.
    pub wire: bool,
    /// How many of the inputs it gets, beside the others: about as much as it is fast.
    pub weight: u64,
    /// Folders of this repository, every file of which is a seed.
    pub folders: &'static [&'static str],
    /// Further seeds.
    pub texts: &'static [&'static str],
    /// Further seeds that are no text.
    pub made: fn() -> Vec<Vec<u8>>,
    /// Words to put in.
    pub tokens: &'static [&'static str],
    /// One input.
    pub run: fn(&[u8]) -> u64,
}

/// Every target. To add one: a function in a file of this folder, and a line here.
pub const TARGETS: &[Target] = &[
    Target {
        name: "sip_message",
        wire: true,
        weight: 1_000,
        folders: &["fixtures/sip/torture", "fixtures/sip/carriers"],
        texts: &[],
        made: Vec::new,
        tokens: sip::WORDS,
        run: sip::message,
    },
    Target {
        name: "sip_stream",
        wire: true,
        weight: 1_000,
        folders: &["fixtures/sip/torture", "fixtures/sip/carriers"],
        texts: &[],
        made: Vec::new,
        tokens: sip::WORDS,
        run: sip::stream,
    },
    Target {
        name: "sip_uri",
        wire: true,
        weight: 1_000,
        folders: &[],
        texts: sip::URIS,
        made: Vec::new,
        tokens: sip::WORDS,
        run: sip::uri,
    },
    Target {
        name: "sip_values",
        wire: true,
        weight: 1_000,
        folders: &[],
        texts: sip::VALUES,
        made: Vec::new,
        tokens: sip::WORDS,
        run: sip::values,
    },
    Target {
        name: "sip_digest",
        wire: true,
        weight: 500,
        folders: &[],
        texts: edge::DIGESTS,
        made: Vec::new,
        tokens: edge::WORDS,
        run: edge::digest,
    },
    Target {
        name: "sip_registrar",
        wire: true,
        weight: 300,
        folders: &[],
        texts: edge::REGISTRARS,
        made: Vec::new,
        tokens: edge::WORDS,
        run: edge::registrar,
    },
    Target {
        name: "sip_locate",
        wire: true,
        weight: 500,
        folders: &[],
        texts: edge::WALKS,
        made: Vec::new,
        tokens: edge::WORDS,
        run: edge::locate,
    },
    Target {
        name: "sip_number",
        wire: true,
        weight: 500,
        folders: &[],
        texts: edge::NUMBERS,
        made: Vec::new,
        tokens: edge::WORDS,
        run: edge::number,
    },
    Target {
        name: "sip_stray",
        wire: true,
        weight: 1000,
        folders: &[],
        texts: &[],
        made: edge::strays,
        tokens: edge::WORDS,
        run: edge::stray,
    },
    Target {
        name: "websocket",
        wire: true,
        weight: 1_000,
        folders: &[],
        texts: &[],
        made: socket::sockets,
        tokens: socket::WORDS,
        run: socket::socket,
    },
    Target {
        name: "stun",
        wire: true,
        weight: 1_500,
        folders: &[],
        texts: &[],
        made: edge::strays,
        tokens: &[],
        run: media::stray,
    },
    Target {
        name: "sdp",
        wire: true,
        weight: 1_500,
        folders: &["crates/media/tests/sdp"],
        texts: media::DESCRIPTIONS,
        made: Vec::new,
        tokens: media::SDP_WORDS,
        run: media::description,
    },
    Target {
        name: "rtp",
        wire: true,
        weight: 2_000,
        folders: &[],
        texts: &[],
        made: media::packets,
        tokens: &[],
        run: media::packet,
    },
    Target {
        name: "srtp",
        wire: true,
        weight: 500,
        folders: &[],
        texts: &[],
        made: media::sealed_packets,
        tokens: &[],
        run: media::sealed,
    },
    Target {
        name: "rtcp",
        wire: true,
        weight: 1_500,
        folders: &[],
        texts: &[],
        made: media::reports,
        tokens: &[],
        run: media::report,
    },
    Target {
        name: "digits",
        wire: true,
        weight: 1_500,
        folders: &[],
        texts: media::INFO_BODIES,
        made: media::presses,
        tokens: media::INFO_WORDS,
        run: media::digits,
    },
    Target {
        name: "leg",
        wire: true,
        weight: 1_500,
        folders: &[],
        texts: &[],
        made: media::conversations,
        tokens: &[],
        run: media::leg,
    },
    Target {
        name: "shift_list",
        wire: false,
        weight: 200,
        folders: &[],
        texts: oncall::LISTS,
        made: Vec::new,
        tokens: oncall::WORDS,
        run: oncall::list,
    },
    Target {
        name: "flow_source",
        wire: false,
        weight: 60,
        folders: flow::FOLDERS,
        texts: &[],
        made: Vec::new,
        tokens: flow::WORDS,
        run: flow::source,
    },
    Target {
        name: "flow_compile",
        wire: false,
        weight: 6,
        folders: flow::FOLDERS,
        texts: &[],
        made: Vec::new,
        tokens: flow::WORDS,
        run: flow::compile,
    },
    Target {
        name: "config",
        wire: false,
        weight: 200,
        folders: &["fixtures/config/bad", "fixtures/config/good"],
        texts: config::FILES,
        made: Vec::new,
        tokens: config::WORDS,
        run: config::file,
    },
    Target {
        name: "container",
        wire: false,
        weight: 100,
        folders: &[],
        texts: &[],
        made: safe::sealed,
        tokens: &[],
        run: safe::container,
    },
    Target {
        name: "recovery_part",
        wire: false,
        weight: 100,
        folders: &[],
        texts: &[],
        made: safe::parts,
        tokens: &["1 ", "2 ", "3 ", "0000", "OOOO", "\n"],
        run: safe::part,
    },
];

impl Target {
    /// The corpus it starts from.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut seeds = self
            .texts
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .chain((self.made)())
            .collect::<Vec<_>>();
        for folder in self.folders {
            seeds.extend(files(&repository.join(folder)));
        }
        if self.corpus().is_dir() {
            seeds.extend(files(&self.corpus()));
        }
        assert!(!seeds.is_empty(), "{} has no seeds", self.name);
        seeds
    }

    /// Where inputs are kept that earlier runs found.
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name)
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
