//! Practices from disk: their folders, who is on duty, and a clip for every word they can say.
//!
//! A folder with a `practice.yaml` (or `*.practice.yaml`) is a practice; any other folder is looked through for such
//! folders, one level down. Beside the practice's files may lie `on-call.txt`, a plain shift list (`oncall::list`), and
//! `words/`, recorded sentences. What does not compile, or has a fault in its shift list, is reported, and the release
//! before it stays in force (house.md §5, invariant 6); a sentence without a clip is reported and left out when spoken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use media::Law;
use switchboard::Released;

/// Files read of one practice, and octets of one file: a practice is a dozen pages, not a disk.
const FILES_MAX: usize = 256;
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Practices of one exchange.
const PRACTICES_MAX: usize = 10_000;

/// The plain shift list of a practice.
pub const SHIFT_LIST: &str = "on-call.txt";

/// The folder of a practice's recorded sentences.
pub const RECORDED: &str = "words";

/// Every clip that can be heard.
#[derive(Debug)]
pub struct Clips(voice::Snapshot);

/// Practices as they are on disk now.
#[derive(Debug)]
pub struct Loaded {
    /// Those that work, or worked when they were last read.
    pub released: Vec<Released>,
    /// All their words.
    pub clips: Arc<Clips>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Something to put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub folder: PathBuf,
    /// What, for a person to read. Nothing about any caller: no caller was there yet.
    pub what: String,
    /// It keeps the practice, or its change, from being released.
    pub serious: bool,
}

/// Reads practices, and remembers what worked.
#[derive(Debug)]
pub struct Shelf {
    folders: Vec<PathBuf>,
    cache: PathBuf,
    engine: Option<voice::Engine>,
    /// Sentences of no practice.
    words: Vec<flow::Part>,
    released: BTreeMap<PathBuf, Released>,
}

impl Shelf {
    /// A shelf over these folders. Spoken sentences are kept in `cache`.
    pub fn new(folders: Vec<PathBuf>, cache: PathBuf, engine: Option<voice::Engine>) -> Self {
        Self {
            folders,
            cache,
            engine,
            words: Vec::new(),
            released: BTreeMap::new(),
        }
    }

    /// The same with sentences that the engine says itself, for no practice.
    #[must_use]
    pub fn with_words(self, words: Vec<flow::Part>) -> Self {
        Self { words, ..self }
    }

    /// Reads everything anew. Takes as long as speaking new sentences takes: not for a thread that others wait for.
    pub fn load(&mut self) -> Result<Loaded, voice::VoiceFault> {
        let mut problems = Vec::new();
        let folders = self.practice_folders(&mut problems);
        let mut released = BTreeMap::new();
        for folder in &folders {
            let fresh = read(folder, &mut problems);
            if let Some(release) = fresh.or_else(|| self.released.get(folder).cloned()) {
                released.insert(folder.clone(), release);
            }
        }
        let recorded: Vec<PathBuf> = folders
            .iter()
            .map(|folder| folder.join(RECORDED))
            .filter(|words| words.is_dir())
            .collect();
        let mut library = voice::Library::open(&self.cache, self.engine.clone(), &recorded)?;
        problems.extend(library.faults().iter().map(|what| Problem {
            folder: self.cache.clone(),
            what: what.clone(),
            serious: false,
        }));
        for (folder, release) in &released {
            for missing in library.prepare(&release.practice.all_parts()) {
                let what = format!("cannot be heard: {:?}: {}", missing.part.text, missing.why);
                problems.push(Problem {
                    folder: folder.clone(),
                    what,
                    serious: false,
                });
            }
        }
        for missing in library.prepare(&self.words) {
            problems.push(Problem {
                folder: self.cache.clone(),
                what: format!(
                    "the report card says nothing of: {:?}: {}",
                    missing.part.text, missing.why
                ),
                serious: false,
            });
        }
        self.released = released;
        Ok(Loaded {
            released: self.released.values().cloned().collect(),
            clips: Arc::new(Clips(library.snapshot())),
            problems,
        })
    }

    /// The folders that are practices, in order.
    fn practice_folders(&self, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
        let mut found = BTreeSet::new();
        for folder in &self.folders {
            match subfolders(folder) {
                Ok(_) if is_practice(folder) => {
                    found.insert(folder.clone());
                }
                Ok(inside) => found.extend(inside.into_iter().filter(|folder| is_practice(folder))),
                Err(fault) => problems.push(Problem {
                    folder: folder.clone(),
                    what: fault.to_string(),
                    serious: true,
                }),
            }
        }
        if found.len() > PRACTICES_MAX {
            let what = format!("more than {PRACTICES_MAX} practices; the rest is left out");
            problems.push(Problem {
                folder: PathBuf::new(),
                what,
                serious: true,
            });
        }
        found.into_iter().take(PRACTICES_MAX).collect()
    }
}

impl Clips {
    /// The clips of these words in a law, in order. A sentence that has none is left out: the check had said so.
    pub(crate) fn words(&self, words: &flow::Words, law: Law) -> Vec<Arc<[u8]>> {
        let clips = words.parts.iter().filter_map(|part| {
            let clip = self.0.get(part, law);
            if clip.is_none() {
                // The words themselves may be a patient's answer read back: they are not shown.
                tracing::warn!(
                    language = part.language.name(),
                    "a sentence has no clip and is left out"
                );
            }
            clip
        });
        clips.collect()
    }

    /// The tone after which a message begins.
    pub(crate) fn beep(&self, law: Law) -> Arc<[u8]> {
        self.0.beep(law)
    }
}

fn is_practice(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str()
            .is_some_and(|name| name == "practice.yaml" || name.ends_with(".practice.yaml"))
    })
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect())
}

/// Reads and compiles one practice; `None` when something keeps it from being released.
fn read(folder: &Path, problems: &mut Vec<Problem>) -> Option<Released> {
    let mut problem = |what: String, serious: bool| {
        problems.push(Problem {
            folder: folder.to_owned(),
            what,
            serious,
        })
    };
    let files = match texts(folder) {
        Ok(files) => files,
        Err(fault) => {
            problem(fault.to_string(), true);
            return None;
        }
    };
    let compiled = flow::compile(&flow::Folder {
        files,
        ..flow::Folder::default()
    });
    for diagnostic in &compiled.diagnostics {
        problem(diagnostic.to_string(), diagnostic.severity == flow::Severity::Error);
    }
    let practice = compiled.practice?;
    match roster(folder, &practice) {
        Ok(roster) => Some(Released {
            practice,
            roster: Arc::new(roster),
        }),
        Err(faults) => {
            for fault in faults {
                problem(fault, true);
            }
            None
        }
    }
}

/// The texts of a practice by file name.
fn texts(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)?.flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.ends_with(".yaml") {
            continue;
        }
        if files.len() >= FILES_MAX {
            return Err(io::Error::other(format!("a practice has at most {FILES_MAX} files")));
        }
        files.insert(name, text(&entry.path())?);
    }
    Ok(files)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "{} is longer than {FILE_BYTES_MAX} octets",
            path.display()
        )));
    }
    Ok(text)
}

/// Who is on duty: the names written in the practice file, and the shift list beside it.
fn roster(folder: &Path, practice: &flow::Practice) -> Result<oncall::Roster, Vec<String>> {
    let fall_back = Some(practice.on_call.if_nobody.clone()).filter(|name| !name.is_empty());
    let mut roster = oncall::Roster::new(fall_back);
    let full = |fault: oncall::RosterFault| vec![fault.to_string()];
    for (role, source) in &practice.on_call.roles {
        if let flow::Source::Person(person) = source {
            roster.add_standing(role, person, "practice.yaml").map_err(full)?;
        }
    }
    let path = folder.join(SHIFT_LIST);
    if !path.exists() {
        return Ok(roster);
    }
    let text = text(&path).map_err(|fault| vec![fault.to_string()])?;
    let zones = |name: &str| TimeZone::get(name).ok();
    let list = oncall::list::parse(&text, SHIFT_LIST, None, &zones).map_err(|faults| {
        faults
            .into_iter()
            .map(|fault| format!("{SHIFT_LIST}:{}: {}; {}", fault.line, fault.what, fault.fix))
            .collect::<Vec<_>>()
    })?;
    for shift in list.shifts {
        roster.add_shift(shift).map_err(full)?;
    }
    for rule in list.rules {
        roster.add_rule(rule).map_err(full)?;
    }
    let unknown: BTreeSet<&str> = roster
        .people()
        .into_iter()
        .filter(|name| !practice.people.contains_key(*name))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown
            .iter()
            .map(|name| format!("{SHIFT_LIST}: {name} is no person of the practice"))
            .collect());
    }
    Ok(roster)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    /// A copy of the shipped practice in a folder of practices.
    fn copy() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let practice = folder.path().join("practices/cedar");
        fs::create_dir_all(&practice).expect("a folder");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/cedar-family-medicine");
        for entry in fs::read_dir(shipped).expect("shipped").flatten() {
            if entry.path().extension().is_some_and(|kind| kind == "yaml") {
                fs::copy(entry.path(), practice.join(entry.file_name())).expect("copied");
            }
        }
        (folder, practice)
    }

    fn shelf(folder: &Path) -> Shelf {
        Shelf::new(vec![folder.join("practices")], folder.join("speech"), None)
    }

    fn serious(loaded: &Loaded) -> Vec<&str> {
        loaded
            .problems
            .iter()
            .filter(|problem| problem.serious)
            .map(|problem| problem.what.as_str())
            .collect()
    }

    fn primary(loaded: &Loaded, at: &str) -> Vec<String> {
        loaded.released[0]
            .roster
            .who("primary", at.parse::<Timestamp>().expect("a time"))
            .people
    }

    #[test]
    fn a_practice_is_found_a_level_down_and_its_gaps_have_a_name() {
        let (folder, _) = copy();
        let loaded = shelf(folder.path()).load().expect("a cache folder");
        assert_eq!(serious(&loaded), Vec::<&str>::new());
        assert_eq!(loaded.released.len(), 1);
        assert_eq!(
            primary(&loaded, "2026-11-21T05:00:00Z"),
            ["Dr. Okafor"],
            "if nobody is listed"
        );
        assert!(
            loaded
                .problems
                .iter()
                .any(|problem| problem.what.starts_with("cannot be heard")),
            "nobody speaks here"
        );
    }

    #[test]
    fn the_shift_list_beside_it_says_who_is_on_duty() {
        let (folder, practice) = copy();
        let list = "zone: America/Chicago\nprimary | Dr. Lindqvist | 2026-11-20 17:00 | 2026-11-23 08:00\n";
        fs::write(practice.join(SHIFT_LIST), list).expect("written");
        let loaded = shelf(folder.path()).load().expect("a cache folder");
        assert_eq!(primary(&loaded, "2026-11-21T05:00:00Z"), ["Dr. Lindqvist"]);
        assert_eq!(primary(&loaded, "2026-11-24T05:00:00Z"), ["Dr. Okafor"]);
    }

    #[test]
    fn a_list_that_names_nobody_we_know_keeps_the_release_before_it() {
        let (folder, practice) = copy();
        let mut shelf = shelf(folder.path());
        shelf.load().expect("a cache folder");
        let list = "zone: America/Chicago\nprimary | Dr. Nobody | 2026-11-20 17:00 | 2026-11-23 08:00\n";
        fs::write(practice.join(SHIFT_LIST), list).expect("written");
        let loaded = shelf.load().expect("a cache folder");
        assert_eq!(
            serious(&loaded),
            ["on-call.txt: Dr. Nobody is no person of the practice"]
        );
        assert_eq!(primary(&loaded, "2026-11-21T05:00:00Z"), ["Dr. Okafor"], "as before");
        fs::write(practice.join(SHIFT_LIST), "primary | Dr. Okafor | never\n").expect("written");
        let loaded = shelf.load().expect("a cache folder");
        assert_eq!(loaded.released.len(), 1);
        assert!(
            serious(&loaded)[0].starts_with("on-call.txt:1: "),
            "{:?}",
            serious(&loaded)
        );
    }

    #[test]
    fn a_file_too_long_and_a_folder_that_is_not_there_are_told() {
        let (folder, practice) = copy();
        fs::write(practice.join("huge.yaml"), vec![b'#'; FILE_BYTES_MAX as usize + 1]).expect("written");
        let mut shelf = shelf(folder.path());
        shelf.folders.push(folder.path().join("nowhere"));
        let loaded = shelf.load().expect("a cache folder");
        assert!(loaded.released.is_empty());
        assert_eq!(serious(&loaded).len(), 2, "{:?}", loaded.problems);
    }
}
