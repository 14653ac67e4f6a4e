//! The book's own thread: takes what has gathered, writes and syncs it once, answers each ticket.
//!
//! Whoever hands in a ticket never waits, and always gets an answer: positions, or [`NotRecorded`] when the disk
//! refuses, hangs longer than [`STALL_MAX`], or more has gathered than is kept. Two threads make that true: one holds
//! the tickets and the clock, the other may be stuck in a system call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::book::{CHECKPOINT_MS_MAX, access_entry, fits};
use crate::{Access, Book, Checkpoint, Class, Entry, Fault, Index, Position, Receipt};

/// Most submissions waiting to be written.
pub const QUEUE_MAX: usize = 8192;
/// Most rows in one batch.
const BATCH_ROWS_MAX: usize = 2048;
/// How long a batch is left open for others to join, when the book is quiet: whoever records alone is answered at once.
const GATHER: Duration = Duration::from_millis(1);
/// The same when the book is busy: it was written to less than [`BUSY`] ago, and a sync for each row would cost more
/// than the calls themselves.
const GATHER_BUSY: Duration = Duration::from_millis(25);
const BUSY: Duration = Duration::from_millis(60);
/// How long rows gather before the index follows: it is read by people, and a barrier of its own for every row would cost
/// more than the rows.
const INDEX_GATHER: Duration = Duration::from_secs(2);
/// How long the disk may hang before what waits for it is answered with [`NotRecorded::Stalled`].
pub const STALL_MAX: Duration = Duration::from_secs(5);

/// Why something was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// What was refused has no receipt.
    #[error("a refused access has no receipt")]
    Refused,
    /// The disk refused.
    #[error("the disk refused the row")]
    Disk,
    /// The disk does not answer. The row may still come to be written.
    #[error("the disk does not answer")]
    Stalled,
    /// More is waiting than is kept.
    #[error("too much is waiting to be written")]
    Full,
    /// A row beyond its limits.
    #[error("the row is too long")]
    TooLong,
    /// The committer has been finished.
    #[error("the book is closed")]
    Closed,
}

/// The thread that owns a [`Book`], and perhaps the [`Index`] over it.
pub struct Committer {
    door: Door,
    front: JoinHandle<()>,
    back: JoinHandle<Book>,
    indexer: Option<JoinHandle<()>>,
}

/// Where rows are handed in. Clone it for every thread that has some.
#[derive(Clone)]
pub struct Door {
    queue: SyncSender<Work>,
    shared: Arc<Shared>,
}

/// How the committer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measures {
    /// Batches written.
    pub batches: u64,
    /// Rows written.
    pub rows: u64,
    /// Submissions answered with [`NotRecorded`].
    pub refused: u64,
    /// Longest write and sync so far, microseconds.
    pub longest_us: u64,
    /// All writes and syncs together, microseconds.
    pub total_us: u64,
    /// The disk is not answering right now.
    pub stalled: bool,
    /// Rows the index has.
    pub indexed: u64,
    /// Times the index could not be brought up to date.
    pub index_failures: u64,
}

#[derive(Default)]
struct Shared {
    batches: AtomicU64,
    rows: AtomicU64,
    refused: AtomicU64,
    longest_us: AtomicU64,
    total_us: AtomicU64,
    stalled: AtomicBool,
    indexed: AtomicU64,
    index_failures: AtomicU64,
}

enum Work {
    Rows {
        ticket: u64,
        entries: Vec<Entry>,
    },
    Access {
        access: Box<Access>,
        answer: SyncSender<Result<Receipt, NotRecorded>>,
    },
    Checkpoint {
        answer: SyncSender<Result<Option<Checkpoint>, NotRecorded>>,
    },
    Finish,
}

/// Who is to be told about a part of a batch.
enum Waiting {
    Ticket {
        ticket: u64,
        rows: usize,
    },
    Access {
        object: [u8; 16],
        answer: SyncSender<Result<Receipt, NotRecorded>>,
    },
    Checkpoint {
        answer: SyncSender<Result<Option<Checkpoint>, NotRecorded>>,
    },
}

enum Order {
    Write(Vec<(Class, Entry)>),
    Checkpoint,
}

/// What the writing thread says: positions, or that the disk refused; and the newest checkpoint when asked for one.
type Written = Result<(Vec<Position>, Option<Checkpoint>), NotRecorded>;

impl Committer {
    /// Starts the threads. `done` is called with every ticket exactly once, on the committer's thread: hand the answer
    /// on, do not work there.
    pub fn start(
        book: Book,
        index: Option<Index>,
        done: impl FnMut(u64, Result<Vec<Position>, NotRecorded>) + Send + 'static,
    ) -> Result<Self, Fault> {
        let shared = Arc::new(Shared::default());
        let (queue, work) = sync_channel(QUEUE_MAX);
        let (orders, take_orders) = sync_channel(1);
        let (answers, take_answers) = channel();
        let (nudge, nudged) = sync_channel(1);
        let seen = index.as_ref().and_then(Index::last).map_or(0, |last| last.sequence + 1);
        let reader = book.read(seen)?;
        let indexer = match index {
            Some(mut index) => {
                let shared = Arc::clone(&shared);
                let follow = move || {
                    let mut reader = reader;
                    loop {
                        match index.catch_up(&mut reader) {
                            Ok(_) => shared.indexed.store(index.rows(), Ordering::Relaxed),
                            Err(fault) => {
                                shared.index_failures.fetch_add(1, Ordering::Relaxed);
                                tracing::warn!(%fault, "the index is behind the book, and is made again");
                                // It may be deleted at any time, also now; what cannot be made is tried again with the
                                // next rows.
                                match index.remake(&mut reader) {
                                    Ok(()) => shared.indexed.store(index.rows(), Ordering::Relaxed),
                                    Err(fault) => tracing::warn!(%fault, "the index cannot be made"),
                                }
                            }
                        }
                        if nudged.recv().is_err() {
                            return;
                        }
                        gather(&nudged);
                    }
                };
                Some(spawn("ledger-index", follow)?)
            }
            None => None,
        };
        let measured = Arc::clone(&shared);
        let back = spawn("ledger-write", move || {
            write(book, &take_orders, &answers, &nudge, &measured)
        })?;
        let front = Front {
            work,
            orders,
            answers: take_answers,
            shared: Arc::clone(&shared),
            done: Box::new(done),
        };
        let front = spawn("ledger-commit", move || front.run())?;
        Ok(Self {
            door: Door { queue, shared },
            front,
            back,
            indexer,
        })
    }

    /// A place to hand rows in.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// How it is doing.
    pub fn measures(&self) -> Measures {
        self.door.measures()
    }

    /// Writes what was handed in before, answers it, and gives the book back to be closed.
    pub fn finish(self) -> Result<Book, NotRecorded> {
        let Self {
            door,
            front,
            back,
            indexer,
        } = self;
        // A full queue is being worked on, so that this waits no longer than the queue does.
        let _ = door.queue.send(Work::Finish);
        let joined = front.join().map_err(|_| NotRecorded::Closed);
        let book = back.join().map_err(|_| NotRecorded::Closed)?;
        if let Some(indexer) = indexer {
            let _ = indexer.join();
        }
        joined.map(|()| book)
    }
}

impl Door {
    /// Hands in rows that belong together: all of them are recorded or none. Never waits. After `Ok` the ticket will be
    /// answered; after `Err` it will not.
    pub fn submit(&self, ticket: u64, entries: Vec<Entry>) -> Result<(), NotRecorded> {
        if entries.len() > BATCH_ROWS_MAX || entries.iter().any(|entry| fits(entry).is_err()) {
            return Err(NotRecorded::TooLong);
        }
        self.hand_in(Work::Rows { ticket, entries })
    }

    /// Writes an access down and waits, at most somewhat longer than [`STALL_MAX`], until it is durable.
    pub fn receipt(&self, access: Access) -> Result<Receipt, NotRecorded> {
        if access.refused.is_some() {
            return Err(NotRecorded::Refused);
        }
        let (answer, answered) = sync_channel(1);
        self.hand_in(Work::Access {
            access: Box::new(access),
            answer,
        })?;
        wait(&answered)
    }

    /// Signs everything written so far and waits for it.
    pub fn checkpoint(&self) -> Result<Option<Checkpoint>, NotRecorded> {
        let (answer, answered) = sync_channel(1);
        self.hand_in(Work::Checkpoint { answer })?;
        wait(&answered)
    }

    /// How the committer is doing.
    pub fn measures(&self) -> Measures {
        let Shared {
            batches,
            rows,
            refused,
            longest_us,
            total_us,
            stalled,
            indexed,
            index_failures,
        } = &*self.shared;
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Measures {
            batches: load(batches),
            rows: load(rows),
            refused: load(refused),
            longest_us: load(longest_us),
            total_us: load(total_us),
            stalled: stalled.load(Ordering::Relaxed),
            indexed: load(indexed),
            index_failures: load(index_failures),
        }
    }

    fn hand_in(&self, work: Work) -> Result<(), NotRecorded> {
        self.queue.try_send(work).map_err(|refused| {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            match refused {
                TrySendError::Full(_) => NotRecorded::Full,
                TrySendError::Disconnected(_) => NotRecorded::Closed,
            }
        })
    }
}

/// Lets [`INDEX_GATHER`] pass, or less when the book is being closed.
fn gather(nudged: &Receiver<()>) {
    let until = Instant::now() + INDEX_GATHER;
    while let Ok(()) = nudged.recv_timeout(until.saturating_duration_since(Instant::now())) {}
}

fn wait<T>(answered: &Receiver<Result<T, NotRecorded>>) -> Result<T, NotRecorded> {
    match answered.recv_timeout(STALL_MAX + STALL_MAX) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => Err(NotRecorded::Stalled),
        Err(RecvTimeoutError::Disconnected) => Err(NotRecorded::Closed),
    }
}

type Done = Box<dyn FnMut(u64, Result<Vec<Position>, NotRecorded>) + Send>;

/// The thread that holds the tickets.
struct Front {
    work: Receiver<Work>,
    orders: SyncSender<Order>,
    answers: Receiver<Written>,
    shared: Arc<Shared>,
    done: Done,
}

impl Front {
    fn run(mut self) {
        let mut finishing = false;
        let mut written_at: Option<Instant> = None;
        while !finishing {
            let Ok(first) = self.work.recv() else { return };
            let busy = written_at.is_some_and(|at| at.elapsed() < BUSY);
            let mut rows = Vec::new();
            let mut waiting = Vec::new();
            let mut checkpoint = false;
            let mut open = Some(if busy { GATHER_BUSY } else { GATHER });
            let mut next = Some(first);
            while let Some(work) = next {
                match work {
                    Work::Rows { ticket, entries } => {
                        waiting.push(Waiting::Ticket {
                            ticket,
                            rows: entries.len(),
                        });
                        rows.extend(entries.into_iter().map(|entry| (Class::Fact, entry)));
                    }
                    Work::Access { access, answer } => match access_entry(&access) {
                        Ok(entry) => {
                            waiting.push(Waiting::Access {
                                object: access.object,
                                answer,
                            });
                            rows.push((Class::Access, entry));
                        }
                        Err(_) => {
                            let _ = answer.try_send(Err(NotRecorded::TooLong));
                        }
                    },
                    Work::Checkpoint { answer } => {
                        waiting.push(Waiting::Checkpoint { answer });
                        checkpoint = true;
                    }
                    Work::Finish => finishing = true,
                }
                if finishing || checkpoint || rows.len() >= BATCH_ROWS_MAX {
                    break;
                }
                next = self.work.try_recv().ok();
                // One sleep rather than a wake-up for each that joins.
                if next.is_none()
                    && let Some(gather) = open.take()
                {
                    thread::sleep(gather);
                    next = self.work.try_recv().ok();
                }
            }
            let mut written = Ok((Vec::new(), None));
            if !rows.is_empty() {
                written = self.order(Order::Write(rows));
            }
            if checkpoint && let Ok((positions, _)) = written {
                written = self.order(Order::Checkpoint).map(|(_, newest)| (positions, newest));
            }
            self.answer(waiting, written);
            written_at = Some(Instant::now());
            if self.shared.stalled.load(Ordering::Relaxed) {
                finishing |= self.wait_for_the_disk();
            }
        }
        // Whatever came after the end was asked for.
        while let Ok(work) = self.work.try_recv() {
            self.refuse(work, NotRecorded::Closed);
        }
    }

    /// Gives an order and waits for what became of it, but not for ever.
    fn order(&mut self, order: Order) -> Written {
        if self.orders.send(order).is_err() {
            return Err(NotRecorded::Closed);
        }
        match self.answers.recv_timeout(STALL_MAX) {
            Ok(written) => written,
            Err(RecvTimeoutError::Disconnected) => Err(NotRecorded::Closed),
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!("the disk under the book does not answer");
                self.shared.stalled.store(true, Ordering::Relaxed);
                Err(NotRecorded::Stalled)
            }
        }
    }

    /// While the disk hangs everything is refused at once. `true` when the end was asked for meanwhile.
    fn wait_for_the_disk(&mut self) -> bool {
        let mut finishing = false;
        loop {
            match self.answers.try_recv() {
                Err(TryRecvError::Empty) => {}
                Ok(_) | Err(TryRecvError::Disconnected) => {
                    self.shared.stalled.store(false, Ordering::Relaxed);
                    return finishing;
                }
            }
            match self.work.recv_timeout(Duration::from_millis(20)) {
                Ok(Work::Finish) => finishing = true,
                Ok(work) => self.refuse(work, NotRecorded::Stalled),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    fn refuse(&mut self, work: Work, why: NotRecorded) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        match work {
            Work::Rows { ticket, .. } => (self.done)(ticket, Err(why)),
            Work::Access { answer, .. } => {
                let _ = answer.try_send(Err(why));
            }
            Work::Checkpoint { answer } => {
                let _ = answer.try_send(Err(why));
            }
            Work::Finish => {}
        }
    }

    fn answer(&mut self, waiting: Vec<Waiting>, written: Written) {
        let (mut positions, newest, failed) = match written {
            Ok((positions, newest)) => (positions.into_iter(), newest, None),
            Err(why) => {
                self.shared.refused.fetch_add(waiting.len() as u64, Ordering::Relaxed);
                (Vec::new().into_iter(), None, Some(why))
            }
        };
        for one in waiting {
            match (one, failed) {
                (Waiting::Ticket { ticket, rows }, None) => {
                    (self.done)(ticket, Ok(positions.by_ref().take(rows).collect()))
                }
                (Waiting::Ticket { ticket, .. }, Some(why)) => (self.done)(ticket, Err(why)),
                (Waiting::Access { object, answer }, failed) => {
                    let receipt = match failed {
                        None => positions
                            .next()
                            .map(|position| Receipt { object, position })
                            .ok_or(NotRecorded::Closed),
                        Some(why) => Err(why),
                    };
                    let _ = answer.try_send(receipt);
                }
                (Waiting::Checkpoint { answer }, None) => {
                    let _ = answer.try_send(Ok(newest.clone()));
                }
                (Waiting::Checkpoint { answer }, Some(why)) => {
                    let _ = answer.try_send(Err(why));
                }
            }
        }
    }
}

/// The thread that may hang in the disk.
fn write(
    mut book: Book,
    orders: &Receiver<Order>,
    answers: &Sender<Written>,
    nudge: &SyncSender<()>,
    shared: &Shared,
) -> Book {
    loop {
        let order = match orders.recv_timeout(Duration::from_millis(CHECKPOINT_MS_MAX.unsigned_abs())) {
            Ok(order) => order,
            Err(RecvTimeoutError::Disconnected) => return book,
            Err(RecvTimeoutError::Timeout) => {
                // Nothing for a while: what was written last gets its signature too.
                if let Err(fault) = book.checkpoint(now_ms()) {
                    report(&fault);
                }
                continue;
            }
        };
        let started = Instant::now();
        let written = match order {
            Order::Write(rows) => {
                let written = book.append_batch(&rows);
                if written.is_ok() {
                    shared.batches.fetch_add(1, Ordering::Relaxed);
                    shared.rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
                }
                written.map(|positions| (positions, None))
            }
            Order::Checkpoint => book.checkpoint(now_ms()).map(|newest| (Vec::new(), newest)),
        };
        let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        shared.total_us.fetch_add(took_us, Ordering::Relaxed);
        shared.longest_us.fetch_max(took_us, Ordering::Relaxed);
        let written = written.map_err(|fault| {
            report(&fault);
            NotRecorded::Disk
        });
        let ok = written.is_ok();
        if answers.send(written).is_err() {
            return book;
        }
        if ok {
            let _ = nudge.try_send(());
        }
    }
}

fn report(fault: &Fault) {
    let source = std::error::Error::source(fault).map(ToString::to_string);
    tracing::error!(%fault, source, "the book cannot be written");
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Fault> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(Fault::disk("start its thread"))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;

    use super::*;
    use crate::book::tests::{book, entry, numbers};
    use crate::disk::Step;

    type Answer = (u64, Result<Vec<Position>, NotRecorded>);

    fn start(book: Book, index: Option<Index>) -> (Committer, Receiver<Answer>) {
        let (answers, answered) = mpsc::channel();
        let committer = Committer::start(book, index, move |ticket, result| {
            let _ = answers.send((ticket, result));
        });
        (committer.expect("threads"), answered)
    }

    fn next(answered: &Receiver<Answer>) -> Answer {
        answered
            .recv_timeout(Duration::from_secs(30))
            .expect("every ticket is answered")
    }

    #[test]
    fn every_ticket_is_answered_once_in_order_and_its_rows_are_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (committer, answered) = start(book(folder.path()), None);
        let door = committer.door();
        for ticket in 0..500_u32 {
            door.submit(ticket.into(), vec![entry(ticket), entry(ticket)])
                .expect("room");
        }
        for ticket in 0..500 {
            let (answer, positions) = next(&answered);
            assert_eq!((answer, positions.expect("a good disk").len()), (ticket, 2));
        }
        let measures = committer.measures();
        assert_eq!((measures.rows, measures.refused), (1000, 0));
        assert!(
            measures.batches < 500,
            "what gathered was written together: {}",
            measures.batches
        );
        let book = committer.finish().expect("it was running");
        assert_eq!(
            numbers(&book),
            (0..500).flat_map(|number| [number, number]).collect::<Vec<_>>()
        );
        assert!(answered.try_recv().is_err());
        assert_eq!(door.submit(1, vec![entry(1)]), Err(NotRecorded::Closed));
    }

    #[test]
    fn what_was_handed_in_before_the_end_is_written_before_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (committer, answered) = start(book(folder.path()), None);
        let door = committer.door();
        for ticket in 0..300 {
            door.submit(ticket, vec![entry(1)]).expect("room");
        }
        assert_eq!(numbers(&committer.finish().expect("it was running")).len(), 300);
        assert_eq!(answered.try_iter().filter(|(_, result)| result.is_ok()).count(), 300);
    }

    #[test]
    fn receipts_and_checkpoints_are_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let (committer, _answered) = start(book(folder.path()), None);
        let door = committer.door();
        let access = Access {
            actor: "ops".to_owned(),
            role: "reviewer".to_owned(),
            action: "listen".to_owned(),
            reason: "complaint".to_owned(),
            object: [7; 16],
            call: None,
            source: "portal".to_owned(),
            at_ms: 5,
            practice: None,
            session: None,
            refused: None,
        };
        let receipt = door.receipt(access.clone()).expect("a good disk");
        assert_eq!(receipt.object(), [7; 16]);
        let checkpoint = door.checkpoint().expect("a good disk").expect("signed");
        assert!(checkpoint.sequence > receipt.position().sequence);
        let too_long = Access {
            reason: "x".repeat(crate::BODY_MAX),
            ..access
        };
        assert_eq!(door.receipt(too_long).map(drop), Err(NotRecorded::TooLong));
        let row = committer
            .finish()
            .expect("running")
            .read(0)
            .expect("readable")
            .row(receipt.position());
        assert_eq!(row.expect("as written").class, Class::Access);
    }

    #[test]
    fn a_full_disk_is_an_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut broken = book(folder.path());
        let (mend, mended) = mpsc::channel::<()>();
        let mut full = true;
        broken.break_disk(move |step| {
            full = full && mended.try_recv().is_err();
            (full && step == Step::Write).then(|| io::Error::from(io::ErrorKind::StorageFull))
        });
        let (committer, answered) = start(broken, None);
        let door = committer.door();
        for ticket in 0..5 {
            door.submit(ticket, vec![entry(1)]).expect("room");
            assert_eq!(next(&answered), (ticket, Err(NotRecorded::Disk)));
        }
        let access = Access {
            actor: String::new(),
            role: String::new(),
            action: String::new(),
            reason: String::new(),
            object: [0; 16],
            call: None,
            source: String::new(),
            at_ms: 0,
            practice: None,
            session: None,
            refused: None,
        };
        assert_eq!(
            door.receipt(access).map(drop),
            Err(NotRecorded::Disk),
            "no row, no receipt"
        );
        mend.send(()).expect("the disk is listening");
        door.submit(9, vec![entry(9)]).expect("room");
        let (ticket, result) = next(&answered);
        assert!(ticket == 9 && result.is_ok());
        assert_eq!(numbers(&committer.finish().expect("running")), [9]);
    }

    /// The disk hangs: what waits for it is answered after a while, what comes then at once, and it ends when it ends.
    #[test]
    fn a_hanging_disk_is_an_answer_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut hanging = book(folder.path());
        let (release, released) = mpsc::channel::<()>();
        let mut hang = true;
        hanging.break_disk(move |step| {
            if step == Step::Sync && std::mem::take(&mut hang) {
                let _ = released.recv();
            }
            None
        });
        let (committer, answered) = start(hanging, None);
        let door = committer.door();
        let asked = Instant::now();
        door.submit(1, vec![entry(1)]).expect("room");
        assert_eq!(next(&answered), (1, Err(NotRecorded::Stalled)));
        assert!(asked.elapsed() >= STALL_MAX && committer.measures().stalled);
        let asked = Instant::now();
        door.submit(2, vec![entry(2)]).expect("room");
        assert_eq!(next(&answered), (2, Err(NotRecorded::Stalled)));
        assert!(
            asked.elapsed() < STALL_MAX,
            "nobody waits for a disk that is known to hang"
        );
        release.send(()).expect("it is hanging");
        // It may take a moment to be noticed.
        let recorded = (3..100_000).find(|ticket| {
            door.submit(*ticket, vec![entry(3)]).expect("room");
            next(&answered).1.is_ok()
        });
        assert!(recorded.is_some() && !committer.measures().stalled);
        assert_eq!(numbers(&committer.finish().expect("running")), [1, 3]);
    }

    #[test]
    fn more_than_is_kept_is_refused_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut hanging = book(folder.path());
        let (release, released) = mpsc::channel::<()>();
        hanging.break_disk(move |step| {
            if step == Step::Sync {
                let _ = released.recv();
            }
            None
        });
        let (committer, answered) = start(hanging, None);
        let door = committer.door();
        let mut taken = 0;
        let refused = loop {
            match door.submit(taken, vec![entry(1)]) {
                Ok(()) => taken += 1,
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, NotRecorded::Full);
        assert!(taken >= QUEUE_MAX as u64);
        drop(release);
        for ticket in 0..taken {
            assert_eq!(next(&answered).0, ticket);
        }
        committer.finish().expect("running");
    }

    #[test]
    fn the_index_follows() {
        let folder = tempfile::tempdir().expect("a folder");
        let book = book(folder.path());
        let mut reader = book.read(0).expect("readable");
        let index = Index::open(folder.path().join("index"), &mut reader).expect("new");
        let queries = index.clone();
        let (committer, answered) = start(book, Some(index));
        let door = committer.door();
        for ticket in 0..50 {
            door.submit(ticket, vec![entry(1), entry(2)]).expect("room");
        }
        for _ in 0..50 {
            next(&answered).1.expect("a good disk");
        }
        // The end of the committer is the end of its index: it has taken in everything by then.
        drop(committer.finish().expect("running"));
        assert_eq!(queries.of_kind("test").count(), 100);
    }

    /// Somebody takes the index away while it is written: it is made again, and nothing is missing in it.
    #[test]
    fn an_index_that_is_deleted_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let book = book(folder.path());
        let path = folder.path().join("index");
        let mut reader = book.read(0).expect("readable");
        let index = Index::open(&path, &mut reader).expect("new");
        let (committer, answered) = start(book, Some(index));
        let door = committer.door();
        for ticket in 0..10 {
            door.submit(ticket, vec![entry(1)]).expect("room");
            next(&answered).1.expect("a good disk");
        }
        std::fs::remove_dir_all(&path).expect("the test's folder");
        door.submit(10, vec![entry(2)]).expect("room");
        next(&answered).1.expect("the book does not need its index");
        let measures = committer.door();
        let book = committer.finish().expect("it was running");
        assert_eq!(measures.measures().index_failures, 1);
        drop(book);
        let mut reader = crate::book::tests::book(folder.path()).read(0).expect("readable");
        let again = Index::open(&path, &mut reader).expect("as it was left");
        assert_eq!(again.of_kind("test").count(), 11);
    }
}
