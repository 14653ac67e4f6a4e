//! The real binary as a child process, on loopback, with folders that go away; and people with telephones to try it.
//!
//! Shared by the tests that need a process to kill, to stop, to reload or to read the logs of. Whatever happens in a test,
//! dropping a [`Desk`] ends its process.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub, reason = "a module of each test, not a door")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test has a clock, files and programs, and stops where it finds otherwise"
)]

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use exchange::handset::{Act, Handset, Keys, Party, Setup};
use flow::{Language, Part};
use jiff::Timestamp;
use media::Law;
use switchboard::phone::Answering;
use switchboard::{CallId, Fact, Stamped};
use tempfile::TempDir;
use tests::people::People;

pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Cedar's number.
pub const NUMBER: &str = "+15125550100";
/// The number of the first doctor on Cedar's ladder, whoever is on duty.
pub const OKAFOR: &str = "+15125550141";
/// What makes a house's practice a lab; without this line it has patients, and says what was signed and released.
pub const LAB: &str = "lab practices: [practice]\n";
/// A start may have to speak every sentence first.
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// Folders of one engine: keys, data, a practice, a configuration.
pub struct House {
    folder: TempDir,
    binary: PathBuf,
    runs: std::sync::atomic::AtomicU32,
    people: std::sync::OnceLock<People>,
}

/// Who runs the commands of a house, unless a test says otherwise.
pub const OWNER: &str = "marisol";

impl House {
    /// Cedar Family Medicine, whose doctors' telephones hang on `doctors`.
    pub fn furnish(doctors: SocketAddr, drain: &str) -> Self {
        Self::of(Path::new("flows/cedar-family-medicine"), |folder| {
            let shifts = "zone: America/Chicago\n\
                          primary | Dr. Okafor | every Monday to Sunday 00:00 | 00:00\n\
                          backup | Dr. Lindqvist | every Monday to Sunday 00:00 | 00:00\n";
            fs::write(folder.join("practice/on-call.txt"), shifts).expect("room");
            format!(
                "listen: [udp 127.0.0.1:0]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
                 trunks:\n  loopback:\n    from: [127.0.0.0/8]\n    outbound: udp {doctors}\n\
                 practices: [practice]\ndata: data\nkeys: keys\ncalls at most: 200\nladder speed: 10\ndrain for: {drain}\n"
            )
        })
    }

    /// A practice of the repository, and a configuration; it is asked for once the folder and its `practice` are there. The
    /// practice is a lab: it is answered as it is written.
    pub fn of(practice: &Path, configuration: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("nightdesk-test-")
            .tempdir()
            .expect("a temporary folder");
        let binary = target().join("debug/nightdesk");
        assert!(
            binary.is_file(),
            "{} is missing: cargo build -p nightdesk",
            binary.display()
        );
        copy(&root().join(practice), &folder.path().join("practice"));
        let data = folder.path().join("data");
        fs::create_dir_all(&data).expect("room");
        std::os::unix::fs::symlink(cache(), data.join("speech")).expect("room");
        let text = configuration(folder.path()) + LAB;
        fs::write(folder.path().join("nightdesk.yaml"), text).expect("room");
        let house = Self {
            folder,
            binary,
            runs: std::sync::atomic::AtomicU32::new(0),
            people: std::sync::OnceLock::new(),
        };
        let keys = house.path("keys");
        house.run(&["keys", "make", keys.to_str().expect("a plain path")]);
        house
    }

    /// The people of the house; its owner is made, trained and logged in when somebody is asked for first.
    pub fn people(&self) -> &People {
        self.people.get_or_init(|| {
            let people = People::of(&self.binary, &self.path("nightdesk.yaml"), &self.path("sessions"));
            people.owner(OWNER);
            people
        })
    }

    /// The owner's session, for commands that a test starts itself: the value of `NIGHTDESK_SESSION`.
    pub fn session(&self) -> PathBuf {
        self.people().session(OWNER)
    }

    /// The program.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// A file or folder of the house.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the engine and waits until it listens.
    pub fn start(&self, log: &str) -> Desk {
        self.start_with(log, &[])
    }

    /// The same with variables in its environment.
    pub fn start_with(&self, log: &str, variables: &[(&str, &Path)]) -> Desk {
        let mut desk = self.begin(log, variables);
        desk.listens();
        desk
    }

    /// The same, begun and not waited for.
    pub fn begin(&self, log: &str, variables: &[(&str, &Path)]) -> Desk {
        let run = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let (out, err) = (
            self.path(&format!("out.{run}.txt")),
            self.path(&format!("log.{run}.txt")),
        );
        let child = Command::new(&self.binary)
            .args(["serve", "--config"])
            .arg(self.path("nightdesk.yaml"))
            .env("NIGHTDESK_LOG", log)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("room"))
            .stderr(File::create(&err).expect("room"))
            .spawn()
            .expect("the binary was just built");
        Desk {
            child,
            out,
            err,
            address: SocketAddr::new(LOOPBACK, 0),
        }
    }

    /// Runs a command of the binary to its end, in the owner's session.
    pub fn tries(&self, arguments: &[&str], variables: &[(&str, &Path)]) -> std::process::Output {
        Command::new(&self.binary)
            .args(arguments)
            .env("NIGHTDESK_SESSION", self.path("sessions").join(OWNER))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("the binary was just built")
    }

    /// Runs a command of the binary to its end, which must be good; gives what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let done = self.tries(arguments, &[]);
        let (out, err) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        assert!(
            done.status.success(),
            "nightdesk {arguments:?}: {}\n{out}{err}",
            done.status
        );
        out.into_owned()
    }

    /// The same with the configuration named, in the owner's session.
    pub fn show(&self, arguments: &[&str]) -> String {
        self.people();
        let config = self.path("nightdesk.yaml");
        let mut all = arguments.to_vec();
        all.extend(["--config", config.to_str().expect("a plain path")]);
        self.run(&all)
    }

    /// What the book says so far, in order. A row at its end that is still being written is left for next time.
    pub fn facts(&self) -> Vec<Stamped> {
        let rows = self.reader().map_while(Result::ok);
        rows.filter(|row| row.class == ledger::Class::Fact && !row.lost)
            .map(|row| Stamped::decode(&row.body).expect("a fact of this version"))
            .collect()
    }

    /// The same, call by call.
    pub fn calls(&self) -> BTreeMap<CallId, Vec<Stamped>> {
        let mut calls: BTreeMap<CallId, Vec<Stamped>> = BTreeMap::new();
        for stamped in self.facts() {
            if let Some(call) = stamped.call {
                calls.entry(call).or_default().push(stamped);
            }
        }
        calls
    }

    /// The call of this caller.
    pub fn call_of(&self, number: &str) -> Option<CallId> {
        self.facts().into_iter().find_map(|stamped| match &stamped.fact {
            Fact::CallBegan { caller, .. } if caller.expose().as_deref() == Some(number) => stamped.call,
            _ => None,
        })
    }

    /// Waits until the book says something.
    pub fn waits_for<T>(&self, what: &str, within: Duration, mut look: impl FnMut(&[Stamped]) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            let facts = self.facts();
            if let Some(found) = look(&facts) {
                return found;
            }
            assert!(
                began.elapsed() < within,
                "waited {within:?} for {what}; the book:\n{}",
                self.book()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The book as people read it.
    pub fn book(&self) -> String {
        let calls = self
            .calls()
            .into_iter()
            .map(|(call, facts)| format!("call {call}\n{}", switchboard::ladder::time_line(&facts)));
        calls.collect::<Vec<_>>().join("\n")
    }

    /// Whoever may listen opens a recording.
    pub fn listen(&self, recording: vault::FileId) -> vault::Audio {
        let keys = ledger::BookKeys {
            seal: self.book_key(),
            sign: seal::Signer::from_bytes(&self.key("book.signing")).expect("a key"),
        };
        let mut readers = ledger::Book::open(self.path("readers"), keys, draw()).expect("a book beside it");
        let access = ledger::Access {
            actor: "test".into(),
            role: "ops reviewer".into(),
            action: "read".into(),
            reason: "what is left after a crash".into(),
            object: recording.0,
            call: None,
            source: "test".into(),
            at_ms: Timestamp::now().as_millisecond(),
            practice: None,
            session: None,
            refused: None,
        };
        let receipt = readers.receipt(&access).expect("room");
        let header = self.vault().find(recording).expect("a recording").header;
        let keyring = keyring::Keyring::at(self.path("keys"));
        let unlocked = keyring.unlock(&mut |_| Ok("".to_owned().into())).expect("a plain root");
        let month = seal::Month::of_unix_ms(header.fixed.start_ms);
        let key = vault::Key {
            secret: unlocked.recipient(&header).expect("its month's key"),
            share: keyring.shares().find(month, &recording.0).expect("readable"),
        };
        self.vault()
            .read(recording, &receipt, &key)
            .expect("an authentic recording")
    }

    /// The recordings.
    pub fn vault(&self) -> vault::Vault {
        vault::Vault::open(self.path("data/recordings"), Vec::new(), draw()).expect("recordings")
    }

    /// Keys as octets: some of those an engine works with, and those it never has (the root's, practices', secret halves, shares).
    pub fn secrets(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let engine = seal::RecipientSecret::from_engine_bytes(&self.key("engine.secret")).expect("a key");
        let given = keyring::engine_keys(&self.path("keys"), &engine)
            .expect("its own")
            .expect("provisioned");
        // A month's worth is enough to be found; a search for all of them takes minutes.
        let some = given.rows.iter().take(20);
        let mut has: Vec<Vec<u8>> = some.map(|(_, _, key)| key.secret().to_vec()).collect();
        has.push(engine.secret().to_vec());
        let keyring = keyring::Keyring::at(self.path("keys"));
        let unlocked = keyring.unlock(&mut |_| Ok("".to_owned().into())).expect("a plain root");
        let mut never = Vec::new();
        for listed in self.vault().list().expect("recordings").0 {
            let secret = unlocked.recipient(&listed.header).expect("its month's key");
            never.push(secret.secret().to_vec());
            let month = seal::Month::of_unix_ms(listed.fixed.start_ms);
            let share = keyring
                .shares()
                .find(month, &listed.id.0)
                .expect("readable")
                .expect("kept");
            never.push(share.secret().to_vec());
        }
        (has, never)
    }

    fn reader(&self) -> ledger::Reader {
        let engine = seal::RecipientSecret::from_engine_bytes(&self.key("engine.secret")).expect("a key");
        let given = keyring::engine_keys(&self.path("keys"), &engine).expect("its own");
        let rows = given.map_or_else(ledger::Rows::default, |given| ledger::Rows::new(given.rows));
        let keys = ledger::ReadKeys::from(self.book_key()).with(rows);
        ledger::Reader::open(&self.path("data/book"), keys, 0).expect("a book")
    }

    fn book_key(&self) -> seal::BookKey {
        seal::BookKey::from_bytes(&self.key("book.key")).expect("a key")
    }

    fn key(&self, name: &str) -> Vec<u8> {
        fs::read(self.path("keys").join(name)).expect("keys were made")
    }
}

/// The library that is loaded before libc: it mirrors what is written, and refuses what a broken disk would (`shim.c`).
pub fn shim() -> PathBuf {
    let source = root().join("tests/tests/child/shim.c");
    let shim = target().join("tmp/shim.so");
    fs::create_dir_all(target().join("tmp")).expect("room in target");
    let _door = lock(&target().join("tmp/shim"));
    let of = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    if of(&shim) <= of(&source) {
        let made = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&shim, &source])
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(
            made.is_ok_and(|made| made.success()),
            "a C compiler makes the shim: make setup"
        );
    }
    shim
}

/// A file that only its owner can read.
pub fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("room");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
}

/// A running engine; dropping it kills it.
pub struct Desk {
    child: std::process::Child,
    out: PathBuf,
    err: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Desk {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens on this transport, for instance `TLS`.
    pub fn at(&self, transport: &str) -> SocketAddr {
        let listening = format!("listening on {transport} ");
        let found = self
            .out()
            .lines()
            .find_map(|line| line.strip_prefix(&listening)?.parse().ok());
        found.unwrap_or_else(|| panic!("it does not listen on {transport}: {}", self.out()))
    }

    /// `kill -9`, and collected. Gives the instant of the signal.
    pub fn kill(mut self) -> Timestamp {
        let at = Timestamp::now();
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
        at
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status()
            .expect("kill is everywhere");
        assert!(sent.success(), "kill -{name}");
    }

    /// Waits until it says where it listens.
    pub fn listens(&mut self) {
        self.address = self.says("listening on UDP ").parse().expect("an address");
    }

    /// Waits until it prints a line that begins so, and gives the rest of it.
    pub fn says(&mut self, words: &str) -> String {
        let began = Instant::now();
        loop {
            let out = self.out();
            // A line that is whole.
            let lines = out.rsplit_once('\n').map_or("", |(lines, _)| lines).lines();
            if let Some(rest) = lines.filter_map(|line| line.strip_prefix(words)).next() {
                return rest.to_owned();
            }
            let ended = self.child.try_wait().expect("our own child");
            assert!(ended.is_none(), "it ended at once: {ended:?}\n{out}{}", self.err());
            assert!(
                began.elapsed() < STARTS_WITHIN,
                "it does not say “{words}”\n{out}{}",
                self.err()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// How it ended, if it ends within the time.
    pub fn ends(&mut self, within: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status;
            }
            assert!(
                began.elapsed() < within,
                "it did not end within {within:?}\n{}{}",
                self.out(),
                self.err()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// What it printed.
    pub fn out(&self) -> String {
        text(&self.out)
    }

    /// How much it has printed, in octets.
    pub fn said(&self) -> u64 {
        fs::metadata(&self.out).map_or(0, |about| about.len())
    }

    /// What it logged.
    pub fn err(&self) -> String {
        text(&self.err)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let err = self.err();
            let ours = err.lines().rev().filter(|line| !line.contains("\"sled::"));
            let tail: Vec<&str> = ours.take(30).collect();
            eprintln!("--- the engine printed:\n{}--- and logged at the end:", self.out());
            tail.into_iter()
                .rev()
                .for_each(|line| eprintln!("{}", line.chars().take(400).collect::<String>()));
        }
        // It may have ended by itself; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A telephone that knows these words; `answers` picks up what is rung.
pub fn handset(words: &voice::Snapshot, mut answers: impl FnMut(&str) -> Box<dyn Party> + Send + 'static) -> Handset {
    Handset::start(Setup {
        address: SocketAddr::new(LOOPBACK, 0),
        media: LOOPBACK,
        ear: Some(voice::listen::Index::new(words, Law::Pcmu)),
        pick_up: Duration::from_millis(300),
        keys: Keys::Events,
        offering: media::sdp::Offering::default(),
        answers: Box::new(move |number, _: Answering| answers(number)),
    })
    .expect("a socket")
}

/// What a person waits for before doing something.
pub enum Cue {
    /// Words that hold these, punctuation aside, begin.
    Hears(&'static str),
    /// A tone.
    Tone,
    /// So long after the last cue.
    After(Duration),
}

/// A person with a list of cues. What happens to it is written down where the test can read it.
pub struct Person {
    script: VecDeque<(Cue, Vec<Act>)>,
    diary: Diary,
    last: Option<Timestamp>,
    out: VecDeque<Act>,
}

/// What a person heard and did, with the time of it.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<(Timestamp, String)>>>);

impl Diary {
    /// When the first entry that holds these words was written.
    pub fn when(&self, words: &str) -> Option<Timestamp> {
        let words = squeezed(words);
        let entries = self.0.lock().expect("nobody panics with it");
        entries
            .iter()
            .find(|(_, entry)| squeezed(entry).contains(&words))
            .map(|(at, _)| *at)
    }

    /// Waits for such an entry.
    pub fn waits_for(&self, words: &str, within: Duration) -> Timestamp {
        let began = Instant::now();
        loop {
            if let Some(at) = self.when(words) {
                return at;
            }
            assert!(
                began.elapsed() < within,
                "waited {within:?} for “{words}”; so far: {}",
                self.all()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything.
    pub fn all(&self) -> String {
        let entries = self.0.lock().expect("nobody panics with it");
        entries
            .iter()
            .map(|(_, entry)| entry.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn note(&self, entry: String) {
        self.0
            .lock()
            .expect("nobody panics with it")
            .push((Timestamp::now(), entry));
    }
}

impl Person {
    pub fn with(script: impl IntoIterator<Item = (Cue, Vec<Act>)>) -> (Box<dyn Party>, Diary) {
        let diary = Diary::default();
        let person = Self {
            script: script.into_iter().collect(),
            diary: diary.clone(),
            last: None,
            out: VecDeque::new(),
        };
        (Box::new(person), diary)
    }

    fn act(&mut self) {
        let Some((_, acts)) = self.script.pop_front() else {
            return;
        };
        for act in &acts {
            self.diary.note(match act {
                Act::Press(key) => format!("[presses {key}]"),
                Act::Speak(_) => "[speaks]".into(),
                Act::HangUp => "[hangs up]".into(),
            });
        }
        self.out.extend(acts);
        self.last = Some(Timestamp::now());
    }
}

impl Party for Person {
    fn hears(&mut self, words: &str) {
        self.diary.note(words.to_owned());
        if matches!(self.script.front(), Some((Cue::Hears(cue), _)) if squeezed(words).contains(&squeezed(cue))) {
            self.act();
        }
    }

    fn quiet(&mut self, _now: Timestamp) {}

    fn tone(&mut self) {
        self.diary.note("[tone]".into());
        if matches!(self.script.front(), Some((Cue::Tone, _))) {
            self.act();
        }
    }

    fn time(&mut self, now: Timestamp) {
        let last = *self.last.get_or_insert(now);
        if let Some((Cue::After(wait), _)) = self.script.front()
            && now.duration_since(last).unsigned_abs() >= *wait
        {
            self.act();
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.out.pop_front()
    }
}

/// English, and yes to recording.
pub fn begin() -> Vec<(Cue, Vec<Act>)> {
    vec![
        (Cue::Hears("For English, press 1"), press("1")),
        (Cue::Hears("May we record this call"), press("1")),
    ]
}

/// Leaves these words after a tone.
pub fn leave(clip: &Arc<[u8]>) -> Vec<(Cue, Vec<Act>)> {
    let length = Duration::from_millis(clip.len() as u64 / 8);
    vec![
        (Cue::Tone, vec![]),
        (Cue::After(Duration::from_millis(200)), vec![Act::Speak(clip.clone())]),
        (Cue::After(length + Duration::from_millis(200)), press("#")),
    ]
}

/// A hospital with something urgent: `number` is keyed, or the one that is calling (`1`).
pub fn urgent(number: &str, name: &Arc<[u8]>, born: &str, reason: &Arc<[u8]>) -> Vec<(Cue, Vec<Act>)> {
    let mut script = begin();
    script.push((Cue::Hears("How can we help"), press("4")));
    script.push((Cue::Hears("To be called back at the number"), press(number)));
    if number.len() > 1 {
        script.push((Cue::Hears("If that is right"), press("1")));
    }
    script.extend(leave(name));
    script.push((Cue::Hears("date of birth as eight digits"), press(born)));
    script.push((Cue::Hears("If that is right"), press("1")));
    script.extend(leave(reason));
    script
}

/// A message for the front desk.
pub fn office_message(name: &Arc<[u8]>, reason: &Arc<[u8]>) -> Vec<(Cue, Vec<Act>)> {
    let mut script = begin();
    script.push((Cue::Hears("How can we help"), press("5")));
    script.push((Cue::Hears("To be called back at the number"), press("1")));
    script.extend(leave(name));
    script.extend(leave(reason));
    script
}

pub fn press(keys: &str) -> Vec<Act> {
    keys.chars().map(Act::Press).collect()
}

/// Bytes that are nowhere twice: every 20 ms of a recording tells which 20 ms of the speaker it is.
pub fn noise(seed: u64, seconds: usize) -> Arc<[u8]> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut octet = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..seconds * 8_000).map(|_| octet()).collect()
}

/// Letters and digits, in lower case.
pub fn squeezed(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The build folder.
pub fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a test knows where it is");
    program.ancestors().nth(3).expect("target/debug/deps/test").to_owned()
}

/// Spoken words, kept between runs and shared by all tests.
pub fn cache() -> PathBuf {
    let cache = target().join("speech-cache");
    fs::create_dir_all(&cache).expect("room in target");
    cache
}

/// How a caller's sentences sound. They are kept apart from what the engine may keep.
pub fn voices<const N: usize>(sentences: [&str; N]) -> [Arc<[u8]>; N] {
    let folder = target().join("caller-speech");
    fs::create_dir_all(&folder).expect("room in target");
    let _door = lock(&folder);
    let parts = sentences.map(|sentence| Part::new(sentence, Language::English));
    let mut library = voice::Library::open(&folder, speech(), &[]).expect("a cache");
    let missing = library.prepare(&parts);
    assert!(missing.is_empty(), "sentences that cannot be heard: {missing:#?}");
    parts.map(|part| library.get(&part, Law::Pcmu).expect("just prepared"))
}

/// A practice as it stands in a folder.
pub fn compile(practice: &Path) -> Arc<flow::Practice> {
    let files = tests::texts(practice);
    let compiled = flow::compile(&flow::Folder {
        files,
        ..flow::Folder::default()
    });
    compiled
        .practice
        .unwrap_or_else(|| panic!("it compiles: {:#?}", compiled.diagnostics))
}

/// Makes every sentence of Cedar's audible, and those of `later`, once for all tests: the others wait at the door.
pub fn words(later: Option<&flow::Practice>) -> voice::Snapshot {
    let mut parts = compile(&root().join("flows/cedar-family-medicine")).all_parts();
    parts.extend(later.into_iter().flat_map(flow::Practice::all_parts));
    spoken(&parts)
}

/// The same for another practice of the repository.
pub fn words_of(practice: &Path) -> voice::Snapshot {
    spoken(&compile(&root().join(practice)).all_parts())
}

/// The same for what a trunk's report card says.
pub fn words_of_card() -> voice::Snapshot {
    spoken(&switchboard::card::vocabulary())
}

fn spoken(parts: &[Part]) -> voice::Snapshot {
    let cache = cache();
    let _door = lock(&cache);
    let mut library = voice::Library::open(&cache, speech(), &[]).expect("a cache");
    let missing = library.prepare(parts);
    assert!(missing.is_empty(), "sentences that cannot be heard: {missing:#?}");
    library.snapshot()
}

fn lock(folder: &Path) -> File {
    let door = File::create(folder.with_extension("lock")).expect("room in target");
    door.lock().expect("a lock");
    door
}

fn speech() -> Option<voice::Engine> {
    std::env::var_os("PATH").and_then(|path| voice::Engine::find(&path))
}

/// A folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("room");
    for entry in fs::read_dir(from).expect("a folder of the repository") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("room");
        }
    }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn draw() -> Box<dyn FnMut() -> [u8; 16] + Send> {
    Box::new(|| {
        let mut octets = [0; 16];
        let read = File::open("/dev/urandom").and_then(|mut urandom| urandom.read_exact(&mut octets));
        read.expect("Linux has random numbers");
        octets
    })
}
