//! One call walking through a flow: what it heard goes in, what is to be done comes out (flow-language §4, §5).
//!
//! [`Run`] is pure: the same events at the same times give the same path, which is how a call is rehearsed, replayed
//! and explained. It never leaves a caller alone: whatever breaks, whatever is pressed or not pressed, every path ends
//! with a person, a promise or a direction, within [`STEPS_MAX`] steps and [`CALL_MAX`].
//!
//! Keys pressed ahead. A key during a `say` that may be skipped skips it and is kept for the next question, because
//! callers who know the menu press ahead. Nothing is kept across an emergency notice, and nothing kept ever answers a
//! red-flag question, the question about recording, a read-back, or the controlled-medicine question: those must have
//! been heard. A red-flag question does not even take a key in its first half second.
//!
//! To add a verb: a variant of [`Act`], a file here with its `begin` and `hear`, a variant of [`Doing`], one line in
//! `Run::take` and in `Doing::hear`; imitate `connect.rs`.

mod ask;
mod choose;
mod chosen;
mod collect;
mod connect;
mod escalate;
mod field;
mod find;
mod hang_up;
mod message;
mod offer;
mod record;
mod records;
mod say;
mod scene;
mod trail;
mod triage;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use phi::Phi;

pub use chosen::Chosen;
pub(crate) use chosen::{CONTROLLED, DIRECTION, LANGUAGE, MESSAGE, RECORDING};
pub use connect::TALKED_AT_LEAST;
pub use message::{Message, Value};
pub use records::{ANSWERS_WITHIN, AskId, Evidence, RecordsAnswer, RecordsAsk, SEARCHES_MAX, Visit};
pub(crate) use records::{Exit, OFFERED_MAX};

use crate::library::Phrase;
use crate::model::{Act, Field, Flow, Level, Practice, SectionId, Show, Target};
use crate::words::{Language, Words};
use scene::Scene;
use trail::Trail;
pub(crate) use trail::{By, Taken, Went};

/// Steps and repeated questions of one call before it is taken to the safety net.
pub const STEPS_MAX: u16 = 200;
/// The longest a caller is kept before the safety net, unless they talk with a person.
pub const CALL_MAX: Duration = Duration::from_secs(60 * 60);
/// The longest the safety net itself may last, its ladder not counted.
const NET_MAX: Duration = Duration::from_secs(15 * 60);
/// Beyond this a run has fallen into itself; it ends. (Each settled turn is at least one step.)
const TURNS_MAX: usize = 2 * STEPS_MAX as usize + 64;

/// One call in one flow.
#[derive(Debug)]
pub struct Run {
    scene: Scene,
    doing: Doing,
    /// Which roads it took, when somebody follows it.
    trail: Option<Trail>,
}

/// Who is calling, and on which of the practice's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The caller's number in E.164; `None` when it is withheld.
    pub number: Option<Phi<String>>,
    /// The practice's name of the line that was called.
    pub line: String,
    /// What the desk knows of the call before it is answered.
    pub beforehand: Beforehand,
}

/// What the desk knows before a call is answered; `None` where it cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Beforehand {
    /// No role of the practice has anybody listed now; the one who answers for every gap is all there is.
    pub nobody_on_call: Option<bool>,
    /// This number called this practice in the last hour.
    pub called_lately: Option<bool>,
    /// The records can be asked. Without, they are down, and callers are told so before anything is asked.
    pub records_answer: bool,
    /// The trunk says that the number shown is not the caller's (§1.4 of the integrations): it is then no evidence.
    pub number_is_doubted: bool,
}

/// Words being said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SayId(pub u64);

/// A caller's clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClipId(pub u64);

/// A message of this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// What the run is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The time [`Run::timeout`] asked for has come.
    Time,
    /// One key, once, however it was signalled.
    Key(Phi<char>),
    /// These words ended by themselves; not told when they were hushed or replaced.
    Said(SayId),
    /// A clip ended: by the end of speech, by [`Do::EndClip`] or at its longest.
    Clip {
        /// Which.
        id: ClipId,
        /// How long the caller spoke; `None` when nothing was said.
        heard: Option<Duration>,
    },
    /// The message is durable.
    Kept(MessageId),
    /// The book cannot keep it.
    NotKept(MessageId),
    /// News of the ladder this call started.
    Escalation(Escalated),
    /// `connect to`: they answered.
    Connected,
    /// `connect to`: they did not; or, later, the other side of a bridge left.
    NotConnected,
    /// The caller is gone.
    HungUp,
    /// The records have answered; `id` is the question's.
    Records {
        /// Which question.
        id: AskId,
        /// What they say.
        answer: RecordsAnswer,
    },
    /// Something behind the phone line broke.
    Broken(Broken),
}

/// News of a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Escalated {
    /// This person's phone rings.
    Ringing {
        /// Who.
        person: String,
    },
    /// This person pressed the accept key.
    Accepted {
        /// Who.
        person: String,
    },
    /// Every rung was tried in vain; paging goes on if the ladder says so.
    Exhausted,
}

/// What broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Broken {
    /// Recordings cannot be written: the call goes on unrecorded.
    Recordings,
    /// Words cannot be said, not even from the cache.
    Speech,
    /// The records system.
    Records,
    /// The ledger.
    Book,
    /// All of it.
    Everything,
}

/// What the run wants done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Do {
    /// Answer the call.
    Answer,
    /// Say this instead of whatever is still being said.
    Say {
        /// Comes back in [`Heard::Said`].
        id: SayId,
        /// What.
        words: Words,
        /// A key stops the words by itself, before the run hears of it.
        stops_at_key: bool,
    },
    /// Stop saying anything.
    Hush,
    /// The caller gave permission.
    StartRecording,
    /// A tone, then keep what the caller says.
    RecordClip {
        /// Comes back in [`Heard::Clip`].
        id: ClipId,
        /// What it is about.
        field: Field,
        /// Cut off here.
        longest: Duration,
        /// Less is nothing.
        shortest: Duration,
        /// So much silence ends it.
        ends_after_silence: Duration,
    },
    /// The caller pressed pound, or the clip is no longer wanted.
    EndClip {
        /// Which.
        id: ClipId,
    },
    /// Make this durable and answer [`Heard::Kept`] or [`Heard::NotKept`]. The same id again replaces what was kept.
    Keep {
        /// Which.
        id: MessageId,
        /// What.
        message: Message,
    },
    /// Start trying to reach someone.
    Escalate {
        /// The practice's ladder.
        ladder: String,
        /// What they may hear of after they accept.
        message: Option<MessageId>,
        /// The ladder outlives the caller's hang-up.
        keep_going_after_hang_up: bool,
        /// The caller is on the line and is to be bridged; otherwise whoever accepts is given the number to call back.
        connect: bool,
    },
    /// The caller left the queue by a key: the ladder goes on by itself unless somebody acknowledged it.
    LeaveEscalation,
    /// Bridge the caller with the person who accepted.
    Bridge,
    /// Ring a line outside the ladder and bridge when it answers.
    Connect {
        /// Its name.
        to: String,
        /// What is dialled.
        dial: Phi<String>,
        /// How long it rings.
        ring_for: Duration,
        /// What its display shows.
        show: Show,
    },
    /// Tell a ladder or an inbox something that says nothing about the patient.
    Notify {
        /// Who.
        target: Target,
        /// What.
        words: Words,
    },
    /// Ask the records, and answer [`Heard::Records`]. Whoever asks waits no longer than [`ANSWERS_WITHIN`].
    AskRecords {
        /// Comes back with the answer.
        id: AskId,
        /// What is asked.
        ask: RecordsAsk,
    },
    /// For the record.
    Note(Note),
    /// Close the call.
    HangUp,
}

/// What the record should say; no digit, name or clip is ever in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A section began.
    Section(String),
    /// The caller chose a language.
    Language(Language),
    /// The caller did or did not give permission to record.
    Permission(bool),
    /// A triage question was answered.
    Answered {
        /// The question's stable id.
        question: String,
        /// Only what kind of answer.
        answer: Answer,
    },
    /// What the caller did at a question that no other note tells of, or how a condition stood that nobody could ask
    /// again later. Never a detail: only that one was not given.
    Chose {
        /// Its words in the source language, a red-flag question's stable id, or a detail's name.
        question: String,
        /// What they did.
        choice: Chosen,
    },
    /// The caller hung up, in the middle of this: a question as in [`Note::Chose`], a ladder, words.
    Left {
        /// What.
        during: String,
    },
    /// How bad it may be, and by which question; none when it was silence, or when every answer was no.
    Disposition {
        /// The grade.
        level: Level,
        /// The question that decided.
        question: Option<String>,
    },
    /// The caller began to hear the 911 direction.
    Told911,
    /// The safety net took over.
    SafetyNet(Why),
    /// How the call ended; exactly once, and last.
    Outcome(Outcome),
}

/// The kind of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// 1.
    Yes,
    /// 2.
    No,
    /// Silence, or keys that mean nothing.
    Unclear,
}

impl Answer {
    /// Its word in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unclear => "unclear",
        }
    }
}

/// Why the safety net took over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// Something broke.
    Broken(Broken),
    /// The step budget or the hour is used up.
    TooLong,
    /// A section ended without an ending.
    DeadEnd,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller talked with them.
    Connected {
        /// The person or line.
        to: String,
    },
    /// The caller heard the 911 direction.
    Told911,
    /// The caller had hung up; this person accepted and has the number.
    CallingBack {
        /// The person.
        person: String,
    },
    /// Nobody accepted yet; the ladder goes on paging.
    StillPaging {
        /// The ladder.
        ladder: String,
    },
    /// Nobody accepted, and the ladder does not go on.
    NobodyAccepted {
        /// The ladder.
        ladder: String,
    },
    /// A message waits.
    Message {
        /// The inbox.
        inbox: String,
    },
    /// The records have a new appointment for the caller.
    AppointmentBooked,
    /// Their appointment is at another time now.
    AppointmentMoved,
    /// Their appointment is cancelled.
    AppointmentCancelled,
    /// They were told of their appointment, and kept it.
    AppointmentKept,
    /// The caller hung up before any of this.
    CallerHungUp,
    /// The flow hung up before any of this.
    Ended,
}

impl Outcome {
    /// A later and better outcome replaces an earlier one; a message left while paging goes on does not.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::Connected { .. } => 7,
            Self::CallingBack { .. } => 6,
            Self::Told911 => 5,
            Self::StillPaging { .. } => 4,
            Self::Message { .. }
            | Self::AppointmentBooked
            | Self::AppointmentMoved
            | Self::AppointmentCancelled
            | Self::AppointmentKept => 3,
            Self::NobodyAccepted { .. } => 2,
            Self::CallerHungUp | Self::Ended => 0,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { to } => write!(f, "connected to {to}"),
            Self::Told911 => write!(f, "told to call 911"),
            Self::CallingBack { person } => write!(f, "{person} is calling back"),
            Self::StillPaging { ladder } => write!(f, "still paging {ladder}"),
            Self::NobodyAccepted { ladder } => write!(f, "nobody accepted on {ladder}"),
            Self::Message { inbox } => write!(f, "message in {inbox}"),
            Self::AppointmentBooked => write!(f, "appointment booked"),
            Self::AppointmentMoved => write!(f, "appointment moved"),
            Self::AppointmentCancelled => write!(f, "appointment cancelled"),
            Self::AppointmentKept => write!(f, "appointment kept"),
            Self::CallerHungUp => write!(f, "the caller hung up"),
            Self::Ended => write!(f, "ended"),
        }
    }
}

/// What the call is in the middle of. Every variant waits for something and knows until when.
#[derive(Debug)]
enum Doing {
    Saying(say::Saying),
    Lingering(say::Lingering),
    Choosing(choose::Choosing),
    Triaging(triage::Triaging),
    Collecting(collect::Collecting),
    Finding(find::Finding),
    Offering(offer::Offering),
    Escalating(escalate::Escalating),
    Connecting(connect::Connecting),
    Bridged(connect::Bridged),
    Recording(record::Recording),
    /// The caller is gone, the call's work is not.
    Parting(hang_up::Parting),
    Over,
}

/// What is asked at the moment, for whoever walks through a flow without a caller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asks {
    /// One of these keys; `question` is the place of a red-flag question in its protocol.
    Key { keys: Vec<char>, question: Option<usize> },
    /// A detail, or whether it was understood.
    Field { field: Field, confirms: bool },
    /// Somebody else is asked now: phones ring, or people talk.
    Person,
    /// Nothing; time passes.
    Nothing,
}

/// What follows when a verb has heard something.
#[derive(Debug)]
enum Turn {
    Stay(Doing),
    Next,
    To(SectionId),
    Net(Why),
    End,
}

impl Run {
    /// Begins a call; what it does first is already waiting in [`poll`](Self::poll).
    pub fn start(practice: Arc<Practice>, flow: Arc<Flow>, caller: Caller, now: Timestamp) -> Self {
        Self::begin(practice, flow, caller, now, None)
    }

    /// The same call, and [`trail`](Self::trail) tells every road it takes: how a rehearsal knows what it has walked.
    pub(crate) fn start_followed(practice: Arc<Practice>, flow: Arc<Flow>, caller: Caller, now: Timestamp) -> Self {
        Self::begin(practice, flow, caller, now, Some(Trail::default()))
    }

    fn begin(practice: Arc<Practice>, flow: Arc<Flow>, caller: Caller, now: Timestamp, trail: Option<Trail>) -> Self {
        let start = flow.start;
        let mut run = Self {
            scene: Scene::new(practice, flow, caller, now),
            doing: Doing::Over,
            trail,
        };
        run.settle(Turn::To(start));
        run
    }

    /// Every road taken so far, when the call is followed.
    pub(crate) fn trail(&self) -> &[Taken] {
        self.trail.as_ref().map_or(&[], Trail::taken)
    }

    /// Tells the run what happened. Drain [`poll`](Self::poll) afterwards.
    pub fn hear(&mut self, now: Timestamp, heard: Heard) {
        self.scene.now = now.max(self.scene.now);
        if heard == Heard::HungUp && !matches!(self.doing, Doing::Parting(_) | Doing::Over) {
            let during = self.during();
            self.scene.note(Note::Left { during });
        }
        let doing = std::mem::replace(&mut self.doing, Doing::Over);
        let before = self
            .trail
            .is_some()
            .then(|| trail::Before::new(self.place(), &doing, &heard));
        let turn = self.turn(doing, heard);
        if let (Some(trail), Some(before)) = (&mut self.trail, before) {
            trail.heard(before, &turn);
        }
        self.note_exit();
        self.settle(turn);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Do> {
        self.scene.out.pop_front()
    }

    /// When to say [`Heard::Time`]; `None` when only the world can move the call.
    pub fn timeout(&self) -> Option<Timestamp> {
        let limit = self.limit();
        match (self.doing.due(), limit) {
            (Some(due), Some(limit)) => Some(due.min(limit)),
            (due, limit) => due.or(limit),
        }
    }

    /// The call's work is done; nothing it hears changes anything any more.
    pub fn over(&self) -> bool {
        matches!(self.doing, Doing::Over)
    }

    /// The ladder this call waits for, with the caller on the line or gone. Another one that still rings for them, because
    /// they went on by a key, ends without this call.
    pub fn waits_for(&self) -> Option<&str> {
        match &self.doing {
            Doing::Escalating(escalating) => Some(escalating.ladder()),
            Doing::Parting(hang_up::Parting::Ringing { ladder, .. }) => Some(ladder),
            _ => None,
        }
    }

    /// The language the caller is spoken to in.
    pub fn language(&self) -> Language {
        self.scene.language
    }

    /// A replay: how conditions about the patient's age stood in the call itself, by their words.
    pub(crate) fn recalls(&mut self, held: BTreeMap<String, bool>) {
        self.scene.held = Some(held);
    }

    /// A condition that a replay came to and that its call had not.
    pub(crate) fn untold(&self) -> Option<&str> {
        self.scene.untold.as_deref()
    }

    /// What is asked at the moment.
    pub(crate) fn asks(&self) -> Asks {
        self.doing.asks()
    }

    /// The call shows its number, so 1 is enough to be called back at it.
    pub(crate) fn knows_the_number(&self) -> bool {
        self.scene.caller.number.is_some()
    }

    /// The step being taken.
    pub(crate) fn place(&self) -> (SectionId, usize) {
        (self.scene.section, self.scene.next_step.saturating_sub(1))
    }

    /// All that later conditions may ask of this call, in one text: two calls at one place with one memory go on alike.
    pub(crate) fn memory(&self) -> String {
        self.scene.memory()
    }

    fn limit(&self) -> Option<Timestamp> {
        match self.doing {
            // A conversation is as long as it is, a ladder has its own end, and after a hang-up no caller waits.
            Doing::Escalating(_) | Doing::Bridged(_) | Doing::Parting(_) | Doing::Over => None,
            _ => Some(self.scene.limit),
        }
    }

    fn turn(&mut self, doing: Doing, heard: Heard) -> Turn {
        if matches!(doing, Doing::Over) {
            return Turn::Stay(doing);
        }
        let waits = !matches!(doing, Doing::Escalating(_) | Doing::Bridged(_) | Doing::Parting(_));
        let too_long = waits && self.scene.now >= self.scene.limit;
        let scene = &mut self.scene;
        match heard {
            Heard::HungUp => hang_up::caller_left(doing, scene),
            Heard::Broken(broken) => Self::broke(doing, scene, broken),
            Heard::Escalation(Escalated::Accepted { person })
                if scene.ladder_runs_for_caller() && !matches!(doing, Doing::Escalating(_)) =>
            {
                // Somebody accepted after the caller was told that nobody had: they are still on the line.
                scene.stop(&doing);
                connect::bridge(scene, person)
            }
            Heard::Escalation(_) if !matches!(doing, Doing::Escalating(_) | Doing::Parting(_)) => Turn::Stay(doing),
            _ if too_long => {
                scene.stop(&doing);
                if scene.in_net {
                    Turn::End
                } else {
                    Turn::Net(Why::TooLong)
                }
            }
            heard => doing.hear(scene, heard),
        }
    }

    fn broke(doing: Doing, scene: &mut Scene, broken: Broken) -> Turn {
        match broken {
            Broken::Records => scene.records_down = true,
            Broken::Recordings => scene.recordings_down = true,
            Broken::Speech | Broken::Book | Broken::Everything => {
                // A phone that already rings, a person already there, the 911 direction: all better than a net.
                let better = matches!(
                    doing,
                    Doing::Lingering(_)
                        | Doing::Escalating(_)
                        | Doing::Connecting(_)
                        | Doing::Bridged(_)
                        | Doing::Parting(_)
                );
                if !better && !scene.in_net {
                    scene.stop(&doing);
                    return Turn::Net(Why::Broken(broken));
                }
            }
        }
        Turn::Stay(doing)
    }

    fn settle(&mut self, mut turn: Turn) {
        for _ in 0..TURNS_MAX {
            turn = match turn {
                Turn::Stay(doing) => {
                    self.doing = doing;
                    return;
                }
                Turn::Next => self.take(),
                Turn::To(section) => {
                    self.scene.enter(section);
                    Turn::Next
                }
                Turn::Net(why) => self.fall(why),
                Turn::End => break,
            };
        }
        self.scene.end();
        self.doing = Doing::Over;
    }

    /// Takes the next step of the section.
    fn take(&mut self) -> Turn {
        let ahead = self.trail.is_some().then(|| {
            let step = self.scene.flow.step(self.scene.section, self.scene.next_step);
            let by_key = matches!(
                step.map(|step| &step.act),
                Some(Act::Menu(_) | Act::AskYesOrNo { .. } | Act::ChooseLanguage)
            );
            // Keys pressed ahead of anything else may be digits of a number, which nobody notes.
            if by_key {
                self.scene.ahead.clone()
            } else {
                VecDeque::new()
            }
        });
        let turn = self.take_step();
        if let (Some(trail), Some(ahead)) = (&mut self.trail, ahead) {
            let place = (self.scene.section, self.scene.next_step.saturating_sub(1));
            trail.took(place, &ahead, self.scene.ahead.len(), &turn);
        }
        self.note_exit();
        turn
    }

    /// How a step that asked the records came out.
    fn note_exit(&mut self) {
        if let (Some(exit), Some(trail)) = (self.scene.exit.take(), &mut self.trail) {
            let place = (self.scene.section, self.scene.next_step.saturating_sub(1));
            trail.came_out(place, exit);
        }
    }

    fn take_step(&mut self) -> Turn {
        let scene = &mut self.scene;
        let flow = scene.flow.clone();
        let Some(step) = flow.step(scene.section, scene.next_step) else {
            return if scene.in_net {
                Turn::End
            } else {
                Turn::Net(Why::DeadEnd)
            };
        };
        scene.next_step += 1;
        if step.only_if.as_ref().is_some_and(|condition| !scene.holds(condition)) {
            if let Some(trail) = &mut self.trail {
                trail.passed_by();
            }
            return Turn::Next;
        }
        if !scene.spend() && !scene.in_net {
            return Turn::Net(Why::TooLong);
        }
        match &step.act {
            Act::Answer => {
                scene.answer();
                Turn::Next
            }
            Act::Say { words, can_be_skipped } => say::say(scene, words, *can_be_skipped),
            // Files below words/ are matched to their sentence when the practice is loaded, like any recorded words.
            Act::Play { words, .. } => say::say(scene, words, true),
            Act::EmergencyNotice(notice) => say::emergency_notice(scene, *notice),
            Act::ChooseLanguage => choose::language(scene),
            Act::AskPermissionToRecord => choose::permission(scene),
            Act::Menu(menu) => choose::menu(scene, menu),
            Act::AskYesOrNo {
                question,
                if_yes,
                if_no,
                if_no_answer,
            } => choose::yes_or_no(scene, question, *if_yes, *if_no, *if_no_answer),
            Act::Ask { field, if_no_answer } => collect::ask(scene, *field, *if_no_answer),
            Act::Triage {
                protocol,
                if_emergency,
                if_urgent,
                if_semi_urgent,
                if_routine,
            } => triage::begin(
                scene,
                protocol,
                [*if_emergency, *if_urgent, *if_semi_urgent, *if_routine],
            ),
            Act::TellToCall911 => say::call_911(scene),
            Act::Collect(name) => collect::message(scene, name, collect::Purpose::Collect),
            Act::TakeMessage(name) => collect::message(scene, name, collect::Purpose::Take),
            Act::TakeRefill(name) => collect::message(scene, name, collect::Purpose::Refill),
            Act::RecordMessage { longest } => record::begin(scene, *longest),
            Act::FindPatient { by, if_not_found } => find::begin(scene, by, *if_not_found),
            Act::OfferAppointments {
                wanted,
                visit_types,
                within_days,
                if_nothing_fits,
                if_records_are_down,
            } => offer::begin(
                scene,
                offer::Offer {
                    wanted,
                    visit_types,
                    within_days: *within_days,
                    if_nothing_fits: *if_nothing_fits,
                    if_records_are_down: *if_records_are_down,
                },
            ),
            Act::Escalate { .. } => escalate::begin(scene, &step.act),
            Act::Connect {
                to,
                dial,
                ring_for,
                show,
                if_no_answer,
            } => connect::begin(scene, to, dial, *ring_for, *show, Some(*if_no_answer)),
            Act::Transfer { to, dial } => {
                connect::begin(scene, to, dial, connect::RING_FOR, Show::PracticeNumber, None)
            }
            Act::Notify { target, saying } => {
                let words = scene.sentence(saying);
                scene.out.push_back(Do::Notify {
                    target: target.clone(),
                    words,
                });
                Turn::Next
            }
            Act::Remember { name, value } => {
                scene.remember(name, value);
                Turn::Next
            }
            Act::GoTo(section) => Turn::To(*section),
            Act::HangUp => Turn::End,
        }
    }

    /// The safety net: compiled with the flow, needs nothing but the phone line (§5).
    fn fall(&mut self, why: Why) -> Turn {
        let scene = &mut self.scene;
        if scene.in_net {
            // It is already the last thing there is; go on with its next step.
            return Turn::Next;
        }
        scene.in_net = true;
        scene.limit = scene.after(NET_MAX);
        scene.out.push_back(Do::Note(Note::SafetyNet(why)));
        scene.answer();
        scene.ahead.clear();
        scene.save_draft();
        let net = scene.flow.safety_net;
        match why {
            Why::TooLong => say::phrase_then(scene, Phrase::TooLong, Some(net)),
            // Nothing was heard yet: the notice comes first (S002), not an apology.
            _ if !scene.spoke() => Turn::To(net),
            _ => say::phrase_then(scene, Phrase::Trouble, Some(net)),
        }
    }
}

impl Doing {
    fn asks(&self) -> Asks {
        match self {
            Self::Choosing(choosing) => choosing.asks(),
            Self::Triaging(triaging) => triaging.asks(),
            Self::Collecting(collecting) => collecting.asks(),
            Self::Finding(finding) => finding.asks(),
            Self::Offering(offering) => offering.asks(),
            Self::Escalating(escalating) => escalating.asks(),
            Self::Connecting(_) | Self::Bridged(_) => Asks::Person,
            Self::Saying(_) | Self::Lingering(_) | Self::Recording(_) | Self::Parting(_) | Self::Over => Asks::Nothing,
        }
    }

    fn hear(self, scene: &mut Scene, heard: Heard) -> Turn {
        match self {
            Self::Saying(saying) => saying.hear(scene, heard),
            Self::Lingering(lingering) => lingering.hear(scene, heard),
            Self::Choosing(choosing) => choosing.hear(scene, heard),
            Self::Triaging(triaging) => triaging.hear(scene, heard),
            Self::Collecting(collecting) => collecting.hear(scene, heard),
            Self::Finding(finding) => finding.hear(scene, &heard),
            Self::Offering(offering) => offering.hear(scene, &heard),
            Self::Escalating(escalating) => escalating.hear(scene, heard),
            Self::Connecting(connecting) => connecting.hear(scene, heard),
            Self::Bridged(bridged) => bridged.hear(scene, heard),
            Self::Recording(recording) => recording.hear(scene, heard),
            Self::Parting(parting) => parting.hear(scene, heard),
            Self::Over => Turn::Stay(Self::Over),
        }
    }

    fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Saying(saying) => Some(saying.due()),
            Self::Lingering(lingering) => Some(lingering.due()),
            Self::Choosing(choosing) => Some(choosing.due()),
            Self::Triaging(triaging) => Some(triaging.due()),
            Self::Collecting(collecting) => Some(collecting.due()),
            Self::Finding(finding) => Some(finding.due()),
            Self::Offering(offering) => Some(offering.due()),
            Self::Escalating(escalating) => Some(escalating.due()),
            Self::Connecting(connecting) => Some(connecting.due()),
            Self::Recording(recording) => Some(recording.due()),
            Self::Parting(parting) => parting.due(),
            Self::Bridged(_) | Self::Over => None,
        }
    }

    /// An answer given but not yet confirmed.
    fn so_far(&self) -> Option<(Field, Value, Option<&'static str>)> {
        match self {
            Self::Collecting(collecting) => collecting.so_far(),
            _ => None,
        }
    }

    /// The clip that is being recorded, if any.
    fn clip(&self) -> Option<(ClipId, Field)> {
        match self {
            Self::Collecting(collecting) => collecting.clip(),
            Self::Escalating(escalating) => escalating.clip(),
            Self::Recording(recording) => recording.clip(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
