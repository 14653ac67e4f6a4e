//! A flow as it runs: sections of steps, one verb each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Approval, Condition, Level, Protocol, Sentence};
use crate::time::Promise;
use crate::words::Language;

/// What callers of one line hear, and who is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Its name: `After hours at Cedar Family Medicine`.
    pub name: String,
    /// Its version: `2026-11-21.1`.
    pub version: String,
    /// The file it stands in.
    pub file: String,
    /// The languages it speaks, first choice first. Never empty; English is always one of them.
    pub languages: Vec<Language>,
    /// The name of the line it answers.
    pub line: String,
    /// When it answers; `any time` always holds.
    pub when: Condition,
    /// Who looks after it.
    pub owner: String,
    /// Who approved it.
    pub approval: Approval,
    /// Whether a call may be recorded at all.
    pub recording: Recording,
    /// What every question does when it is not answered.
    pub every_question: EveryQuestion,
    /// What becomes of what the caller told us so far.
    pub if_the_caller_hangs_up: HangUpRule,
    /// Where a call begins.
    pub start: SectionId,
    /// Every section in the order written; the safety net is the last.
    pub sections: Vec<Section>,
    /// The section that needs nothing but the phone line.
    pub safety_net: SectionId,
    /// The messages a caller may leave, by name.
    pub messages: BTreeMap<String, Kind>,
}

impl Flow {
    /// Whether callers of this line are meant: it is the one answered, or some step asks whether it was called.
    pub fn speaks_for(&self, line: &str) -> bool {
        let asks = |step: &Step| step.only_if.as_ref().is_some_and(|only_if| only_if.names_line(line));
        let mut steps = self.sections.iter().flat_map(|section| &section.steps);
        self.line == line || steps.any(asks)
    }

    /// The section of that id.
    pub fn section(&self, id: SectionId) -> &Section {
        self.sections
            .get(id.0)
            .expect("compile makes ids from the sections of this very flow")
    }

    /// A caller can hear of appointments in it.
    pub(crate) fn speaks_of_appointments(&self) -> bool {
        let about = |act: &Act| matches!(act, Act::FindPatient { .. } | Act::OfferAppointments { .. });
        let mut steps = self.sections.iter().flat_map(|section| &section.steps);
        steps.any(|step| about(&step.act))
    }

    /// A sentence of it says `{appointment}`.
    pub(crate) fn says_the_appointment(&self) -> bool {
        let fill = format!("{{{}}}", crate::words::Fill::Appointment.name());
        let mut says = false;
        for step in self.sections.iter().flat_map(|section| &section.steps) {
            step.act
                .spoken(&mut |sentence| says |= sentence.spoken.values().any(|text| text.contains(&fill)));
        }
        says
    }

    /// The step at a place, or `None` past the last.
    pub fn step(&self, id: SectionId, step: usize) -> Option<&Step> {
        self.section(id).steps.get(step)
    }

    /// The id of the section of that name.
    pub fn section_named(&self, name: &str) -> Option<SectionId> {
        self.sections
            .iter()
            .position(|section| section.name == name)
            .map(SectionId)
    }
}

/// A section's place in its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionId(pub(crate) usize);

/// Steps under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Ordinary words: `main menu`.
    pub name: String,
    /// From top to bottom.
    pub steps: Vec<Step>,
}

/// One verb, where it stands, and when it is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub act: Act,
    /// Taken only when this holds.
    pub only_if: Option<Condition>,
    /// Its line in the file, from 1.
    pub line: usize,
}

/// What a step does (§4).
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// `answer`
    Answer,
    /// `say:`
    Say {
        /// The words.
        words: Sentence,
        /// Any key ends them early. Never when they hold a fill-in.
        can_be_skipped: bool,
    },
    /// `play:`
    Play {
        /// The file below `words/`.
        file: String,
        /// Captions, and what is said when the file cannot be played.
        words: Sentence,
    },
    /// `emergency notice`
    EmergencyNotice(Notice),
    /// `choose language`
    ChooseLanguage,
    /// `ask permission to record`
    AskPermissionToRecord,
    /// `menu:`
    Menu(Menu),
    /// `ask yes or no:`
    AskYesOrNo {
        /// The question.
        question: Sentence,
        /// 1.
        if_yes: SectionId,
        /// 2.
        if_no: SectionId,
        /// Instead of `every question`'s `then`.
        if_no_answer: Option<SectionId>,
    },
    /// `ask:`
    Ask {
        /// The field.
        field: Field,
        /// Instead of `every question`'s `then`.
        if_no_answer: Option<SectionId>,
    },
    /// `triage:`
    Triage {
        /// The questions.
        protocol: Arc<Protocol>,
        /// A yes among the emergency questions.
        if_emergency: SectionId,
        /// A yes among the urgent ones, or an unclear answer.
        if_urgent: SectionId,
        /// A yes among the semi-urgent ones.
        if_semi_urgent: SectionId,
        /// Every answer was no.
        if_routine: SectionId,
    },
    /// `tell the caller to call 911`
    TellToCall911,
    /// `collect:` a message's name in [`Flow::messages`].
    Collect(String),
    /// `take message:`
    TakeMessage(String),
    /// `take refill:`; a controlled medicine always goes to a doctor.
    TakeRefill(String),
    /// `record a message: up to …`
    RecordMessage {
        /// The longest it may last.
        longest: Duration,
    },
    /// `find patient by:`
    FindPatient {
        /// Two or more.
        by: Vec<PatientKey>,
        /// Also when records are down.
        if_not_found: SectionId,
    },
    /// `offer appointments:`
    OfferAppointments {
        /// Any of book, move, cancel.
        wanted: Vec<Appointment>,
        /// The practice's names for its visits, and how they are offered. No other kind is touched.
        visit_types: Vec<VisitType>,
        /// How far ahead.
        within_days: u32,
        /// When nothing fits; as when records are down, where it is not said.
        if_nothing_fits: Option<SectionId>,
        /// When records are down.
        if_records_are_down: SectionId,
    },
    /// `escalate to:`
    Escalate {
        /// A ladder of the practice.
        ladder: String,
        /// The message the doctor is told about.
        about: Option<String>,
        /// What the caller hears.
        while_waiting: Waiting,
        /// Asked while phones ring.
        meanwhile_ask: Vec<Field>,
        /// `or press N`.
        or_press: Option<Choice>,
        /// A person pressed the accept key.
        if_accepted: IfAccepted,
        /// Every rung was tried in vain.
        if_no_one_accepts: Then,
        /// The caller is gone.
        if_the_caller_hangs_up: IfCallerHangsUp,
    },
    /// `connect to:` a person, an outside line or a line of the practice.
    Connect {
        /// Its name.
        to: String,
        /// What is dialled: E.164, or a short code such as 988.
        dial: phi::Phi<String>,
        /// How long it rings.
        ring_for: Duration,
        /// What the other side's display shows.
        show: Show,
        /// Nobody picked up.
        if_no_answer: Then,
    },
    /// `transfer to:`
    Transfer {
        /// Its name.
        to: String,
        /// What is dialled.
        dial: phi::Phi<String>,
    },
    /// `notify:`
    Notify {
        /// Who.
        target: Target,
        /// What; nothing about the patient.
        saying: Sentence,
    },
    /// `remember:`
    Remember {
        /// The name later conditions ask for.
        name: String,
        /// Its value in words.
        value: String,
    },
    /// `go to:`
    GoTo(SectionId),
    /// `hang up`
    HangUp,
}

impl Act {
    /// Every sentence a caller can hear from this step.
    pub fn spoken(&self, each: &mut dyn FnMut(&Sentence)) {
        match self {
            Self::Say { words, .. } | Self::Play { words, .. } => each(words),
            Self::Menu(menu) => {
                each(&menu.question);
                menu.choices.iter().for_each(|choice| each(&choice.spoken));
            }
            Self::AskYesOrNo { question, .. } => each(question),
            Self::Triage { protocol, .. } => protocol.questions.iter().for_each(|question| each(&question.words)),
            Self::Escalate {
                or_press: Some(choice), ..
            } => each(&choice.spoken),
            Self::OfferAppointments { visit_types, .. } => {
                visit_types.iter().filter_map(|one| one.spoken.as_ref()).for_each(each);
            }
            _ => {}
        }
    }
}

/// Which emergency notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Notice {
    /// For any practice.
    #[default]
    General,
    /// With 988.
    BehavioralHealth,
    /// For pregnancy.
    Obstetric,
}

/// `menu:`
#[derive(Clone, Debug, PartialEq)]
pub struct Menu {
    /// Said first.
    pub question: Sentence,
    /// In the order written.
    pub choices: Vec<Choice>,
    /// Instead of `every question`'s `then`.
    pub if_no_answer: Option<SectionId>,
}

/// A key of a menu.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// 0 to 9 or #.
    pub key: char,
    /// `for:`, as written: `a prescription refill`.
    pub label: Sentence,
    /// The whole line as the caller hears it: `For a prescription refill, press 2.`
    pub spoken: Sentence,
    /// A name and its value for later conditions.
    pub remember: Option<(String, String)>,
    /// Where it leads; `None` goes on with the next step.
    pub go_to: Option<SectionId>,
}

/// `every question:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EveryQuestion {
    /// How long a question waits for a key.
    pub wait: Duration,
    /// How often it is said again.
    pub ask_again: u8,
    /// Where an unanswered question leads.
    pub then: SectionId,
    /// Where 0 leads.
    pub press_zero: Option<SectionId>,
    /// Star says it again.
    pub press_star: bool,
}

/// `recording:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Recording {
    /// Only with the caller's yes.
    #[default]
    AskFirst,
    /// Not at all.
    Never,
}

/// `if the caller hangs up:` of the whole flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUpRule {
    /// `send what we have`; it is marked cut off either way (§5).
    SendWhatWeHave,
}

/// `if accepted:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IfAccepted {
    /// The caller and the clinician talk.
    #[default]
    ConnectThem,
    /// The clinician calls the caller back.
    TheyCallBack,
}

/// `if the caller hangs up:` of one escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IfCallerHangsUp {
    /// The ladder goes on and offers the number to call back.
    #[default]
    KeepGoing,
    /// The ladder stops.
    Stop,
}

/// `while waiting:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Waiting {
    /// Words every 15 seconds.
    #[default]
    Words,
    /// Calmer words every 15 seconds.
    CalmWords,
    /// Music between the words.
    HoldMusic,
    /// Nothing between the words.
    Quiet,
}

/// `show:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Show {
    /// The practice's own number.
    #[default]
    PracticeNumber,
    /// The caller's.
    CallerNumber,
}

/// What follows something that did not work out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The next step.
    Continue,
    /// Another section.
    Section(SectionId),
}

/// `find patient by:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatientKey {
    /// The number the call comes from.
    CallerNumber,
    /// Eight digits.
    DateOfBirth,
    /// The records system's own number.
    MedicalRecordNumber,
}

/// One of `visit types:`
#[derive(Clone, Debug, PartialEq)]
pub struct VisitType {
    /// As it is written here and in the records.
    pub name: String,
    /// The whole line as the caller hears it when there are several: `For an office visit, press 1.`
    pub spoken: Option<Sentence>,
}

/// `offer appointments:`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Appointment {
    /// A new one.
    Book,
    /// Another time.
    Move,
    /// Not at all.
    Cancel,
}

/// Who a message or notice goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A ladder of the practice.
    Ladder(String),
    /// An inbox of the practice.
    Inbox(String),
}

impl Target {
    /// Its name, whichever it is.
    pub fn name(&self) -> &str {
        match self {
            Self::Ladder(name) | Self::Inbox(name) => name,
        }
    }
}

/// A kind of message: what it asks and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// `nurse callback`
    pub name: String,
    /// In the order asked.
    pub ask: Vec<Field>,
    /// Where it is delivered.
    pub goes_to: Target,
    /// When someone will call.
    pub call_back_by: Option<Promise>,
    /// A mark it always carries.
    pub mark_as: Option<String>,
    /// `record audio: none` keeps no clips.
    pub keep_audio: bool,
}

/// The field library (§8). Closed: a new field is a new question in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// 1 for the number calling, else ten digits.
    CallbackNumber,
    /// A clip.
    CallerName,
    /// A clip.
    PatientName,
    /// A clip.
    RelationshipToPatient,
    /// A clip.
    Reason,
    /// A clip.
    Medicine,
    /// A clip.
    Prescriber,
    /// A clip.
    Pharmacy,
    /// A clip.
    BestTimeToCall,
    /// Eight digits, read back.
    PatientDateOfBirth,
    /// Years, as digits.
    PatientAge,
    /// Yes or no.
    SafeToCallBack,
    /// A long clip.
    VoiceMessage,
    /// Digits, read back; asked by `find patient by` alone, and kept in no message.
    MedicalRecordNumber,
}

/// How a field is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A telephone number.
    Number,
    /// A date.
    Date,
    /// A few digits.
    Digits,
    /// As many digits as it has, read back.
    Code,
    /// 1 or 2.
    YesOrNo,
    /// The caller's voice, so long at most.
    Clip {
        /// The longest, in seconds.
        seconds_max: u16,
    },
}

/// Who may see a detail (§8): each class holds the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What it takes to call somebody back.
    Routing,
    /// Who the patient is.
    Identity,
    /// What is wrong with them.
    Clinical,
}

impl Class {
    /// The word practices write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Routing => "routing",
            Self::Identity => "identity",
            Self::Clinical => "clinical",
        }
    }
}

impl Field {
    /// Every field a practice may ask for in a message or by `ask:`.
    pub const ALL: [Self; 13] = [
        Self::CallbackNumber,
        Self::CallerName,
        Self::PatientName,
        Self::RelationshipToPatient,
        Self::Reason,
        Self::Medicine,
        Self::Prescriber,
        Self::Pharmacy,
        Self::BestTimeToCall,
        Self::PatientDateOfBirth,
        Self::PatientAge,
        Self::SafeToCallBack,
        Self::VoiceMessage,
    ];

    /// The words practices write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallbackNumber => "callback number",
            Self::CallerName => "caller name",
            Self::PatientName => "patient name",
            Self::RelationshipToPatient => "relationship to patient",
            Self::Reason => "reason",
            Self::Medicine => "medicine",
            Self::Prescriber => "prescriber",
            Self::Pharmacy => "pharmacy",
            Self::BestTimeToCall => "best time to call",
            Self::PatientDateOfBirth => "patient date of birth",
            Self::PatientAge => "patient age",
            Self::SafeToCallBack => "safe to call back",
            Self::VoiceMessage => "voice message",
            Self::MedicalRecordNumber => "medical record number",
        }
    }

    /// Who may see it.
    pub const fn class(self) -> Class {
        match self {
            Self::CallbackNumber | Self::BestTimeToCall | Self::SafeToCallBack => Class::Routing,
            Self::CallerName
            | Self::PatientName
            | Self::RelationshipToPatient
            | Self::PatientDateOfBirth
            | Self::PatientAge
            | Self::MedicalRecordNumber => Class::Identity,
            // A clip may hold anything.
            Self::Reason | Self::Medicine | Self::Prescriber | Self::Pharmacy | Self::VoiceMessage => Class::Clinical,
        }
    }

    /// How it is asked. Clips last 20 s, a reason or a message 60 s (§8).
    pub const fn wanted(self) -> Wanted {
        match self {
            Self::CallbackNumber => Wanted::Number,
            Self::PatientDateOfBirth => Wanted::Date,
            Self::PatientAge => Wanted::Digits,
            Self::MedicalRecordNumber => Wanted::Code,
            Self::SafeToCallBack => Wanted::YesOrNo,
            Self::Reason | Self::VoiceMessage => Wanted::Clip { seconds_max: 60 },
            Self::CallerName
            | Self::PatientName
            | Self::RelationshipToPatient
            | Self::Medicine
            | Self::Prescriber
            | Self::Pharmacy
            | Self::BestTimeToCall => Wanted::Clip { seconds_max: 20 },
        }
    }
}

impl Level {
    /// Where a triage step sends this level.
    pub fn choose(
        self,
        emergency: SectionId,
        urgent: SectionId,
        semi_urgent: SectionId,
        routine: SectionId,
    ) -> SectionId {
        match self {
            Self::Emergency => emergency,
            Self::Urgent => urgent,
            Self::SemiUrgent => semi_urgent,
            Self::Routine => routine,
        }
    }
}
