//! Conditions (§6): plain clauses joined by *and*, typed when the file is read.

use jiff::civil::Time;

/// What must hold. No clause at all (`any time`) always holds.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Condition {
    /// Every one of them must hold.
    pub clauses: Vec<Clause>,
}

/// One plain clause.
#[derive(Clone, Debug, PartialEq)]
pub enum Clause {
    /// Something the engine knows by itself.
    Fact(Fact),
    /// `language is Spanish`, `age group is not under 3 months`.
    Is {
        /// What is looked at.
        thing: Thing,
        /// `is not`.
        not: bool,
        /// The value in the file's own words.
        value: String,
    },
    /// `line called is one of main line, nurse line`.
    OneOf {
        /// What is looked at.
        thing: Thing,
        /// Any of these.
        values: Vec<String>,
    },
    /// `patient age is under 3 months`.
    Compare {
        /// What is looked at.
        thing: Thing,
        /// Which way.
        how: Comparison,
        /// Against what.
        amount: Amount,
    },
    /// `time is between 9 pm and 6 am`; a span of times may cross midnight.
    Between {
        /// What is looked at.
        thing: Thing,
        /// From here, included.
        low: Amount,
        /// To here, included.
        high: Amount,
    },
    /// `patient age is known`, `patient age is unknown`.
    Known {
        /// What is looked at.
        thing: Thing,
        /// `known` rather than `unknown`.
        known: bool,
    },
}

/// A fact the engine knows by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// `the office is open`
    OfficeOpen,
    /// `the office is closed`
    OfficeClosed,
    /// `today is a holiday`
    Holiday,
    /// `it is lunch time`
    LunchTime,
    /// `nobody is on call`
    NobodyOnCall,
    /// `records are down`
    RecordsDown,
    /// `recording is allowed`
    RecordingAllowed,
    /// `this number called in the last hour`
    CalledLately,
}

/// Something with a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// The language chosen.
    Language,
    /// The practice's name of the line called.
    LineCalled,
    /// The time of day at the practice.
    Time,
    /// The day of the week at the practice.
    Day,
    /// The state the caller's number belongs to.
    CallerState,
    /// The patient's age.
    PatientAge,
    /// A name some step of the flow remembers.
    Remembered(String),
}

/// Which way to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `is under`
    Under,
    /// `is over`
    Over,
    /// `is at least`
    AtLeast,
    /// `is at most`
    AtMost,
}

/// A number with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A length of time in minutes; `3 months` counts 30 days a month, `2 years` 365 days a year.
    Minutes(u64),
    /// A time of day.
    Clock(Time),
    /// A plain number.
    Number(i64),
}

/// What a thing is at this moment of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// In words, compared without regard to case.
    Text(String),
    /// In the units of [`Amount`].
    Amount(Amount),
}

/// What a call knows when a condition is asked.
pub trait Known {
    /// Whether the fact holds; `None` when nobody can say.
    fn fact(&self, fact: Fact) -> Option<bool>;
    /// The thing's value; `None` when it is not known.
    fn value(&self, thing: &Thing) -> Option<Value>;
}

impl Condition {
    /// Whether every clause holds. An unknown value makes its clause false (§6), `is not` included.
    pub fn holds(&self, known: &dyn Known) -> bool {
        self.clauses.iter().all(|clause| clause.holds(known))
    }

    /// Whether it asks if this line was called.
    pub(crate) fn names_line(&self, line: &str) -> bool {
        self.clauses.iter().any(|clause| match clause {
            Clause::Is { thing, value, .. } => *thing == Thing::LineCalled && value == line,
            Clause::OneOf { thing, values } => *thing == Thing::LineCalled && values.iter().any(|value| value == line),
            _ => false,
        })
    }

    /// Whether it cannot be judged without this.
    pub fn looks_at(&self, wanted: &Thing) -> bool {
        self.clauses.iter().any(|clause| match clause {
            Clause::Fact(_) => false,
            Clause::Is { thing, .. }
            | Clause::OneOf { thing, .. }
            | Clause::Compare { thing, .. }
            | Clause::Between { thing, .. }
            | Clause::Known { thing, .. } => thing == wanted,
        })
    }

    /// Holds whatever the call is like: `any time`.
    pub fn always(&self) -> bool {
        self.clauses.is_empty()
    }
}

impl Clause {
    fn holds(&self, known: &dyn Known) -> bool {
        match self {
            Self::Fact(fact) => known.fact(*fact) == Some(true),
            Self::Is { thing, not, value } => known.value(thing).is_some_and(|is| is.reads(value) != *not),
            Self::OneOf { thing, values } => known
                .value(thing)
                .is_some_and(|is| values.iter().any(|value| is.reads(value))),
            Self::Compare { thing, how, amount } => known.value(thing).is_some_and(|is| is.compares(*how, *amount)),
            Self::Between { thing, low, high } => known.value(thing).is_some_and(|is| is.between(*low, *high)),
            Self::Known { thing, known: wanted } => known.value(thing).is_some() == *wanted,
        }
    }
}

impl Value {
    fn reads(&self, words: &str) -> bool {
        match self {
            Self::Text(text) => text.trim().eq_ignore_ascii_case(words.trim()),
            Self::Amount(_) => false,
        }
    }

    fn compares(&self, how: Comparison, amount: Amount) -> bool {
        let Self::Amount(is) = self else { return false };
        let Some(order) = is.order(amount) else { return false };
        match how {
            Comparison::Under => order.is_lt(),
            Comparison::Over => order.is_gt(),
            Comparison::AtLeast => order.is_ge(),
            Comparison::AtMost => order.is_le(),
        }
    }

    fn between(&self, low: Amount, high: Amount) -> bool {
        let Self::Amount(is) = self else { return false };
        let (Some(above), Some(below)) = (is.order(low), is.order(high)) else {
            return false;
        };
        // 9 pm to 6 am is one night, not nothing.
        let over_midnight = matches!((low, high), (Amount::Clock(low), Amount::Clock(high)) if low > high);
        if over_midnight {
            above.is_ge() || below.is_le()
        } else {
            above.is_ge() && below.is_le()
        }
    }
}

impl Amount {
    /// Two amounts of one kind in order; amounts of different kinds have none.
    fn order(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Minutes(a), Self::Minutes(b)) => Some(a.cmp(&b)),
            (Self::Clock(a), Self::Clock(b)) => Some(a.cmp(&b)),
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(&b)),
            _ => None,
        }
    }
}
