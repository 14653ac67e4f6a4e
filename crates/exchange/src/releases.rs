//! Released bundles on local disk: what is in force, what was, and who signed it.
//!
//! ```text
//! data/releases/cedar/history                 one line a release: when it takes effect | fingerprint | by whom
//! data/releases/cedar/<fingerprint>/*.yaml    the flows, protocols and translations, as signed; never changed again
//! data/releases/cedar/<fingerprint>/signatures.txt
//! data/releases/cedar/people/practice.yaml    the last practice file that worked with them
//! ```
//!
//! A release is a line in `history` whose time has come; a roll-back is one more line. One thing to know: a bundle is
//! believed only when its words have the fingerprint its folder is named by, and an approver whose key this house holds has
//! signed that fingerprint. Anything else is told, and the release before it stays in force.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;

/// Lines of a history; the oldest go.
const HISTORY_MAX: usize = 1_000;
/// Signatures of one bundle.
const SIGNATURES_MAX: usize = 64;
/// Files of one bundle, and octets of one file: a practice is a dozen pages, not a disk.
pub(crate) const FILES_MAX: usize = 256;
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Sounds of one practice.
const RECORDINGS_MAX: usize = 20_000;
/// Approvers one house knows.
const APPROVERS_MAX: usize = 256;

/// The file signatures are kept in, beside what they are under.
pub const SIGNATURES: &str = "signatures.txt";
const HISTORY: &str = "history";
const PEOPLE: &str = "people";

/// Someone whose signature counts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// As `flow::release::known_as` writes names.
    pub known_as: String,
    /// Checks their signatures.
    pub key: seal::Verifier,
}

/// Who may approve, from the files `NAME.public` of a folder, and what is wrong with files that are none. A folder that is
/// not there holds nobody. A file with a fault takes nobody else's word away, so that a slip in it keeps no engine from
/// starting.
pub fn approvers(folder: &Path) -> (Vec<Approver>, Vec<String>) {
    let mut wrong = Vec::new();
    let mut files: Vec<PathBuf> = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(fault) => {
            wrong.push(format!("{}: {fault}; nobody's signature counts", folder.display()));
            Vec::new()
        }
    };
    files.retain(|path| path.extension().is_some_and(|ending| ending == "public"));
    files.sort();
    if files.len() > APPROVERS_MAX {
        wrong.push(format!(
            "{}: more than {APPROVERS_MAX} approvers; the rest is left out",
            folder.display()
        ));
    }
    let mut known: Vec<Approver> = Vec::new();
    for path in files.iter().take(APPROVERS_MAX) {
        let known_as = flow::release::known_as(&path.file_stem().unwrap_or_default().to_string_lossy());
        let key = text(path).and_then(|text| {
            let key = seal::Verifier::from_approver_bytes(text.as_bytes());
            key.map_err(io::Error::other)
        });
        match key {
            Ok(_) if known.iter().any(|approver| approver.known_as == known_as) => wrong.push(format!(
                "{}: there is another key of {known_as}; only the first counts",
                path.display()
            )),
            Ok(key) => known.push(Approver { known_as, key }),
            Err(fault) => wrong.push(format!("{}: {fault}; this signature does not count", path.display())),
        }
    }
    (known, wrong)
}

/// One signature: a line of [`SIGNATURES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Of what, in hexadecimal.
    pub fingerprint: String,
    /// The day.
    pub on: Date,
    /// The person's name as they wrote it.
    pub by: String,
    /// Over `flow::release::statement`.
    pub bytes: [u8; seal::SIGNATURE],
}

impl Signature {
    /// Signs a fingerprint.
    pub fn new(fingerprint: &str, by: &str, on: Date, key: &seal::Signer) -> Self {
        Self {
            fingerprint: fingerprint.to_owned(),
            on,
            by: by.to_owned(),
            bytes: key.sign(&flow::release::statement(fingerprint, by, on)),
        }
    }

    /// Every line that is a signature; others are left alone.
    pub fn read_all(text: &str) -> Vec<Self> {
        let read = |line: &str| {
            let mut parts = line.split(" | ").map(str::trim);
            let signature = Self {
                fingerprint: parts.next()?.to_owned(),
                on: parts.next()?.parse().ok()?,
                by: parts.next()?.to_owned(),
                bytes: seal::keys::unhex(parts.next()?)?,
            };
            parts.next().is_none().then_some(signature)
        };
        text.lines().take(SIGNATURES_MAX).filter_map(read).collect()
    }

    /// Its line.
    pub fn line(&self) -> String {
        let bytes = seal::keys::hex(&self.bytes);
        format!("{} | {} | {} | {bytes}\n", self.fingerprint, self.on, self.by)
    }

    /// Who signed, when it is somebody this house knows and the signature is theirs.
    fn signer<'a>(&self, approvers: &'a [Approver]) -> Option<&'a str> {
        let known_as = flow::release::known_as(&self.by);
        let approver = approvers.iter().find(|approver| approver.known_as == known_as)?;
        let statement = flow::release::statement(&self.fingerprint, &self.by, self.on);
        approver.key.check(&statement, &self.bytes).ok()?;
        Some(&approver.known_as)
    }
}

/// The different people whose signatures under a fingerprint are good.
pub fn signers(signatures: &[Signature], fingerprint: &str, approvers: &[Approver]) -> BTreeSet<String> {
    let of_it = signatures
        .iter()
        .filter(|signature| signature.fingerprint == fingerprint);
    of_it
        .filter_map(|signature| signature.signer(approvers))
        .map(str::to_owned)
        .collect()
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it takes effect.
    pub at: Timestamp,
    /// What, in hexadecimal.
    pub fingerprint: String,
    /// Who released it.
    pub by: String,
}

/// Released files whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// What, in hexadecimal.
    pub fingerprint: String,
    /// Name to text.
    pub files: BTreeMap<String, String>,
    /// Who signed.
    pub signed_by: BTreeSet<String>,
}

/// The releases of every practice of a house.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
    approvers: PathBuf,
}

impl Store {
    /// The store in a folder (`data/releases`), and the folder of the approvers whose signatures count. Both are read anew
    /// each time: an approver is appointed without a restart.
    pub fn new(folder: PathBuf, approvers: PathBuf) -> Self {
        Self { folder, approvers }
    }

    /// Whose signatures count, and what is wrong with key files.
    pub fn approvers(&self) -> (Vec<Approver>, Vec<String>) {
        approvers(&self.approvers)
    }

    /// What a practice folder is called here: its last name, links followed.
    pub fn name_of(folder: &Path) -> Option<String> {
        let whole = folder.canonicalize();
        let name = whole.as_deref().unwrap_or(folder).file_name()?.to_str()?.to_owned();
        (!name.is_empty() && !name.starts_with('.')).then_some(name)
    }

    /// Every release of a practice, the newest last; empty when it was never released.
    pub fn history(&self, practice: &str) -> io::Result<Vec<Entry>> {
        let text = match text(&self.folder.join(practice).join(HISTORY)) {
            Ok(text) => text,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(fault) => return Err(fault),
        };
        let read = |line: &str| {
            let mut parts = line.split(" | ").map(str::trim);
            Some(Entry {
                at: parts.next()?.parse().ok()?,
                fingerprint: parts
                    .next()
                    .and_then(seal::keys::unhex::<32>)
                    .map(|bytes| seal::keys::hex(&bytes))?,
                by: parts.next()?.to_owned(),
            })
        };
        Ok(text.lines().filter_map(read).collect())
    }

    /// The bundle in force: the newest whose time has come and that can be believed. What cannot is told.
    pub fn in_force(&self, practice: &str, now: Timestamp, told: &mut Vec<String>) -> Option<Bundle> {
        let history = match self.history(practice) {
            Ok(history) => history,
            Err(fault) => {
                told.push(format!("the history of releases cannot be read: {fault}"));
                return None;
            }
        };
        if history.is_empty() && self.history_file(practice).exists() {
            told.push("the history of releases is damaged: not a line of it can be read".to_owned());
        }
        let mut tried = BTreeSet::new();
        for entry in history.iter().rev().filter(|entry| entry.at <= now) {
            if !tried.insert(&entry.fingerprint) {
                continue;
            }
            match self.bundle(practice, &entry.fingerprint) {
                Ok(bundle) => return Some(bundle),
                Err(why) => told.push(format!(
                    "release {} is not believed: {why}; a release before it stays in force",
                    short(&entry.fingerprint)
                )),
            }
        }
        None
    }

    /// A bundle, when its words are those that were signed.
    pub fn bundle(&self, practice: &str, fingerprint: &str) -> Result<Bundle, String> {
        let folder = self.folder.join(practice).join(fingerprint);
        let mut files = texts(&folder).map_err(|fault| format!("it cannot be read ({fault})"))?;
        // Whatever else lies there was signed by nobody.
        files.retain(|name, _| flow::release::is_released(name));
        let is = flow::release::fingerprint(&files).map(|bytes| seal::keys::hex(&bytes));
        if is.as_deref() != Some(fingerprint) {
            return Err("its words are not those that were signed".to_owned());
        }
        let signatures =
            text(&folder.join(SIGNATURES)).map_err(|fault| format!("its signatures cannot be read ({fault})"))?;
        let signed_by = signers(&Signature::read_all(&signatures), fingerprint, &self.approvers().0);
        if signed_by.is_empty() {
            return Err("nobody whose key this house holds has signed it".to_owned());
        }
        Ok(Bundle {
            fingerprint: fingerprint.to_owned(),
            files,
            signed_by,
        })
    }

    /// Keeps a bundle, whole or not at all, and durable before this returns.
    pub fn keep(
        &self,
        practice: &str,
        fingerprint: &str,
        files: &BTreeMap<String, String>,
        signatures: &str,
    ) -> io::Result<()> {
        let folder = self.folder.join(practice);
        let whole = folder.join(fingerprint);
        let unfinished = folder.join(format!(".{fingerprint}.new"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        for (name, text) in files.iter().filter(|(name, _)| flow::release::is_released(name)) {
            write(&unfinished.join(name), text)?;
        }
        write(&unfinished.join(SIGNATURES), signatures)?;
        sync(&unfinished)?;
        let kept = texts(&whole).ok().and_then(|files| flow::release::fingerprint(&files));
        if kept.is_some_and(|kept| seal::keys::hex(&kept) == fingerprint) {
            // The same words again, perhaps with a signature more.
            write_whole(&whole, SIGNATURES, signatures)?;
            fs::remove_dir_all(&unfinished)?;
        } else {
            // Damaged, or not there.
            if whole.exists() {
                fs::remove_dir_all(&whole)?;
            }
            fs::rename(&unfinished, &whole)?;
        }
        sync(&folder)
    }

    /// Enters a release: from its time on it is in force. Gives the releases that were to come later and give way to it.
    pub fn enter(&self, practice: &str, entry: Entry) -> io::Result<Vec<Entry>> {
        let folder = self.folder.join(practice);
        fs::create_dir_all(&folder)?;
        // Two people may release at the same moment; the file is replaced, so the lock is beside it.
        let lock = fs::File::create(folder.join(".lock"))?;
        lock.lock()?;
        let (mut history, gives_way): (Vec<Entry>, Vec<Entry>) = self
            .history(practice)?
            .into_iter()
            .partition(|before| before.at <= entry.at);
        history.push(entry);
        let from = history.len().saturating_sub(HISTORY_MAX);
        let lines: String = history
            .iter()
            .skip(from)
            .map(|entry| format!("{} | {} | {}\n", entry.at, entry.fingerprint, entry.by))
            .collect();
        write_whole(&folder, HISTORY, &lines)?;
        Ok(gives_way)
    }

    /// The last practice file that worked with what is in force: name and text.
    pub(crate) fn people(&self, practice: &str) -> io::Result<BTreeMap<String, String>> {
        texts(&self.folder.join(practice).join(PEOPLE))
    }

    /// Remembers a practice file that worked.
    pub(crate) fn keep_people(&self, practice: &str, name: &str, text: &str) -> io::Result<()> {
        let folder = self.folder.join(practice).join(PEOPLE);
        let kept = self.people(practice).unwrap_or_default();
        if kept.len() == 1 && kept.get(name).is_some_and(|kept| kept == text) {
            return Ok(());
        }
        fs::create_dir_all(&folder)?;
        write_whole(&folder, name, text)?;
        // One practice has one practice file, by whatever name.
        for other in kept.keys().filter(|other| *other != name) {
            fs::remove_file(folder.join(other))?;
        }
        Ok(())
    }

    /// The key files whose change may make a release believed.
    pub(crate) fn key_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.approvers).into_iter().flatten().flatten();
        entries.take(APPROVERS_MAX).map(|entry| entry.path()).collect()
    }

    /// The file whose change is a release.
    pub(crate) fn history_file(&self, practice: &str) -> PathBuf {
        self.folder.join(practice).join(HISTORY)
    }
}

/// The first letters of a fingerprint, which people read to each other.
pub fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

/// Everything a practice's folder says, for the checker: its texts, and which sentences somebody has recorded.
pub fn draft(folder: &Path) -> io::Result<flow::Folder> {
    let mut files = texts(folder)?;
    let words = folder.join(crate::RECORDED);
    let index = words.join("index.txt");
    if index.is_file() {
        files.insert(format!("{}/index.txt", crate::RECORDED), text(&index)?);
    }
    let mut recordings = BTreeMap::new();
    for entry in fs::read_dir(&words).into_iter().flatten().flatten() {
        if recordings.len() >= RECORDINGS_MAX {
            return Err(io::Error::other(format!(
                "a practice has at most {RECORDINGS_MAX} recordings"
            )));
        }
        recordings.extend(
            entry
                .file_name()
                .into_string()
                .ok()
                .filter(|name| name.ends_with(".wav"))
                .map(|name| (name, flow::SoundFile::Unheard)),
        );
    }
    Ok(flow::Folder {
        files,
        recordings: Some(recordings),
    })
}

/// The texts of a folder by file name.
pub(crate) fn texts(folder: &Path) -> io::Result<BTreeMap<String, String>> {
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

/// One text, no longer than a page may be.
pub(crate) fn text(path: &Path) -> io::Result<String> {
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

/// For its owner only: a practice file names people's own telephones.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Written beside and moved into its place, so that a power cut leaves the old or the new.
fn write_whole(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let unfinished = folder.join(format!(".{name}.new"));
    write(&unfinished, text)?;
    fs::rename(&unfinished, folder.join(name))?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approver(name: &str, fill: u8) -> (seal::Signer, Approver) {
        let key = seal::Signer::generate(&mut |bytes| bytes.fill(fill));
        let known_as = flow::release::known_as(name);
        let approver = Approver {
            known_as,
            key: key.verifier(),
        };
        (key, approver)
    }

    /// A store that believes one person.
    fn store(folder: &Path, approver: &Approver) -> Store {
        let approvers = folder.join("approvers");
        fs::create_dir(&approvers).expect("room");
        let key = approvers.join(format!("{}.public", approver.known_as));
        fs::write(key, approver.key.to_approver_bytes()).expect("room");
        Store::new(folder.join("releases"), approvers)
    }

    fn files(words: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("a.flow.yaml".to_owned(), format!("flow: {words}\n"))])
    }

    fn released(store: &Store, files: &BTreeMap<String, String>, key: &seal::Signer, at: i64) -> String {
        let fingerprint = seal::keys::hex(&flow::release::fingerprint(files).expect("it reads"));
        let on = jiff::civil::date(2026, 11, 21);
        let signature = Signature::new(&fingerprint, "Ada Okafor MD, medical director", on, key);
        store
            .keep("cedar", &fingerprint, files, &signature.line())
            .expect("room");
        let entry = Entry {
            at: Timestamp::from_second(at).expect("a time"),
            fingerprint: fingerprint.clone(),
            by: "Marisol".to_owned(),
        };
        store.enter("cedar", entry).expect("room");
        fingerprint
    }

    fn force(store: &Store, at: i64) -> (Option<String>, Vec<String>) {
        let mut told = Vec::new();
        let now = Timestamp::from_second(at).expect("a time");
        let bundle = store.in_force("cedar", now, &mut told);
        (bundle.map(|bundle| bundle.fingerprint), told)
    }

    #[test]
    fn the_newest_release_whose_time_has_come_is_in_force() {
        let folder = tempfile::tempdir().expect("a folder");
        let (key, ada) = approver("Ada Okafor MD", 1);
        let store = store(folder.path(), &ada);
        assert_eq!(force(&store, 100), (None, vec![]));
        let first = released(&store, &files("one"), &key, 100);
        let second = released(&store, &files("two"), &key, 200);
        assert_eq!(force(&store, 99), (None, vec![]));
        assert_eq!(force(&store, 150), (Some(first.clone()), vec![]));
        assert_eq!(force(&store, 200), (Some(second), vec![]));
        // A roll-back is a release; what was still to come gives way.
        released(&store, &files("three"), &key, 900);
        assert_eq!(released(&store, &files("one"), &key, 300), first);
        assert_eq!(force(&store, 1000), (Some(first), vec![]));
    }

    #[test]
    fn a_bundle_that_was_touched_is_told_and_the_one_before_it_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (key, ada) = approver("Ada Okafor MD", 1);
        let store = store(folder.path(), &ada);
        let first = released(&store, &files("one"), &key, 100);
        let second = released(&store, &files("two"), &key, 200);
        let flow = folder.path().join("releases/cedar").join(&second).join("a.flow.yaml");
        fs::write(&flow, "flow: twp\n").expect("written");
        let (stays, told) = force(&store, 300);
        assert_eq!(stays, Some(first));
        assert!(told[0].contains("not those that were signed"), "{told:?}");
        // Released anew, the damage is gone.
        released(&store, &files("two"), &key, 250);
        assert_eq!(force(&store, 300), (Some(second.clone()), vec![]));
        fs::write(&flow, "# said the same\nflow: 'two'\n").expect("written");
        assert_eq!(force(&store, 300).0, Some(second.clone()), "a comment voids nothing");
        fs::remove_file(folder.path().join("releases/cedar").join(&second).join(SIGNATURES)).expect("gone");
        assert!(force(&store, 300).1[0].contains("signatures cannot be read"));
    }

    #[test]
    fn a_history_that_says_nothing_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let (key, ada) = approver("Ada Okafor MD", 1);
        let store = store(folder.path(), &ada);
        released(&store, &files("one"), &key, 100);
        fs::write(store.history_file("cedar"), "\0\0\0\n").expect("written");
        let (none, told) = force(&store, 300);
        assert!(none.is_none() && told[0].contains("damaged"), "{told:?}");
    }

    #[test]
    fn a_release_to_come_that_gives_way_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let (key, ada) = approver("Ada Okafor MD", 1);
        let store = store(folder.path(), &ada);
        let monday = released(&store, &files("monday"), &key, 900);
        let entry = Entry {
            at: Timestamp::from_second(300).expect("a time"),
            fingerprint: "ab".repeat(32),
            by: "Marisol".to_owned(),
        };
        let gives_way = store.enter("cedar", entry).expect("room");
        assert_eq!(gives_way.len(), 1);
        assert_eq!(gives_way[0].fingerprint, monday);
    }

    #[test]
    fn a_key_file_with_a_fault_is_told_and_takes_nobody_elses_word() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(approvers(&folder.path().join("nowhere")), (vec![], vec![]));
        let (key, mut ada) = approver("Ada Okafor MD", 1);
        ada.known_as = "ada-okafor-md".to_owned();
        let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
        // However its owner wrote the name.
        put("Ada Okafor MD.public", &key.verifier().to_approver_bytes());
        put("bo.public", b"no key at all");
        put("readme.txt", b"");
        let (known, wrong) = approvers(folder.path());
        assert_eq!(known, [ada]);
        assert!(wrong.len() == 1 && wrong[0].contains("bo.public"), "{wrong:?}");
        put("ada-okafor-md.public", &key.verifier().to_approver_bytes());
        assert!(
            approvers(folder.path())
                .1
                .iter()
                .any(|what| what.contains("another key"))
        );
    }

    #[test]
    fn only_people_this_house_knows_can_sign_and_each_counts_once() {
        let (key, ada) = approver("Ada Okafor MD", 1);
        let (stranger, _) = approver("Ada Okafor MD", 2);
        let on = jiff::civil::date(2026, 11, 21);
        let known = [ada];
        let sign = |by: &str, key| Signature::new("aa", by, on, key);
        let count = |signatures: &[Signature]| signers(signatures, "aa", &known).len();
        assert_eq!(
            count(&[sign("Ada Okafor MD", &key), sign("Ada Okafor MD, director", &key)]),
            1
        );
        assert_eq!(count(&[sign("Ada Okafor MD", &stranger)]), 0);
        assert_eq!(count(&[sign("Bo Lind MD", &key)]), 0);
        let good = sign("Ada Okafor MD", &key);
        assert_eq!(signers(std::slice::from_ref(&good), "bb", &known).len(), 0);
        assert_eq!(
            count(&[Signature {
                fingerprint: "bb".into(),
                ..good.clone()
            }]),
            0
        );
        assert_eq!(
            Signature::read_all(&format!("# ours\n{}nonsense | x\n", good.line())),
            [good]
        );
    }
}
