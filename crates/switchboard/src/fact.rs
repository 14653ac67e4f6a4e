//! `Fact`: the only history (house.md §5, invariant 4).
//!
//! A fact is what happened, once, with its time. Logs, metrics, the ledger, the live view, ladders and call records
//! are its readers. What a patient said or keyed stands in `Phi`, so that a fact can be printed for debugging and still
//! tell nothing; it becomes bytes in [`Stamped::encode`] only, whose result goes to the ledger's seal and nowhere else.

use jiff::Timestamp;
use phi::Phi;
use seal::Retention;
use serde::{Deserialize, Serialize};

use crate::card::Card;
use crate::door::{CallId, RecordingId};

/// A fact, when it happened, and in which call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// The call it belongs to; `None` for facts of the house (start, drain, recovery).
    pub call: Option<CallId>,
    /// When, in UTC.
    pub at: Timestamp,
    /// What.
    pub fact: Fact,
}

impl Stamped {
    /// The bytes that the ledger seals. They hold what `Phi` hides: seal them, and keep no copy.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("facts have text keys and finite numbers only, so JSON can hold them")
    }

    /// Reads what [`Stamped::encode`] wrote, after the ledger opened it.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnknownFact> {
        serde_json::from_slice(bytes).map_err(|_| UnknownFact)
    }
}

/// A record that this version does not know. The bytes are not repeated: they may hold a patient's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of the book is not a fact this version knows; read it with the version that wrote it")]
pub struct UnknownFact;

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// An INVITE for a number of ours became a call.
    CallBegan {
        /// The practice called.
        practice: String,
        /// The line of the practice file.
        line: String,
        /// The carrier that brought it.
        trunk: String,
        /// The number calling, when it is known and is not one of the practice's own.
        #[serde(with = "sealed")]
        caller: Phi<Option<String>>,
        /// Fingerprint of the release this call keeps to its end.
        release: String,
        /// Nobody was listed as on call as it began, where that could be said.
        #[serde(default)]
        nobody_on_call: Option<bool>,
        /// The number had called in the hour before, where that could be said.
        #[serde(default)]
        called_lately: Option<bool>,
    },
    /// An INVITE was refused; it is counted, so that no call is lost in silence (ANS-03, ANS-05).
    CallRefused {
        /// The carrier that brought it.
        trunk: String,
        /// The SIP status sent.
        status: u16,
        /// From the table of faults.
        why: String,
    },
    /// A caller heard that the number is not in service, for no agreement with the practice holds. There is no other row
    /// of that call: nobody may know who it was (ADM-01).
    TurnedAway {
        /// The practice called.
        practice: String,
        /// The line of the practice file.
        line: String,
        /// The carrier that brought it.
        trunk: String,
    },
    /// An INVITE was a call that has already come, by another edge of its trunk; it is answered 482 and is no call.
    CallMerged {
        /// The carrier that brought it.
        trunk: String,
    },
    /// What the trunk says of the caller's number (STIR/SHAKEN). For people to read; it refuses nobody.
    Verdict {
        /// `passed`, `failed` or `none`.
        verdict: String,
        /// `A`, `B`, `C` or `unknown`.
        attestation: String,
    },
    /// A trunk answers again, or for the first time.
    TrunkUp {
        /// Its name.
        trunk: String,
    },
    /// A trunk no longer answers: calls go elsewhere while there is an elsewhere.
    TrunkDown {
        /// Its name.
        trunk: String,
    },
    /// A carrier knows where we are, and sends its calls here.
    Registered {
        /// Its trunk.
        trunk: String,
    },
    /// A carrier does not know where we are: its calls do not come.
    Unregistered {
        /// Its trunk.
        trunk: String,
        /// Why not.
        why: String,
    },
    /// Something is not as it was agreed with a carrier, and somebody should look.
    Alarm {
        /// The carrier.
        trunk: String,
        /// What, in words for an engineer.
        what: String,
    },
    /// Our call to a person could not be taken at one address and went to the next.
    WentElsewhere {
        /// Who is being rung.
        party: String,
        /// The trunk that could not.
        trunk: String,
        /// Its status, or that it said nothing.
        why: String,
        /// The trunk tried next; it may be the same at another address.
        next: String,
    },
    /// A carrier's engineer called the number of `report card`, and this is the card of that call.
    ReportCard {
        /// Names the card; the call itself has no other record.
        id: CallId,
        /// The carrier.
        trunk: String,
        /// Seconds since the INVITE.
        seconds: u32,
        /// What was tried, and how it went. No number, name or key is in it.
        card: Card,
    },
    /// A person's number is one that no machine calls: an emergency number, a service number, no number at all.
    NeverDialled {
        /// Whose.
        party: String,
        /// Which of these.
        why: String,
    },
    /// A person's phone was answered: how this leg is carried (SEC-03).
    Joined {
        /// Whose.
        party: String,
        /// The trunk that took the call.
        trunk: String,
        /// Which codec was agreed.
        codec: String,
        /// Whether its signalling is encrypted on the wire.
        signalling_protected: bool,
        /// Whether its audio is.
        audio_protected: bool,
    },
    /// A line of the SIP ladder: who sent what to whom.
    Signal {
        /// The other side: `caller`, or the name of a person rung.
        party: String,
        /// From us to them, rather than from them to us.
        ours: bool,
        /// Method or status, for instance `INVITE` or `200`.
        what: String,
    },
    /// The caller was answered.
    Answered {
        /// Which codec was agreed.
        codec: String,
        /// Whether the audio of this leg is encrypted on the wire (SEC-03).
        encrypted: bool,
        /// Whether its signalling is.
        #[serde(default)]
        signalling_protected: bool,
    },
    /// The flow entered a section.
    Section {
        /// Its name in the flow file.
        name: String,
    },
    /// Words were spoken to the caller; private words are left out.
    Said {
        /// The words, or `‹private words›`.
        words: String,
    },
    /// The caller pressed a key. Which one is not kept unless the flow asked for it: only the class (SEC-15).
    Pressed {
        /// `digit`, `star` or `hash`.
        class: String,
    },
    /// The caller chose a language.
    Language {
        /// Its name.
        language: String,
    },
    /// The caller was asked for permission to record.
    Permission {
        /// Yes; anything else is no.
        given: bool,
        /// The law behind the question (`flow::consent`); none in records of before it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
    },
    /// Whoever was to join a recorded call was told of the recording, or could not be.
    PartyPermission {
        /// The person or line.
        person: String,
        /// They accepted after hearing of it; otherwise the recording ended before they joined.
        given: bool,
        /// They had been asked. A line that nobody speaks for is not.
        asked: bool,
    },
    /// A call recording began.
    RecordingBegan {
        /// Its id.
        recording: RecordingId,
    },
    /// A call recording is complete and sealed.
    RecordingSealed {
        /// Its id.
        recording: RecordingId,
        /// Its length.
        milliseconds: u64,
        /// SHA-256 of the sealed file, in hexadecimal.
        sha256: String,
        /// Frames replaced by silence because the disk was too slow.
        gaps: u64,
    },
    /// A recording could not be written; the call went on.
    RecordingFailed {
        /// Its id.
        recording: RecordingId,
    },
    /// A restart found a recording without its end, and closed it at its last whole second.
    RecordingInterrupted {
        /// Its id.
        recording: RecordingId,
        /// Whole chunks kept.
        chunks: u64,
        /// SHA-256 of the file as it was found, in hexadecimal.
        sha256: String,
    },
    /// The caller left a spoken clip.
    ClipKept {
        /// Its id.
        recording: RecordingId,
        /// Which field it answers.
        field: String,
        /// Its length.
        milliseconds: u64,
    },
    /// A triage question was answered.
    TriageAnswer {
        /// The question's stable id.
        question: String,
        /// `yes`, `no` or `unclear`.
        class: String,
    },
    /// What the caller did at a question that no other fact tells of, in words that stay true when keys move: what
    /// `flow replay` goes by. Never a detail, only that one was not given; which key it was is not kept (SEC-15).
    Choice {
        /// The question in the flow's own words, a red-flag question's id, a detail's name, or `if` and a condition.
        question: String,
        /// `for` and the option's words, `yes`, `no`, `0`, `silence` or `other keys`.
        choice: String,
    },
    /// The caller hung up, in the middle of this.
    CallerLeft {
        /// A question as in [`Fact::Choice`], a ladder, `words`.
        during: String,
    },
    /// Triage came to its end.
    Disposition {
        /// `emergency`, `urgent`, `semi-urgent` or `routine`.
        level: String,
        /// The question that decided, if one did.
        question: Option<String>,
    },
    /// The records were asked, and for what purpose (AUD-02). Nothing in it tells of anybody.
    RecordsAsked {
        /// What was asked.
        what: String,
        /// Why.
        purpose: String,
    },
    /// How they answered: `one match`, `no match`, `down`.
    RecordsAnswered {
        /// What was asked.
        what: String,
        /// In a word or two.
        result: String,
    },
    /// The caller was told to call 911.
    Told911,
    /// A message is accepted: from here on we owe it a reader.
    MessageKept(Box<Message>),
    /// A ladder began. Durable before the first INVITE leaves (ESC-12).
    EscalationBegan(Box<OpenEscalation>),
    /// A ladder came to another place: what a restart goes on from (D4).
    Climbed {
        /// The ladder.
        ladder: String,
        /// Where it is.
        reached: Reached,
    },
    /// One attempt to reach one person ended (ESC-05).
    Attempt {
        /// The ladder.
        ladder: String,
        /// Who was rung.
        person: String,
        /// Their number, all but the last two digits masked.
        number: String,
        /// `accepted`, `passed`, `no key`, `no answer`, `busy`, `declined`, `failed`, `cancelled`.
        result: String,
        /// Seconds from ringing to the result.
        seconds: u32,
    },
    /// A person pressed the accept key.
    Accepted {
        /// The ladder.
        ladder: String,
        /// Who.
        person: String,
    },
    /// Caller and person hear each other.
    Bridged {
        /// Who joined the caller.
        person: String,
    },
    /// The caller was gone when the person accepted; the person was given the number to call back (D3).
    NumberGiven {
        /// Who has it.
        person: String,
    },
    /// Everyone on the ladder was tried; paging goes on.
    Exhausted {
        /// The ladder.
        ladder: String,
    },
    /// Nothing more is tried on this ladder.
    EscalationEnded {
        /// The ladder.
        ladder: String,
        /// `accepted`, `gave up` or `withdrawn`.
        why: String,
    },
    /// A notice without patient information was asked for.
    Notified {
        /// Whom.
        target: String,
        /// The words, which the checker proved free of patient information (P001).
        words: String,
    },
    /// The safety net took over.
    SafetyNet {
        /// Why.
        reason: String,
    },
    /// A leg's audio figures at its end.
    Quality {
        /// The other side.
        party: String,
        /// Packets we sent.
        sent: u64,
        /// Packets we received.
        received: u64,
        /// Packets that never came.
        lost: u64,
        /// Interarrival jitter, RFC 3550 §6.4.1, in milliseconds.
        jitter_ms: u32,
        /// Packets from strangers, dropped.
        strangers: u64,
    },
    /// The caller's call ended: exactly one per call (ANS-03).
    CallEnded {
        /// What came of it, in one phrase.
        outcome: String,
        /// `caller`, `us`, `fault` or `restart`.
        ended_by: String,
        /// Seconds since the INVITE.
        seconds: u32,
    },
    /// The process began.
    Started {
        /// Its version.
        version: String,
    },
    /// The process was asked to finish, and did.
    Stopped,
    /// From here on new callers of a practice hear these words; calls in progress keep theirs.
    Released {
        /// Whose callers.
        practice: String,
        /// A release by its fingerprint, a lab's folder, or the emergency notice alone.
        says: String,
    },
    /// A practice, or its last change, is not heard as somebody meant it to be, and what was heard before stays; or nobody
    /// is listed on call soon.
    PracticeAlarm {
        /// Whose.
        practice: String,
        /// What is wrong, in words for whoever edits it.
        what: String,
    },
    /// The engine itself cannot do something it should, and does the next best thing.
    HouseAlarm {
        /// What, and what became of it.
        what: String,
    },
    /// A trace of the signalling began: from here on messages are written or sent elsewhere.
    TraceBegan {
        /// `files`, or `collector`.
        into: String,
        /// Whether numbers and names can be read in it; a trace that shows them is patient information itself.
        numbers_shown: bool,
        /// The trunk whose messages are in it; `None`: everybody's.
        #[serde(default)]
        trunk: Option<String>,
    },
    /// A trace ended.
    TraceEnded {
        /// Messages in it.
        written: u64,
        /// Messages missing in it.
        missing: u64,
    },
}

impl Fact {
    /// How long it is kept, and with what it is destroyed: the one table (design/controls.md §1.4). What a caller pressed and
    /// answered goes first; messages and what they said to call back next; that there was a call, and what came of it, stays
    /// longer; what the engine and its carriers did is the audit's.
    pub fn keep(&self) -> Retention {
        match self {
            Fact::Pressed { .. }
            | Fact::Language { .. }
            | Fact::TriageAnswer { .. }
            | Fact::Choice { .. }
            | Fact::CallerLeft { .. } => Retention::Keys,
            Fact::ClipKept { .. } | Fact::MessageKept(_) | Fact::EscalationBegan(_) | Fact::Notified { .. } => {
                Retention::Messages
            }
            Fact::CallRefused { .. }
            | Fact::CallMerged { .. }
            | Fact::TrunkUp { .. }
            | Fact::TrunkDown { .. }
            | Fact::Registered { .. }
            | Fact::Unregistered { .. }
            | Fact::Alarm { .. }
            | Fact::ReportCard { .. }
            | Fact::Started { .. }
            | Fact::Stopped
            | Fact::Released { .. }
            | Fact::PracticeAlarm { .. }
            | Fact::HouseAlarm { .. }
            | Fact::TraceBegan { .. }
            | Fact::TraceEnded { .. } => Retention::Audit,
            Fact::CallBegan { .. }
            | Fact::TurnedAway { .. }
            | Fact::Verdict { .. }
            | Fact::WentElsewhere { .. }
            | Fact::NeverDialled { .. }
            | Fact::Joined { .. }
            | Fact::Signal { .. }
            | Fact::Answered { .. }
            | Fact::Section { .. }
            | Fact::Said { .. }
            | Fact::Permission { .. }
            | Fact::RecordingBegan { .. }
            | Fact::RecordingSealed { .. }
            | Fact::RecordingFailed { .. }
            | Fact::RecordingInterrupted { .. }
            | Fact::Disposition { .. }
            | Fact::RecordsAsked { .. }
            | Fact::RecordsAnswered { .. }
            | Fact::Told911
            | Fact::Climbed { .. }
            | Fact::Attempt { .. }
            | Fact::Accepted { .. }
            | Fact::Bridged { .. }
            | Fact::NumberGiven { .. }
            | Fact::Exhausted { .. }
            | Fact::EscalationEnded { .. }
            | Fact::SafetyNet { .. }
            | Fact::Quality { .. }
            | Fact::CallEnded { .. }
            | Fact::PartyPermission { .. } => Retention::Calls,
        }
    }

    /// The kind under which the ledger indexes it; the clear part of the record.
    pub fn kind(&self) -> &'static str {
        match self {
            Fact::CallBegan { .. } => "call began",
            Fact::CallRefused { .. } => "call refused",
            Fact::TurnedAway { .. } => "turned away",
            Fact::CallMerged { .. } => "call merged",
            Fact::Verdict { .. } => "verdict",
            Fact::TrunkUp { .. } => "trunk up",
            Fact::TrunkDown { .. } => "trunk down",
            Fact::Registered { .. } => "registered",
            Fact::Unregistered { .. } => "unregistered",
            Fact::Alarm { .. } => "alarm",
            Fact::WentElsewhere { .. } => "went elsewhere",
            Fact::ReportCard { .. } => "report card",
            Fact::NeverDialled { .. } => "never dialled",
            Fact::Joined { .. } => "joined",
            Fact::Signal { .. } => "signal",
            Fact::Answered { .. } => "answered",
            Fact::Section { .. } => "section",
            Fact::Said { .. } => "said",
            Fact::Pressed { .. } => "pressed",
            Fact::Language { .. } => "language",
            Fact::Permission { .. } => "permission",
            Fact::PartyPermission { .. } => "party permission",
            Fact::RecordingBegan { .. } => "recording began",
            Fact::RecordingSealed { .. } => "recording sealed",
            Fact::RecordingFailed { .. } => "recording failed",
            Fact::RecordingInterrupted { .. } => "recording interrupted",
            Fact::ClipKept { .. } => "clip kept",
            Fact::TriageAnswer { .. } => "triage answer",
            Fact::Choice { .. } => "choice",
            Fact::CallerLeft { .. } => "caller left",
            Fact::Disposition { .. } => "disposition",
            Fact::RecordsAsked { .. } => "records asked",
            Fact::RecordsAnswered { .. } => "records answered",
            Fact::Told911 => "told 911",
            Fact::MessageKept(_) => "message kept",
            Fact::EscalationBegan(_) => "escalation began",
            Fact::Climbed { .. } => "climbed",
            Fact::Attempt { .. } => "attempt",
            Fact::Accepted { .. } => "accepted",
            Fact::Bridged { .. } => "bridged",
            Fact::NumberGiven { .. } => "number given",
            Fact::Exhausted { .. } => "exhausted",
            Fact::EscalationEnded { .. } => "escalation ended",
            Fact::Notified { .. } => "notified",
            Fact::SafetyNet { .. } => "safety net",
            Fact::Quality { .. } => "quality",
            Fact::CallEnded { .. } => "call ended",
            Fact::Started { .. } => "started",
            Fact::Stopped => "stopped",
            Fact::Released { .. } => "released",
            Fact::PracticeAlarm { .. } => "practice alarm",
            Fact::HouseAlarm { .. } => "house alarm",
            Fact::TraceBegan { .. } => "trace began",
            Fact::TraceEnded { .. } => "trace ended",
        }
    }
}

/// A message for the practice, as the caller left it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its number within the call.
    pub id: u64,
    /// The message's name in the flow file.
    pub kind: String,
    /// The inbox or ladder it goes to.
    pub goes_to: String,
    /// What was asked, and what came.
    pub fields: Vec<(String, FieldValue)>,
    /// The promise made to the caller.
    pub call_back_by: Option<Timestamp>,
    /// For instance `doctor must review`.
    pub marks: Vec<String>,
    /// The caller hung up before the end; what we have is here (MSG-08).
    pub cut_off: bool,
    /// Fields that were asked and not answered.
    pub missing: Vec<String>,
}

/// What a caller answered to one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldValue {
    /// A telephone number.
    #[serde(with = "sealed")]
    Number(Phi<String>),
    /// A date, `1984-02-09`.
    #[serde(with = "sealed")]
    Date(Phi<String>),
    /// A spoken clip, sealed in the vault under this id.
    Clip(RecordingId),
    /// An age in years.
    #[serde(with = "sealed")]
    Years(Phi<u8>),
    /// Yes or no.
    #[serde(with = "sealed")]
    YesNo(Phi<bool>),
    /// Asked, and not answered.
    Unknown,
}

/// An escalation as a restart needs it to go on ringing (D4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenEscalation {
    /// The call for which it runs.
    pub call: CallId,
    /// Whose ladder.
    pub practice: String,
    /// The ladder's name in the practice file.
    pub ladder: String,
    /// When it began.
    pub began: Timestamp,
    /// The number to give to the doctor.
    #[serde(with = "sealed")]
    pub call_back: Phi<Option<String>>,
    /// The message with the caller's details.
    pub message: Option<u64>,
    /// The safety net runs it: the number calling is all we have.
    pub by_safety_net: bool,
    /// How far it had come, when a restart goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<Reached>,
}

/// How far up a ladder is, without the ladder: that is the release's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The rung, from nought; past the last one it pages.
    pub rung: usize,
    /// Which of the rung's tries, from nought.
    pub attempt: u8,
    /// Paging: the round, and when the last rung had failed.
    pub page: Option<(u32, Timestamp)>,
    /// It waits until then.
    pub not_before: Option<Timestamp>,
    /// Who has passed on this rung.
    pub passed: Vec<String>,
    /// The number of the next try.
    pub next_try: u32,
}

/// `Phi` into and out of the sealed book: the one place where it may be written.
mod sealed {
    use phi::Phi;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Phi<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.expose().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Phi<T>, D::Error> {
        T::deserialize(deserializer).map(Phi::new)
    }
}

impl Serialize for CallId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        CallId::parse(&text).ok_or_else(|| serde::de::Error::custom("a call id is 32 hexadecimal digits"))
    }
}

/// A number with all but its last two digits masked, for attempts and call records (ESC-05).
pub fn masked(number: &str) -> String {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let mut seen = 0;
    number
        .chars()
        .map(|c| {
            if c.is_ascii_digit() {
                seen += 1;
                if seen + 2 > digits { c } else { '•' }
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{CallId, Fact, FieldValue, Message, Phi, Stamped, masked};
    use jiff::Timestamp;

    #[test]
    fn a_fact_reads_back_as_it_was_written_and_prints_without_its_secret() {
        let stamped = Stamped {
            call: Some(CallId([7; 16])),
            at: Timestamp::UNIX_EPOCH,
            fact: Fact::MessageKept(Box::new(Message {
                id: 1,
                kind: "urgent call".into(),
                goes_to: "doctor on call".into(),
                fields: vec![(
                    "callback number".into(),
                    FieldValue::Number(Phi::new("+15125550199".into())),
                )],
                call_back_by: None,
                marks: vec![],
                cut_off: false,
                missing: vec![],
            })),
        };
        assert_eq!(Stamped::decode(&stamped.encode()), Ok(stamped.clone()));
        assert!(!format!("{stamped:?}").contains("5550199"));
    }

    #[test]
    fn masking_leaves_two_digits() {
        assert_eq!(masked("+15125550141"), "+•••••••••41");
    }
}
