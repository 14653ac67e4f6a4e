//! A message as it is gathered, and as it is kept.

use jiff::Timestamp;
use jiff::civil::Date;
use phi::Phi;

use super::scene::Scene;
use super::{ClipId, Do, MessageId};
use crate::model::{Field, Kind, Target};

/// What is kept and delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The practice's name for it: `nurse callback`.
    pub kind: String,
    /// The inbox or ladder it is for.
    pub goes_to: Target,
    /// What was asked, in the order asked; [`Value::Unknown`] where no answer came.
    pub fields: Vec<(Field, Value)>,
    /// When someone will call, as the caller was or will be told.
    pub call_back_by: Option<Timestamp>,
    /// `doctor must review`, `call-back number not confirmed`, and the practice's own.
    pub marks: Vec<String>,
    /// The caller hung up, or the call broke, before every field was asked.
    pub cut_off: bool,
    /// The fields nobody answered.
    pub missing: Vec<Field>,
}

/// A caller's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A telephone number, E.164.
    Number(Phi<String>),
    /// A date of birth.
    Date(Phi<Date>),
    /// An age in years.
    Years(Phi<u8>),
    /// The caller's own voice.
    Clip(ClipId),
    /// 1 or 2.
    YesNo(Phi<bool>),
    /// Nothing.
    Unknown,
}

/// A message being gathered.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) id: MessageId,
    pub(super) kind: String,
    pub(super) goes_to: Target,
    pub(super) call_back_by: Option<Timestamp>,
    pub(super) ask: Vec<Field>,
    pub(super) fields: Vec<(Field, Value)>,
    pub(super) marks: Vec<String>,
    /// Every field had its turn.
    pub(super) asked_all: bool,
    /// It is durable as it stands.
    pub(super) kept: bool,
    /// It is for a ladder that has not been started for it.
    pub(super) owed: bool,
}

/// Marks of one message.
const MARKS_MAX: usize = 8;

impl Draft {
    pub(super) fn new(scene: &mut Scene, kind: &Kind) -> Self {
        Self {
            id: scene.new_message(),
            kind: kind.name.clone(),
            goes_to: kind.goes_to.clone(),
            call_back_by: kind
                .call_back_by
                .as_ref()
                .map(|promise| promise.due(&scene.practice.hours, scene.now)),
            ask: kind.ask.clone(),
            fields: Vec::new(),
            marks: kind.mark_as.iter().cloned().collect(),
            asked_all: false,
            kept: false,
            owed: matches!(kind.goes_to, Target::Ladder(_)),
        }
    }

    /// A message nobody asked for: the number that called, so that a ladder has somebody to call back.
    pub(super) fn of_caller(scene: &mut Scene, ladder: &str) -> Self {
        let number = scene.caller.number.clone();
        Self {
            id: scene.new_message(),
            kind: "call back".to_owned(),
            goes_to: Target::Ladder(ladder.to_owned()),
            call_back_by: None,
            ask: vec![Field::CallbackNumber],
            fields: number
                .map(|number| (Field::CallbackNumber, Value::Number(number)))
                .into_iter()
                .collect(),
            marks: Vec::new(),
            asked_all: true,
            kept: false,
            owed: true,
        }
    }

    pub(super) fn put(&mut self, field: Field, value: Value) {
        self.fields.retain(|(known, _)| *known != field);
        self.fields.push((field, value));
        self.kept = false;
    }

    /// There is somebody to call back.
    pub(super) fn has_number(&self) -> bool {
        self.fields.iter().any(|(_, value)| matches!(value, Value::Number(_)))
    }

    pub(super) fn mark(&mut self, mark: &str) {
        if self.marks.len() < MARKS_MAX && !self.marks.iter().any(|known| known == mark) {
            self.marks.push(mark.to_owned());
        }
    }

    /// The caller has told us something in it.
    pub(super) fn says_something(&self) -> bool {
        self.fields.iter().any(|(_, value)| *value != Value::Unknown)
    }

    fn message(&self, calling: Option<&Phi<String>>) -> Message {
        let mut fields = Vec::new();
        let mut missing = Vec::new();
        let asked_too = self
            .fields
            .iter()
            .map(|(field, _)| *field)
            .filter(|field| !self.ask.contains(field));
        for field in self.ask.iter().copied().chain(asked_too) {
            let told = self
                .fields
                .iter()
                .find(|(known, _)| *known == field)
                .map(|(_, value)| value.clone());
            let value = match (told, field, calling) {
                (Some(value), _, _) if value != Value::Unknown => value,
                // §5, quiet-caller rule: the number that called is better than none.
                (_, Field::CallbackNumber, Some(number)) => Value::Number(number.clone()),
                _ => {
                    missing.push(field);
                    Value::Unknown
                }
            };
            fields.push((field, value));
        }
        Message {
            kind: self.kind.clone(),
            goes_to: self.goes_to.clone(),
            fields,
            call_back_by: self.call_back_by,
            marks: self.marks.clone(),
            cut_off: !self.asked_all,
            missing,
        }
    }
}

impl Scene {
    /// Sends the draft to the book. Whoever depends on it waits for `Kept`.
    pub(super) fn keep_draft(&mut self) -> Option<MessageId> {
        let draft = self.draft.as_mut()?;
        draft.kept = false;
        let (id, message) = (draft.id, draft.message(self.caller.number.as_ref()));
        self.out.push_back(Do::Keep { id, message });
        Some(id)
    }

    /// What was being gathered when something broke is sent as it is, and nobody waits for it.
    pub(super) fn save_draft(&mut self) {
        if self
            .draft
            .as_ref()
            .is_some_and(|draft| !draft.kept && draft.says_something())
        {
            self.keep_draft();
        }
    }
}
