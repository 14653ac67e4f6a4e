//! The words of a condition → its clauses, each typed against what the flow declares (§6).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Weekday;

use super::{not_understood, words};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::model::{Amount, Clause, Comparison, Condition, Fact, Thing};
use crate::source::{Node, normalized};
use crate::time::reading;
use crate::words::Language;

/// Every fact a condition may state.
pub(crate) const FACTS: [(&str, Fact); 8] = [
    ("the office is open", Fact::OfficeOpen),
    ("the office is closed", Fact::OfficeClosed),
    ("today is a holiday", Fact::Holiday),
    ("it is lunch time", Fact::LunchTime),
    ("nobody is on call", Fact::NobodyOnCall),
    ("records are down", Fact::RecordsDown),
    ("recording is allowed", Fact::RecordingAllowed),
    ("this number called in the last hour", Fact::CalledLately),
];

const THINGS: [(&str, Thing); 6] = [
    ("language", Thing::Language),
    ("line called", Thing::LineCalled),
    ("time", Thing::Time),
    ("day", Thing::Day),
    ("caller state", Thing::CallerState),
    ("patient age", Thing::PatientAge),
];

/// What conditions of one flow may speak of.
#[derive(Default)]
pub(crate) struct Declared {
    /// Names the flow remembers, with the values it gives them.
    pub(crate) remembered: BTreeMap<String, BTreeSet<String>>,
    /// The practice's lines.
    pub(crate) lines: Vec<String>,
}

impl Declared {
    /// Reads a condition.
    pub(crate) fn condition(&self, node: &Node, out: &mut Vec<Diagnostic>) -> Option<Condition> {
        let text = normalized(words(node, "if", out)?);
        match self.read(&text) {
            Ok(condition) => Some(condition),
            Err((what, fix)) => {
                out.push(not_understood(&node.at, what, &fix));
                None
            }
        }
    }

    fn read(&self, text: &str) -> Result<Condition, (String, String)> {
        if text.eq_ignore_ascii_case("any time") {
            return Ok(Condition::default());
        }
        if text.contains(" or ") || text.contains(['(', ')']) {
            return Err((
                "A condition has no `or` and no brackets.".to_owned(),
                "Write a second line with its own `if:`.".to_owned(),
            ));
        }
        let mut clauses = Vec::new();
        let mut pieces = text.split(" and ");
        while let Some(piece) = pieces.next() {
            // `is between 9 pm and 6 am`: this *and* joins two amounts, not two clauses.
            let whole = match piece.contains(" is between ").then(|| pieces.next()).flatten() {
                Some(high) => format!("{piece} and {high}"),
                None => piece.to_owned(),
            };
            clauses.push(self.clause(whole.trim())?);
        }
        Ok(Condition { clauses })
    }

    fn clause(&self, text: &str) -> Result<Clause, (String, String)> {
        if let Some((_, fact)) = FACTS.iter().find(|(words, _)| words.eq_ignore_ascii_case(text)) {
            return Ok(Clause::Fact(*fact));
        }
        let all = || {
            FACTS
                .iter()
                .map(|(words, _)| *words)
                .chain(THINGS.iter().map(|(name, _)| *name))
                .chain(self.remembered.keys().map(String::as_str))
        };
        let Some((name, rest)) = text.split_once(" is ") else {
            return Err((format!("`{text}` is not a condition."), did_you_mean(text, all())));
        };
        let Some(thing) = self.thing(name.trim()) else {
            // `the ofice is open` is nearer to a fact than to a thing.
            let fix = crate::diagnostic::nearest(text, FACTS.iter().map(|(words, _)| *words))
                .map_or_else(|| did_you_mean(name, all()), |near| format!("Did you mean `{near}`?"));
            return Err((format!("Nothing is known as `{}`.", name.trim()), fix));
        };
        let rest = rest.trim();
        match rest {
            "known" => return Ok(Clause::Known { thing, known: true }),
            "unknown" => return Ok(Clause::Known { thing, known: false }),
            _ => {}
        }
        if let Some(values) = rest.strip_prefix("one of ") {
            let values: Vec<String> = values
                .split(',')
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
                .collect();
            for value in &values {
                self.value(&thing, value)?;
            }
            return Ok(Clause::OneOf { thing, values });
        }
        // A remembered value may itself begin with `under` or `over`: `age group is not under 3 months`.
        let (not, value) = rest
            .strip_prefix("not ")
            .map_or((false, rest), |value| (true, value.trim()));
        if let Thing::Remembered(_) = thing {
            self.value(&thing, value)?;
            return Ok(Clause::Is {
                thing,
                not,
                value: value.to_owned(),
            });
        }
        if let Some(amounts) = rest.strip_prefix("between ") {
            let Some((low, high)) = amounts.split_once(" and ") else {
                return Err((
                    format!("`{rest}` needs two ends."),
                    "Write `is between 9 pm and 6 am`.".to_owned(),
                ));
            };
            return Ok(Clause::Between {
                low: amount(&thing, low)?,
                high: amount(&thing, high)?,
                thing,
            });
        }
        const WAYS: [(&str, Comparison); 4] = [
            ("under ", Comparison::Under),
            ("over ", Comparison::Over),
            ("at least ", Comparison::AtLeast),
            ("at most ", Comparison::AtMost),
        ];
        if let Some((words, how)) = WAYS.iter().find(|(words, _)| rest.starts_with(words)) {
            let amount = amount(&thing, rest.trim_start_matches(words))?;
            return Ok(Clause::Compare {
                thing,
                how: *how,
                amount,
            });
        }
        self.value(&thing, value)?;
        Ok(Clause::Is {
            thing,
            not,
            value: value.to_owned(),
        })
    }

    fn thing(&self, name: &str) -> Option<Thing> {
        let remembered = self.remembered.keys().find(|known| known.eq_ignore_ascii_case(name));
        remembered.map(|name| Thing::Remembered(name.clone())).or_else(|| {
            THINGS
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, thing)| thing.clone())
        })
    }

    /// Whether a thing can ever have that value.
    fn value(&self, thing: &Thing, value: &str) -> Result<(), (String, String)> {
        const DAYS: [&str; 7] = [
            "Monday",
            "Tuesday",
            "Wednesday",
            "Thursday",
            "Friday",
            "Saturday",
            "Sunday",
        ];
        let one_of = |known: Vec<&str>| {
            if known.iter().any(|known| known.eq_ignore_ascii_case(value)) {
                Ok(())
            } else {
                Err((format!("It can never be `{value}`."), did_you_mean(value, known)))
            }
        };
        match thing {
            Thing::Remembered(name) => one_of(
                self.remembered
                    .get(name)
                    .into_iter()
                    .flatten()
                    .map(String::as_str)
                    .collect(),
            ),
            Thing::Language => one_of(Language::ALL.iter().map(|language| language.name()).collect()),
            Thing::Day => one_of(DAYS.to_vec()),
            Thing::LineCalled => one_of(self.lines.iter().map(String::as_str).collect()),
            Thing::CallerState => one_of(crate::area::STATES.iter().map(|(state, _)| *state).collect()),
            Thing::Time | Thing::PatientAge => Err((
                format!("`{value}` is compared with nothing."),
                "Write `is under`, `is over`, `is at least`, `is at most` or `is between`.".to_owned(),
            )),
        }
    }
}

/// `3 months`, `9:30 pm`.
fn amount(thing: &Thing, text: &str) -> Result<Amount, (String, String)> {
    let text = text.trim();
    let found = match thing {
        Thing::Time => reading::clock(text)
            .filter(|minute| *minute < 1440)
            .and_then(reading::time)
            .map(Amount::Clock),
        Thing::PatientAge => minutes(text).map(Amount::Minutes),
        _ => None,
    };
    found.ok_or_else(|| {
        let example = if *thing == Thing::Time { "9:30 pm" } else { "3 months" };
        (
            format!("`{text}` is not an amount it can be compared with."),
            format!("Write it like `{example}`."),
        )
    })
}

fn minutes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    let days = match unit.trim() {
        "week" | "weeks" => 7,
        "month" | "months" => 30,
        "year" | "years" => 365,
        _ => return reading::duration(text).map(|duration| duration.as_secs() / 60),
    };
    reading::count(number)?.checked_mul(days * 24 * 60)
}

/// `Monday`.
pub(crate) fn weekday(text: &str) -> Option<Weekday> {
    const DAYS: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let text = text.trim().to_lowercase();
    DAYS.iter().find(|(name, _)| *name == text).map(|(_, day)| *day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> Declared {
        let ages = ["under 3 months", "3 months to 2 years", "over 2 years"].map(str::to_owned);
        Declared {
            remembered: [("age group".to_owned(), ages.into())].into(),
            lines: vec!["main line".to_owned()],
        }
    }

    #[test]
    fn clauses_are_typed_when_read() {
        let read = |text: &str| match declared().read(text) {
            Ok(condition) => format!("{text}\n    {:?}\n", condition.clauses),
            Err((what, fix)) => format!("{text}\n    {what} {fix}\n"),
        };
        let all: String = [
            "any time",
            "the office is open",
            "the ofice is open",
            "age group is not under 3 months",
            "age group is under 4 months",
            "language is Spanish and it is lunch time",
            "language is Klingon",
            "time is between 9 pm and 6 am and day is one of Saturday, Sunday",
            "patient age is under 3 months",
            "patient age is at least two years",
            "patient age is 3",
            "line called is main lin",
            "caller state is unknown",
            "moon is full",
            "records are down or it is lunch time",
            "",
        ]
        .into_iter()
        .map(read)
        .collect();
        insta::assert_snapshot!(all);
    }
}
