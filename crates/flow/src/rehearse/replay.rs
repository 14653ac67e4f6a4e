//! `flow replay`: calls of the past, put through a version nobody has heard yet: which would have ended elsewhere (P8).
//!
//! A [`Past`] is what the record of one call says: the sections it came to, what the caller chose, how red-flag questions
//! were answered, what telephones did, where the caller hung up. [`replay`] walks the same caller through the flow of
//! another version with the true [`Run`](crate::run::Run). Choices are found again by the words of their option or by where
//! it led, never by their key; answers by the question's stable id. Numbers, dates and voices are made up, because no way
//! through a flow depends on them.
//!
//! One thing to know: nothing is guessed. A red-flag question the caller was never asked is taken as no *and told*; any
//! other new question ends the replay there, and what cannot be followed is said to be so.

mod line;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Act, Flow, Level, Practice};
use crate::run::{Answer, Caller, Chosen};
use crate::words::Language;
use line::{Line, Stop};

/// Happenings of one call; the step budget keeps real ones far below.
const HAPPENED_MAX: usize = 2_000;

/// What the record of one call says.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// When it came in.
    pub began: Timestamp,
    /// The line called, the number for its area alone, and what was known beforehand.
    pub caller: Caller,
    /// How it ended, in the words of [`Outcome`](crate::Outcome).
    pub outcome: String,
    happened: Vec<Happened>,
}

/// One thing of a call that ways through a flow depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A section began.
    Section(String),
    /// The caller chose a language.
    Language(Language),
    /// The caller did or did not give permission to record.
    Recording(bool),
    /// As in [`Note::Chose`](crate::Note::Chose).
    Chose {
        /// The question.
        question: String,
        /// What they did.
        choice: Chosen,
    },
    /// A red-flag question was answered.
    Answered {
        /// Its stable id.
        question: String,
        /// How.
        answer: Answer,
    },
    /// Triage graded the call.
    Graded(Level),
    /// The caller heard the 911 direction.
    Told911,
    /// A message was kept for this inbox or ladder.
    Kept(String),
    /// This ladder began to ring people.
    Rang(String),
    /// A line outside was rung.
    Dialled(String),
    /// Somebody of this ladder accepted.
    Accepted {
        /// The ladder.
        ladder: String,
        /// Who.
        person: String,
    },
    /// Everybody of this ladder was tried.
    Exhausted(String),
    /// The caller and this person or line could talk.
    Bridged(String),
    /// The caller hung up in the middle of this.
    Left(String),
    /// The safety net took over.
    Net,
}

impl Past {
    /// A call of which nothing is told yet.
    pub fn new(began: Timestamp, caller: Caller) -> Self {
        Self {
            began,
            caller,
            outcome: String::new(),
            happened: Vec::new(),
        }
    }

    /// What happened next.
    pub fn add(&mut self, happened: Happened) {
        if self.happened.len() < HAPPENED_MAX {
            self.happened.push(happened);
        }
    }

    /// Everything that is told of it, in order.
    pub fn happened(&self) -> &[Happened] {
        &self.happened
    }

    /// How it ended.
    pub fn end(&self) -> End {
        End::of(&self.happened, Some(&self.outcome))
    }
}

/// How a call ended, as far as versions can differ in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The last grade of a triage.
    pub grade: Option<Level>,
    /// The caller heard the 911 direction.
    pub told_911: bool,
    /// The ladders that rang, each once.
    pub rung: Vec<String>,
    /// Inboxes and ladders that hold a message, each once.
    pub messages: Vec<String>,
    /// The language the caller was spoken to in, when they had chosen one.
    pub language: Option<Language>,
    /// In the words of [`Outcome`](crate::Outcome); `None` when nothing came of the call, or that cannot be told.
    pub outcome: Option<String>,
}

impl End {
    fn of(happened: &[Happened], outcome: Option<&str>) -> Self {
        let mut end = Self {
            grade: None,
            told_911: false,
            rung: Vec::new(),
            messages: Vec::new(),
            language: None,
            // That the flow or the caller was the one to hang up is no difference to anybody.
            outcome: outcome
                .filter(|outcome| !outcome.starts_with("the caller hung up") && *outcome != "ended")
                .map(str::to_owned),
        };
        let once = |all: &mut Vec<String>, one: &String| {
            if !all.contains(one) {
                all.push(one.clone());
            }
        };
        for happened in happened {
            match happened {
                Happened::Graded(level) => end.grade = Some(*level),
                Happened::Told911 => end.told_911 = true,
                Happened::Rang(ladder) => once(&mut end.rung, ladder),
                Happened::Kept(goes_to) => once(&mut end.messages, goes_to),
                Happened::Language(language) => end.language = Some(*language),
                _ => {}
            }
        }
        end
    }

    /// How much was done for the caller: 911, telephones, a message, nothing.
    fn weight(&self) -> u8 {
        let person = |outcome: &String| outcome.starts_with("connected to ") || outcome.ends_with(" is rung");
        if self.told_911 {
            3
        } else if !self.rung.is_empty() || self.outcome.as_ref().is_some_and(person) {
            2
        } else {
            u8::from(!self.messages.is_empty())
        }
    }

    /// Whether whoever ended here is helped less than whoever ended there.
    pub fn is_less_than(&self, other: &Self) -> bool {
        let graded = self.grade.zip(other.grade).is_some_and(|(own, others)| own > others);
        graded || self.weight() < other.weight()
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.grade.map(|level| level.name().to_owned()).into_iter().collect();
        let told = self.outcome.as_deref() == Some("told to call 911");
        if self.told_911 && !told {
            parts.push("told to call 911".to_owned());
        }
        match &self.outcome {
            Some(outcome) => parts.push(outcome.clone()),
            None => {
                parts.extend(self.rung.iter().map(|ladder| format!("{ladder} is rung")));
                let inboxes = self.messages.iter().filter(|to| !self.rung.contains(to));
                parts.extend(inboxes.map(|inbox| format!("message in {inbox}")));
            }
        }
        if parts.is_empty() {
            parts.push("the call ended and left nothing".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}

/// One call in the other version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How it ended.
    pub was: End,
    /// How it would end, as far as that can be told.
    pub is: End,
    /// What that comes to.
    pub verdict: Verdict,
    /// Where the two ways part, when they do.
    pub parting: Option<Parting>,
    /// Questions the caller was never asked: red-flag questions and the like were taken as no.
    pub new_questions: Vec<String>,
}

/// What a replay comes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It ends as before.
    AsBefore {
        /// By other sections than before.
        another_way: bool,
    },
    /// It ends elsewhere.
    Elsewhere {
        /// The caller is helped less than before.
        less: bool,
    },
    /// The caller meets something they were never asked.
    AskedNew {
        /// What ends the replay, when it could not go on; otherwise the call ends as before if they answer no.
        stops_at: Option<String>,
    },
    /// It cannot be told.
    Untold {
        /// Why not.
        why: String,
    },
}

/// Where two ways part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The last section both come to; none when they part from the first.
    pub section: Option<String>,
    /// The last question answered there, and how.
    pub after: Option<(String, String)>,
    /// Where the call went then; none when it ended.
    pub was: Option<String>,
    /// Where it would go.
    pub is: Option<String>,
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(section) = &self.section {
            write!(f, "in “{section}”")?;
        } else {
            f.write_str("from the first section")?;
        }
        if let Some((question, answer)) = &self.after {
            write!(f, ", “{question}” {answer}")?;
        }
        let named = |section: &Option<String>, none: &str| {
            section
                .as_ref()
                .map_or_else(|| none.to_owned(), |name| format!("“{name}”"))
        };
        if self.was != self.is {
            let (was, is) = (named(&self.was, "the end"), named(&self.is, "the end"));
            write!(f, ": led to {was}, would lead to {is}")?;
        }
        Ok(())
    }
}

/// Puts a call through a version.
pub fn replay(practice: &Arc<Practice>, past: &Past) -> Replayed {
    let was = past.end();
    let untold = |why: &str| Replayed {
        was: past.end(),
        is: past.end(),
        verdict: Verdict::Untold { why: why.to_owned() },
        parting: None,
        new_questions: Vec::new(),
    };
    if past.happened.contains(&Happened::Net) {
        return untold("something was broken in that call, and its safety net answered");
    }
    let Some(flow) = practice.flow_for(&past.caller.line, past.began) else {
        return untold("the new version has no flow");
    };
    let line = Line::start(practice, flow, past, false).play();
    let outcome = line.outcome.as_deref();
    let is = End {
        // Whoever is not asked any more is spoken to in the one language there is.
        language: was.language.map(|_| line.language()),
        ..End::of(&line.log, outcome)
    };
    let parting = parting(flow, past, &line.log, line.stop.is_some());
    let (verdict, is) = match line.stop {
        Some(Stop::Untold(why)) => return untold(&why),
        Some(Stop::At(at)) => (Verdict::AskedNew { stops_at: Some(at) }, is),
        Some(Stop::Rings(who)) => {
            let outcome = Some(format!("{who} is rung"));
            let is = End { outcome, ..is };
            let less = is.is_less_than(&was);
            (Verdict::Elsewhere { less }, is)
        }
        None if is != was => {
            let less = is.is_less_than(&was);
            (Verdict::Elsewhere { less }, is)
        }
        None if !line.new_questions.is_empty() => (Verdict::AskedNew { stops_at: None }, is),
        None => {
            let another_way = sections(&past.happened).ne(sections(&line.log));
            (Verdict::AsBefore { another_way }, is)
        }
    };
    let same = matches!(verdict, Verdict::AsBefore { another_way: false });
    Replayed {
        was,
        is,
        verdict,
        parting: parting.filter(|_| !same),
        new_questions: line.new_questions,
    }
}

/// The same call with every choice in it, found by walking the sections of its record through its own release; `None` when
/// they do not lead through it. Records of today tell their choices; older ones tell only where each led.
pub fn completed(own: &Arc<Practice>, past: &Past) -> Option<Past> {
    if past.happened.contains(&Happened::Net) {
        return None;
    }
    let flow = own.flow_for(&past.caller.line, past.began)?;
    let line = Line::start(own, flow, past, true).play();
    let leads = line.stop.is_none()
        && line.new_questions.is_empty()
        && End::of(&line.log, line.outcome.as_deref()) == past.end()
        && sections(&line.log).eq(sections(&past.happened));
    leads.then(|| Past {
        happened: line.log,
        ..past.clone()
    })
}

fn sections(happened: &[Happened]) -> impl Iterator<Item = &String> {
    happened.iter().filter_map(|happened| match happened {
        Happened::Section(name) => Some(name),
        _ => None,
    })
}

/// The first section only one of the two comes to.
fn parting(flow: &Flow, past: &Past, log: &[Happened], stopped: bool) -> Option<Parting> {
    let mut was = sections(&past.happened);
    let mut section = None;
    let mut after = None;
    for happened in log {
        match happened {
            Happened::Section(is) => {
                let was = was.next();
                if was != Some(is) {
                    return Some(Parting {
                        section,
                        after,
                        was: was.cloned(),
                        is: Some(is.clone()),
                    });
                }
                (section, after) = (Some(is.clone()), None);
            }
            Happened::Chose { question, choice } => after = Some((question.clone(), choice.to_string())),
            Happened::Answered { question, answer } => {
                let words = red_flag(flow, question).unwrap_or_else(|| question.clone());
                after = Some((words, answer.name().to_owned()));
            }
            _ => {}
        }
    }
    // A replay that stopped says where by itself.
    let was = was.next().filter(|_| !stopped).cloned();
    Some(Parting {
        section,
        after,
        is: None,
        was,
    })
}

/// The words of a red-flag question.
fn red_flag(flow: &Flow, id: &str) -> Option<String> {
    let steps = flow.sections.iter().flat_map(|section| &section.steps);
    steps
        .filter_map(|step| match &step.act {
            Act::Triage { protocol, .. } => Some(protocol),
            _ => None,
        })
        .flat_map(|protocol| &protocol.questions)
        .find(|question| question.id == id)
        .map(|question| question.words.text(Language::English).to_owned())
}
