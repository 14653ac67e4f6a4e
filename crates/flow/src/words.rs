//! What is said: sentences cut into clips, and fill-ins spoken from a closed vocabulary (flow-language §8).
//!
//! One thing to know: no sentence that holds a caller's number, birth date or deadline is ever put together as one text.
//! A fill-in is a row of clips that exist for everybody ("February", "9,", "19", "84"), so what speech has synthesised or
//! cached says nothing about anyone; only the *order* of the clips is private, and that lives in [`Words`] alone.

use std::fmt;
use std::sync::Arc;

use jiff::civil::{Date, DateTime, Time, Weekday};
use phi::Phi;

use crate::model::Sentence;

/// A language a practice may speak. Flows are written in English (§8: one source language).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// American English, the language flows are written in.
    English,
    /// Spanish as spoken in the United States.
    Spanish,
}

impl Language {
    /// Every language the built-in sentences are written in.
    pub const ALL: [Language; 2] = [Language::English, Language::Spanish];

    /// The BCP 47 tag a speech program understands.
    pub const fn bcp47(self) -> &'static str {
        match self {
            Language::English => "en-US",
            Language::Spanish => "es-US",
        }
    }

    /// The word a practice writes in `languages:` and `spoken in:`.
    pub const fn name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Spanish => "Spanish",
        }
    }

    /// The middle of a translation file's name: `after-hours.es.yaml`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Spanish => "es",
        }
    }

    /// The language a practice file names, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.name().eq_ignore_ascii_case(name.trim()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One clip: a text without fill-ins, in one language. Speech is prepared and cached per part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The text as it is spoken and shown.
    pub text: Arc<str>,
    /// The language whose voice speaks it.
    pub language: Language,
}

impl Part {
    /// A part of this text.
    pub fn new(text: impl Into<Arc<str>>, language: Language) -> Self {
        Self {
            text: text.into(),
            language,
        }
    }

    /// What `while waiting: hold music` plays. A practice records its own like any sentence; without, the engine has some.
    pub fn music() -> Self {
        Self::new(Self::MUSIC, Language::English)
    }

    /// How music is written where words are: in a list of recordings, on a page.
    pub const MUSIC: &str = "♪";
}

/// Bytes of a hash that name a recording.
const KEY_BYTES: usize = 8;

/// What a recording of this sentence is known by: case, spacing and the kind of quotes do not count, everything else does.
pub fn sentence_hash(part: &Part) -> [u8; 32] {
    let quotes = |c| match c {
        '’' | '‘' => '\'',
        '“' | '”' => '"',
        other => other,
    };
    let words: Vec<String> = part
        .text
        .split_whitespace()
        .map(|word| word.chars().flat_map(char::to_lowercase).map(quotes).collect())
        .collect();
    let text = format!("{}\n{}", part.language.suffix(), words.join(" "));
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 is 32 bytes long")
}

/// The hex digits the name of its recording begins with.
pub(crate) fn key_hex(part: &Part) -> String {
    hex(sentence_hash(part).get(..KEY_BYTES).unwrap_or_default())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is said in one breath: parts in order. `Debug` shows nothing when the order is private.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// The clips, in the order they are played.
    pub parts: Vec<Part>,
    /// True when a fill-in made the order itself private (a number, a date of birth).
    pub private: bool,
}

impl Words {
    /// One sentence without fill-ins; nothing at all when the text is empty.
    pub fn plain(text: impl Into<Arc<str>>, language: Language) -> Self {
        let only = Part::new(text, language);
        Self {
            parts: if only.text.is_empty() { Vec::new() } else { vec![only] },
            private: false,
        }
    }

    /// These words, then those.
    #[must_use]
    pub fn then(mut self, next: Words) -> Self {
        self.parts.extend(next.parts);
        self.private |= next.private;
        self
    }

    /// Nothing to say.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// A sentence in the caller's language, each fill-in spoken by its type.
    ///
    /// A fill-in nothing is known for is left out of what is said: a caller hears the rest of the sentence, never a brace.
    pub fn filled(
        sentence: &Sentence,
        language: Language,
        fill: &mut dyn FnMut(Fill, Language) -> Option<Words>,
    ) -> Self {
        // A sentence without a translation is spoken in English, by an English voice, its fill-ins too.
        let language = if sentence.spoken.contains_key(&language) {
            language
        } else {
            Language::English
        };
        let mut words = Self::default();
        for piece in split(sentence.text(language), language) {
            match piece {
                Piece::Said(part) => words.parts.push(part),
                Piece::Fill(which) => {
                    if let Some(filled) = fill(which, language) {
                        words = words.then(filled);
                    }
                }
            }
        }
        words
    }

    /// One clip of the library.
    pub fn part(part: Part) -> Self {
        Self {
            parts: vec![part],
            private: false,
        }
    }

    /// The text as a reader would expect it: "by 10 am on Monday, November 23", "February 9, 1984", "512, 555, 0199".
    ///
    /// It is as private as the words are: show it to nobody but the caller's own record when [`Words::private`] is set.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            let next = part.text.as_ref();
            let (Some(before), Some(after)) = (text.chars().next_back(), next.chars().next()) else {
                text.push_str(next);
                continue;
            };
            if before == ':' && text.trim_end_matches(':').ends_with(|c: char| c.is_ascii_digit()) {
                // An hour, and its minutes or none.
                if !after.is_ascii_digit() {
                    text.pop();
                    text.push(' ');
                }
            } else if before.is_ascii_digit() && after.is_ascii_digit() {
                // Digits of one number, and the two halves of a year.
            } else if before.is_alphanumeric() && after.is_uppercase() && next.contains(' ') {
                // A fill-in ended a sentence; its full stop was cut off so that the clip serves anywhere.
                text.push_str(". ");
            } else {
                text.push(' ');
            }
            text.push_str(next);
        }
        text
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.private {
            f.write_str("Words(‹redacted›)")
        } else {
            write!(f, "Words({:?})", self.text())
        }
    }
}

/// A fill-in a sentence may hold beside `{practice}`, which is put in when the flow is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fill {
    /// `{caller number}`: ten digits, spoken three, three and four.
    CallerNumber,
    /// `{call back by}`: the deadline of the message just taken, with its "by".
    CallBackBy,
    /// `{time}`: the time of day.
    Time,
    /// `{appointment}`: the caller's own appointment, after a match.
    Appointment,
}

impl Fill {
    /// Every fill-in, for "did you mean".
    pub const ALL: [Fill; 4] = [Fill::CallerNumber, Fill::CallBackBy, Fill::Time, Fill::Appointment];

    /// The words between the braces.
    pub const fn name(self) -> &'static str {
        match self {
            Fill::CallerNumber => "caller number",
            Fill::CallBackBy => "call back by",
            Fill::Time => "time",
            Fill::Appointment => "appointment",
        }
    }

    /// The fill-in of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fill| fill.name() == name.trim())
    }

    /// Says something about who the patient is or why they call (P005).
    pub const fn identifies(self) -> bool {
        matches!(self, Fill::CallerNumber | Fill::Appointment)
    }
}

/// A piece of a sentence split at its fill-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words that are the same for everybody: one clip.
    Said(Part),
    /// A place to fill in.
    Fill(Fill),
}

/// Splits a sentence at its fill-ins. The punctuation that follows a fill-in is dropped: a clip must not begin with a
/// full stop. Braces that hold no fill-in we know are spoken as they stand; the checker reports them.
pub fn split(sentence: &str, language: Language) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = sentence;
    let mut said = String::new();
    while let Some((before, inside, after)) = next_brace(rest) {
        said.push_str(before);
        match Fill::named(inside) {
            Some(fill) => {
                flush(&mut said, &mut pieces, language);
                pieces.push(Piece::Fill(fill));
            }
            None => said.push_str(inside),
        }
        rest = after;
    }
    said.push_str(rest);
    flush(&mut said, &mut pieces, language);
    pieces
}

fn flush(said: &mut String, pieces: &mut Vec<Piece>, language: Language) {
    let text = std::mem::take(said);
    let after_fill = matches!(pieces.last(), Some(Piece::Fill(_)));
    let text = if after_fill {
        text.trim_start_matches([',', '.', ';', ':', '!', '?', ' '])
    } else {
        text.trim_start()
    };
    let text = text.trim_end();
    if !text.is_empty() {
        pieces.push(Piece::Said(Part::new(text, language)));
    }
}

fn next_brace(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (inside, after) = rest.split_once('}')?;
    Some((before, inside, after))
}

/// A telephone number, digit by digit, in groups of three, three and four. A leading +1 is not said.
pub fn number(number: &Phi<String>, language: Language) -> Words {
    let digits: Vec<char> = number.expose().chars().filter(char::is_ascii_digit).collect();
    let national = match digits.split_first() {
        Some(('1', rest)) if rest.len() == 10 => rest,
        _ => digits.as_slice(),
    };
    let last = national.len().saturating_sub(1);
    let parts = national
        .iter()
        .enumerate()
        .map(|(at, digit)| {
            // The comma makes a voice fall and pause: it is what the ear hears as a group.
            let group_ends = at != last && (at == 2 || at == 5);
            Part::new(
                if group_ends {
                    format!("{digit},")
                } else {
                    digit.to_string()
                },
                language,
            )
        })
        .collect();
    Words { parts, private: true }
}

/// A date of birth: "February 9, 1984", "9 de febrero de 1984".
pub fn birth_date(date: Phi<Date>, language: Language) -> Words {
    let date = *date.expose();
    let parts = match language {
        Language::English => {
            let mut parts = vec![
                Part::new(month(date.month(), language), language),
                Part::new(format!("{},", date.day()), language),
            ];
            let year = date.year();
            if (2000..2010).contains(&year) {
                parts.push(Part::new(year.to_string(), language));
            } else {
                parts.push(Part::new((year / 100).to_string(), language));
                parts.push(Part::new(format!("{:02}", year % 100), language));
            }
            parts
        }
        Language::Spanish => vec![
            Part::new(date.day().to_string(), language),
            Part::new(format!("de {}", month(date.month(), language)), language),
            Part::new(format!("de {}", date.year()), language),
        ],
    };
    Words { parts, private: true }
}

/// A deadline: "by 10 am on Monday, November 23", "by 5 pm today". Minutes between two quarters are said as the next
/// quarter: the promise is then kept early, never late.
pub fn deadline(by: DateTime, today: Date, language: Language) -> Words {
    let by = quarter_up(by);
    let date = by.date();
    let mut parts = Vec::new();
    match language {
        Language::English => {
            parts.push(Part::new("by", language));
            parts.push(time_part(by.time(), language));
            if date == today {
                parts.push(Part::new("today", language));
            } else {
                parts.push(Part::new(
                    format!("on {},", weekday(date.weekday(), language)),
                    language,
                ));
                parts.push(Part::new(month(date.month(), language), language));
                parts.push(Part::new(date.day().to_string(), language));
            }
        }
        Language::Spanish => {
            parts.push(Part::new("antes de", language));
            parts.push(time_part(by.time(), language));
            if date == today {
                parts.push(Part::new("de hoy", language));
            } else {
                parts.push(Part::new(
                    format!("del {},", weekday(date.weekday(), language)),
                    language,
                ));
                parts.push(Part::new(date.day().to_string(), language));
                parts.push(Part::new(format!("de {}", month(date.month(), language)), language));
            }
        }
    }
    Words { parts, private: false }
}

/// A time of day, to the quarter-hour that began: "11:30 pm".
pub fn time_of_day(time: Time, language: Language) -> Words {
    let minute = time.minute() / QUARTER_MINUTES * QUARTER_MINUTES;
    let quarter = Time::new(time.hour(), minute, 0, 0).unwrap_or(time);
    Words {
        parts: vec![time_part(quarter, language)],
        private: false,
    }
}

/// When an appointment is: "Monday, November 23 at 10:20 am". Minutes between two fives are said as the five before: who
/// comes a little early misses nothing.
pub fn appointment_time(at: DateTime, language: Language) -> Words {
    let minute = at.time().minute() / APPOINTMENT_MINUTES * APPOINTMENT_MINUTES;
    let time = Time::new(at.time().hour(), minute, 0, 0).unwrap_or(at.time());
    let weekday = Part::new(appointment_day(at.date().weekday(), language), language);
    let day = Part::new(at.date().day().to_string(), language);
    let month = match language {
        Language::English => Part::new(month(at.date().month(), language), language),
        Language::Spanish => Part::new(format!("de {}", month(at.date().month(), language)), language),
    };
    let mut parts = match language {
        Language::English => vec![weekday, month, day],
        Language::Spanish => vec![weekday, day, month],
    };
    parts.extend(at_time(time, language));
    Words { parts, private: true }
}

/// Whom an appointment is with.
pub(crate) fn with_person(name: &str, language: Language) -> Part {
    match language {
        Language::English => Part::new(format!("with {name}"), language),
        Language::Spanish => Part::new(format!("con {name}"), language),
    }
}

/// Where an appointment is.
pub(crate) fn at_place(name: &str, language: Language) -> Part {
    match language {
        Language::English => Part::new(format!("at {name}"), language),
        Language::Spanish => Part::new(format!("en {name}"), language),
    }
}

/// The clips an appointment's time is made of, beside those of [`vocabulary`]: only a practice that speaks of appointments
/// needs them. They are few, because hours, minutes and halves of the day are clips of their own.
pub fn appointment_vocabulary(language: Language) -> Vec<Part> {
    let days = WEEKDAYS.map(|day| Part::new(appointment_day(day, language), language));
    let times = (0..24).flat_map(|hour| {
        (0..60)
            .step_by(usize::from(APPOINTMENT_MINUTES.unsigned_abs()))
            .filter_map(move |minute| Time::new(hour, minute, 0, 0).ok())
    });
    let mut parts: Vec<Part> = times.flat_map(|time| at_time(time, language)).chain(days).collect();
    parts.sort();
    parts.dedup();
    parts
}

fn appointment_day(day: Weekday, language: Language) -> String {
    let name = weekday(day, language);
    match language {
        Language::English => format!("{name},"),
        Language::Spanish => format!("el {name},"),
    }
}

/// `at 10:` `20` `am`; `a las 10` `y 20` `de la mañana`.
fn at_time(time: Time, language: Language) -> Vec<Part> {
    let (hour, minute) = (time.hour(), time.minute());
    let twelve = match hour % 12 {
        0 => 12,
        other => other,
    };
    let one = |text: &str| vec![Part::new(text, language)];
    let mut texts = match (language, hour, minute) {
        (Language::English, 0, 0) => return one("at midnight"),
        (Language::English, 12, 0) => return one("at noon"),
        (Language::Spanish, 0, 0) => return one("a la medianoche"),
        (Language::Spanish, 12, 0) => return one("al mediodía"),
        (Language::English, ..) => vec![format!("at {twelve}:")],
        (Language::Spanish, ..) if twelve == 1 => vec!["a la 1".to_owned()],
        (Language::Spanish, ..) => vec![format!("a las {twelve}")],
    };
    if minute != 0 {
        texts.push(match language {
            Language::English => format!("{minute:02}"),
            Language::Spanish => format!("y {minute}"),
        });
    }
    texts.push(match language {
        Language::English => if hour < 12 { "am" } else { "pm" }.to_owned(),
        Language::Spanish => half_of_day(hour).to_owned(),
    });
    texts.into_iter().map(|text| Part::new(text, language)).collect()
}

/// Every clip a fill-in can need, in one language: digits, months, days, years, weekdays, times. Nothing here tells
/// anything about anyone, so it may be synthesised, cached and recorded for everybody.
pub fn vocabulary(language: Language) -> Vec<Part> {
    let mut texts: Vec<String> = Vec::new();
    for digit in 0..=9 {
        texts.push(digit.to_string());
        texts.push(format!("{digit},"));
    }
    for day in 10..=31 {
        texts.push(day.to_string());
    }
    match language {
        Language::English => {
            texts.extend((10..=31).map(|day| format!("{day},")));
            texts.extend((0..=9).map(|year| format!("{year:02}")));
            texts.extend((32..=99).map(|year| year.to_string()));
            texts.extend((2000..2010).map(|year| year.to_string()));
            texts.extend((1..=12).map(|number| month(number, language).to_owned()));
            texts.extend(WEEKDAYS.map(|day| format!("on {},", weekday(day, language))));
            texts.extend(["by", "today"].map(str::to_owned));
        }
        Language::Spanish => {
            texts.extend((1..=12).map(|number| format!("de {}", month(number, language))));
            texts.extend(SPANISH_YEARS.map(|year| format!("de {year}")));
            texts.extend(WEEKDAYS.map(|day| format!("del {},", weekday(day, language))));
            texts.extend(["antes de", "de hoy"].map(str::to_owned));
        }
    }
    let mut parts: Vec<Part> = texts.into_iter().map(|text| Part::new(text, language)).collect();
    for hour in 0..24 {
        for minute in [0, 15, 30, 45] {
            if let Ok(time) = Time::new(hour, minute, 0, 0) {
                parts.push(time_part(time, language));
            }
        }
    }
    parts
}

const QUARTER_MINUTES: i8 = 15;
const APPOINTMENT_MINUTES: i8 = 5;
/// Birth years that can be said in Spanish: a patient is under 120 years old and already born.
const SPANISH_YEARS: std::ops::RangeInclusive<i16> = 1900..=2060;
const WEEKDAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

fn quarter_up(at: DateTime) -> DateTime {
    let past = at.minute() % QUARTER_MINUTES;
    let whole = at.with().second(0).subsec_nanosecond(0).build().unwrap_or(at);
    if past == 0 {
        return whole;
    }
    whole
        .checked_add(jiff::Span::new().minutes(i64::from(QUARTER_MINUTES - past)))
        .unwrap_or(whole)
}

fn time_part(time: Time, language: Language) -> Part {
    let (hour, minute) = (time.hour(), time.minute());
    let twelve = match hour % 12 {
        0 => 12,
        other => other,
    };
    let clock = if minute == 0 {
        twelve.to_string()
    } else {
        format!("{twelve}:{minute:02}")
    };
    let text = match language {
        Language::English => match (hour, minute) {
            (0, 0) => "midnight".to_owned(),
            (12, 0) => "noon".to_owned(),
            (0..12, _) => format!("{clock} am"),
            _ => format!("{clock} pm"),
        },
        Language::Spanish => {
            let article = if twelve == 1 { "la" } else { "las" };
            let half = half_of_day(hour);
            match (hour, minute) {
                (0, 0) => "la medianoche".to_owned(),
                (12, 0) => "el mediodía".to_owned(),
                _ => format!("{article} {clock} {half}"),
            }
        }
    };
    Part::new(text, language)
}

/// How the hours of a day are told apart in Spanish.
const fn half_of_day(hour: i8) -> &'static str {
    match hour {
        0..6 => "de la madrugada",
        6..12 => "de la mañana",
        12..20 => "de la tarde",
        _ => "de la noche",
    }
}

fn month(number: i8, language: Language) -> &'static str {
    let names = match language {
        Language::English => [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        Language::Spanish => [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
    };
    usize::try_from(number - 1)
        .ok()
        .and_then(|at| names.get(at).copied())
        .unwrap_or("")
}

fn weekday(day: Weekday, language: Language) -> &'static str {
    match (language, day) {
        (Language::English, Weekday::Monday) => "Monday",
        (Language::English, Weekday::Tuesday) => "Tuesday",
        (Language::English, Weekday::Wednesday) => "Wednesday",
        (Language::English, Weekday::Thursday) => "Thursday",
        (Language::English, Weekday::Friday) => "Friday",
        (Language::English, Weekday::Saturday) => "Saturday",
        (Language::English, Weekday::Sunday) => "Sunday",
        (Language::Spanish, Weekday::Monday) => "lunes",
        (Language::Spanish, Weekday::Tuesday) => "martes",
        (Language::Spanish, Weekday::Wednesday) => "miércoles",
        (Language::Spanish, Weekday::Thursday) => "jueves",
        (Language::Spanish, Weekday::Friday) => "viernes",
        (Language::Spanish, Weekday::Saturday) => "sábado",
        (Language::Spanish, Weekday::Sunday) => "domingo",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::{date, datetime, time};
    use proptest::prelude::*;

    use super::*;

    fn phone(digits: &str) -> Phi<String> {
        Phi::new(digits.to_owned())
    }

    #[test]
    fn fill_ins_read_as_a_reader_expects() {
        use Language::{English, Spanish};
        assert_eq!(
            birth_date(Phi::new(date(1984, 2, 9)), English).text(),
            "February 9, 1984"
        );
        assert_eq!(
            birth_date(Phi::new(date(2005, 12, 31)), English).text(),
            "December 31, 2005"
        );
        assert_eq!(
            birth_date(Phi::new(date(2019, 1, 1)), English).text(),
            "January 1, 2019"
        );
        assert_eq!(
            birth_date(Phi::new(date(1984, 2, 9)), Spanish).text(),
            "9 de febrero de 1984"
        );
        assert_eq!(number(&phone("+15125550199"), English).text(), "512, 555, 0199");
        let today = date(2026, 11, 21);
        assert_eq!(
            deadline(datetime(2026, 11, 23, 10, 0, 0, 0), today, English).text(),
            "by 10 am on Monday, November 23"
        );
        assert_eq!(
            deadline(datetime(2026, 11, 21, 17, 0, 0, 0), today, English).text(),
            "by 5 pm today"
        );
        assert_eq!(
            deadline(datetime(2026, 11, 23, 10, 0, 0, 0), today, Spanish).text(),
            "antes de las 10 de la mañana del lunes, 23 de noviembre"
        );
        assert_eq!(
            deadline(datetime(2026, 11, 21, 23, 50, 0, 0), today, English).text(),
            "by midnight on Sunday, November 22"
        );
        assert_eq!(time_of_day(time(23, 44, 0, 0), English).text(), "11:30 pm");
        let visit = datetime(2026, 11, 23, 10, 22, 0, 0);
        assert_eq!(
            appointment_time(visit, English).text(),
            "Monday, November 23 at 10:20 am"
        );
        assert_eq!(
            appointment_time(visit, Spanish).text(),
            "el lunes, 23 de noviembre a las 10 y 20 de la mañana"
        );
        assert_eq!(
            appointment_time(datetime(2026, 11, 24, 12, 0, 0, 0), Spanish).text(),
            "el martes, 24 de noviembre al mediodía"
        );
    }

    #[test]
    fn a_sentence_reads_whole_around_its_fill_in() {
        let text = "A nurse will call you {call back by}. If anything gets worse, call us again.";
        assert_eq!(split(text, Language::English).len(), 3);
        let sentence = Sentence {
            spoken: [(Language::English, text.into())].into(),
        };
        let mut fill = |_, language| {
            Some(deadline(
                datetime(2026, 11, 23, 10, 0, 0, 0),
                date(2026, 11, 21),
                language,
            ))
        };
        // Untranslated: spoken in English throughout, rather than half in each.
        let words = Words::filled(&sentence, Language::Spanish, &mut fill);
        assert_eq!(
            words.text(),
            "A nurse will call you by 10 am on Monday, November 23. If anything gets worse, call us again."
        );
        assert_eq!(
            Words::filled(&sentence, Language::English, &mut |_, _| None).text(),
            "A nurse will call you. If anything gets worse, call us again."
        );
    }

    #[test]
    fn an_unknown_brace_never_swallows_a_sentence() {
        let said = split("Call {nobody} now {call back", Language::English);
        assert_eq!(
            said,
            [Piece::Said(Part::new("Call nobody now {call back", Language::English))]
        );
    }

    #[test]
    fn private_words_print_as_redacted_and_others_do_not() {
        assert_eq!(
            format!("{:?}", number(&phone("5125550199"), Language::English)),
            "Words(‹redacted›)"
        );
        let mixed = Words::plain("You entered", Language::English)
            .then(birth_date(Phi::new(date(1984, 2, 9)), Language::English));
        assert_eq!(format!("{mixed:?}"), "Words(‹redacted›)");
        assert_eq!(
            format!("{:?}", Words::plain("Goodbye.", Language::English)),
            "Words(\"Goodbye.\")"
        );
    }

    proptest! {
        /// The promise the whole file rests on: nothing outside the vocabulary is ever needed to say a fill-in.
        #[test]
        fn every_fill_in_is_in_the_vocabulary(
            spanish: bool,
            digits in "[0-9]{10}",
            birth_days in 0_i32..43_000,
            minutes in 0_i32..600_000,
        ) {
            let language = if spanish { Language::Spanish } else { Language::English };
            let mut known: BTreeSet<Part> = vocabulary(language).into_iter().collect();
            known.extend(appointment_vocabulary(language));
            let born = date(1907, 1, 1).checked_add(jiff::Span::new().days(birth_days)).unwrap();
            let by = datetime(2026, 1, 1, 0, 0, 0, 0).checked_add(jiff::Span::new().minutes(minutes)).unwrap();
            let said = number(&Phi::new(digits), language)
                .then(birth_date(Phi::new(born), language))
                .then(deadline(by, date(2026, 1, 1), language))
                .then(time_of_day(by.time(), language))
                .then(appointment_time(by, language));
            for part in &said.parts {
                prop_assert!(known.contains(part), "{part:?} is not in the vocabulary");
            }
        }
    }
}
