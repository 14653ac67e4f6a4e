//! `find patient by`: two details, one search, and one sentence for whoever is not matched (integrations §3.2).
//!
//! The caller never learns whether somebody is a patient: nobody, two, the dead and the merged hear the same words, and so
//! does a caller whose number is withheld, before anything is asked. Nothing is asked either while the records are down.

use jiff::Timestamp;

use super::field::{FieldAsk, Fielded, SILENCES_MAX};
use super::records::{Evidence, Exit, RecordsAnswer, RecordsAsk, SEARCHES_MAX, Waited, Waiting};
use super::scene::Scene;
use super::{Asks, Doing, Heard, Turn, Value, say};
use crate::library::Phrase;
use crate::model::{Field, PatientKey, SectionId};

/// Details a patient may be asked to be found by, at least.
const KEYS_MIN: usize = 2;

#[derive(Debug)]
pub(super) struct Finding {
    by: Vec<PatientKey>,
    if_not_found: SectionId,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Field(Field, FieldAsk),
    Searching(Waiting),
    /// Found; and the flow will say when their next appointment is.
    Looking(Waiting),
}

pub(super) fn begin(scene: &mut Scene, by: &[PatientKey], if_not_found: SectionId) -> Turn {
    if scene.patient.is_some() {
        scene.exit = Some(Exit::Found);
        return Turn::Next;
    }
    if scene.records_down {
        return down(scene, if_not_found);
    }
    let by: Vec<PatientKey> = by
        .iter()
        .copied()
        .filter(|key| *key != PatientKey::CallerNumber || scene.number_is_believed())
        .collect();
    // §5, quiet-caller rule: who could not answer a red-flag question is asked for no details.
    if by.len() < KEYS_MIN || scene.searches >= SEARCHES_MAX || scene.quiet {
        return not_found(scene, if_not_found);
    }
    next(scene, by, if_not_found)
}

/// Asks for what is not known yet, then searches.
fn next(scene: &mut Scene, by: Vec<PatientKey>, if_not_found: SectionId) -> Turn {
    let missing = by.iter().find_map(|key| {
        let field = match key {
            PatientKey::CallerNumber => return None,
            PatientKey::DateOfBirth => Field::PatientDateOfBirth,
            PatientKey::MedicalRecordNumber => Field::MedicalRecordNumber,
        };
        let known = scene.told.contains_key(&field) && !scene.unconfirmed.contains(&field);
        (!known).then_some(field)
    });
    if let Some(field) = missing {
        let fielded = FieldAsk::begin(scene, field, SILENCES_MAX);
        return go_on(scene, by, if_not_found, field, fielded);
    }
    let mut evidence = Evidence::default();
    for key in &by {
        match (
            key,
            scene.told.get(&Field::PatientDateOfBirth),
            scene.told.get(&Field::MedicalRecordNumber),
        ) {
            (PatientKey::CallerNumber, ..) => evidence.number.clone_from(&scene.caller.number),
            (PatientKey::DateOfBirth, Some(Value::Date(born)), _) => evidence.born = Some(*born),
            (PatientKey::MedicalRecordNumber, _, Some(Value::Number(record))) => evidence.record = Some(record.clone()),
            _ => {}
        }
    }
    scene.searches += 1;
    let waiting = Waiting::for_answer(scene, RecordsAsk::Find(evidence));
    Turn::Stay(Doing::Finding(Finding {
        by,
        if_not_found,
        phase: Phase::Searching(waiting),
    }))
}

fn go_on(scene: &mut Scene, by: Vec<PatientKey>, if_not_found: SectionId, field: Field, fielded: Fielded) -> Turn {
    match fielded {
        Fielded::Still(ask) => Turn::Stay(Doing::Finding(Finding {
            by,
            if_not_found,
            phase: Phase::Field(field, ask),
        })),
        Fielded::Answered { value, mark } => {
            match field {
                // It is for the search alone.
                Field::MedicalRecordNumber => {
                    scene.told.insert(field, value);
                    scene.unconfirmed.remove(&field);
                }
                field => scene.tell(field, value, mark),
            }
            if mark.is_some() {
                // Two details that are certain, or none.
                return not_found(scene, if_not_found);
            }
            next(scene, by, if_not_found)
        }
        // Somebody graded urgent who falls silent here did not change their mind.
        Fielded::Missing { .. } if scene.owed.is_some() => Turn::To(scene.unanswered(None)),
        Fielded::Missing { .. } => not_found(scene, if_not_found),
        Fielded::Zero => scene.flow.every_question.press_zero.map_or(Turn::Next, Turn::To),
    }
}

impl Finding {
    pub(super) fn hear(self, scene: &mut Scene, heard: &Heard) -> Turn {
        let Self {
            by,
            if_not_found,
            phase,
        } = self;
        let stay = |by, phase| {
            Turn::Stay(Doing::Finding(Self {
                by,
                if_not_found,
                phase,
            }))
        };
        if let (Phase::Searching(_) | Phase::Looking(_), Some(person)) = (&phase, scene.asks_for_a_person(heard)) {
            return Turn::To(person);
        }
        match phase {
            Phase::Field(field, ask) => {
                let fielded = ask.hear(scene, heard);
                go_on(scene, by, if_not_found, field, fielded)
            }
            Phase::Searching(waiting) => match waiting.hear(scene, heard) {
                Waited::Still(waiting) => stay(by, Phase::Searching(waiting)),
                Waited::Answered(RecordsAnswer::Match(patient)) => {
                    scene.exit = Some(Exit::Found);
                    scene.patient = Some(patient.clone());
                    if !scene.flow.says_the_appointment() {
                        return Turn::Next;
                    }
                    let waiting = Waiting::in_silence(scene, RecordsAsk::Theirs { patient });
                    stay(by, Phase::Looking(waiting))
                }
                Waited::Answered(RecordsAnswer::Down | RecordsAnswer::Unsure) => {
                    scene.records_down = true;
                    down(scene, if_not_found)
                }
                Waited::Answered(_) => not_found(scene, if_not_found),
            },
            Phase::Looking(waiting) => match waiting.hear(scene, heard) {
                Waited::Still(waiting) => stay(by, Phase::Looking(waiting)),
                Waited::Answered(RecordsAnswer::Visits(visits)) => {
                    scene.appointment = scene.ahead_of_now(visits).into_iter().next();
                    Turn::Next
                }
                Waited::Answered(_) => {
                    scene.records_down = true;
                    down(scene, if_not_found)
                }
            },
        }
    }

    pub(super) fn due(&self) -> Timestamp {
        match &self.phase {
            Phase::Field(_, ask) => ask.due(),
            Phase::Searching(waiting) | Phase::Looking(waiting) => waiting.due(),
        }
    }

    pub(super) fn asks(&self) -> Asks {
        match &self.phase {
            Phase::Field(_, ask) => ask.asks(),
            Phase::Searching(_) | Phase::Looking(_) => Asks::Nothing,
        }
    }
}

fn not_found(scene: &mut Scene, if_not_found: SectionId) -> Turn {
    // Should the flow come here again, a date that found nobody is asked for anew.
    scene
        .unconfirmed
        .extend([Field::PatientDateOfBirth, Field::MedicalRecordNumber]);
    scene.exit = Some(Exit::NotFound);
    say::phrase_then(scene, Phrase::NotMatched, Some(if_not_found))
}

fn down(scene: &mut Scene, if_not_found: SectionId) -> Turn {
    scene.exit = Some(Exit::Down);
    say::phrase_then(scene, Phrase::RecordsDown, Some(if_not_found))
}
