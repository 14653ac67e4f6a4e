//! Practices from disk: their folders, who is on duty, and a clip for every word they can say.
//!
//! A practice says what was released and signed ([`crate::releases`]); its practice file and its shift list are read as they
//! are now. Only a practice that the engine's configuration calls a lab, and that was never released, says what stands in its
//! folder. A practice that may say nothing of its own is stood in for ([`flow::stand_in()`]): its numbers are answered by the
//! emergency notice and a person, never by silence. A practice that no agreement covers may hear nothing of a patient: its
//! numbers say that they are not in service ([`flow::out_of_service`], ADM-01), until there is one.
//!
//! A folder with a `practice.yaml` (or `*.practice.yaml`) is a practice; any other folder is looked through for such
//! folders, one level down. Beside the practice's files may lie `on-call.txt`, a plain shift list (`oncall::list`), and
//! `words/`, recorded sentences. What does not compile, or has a fault in its shift list, is reported, and the release
//! before it stays in force (house.md §5, invariant 6); a sentence without a clip is reported and left out when spoken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use media::Law;
use switchboard::Released;

use crate::agreements::Agreements;
use crate::config::Service;
use crate::releases::{Bundle, FILES_MAX, Store, short, text, texts};
use crate::watch::{Served, of_the_office};
use office::agreement::service_why_not;

/// Practices of one exchange.
const PRACTICES_MAX: usize = 10_000;

/// Numbers a practice lost in edits that are answered all the same; whoever has more has moved house, and starts the engine anew.
const LOST_NUMBERS_MAX: usize = 64;

/// Replaced practices whose words are kept for calls in progress; a call lasts an hour at most.
const RETIRED_MAX: usize = 64;

/// How far ahead the end of a gap is looked for, and the longest that a practice can be told beforehand.
const LOOK_AHEAD_DAYS: i64 = 14;

/// Gaps of one role that are told at a time: a list with more is put right as a whole.
const GAPS_MAX: usize = 8;

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
    /// Whose records may be asked, by the names of the practices.
    pub(crate) asking: Vec<String>,
    /// What callers of each practice hear.
    pub standings: Vec<Standing>,
    /// All their words.
    pub clips: Arc<Clips>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Hours to come, soon enough to be told, in which nobody is listed. They keep nothing from being released.
    pub gaps: Vec<Gap>,
}

/// A stretch of time in which nobody is listed for a role that some ladder rings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where the practice lies.
    pub folder: PathBuf,
    /// Its name.
    pub practice: String,
    /// The role of `on call`.
    pub role: String,
    /// When it begins; the time of looking while it lasts.
    pub from: Timestamp,
    /// When it ends; `None` when that is further off than anybody looked.
    pub until: Option<Timestamp>,
    /// All of it, for a person to read.
    pub what: String,
}

/// Something to put right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub folder: PathBuf,
    /// What, for a person to read. Nothing about any caller: no caller was there yet.
    pub what: String,
    /// It keeps the practice, or its change, from being released.
    pub serious: bool,
}

/// What callers of one practice hear now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it lies.
    pub folder: PathBuf,
    /// Its name; its folder's while nothing of it can be read.
    pub practice: String,
    /// What they hear.
    pub says: Says,
    /// What keeps the practice, or its last change, from being heard.
    pub wrong: Vec<String>,
    /// When nobody will be listed, or is not now.
    pub gaps: Vec<String>,
}

/// The words a practice speaks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Those that were signed and released; their fingerprint in hexadecimal.
    Release(String),
    /// Those in its folder: a lab.
    AsWritten,
    /// The engine's own, and this ladder is rung, if there is one.
    StandIn(Option<String>),
    /// That the number is not in service, and nothing else: no agreement with the practice holds.
    NotInService,
    /// None: not a number of it is known.
    Nothing,
}

/// Reads practices, and remembers what worked.
#[derive(Debug)]
pub struct Shelf {
    folders: Vec<PathBuf>,
    cache: PathBuf,
    engine: Option<voice::Engine>,
    /// Sentences of no practice.
    words: Vec<flow::Part>,
    /// Without one, every practice is as it is written: for tests of what is written.
    releases: Option<Store>,
    /// Folders whose practices may say what nobody signed.
    labs: Vec<PathBuf>,
    /// Without them nobody asks whether a practice may be served: as without releases.
    agreements: Option<Agreements>,
    running: BTreeMap<PathBuf, Reading>,
    /// Whose each number is that was ever answered, and which line of theirs.
    numbers: BTreeMap<String, (PathBuf, String)>,
    /// Practices that were replaced and that some call may still speak for; the newest last.
    retired: Vec<(PathBuf, Arc<flow::Practice>)>,
}

/// A practice as it was read.
#[derive(Debug, Clone)]
struct Reading {
    released: Released,
    says: Says,
    /// The believed bundle it was made of.
    bundle: Option<Bundle>,
    /// Why it is not in service, when it is not. What it would say stays here, for the day on which it is.
    barred: Option<String>,
    /// Why its records are not asked, when it has some.
    unasked: Option<String>,
}

/// What a practice depends on, as it was when last looked at: each file with its length and time, and what is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    files: BTreeMap<PathBuf, (u64, Option<SystemTime>)>,
    in_force: BTreeMap<PathBuf, Option<String>>,
}

impl Shelf {
    /// A shelf over these folders. Spoken sentences are kept in `cache`.
    pub fn new(folders: Vec<PathBuf>, cache: PathBuf, engine: Option<voice::Engine>) -> Self {
        Self {
            folders,
            cache,
            engine,
            words: Vec::new(),
            releases: None,
            labs: Vec::new(),
            agreements: None,
            running: BTreeMap::new(),
            numbers: BTreeMap::new(),
            retired: Vec::new(),
        }
    }

    /// The same shelf with sentences that the engine says itself, for no practice.
    #[must_use]
    pub fn with_words(self, words: Vec<flow::Part>) -> Self {
        Self { words, ..self }
    }

    /// The same shelf over released bundles. Practices in the folders `labs`, or one level below, are answered as they are
    /// written until they are first released.
    #[must_use]
    pub fn with_releases(self, store: Store, labs: Vec<PathBuf>) -> Self {
        Self {
            releases: Some(store),
            labs,
            ..self
        }
    }

    /// The same shelf, where a practice that is no lab is served while an agreement with it holds.
    #[must_use]
    pub(crate) fn with_agreements(self, agreements: Agreements) -> Self {
        Self {
            agreements: Some(agreements),
            ..self
        }
    }

    /// Looks into the office, and says whether some practice came into service or went out of it since it was loaded: an
    /// agreement was filed or ended, or its day has come.
    pub(crate) fn is_overtaken(&mut self, now: Timestamp) -> bool {
        if let Some(agreements) = &mut self.agreements {
            agreements.look();
        }
        let mut running = self.running.iter();
        running.any(|(folder, reading)| {
            let practice = &reading.released.practice;
            self.barred(folder, practice, now) != reading.barred
                || self.unasked(folder, practice, now) != reading.unasked
        })
    }

    /// Whether an outside service may carry something of a patient now. Where nobody asks for agreements, it may.
    pub(crate) fn may_carry(&self, agreement: Option<&str>, now: Timestamp) -> bool {
        let today = now.to_zoned(TimeZone::UTC).date();
        self.agreements.as_ref().is_none_or(|agreements| {
            agreement.is_some_and(|named| service_why_not(agreements.filed(), Some(named), "", today).is_none())
        })
    }

    /// The practices that were last loaded, without labs.
    pub(crate) fn with_patients(&self) -> Vec<String> {
        let patients = self.running.iter().filter(|(folder, _)| !self.is_lab(folder));
        patients
            .map(|(_, reading)| reading.released.practice.name.clone())
            .collect()
    }

    /// What the office's book tells of the practices that were last loaded, and of itself.
    pub(crate) fn alarms(&self, services: &[Service], now: Timestamp) -> BTreeSet<String> {
        let Some(agreements) = &self.agreements else {
            return BTreeSet::new();
        };
        let patients = self.running.iter().filter(|(folder, _)| !self.is_lab(folder));
        let served: Vec<Served> = patients
            .map(|(_, reading)| Served {
                practice: reading.released.practice.name.clone(),
                zone: reading.released.practice.time_zone.clone(),
            })
            .collect();
        of_the_office(agreements, &served, services, now)
    }

    /// Why callers of a practice may hear nothing but that its number is not in service.
    fn barred(&self, folder: &Path, practice: &flow::Practice, now: Timestamp) -> Option<String> {
        let agreements = self.agreements.as_ref().filter(|_| !self.is_lab(folder))?;
        agreements.why_not(&practice.name, &practice.time_zone, now)
    }

    /// Why the records of a practice may not be asked, when it has some (ADM-03).
    fn unasked(&self, folder: &Path, practice: &flow::Practice, now: Timestamp) -> Option<String> {
        let agreements = self.agreements.as_ref().filter(|_| !self.is_lab(folder))?;
        let records = practice.records.as_ref()?;
        let today = now.to_zoned(practice.time_zone.clone()).date();
        service_why_not(agreements.filed(), records.agreement.as_deref(), &records.system, today)
    }

    /// What would be read now. When it differs from what was seen before, something was edited or released, or the time of
    /// a release has come.
    pub fn look(&self) -> Seen {
        let mut seen = Seen::default();
        let now = Timestamp::now();
        let mut note = |path: PathBuf| {
            if let Ok(about) = fs::metadata(&path) {
                seen.files.insert(path, (about.len(), about.modified().ok()));
            }
        };
        if let Some(store) = &self.releases {
            store.key_files().into_iter().for_each(&mut note);
        }
        for folder in self.practice_folders(&mut Vec::new()) {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.ends_with(".yaml") || name == SHIFT_LIST {
                    note(entry.path());
                }
            }
            for entry in fs::read_dir(folder.join(RECORDED)).into_iter().flatten().flatten() {
                note(entry.path());
            }
            if let (Some(store), Some(name)) = (&self.releases, Store::name_of(&folder)) {
                note(store.history_file(&name));
                let history = store.history(&name).unwrap_or_default();
                let newest = history.into_iter().rev().find(|entry| entry.at <= now);
                seen.in_force.insert(folder, newest.map(|entry| entry.fingerprint));
            }
        }
        seen
    }

    /// Reads everything anew. Takes as long as speaking new sentences takes: not for a thread that others wait for.
    pub fn load(&mut self) -> Result<Loaded, voice::VoiceFault> {
        let mut problems = Vec::new();
        let now = Timestamp::now();
        if let Some(agreements) = &mut self.agreements {
            agreements.look();
        }
        if let Some(store) = &self.releases {
            let (_, wrong) = store.approvers();
            problems.extend(wrong.into_iter().map(|what| Problem {
                folder: self.cache.clone(),
                what,
                serious: false,
            }));
        }
        let folders = self.practice_folders(&mut problems);
        let mut running = BTreeMap::new();
        let mut standings = Vec::new();
        let mut names: BTreeMap<String, &PathBuf> = BTreeMap::new();
        for folder in &folders {
            let from = problems.len();
            let first = Store::name_of(folder).map(|name| *names.entry(name).or_insert(folder));
            let twin = first.filter(|first| *first != folder);
            let fresh = self.read(folder, twin.map(PathBuf::as_path), &mut problems);
            let reading = fresh
                .and_then(|fresh| self.keeps_its_agreement(folder, fresh, now, &mut problems))
                .or_else(|| self.running.get(folder).cloned())
                .or_else(|| self.stand_in(folder, &mut problems))
                .map(|reading| self.served(folder, reading, now, &mut problems));
            let told = problems.get(from..).unwrap_or_default();
            standings.push(standing_of(folder, reading.as_ref(), told));
            running.extend(reading.map(|reading| (folder.clone(), reading)));
        }
        for (folder, reading) in &self.running {
            // Whoever wants a practice gone starts the engine without it; a folder may also just have been lost.
            if !running.contains_key(folder) {
                problems.push(Problem {
                    folder: folder.clone(),
                    what: "the folder is gone; callers hear what they heard before, until the engine starts again"
                        .to_owned(),
                    serious: true,
                });
                let from = problems.len() - 1;
                let reading = self.served(folder, reading.clone(), now, &mut problems);
                let told = problems.get(from..).unwrap_or_default();
                standings.push(standing_of(folder, Some(&reading), told));
                running.insert(folder.clone(), reading);
            }
        }
        let from = problems.len();
        self.connect(&mut running, &mut problems);
        for standing in &mut standings {
            let told = problems.iter().skip(from);
            let own = told.filter(|problem| problem.folder == standing.folder);
            standing.wrong.extend(own.map(|problem| problem.what.clone()));
        }
        let recorded: Vec<PathBuf> = running
            .keys()
            .map(|folder| folder.join(RECORDED))
            .filter(|words| words.is_dir())
            .collect();
        let mut library = voice::Library::open(&self.cache, self.engine.clone(), &recorded)?;
        problems.extend(library.faults().iter().map(|what| Problem {
            folder: self.cache.clone(),
            what: what.clone(),
            serious: false,
        }));
        for (folder, reading) in &running {
            let faults = library.play(&folder.join(RECORDED), reading.released.practice.played());
            problems.extend(faults.into_iter().map(|what| Problem {
                folder: folder.clone(),
                what,
                serious: false,
            }));
        }
        for (folder, reading) in &running {
            for missing in library.prepare(&reading.released.practice.all_parts()) {
                let what = format!("cannot be heard: {:?}: {}", missing.part.text, missing.why);
                problems.push(Problem {
                    folder: folder.clone(),
                    what,
                    serious: false,
                });
            }
        }
        // A call keeps the release it began with (house.md §5, invariant 6), and so its words; nobody else knows of them.
        let replaced = self.running.iter();
        self.retired
            .extend(replaced.map(|(folder, reading)| (folder.clone(), reading.released.practice.clone())));
        let speaks = |(_, practice): &(PathBuf, Arc<flow::Practice>)| {
            let again = running
                .values()
                .any(|reading| Arc::ptr_eq(&reading.released.practice, practice));
            // Beside the one here: the desk's, or a call's.
            !again && Arc::strong_count(practice) > 1
        };
        self.retired.retain(speaks);
        let oldest = self.retired.len().saturating_sub(RETIRED_MAX);
        self.retired.drain(..oldest);
        for (folder, practice) in &self.retired {
            // What was missing then was told then.
            let _ = library.play(&folder.join(RECORDED), practice.played());
            let _ = library.prepare(&practice.all_parts());
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
        self.running = running;
        let gaps = self.gaps(Timestamp::now());
        for standing in &mut standings {
            standing.gaps = gaps_of(&gaps, &standing.folder);
        }
        Ok(Loaded {
            asking: self
                .running
                .values()
                .filter(|reading| reading.barred.is_none() && reading.unasked.is_none())
                .map(|reading| reading.released.practice.name.clone())
                .collect(),
            released: self.running.values().map(Reading::heard).collect(),
            standings,
            clips: Arc::new(Clips(library.snapshot())),
            problems,
            gaps,
        })
    }

    /// Looks ahead in the shifts of what was last loaded, as long as each practice wants to be told beforehand: a gap comes
    /// nearer although nobody edits anything. Only roles that a ladder rings and a schedule fills can have one.
    pub fn gaps(&self, now: Timestamp) -> Vec<Gap> {
        let running = self.running.iter();
        running
            .flat_map(|(folder, reading)| gaps(folder, &reading.released, now))
            .collect()
    }

    /// Says which numbers reach which practice. A number stays with the practice that was reached by it first, and one that
    /// an edit took out is answered on: a trunk still sends its callers here, and a slip in a digit must lose none of them.
    fn connect(&mut self, running: &mut BTreeMap<PathBuf, Reading>, problems: &mut Vec<Problem>) {
        let mut problem = |folder: &PathBuf, what: String| {
            problems.push(Problem {
                folder: folder.clone(),
                what,
                serious: true,
            })
        };
        let names = |folder: &PathBuf, number: &String| {
            let reading = running.get(folder);
            reading.is_some_and(|reading| reading.released.practice.lines.values().any(|own| own == number))
        };
        let named: Vec<(&PathBuf, &String, &String)> = running
            .iter()
            .flat_map(|(folder, reading)| {
                let lines = reading.released.practice.lines.iter();
                lines.map(move |(line, number)| (folder, line, number))
            })
            .collect();
        let mut numbers = std::mem::take(&mut self.numbers);
        for (folder, line, number) in named {
            match numbers.get(number) {
                Some((owner, _)) if owner != folder && names(owner, number) => problem(
                    folder,
                    format!(
                        "`{line}` has a number of {}, whose callers it stays with; give each practice numbers of its own",
                        owner.display()
                    ),
                ),
                _ => {
                    numbers.insert(number.clone(), (folder.clone(), line.clone()));
                }
            }
        }
        let mut lost: BTreeMap<PathBuf, usize> = BTreeMap::new();
        numbers.retain(|number, (folder, line)| {
            if names(folder, number) {
                return true;
            }
            let count = lost.entry(folder.clone()).or_default();
            *count += 1;
            let keeps = running.contains_key(folder) && *count <= LOST_NUMBERS_MAX;
            if keeps {
                problem(
                    folder,
                    format!(
                        "no line has the number {number} any more, which was `{line}`; whoever calls it is answered as before, \
                         until the engine starts again: put it back if it was a slip"
                    ),
                );
            }
            keeps
        });
        for (folder, reading) in running.iter_mut() {
            let lines = &reading.released.practice.lines;
            let own = numbers.iter().filter(|(_, (owner, _))| owner == folder);
            let line_of = |line: &String| match lines.contains_key(line) {
                true => Some(line.clone()),
                // The line went with its number.
                false => lines.keys().next().cloned(),
            };
            let reached = own.filter_map(|(number, (_, line))| Some((number.clone(), line_of(line)?)));
            reading.released.numbers = reached.collect();
        }
        self.numbers = numbers;
    }

    /// The folders that are practices, in order.
    fn practice_folders(&self, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
        let (mut found, faults) = find(&self.folders, |folder| {
            is_practice(folder) || self.releases_of(folder).is_some()
        });
        for (folder, fault) in faults {
            // Named by the configuration itself and released before: it is answered from what was kept.
            if self.releases_of(&folder).is_some() {
                found.insert(folder.clone());
            }
            problems.push(Problem {
                folder,
                what: fault.to_string(),
                serious: true,
            });
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

    /// Reads and compiles one practice; `None` when something keeps it from being heard. `twin` has the same name.
    fn read(&self, folder: &Path, twin: Option<&Path>, problems: &mut Vec<Problem>) -> Option<Reading> {
        let mut problem = |what: String, serious: bool| {
            problems.push(Problem {
                folder: folder.to_owned(),
                what,
                serious,
            })
        };
        let draft = match texts(folder) {
            Ok(files) => files,
            Err(fault) => {
                problem(format!("the files cannot be read: {fault}"), true);
                self.releases_of(folder)?;
                BTreeMap::new()
            }
        };
        if let Some(twin) = twin
            && self.releases.is_some()
        {
            problem(
                format!(
                    "{} has the same name, so nobody could tell their releases apart; give one of the folders another name",
                    twin.display()
                ),
                true,
            );
            return None;
        }
        let (practice, says, bundle) = match (&self.releases, self.releases_of(folder)) {
            (_, Some((store, name))) => {
                let bundle = self.bundle(folder, store, &name, &mut problem)?;
                let practice = with_people(&bundle, &draft, store, &name, &mut problem)?;
                if self.is_lab(folder) {
                    let what = "it has been released, so it says what was signed; `lab practices` changes nothing here";
                    problem(what.to_owned(), false);
                }
                (practice, Says::Release(bundle.fingerprint.clone()), Some(bundle))
            }
            (Some(store), None) => {
                if !self.is_lab(folder) {
                    let name = folder.display();
                    problem(
                        format!(
                            "it was never released, and no caller is answered by words that nobody signed: run `nightdesk flow \
                             sign {name}` and `nightdesk flow release {name}`; for a practice without patients write `lab \
                             practices: [{name}]` into the engine's configuration"
                        ),
                        true,
                    );
                    return None;
                }
                let people = draft.iter().find(|(file, _)| is_practice_file(file));
                let people = people.map(|(file, text)| (file.clone(), text.clone()));
                let practice = compiled(draft, &mut problem)?;
                if let (Some((file, text)), Some(name)) = (people, Store::name_of(folder)) {
                    keep_people(store, &name, &file, &text, &mut problem);
                }
                problem("a lab: callers hear what is written, signed or not".to_owned(), false);
                (practice, Says::AsWritten, None)
            }
            (None, None) => (compiled(draft, &mut problem)?, Says::AsWritten, None),
        };
        let roster = match roster(folder, &practice) {
            Ok(roster) => roster,
            Err(faults) => {
                faults.into_iter().for_each(|fault| problem(fault, true));
                if self.running.contains_key(folder) {
                    return None;
                }
                // At a start there is nothing to keep: better the person who answers for every gap than nobody.
                standing(&practice).ok()?
            }
        };
        Some(Reading {
            released: Released::new(practice, Arc::new(roster)),
            says,
            bundle,
            barred: None,
            unasked: None,
        })
    }

    /// What is in force. When the newest cannot be believed, the one that callers hear now stays, whatever is on the disk.
    fn bundle(
        &self,
        folder: &Path,
        store: &Store,
        name: &str,
        problem: &mut impl FnMut(String, bool),
    ) -> Option<Bundle> {
        let mut told = Vec::new();
        let bundle = store.in_force(name, Timestamp::now(), &mut told);
        if told.is_empty() {
            return bundle;
        }
        told.into_iter().for_each(|what| problem(what, true));
        let running = self.running.get(folder).and_then(|reading| reading.bundle.clone());
        running.or(bundle)
    }

    /// A practice that may say nothing of its own, by what is known of its numbers and its people.
    fn stand_in(&self, folder: &Path, problems: &mut Vec<Problem>) -> Option<Reading> {
        let mut problem = |what: String| {
            problems.push(Problem {
                folder: folder.to_owned(),
                what,
                serious: true,
            })
        };
        let store = self.releases.as_ref().zip(Store::name_of(folder));
        let kept = store.and_then(|(store, name)| store.people(&name).ok());
        let known: Vec<flow::StandIn> = practice_file(folder)
            .into_iter()
            .chain(kept.into_iter().flatten())
            .filter_map(|(file, text)| flow::stand_in(&file, &text))
            .collect();
        let Some(known) = known.iter().find(|known| known.whole).or(known.first()) else {
            problem("not a number of it is known: whoever calls is told that there is no such number".to_owned());
            return None;
        };
        let practice = known.practice.clone();
        let roster = roster(folder, &practice).or_else(|_| standing(&practice)).ok()?;
        Some(Reading {
            released: Released::new(practice, Arc::new(roster)),
            says: Says::StandIn(known.rings.clone()),
            bundle: None,
            barred: None,
            unasked: None,
        })
    }

    /// A new name in the practice file is a practice without an agreement; a slip of the hand must take nobody off the air. So
    /// the practice before it stays while its own agreement holds.
    fn keeps_its_agreement(
        &self,
        folder: &Path,
        fresh: Reading,
        now: Timestamp,
        problems: &mut Vec<Problem>,
    ) -> Option<Reading> {
        let before = self.running.get(folder).map(|reading| &reading.released.practice);
        let (old, new) = (before, &fresh.released.practice);
        let covered = |practice: &flow::Practice| self.barred(folder, practice, now).is_none();
        match old.filter(|old| old.name != new.name && covered(old) && !covered(new)) {
            None => Some(fresh),
            Some(old) => {
                problems.push(Problem {
                    folder: folder.to_owned(),
                    what: format!(
                        "it was called {} and is called {} now, with whom there is no agreement; callers hear what they heard before, \
                        until the engine starts again: put the name back, or file an agreement with the new one",
                        old.name, new.name
                    ),
                    serious: true,
                });
                None
            }
        }
    }

    /// Whether it is in service today, and what is to be done when it is not.
    fn served(&self, folder: &Path, reading: Reading, now: Timestamp, problems: &mut Vec<Problem>) -> Reading {
        let practice = &reading.released.practice;
        let barred = self.barred(folder, practice, now);
        let unasked = self.unasked(folder, practice, now);
        let system = practice.records.as_ref().map_or("", |records| records.system.as_str());
        let records = unasked.as_ref().filter(|_| barred.is_none()).map(|why| {
            format!(
                "its records ({system}) are not asked, for no agreement with whoever runs them holds: {why}; callers who want an \
                 appointment leave a message, and a person calls them; file it with `nightdesk agreements add NAME --service \"{system}\" …` \
                 or take `records:` out of the practice file"
            )
        });
        let what = match (&barred, &reading.says) {
            (Some(why), _) => Some(format!(
                "no business associate agreement holds: {why}; callers hear that the number is not in service, nobody is rung and \
                nothing is kept; file the signed one, and the next caller is served: `nightdesk agreements add NAME --practice \
                \"{}\" … --file PAPER` (a practice without patients stands in `lab practices`)",
                practice.name
            )),
            (None, Says::StandIn(rings)) => {
                let rings = rings
                    .as_ref()
                    .map_or("nobody is rung".to_owned(), |ladder| format!("`{ladder}` is rung"));
                Some(format!(
                    "until then callers hear the emergency notice and nothing else of this practice, and {rings}"
                ))
            }
            (None, _) => None,
        };
        problems.extend(what.into_iter().chain(records).map(|what| Problem {
            folder: folder.to_owned(),
            what,
            serious: true,
        }));
        Reading {
            barred,
            unasked,
            ..reading
        }
    }

    /// The store, and the practice's name in it, once anything of it was released.
    fn releases_of(&self, folder: &Path) -> Option<(&Store, String)> {
        let store = self.releases.as_ref()?;
        let name = Store::name_of(folder)?;
        store.history_file(&name).exists().then_some((store, name))
    }

    fn is_lab(&self, folder: &Path) -> bool {
        is_lab(&self.labs, folder)
    }
}

impl Reading {
    /// What new callers get.
    fn heard(&self) -> Released {
        if self.barred.is_none() {
            return self.released.clone();
        }
        Released {
            practice: Arc::new(flow::out_of_service(&self.released.practice)),
            in_service: false,
            ..self.released.clone()
        }
    }
}

impl Clips {
    /// The clips of these words in a law, in order, and whether they are all of them. What has none was told when it was
    /// loaded; the words themselves may be a patient's answer read back, and are not shown.
    pub(crate) fn words(&self, words: &flow::Words, law: Law) -> (Vec<Arc<[u8]>>, bool) {
        let clips: Vec<_> = words.parts.iter().filter_map(|part| self.0.get(part, law)).collect();
        let whole = clips.len() == words.parts.len();
        (clips, whole)
    }

    /// The tone after which a message begins.
    pub(crate) fn beep(&self, law: Law) -> Arc<[u8]> {
        self.0.beep(law)
    }
}

/// The practices in these folders, in order; a folder that cannot be read holds none.
pub fn practices_in(folders: &[PathBuf]) -> Vec<PathBuf> {
    find(folders, is_practice).0.into_iter().collect()
}

/// Whether a practice lies in one of the folders called labs, or is one.
pub fn is_lab(labs: &[PathBuf], practice: &Path) -> bool {
    let whole = |folder: &Path| folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let practice = whole(practice);
    labs.iter()
        .map(|lab| whole(lab))
        .any(|lab| practice == lab || practice.parent() == Some(lab.as_path()))
}

/// Folders that are practices, themselves or one level down, and folders that cannot be read.
fn find(folders: &[PathBuf], is: impl Fn(&Path) -> bool) -> (BTreeSet<PathBuf>, Vec<(PathBuf, io::Error)>) {
    let mut found = BTreeSet::new();
    let mut faults = Vec::new();
    for folder in folders {
        match subfolders(folder) {
            Ok(_) if is(folder) => {
                found.insert(folder.clone());
            }
            Ok(inside) => found.extend(inside.into_iter().filter(|folder| is(folder))),
            Err(fault) => faults.push((folder.clone(), fault)),
        }
    }
    (found, faults)
}

fn is_practice(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(is_practice_file)
    })
}

fn subfolders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect())
}

/// The practice file of a folder whose other files may be past reading.
fn practice_file(folder: &Path) -> Option<(String, String)> {
    let entries = fs::read_dir(folder).ok()?.flatten().take(FILES_MAX);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let name = names.filter(|name| is_practice_file(name)).min()?;
    let text = text(&folder.join(&name)).ok()?;
    Some((name, text))
}

fn standing_of(folder: &Path, reading: Option<&Reading>, told: &[Problem]) -> Standing {
    let name = || folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Standing {
        folder: folder.to_owned(),
        practice: reading.map_or_else(name, |reading| reading.released.practice.name.clone()),
        says: reading.map_or(Says::Nothing, |reading| match reading.barred {
            Some(_) => Says::NotInService,
            None => reading.says.clone(),
        }),
        wrong: told
            .iter()
            .filter(|problem| problem.serious)
            .map(|problem| problem.what.clone())
            .collect(),
        gaps: Vec::new(),
    }
}

/// The gaps of one practice that begin soon enough to be told.
fn gaps(folder: &Path, released: &Released, now: Timestamp) -> Vec<Gap> {
    let practice = &released.practice;
    let farthest = SignedDuration::from_hours(LOOK_AHEAD_DAYS * 24);
    let ahead = SignedDuration::try_from(practice.on_call.before_a_gap()).map_or(farthest, |ahead| ahead.min(farthest));
    let after = |length| now.checked_add(length).unwrap_or(Timestamp::MAX);
    let (soon, end) = (after(ahead), after(farthest));
    let rung = practice.ladders.values().flat_map(|ladder| &ladder.rungs);
    let roles: BTreeSet<&String> = rung
        .map(|rung| &rung.call)
        .filter(|role| matches!(practice.on_call.roles.get(*role), Some(flow::Source::Feed { .. })))
        .collect();
    let mut found = Vec::new();
    for role in roles {
        let window = oncall::Span { from: now, until: end };
        let gaps = released.roster.gaps(role, window).into_iter();
        for gap in gaps.filter(|gap| gap.from <= soon).take(GAPS_MAX) {
            let until = Some(gap.until).filter(|until| *until < end);
            found.push(Gap {
                folder: folder.to_owned(),
                practice: practice.name.clone(),
                role: role.clone(),
                from: gap.from,
                until,
                what: gap_in_words(practice, role, Some(gap.from).filter(|from| *from > now), until),
            });
        }
    }
    found
}

/// `from` is `None` while the gap lasts.
fn gap_in_words(practice: &flow::Practice, role: &str, from: Option<Timestamp>, until: Option<Timestamp>) -> String {
    // With the date: the book is read long afterwards.
    let clock = |at: Timestamp| {
        let local = at.to_zoned(practice.time_zone.clone());
        local.strftime("%A, %B %-d, %-I:%M %P").to_string()
    };
    let when = match (from, until.map(clock)) {
        (None, None) => format!("now, nor in the next {LOOK_AHEAD_DAYS} days"),
        (None, Some(until)) => format!("now, until {until}"),
        (Some(from), None) => format!("from {} on", clock(from)),
        (Some(from), Some(until)) => format!("from {} to {until}", clock(from)),
    };
    let suffers = match practice.on_call.if_nobody.as_str() {
        "" => "no phone would ring in that place".to_owned(),
        person => format!("{person} would be rung for every call"),
    };
    format!("nobody is listed as {role} {when}; {suffers}; put somebody into {SHIFT_LIST}")
}

/// What is to be said of the gaps of one practice.
pub(crate) fn gaps_of(gaps: &[Gap], folder: &Path) -> Vec<String> {
    let own = gaps.iter().filter(|gap| gap.folder == folder);
    own.map(|gap| gap.what.clone()).collect()
}

impl Gap {
    /// Whoever was told of this gap knows of the other: it is this one, or what is left of it.
    pub(crate) fn covers(&self, other: &Gap) -> bool {
        let ends_later = match (self.until, other.until) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own >= other,
        };
        self.folder == other.folder && self.role == other.role && self.from <= other.from && ends_later
    }
}

impl std::fmt::Display for Says {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Says::Release(fingerprint) => write!(f, "release {}", short(fingerprint)),
            Says::AsWritten => write!(f, "what is written (a lab)"),
            Says::StandIn(Some(ladder)) => write!(f, "the emergency notice alone; `{ladder}` is rung"),
            Says::StandIn(None) => write!(f, "the emergency notice alone; nobody is rung"),
            Says::NotInService => write!(f, "that the number is not in service; nobody is rung, nothing is kept"),
            Says::Nothing => write!(f, "nothing: no number of it is known"),
        }
    }
}

fn compiled(files: BTreeMap<String, String>, problem: &mut impl FnMut(String, bool)) -> Option<Arc<flow::Practice>> {
    let compiled = flow::compile(&flow::Folder {
        files,
        ..flow::Folder::default()
    });
    for diagnostic in &compiled.diagnostics {
        problem(diagnostic.to_string(), diagnostic.severity == flow::Severity::Error);
    }
    compiled.practice
}

/// A released bundle with the practice file as it is now, or with the last one that worked.
fn with_people(
    bundle: &Bundle,
    draft: &BTreeMap<String, String>,
    store: &Store,
    name: &str,
    problem: &mut impl FnMut(String, bool),
) -> Option<Arc<flow::Practice>> {
    let people = draft.iter().find(|(file, _)| is_practice_file(file));
    if let Some((file, text)) = people {
        let mut files = bundle.files.clone();
        files.insert(file.clone(), text.clone());
        if let Some(practice) = compiled(files, problem) {
            keep_people(store, name, file, text, problem);
            return Some(practice);
        }
        problem("the last practice file that worked is used".to_owned(), true);
    } else {
        problem(
            "the practice file is gone; the last one that worked is used".to_owned(),
            true,
        );
    }
    let mut files = bundle.files.clone();
    files.extend(store.people(name).ok()?);
    compiled(files, &mut |_, _| {})
}

fn keep_people(store: &Store, name: &str, file: &str, text: &str, problem: &mut impl FnMut(String, bool)) {
    if let Err(fault) = store.keep_people(name, file, text) {
        let what = format!("the practice file cannot be kept for a bad day: {fault}");
        problem(what, false);
    }
}

fn is_practice_file(name: &str) -> bool {
    name == "practice.yaml" || name.ends_with(".practice.yaml")
}

/// Who is on duty: the names written in the practice file, and the shift list beside it.
fn roster(folder: &Path, practice: &flow::Practice) -> Result<oncall::Roster, Vec<String>> {
    let full = |fault: oncall::RosterFault| vec![fault.to_string()];
    let mut roster = standing(practice).map_err(full)?;
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

/// Who is on duty by the practice file alone.
fn standing(practice: &flow::Practice) -> Result<oncall::Roster, oncall::RosterFault> {
    let fall_back = Some(practice.on_call.if_nobody.clone()).filter(|name| !name.is_empty());
    let mut roster = oncall::Roster::new(fall_back);
    for (role, source) in &practice.on_call.roles {
        if let flow::Source::Person(person) = source {
            roster.add_standing(role, person, "practice.yaml")?;
        }
    }
    Ok(roster)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// Backup always, primary but for a day.
    const WITH_A_GAP: &str = "zone: America/Chicago
primary | Dr. Okafor | 2029-12-01 08:00 | 2030-01-12 08:00
primary | Dr. Lindqvist | 2030-01-13 08:00 | 2030-03-01 08:00
backup | Dr. Lindqvist | every Monday to Sunday 08:00 | 08:00
";

    fn gaps_at(shelf: &Shelf, at: &str) -> Vec<String> {
        let gaps = shelf.gaps(at.parse().expect("a time"));
        gaps.into_iter().map(|gap| gap.what).collect()
    }

    #[test]
    fn a_gap_is_told_as_long_before_as_the_practice_wants() {
        const GAP: &str = "nobody is listed as primary from Saturday, January 12, 8:00 am to Sunday, January 13, 8:00 am; \
                           Dr. Okafor would be rung for every call; put somebody into on-call.txt";
        let (folder, practice) = copy();
        fs::write(practice.join(SHIFT_LIST), WITH_A_GAP).expect("written");
        let mut shelf = shelf(folder.path());
        let loaded = shelf.load().expect("a cache folder");
        assert_eq!(serious(&loaded), Vec::<&str>::new(), "a gap keeps nothing from callers");
        // Eight in the morning there is two in the afternoon in Greenwich.
        assert_eq!(gaps_at(&shelf, "2030-01-10T13:59:00Z"), Vec::<String>::new());
        assert_eq!(gaps_at(&shelf, "2030-01-10T14:00:00Z"), [GAP]);
        assert_eq!(
            gaps_at(&shelf, "2030-01-12T20:00:00Z"),
            [GAP.replace("from Saturday, January 12, 8:00 am to", "now, until")]
        );
        assert_eq!(gaps_at(&shelf, "2030-01-13T14:00:00Z"), Vec::<String>::new());
        assert_eq!(
            gaps_at(&shelf, "2030-02-28T14:00:00Z"),
            [
                "nobody is listed as primary from Friday, March 1, 8:00 am on; Dr. Okafor would be rung for every call; put \
              somebody into on-call.txt"
            ]
        );
        // Another wish, and none.
        let file = practice.join("practice.yaml");
        let text = fs::read_to_string(&file).expect("shipped");
        let wish = "  raise an alarm: 48 hours before a gap, or when a feed is 6 hours old\n";
        assert!(text.contains(wish));
        for (other, at_noon) in [("", [0, 1]), ("  raise an alarm: 72 hours before a gap\n", [1, 1])] {
            fs::write(&file, text.replace(wish, other)).expect("written");
            shelf.load().expect("a cache folder");
            let told = ["2030-01-09T18:00:00Z", "2030-01-10T18:00:00Z"].map(|at| gaps_at(&shelf, at).len());
            assert_eq!(told, at_noon, "{other}");
        }
    }

    #[test]
    fn a_full_list_is_silent_and_none_at_all_is_told_at_once() {
        let (folder, practice) = copy();
        let mut shelf = shelf(folder.path());
        let loaded = shelf.load().expect("a cache folder");
        let told: Vec<&str> = loaded.gaps.iter().map(|gap| gap.what.as_str()).collect();
        let nobody = |role: &str| {
            format!(
                "nobody is listed as {role} now, nor in the next 14 days; Dr. Okafor would be rung for every call; put somebody \
                 into on-call.txt"
            )
        };
        // The third on the ladder is a person by name, and no role.
        assert_eq!(told, [nobody("backup"), nobody("primary")]);
        assert_eq!(loaded.standings[0].gaps, told);
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/cedar-family-medicine/on-call.txt");
        fs::copy(list, practice.join(SHIFT_LIST)).expect("copied");
        let loaded = shelf.load().expect("a cache folder");
        assert_eq!(loaded.gaps, []);
        assert_eq!(loaded.standings[0].gaps, Vec::<String>::new());
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

    /// The shipped practice, and a store beside it that believes Ada.
    fn released() -> (tempfile::TempDir, PathBuf, Shelf, Store, seal::Signer) {
        let (folder, practice) = copy();
        let key = seal::Signer::generate(&mut |bytes| bytes.fill(7));
        let approvers = folder.path().join("approvers");
        fs::create_dir(&approvers).expect("a folder");
        fs::write(approvers.join("ada.public"), key.verifier().to_approver_bytes()).expect("written");
        let store = Store::new(folder.path().join("releases"), approvers);
        let shelf = shelf(folder.path()).with_releases(store.clone(), Vec::new());
        (folder, practice, shelf, store, key)
    }

    fn release(practice: &Path, store: &Store, key: &seal::Signer) {
        let files = texts(practice).expect("read");
        let fingerprint = seal::keys::hex(&flow::release::fingerprint(&files).expect("it reads"));
        let on = jiff::civil::date(2026, 11, 21);
        let signature = crate::releases::Signature::new(&fingerprint, "Ada", on, key);
        store
            .keep("cedar", &fingerprint, &files, &signature.line())
            .expect("room");
        let entry = crate::releases::Entry {
            at: Timestamp::now(),
            fingerprint,
            by: "Marisol".to_owned(),
        };
        store.enter("cedar", entry).expect("room");
    }

    fn greeting(loaded: &Loaded) -> String {
        let flow = &loaded.released[0].practice.flows[0];
        let mut said = Vec::new();
        for step in &flow.sections[0].steps {
            step.act
                .spoken(&mut |sentence| said.push(sentence.text(flow::Language::English).to_owned()));
        }
        said.join(" ")
    }

    fn greet_with(practice: &Path, words: &str) {
        for file in ["after-hours.flow.yaml", "after-hours.es.yaml"] {
            let file = practice.join(file);
            let text = fs::read_to_string(&file)
                .expect("written")
                .replace("Our office is closed.", words);
            fs::write(&file, text).expect("written");
        }
    }

    fn says(loaded: &Loaded) -> Vec<String> {
        let says = loaded.standings.iter().map(|standing| standing.says.to_string());
        says.collect()
    }

    #[test]
    fn what_nobody_signed_is_not_heard_and_its_callers_get_a_person() {
        let (_folder, _, mut shelf, _, _) = released();
        let loaded = shelf.load().expect("a cache folder");
        assert_eq!(says(&loaded), ["the emergency notice alone; `doctor on call` is rung"]);
        assert_eq!(loaded.released[0].practice.lines.len(), 1, "its number is answered");
        assert!(!greeting(&loaded).contains("Cedar"), "{}", greeting(&loaded));
        let wrong = serious(&loaded);
        assert!(
            wrong[0].contains("was never released")
                && wrong[0].contains("nightdesk flow release")
                && wrong[0].contains("lab practices: ["),
            "the error tells the fix: {wrong:?}"
        );
        assert_eq!(loaded.standings[0].wrong, wrong);
    }

    #[test]
    fn a_lab_says_what_is_written_until_it_is_released() {
        let (folder, practice, shelf, store, key) = released();
        for lab in [&practice, &folder.path().join("practices")] {
            let mut lab = shelf_of(&shelf, &store, lab);
            let loaded = lab.load().expect("a cache folder");
            assert_eq!(says(&loaded), ["what is written (a lab)"]);
            assert_eq!(serious(&loaded), Vec::<&str>::new());
        }
        let mut other = shelf_of(&shelf, &store, &folder.path().join("practices/oak"));
        assert!(says(&other.load().expect("a cache folder"))[0].starts_with("the emergency notice"));
        release(&practice, &store, &key);
        greet_with(&practice, "We are closed now.");
        let loaded = shelf_of(&shelf, &store, &practice).load().expect("a cache folder");
        assert!(
            greeting(&loaded).contains("Our office is closed."),
            "a release is not escaped: {}",
            greeting(&loaded)
        );
        assert!(
            loaded
                .problems
                .iter()
                .any(|problem| problem.what.contains("`lab practices` changes nothing"))
        );
    }

    /// Proves ADM-01, ADM-03: without an agreement a release is not heard, a lab is; a new name in the practice file is no way out of
    /// service; what is filed counts at the next look. Records are asked, and services carry, under agreements of their own.
    #[test]
    fn without_an_agreement_the_number_is_not_in_service() {
        let (folder, practice, shelf, store, key) = released();
        release(&practice, &store, &key);
        let agreements = |known: &str| {
            let kept = folder.path().join(known);
            let key = seal::BookKey::generate(&mut |octets: &mut [u8]| octets.fill(3));
            Agreements::new(folder.path().join("data"), key, kept)
        };
        let now = Timestamp::now();
        let mut bare = shelf.with_agreements(agreements("nothing"));
        let loaded = bare.load().expect("a cache folder");
        assert_eq!(
            says(&loaded),
            ["that the number is not in service; nobody is rung, nothing is kept"]
        );
        let [barred] = loaded.released.as_slice() else {
            panic!("one practice")
        };
        assert!(!barred.in_service && barred.numbers.contains_key("+15125550100"));
        assert!(greeting(&loaded).contains("is not in service") && !greeting(&loaded).contains("Cedar"));
        assert!(
            serious(&loaded)[0].contains("none is on file; callers hear"),
            "{:?}",
            serious(&loaded)
        );
        assert!(!bare.is_overtaken(now));

        let mut lab = shelf_of(&bare, &store, &practice).with_agreements(agreements("nothing"));
        let loaded = lab.load().expect("a cache folder");
        assert!(loaded.released[0].in_service && says(&loaded)[0].starts_with("release "));

        // What was known of an office that is gone.
        let known = format!(
            r#"[{{"agreement":{{"id":"a","with":{{"practice":"Cedar Family Medicine"}},"parties":["Cedar","Us"],"signed":"2026-01-01","until":null,"scope":"s","permitted_uses":"u","safeguards":"g","breach_days":10,"termination":"t","liability":"l","file_hash":"{}"}},"by":"m","ended":null}}]"#,
            "ab".repeat(32)
        );
        fs::write(folder.path().join("known"), known).expect("room");
        let mut served = shelf_of(&bare, &store, Path::new("/nowhere")).with_agreements(agreements("known"));
        let loaded = served.load().expect("a cache folder");
        assert!(loaded.released[0].in_service, "{:?}", serious(&loaded));
        let alarms = served.alarms(&[], now);
        assert!(
            alarms.iter().any(|what| what.contains("the office cannot be read")),
            "{alarms:?}"
        );

        let file = practice.join("practice.yaml");
        let text = fs::read_to_string(&file).expect("shipped");
        fs::write(
            &file,
            text.replace("practice: Cedar Family Medicine", "practice: Cedar"),
        )
        .expect("written");
        let loaded = served.load().expect("a cache folder");
        assert!(
            loaded.released[0].in_service && loaded.released[0].practice.name == "Cedar Family Medicine",
            "{:?}",
            serious(&loaded)
        );
        assert!(
            serious(&loaded)
                .iter()
                .any(|what| what.contains("with whom there is no agreement")),
            "{:?}",
            serious(&loaded)
        );
        fs::write(&file, text).expect("written");

        // Its records are asked under an agreement of their own.
        let its_records = |loaded: &Loaded| serious(loaded).iter().any(|what| what.contains("are not asked"));
        assert!(
            its_records(&loaded) && loaded.asking.is_empty(),
            "{:?}",
            serious(&loaded)
        );
        let both = fs::read_to_string(folder.path().join("known")).expect("written");
        let one = both.trim_start_matches('[').trim_end_matches(']');
        let second = one.replace(r#""id":"a""#, r#""id":"athenahealth-2026""#).replace(
            r#"{"practice":"Cedar Family Medicine"}"#,
            r#"{"service":"athenahealth"}"#,
        );
        fs::write(folder.path().join("both"), format!("[{one},{second}]")).expect("room");
        let mut asks = shelf_of(&bare, &store, Path::new("/nowhere")).with_agreements(agreements("both"));
        let loaded = asks.load().expect("a cache folder");
        assert!(
            !its_records(&loaded) && loaded.asking == ["Cedar Family Medicine"],
            "{:?}",
            serious(&loaded)
        );
        let carrier = |agreement: &str| Service {
            name: "trunk carrier".to_owned(),
            agreement: agreement.to_owned(),
            without: "it goes on".to_owned(),
        };
        for (id, why) in [
            ("c", "c is not on file"),
            ("a", "a is with a practice, and not with a service"),
        ] {
            let alarms = asks.alarms(&[carrier(id)], now);
            assert!(
                alarms
                    .iter()
                    .any(|what| what.starts_with("trunk carrier: ") && what.contains(why)),
                "{alarms:?}"
            );
            assert!(!asks.may_carry(Some(id), now));
        }
        assert!(asks.may_carry(Some("athenahealth-2026"), now) && !asks.may_carry(None, now));
        assert!(
            asks.alarms(&[carrier("athenahealth-2026")], now)
                .iter()
                .all(|what| !what.contains("carrier"))
        );

        // The day after its last.
        let later = now + SignedDuration::from_hours(24);
        served.agreements = Some(agreements("nothing"));
        assert!(served.is_overtaken(later));
        let loaded = served.load().expect("a cache folder");
        assert!(!loaded.released[0].in_service && !served.is_overtaken(later));
    }

    /// Another engine over the same folders that calls one of them a lab.
    fn shelf_of(shelf: &Shelf, store: &Store, lab: &Path) -> Shelf {
        Shelf::new(shelf.folders.clone(), shelf.cache.clone(), None).with_releases(store.clone(), vec![lab.to_owned()])
    }

    #[test]
    fn a_lab_whose_files_break_is_stood_in_for_at_a_start_and_kept_while_it_runs() {
        let (_folder, practice, shelf, store, _) = released();
        let mut lab = shelf_of(&shelf, &store, &practice);
        lab.load().expect("a cache folder");
        fs::write(practice.join("practice.yaml"), "practice: [").expect("written");
        let loaded = lab.load().expect("a cache folder");
        assert_eq!(says(&loaded), ["what is written (a lab)"]);
        assert!(!loaded.standings[0].wrong.is_empty());
        // An engine that starts now knows the numbers and the people of a day on which they could be read.
        let loaded = shelf_of(&shelf, &store, &practice).load().expect("a cache folder");
        assert_eq!(says(&loaded), ["the emergency notice alone; `doctor on call` is rung"]);
        assert_eq!(primary(&loaded, "2026-11-21T05:00:00Z"), ["Dr. Okafor"]);
    }

    #[test]
    fn a_folder_that_vanishes_takes_no_number_off_the_air() {
        let (_folder, practice, mut shelf, store, key) = released();
        release(&practice, &store, &key);
        shelf.load().expect("a cache folder");
        fs::remove_dir_all(&practice).expect("gone");
        let loaded = shelf.load().expect("a cache folder");
        assert!(says(&loaded)[0].starts_with("release "), "{:?}", says(&loaded));
        assert!(
            serious(&loaded)[0].contains("the folder is gone"),
            "{:?}",
            serious(&loaded)
        );
        // Named by the configuration itself, it is answered at a start too.
        let mut named = Shelf::new(vec![practice], shelf.cache.clone(), None).with_releases(store, Vec::new());
        let loaded = named.load().expect("a cache folder");
        assert!(says(&loaded)[0].starts_with("release "), "{:?}", says(&loaded));
    }

    #[test]
    fn damage_on_the_disk_changes_nothing_that_callers_hear() {
        let (folder, practice, mut shelf, store, key) = released();
        release(&practice, &store, &key);
        greet_with(&practice, "We are closed now.");
        let first = says(&shelf.load().expect("a cache folder"));
        release(&practice, &store, &key);
        let second = says(&shelf.load().expect("a cache folder"));
        assert_ne!(first, second);
        let newest = store
            .history("cedar")
            .expect("it reads")
            .pop()
            .expect("two")
            .fingerprint;
        let kept = folder
            .path()
            .join("releases/cedar")
            .join(newest)
            .join("after-hours.flow.yaml");
        fs::write(&kept, "flow: [").expect("written");
        let loaded = shelf.load().expect("a cache folder");
        assert_eq!(says(&loaded), second, "the one that runs is kept in memory");
        assert!(
            serious(&loaded)[0].contains("is not believed"),
            "{:?}",
            serious(&loaded)
        );
        // An engine that starts now has only the disk.
        let loaded = Shelf::new(shelf.folders.clone(), shelf.cache.clone(), None)
            .with_releases(store.clone(), Vec::new())
            .load()
            .expect("a cache folder");
        assert_eq!(says(&loaded), first);
        // And when no release can be believed, a person.
        let loaded = Shelf::new(shelf.folders.clone(), shelf.cache.clone(), None)
            .with_releases(
                Store::new(folder.path().join("releases"), folder.path().join("nobody")),
                Vec::new(),
            )
            .load()
            .expect("a cache folder");
        assert_eq!(says(&loaded), ["the emergency notice alone; `doctor on call` is rung"]);
        let nobody = |what: &&str| what.contains("nobody whose key this house holds");
        assert!(serious(&loaded).iter().any(nobody), "{:?}", serious(&loaded));
    }

    #[test]
    fn two_folders_of_one_name_are_told_apart_by_nobody() {
        let (folder, practice, mut shelf, store, key) = released();
        release(&practice, &store, &key);
        let twin = folder.path().join("twins/cedar");
        fs::create_dir_all(&twin).expect("a folder");
        let people = fs::read_to_string(practice.join("practice.yaml")).expect("written");
        let people = people.replace("512 555 0100", "512 555 0101");
        fs::write(twin.join("practice.yaml"), people).expect("written");
        shelf.folders.push(twin);
        let loaded = shelf.load().expect("a cache folder");
        let says = says(&loaded);
        assert!(
            says[0].starts_with("release ") && says[1].starts_with("the emergency notice"),
            "{says:?}"
        );
        assert!(serious(&loaded)[0].contains("the same name"), "{:?}", serious(&loaded));
    }

    #[test]
    fn a_number_lost_in_an_edit_is_answered_on() {
        let (folder, practice) = copy();
        let mut running = shelf(folder.path());
        running.load().expect("a cache folder");
        let file = practice.join("practice.yaml");
        let text = fs::read_to_string(&file).expect("shipped");
        let renumbered = text.replace("main line: +1 512 555 0100", "main line: +1 512 555 0109");
        assert_ne!(text, renumbered);
        fs::write(&file, renumbered).expect("written");
        let loaded = running.load().expect("a cache folder");
        let line = "main line".to_owned();
        let both = [
            ("+15125550100".to_owned(), line.clone()),
            ("+15125550109".to_owned(), line),
        ];
        assert_eq!(loaded.released[0].numbers, BTreeMap::from(both.clone()));
        assert!(
            serious(&loaded)[0].contains("put it back if it was a slip"),
            "{:?}",
            serious(&loaded)
        );
        assert_eq!(loaded.standings[0].wrong.len(), 1);
        // Whoever means it starts the engine anew.
        let loaded = shelf(folder.path()).load().expect("a cache folder");
        assert_eq!(loaded.released[0].numbers, BTreeMap::from([both[1].clone()]));
        // And put back, nothing is wrong.
        fs::write(&file, text).expect("written");
        let loaded = running.load().expect("a cache folder");
        assert_eq!(loaded.released[0].numbers.len(), 2, "the other was answered too");
        assert!(serious(&loaded)[0].contains("0109"), "{:?}", serious(&loaded));
    }

    #[test]
    fn a_number_stays_with_whom_it_reached_first() {
        let (folder, practice) = copy();
        let mut shelf = shelf(folder.path());
        shelf.load().expect("a cache folder");
        let oak = folder.path().join("practices/a-newcomer");
        fs::create_dir(&oak).expect("room");
        for entry in fs::read_dir(&practice).expect("shipped").flatten() {
            fs::copy(entry.path(), oak.join(entry.file_name())).expect("copied");
        }
        let loaded = shelf.load().expect("a cache folder");
        let numbers: Vec<usize> = loaded.released.iter().map(|released| released.numbers.len()).collect();
        assert_eq!(numbers, [0, 1], "the newcomer is first by name alone");
        assert!(serious(&loaded)[0].contains("stays with"), "{:?}", serious(&loaded));
        assert_eq!(loaded.standings[0].wrong.len(), 1);
        // Until the other gives it up.
        let file = practice.join("practice.yaml");
        let text = fs::read_to_string(&file).expect("shipped");
        fs::write(&file, text.replace("512 555 0100", "512 555 0109")).expect("written");
        let loaded = shelf.load().expect("a cache folder");
        let reached = |practice: usize| loaded.released[practice].numbers.keys().cloned().collect::<Vec<_>>();
        assert_eq!(
            (reached(0), reached(1)),
            (vec!["+15125550100".to_owned()], vec!["+15125550109".to_owned()])
        );
    }

    #[test]
    fn a_call_keeps_the_words_of_the_release_it_began_with() {
        let (_folder, practice, shelf, store, _) = released();
        let mut lab = shelf_of(&shelf, &store, &practice);
        let greeted = flow::Part::new(
            "Thank you for calling Cedar Family Medicine. Our office is closed.",
            flow::Language::English,
        );
        let recorded = practice.join(RECORDED);
        fs::create_dir(&recorded).expect("a folder");
        fs::write(recorded.join(voice::file_name(&greeted)), tone()).expect("written");
        let loaded = lab.load().expect("a cache folder");
        let call = loaded.released[0].practice.clone();
        assert!(loaded.clips.0.get(&greeted, Law::Pcmu).is_some());
        drop(loaded);
        greet_with(&practice, "We are closed now.");
        let loaded = lab.load().expect("a cache folder");
        assert!(greeting(&loaded).contains("We are closed now."));
        assert!(
            loaded.clips.0.get(&greeted, Law::Pcmu).is_some(),
            "a call may yet say it"
        );
        drop((loaded, call));
        let loaded = lab.load().expect("a cache folder");
        assert!(
            loaded.clips.0.get(&greeted, Law::Pcmu).is_none(),
            "nobody does any more"
        );
    }

    /// Half a second of a quiet tone as WAV: 16 kHz, 16 bit, one channel.
    fn tone() -> Vec<u8> {
        let samples = (0..8_000_i16).flat_map(|n| (((n % 40) - 20) * 200).to_le_bytes());
        let samples: Vec<u8> = samples.collect();
        let length = u32::try_from(samples.len()).expect("short");
        let mut wav = b"RIFF".to_vec();
        wav.extend((36 + length).to_le_bytes());
        wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        wav.extend(16_000_u32.to_le_bytes());
        wav.extend(32_000_u32.to_le_bytes());
        wav.extend(b"\x02\0\x10\0data");
        wav.extend(length.to_le_bytes());
        wav.extend(samples);
        wav
    }

    #[test]
    fn a_file_too_long_and_a_folder_that_is_not_there_are_told() {
        let (folder, practice) = copy();
        fs::write(practice.join("huge.yaml"), vec![b'#'; (1 << 20) + 1]).expect("written");
        let mut shelf = shelf(folder.path());
        shelf.folders.push(folder.path().join("nowhere"));
        let loaded = shelf.load().expect("a cache folder");
        assert_eq!(says(&loaded), ["the emergency notice alone; `doctor on call` is rung"]);
        let wrong = serious(&loaded);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(wrong.iter().any(|what| what.contains("longer than")), "{wrong:?}");
    }
}
