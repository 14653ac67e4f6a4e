//! The loop that owns the desk: everything that can happen comes in here, one thing at a time, and everything the desk
//! wants goes out from here. Nothing in it waits for a disk, a packet or a peer.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sip::locate::{Answer, Question};
use switchboard::{
    CallId, Counts, Desk, Fact, Health, Input, MediaCommand, MediaEvent, OpenEscalation, Output, Released, Stamped,
    TrunkStatus,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Drill;
use crate::journal::{Journal, Outcome};
use crate::plane::{Order, Plane};
use crate::ports::Ports;
use crate::practices::Clips;
use crate::recorder::Recorder;
use crate::records::Door;
use crate::resolver::Names;
use crate::trace::{Tap, TraceFigures};
use crate::transport::{Arrivals, Arrived, Transports};

/// Things taken from one queue before the others are looked at again.
const BATCH: usize = 64;

/// How long the last facts may take to become durable at the end.
const LAST_FACTS: Duration = Duration::from_secs(5);

/// How long the last recordings may take to be sealed beyond that.
const LAST_RECORDINGS: Duration = Duration::from_secs(25);

/// How often load, clock and health are told to the desk.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What may be asked of the loop from outside.
#[derive(Debug)]
pub(crate) enum Control {
    /// New practices with the clips for every word they can say.
    Release {
        /// None: nothing at all could be read, and everything stays.
        practices: Option<Vec<Released>>,
        /// Those whose records may be asked.
        asking: Vec<String>,
        clips: Arc<Clips>,
        /// What the book is to know of it.
        facts: Vec<Fact>,
    },
    /// The book is to know of this.
    Note(Vec<Fact>),
    /// Copies for the collector go this way from now on.
    Collector { tap: Tap, numbers_shown: bool },
    /// Take no new calls.
    Drain,
    /// Behave as if this were broken: rehearsals prove what callers get then.
    Drill(Drill),
    /// What is held now.
    Count(oneshot::Sender<Held>),
    /// Trace into these files from now on, or no more; what was traced before is handed back to be ended.
    Trace(Option<Tracing>, oneshot::Sender<Option<Tap>>),
    /// What has been traced into files so far.
    Traced(oneshot::Sender<Option<TraceFigures>>),
    /// How the trunks are.
    Trunks(oneshot::Sender<Vec<TrunkStatus>>),
    /// End now, whatever is going on.
    Stop,
}

/// A trace that begins.
#[derive(Debug)]
pub(crate) struct Tracing {
    pub(crate) tap: Tap,
    pub(crate) numbers_shown: bool,
    /// The only trunk whose messages are wanted: its place in the configuration, and its name.
    pub(crate) only: Option<(usize, String)>,
}

/// What the exchange holds; all zero (but ports and connections) when nothing is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Calls, sessions, dialogs and transactions.
    pub desk: Counts,
    /// Legs in the media plane.
    pub legs: usize,
    /// RTP port pairs bound and waiting for a leg.
    pub ports_ready: usize,
    /// Signalling connections open.
    pub connections: usize,
    /// Facts on their way to the book.
    pub facts_waiting: usize,
}

/// All that the loop owns.
pub(crate) struct Loop {
    pub(crate) desk: Desk,
    pub(crate) transports: Transports,
    /// Who is asked for names, and how the answers come back.
    pub(crate) names: Names,
    pub(crate) resolved: mpsc::Sender<(Question, Answer)>,
    pub(crate) resolutions: mpsc::Receiver<(Question, Answer)>,
    /// The records of the practices, and how their answers come back.
    pub(crate) records: Door,
    pub(crate) records_answered: mpsc::Sender<(CallId, flow::AskId, flow::RecordsAnswer)>,
    pub(crate) records_answers: mpsc::Receiver<(CallId, flow::AskId, flow::RecordsAnswer)>,
    /// Whose records can be asked, as the desk was told last.
    pub(crate) records_of: BTreeSet<String>,
    /// The practices whose records may be asked, when there are any to ask.
    pub(crate) practices: Vec<String>,
    pub(crate) arrivals: Arrivals,
    /// Where a copy of every message goes: files, a collector.
    pub(crate) trace: Option<Tap>,
    /// Whose messages go into the files, when not everybody's.
    pub(crate) trace_only: Option<usize>,
    pub(crate) hep: Option<Tap>,
    /// None while everything is being closed.
    pub(crate) plane: Option<Plane>,
    pub(crate) recorder: Recorder,
    pub(crate) media_events: mpsc::Receiver<MediaEvent>,
    pub(crate) ports: Ports,
    pub(crate) clips: Arc<Clips>,
    pub(crate) journal: Journal,
    pub(crate) outcomes: mpsc::Receiver<Outcome>,
    pub(crate) control: mpsc::Receiver<Control>,
    /// Told when draining is done: no call is left.
    pub(crate) drained: watch::Sender<bool>,
    pub(crate) draw: sip::Draw,
    /// What is really broken.
    pub(crate) health: Health,
    /// What a rehearsal pretends to be broken.
    pub(crate) drill: Drill,
    /// How far the clock that calls live by is ahead of the machine's.
    pub(crate) clock_ahead: jiff::SignedDuration,
    pub(crate) draining: bool,
    /// Ladders the last stop interrupted.
    pub(crate) unfinished: Vec<OpenEscalation>,
    /// Calls among them that have their one outcome already.
    pub(crate) settled: Vec<CallId>,
}

impl Loop {
    /// Runs until told to stop; then everything that was open is closed.
    pub(crate) async fn run(mut self) {
        // Ports before ladders: a ladder that goes on rings at once, and a phone that answers needs audio.
        self.top_up_ports();
        self.tell_records();
        for call in std::mem::take(&mut self.settled) {
            self.handle(Input::HasOutcome(call));
        }
        for open in std::mem::take(&mut self.unfinished) {
            tracing::info!(call = %open.call, "a ladder interrupted by the last stop goes on");
            self.handle(Input::Resume(Box::new(open)));
        }
        let mut deadline = self.drain_outputs();
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let (mut arrived, mut reported, mut answered) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let timer = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // In this order: what makes room before what takes it, so that a flood of messages starves nothing.
                biased;
                control = self.control.recv() => match control {
                    Some(Control::Stop) | None => break,
                    Some(control) => self.control(control),
                },
                _ = self.outcomes.recv_many(&mut answered, BATCH) => {
                    for outcome in answered.drain(..) {
                        self.outcome(outcome);
                    }
                }
                _ = self.media_events.recv_many(&mut reported, BATCH) => {
                    for event in reported.drain(..) {
                        use MediaEvent::{RecordingFailed, RecordingSealed};
                        if let RecordingSealed { recording, .. } | RecordingFailed { recording } = &event
                            && let Some(plane) = &mut self.plane
                        {
                            plane.recording_over(*recording);
                        }
                        self.handle(Input::Media(event));
                    }
                }
                Some((question, answer)) = self.resolutions.recv() => {
                    self.handle(Input::Resolved { question, answer });
                }
                Some((call, id, answer)) = self.records_answers.recv() => {
                    self.tell_records();
                    self.handle(Input::RecordsAnswered { call, id, answer });
                }
                _ = heartbeat.tick() => self.heartbeat(),
                count = self.arrivals.recv_many(&mut arrived, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    for arrived in arrived.drain(..) {
                        self.arrived(arrived);
                    }
                }
                // Last, for every other input moves the clock too.
                () = timer => self.handle(Input::Time),
            }
            self.top_up_ports();
            deadline = self.drain_outputs();
            if self.draining {
                // A call that outlives its caller to ring a doctor counts: it is what draining waits for.
                self.drained.send_replace(self.desk.counts().calls == 0);
            }
        }
        self.end().await;
    }

    /// Closes everything in order: sockets, legs and recordings, and the facts that this still brings.
    async fn end(mut self) {
        for tap in [self.trace.take(), self.hep.take()].into_iter().flatten() {
            self.note(ended(&tap));
            // The disk may take its time; nothing else here waits for it.
            tokio::task::spawn_blocking(move || tap.end());
        }
        let Self {
            mut desk,
            transports,
            plane,
            recorder,
            mut media_events,
            mut journal,
            mut outcomes,
            ..
        } = self;
        let saying = tokio::spawn(transports.end());
        let mut closing = tokio::task::spawn_blocking(move || {
            if let Some(plane) = plane {
                plane.stop();
            }
            recorder.join();
        });
        let mut closed = false;
        let deadline = Instant::now() + LAST_FACTS;
        loop {
            tokio::select! {
                biased;
                outcome = outcomes.recv() => if let Some(outcome) = outcome {
                    journal.answered(outcome);
                },
                event = media_events.recv(), if !closed => match event {
                    Some(event) => {
                        desk.handle(Instant::now(), Input::Media(event));
                        loop {
                            match desk.poll_output() {
                                Output::Record { ticket, facts } => {
                                    // Refused facts stay in the journal; there is nobody to tell any more.
                                    let _ = journal.keep(ticket, facts);
                                }
                                Output::Timeout(_) => break,
                                Output::Transmit(_) | Output::Media(_) | Output::Resolve(_) | Output::Expect { .. } | Output::AskRecords { .. } => {}
                            }
                        }
                    }
                    None => closed = true,
                },
                result = &mut closing, if !closing.is_finished() => if result.is_err() {
                    tracing::error!("the media plane did not end in order");
                },
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
            let now = Instant::now();
            if (closed && (journal.waiting() == 0 || now > deadline)) || now > deadline + LAST_RECORDINGS {
                break;
            }
        }
        if journal.waiting() > 0 {
            tracing::error!(
                batches = journal.waiting(),
                "facts are lost: the book could not be written to the end"
            );
        }
        if saying.await.is_err() {
            tracing::error!("the sockets were not closed in order");
        }
    }

    /// One input for the desk. A fault in one call is that call's end; should one come through to here, the loop and
    /// every other call go on.
    fn handle(&mut self, input: Input<'_>) {
        let now = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| self.desk.handle(now, input))).is_err() {
            tracing::error!("a call failed inside the desk; the others go on");
        }
    }

    fn arrived(&mut self, arrived: Arrived) {
        match arrived {
            Arrived::Message { flow, bytes } => {
                self.transports.heard(&flow);
                self.copy(flow, false, &bytes);
                self.handle(Input::Received { flow, bytes: &bytes });
            }
            Arrived::Accepted {
                stream,
                transport,
                local,
                remote,
            } => self.transports.accept(stream, transport, local, remote),
            Arrived::Connected {
                flow,
                names,
                spoken,
                class,
            } => {
                self.transports.connected(&flow, class);
                self.handle(Input::Connected { flow, names, spoken });
            }
            Arrived::Closed {
                connection,
                flow,
                asked,
            } => {
                let lent = self.transports.closed(connection);
                self.handle(Input::TransportFailed { flow });
                // What the desk sent to "any connection" went over this one.
                if asked || lent {
                    self.handle(Input::TransportFailed {
                        flow: sip::Flow {
                            connection: None,
                            ..flow
                        },
                    });
                }
            }
        }
    }

    fn outcome(&mut self, outcome: Outcome) {
        let kept = outcome.kept;
        if self.health.book_down == kept {
            self.health.book_down = !kept;
            if kept {
                tracing::info!("the book can be written again");
            } else {
                tracing::error!("the book cannot be written; calls go on by the safety net");
            }
            self.tell_health();
        }
        if let Some(Outcome { ticket, kept }) = self.journal.answered(outcome) {
            self.handle(if kept && !self.drill.book_refuses {
                Input::Recorded { ticket }
            } else {
                Input::NotRecorded { ticket }
            });
        }
    }

    fn tell_health(&mut self) {
        let (real, drill) = (self.health, self.drill.known);
        self.handle(Input::Health(Health {
            book_down: real.book_down || drill.book_down,
            recordings_down: real.recordings_down || drill.recordings_down,
            everything_down: real.everything_down || drill.everything_down,
        }));
    }

    /// Whose records can be asked changes when practices do, and with every breaker.
    fn tell_records(&mut self) {
        let now = Instant::now();
        let can: BTreeSet<String> = self
            .practices
            .iter()
            .filter(|practice| self.records.may_answer(practice, now))
            .cloned()
            .collect();
        if can != self.records_of {
            self.records_of.clone_from(&can);
            self.handle(Input::RecordsOf(can));
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Release {
                practices,
                asking,
                clips,
                facts,
            } => {
                if let Some(practices) = practices {
                    self.clips = clips;
                    self.practices = asking;
                    self.handle(Input::Practices(practices));
                    self.tell_records();
                }
                facts.into_iter().for_each(|fact| self.note(fact));
            }
            Control::Note(facts) => facts.into_iter().for_each(|fact| self.note(fact)),
            Control::Collector { tap, numbers_shown } => {
                let before = self.hep.replace(tap);
                if let Some(before) = before {
                    self.note(ended(&before));
                    // What it still has to send was told to whoever may know it; nobody here waits for that.
                    tokio::task::spawn_blocking(move || before.end());
                }
                self.note(Fact::TraceBegan {
                    into: "collector".into(),
                    numbers_shown,
                    trunk: None,
                });
            }
            Control::Drain => {
                self.draining = true;
                self.handle(Input::Drain);
            }
            Control::Drill(drill) => {
                self.drill = drill;
                self.tell_health();
            }
            Control::Count(answer) => {
                // Whoever asked may have gone meanwhile.
                let _ = answer.send(self.held());
            }
            Control::Trace(tracing, answer) => {
                if let Some(Tracing {
                    numbers_shown, only, ..
                }) = &tracing
                {
                    self.note(Fact::TraceBegan {
                        into: "files".into(),
                        numbers_shown: *numbers_shown,
                        trunk: only.as_ref().map(|(_, name)| name.clone()),
                    });
                }
                let only = tracing.as_ref().and_then(|tracing| tracing.only.as_ref());
                self.trace_only = only.map(|(trunk, _)| *trunk);
                let before = std::mem::replace(&mut self.trace, tracing.map(|tracing| tracing.tap));
                if let Some(before) = &before {
                    self.note(ended(before));
                }
                // Whoever asked may have gone; the tap then ends here.
                let _ = answer.send(before);
            }
            Control::Traced(answer) => {
                let _ = answer.send(self.trace.as_ref().map(Tap::figures));
            }
            Control::Trunks(answer) => {
                let _ = answer.send(self.desk.trunks(Instant::now()));
            }
            Control::Stop => {}
        }
    }

    /// A copy of a message for those who look on.
    fn copy(&self, flow: sip::Flow, ours: bool, message: &[u8]) {
        let wanted = self.trace_only.is_none_or(|trunk| self.desk.is_of(trunk, &flow));
        for tap in self.trace.iter().filter(|_| wanted).chain(&self.hep) {
            tap.take(flow, ours, message);
        }
    }

    /// A fact of the house.
    fn note(&mut self, fact: Fact) {
        self.journal.note(&Stamped {
            call: None,
            at: Timestamp::now(),
            fact,
        });
    }

    fn heartbeat(&mut self) {
        self.desk
            .set_clock(Instant::now(), crate::serve::ahead(self.clock_ahead));
        self.journal.retry();
        self.tell_records();
        let Some(plane) = &mut self.plane else { return };
        plane.flush();
        let percent = (plane.figures().load_permille / 10).min(100);
        self.handle(Input::MediaLoad(u8::try_from(percent).unwrap_or(100)));
    }

    fn held(&self) -> Held {
        Held {
            desk: self.desk.counts(),
            legs: self.plane.as_ref().map_or(0, Plane::legs),
            ports_ready: self.ports.ready(),
            connections: self.transports.connections(),
            facts_waiting: self.journal.waiting(),
        }
    }

    /// Hands in as many RTP ports as the desk wants, as far as the range has them.
    fn top_up_ports(&mut self) {
        for _ in 0..self.desk.ports_wanted() {
            let Some(port) = self.ports.bind() else { return };
            self.handle(Input::Port(port));
        }
    }

    /// Does what the desk wants, until it wants nothing but time.
    fn drain_outputs(&mut self) -> Option<Instant> {
        loop {
            match self.desk.poll_output() {
                Output::Transmit(transmit) => {
                    self.copy(transmit.flow, true, &transmit.bytes);
                    if let Err(unsent) = self.transports.send(transmit) {
                        self.handle(Input::TransportFailed { flow: unsent.0 });
                    }
                }
                Output::Media(command) => self.carry_out(command),
                Output::Record { ticket, facts } => {
                    if let Err(outcome) = self.journal.keep(ticket, facts) {
                        self.outcome(outcome);
                    }
                }
                Output::Resolve(question) => {
                    let (names, resolved) = (self.names.clone(), self.resolved.clone());
                    tokio::spawn(async move {
                        let answer = names.answer(&question).await;
                        // The loop may have ended meanwhile.
                        let _ = resolved.send((question, answer)).await;
                    });
                }
                Output::AskRecords {
                    call,
                    practice,
                    id,
                    ask,
                } => {
                    let (records, answered) = (self.records.clone(), self.records_answered.clone());
                    tokio::spawn(async move {
                        let answer = records.ask(practice, ask).await;
                        // The loop may have ended meanwhile.
                        let _ = answered.send((call, id, answer)).await;
                    });
                }
                Output::Expect { address, domain } => self.transports.expect(address, &domain),
                Output::Timeout(at) => return at,
            }
        }
    }

    /// Turns a command of the desk into an order for a media thread: ports become sockets and words become clips.
    fn carry_out(&mut self, command: MediaCommand) {
        let Some(plane) = &mut self.plane else { return };
        let order = match command {
            MediaCommand::Open {
                call,
                leg,
                port,
                stream,
            } => {
                let Some(pair) = self.ports.take(port) else {
                    tracing::error!(port, "a leg wants a port that is not bound");
                    return self.handle(Input::Media(MediaEvent::Failed { leg }));
                };
                let start = media::LegStart::drawn(&mut self.draw);
                Order::Open {
                    call,
                    leg,
                    pair,
                    stream: stream.map(Box::new),
                    start,
                }
            }
            MediaCommand::Update { leg, stream } => Order::Update {
                leg,
                stream: Box::new(stream),
            },
            MediaCommand::Play {
                leg,
                id,
                words,
                stops_at_key,
            } => {
                let Some(law) = plane.law(leg) else {
                    return self.handle(Input::Media(MediaEvent::Played { leg, id, whole: false }));
                };
                let (audio, whole) = self.clips.words(&words, law);
                plane.order(Order::Play {
                    leg,
                    id,
                    audio,
                    stops_at_key,
                });
                if !whole {
                    tracing::warn!(
                        leg = leg.0,
                        "not every sentence has a clip; the caller goes to the safety net"
                    );
                    self.handle(Input::Media(MediaEvent::Wordless { leg }));
                }
                return;
            }
            MediaCommand::Hush { leg } => Order::Hush { leg },
            MediaCommand::Bridge { a, b } => Order::Bridge { a, b },
            MediaCommand::Unbridge { a, b } => Order::Unbridge { a, b },
            MediaCommand::Record {
                leg,
                recording,
                call,
                practice,
                consent,
            } => Order::Record {
                leg,
                recording,
                call,
                tenant: seal::Tenant::named(&practice),
                consent,
            },
            MediaCommand::StopRecord { recording } => Order::StopRecord { recording },
            MediaCommand::Clip {
                leg,
                recording,
                call,
                practice,
                longest,
                shortest,
                ends_after_silence,
            } => {
                let Some(law) = plane.law(leg) else {
                    return self.handle(Input::Media(MediaEvent::ClipEnded {
                        leg,
                        recording,
                        heard: None,
                    }));
                };
                let beep = self.clips.beep(law);
                Order::Clip {
                    leg,
                    recording,
                    call,
                    tenant: seal::Tenant::named(&practice),
                    beep,
                    longest,
                    shortest,
                    ends_after_silence,
                }
            }
            MediaCommand::EndClip { leg } => Order::EndClip { leg },
            MediaCommand::ListenForTones { leg } => Order::ListenForTones { leg },
            MediaCommand::InfoDigit { leg, body } => Order::InfoDigit { leg, body },
            MediaCommand::SendDigits { leg, digits, how } => Order::SendDigits {
                leg,
                digits: digits.into_exposed(),
                how,
            },
            MediaCommand::Close { leg } => Order::Close { leg },
        };
        plane.order(order);
    }
}

/// What a trace has become, for the book.
fn ended(tap: &Tap) -> Fact {
    let figures = tap.figures();
    Fact::TraceEnded {
        written: figures.written,
        missing: figures.dropped + figures.failed,
    }
}
