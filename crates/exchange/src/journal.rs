//! Facts on their way to the book (house.md §7): the desk's tickets go to the ledger's committer and come back answered.
//!
//! A book that cannot be written must not stop a call, and a fact must not be lost because the disk was away for a
//! while: what was refused is kept here, in bounded memory, and handed in again once a second until it is taken. A disk
//! that hangs may have written what it did not acknowledge; such a fact can then stand in the book twice, with one time.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use ledger::{Entry, NotRecorded};
use seal::Tenant;
use switchboard::{CallId, Fact, Stamped, Ticket, ladder};
use tokio::sync::mpsc;

/// Batches of facts kept while the book cannot be written: hours of calls. The oldest go first beyond it, with an
/// alarm.
const KEPT_MAX: usize = 100_000;

/// Batches handed in again per heartbeat.
const RETRIES: usize = 256;

/// Answers under way from the committer: more than it can have tickets, so that it never finds this full.
const OUTCOMES: usize = 2 * ledger::QUEUE_MAX;

/// Tickets with this bit are our own retries; the desk counts from one and never gets here.
const RETRY: u64 = 1 << 63;

/// What became of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Which.
    pub(crate) ticket: Ticket,
    /// Whether its facts are durable.
    pub(crate) kept: bool,
}

/// What the committer calls with every ticket.
pub(crate) type Done = Box<dyn FnMut(u64, Result<Vec<ledger::Position>, NotRecorded>) + Send>;

/// Calls whose practice is remembered: those in progress, and those that ended lately and may still say something.
const OWNERS_MAX: usize = 20_000;

/// Whose each call is: its rows hang on that practice's keys.
#[derive(Default)]
pub(crate) struct Owners {
    of: HashMap<CallId, Tenant>,
    /// The oldest goes first.
    order: VecDeque<CallId>,
}

impl Owners {
    /// Remembers a call of before a restart.
    pub(crate) fn remember(&mut self, call: CallId, practice: &str) {
        if self.of.insert(call, Tenant::named(practice)).is_none() {
            self.order.push_back(call);
        }
        if self.order.len() > OWNERS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.of.remove(&oldest);
        }
    }

    /// A fact as the book takes it: kind, call and time stay readable, the body is sealed there, under the key of whose it is
    /// and how long it is kept. A call nobody remembers is the house's.
    pub(crate) fn entry(&mut self, stamped: &Stamped) -> Entry {
        if let (Some(call), Fact::CallBegan { practice, .. }) = (stamped.call, &stamped.fact) {
            self.remember(call, practice);
        }
        let tenant = match (&stamped.fact, stamped.call) {
            (
                Fact::Released { practice, .. }
                | Fact::PracticeAlarm { practice, .. }
                | Fact::TurnedAway { practice, .. },
                _,
            ) => Some(Tenant::named(practice)),
            (_, Some(call)) => self.of.get(&call).copied(),
            (_, None) => None,
        };
        Entry {
            kind: Cow::Borrowed(stamped.fact.kind()),
            call: stamped.call.map(|call| call.0),
            at_ms: stamped.at.as_millisecond(),
            body: stamped.encode(),
            tenant: tenant.unwrap_or(Tenant::HOUSE),
            keep: stamped.fact.keep(),
        }
    }
}

/// The way to the committer.
pub(crate) struct Journal {
    door: ledger::Door,
    owners: Owners,
    /// Handed in and not answered; kept whole, for the answer may be no.
    waiting: HashMap<u64, Vec<Entry>>,
    /// Refused, in the order they happened.
    refused: VecDeque<Vec<Entry>>,
    next_retry: u64,
}

/// The two ends between which the committer's answers travel: the callback for [`ledger::Committer::start`], and what
/// the loop reads.
pub(crate) fn outcomes() -> (Done, mpsc::Receiver<Outcome>) {
    let (sender, receiver) = mpsc::channel(OUTCOMES);
    let done = move |ticket, written: Result<_, NotRecorded>| {
        if sender
            .try_send(Outcome {
                ticket: Ticket(ticket),
                kept: written.is_ok(),
            })
            .is_err()
        {
            // The loop has ended, or hangs; the desk's own patience deals with a ticket that is never answered.
            tracing::debug!("nobody takes the answers of the book");
        }
    };
    (Box::new(done), receiver)
}

impl Journal {
    pub(crate) fn new(door: ledger::Door, owners: Owners) -> Self {
        Self {
            door,
            owners,
            waiting: HashMap::new(),
            refused: VecDeque::new(),
            next_retry: RETRY,
        }
    }

    /// Hands facts in. An error is the answer itself: they are not recorded now.
    pub(crate) fn keep(&mut self, ticket: Ticket, facts: Vec<Stamped>) -> Result<(), Outcome> {
        facts.iter().for_each(log);
        let entries = facts.iter().map(|fact| self.owners.entry(fact)).collect();
        self.submit(ticket.0, entries)
            .map_err(|_| Outcome { ticket, kept: false })
    }

    /// Keeps a fact of the house, for which nobody waits.
    pub(crate) fn note(&mut self, fact: &Stamped) {
        log(fact);
        self.next_retry += 1;
        // Refused facts are put by and handed in again.
        let entry = self.owners.entry(fact);
        let _ = self.submit(self.next_retry, vec![entry]);
    }

    /// An answer came. Gives it back when it is the desk's.
    pub(crate) fn answered(&mut self, outcome: Outcome) -> Option<Outcome> {
        if let Some(entries) = self.waiting.remove(&outcome.ticket.0)
            && !outcome.kept
        {
            self.put_by(entries);
        }
        (outcome.ticket.0 & RETRY == 0).then_some(outcome)
    }

    /// Hands in again what was refused.
    pub(crate) fn retry(&mut self) {
        for _ in 0..RETRIES {
            let Some(entries) = self.refused.pop_front() else {
                return;
            };
            self.next_retry += 1;
            if self.submit(self.next_retry, entries).is_err() {
                return;
            }
        }
    }

    /// Batches not yet durable.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len() + self.refused.len()
    }

    fn submit(&mut self, ticket: u64, entries: Vec<Entry>) -> Result<(), NotRecorded> {
        match self.door.submit(ticket, entries.clone()) {
            Ok(()) => {
                self.waiting.insert(ticket, entries);
                Ok(())
            }
            Err(why) => {
                // A row beyond its limits will not fit later either.
                if why == NotRecorded::TooLong {
                    tracing::error!("a fact is too long for the book and is lost");
                } else {
                    self.put_by(entries);
                }
                Err(why)
            }
        }
    }

    fn put_by(&mut self, entries: Vec<Entry>) {
        if self.refused.len() >= KEPT_MAX {
            tracing::error!("more facts wait for the book than can be kept; the oldest is lost");
            self.refused.pop_front();
        }
        self.refused.push_back(entries);
    }
}

/// The log is a reader of the facts: the line that the ladder draws, which holds nothing private. INFO is what a user would
/// notice, WARN should wake someone, DEBUG is a turn in the road (style.md §5).
fn log(stamped: &Stamped) {
    // A line that nobody reads is not written: facts are many and most are for the book alone. A call that goes well says
    // two, when it begins and when it ends.
    let call = stamped.call.map(tracing::field::display);
    let kind = stamped.fact.kind();
    let line = || ladder::line(&stamped.fact);
    match &stamped.fact {
        Fact::SafetyNet { .. }
        | Fact::RecordingFailed { .. }
        | Fact::RecordingInterrupted { .. }
        | Fact::TrunkDown { .. }
        | Fact::Unregistered { .. }
        | Fact::Alarm { .. }
        | Fact::PracticeAlarm { .. }
        | Fact::HouseAlarm { .. }
        | Fact::NeverDialled { .. }
        | Fact::Exhausted { .. } => {
            tracing::warn!(call, kind, "{}", line());
        }
        Fact::CallBegan { .. }
        | Fact::CallRefused { .. }
        | Fact::TurnedAway { .. }
        | Fact::Joined { .. }
        | Fact::CallMerged { .. }
        | Fact::WentElsewhere { .. }
        | Fact::TrunkUp { .. }
        | Fact::ReportCard { .. }
        | Fact::Registered { .. }
        | Fact::Disposition { .. }
        | Fact::Told911
        | Fact::EscalationBegan(_)
        | Fact::Attempt { .. }
        | Fact::Accepted { .. }
        | Fact::Bridged { .. }
        | Fact::NumberGiven { .. }
        | Fact::EscalationEnded { .. }
        | Fact::RecordingSealed { .. }
        | Fact::CallEnded { .. }
        | Fact::Started { .. }
        | Fact::Stopped
        | Fact::Released { .. }
        | Fact::TraceBegan { .. }
        | Fact::TraceEnded { .. } => tracing::info!(call, kind, "{}", line()),
        _ => tracing::debug!(call, kind, "{}", line()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use ledger::{Book, BookKeys, Committer};
    use std::path::Path;
    use std::time::Duration;
    use switchboard::Fact;

    fn book(folder: &Path) -> Book {
        let fill = &mut |bytes: &mut [u8]| bytes.fill(5);
        let keys = BookKeys {
            seal: seal::BookKey::generate(fill),
            sign: seal::Signer::generate(fill),
        };
        Book::open(folder, keys, Box::new(|| [6; 16])).expect("a book")
    }

    fn facts(words: &str) -> Vec<Stamped> {
        vec![Stamped {
            call: None,
            at: Timestamp::UNIX_EPOCH,
            fact: Fact::Started { version: words.into() },
        }]
    }

    async fn answer(outcomes: &mut mpsc::Receiver<Outcome>) -> Outcome {
        tokio::time::timeout(Duration::from_secs(5), outcomes.recv())
            .await
            .expect("in time")
            .expect("open")
    }

    #[tokio::test]
    async fn a_ticket_is_answered_when_its_facts_are_on_the_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let (done, mut outcomes) = outcomes();
        let committer = Committer::start(book(folder.path()), None, done).expect("threads");
        let mut journal = Journal::new(committer.door(), Owners::default());
        journal.keep(Ticket(1), facts("1")).expect("handed in");
        assert_eq!(journal.waiting(), 1);
        let outcome = answer(&mut outcomes).await;
        assert_eq!(
            journal.answered(outcome),
            Some(Outcome {
                ticket: Ticket(1),
                kept: true
            })
        );
        assert_eq!(journal.waiting(), 0);
        let rows: Vec<_> = committer
            .finish()
            .expect("closed")
            .read(0)
            .expect("reads")
            .flatten()
            .collect();
        assert_eq!(rows.len(), 1);
        assert_eq!(Stamped::decode(&rows[0].body).expect("a fact"), facts("1")[0]);
    }

    #[tokio::test]
    async fn what_the_book_refuses_is_kept_and_handed_in_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (done, _) = outcomes();
        let closed = Committer::start(book(&folder.path().join("a")), None, done).expect("threads");
        let mut journal = Journal::new(closed.door(), Owners::default());
        drop(closed.finish().expect("closed"));
        assert_eq!(
            journal.keep(Ticket(1), facts("1")),
            Err(Outcome {
                ticket: Ticket(1),
                kept: false
            })
        );
        assert_eq!(
            journal.keep(Ticket(2), facts("2")),
            Err(Outcome {
                ticket: Ticket(2),
                kept: false
            })
        );
        journal.retry();
        assert_eq!(journal.waiting(), 2, "a book that is still away takes nothing");
        // A disk that comes back.
        let (done, mut outcomes) = outcomes();
        let committer = Committer::start(book(&folder.path().join("b")), None, done).expect("threads");
        journal.door = committer.door();
        journal.retry();
        for _ in 0..2 {
            let outcome = answer(&mut outcomes).await;
            assert_eq!(journal.answered(outcome), None, "the desk was answered long ago");
        }
        assert_eq!(journal.waiting(), 0);
        let rows = committer
            .finish()
            .expect("closed")
            .read(0)
            .expect("reads")
            .flatten()
            .count();
        assert_eq!(rows, 2);
    }

    #[tokio::test]
    async fn a_refusal_that_comes_late_is_kept_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let (done, _) = outcomes();
        let committer = Committer::start(book(folder.path()), None, done).expect("threads");
        let mut journal = Journal::new(committer.door(), Owners::default());
        journal.keep(Ticket(1), facts("1")).expect("handed in");
        let refused = Outcome {
            ticket: Ticket(1),
            kept: false,
        };
        assert_eq!(journal.answered(refused), Some(refused));
        assert_eq!(journal.waiting(), 1, "not lost");
    }

    /// Proves RET-07: a call's rows hang on its practice's keys from its first fact on, also after it ended; what is of no call,
    /// and a call nobody remembers, is the house's.
    #[test]
    fn rows_are_sealed_for_whose_call_it_is() {
        let (cedar, maple) = (Tenant::named("Cedar"), Tenant::named("Maple"));
        let of = |call: u8, fact: Fact| Stamped {
            call: Some(CallId([call; 16])),
            at: Timestamp::UNIX_EPOCH,
            fact,
        };
        let began = |practice: &str| Fact::CallBegan {
            practice: practice.into(),
            line: "main line".into(),
            trunk: "t".into(),
            caller: phi::Phi::new(None),
            release: String::new(),
            nobody_on_call: None,
            called_lately: None,
        };
        let pressed = || Fact::Choice {
            question: "Is it urgent?".into(),
            choice: "yes".into(),
        };
        let mut owners = Owners::default();
        let mut tenant = |stamped: Stamped| {
            let entry = owners.entry(&stamped);
            (entry.tenant, entry.keep)
        };
        assert_eq!(tenant(of(1, began("Cedar"))), (cedar, seal::Retention::Calls));
        assert_eq!(tenant(of(2, began("Maple"))), (maple, seal::Retention::Calls));
        assert_eq!(tenant(of(1, pressed())), (cedar, seal::Retention::Keys));
        assert_eq!(tenant(of(3, pressed())).0, Tenant::HOUSE);
        assert_eq!(tenant(facts("1").remove(0)), (Tenant::HOUSE, seal::Retention::Audit));
        for call in 0..OWNERS_MAX {
            owners.remember(
                CallId(*seal::hash(&call.to_be_bytes()).first_chunk().expect("16")),
                "Cedar",
            );
        }
        assert_eq!((owners.of.len(), owners.order.len()), (OWNERS_MAX, OWNERS_MAX));
        assert_eq!(
            owners.entry(&of(2, pressed())).tenant,
            Tenant::HOUSE,
            "forgotten in the end"
        );
    }
}
