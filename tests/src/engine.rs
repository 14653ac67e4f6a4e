//! Cedar Family Medicine on loopback: a whole exchange with a book, keys and recordings of its own in a folder that goes
//! away. Only the spoken words are shared between tests, in `target/speech-cache`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flow::{Language, Part};
use media::Law;
use switchboard::{CallId, DeskConfig, Fact, Health, Listener, Network, Outbound, Stamped, Trunk};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{LOOPBACK, root, target, wait_for};

/// Cedar's number.
pub const NUMBER: &str = "+15125550100";
/// The number that the first doctor of Cedar's ladder answers.
pub const DOCTOR: &str = "+15125550141";

/// What differs between tests.
pub struct Setup {
    /// Where doctors' phones are rung.
    pub doctors: Option<SocketAddr>,
    /// How long a caller hears ringing.
    pub ring_before_answer: Duration,
    /// The practice whose telephone it is.
    pub practice: PathBuf,
    /// Whatever else is not as usual.
    pub tune: Tune,
}

/// A last word on the configuration, before the exchange starts with it.
pub type Tune = Box<dyn FnOnce(&mut exchange::Config)>;

impl Default for Setup {
    fn default() -> Self {
        Self {
            doctors: None,
            ring_before_answer: Duration::ZERO,
            practice: root().join("flows/cedar-family-medicine"),
            tune: Box::new(|_| ()),
        }
    }
}

/// A running engine; dropping it stops it and, in a failing test, prints what its book says.
pub struct Engine {
    runtime: Runtime,
    running: Option<exchange::Running>,
    handle: exchange::Handle,
    words: voice::Snapshot,
    key: Vec<u8>,
    house: TempDir,
}

impl Engine {
    /// Starts it and waits until it answers.
    pub fn start(setup: Setup) -> Self {
        let house = house();
        let practice = house.path().join("practice");
        copy(&setup.practice, &practice);
        let data = house.path().join("data");
        fs::create_dir_all(&data).expect("room");
        let cache = target().join("speech-cache");
        fs::create_dir_all(&cache).expect("room in target");
        std::os::unix::fs::symlink(&cache, data.join("speech")).expect("room");
        let words = speak(&practice, &cache);

        let local = SocketAddr::new(LOOPBACK, 0);
        let listener = |transport| Listener {
            transport,
            local,
            advertised: local,
        };
        let book = seal::BookKey::generate(&mut fill);
        let key = book.to_bytes().to_vec();
        let outbound = setup.doctors.map(|doctors| Outbound::at(sip::Transport::Udp, doctors));
        let trunk = Trunk::new("loopback", [Network::host(LOOPBACK)]).calling(outbound);
        let mut config = exchange::Config {
            desk: DeskConfig {
                calls_max: 100,
                media_load_max_percent: 100,
                retry_after_s: 7,
                ring_before_answer: setup.ring_before_answer,
                ladder_speed: 20,
                book_patience: Duration::from_secs(5),
                ..DeskConfig::new(
                    vec![listener(sip::Transport::Udp), listener(sip::Transport::Tcp)],
                    LOOPBACK,
                    vec![trunk],
                )
            },
            streams: exchange::StreamLimits::default(),
            floods: exchange::FloodLimits::default(),
            origins: Vec::new(),
            tls: None,
            resolver: exchange::Resolver::default(),
            trace: None,
            hep: None,
            media: exchange::Media {
                bind: LOOPBACK,
                ports: 10_000..=29_999,
                threads: 1,
            },
            labs: vec![practice.clone()],
            records: std::sync::Arc::new(switchboard::records::NotConnected),
            practices: vec![practice],
            data,
            speech: speech(),
            keys: exchange::Keys {
                book: ledger::BookKeys {
                    seal: book,
                    sign: seal::Signer::generate(&mut fill),
                },
                rows: ledger::Rows::default(),
                locks: vec![seal::RecipientSecret::generate(1, &mut fill).public()].into(),
                approvers: house.path().join("approvers"),
                agreements: house.path().join("agreements.known"),
            },
            services: Vec::new(),
            alarms: None,
            drain: Duration::from_secs(1),
            clock_ahead: jiff::SignedDuration::ZERO,
        };
        (setup.tune)(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads");
        let running = runtime.block_on(exchange::serve(config)).expect("the engine starts");
        let handle = running.handle();
        Self {
            runtime,
            running: Some(running),
            handle,
            words,
            key,
            house,
        }
    }

    /// Where it listens.
    pub fn address(&self, transport: sip::Transport) -> SocketAddr {
        let listener = self
            .handle
            .listeners()
            .iter()
            .find(|listener| listener.transport == transport);
        listener.expect("it listens on UDP and TCP").local
    }

    /// Everything that can be heard.
    pub fn words(&self) -> &voice::Snapshot {
        &self.words
    }

    /// How a sentence of the practice, or one of [`OURS`], sounds in µ-law.
    pub fn clip(&self, sentence: &str) -> Arc<[u8]> {
        let part = Part::new(sentence, Language::English);
        self.words
            .get(&part, Law::Pcmu)
            .unwrap_or_else(|| panic!("nobody says: {sentence}"))
    }

    /// What callers get when all but the telephone line is broken: the safety net.
    pub fn break_everything(&self) {
        let drill = exchange::Drill {
            known: Health {
                everything_down: true,
                ..Health::default()
            },
            ..exchange::Drill::default()
        };
        self.runtime.block_on(self.handle.drill(drill));
    }

    /// Takes no new calls from here on; those in progress go on.
    pub fn drain(&self) {
        self.runtime.block_on(self.handle.drain(Duration::ZERO));
    }

    /// Datagrams dropped because no trunk lives where they came from.
    pub fn strangers(&self) -> u64 {
        self.handle.snapshot().strangers
    }

    /// How full each part of it is.
    pub fn held(&self) -> switchboard::Counts {
        self.runtime.block_on(self.handle.held()).expect("it runs").desk
    }

    /// Its folder: book, recordings, everything it wrote.
    pub fn folder(&self) -> &Path {
        self.house.path()
    }

    /// What the book says, in order.
    pub fn facts(&self) -> Vec<Stamped> {
        let key = seal::BookKey::from_bytes(&self.key).expect("it was written by the same hand");
        let reader = ledger::Reader::open(&self.house.path().join("data/book"), key, 0).expect("a book");
        // The last row may be half written; it is read next time.
        let rows = reader.map_while(Result::ok);
        rows.map(|row| Stamped::decode(&row.body).expect("our own facts"))
            .collect()
    }

    /// Waits for a fact.
    pub fn waits_for(&self, what: &str, within: Duration, is: impl Fn(&Fact) -> bool) -> Stamped {
        wait_for(what, within, || {
            self.facts().into_iter().find(|stamped| is(&stamped.fact))
        })
    }

    /// Waits for the end of a number of calls, and gives the outcome of each; more ends than calls, or calls that
    /// end twice, fail.
    pub fn outcomes(&self, calls: usize, within: Duration) -> Vec<String> {
        let ended = |facts: &[Stamped]| -> Vec<(CallId, String)> {
            let end = |stamped: &Stamped| match &stamped.fact {
                Fact::CallEnded { outcome, .. } => Some((stamped.call.expect("a call's own fact"), outcome.clone())),
                _ => None,
            };
            facts.iter().filter_map(end).collect()
        };
        wait_for("the end of the calls", within, || {
            (ended(&self.facts()).len() >= calls).then_some(())
        });
        // A second end would come now.
        std::thread::sleep(Duration::from_millis(300));
        let ends = ended(&self.facts());
        let by_call: BTreeMap<CallId, String> = ends.iter().cloned().collect();
        assert_eq!(
            (ends.len(), by_call.len()),
            (calls, calls),
            "one outcome for each call: {ends:?}"
        );
        ends.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Waits until nothing is held any more: no call, session, leg or transaction.
    pub fn is_empty(&self, within: Duration) {
        let began = Instant::now();
        loop {
            let held = self.runtime.block_on(self.handle.held()).expect("it runs");
            if held.desk.calls == 0 && held.desk.sessions == 0 && held.desk.legs == 0 {
                return;
            }
            assert!(began.elapsed() < within, "still held after {within:?}: {held:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let of_calls: Vec<Stamped> = self
                .facts()
                .into_iter()
                .filter(|stamped| stamped.call.is_some())
                .collect();
            eprintln!("--- the book\n{}", switchboard::ladder::time_line(&of_calls));
        }
        if let Some(running) = self.running.take() {
            // A test that gets here has judged already.
            let _ = self.runtime.block_on(running.stop());
        }
    }
}

/// A folder that goes away: in memory where Linux has that. On a disk that a build beside us writes to, one sync takes
/// seconds, and what would be tried here is the engine's patience with its book, not telephones.
fn house() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// What our callers and doctors say.
pub const OURS: [&str; 4] = [
    "This is Cedar Creek Hospital about your patient Ana Rivera, born in nineteen eighty four.",
    "Her potassium is six point eight, and the laboratory has repeated it twice this evening.",
    "This is the doctor on call. Please start the calcium, and send her to us by ambulance.",
    "Ana Rivera.",
];

/// Makes every sentence audible, once for all tests: the others wait at the door.
fn speak(practice: &Path, cache: &Path) -> voice::Snapshot {
    let files = crate::texts(practice);
    let compiled = flow::compile(&flow::Folder {
        files,
        ..flow::Folder::default()
    });
    let practice = compiled
        .practice
        .unwrap_or_else(|| panic!("Cedar compiles: {:#?}", compiled.diagnostics));
    let door = File::create(cache.with_extension("lock")).expect("room in target");
    door.lock().expect("a lock");
    let mut library = voice::Library::open(cache, speech(), &[]).expect("a cache");
    let mut parts = practice.all_parts();
    parts.extend(OURS.map(|sentence| Part::new(sentence, Language::English)));
    let missing = library.prepare(&parts);
    assert!(missing.is_empty(), "sentences that cannot be heard: {missing:#?}");
    library.snapshot()
}

fn speech() -> Option<voice::Engine> {
    std::env::var_os("PATH").and_then(|path| voice::Engine::find(&path))
}

fn copy(from: &Path, to: &Path) {
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

fn fill(octets: &mut [u8]) {
    let read = File::open("/dev/urandom").and_then(|mut urandom| urandom.read_exact(octets));
    read.expect("Linux has random numbers");
}
