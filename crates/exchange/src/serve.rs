//! Putting an exchange together, and taking it apart again.
//!
//! In order: practices and the words they speak, the book, the recordings a crash left behind, what the book says is
//! unfinished, media threads, sockets last: nobody is answered before everything that answering needs is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use ledger::{Book, Committer, Index, Reader};
use ring::rand::{SecureRandom, SystemRandom};
use switchboard::{
    CallId, Desk, DeskConfig, Fact, Health, Input, Listener, Network, OpenEscalation, Stamped, Trunk, TrunkStatus,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::agreements::Agreements;
use crate::config::{Alarms, Config, Drill, Keys, Service};
use crate::history;
use crate::journal::{self, Journal, Owners};
use crate::plane::{EVENTS, Figures, Gauges, Plane, TAP_FRAMES, figures};
use crate::ports::Ports;
use crate::practices::{Gap, Loaded, Problem, Says, Seen, Shelf, Standing, gaps_of};
use crate::recorder::Recorder;
use crate::releases::Store;
use crate::resolver::Names;
use crate::signalling::{Control, Held, Loop, Tracing};
use crate::trace::{Hep, Numbers, Tap, Trace, TraceFault, TraceFigures};
use crate::transport::{Certificates, Counters, FloodLimits, Origins, Peer, TlsFault, Transports, Wires};

/// Requests to the loop from outside.
const CONTROLS: usize = 16;

/// Answers of name servers waiting for the loop.
const RESOLUTIONS: usize = 64;

/// Why an exchange does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No practice can be released; a telephone engine without one answers nobody.
    #[error("no practice can be released")]
    NoPractice(Vec<Problem>),
    /// Words cannot be spoken or kept.
    #[error("the words cannot be prepared")]
    Voice(#[from] voice::VoiceFault),
    /// The book.
    #[error("the book cannot be opened")]
    Book(#[from] ledger::Fault),
    /// The recordings.
    #[error("the recordings cannot be opened")]
    Vault(#[from] vault::Fault),
    /// A socket.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
    /// Certificates and keys.
    #[error("TLS cannot be offered")]
    Tls(#[from] TlsFault),
    /// A trace that was asked for.
    #[error("the signalling cannot be traced")]
    Trace(#[from] TraceFault),
    /// Threads, or the data folder.
    #[error("a part of the exchange cannot start or end")]
    Start(#[source] io::Error),
}

/// An exchange that answers.
pub struct Running {
    handle: Handle,
    problems: Vec<Problem>,
    signalling: JoinHandle<()>,
    committer: Committer,
    drain: Duration,
}

/// What may be asked of a running exchange, from anywhere.
#[derive(Clone)]
pub struct Handle {
    control: mpsc::Sender<Control>,
    reload: std::sync::mpsc::SyncSender<Reload>,
    standings: watch::Receiver<Arc<[Standing]>>,
    house: watch::Receiver<Arc<[String]>>,
    listeners: Arc<[Listener]>,
    trunks: Arc<[String]>,
    gauges: Arc<[Arc<Gauges>]>,
    counters: Arc<Counters>,
    certificates: Arc<Certificates>,
    book: ledger::Door,
    index: Index,
    drained: watch::Receiver<bool>,
}

/// Figures for metrics.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The media threads, added up.
    pub media: Figures,
    /// The book's committer.
    pub book: ledger::Measures,
    /// Datagrams and connections of strangers, dropped unread; what the kernel dropped on our UDP sockets included.
    pub strangers: u64,
    /// Messages dropped because their sender sends more than its share.
    pub flooded: u64,
    /// Connections ended because a handshake, a message or a write took too long.
    pub connections_slow: u64,
    /// Datagrams and connections that were not SIP.
    pub garbage: u64,
    /// TLS handshakes that failed.
    pub handshakes_failed: u64,
    /// Answers that a stranger did not get, being one too many.
    pub answers_withheld: u64,
    /// Connections refused by a limit.
    pub connections_refused: u64,
    /// Datagrams the kernel would not take.
    pub datagrams_unsent: u64,
}

/// Somebody wants the practices read again, and to hear what is wrong with them.
type Reload = oneshot::Sender<Result<Vec<Problem>, voice::VoiceFault>>;

/// What the blocking part of the start gives.
struct Prepared {
    shelf: Shelf,
    seen: Seen,
    loaded: Loaded,
    book: Book,
    index: Index,
    vault: vault::Vault,
    shelf_of_recordings: vault::Vault,
    escalations: Vec<OpenEscalation>,
    settled: Vec<CallId>,
    owners: Owners,
}

/// Starts an exchange on the runtime this is called on.
pub async fn serve(config: Config) -> Result<Running, Fault> {
    raise_file_limit();
    let Config {
        mut desk,
        streams,
        floods,
        origins,
        tls,
        resolver,
        trace,
        hep,
        media,
        practices,
        labs,
        data,
        speech,
        keys,
        records,
        services,
        alarms,
        drain,
        clock_ahead,
    } = config;
    let agreements = Agreements::new(data.clone(), keys.book.seal.clone(), keys.agreements.clone());
    let releases = Store::new(data.join("releases"), keys.approvers.clone());
    let ground = tokio::task::spawn_blocking(move || Ground::under(data)).await;
    let Ground {
        data,
        spoken,
        elsewhere,
    } = ground.map_err(|fault| Fault::Start(io::Error::other(fault)))??;
    let shelf = Shelf::new(practices, spoken, speech)
        .with_releases(releases, labs)
        .with_agreements(agreements);
    // The report card speaks to engineers in words of its own.
    let shelf = if desk.trunks.iter().any(|trunk| trunk.report_card.is_some()) {
        shelf.with_words(switchboard::card::vocabulary())
    } else {
        shelf
    };
    let prepared = tokio::task::spawn_blocking(move || prepare(shelf, &data, keys)).await;
    let prepared = prepared.map_err(|fault| Fault::Start(io::Error::other(fault)))??;

    let (done, outcomes) = journal::outcomes();
    let committer = Committer::start(prepared.book, Some(prepared.index.clone()), done)?;
    let (events, media_events) = mpsc::channel(EVENTS);
    let (tap, taps) = sync_channel(TAP_FRAMES);
    let recorder =
        Recorder::start(prepared.vault, prepared.shelf_of_recordings, taps, events.clone()).map_err(Fault::Start)?;
    let plane = Plane::start(media.thread_count(), events, tap).map_err(Fault::Start)?;
    let gauges: Arc<[Arc<Gauges>]> = plane.gauges().into();

    let certificates = Arc::new(Certificates::read(tls.unwrap_or_default())?);
    // A collector is told numbers while the agreement with it holds (ADM-03).
    let wants_numbers = hep.clone().filter(|hep| hep.numbers == Numbers::Shown);
    let collector = wants_numbers.map(|hep| {
        let shown = prepared.shelf.may_carry(hep.agreement.as_deref(), Timestamp::now());
        (hep, shown)
    });
    let hep = match &collector {
        Some((hep, shown)) => Some(told_as(hep, *shown)),
        None => hep,
    };
    let traced: Vec<Fact> = trace
        .iter()
        .map(|trace| ("files", trace.numbers, trace.trunk.clone()))
        .chain(hep.iter().map(|hep| ("collector", hep.numbers, None)))
        .map(|(into, numbers, trunk)| Fact::TraceBegan {
            into: into.into(),
            numbers_shown: numbers == Numbers::Shown,
            trunk,
        })
        .collect();
    let trunks: Arc<[String]> = desk.trunks.iter().map(|trunk| trunk.id.clone()).collect();
    let trace_only = match &trace {
        Some(trace) => only(&trunks, trace)?.map(|(trunk, _)| trunk),
        None => None,
    };
    let (trace, hep) = (trace.map(Tap::files).transpose()?, hep.map(Tap::collector).transpose()?);
    let wires = Wires {
        peers: peers(&desk),
        streams,
        floods: FloodLimits {
            // A trunk without a network proves itself by digest, from wherever it is; so strangers must be heard.
            hear_strangers: floods.hear_strangers
                || desk
                    .trunks
                    .iter()
                    .any(|trunk| trunk.sources.is_empty() && trunk.inbound_digest.is_some()),
            ..floods
        },
        certificates: certificates.clone(),
        origins: Origins::new(origins),
    };
    let (transports, listeners, arrivals) = Transports::bind(&desk.signalling, wires).await.map_err(Fault::Listen)?;
    desk.signalling = listeners.clone();
    let counters = transports.counters();
    let mut desk = Desk::new(desk, draw(), draw(), Instant::now(), ahead(clock_ahead));
    let told = Told::default();
    let (said, told) = told.facts(&prepared.loaded);
    let (house_sender, house) = watch::channel(Arc::from([]));
    let (standings_sender, standings) = watch::channel(prepared.loaded.standings.into());
    desk.handle(Instant::now(), Input::Practices(prepared.loaded.released));

    let (control, controls) = mpsc::channel(CONTROLS);
    let (drained_sender, drained) = watch::channel(false);
    let mut journal = Journal::new(committer.door(), prepared.owners);
    let elsewhere = elsewhere.map(|what| Fact::HouseAlarm { what });
    for fact in elsewhere.into_iter().chain(traced).chain(said) {
        journal.note(&Stamped {
            call: None,
            at: Timestamp::now(),
            fact,
        });
    }
    let (resolved, resolutions) = mpsc::channel(RESOLUTIONS);
    let (records_answered, records_answers) = mpsc::channel(RESOLUTIONS);
    let signalling = Loop {
        desk,
        transports,
        names: Names::open(&resolver),
        resolved,
        resolutions,
        records: crate::records::Door::new(records),
        records_answered,
        records_answers,
        records_of: std::collections::BTreeSet::new(),
        practices: prepared.loaded.asking,
        arrivals,
        plane: Some(plane),
        recorder,
        media_events,
        ports: Ports::new(media.bind, media.ports, draw_number()),
        clips: prepared.loaded.clips,
        journal,
        trace,
        trace_only,
        hep,
        outcomes,
        control: controls,
        drained: drained_sender,
        draw: draw(),
        health: Health::default(),
        drill: Drill::default(),
        clock_ahead,
        draining: false,
        unfinished: prepared.escalations,
        settled: prepared.settled,
    };
    let signalling = tokio::spawn(signalling.run());
    let reloading = Reloading {
        shelf: prepared.shelf,
        told,
        standings: standings_sender,
        house: house_sender,
        certificates: certificates.clone(),
        services,
        collector,
        others: alarms,
        others_said: Vec::new(),
        control: control.clone(),
    };
    let handle = Handle {
        reload: reloader(reloading, prepared.seen).map_err(Fault::Start)?,
        standings,
        house,
        control,
        listeners: listeners.into(),
        trunks,
        gauges,
        counters,
        certificates,
        book: committer.door(),
        index: prepared.index,
        drained,
    };
    Ok(Running {
        handle,
        problems: prepared.loaded.problems,
        signalling,
        committer,
        drain,
    })
}

impl Running {
    /// What may be asked while it runs.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What was wrong with the practices at the start, and kept none of those that run from running.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Takes no new calls, waits for those in progress as long as the configuration allows, and ends. True when every
    /// call had ended by itself.
    pub async fn drain(self) -> Result<bool, Fault> {
        let finished = self.handle.drain(self.drain).await;
        self.stop().await?;
        Ok(finished)
    }

    /// Ends now: calls are cut, recordings sealed, the book closed.
    pub async fn stop(self) -> Result<(), Fault> {
        let Self {
            handle,
            signalling,
            committer,
            ..
        } = self;
        // A loop that has ended takes no order to end.
        let _ = handle.control.send(Control::Stop).await;
        if let Err(fault) = signalling.await {
            tracing::error!(%fault, "signalling did not end in order");
        }
        drop(handle);
        let closed = tokio::task::spawn_blocking(move || -> Result<(), Fault> {
            let mut book = committer
                .finish()
                .map_err(|fault| Fault::Start(io::Error::other(fault)))?;
            book.append(&[Owners::default().entry(&Stamped {
                call: None,
                at: Timestamp::now(),
                fact: Fact::Stopped,
            })])?;
            book.close()?;
            Ok(())
        });
        closed.await.map_err(|fault| Fault::Start(io::Error::other(fault)))?
    }
}

impl Handle {
    /// Our sockets, as they were bound.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// What is held now; `None` once the exchange has ended.
    pub async fn held(&self) -> Option<Held> {
        let (answer, held) = oneshot::channel();
        self.control.send(Control::Count(answer)).await.ok()?;
        held.await.ok()
    }

    /// Every trunk as it is now, in the order of the configuration; `None` once the exchange has ended.
    pub async fn trunks(&self) -> Option<Vec<TrunkStatus>> {
        let (answer, told) = oneshot::channel();
        self.control.send(Control::Trunks(answer)).await.ok()?;
        told.await.ok()
    }

    /// Behaves from here on as if this were broken, for a rehearsal of what callers get then.
    pub async fn drill(&self, broken: Drill) {
        // An exchange that has ended serves nobody, broken or not.
        let _ = self.control.send(Control::Drill(broken)).await;
    }

    /// Writes into the book that the house cannot do something it should, from a thread that may wait for it.
    pub fn alarm(&self, what: String) {
        tracing::error!(%what, "alarm");
        let note = Control::Note(vec![Fact::HouseAlarm { what }]);
        if self.control.blocking_send(note).is_err() {
            tracing::debug!("the exchange has ended meanwhile");
        }
    }

    /// Figures for metrics.
    pub fn snapshot(&self) -> Snapshot {
        use std::sync::atomic::Ordering::Relaxed;
        Snapshot {
            media: figures(&self.gauges),
            book: self.book.measures(),
            strangers: self.counters.strangers(),
            flooded: self.counters.flooded.load(Relaxed),
            connections_slow: self.counters.slow.load(Relaxed),
            garbage: self.counters.garbage.load(Relaxed),
            handshakes_failed: self.counters.handshakes.load(Relaxed),
            answers_withheld: self.counters.unanswered.load(Relaxed),
            connections_refused: self.counters.refused.load(Relaxed),
            datagrams_unsent: self.counters.unsent.load(Relaxed),
        }
    }

    /// Refuses new calls (503, OPTIONS too) and waits at most `patience` for those in progress. True when none is left.
    pub async fn drain(&self, patience: Duration) -> bool {
        if self.control.send(Control::Drain).await.is_err() {
            return true;
        }
        let mut drained = self.drained.clone();
        let all_ended = drained.wait_for(|drained| *drained);
        tokio::time::timeout(patience, all_ended)
            .await
            .is_ok_and(|waited| waited.is_ok())
    }

    /// Reads the practices again. New calls take what works; what does not keeps its release, and is told.
    pub async fn reload(&self) -> Result<Vec<Problem>, voice::VoiceFault> {
        let (answer, told) = oneshot::channel();
        let reload = self.reload.clone();
        // The reader of practices is a thread, and may be in the middle of speaking.
        let sent = tokio::task::spawn_blocking(move || reload.send(answer)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return Ok(Vec::new());
        }
        told.await.unwrap_or_else(|_| Ok(Vec::new()))
    }

    /// What callers of each practice hear now, and what keeps the last change of it from them.
    pub fn practices(&self) -> Arc<[Standing]> {
        self.standings.borrow().clone()
    }

    /// What somebody must see to that concerns the house, and no practice's words: agreements, keys and certificates that
    /// end, broken glass, incidents.
    pub fn alarms(&self) -> Arc<[String]> {
        self.house.borrow().clone()
    }

    /// Reads certificates, keys and authorities again: handshakes from here on take them, connections that stand keep
    /// what they have. Files with a fault change nothing.
    pub async fn reload_certificates(&self) -> Result<(), TlsFault> {
        let certificates = self.certificates.clone();
        let read = tokio::task::spawn_blocking(move || certificates.reload());
        // A reader that panicked has changed nothing.
        read.await.unwrap_or(Err(TlsFault::NotConfigured))
    }

    /// When the first of our certificates ends, if there is one.
    pub fn certificate_ends(&self) -> Option<Timestamp> {
        self.certificates.ends()
    }

    /// Traces the signalling into files from now on. A trace in progress ends first.
    pub async fn trace(&self, trace: Trace) -> Result<(), TraceFault> {
        let numbers_shown = trace.numbers == Numbers::Shown;
        let only = only(&self.trunks, &trace)?;
        let tap = tokio::task::spawn_blocking(move || Tap::files(trace)).await;
        let tap = tap.map_err(|fault| TraceFault::Thread(io::Error::other(fault)))??;
        let tracing = Tracing {
            tap,
            numbers_shown,
            only,
        };
        self.retrace(Some(tracing)).await.map(drop)
    }

    /// Ends the trace into files; what it has taken is written when this returns. `None` when there was none.
    pub async fn end_trace(&self) -> Result<Option<TraceFigures>, TraceFault> {
        self.retrace(None).await
    }

    /// What the trace into files has taken so far.
    pub async fn traced(&self) -> Option<TraceFigures> {
        let (answer, told) = oneshot::channel();
        self.control.send(Control::Traced(answer)).await.ok()?;
        told.await.ok()?
    }

    async fn retrace(&self, tracing: Option<Tracing>) -> Result<Option<TraceFigures>, TraceFault> {
        let (answer, told) = oneshot::channel();
        let sent = self.control.send(Control::Trace(tracing, answer)).await;
        sent.map_err(|_| TraceFault::Ended)?;
        let Some(before) = told.await.map_err(|_| TraceFault::Ended)? else {
            return Ok(None);
        };
        let ended = tokio::task::spawn_blocking(move || before.end()).await;
        ended
            .map(Some)
            .map_err(|fault| TraceFault::Thread(io::Error::other(fault)))
    }

    /// The book's door, for facts of other rooms and for access rows.
    pub fn book(&self) -> &ledger::Door {
        &self.book
    }

    /// The index over the book.
    pub fn index(&self) -> &Index {
        &self.index
    }
}

/// The one trunk a trace is of, by its place among the trunks.
fn only(trunks: &[String], trace: &Trace) -> Result<Option<(usize, String)>, TraceFault> {
    let Some(name) = &trace.trunk else { return Ok(None) };
    match trunks.iter().position(|known| known == name) {
        Some(at) => Ok(Some((at, name.clone()))),
        None => Err(TraceFault::NoSuchTrunk(name.clone())),
    }
}

/// Where an engine keeps what it must not lose.
struct Ground {
    data: PathBuf,
    /// Sentences spoken before; they are of use where nothing new can be kept.
    spoken: PathBuf,
    /// Why it is not where the configuration says.
    elsewhere: Option<String>,
}

impl Ground {
    /// The data folder; or, when nothing can be written there, a folder of our own among the temporary ones: sealed all the
    /// same, and better than a telephone nobody answers (T1).
    fn under(data: PathBuf) -> Result<Self, Fault> {
        let spoken = data.join("speech");
        let Err(fault) = try_to_write(&data) else {
            return Ok(Self {
                data,
                spoken,
                elsewhere: None,
            });
        };
        let name = format!("nightdesk-{}", seal::keys::hex(&draw()()));
        let spare = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&spare)
            .map_err(Fault::Start)?;
        try_to_write(&spare).map_err(Fault::Start)?;
        let elsewhere = format!(
            "nothing can be written to {} ({fault}): the book and recordings are kept in {} until the engine starts again on a \
             disk that takes them",
            data.display(),
            spare.display()
        );
        Ok(Self {
            spoken: if spoken.is_dir() { spoken } else { spare.join("speech") },
            data: spare,
            elsewhere: Some(elsewhere),
        })
    }
}

/// As the book writes: a file, to the disk itself.
fn try_to_write(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let probe = folder.join(".probe");
    let mut file = std::fs::File::create(&probe)?;
    file.write_all(b"nightdesk")?;
    file.sync_all()?;
    std::fs::remove_file(probe)
}

/// Everything that may take its time: disk, speech.
fn prepare(mut shelf: Shelf, data: &Path, keys: Keys) -> Result<Prepared, Fault> {
    // Looked at before it is read: what is edited in between is seen as a change.
    let seen = shelf.look();
    let loaded = shelf.load()?;
    // What is serious is told as an alarm, once there is a book.
    for problem in loaded.problems.iter().filter(|problem| !problem.serious) {
        tracing::warn!(folder = %problem.folder.display(), what = problem.what, "practice");
    }
    if loaded.released.is_empty() {
        return Err(Fault::NoPractice(loaded.problems));
    }

    let mut book = Book::open(data.join("book"), keys.book, draw())?.with(keys.rows);
    if let Some(damage) = &book.opening().damage {
        tracing::error!(
            ?damage,
            "the book is not as it was written; it goes on in a new segment"
        );
    }
    let mut reader: Reader = book.read(0)?;
    let mut index = Index::open(data.join("index"), &mut reader)?;
    index.catch_up(&mut reader)?;

    let vault_folder = data.join("recordings");
    let vault = vault::Vault::open(&vault_folder, keys.locks.clone(), draw())?;
    let shelf_of_recordings = vault::Vault::open(&vault_folder, keys.locks, draw())?;

    let now = Timestamp::now();
    let unfinished = history::unfinished(&index, &reader, now);
    if unfinished.unreadable > 0 {
        tracing::error!(rows = unfinished.unreadable, "rows of the book cannot be read");
    }
    let (interrupted, trouble) = vault.recover()?;
    for trouble in trouble {
        tracing::error!(path = %trouble.path.display(), fault = %trouble.fault, "not a recording");
    }
    let mut owners = Owners::default();
    let ringing = unfinished
        .escalations
        .iter()
        .map(|open| (open.call, open.practice.clone()));
    let died = unfinished.outcomes.iter().filter_map(|outcome| outcome.call);
    let died = died.chain(interrupted.iter().map(|found| CallId(found.call)));
    let died = died.filter_map(|call| Some((call, history::practice_of(&index, &reader, call)?)));
    for (call, practice) in ringing.chain(died) {
        owners.remember(call, &practice);
    }
    let interrupted = interrupted.into_iter().map(|found| Stamped {
        call: Some(CallId(found.call)),
        at: now,
        fact: Fact::RecordingInterrupted {
            recording: CallId(found.id.0),
            chunks: u64::from(found.chunks),
            sha256: seal::keys::hex(&found.sha256),
        },
    });
    let started = Stamped {
        call: None,
        at: now,
        fact: Fact::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    };
    let facts: Vec<ledger::Entry> = std::iter::once(started)
        .chain(interrupted)
        .chain(unfinished.outcomes)
        .map(|fact| owners.entry(&fact))
        .collect();
    if let Err(fault) = book.append(&facts) {
        // The telephone is answered even so; the committer will say for each call that the book is down.
        tracing::error!(%fault, "the book cannot be written");
    }
    Ok(Prepared {
        shelf,
        seen,
        loaded,
        book,
        index,
        vault,
        shelf_of_recordings,
        escalations: unfinished.escalations,
        settled: unfinished.settled,
        owners,
    })
}

/// How often files and releases are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often the shifts are looked ahead in while nothing is edited.
const LOOK_AHEAD_EVERY: Duration = Duration::from_secs(15 * 60);

/// People who want the practices read again at once; whoever comes then waits.
const RELOADS: usize = 4;

/// The thread that reads practices again: when asked, when a file was edited, when a release was made or its time has come.
/// Speaking new sentences takes seconds, and here nobody waits for them.
fn reloader(mut reloading: Reloading, seen: Seen) -> io::Result<std::sync::mpsc::SyncSender<Reload>> {
    let (requests, asked) = sync_channel::<Reload>(RELOADS);
    std::thread::Builder::new().name("practices".into()).spawn(move || {
        let mut read = seen;
        let mut before = read.clone();
        let mut looked_ahead = Instant::now();
        reloading.ask_others(Timestamp::now());
        while !reloading.control.is_closed() {
            reloading.look_after_the_house(Timestamp::now());
            if looked_ahead.elapsed() >= LOOK_AHEAD_EVERY {
                looked_ahead = Instant::now();
                reloading.look_ahead(Timestamp::now());
                reloading.ask_others(Timestamp::now());
            }
            match asked.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(answer) => {
                    before = reloading.shelf.look();
                    read = before.clone();
                    // Whoever asked may not wait for the answer.
                    let _ = answer.send(reloading.reload());
                    // Keys may have been provisioned.
                    reloading.ask_others(Timestamp::now());
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = reloading.shelf.look();
                    let overtaken = reloading.shelf.is_overtaken(Timestamp::now());
                    // An editor may be in the middle of writing: only what has come to rest is read.
                    let at_rest = now == before;
                    before = now;
                    if !at_rest || (before == read && !overtaken) {
                        continue;
                    }
                    read = before.clone();
                    match reloading.reload() {
                        Ok(problems) => tracing::info!(problems = problems.len(), "practices were read again"),
                        Err(fault) => tracing::error!(%fault, "practices were not read again"),
                    }
                }
            }
        }
    })?;
    Ok(requests)
}

/// Everything a reading of practices has to do with.
struct Reloading {
    shelf: Shelf,
    told: Told,
    standings: watch::Sender<Arc<[Standing]>>,
    house: watch::Sender<Arc<[String]>>,
    certificates: Arc<Certificates>,
    services: Vec<Service>,
    /// A collector that is to see numbers, and whether it does.
    collector: Option<(Hep, bool)>,
    /// Who knows what the engine cannot see itself.
    others: Option<Alarms>,
    /// What they said last.
    others_said: Vec<String>,
    control: mpsc::Sender<Control>,
}

impl Reloading {
    fn ask_others(&mut self, now: Timestamp) {
        self.others_said = self
            .others
            .as_ref()
            .map(|others| others(&self.shelf.with_patients(), now))
            .unwrap_or_default();
    }

    /// Numbers are masked from the moment on at which nobody vouches any more for who sees them.
    fn look_after_the_collector(&mut self, now: Timestamp) {
        let Some((hep, shown)) = &mut self.collector else {
            return;
        };
        let may = self.shelf.may_carry(hep.agreement.as_deref(), now);
        if may == *shown {
            return;
        }
        match Tap::collector(told_as(hep, may)) {
            Ok(tap) => {
                *shown = may;
                let changed = Control::Collector {
                    tap,
                    numbers_shown: may,
                };
                if self.control.blocking_send(changed).is_err() {
                    tracing::debug!("the exchange has ended meanwhile");
                }
            }
            Err(fault) => tracing::error!(%fault, "the collector is sent what it was sent before"),
        }
    }

    /// What somebody must see to in the house: each is told once, and shown as long as it stands.
    fn look_after_the_house(&mut self, now: Timestamp) {
        self.look_after_the_collector(now);
        let mut alarms = self.shelf.alarms(&self.services, now);
        alarms.extend(crate::watch::certificate(self.certificates.ends(), now));
        alarms.extend(self.others_said.iter().cloned());
        if alarms == self.told.house {
            return;
        }
        let new = alarms.difference(&self.told.house);
        let facts: Vec<Fact> = new.map(|what| Fact::HouseAlarm { what: what.clone() }).collect();
        self.house.send_replace(alarms.iter().cloned().collect());
        self.told.house = alarms;
        if !facts.is_empty() && self.control.blocking_send(Control::Note(facts)).is_err() {
            tracing::debug!("the exchange has ended meanwhile");
        }
    }

    fn reload(&mut self) -> Result<Vec<Problem>, voice::VoiceFault> {
        let loaded = self.shelf.load()?;
        let facts;
        (facts, self.told) = std::mem::take(&mut self.told).facts(&loaded);
        let Loaded {
            released,
            asking,
            standings,
            clips,
            problems,
            gaps: _,
        } = loaded;
        self.standings.send_replace(standings.into());
        // Nothing at all to say is a slip of the hand on the folder, not a wish to answer nobody.
        let release = Control::Release {
            practices: Some(released).filter(|released| !released.is_empty()),
            asking,
            clips,
            facts,
        };
        if self.control.blocking_send(release).is_err() {
            tracing::debug!("the exchange has ended meanwhile");
        }
        Ok(problems)
    }

    /// Gaps in the shifts come nearer although nobody edits anything.
    fn look_ahead(&mut self, now: Timestamp) {
        let gaps = self.shelf.gaps(now);
        self.standings.send_if_modified(|standings| {
            let mut fresh = standings.to_vec();
            for standing in &mut fresh {
                standing.gaps = gaps_of(&gaps, &standing.folder);
            }
            let changed = **standings != *fresh;
            *standings = fresh.into();
            changed
        });
        let facts = self.told.gaps(gaps);
        if !facts.is_empty() && self.control.blocking_send(Control::Note(facts)).is_err() {
            tracing::debug!("the exchange has ended meanwhile");
        }
    }
}

/// A collector that may see numbers, or may not.
fn told_as(hep: &Hep, shown: bool) -> Hep {
    Hep {
        numbers: if shown { Numbers::Shown } else { Numbers::Masked },
        ..hep.clone()
    }
}

/// What the book was told of the practices, so that it is told once.
#[derive(Default)]
struct Told {
    says: BTreeMap<PathBuf, Says>,
    wrong: BTreeSet<(PathBuf, String)>,
    gaps: Vec<Gap>,
    house: BTreeSet<String>,
}

impl Told {
    /// What is new: words that callers hear from here on, and faults nobody was told of.
    fn facts(self, loaded: &Loaded) -> (Vec<Fact>, Self) {
        let mut facts = Vec::new();
        let mut now = Self::default();
        for standing in &loaded.standings {
            if self.says.get(&standing.folder) != Some(&standing.says) {
                facts.push(Fact::Released {
                    practice: standing.practice.clone(),
                    says: match &standing.says {
                        // Whole, not as people read it to each other: the book is evidence.
                        Says::Release(fingerprint) => format!("release {fingerprint}"),
                        other => other.to_string(),
                    },
                });
            }
            now.says.insert(standing.folder.clone(), standing.says.clone());
            for what in &standing.wrong {
                let known = (standing.folder.clone(), what.clone());
                if !self.wrong.contains(&known) {
                    facts.push(Fact::PracticeAlarm {
                        practice: standing.practice.clone(),
                        what: what.clone(),
                    });
                }
                now.wrong.insert(known);
            }
        }
        // Folders that hold no practice anybody could name.
        let nameless = |problem: &&Problem| {
            problem.serious
                && !loaded
                    .standings
                    .iter()
                    .any(|standing| standing.folder == problem.folder)
        };
        for problem in loaded.problems.iter().filter(nameless) {
            let known = (problem.folder.clone(), problem.what.clone());
            if !self.wrong.contains(&known) {
                facts.push(Fact::PracticeAlarm {
                    practice: problem.folder.display().to_string(),
                    what: problem.what.clone(),
                });
            }
            now.wrong.insert(known);
        }
        now.gaps = self.gaps;
        now.house = self.house;
        facts.extend(now.gaps(loaded.gaps.clone()));
        (facts, now)
    }

    /// Gaps nobody was told of. One that was filled and opens again is told again.
    fn gaps(&mut self, gaps: Vec<Gap>) -> Vec<Fact> {
        let new = gaps.iter().filter(|gap| !self.gaps.iter().any(|told| told.covers(gap)));
        let facts = new.map(|gap| Fact::PracticeAlarm {
            practice: gap.practice.clone(),
            what: gap.what.clone(),
        });
        let facts = facts.collect();
        self.gaps = gaps;
        facts
    }
}

/// A call holds two sockets, a bridged one four; the limit a shell gives (1,024) would be full at a few hundred calls.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current < limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!(files = ?limit.current, "the limit of open files stays; it bounds the calls");
    }
}

/// Who the trunks are to the sockets: every network one may talk from, the hosts we send to among them, and the names
/// it may prove instead.
fn peers(desk: &DeskConfig) -> Vec<Peer> {
    let peer = |trunk: &Trunk| {
        let targets = trunk.outbound.iter().flat_map(|outbound| &outbound.targets);
        let hosts = targets.filter_map(|target| target.host.ip()).map(Network::host);
        Peer {
            networks: trunk.sources.iter().copied().chain(hosts).collect(),
            names: trunk.client_names.clone(),
        }
    };
    desk.trunks.iter().map(peer).collect()
}

/// The clock that calls live by, so far ahead of the machine's.
pub(crate) fn ahead(clock_ahead: SignedDuration) -> Timestamp {
    let now = Timestamp::now();
    now.checked_add(clock_ahead).unwrap_or(now)
}

/// Sixteen octets nobody can guess, again and again.
pub(crate) fn draw() -> sip::Draw {
    let random = SystemRandom::new();
    Box::new(move || {
        let mut octets = [0; 16];
        random
            .fill(&mut octets)
            .expect("the kernel's generator never fails once the machine is up");
        octets
    })
}

fn draw_number() -> Box<dyn FnMut() -> u64 + Send> {
    let mut draw = draw();
    Box::new(move || {
        let [a, b, c, d, e, f, g, h, ..] = draw();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Primary but for a day; the shelf is read in another year, in which nobody is listed at all.
    const LIST: &str = "zone: America/Chicago
primary | Dr. Okafor | 2029-12-01 08:00 | 2030-01-12 08:00
primary | Dr. Okafor | 2030-01-13 08:00 | 2030-03-01 08:00
backup | Dr. Lindqvist | every Monday to Sunday 08:00 | 08:00
";

    #[test]
    fn a_gap_that_comes_near_is_told_once_though_nobody_edits() {
        let folder = tempfile::tempdir().expect("a folder");
        let practice = folder.path().join("cedar");
        std::fs::create_dir(&practice).expect("a folder");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/cedar-family-medicine");
        for entry in std::fs::read_dir(shipped).expect("shipped").flatten() {
            if entry.path().extension().is_some_and(|kind| kind == "yaml") {
                std::fs::copy(entry.path(), practice.join(entry.file_name())).expect("copied");
            }
        }
        std::fs::write(practice.join("on-call.txt"), LIST).expect("written");
        let shelf = Shelf::new(vec![practice], folder.path().join("speech"), None);
        let (control, mut controls) = mpsc::channel(4);
        let (standings, seen) = watch::channel(Arc::from([]));
        let mut reloading = Reloading {
            shelf,
            told: Told::default(),
            standings,
            house: watch::channel(Arc::from([])).0,
            certificates: Arc::new(Certificates::read(crate::transport::Tls::default()).expect("the system's")),
            services: Vec::new(),
            collector: None,
            others: None,
            others_said: Vec::new(),
            control,
        };
        reloading.reload().expect("a cache folder");
        let alarms = |facts: Vec<Fact>| -> Vec<String> {
            let alarms = facts.into_iter().filter_map(|fact| match fact {
                Fact::PracticeAlarm { what, .. } => Some(what),
                _ => None,
            });
            alarms.collect()
        };
        match controls.try_recv().expect("what was read") {
            Control::Release { facts, .. } => {
                let told = alarms(facts);
                assert!(told[0].starts_with("nobody is listed as primary now, nor"), "{told:?}");
                assert_eq!(told.len(), 1);
            }
            other => panic!("not a release: {other:?}"),
        }
        let mut looks = |at: &str| {
            reloading.look_ahead(at.parse().expect("a time"));
            let told = match controls.try_recv() {
                Ok(Control::Note(facts)) => alarms(facts),
                _ => Vec::new(),
            };
            (told, seen.borrow()[0].gaps.len())
        };
        assert_eq!(looks("2030-01-05T18:00:00Z"), (Vec::new(), 0));
        let (told, shown) = looks("2030-01-10T18:00:00Z");
        assert!(
            told[0].contains("from Saturday, January 12, 8:00 am to Sunday"),
            "{told:?}"
        );
        assert_eq!((told.len(), shown), (1, 1));
        assert_eq!(looks("2030-01-10T18:15:00Z"), (Vec::new(), 1));
        assert_eq!(
            looks("2030-01-12T18:00:00Z"),
            (Vec::new(), 1),
            "it has begun, and is known"
        );
        assert_eq!(looks("2030-01-14T18:00:00Z"), (Vec::new(), 0));
        assert_eq!(looks("2030-02-27T18:00:00Z").0.len(), 1, "another one");
    }
}
