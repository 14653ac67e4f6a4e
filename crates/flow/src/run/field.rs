//! The field library: how each detail is asked, checked, read back (§8, ESC-13).
//!
//! Digits become a number or a date only when they are one, and count only when the caller confirmed what was read
//! back; an unconfirmed one is kept and marked, because a wrong number costs less than none.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use phi::Phi;

use super::ask::{Ask, Asked, Question};
use super::scene::{Scene, Speaking};
use super::{Asks, ClipId, Do, Heard, Value};
use crate::library::Phrase;
use crate::model::{Field, Wanted};
use crate::words::{self, Words};

/// Silences in a row after which details are no longer asked for (§4, `collect`).
pub(super) const SILENCES_MAX: u8 = 2;
/// How long the book may take; then the caller goes on without it.
pub(super) const KEEP_PATIENCE: Duration = Duration::from_secs(5);
/// A clip's end is told within this of its longest.
pub(super) const CLIP_GRACE: Duration = Duration::from_secs(10);
/// After a lone 1, a second digit would come this soon: "1 512 …" is a number, 1 is "this number".
const LONE_ONE: Duration = Duration::from_millis(1500);
/// Digits of a number with its leading 1.
const DIGITS_MAX: usize = 11;
const NUMBER_DIGITS: usize = 10;
const DATE_DIGITS: usize = 8;
const AGE_DIGITS: usize = 3;
/// Digits of a medical record number, at least and at most.
const CODE_DIGITS_MIN: usize = 3;
const CODE_DIGITS_MAX: usize = 10;
/// §8: real, past, less than this many years ago.
const AGE_YEARS_MAX: i16 = 120;
/// A name may be half a second; a message that short is a bump against the phone (§4).
const CLIP_SHORTEST: Duration = Duration::from_millis(300);
const MESSAGE_SHORTEST: Duration = Duration::from_secs(2);
/// Someone who says a name has finished sooner than someone who tells a story.
const NAME_PAUSE: Duration = Duration::from_secs(3);
const STORY_PAUSE: Duration = Duration::from_secs(4);
const STORY: Duration = Duration::from_secs(30);

/// Starts a clip: tone first, pound or silence ends it.
pub(super) fn record(scene: &mut Scene, field: Field, longest: Duration) -> ClipId {
    let id = scene.new_clip();
    let shortest = if field == Field::VoiceMessage {
        MESSAGE_SHORTEST
    } else {
        CLIP_SHORTEST
    };
    let ends_after_silence = if longest > STORY { STORY_PAUSE } else { NAME_PAUSE };
    scene.out.push_back(Do::RecordClip {
        id,
        field,
        longest,
        shortest,
        ends_after_silence,
    });
    id
}

#[derive(Debug)]
pub(super) struct FieldAsk {
    field: Field,
    /// Silences this field may have.
    patience: u8,
    silences: u8,
    /// Entries that were no number, no date, or not what the caller meant.
    wrong: u8,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    YesOrNo(Ask),
    /// Digits asked for; the first key begins them.
    Asking(Speaking),
    Typing {
        typed: Phi<String>,
        until: Timestamp,
    },
    Confirming {
        ask: Ask,
        value: Value,
    },
    /// A clip asked for.
    Prompting(Speaking),
    Listening {
        clip: ClipId,
        until: Timestamp,
    },
}

#[derive(Debug)]
pub(super) enum Fielded {
    Still(FieldAsk),
    Answered {
        value: Value,
        mark: Option<&'static str>,
    },
    Missing {
        silences: u8,
        mark: Option<&'static str>,
    },
    /// 0, and 0 leads somewhere.
    Zero,
}

impl FieldAsk {
    pub(super) fn begin(scene: &mut Scene, field: Field, patience: u8) -> Fielded {
        let wanted = field.wanted();
        if wanted == Wanted::YesOrNo {
            let words = scene.phrase(Phrase::asks(field)).then(scene.phrase(Phrase::YesOrNo));
            let mut question = Question::new(scene, vec![words], vec!['1', '2']);
            question.ask_again = patience.saturating_sub(1);
            let asked = question.ask(scene);
            return Self::yes_or_no(asked, field, patience);
        }
        let digits = !matches!(wanted, Wanted::Clip { .. });
        let ahead: Vec<Phi<char>> = scene.ahead.drain(..).collect();
        let ask = Self {
            field,
            patience,
            silences: 0,
            wrong: 0,
            phase: Phase::Typing {
                typed: Phi::default(),
                until: scene.now,
            },
        };
        if digits && !ahead.is_empty() {
            let mut still = ask;
            for key in ahead {
                match still.hear(scene, &Heard::Key(key)) {
                    Fielded::Still(next) => still = next,
                    done => return done,
                }
            }
            return Fielded::Still(still);
        }
        ask.say(scene, None)
    }

    pub(super) fn hear(mut self, scene: &mut Scene, heard: &Heard) -> Fielded {
        let empty = Phase::Typing {
            typed: Phi::default(),
            until: scene.now,
        };
        match std::mem::replace(&mut self.phase, empty) {
            Phase::YesOrNo(ask) => Self::yes_or_no(ask.hear(scene, heard), self.field, self.patience),
            Phase::Asking(speaking) => match heard {
                Heard::Key(key) => {
                    self.phase = Phase::Typing {
                        typed: Phi::default(),
                        until: scene.now,
                    };
                    self.digit(scene, *key.expose())
                }
                heard if speaking.over(scene.now, heard) => {
                    let until = scene.after(scene.flow.every_question.wait);
                    self.still(Phase::Typing {
                        typed: Phi::default(),
                        until,
                    })
                }
                _ => self.still(Phase::Asking(speaking)),
            },
            Phase::Typing { typed, until } => {
                let silent = typed.expose().is_empty();
                self.phase = Phase::Typing { typed, until };
                match heard {
                    Heard::Key(key) => self.digit(scene, *key.expose()),
                    Heard::Time if scene.now >= until && silent => self.silence(scene, Phrase::StillThere),
                    Heard::Time if scene.now >= until => self.entered(scene),
                    _ => Fielded::Still(self),
                }
            }
            Phase::Confirming { ask, value } => {
                let mark = unconfirmed(self.field);
                match ask.hear(scene, heard) {
                    Asked::Still(ask) => self.still(Phase::Confirming { ask, value }),
                    Asked::Key('1') => Fielded::Answered { value, mark: None },
                    Asked::Key(_) if self.wrong < scene.flow.every_question.ask_again => {
                        self.wrong += 1;
                        self.say(scene, None)
                    }
                    // Not what they meant, and no patience left: kept, and marked.
                    Asked::Key(_) | Asked::Unanswered { .. } => Fielded::Answered { value, mark },
                    Asked::Zero => Fielded::Zero,
                }
            }
            Phase::Prompting(speaking) => match heard {
                Heard::Key(key) if *key.expose() == '*' && scene.spend() => self.say(scene, None),
                Heard::Key(key) if *key.expose() == '0' && scene.flow.every_question.press_zero.is_some() => {
                    Fielded::Zero
                }
                // Any other key: they know the question.
                Heard::Key(_) => self.listen(scene),
                heard if speaking.over(scene.now, heard) => self.listen(scene),
                _ => self.still(Phase::Prompting(speaking)),
            },
            Phase::Listening { clip, until } => match heard {
                Heard::Key(key) if *key.expose() == '#' => {
                    scene.out.push_back(Do::EndClip { id: clip });
                    self.still(Phase::Listening { clip, until })
                }
                Heard::Clip { id, heard: Some(_) } if *id == clip => Fielded::Answered {
                    value: Value::Clip(clip),
                    mark: None,
                },
                Heard::Clip { id, heard: None } if *id == clip => self.silence(scene, Phrase::NothingHeard),
                Heard::Time if scene.now >= until => {
                    // Whoever records has fallen silent; what was said up to here may well be there.
                    scene.out.push_back(Do::EndClip { id: clip });
                    Fielded::Answered {
                        value: Value::Clip(clip),
                        mark: None,
                    }
                }
                _ => self.still(Phase::Listening { clip, until }),
            },
        }
    }

    fn still(mut self, phase: Phase) -> Fielded {
        self.phase = phase;
        Fielded::Still(self)
    }

    pub(super) fn due(&self) -> Timestamp {
        match &self.phase {
            Phase::YesOrNo(ask) | Phase::Confirming { ask, .. } => ask.due(),
            Phase::Asking(speaking) | Phase::Prompting(speaking) => speaking.until,
            Phase::Typing { until, .. } | Phase::Listening { until, .. } => *until,
        }
    }

    /// What is asked, as long as nothing was typed.
    pub(super) fn asks(&self) -> Asks {
        let confirms = match &self.phase {
            Phase::Confirming { .. } => true,
            Phase::YesOrNo(_) | Phase::Asking(_) => false,
            Phase::Typing { typed, .. } if typed.expose().is_empty() => false,
            Phase::Typing { .. } | Phase::Prompting(_) | Phase::Listening { .. } => return Asks::Nothing,
        };
        Asks::Field {
            field: self.field,
            confirms,
        }
    }

    /// What was typed and is being read back.
    pub(super) fn so_far(&self) -> Option<(Field, Value, Option<&'static str>)> {
        match &self.phase {
            Phase::Confirming { value, .. } => Some((self.field, value.clone(), unconfirmed(self.field))),
            _ => None,
        }
    }

    /// The clip being recorded.
    pub(super) fn clip(&self) -> Option<(ClipId, Field)> {
        match self.phase {
            Phase::Listening { clip, .. } => Some((clip, self.field)),
            _ => None,
        }
    }

    /// Whether this key means something here: an answer, or a digit of one.
    pub(super) fn takes(&self, key: char) -> bool {
        match &self.phase {
            Phase::YesOrNo(_) | Phase::Confirming { .. } => matches!(key, '1' | '2'),
            Phase::Prompting(_) | Phase::Listening { .. } => matches!(key, '0' | '*' | '#'),
            Phase::Asking(_) | Phase::Typing { .. } => true,
        }
    }

    /// A single digit after which nothing more was typed, and which is no answer: whoever pressed it meant something else.
    pub(super) fn stray(&self, now: Timestamp) -> Option<char> {
        let Phase::Typing { typed, until } = &self.phase else {
            return None;
        };
        let mut keys = typed.expose().chars();
        let (key, more) = (keys.next()?, keys.next());
        let answers = match self.field.wanted() {
            // 1 may be the number called from.
            Wanted::Number => key == '1',
            Wanted::Date | Wanted::Code => false,
            _ => true,
        };
        (more.is_none() && *until <= now && !answers).then_some(key)
    }

    fn yes_or_no(asked: Asked, field: Field, patience: u8) -> Fielded {
        match asked {
            Asked::Still(ask) => Fielded::Still(Self {
                field,
                patience,
                silences: 0,
                wrong: 0,
                phase: Phase::YesOrNo(ask),
            }),
            Asked::Key(key) => Fielded::Answered {
                value: Value::YesNo(Phi::new(key == '1')),
                mark: None,
            },
            Asked::Zero => Fielded::Zero,
            Asked::Unanswered { silent } => Fielded::Missing {
                silences: if silent { patience } else { 0 },
                mark: None,
            },
        }
    }

    fn say(mut self, scene: &mut Scene, sorry: Option<Phrase>) -> Fielded {
        let phrase = match self.field {
            Field::CallbackNumber if scene.caller.number.is_none() => Phrase::CallbackNumberAny,
            field => Phrase::asks(field),
        };
        let sorry = sorry.map(|phrase| scene.phrase(phrase)).unwrap_or_default();
        let words = sorry.then(scene.phrase(phrase));
        let speaking = scene.say(words, true);
        let clip = matches!(self.field.wanted(), Wanted::Clip { .. });
        self.phase = if clip {
            Phase::Prompting(speaking)
        } else {
            Phase::Asking(speaking)
        };
        Fielded::Still(self)
    }

    fn silence(mut self, scene: &mut Scene, sorry: Phrase) -> Fielded {
        self.silences += 1;
        if self.silences >= self.patience || !scene.spend() {
            return Fielded::Missing {
                silences: self.silences,
                mark: None,
            };
        }
        self.say(scene, Some(sorry))
    }

    fn listen(mut self, scene: &mut Scene) -> Fielded {
        let longest = match self.field.wanted() {
            Wanted::Clip { seconds_max } => Duration::from_secs(u64::from(seconds_max)),
            _ => STORY,
        };
        let clip = record(scene, self.field, longest);
        self.phase = Phase::Listening {
            clip,
            until: scene.after(longest.saturating_add(CLIP_GRACE)),
        };
        Fielded::Still(self)
    }

    fn digit(mut self, scene: &mut Scene, key: char) -> Fielded {
        let Phase::Typing { typed, .. } = std::mem::replace(
            &mut self.phase,
            Phase::Typing {
                typed: Phi::default(),
                until: scene.now,
            },
        ) else {
            return Fielded::Still(self);
        };
        let mut typed = typed.into_exposed();
        match key {
            '#' => {
                self.phase = Phase::Typing {
                    typed: Phi::new(typed),
                    until: scene.now,
                };
                return self.entered(scene);
            }
            // Begin again.
            '*' if scene.spend() => return self.say(scene, None),
            // No area code begins with 0, so it is the wish for a person.
            '0' if typed.is_empty()
                && self.field == Field::CallbackNumber
                && scene.flow.every_question.press_zero.is_some() =>
            {
                return Fielded::Zero;
            }
            key if key.is_ascii_digit() && typed.len() < DIGITS_MAX => typed.push(key),
            _ => {}
        }
        let whole = match self.field.wanted() {
            Wanted::Number if typed.starts_with('1') => NUMBER_DIGITS + 1,
            Wanted::Number => NUMBER_DIGITS,
            Wanted::Date => DATE_DIGITS,
            Wanted::Code => CODE_DIGITS_MAX,
            _ => AGE_DIGITS,
        };
        let this_number = self.field == Field::CallbackNumber && scene.caller.number.is_some() && typed == "1";
        let full = typed.len() >= whole;
        let wait = if this_number {
            LONE_ONE
        } else {
            scene.flow.every_question.wait
        };
        self.phase = Phase::Typing {
            typed: Phi::new(typed),
            until: scene.after(wait),
        };
        if full {
            self.entered(scene)
        } else {
            Fielded::Still(self)
        }
    }

    /// What was typed is complete, or the caller stopped.
    fn entered(mut self, scene: &mut Scene) -> Fielded {
        let Phase::Typing { typed, .. } = &self.phase else {
            return Fielded::Still(self);
        };
        let typed = typed.clone();
        let read = match self.field.wanted() {
            Wanted::Number if typed.expose() == "1" && scene.caller.number.is_some() => {
                let number = scene.caller.number.clone().unwrap_or_default();
                return Fielded::Answered {
                    value: Value::Number(number),
                    mark: None,
                };
            }
            Wanted::Number => number(&typed).map(|number| {
                let said = words::number(&number, scene.language);
                (Value::Number(number), said)
            }),
            Wanted::Date => birth_date(&typed, scene.local().date()).map(|date| {
                let said = words::birth_date(date, scene.language);
                (Value::Date(date), said)
            }),
            Wanted::Code => (CODE_DIGITS_MIN..=CODE_DIGITS_MAX)
                .contains(&typed.expose().len())
                .then(|| {
                    let said = words::number(&typed, scene.language);
                    (Value::Number(typed.clone()), said)
                }),
            _ => {
                return match typed.expose().parse::<u8>() {
                    Ok(years) if i16::from(years) < AGE_YEARS_MAX => Fielded::Answered {
                        value: Value::Years(Phi::new(years)),
                        mark: None,
                    },
                    _ => self.wrong(scene, Phrase::NotUnderstood),
                };
            }
        };
        let Some((value, said)) = read else {
            let sorry = match self.field.wanted() {
                Wanted::Number => Phrase::NotANumber,
                Wanted::Code => Phrase::NotUnderstood,
                _ => Phrase::NotABirthDate,
            };
            return self.wrong(scene, sorry);
        };
        let words: Words = scene
            .phrase(Phrase::YouEntered)
            .then(said)
            .then(scene.phrase(Phrase::IsThatRight));
        let mut question = Question::new(scene, vec![words], vec!['1', '2']);
        // A read-back that was not heard confirms nothing.
        question.may_be_ahead = false;
        question.ask_again = 1;
        match question.ask(scene) {
            Asked::Still(ask) => {
                self.phase = Phase::Confirming { ask, value };
                Fielded::Still(self)
            }
            _ => Fielded::Answered {
                value,
                mark: unconfirmed(self.field),
            },
        }
    }

    fn wrong(mut self, scene: &mut Scene, sorry: Phrase) -> Fielded {
        self.wrong += 1;
        if self.wrong > scene.flow.every_question.ask_again || !scene.spend() {
            return Fielded::Missing {
                silences: 0,
                mark: unconfirmed(self.field),
            };
        }
        self.say(scene, Some(sorry))
    }
}

const fn unconfirmed(field: Field) -> Option<&'static str> {
    match field {
        Field::CallbackNumber => Some("call-back number not confirmed"),
        Field::PatientDateOfBirth => Some("date of birth not confirmed"),
        Field::MedicalRecordNumber => Some("medical record number not confirmed"),
        _ => None,
    }
}

/// Ten digits that can be a North American number, as E.164.
fn number(typed: &Phi<String>) -> Option<Phi<String>> {
    let digits = typed.expose();
    let digits = if digits.len() == NUMBER_DIGITS + 1 {
        digits.strip_prefix('1')?
    } else {
        digits
    };
    let bytes = digits.as_bytes();
    let &[area, a1, a2, office, o1, o2, _, _, _, _] = bytes else {
        return None;
    };
    // Area and office codes begin with 2 to 9, and N11 is a service such as 911, never somebody's telephone.
    let plain = |first: u8, second: u8, third: u8| first >= b'2' && !(second == b'1' && third == b'1');
    (plain(area, a1, a2) && plain(office, o1, o2)).then(|| Phi::new(format!("+1{digits}")))
}

/// Eight digits, month first, that are a day of the last 120 years.
fn birth_date(typed: &Phi<String>, today: Date) -> Option<Phi<Date>> {
    let digits = typed.expose();
    if digits.len() != DATE_DIGITS {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let (month, day, year) = (part(0, 2)?, part(2, 4)?, part(4, 8)?);
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let oldest = today.saturating_sub(jiff::Span::new().years(AGE_YEARS_MAX));
    (date <= today && date > oldest).then_some(Phi::new(date))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(digits: &str) -> Phi<String> {
        Phi::new(digits.to_owned())
    }

    #[test]
    fn only_a_number_somebody_can_have_is_a_number() {
        assert_eq!(number(&typed("5125550199")).unwrap().expose(), "+15125550199");
        assert_eq!(number(&typed("15125550199")).unwrap().expose(), "+15125550199");
        for wrong in [
            "",
            "911",
            "512555019",
            "0125550199",
            "1125550199",
            "9115550199",
            "5129110199",
            "5120550199",
            "25125550199",
        ] {
            assert!(number(&typed(wrong)).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_birth_date_is_real_past_and_of_somebody_alive() {
        let today = jiff::civil::date(2026, 11, 21);
        assert_eq!(
            *birth_date(&typed("02091984"), today).unwrap().expose(),
            jiff::civil::date(1984, 2, 9)
        );
        assert!(birth_date(&typed("11212026"), today).is_some(), "born today");
        assert!(birth_date(&typed("02292024"), today).is_some(), "a leap day");
        for wrong in [
            "11222026",
            "02292023",
            "13011984",
            "00011984",
            "04311984",
            "11211906",
            "0209198",
            "020919844",
        ] {
            assert!(birth_date(&typed(wrong), today).is_none(), "{wrong}");
        }
    }
}
