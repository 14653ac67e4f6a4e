//! One call of the past on the line of another version: what it does next is looked up in its record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use phi::Phi;

use super::{Happened, Past, red_flag};
use crate::model::{Act, Choice, Field, Flow, Practice, SectionId, Wanted};
use crate::rehearse::solo::{later, speaking_time};
use crate::rehearse::squeezed;
use crate::run::{
    Answer, Asks, CONTROLLED, Chosen, ClipId, DIRECTION, Do, Escalated, Heard, LANGUAGE, MessageId, Note, Outcome,
    RECORDING, Run, SayId,
};
use crate::words::Language;

/// A replay of more events is no call.
const EVENTS_MAX: usize = 4_000;
/// Longer than the half second a red-flag question must have been heard.
const THINKS: Duration = Duration::from_secs(1);
const KEPT_AFTER: Duration = Duration::from_millis(5);
const SPOKE: Duration = Duration::from_secs(3);
/// Telephones take about so long.
const RINGS: Duration = Duration::from_secs(20);
/// Long enough to have been a conversation.
const TALKS: Duration = Duration::from_secs(30);
/// Short enough to have been none.
const LOST: Duration = Duration::from_secs(2);

/// Why a replay does not come to the end of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A question the caller was never asked.
    At(String),
    /// Telephones ring that never rang for this caller; who answers cannot be told.
    Rings(String),
    /// The record does not tell.
    Untold(String),
}

pub(super) struct Line<'a> {
    past: &'a Past,
    flow: Arc<Flow>,
    run: Run,
    now: Timestamp,
    /// Missing choices are found by the section they led to: the version is the call's own.
    own: bool,
    /// Which happenings were acted on.
    used: BTreeSet<usize>,
    saying: Option<(SayId, Timestamp, bool)>,
    clip: Option<(ClipId, Field)>,
    keeps: VecDeque<MessageId>,
    ladder: Option<String>,
    dialling: Option<String>,
    talks: bool,
    /// What is not done until the question is given up.
    giving_up: Option<Chosen>,
    here: Here,
    leaves: Option<(Here, String)>,
    gone: bool,
    /// What happened this time.
    pub(super) log: Vec<Happened>,
    pub(super) outcome: Option<String>,
    pub(super) new_questions: Vec<String>,
    pub(super) stop: Option<Stop>,
}

/// Where a call is, by what it has done.
#[derive(Clone, Debug, Default)]
struct Here {
    section: String,
    visits: BTreeMap<String, usize>,
    /// What was told or kept since the section began.
    done: usize,
    /// For whom something was kept since then; the same again is only fuller.
    kept: BTreeSet<String>,
    /// How many sections were entered.
    entered: usize,
}

impl Here {
    fn goes_on(&mut self, happened: &Happened) {
        match happened {
            Happened::Section(name) => {
                *self.visits.entry(name.clone()).or_default() += 1;
                self.section.clone_from(name);
                self.done = 0;
                self.kept.clear();
                self.entered += 1;
            }
            Happened::Kept(goes_to) => self.done += usize::from(self.kept.insert(goes_to.clone())),
            Happened::Chose { .. }
            | Happened::Answered { .. }
            | Happened::Language(_)
            | Happened::Recording(_)
            | Happened::Told911 => self.done += 1,
            _ => {}
        }
    }

    fn visit(&self) -> usize {
        self.visits.get(&self.section).copied().unwrap_or_default()
    }
}

impl<'a> Line<'a> {
    pub(super) fn start(practice: &Arc<Practice>, flow: &Arc<Flow>, past: &'a Past, own: bool) -> Self {
        let mut run = Run::start(practice.clone(), flow.clone(), past.caller.clone(), past.began);
        run.recalls(held(past));
        let mut here = Here::default();
        let mut leaves = None;
        for happened in past.happened() {
            if let Happened::Left(during) = happened {
                leaves = Some((here.clone(), during.clone()));
            }
            here.goes_on(happened);
        }
        Self {
            past,
            flow: flow.clone(),
            run,
            now: past.began,
            own,
            used: BTreeSet::new(),
            saying: None,
            clip: None,
            keeps: VecDeque::new(),
            ladder: None,
            dialling: None,
            talks: false,
            giving_up: None,
            here: Here::default(),
            leaves,
            gone: false,
            log: Vec::new(),
            outcome: None,
            new_questions: Vec::new(),
            stop: None,
        }
    }

    pub(super) fn play(mut self) -> Self {
        self.walk();
        self.settle_outcome();
        self
    }

    /// A run that came to nothing does not know what came of a ladder it had left alone; the desk does.
    fn settle_outcome(&mut self) {
        let nothing = [Outcome::Ended, Outcome::CallerHungUp].map(|outcome| Some(outcome.to_string()));
        if !nothing.contains(&self.outcome) {
            return;
        }
        let rang = |ladder: &String| self.log.contains(&Happened::Rang(ladder.clone()));
        let mut news = self.past.happened().iter().filter_map(|happened| match happened {
            Happened::Accepted { ladder, person } if rang(ladder) => {
                Some(Outcome::CallingBack { person: person.clone() })
            }
            Happened::Exhausted(ladder) if rang(ladder) => Some(Outcome::StillPaging { ladder: ladder.clone() }),
            _ => None,
        });
        let said = news
            .clone()
            .find(|outcome| matches!(outcome, Outcome::CallingBack { .. }));
        if let Some(outcome) = said.or_else(|| news.next()) {
            self.outcome = Some(outcome.to_string());
        }
    }

    fn walk(&mut self) {
        self.obey();
        for _ in 0..EVENTS_MAX {
            if self.stop.is_some() || self.run.over() {
                return;
            }
            self.go_on();
            self.obey();
            if let Some(condition) = self.run.untold() {
                let why = format!("the way goes by “{condition}”, and how old the patient was is not kept for replays");
                self.stop = Some(Stop::Untold(why));
            }
        }
        self.untold("it does not come to an end");
    }

    pub(super) fn language(&self) -> Language {
        self.run.language()
    }

    fn obey(&mut self) {
        while let Some(wanted) = self.run.poll() {
            match wanted {
                Do::Say {
                    id,
                    words,
                    stops_at_key,
                } => {
                    let ends = later(self.now, speaking_time(&words.text()));
                    self.saying = Some((id, ends, stops_at_key));
                }
                Do::Hush => self.saying = None,
                Do::RecordClip { id, field, .. } => self.clip = Some((id, field)),
                Do::Keep { id, message } => {
                    self.keeps.push_back(id);
                    self.note(Happened::Kept(message.goes_to.name().to_owned()));
                }
                Do::Escalate { ladder, .. } => {
                    self.note(Happened::Rang(ladder.clone()));
                    let rang = |happened: &Happened| *happened == Happened::Rang(ladder.clone());
                    if !self.past.happened().iter().any(rang) {
                        self.stop = Some(Stop::Rings(ladder.clone()));
                    }
                    self.ladder = Some(ladder);
                }
                Do::Bridge => self.talks = true,
                Do::Connect { to, .. } => {
                    self.note(Happened::Dialled(to.clone()));
                    if self
                        .find(|happened| *happened == Happened::Dialled(to.clone()))
                        .is_none()
                    {
                        self.stop = Some(Stop::Rings(to.clone()));
                    }
                    self.dialling = Some(to);
                }
                Do::Note(note) => self.noted(note),
                Do::AskRecords { .. } => self.untold("what the records said then is not kept"),
                Do::Answer
                | Do::StartRecording
                | Do::EndClip { .. }
                | Do::LeaveEscalation
                | Do::Notify { .. }
                | Do::HangUp => {}
            }
        }
    }

    fn noted(&mut self, note: Note) {
        let happened = match note {
            Note::Section(name) => Happened::Section(name),
            Note::Language(language) => Happened::Language(language),
            Note::Permission(given) => Happened::Recording(given),
            Note::Answered { question, answer } => Happened::Answered { question, answer },
            Note::Chose { question, choice } => Happened::Chose { question, choice },
            Note::Left { during } => Happened::Left(during),
            Note::Disposition { level, .. } => Happened::Graded(level),
            Note::Told911 => Happened::Told911,
            Note::SafetyNet(_) => Happened::Net,
            Note::Outcome(outcome) => {
                self.outcome = Some(outcome.to_string());
                return;
            }
        };
        if happened == Happened::Net {
            self.untold("it falls into the safety net");
        }
        self.note(happened);
    }

    fn note(&mut self, happened: Happened) {
        self.here.goes_on(&happened);
        if matches!(
            happened,
            Happened::Section(_)
                | Happened::Chose { .. }
                | Happened::Answered { .. }
                | Happened::Language(_)
                | Happened::Recording(_)
        ) {
            self.giving_up = None;
        }
        self.log.push(happened);
    }

    fn hear(&mut self, after: Duration, heard: Heard) {
        self.now = later(self.now, after);
        self.run.hear(self.now, heard);
    }

    fn press(&mut self, key: char) {
        self.saying = self.saying.take_if(|(_, _, stops)| !*stops);
        self.hear(THINKS, Heard::Key(Phi::new(key)));
    }

    fn untold(&mut self, why: &str) {
        self.stop.get_or_insert(Stop::Untold(why.to_owned()));
    }

    fn hang_up(&mut self) {
        self.gone = true;
        self.hear(THINKS, Heard::HungUp);
    }

    /// One thing that happens next.
    fn go_on(&mut self) {
        if let Some(id) = self.keeps.pop_front() {
            return self.hear(KEPT_AFTER, Heard::Kept(id));
        }
        if self.gone {
            return self.after_the_caller();
        }
        if self.hangs_up_here() {
            return self.hang_up();
        }
        if self.talks {
            return self.talk();
        }
        let during = self.run.during();
        if let Some((id, field)) = self.clip.take() {
            let silent = self.decision(field.name()).is_some();
            return self.hear(
                SPOKE,
                Heard::Clip {
                    id,
                    heard: (!silent).then_some(SPOKE),
                },
            );
        }
        if let Some(to) = self.dialling.clone() {
            return self.rings(to);
        }
        if let Some(ladder) = self.ladder.clone().filter(|ladder| *ladder == during) {
            return self.waits_for(&ladder);
        }
        if let Some(giving_up) = self.giving_up.clone() {
            return self.gives_up(&giving_up);
        }
        match self.run.asks() {
            Asks::Key { question: Some(_), .. } => self.red_flag(&during),
            Asks::Key { .. } => self.question(&during),
            Asks::Field { field, confirms } => self.detail(field, confirms),
            Asks::Person | Asks::Nothing => self.listens(&during),
        }
    }

    fn after_the_caller(&mut self) {
        if let Some((id, _)) = self.clip.take() {
            let left = self
                .past
                .happened()
                .iter()
                .position(|happened| matches!(happened, Happened::Left(_)));
            let mut later = self.past.happened().iter().skip(left.unwrap_or_default());
            let kept = later.any(|happened| matches!(happened, Happened::Kept(_)));
            let heard = kept.then_some(SPOKE);
            return self.hear(SPOKE, Heard::Clip { id, heard });
        }
        match self.ladder.clone() {
            Some(ladder) => self.news_of(&ladder),
            None => self.time(),
        }
    }

    fn time(&mut self) {
        match self.run.timeout() {
            Some(due) => {
                self.now = self.now.max(due);
                self.run.hear(self.now, Heard::Time);
            }
            None => self.untold("it waits for something its record does not tell"),
        }
    }

    fn hangs_up_here(&self) -> bool {
        self.leaves.as_ref().is_some_and(|(left, during)| {
            left.section == self.here.section
                && left.visit() == self.here.visit()
                // Answers given while telephones ring change no way, and are not asked for here.
                && (self.here.done >= left.done || self.ladder.as_ref() == Some(during))
                && *during == self.run.during()
        })
    }

    fn talk(&mut self) {
        self.talks = false;
        // A bridge that was lost before a word was said led on.
        let bridged = self.find(|happened| matches!(happened, Happened::Bridged(_)));
        let next = bridged.and_then(|at| {
            self.past
                .happened()
                .iter()
                .skip(at + 1)
                .find(|next| is_of_the_flow(next))
        });
        if let Some(at) = bridged {
            self.use_up(at);
        }
        match next {
            Some(Happened::Section(_) | Happened::Rang(_) | Happened::Chose { .. }) => {
                self.hear(LOST, Heard::NotConnected);
            }
            _ => {
                self.gone = true;
                self.hear(TALKS, Heard::HungUp);
            }
        }
    }

    /// A line outside rings.
    fn rings(&mut self, to: String) {
        self.dialling = None;
        if let Some(at) = self.find(|happened| *happened == Happened::Dialled(to.clone())) {
            self.used.insert(at);
        }
        if self
            .find(|happened| *happened == Happened::Bridged(to.clone()))
            .is_some()
        {
            self.note(Happened::Bridged(to));
            self.hear(RINGS, Heard::Connected);
            self.talks = true;
        } else {
            // The run knows how long a line may ring; the time it takes is no matter.
            self.hear(RINGS, Heard::NotConnected);
        }
    }

    /// The caller waits while a ladder is climbed.
    fn waits_for(&mut self, ladder: &str) {
        let left_by = self.find(|happened| matches!(happened, Happened::Chose { question, .. } if question == ladder));
        let news = self.find(|happened| is_news_of(happened, ladder));
        if let Some(at) = left_by
            && news.is_none_or(|news| at < news)
        {
            let (section, step) = self.run.place();
            let way_out = match (
                self.flow.step(section, step).map(|step| &step.act),
                self.past.happened().get(at),
            ) {
                (
                    Some(Act::Escalate {
                        or_press: Some(choice), ..
                    }),
                    Some(Happened::Chose {
                        choice: Chosen::Option(label),
                        ..
                    }),
                ) if is_called(choice, label) => Some(choice.key),
                _ => None,
            };
            self.used.insert(at);
            return match way_out {
                Some(key) if matches!(self.run.asks(), Asks::Key { .. }) => self.press(key),
                _ => self.untold("the caller left the waiting by a key that is no longer offered"),
            };
        }
        self.news_of(ladder);
    }

    /// What the ladder came to, as it did then.
    fn news_of(&mut self, ladder: &str) {
        let Some(at) = self.find(|happened| is_news_of(happened, ladder)) else {
            return self.untold("its record does not tell what came of the telephones that rang");
        };
        self.used.insert(at);
        let Some(happened) = self.past.happened().get(at).cloned() else {
            return;
        };
        let escalated = match &happened {
            Happened::Accepted { person, .. } => Escalated::Accepted { person: person.clone() },
            _ => Escalated::Exhausted,
        };
        self.note(happened);
        self.hear(RINGS, Heard::Escalation(escalated));
    }

    /// Somebody accepted after the caller was told that nobody had, and while they were still there.
    fn accepts_late(&self, ladder: &str) -> bool {
        let past = self.past.happened();
        let Some(at) = self.find(|happened| matches!(happened, Happened::Accepted { ladder: of, .. } if of == ladder))
        else {
            return false;
        };
        let (before, after) = past.split_at(at);
        let rang = |happened: &&Happened| **happened == Happened::Rang(ladder.to_owned());
        before.iter().filter(rang).count() == self.log.iter().filter(rang).count()
            && before.contains(&Happened::Exhausted(ladder.to_owned()))
            && after.iter().any(|next| matches!(next, Happened::Bridged(_)))
    }

    fn listens(&mut self, during: &str) {
        if let Some(ladder) = self.ladder.clone()
            && self.accepts_late(&ladder)
        {
            return self.news_of(&ladder);
        }
        let zero = |happened: &Happened| matches!(happened, Happened::Chose { question, choice: Chosen::Zero } if question == during);
        if (during != DIRECTION || self.saying.is_none())
            && let Some(at) = self.find(zero)
        {
            self.used.insert(at);
            return self.press('0');
        }
        match self.saying.take() {
            Some((id, ends, _)) => {
                self.now = self.now.max(ends);
                self.run.hear(self.now, Heard::Said(id));
            }
            None => self.time(),
        }
    }

    fn gives_up(&mut self, how: &Chosen) {
        let wrong = match self.run.asks() {
            Asks::Key { keys, .. } if *how == Chosen::OtherKeys => {
                ['#', '9', '8', '7'].into_iter().find(|key| !keys.contains(key))
            }
            _ => None,
        };
        match wrong {
            Some(key) => self.press(key),
            None => match self.saying.take() {
                Some((id, ends, _)) => {
                    self.now = self.now.max(ends);
                    self.run.hear(self.now, Heard::Said(id));
                }
                None => self.time(),
            },
        }
    }

    fn red_flag(&mut self, id: &str) {
        match self.decision(id) {
            Some(Chosen::Yes) => self.press('1'),
            Some(Chosen::No) => self.press('2'),
            Some(Chosen::Zero) => self.press('0'),
            Some(how) => self.give_up(how),
            None => {
                let words = red_flag(&self.flow, id).unwrap_or_else(|| id.to_owned());
                self.meets(words);
                self.press('2');
            }
        }
    }

    fn meets(&mut self, question: String) {
        if !self.new_questions.contains(&question) {
            self.new_questions.push(question);
        }
    }

    fn give_up(&mut self, how: Chosen) {
        self.giving_up = Some(how);
    }

    fn detail(&mut self, field: Field, confirms: bool) {
        if confirms {
            return self.press('1');
        }
        match self.decision(field.name()) {
            Some(Chosen::Zero) => return self.press('0'),
            Some(how) => return self.give_up(how),
            None => {}
        }
        // Nobody's number, nobody's birthday.
        let digits = match field.wanted() {
            Wanted::Number if self.run.knows_the_number() => "1",
            Wanted::Number => "2025550123",
            Wanted::Date => "01011980",
            Wanted::Digits => "40",
            Wanted::Code => "000",
            Wanted::YesOrNo | Wanted::Clip { .. } => "1",
        };
        digits.chars().for_each(|digit| self.press(digit));
    }

    fn question(&mut self, during: &str) {
        let (section, step) = self.run.place();
        let flow = self.flow.clone();
        match flow.step(section, step).map(|step| &step.act) {
            Some(Act::ChooseLanguage) => self.chooses_language(),
            Some(Act::AskPermissionToRecord) => self.permission(),
            Some(Act::Menu(menu)) => {
                let roads: Vec<(char, Chosen, Option<SectionId>)> = menu
                    .choices
                    .iter()
                    .map(|choice| (choice.key, Chosen::Option(label(choice).to_owned()), choice.go_to))
                    .collect();
                self.chooses(during, &roads, menu.if_no_answer);
            }
            Some(Act::AskYesOrNo {
                if_yes,
                if_no,
                if_no_answer,
                ..
            }) => {
                let roads = [('1', Chosen::Yes, Some(*if_yes)), ('2', Chosen::No, Some(*if_no))];
                self.chooses(during, &roads, *if_no_answer);
            }
            _ if self.decision(CONTROLLED) == Some(Chosen::Zero) => self.press('0'),
            // Within a refill: the mark it may leave changes no way.
            _ => self.press('1'),
        }
    }

    fn chooses_language(&mut self) {
        if self.decision(LANGUAGE) == Some(Chosen::Zero) {
            return self.press('0');
        }
        let chosen = self.find(|happened| matches!(happened, Happened::Language(_)));
        let language = match chosen.and_then(|at| self.past.happened().get(at)) {
            Some(Happened::Language(language)) => Some(*language),
            _ => None,
        };
        if let Some(at) = chosen {
            self.used.insert(at);
        } else if self
            .past
            .happened()
            .iter()
            .all(|happened| !matches!(happened, Happened::Language(_)))
        {
            self.meets("which language".to_owned());
        }
        let known = language.unwrap_or(self.run.language());
        let key = self
            .flow
            .languages
            .iter()
            .zip('1'..='9')
            .find(|(spoken, _)| **spoken == known);
        self.press(key.map_or('1', |(_, key)| key));
    }

    fn permission(&mut self) {
        if self.decision(RECORDING) == Some(Chosen::Zero) {
            return self.press('0');
        }
        let given = self.find(|happened| matches!(happened, Happened::Recording(_)));
        if let Some(at) = given {
            self.used.insert(at);
        } else {
            self.meets("whether the call may be recorded".to_owned());
        }
        let yes = given.and_then(|at| self.past.happened().get(at)) == Some(&Happened::Recording(true));
        self.press(if yes { '1' } else { '2' });
    }

    /// A question with a few ways: what the caller chose then, by its words, else by where it led.
    fn chooses(
        &mut self,
        question: &str,
        roads: &[(char, Chosen, Option<SectionId>)],
        if_no_answer: Option<SectionId>,
    ) {
        let Some(at) = self.chosen_at(question).or_else(|| self.reworded()) else {
            if self.own {
                return self.by_section(roads, if_no_answer);
            }
            self.stop = Some(Stop::At(format!("“{question}”")));
            return;
        };
        let same_words = self.chosen_at(question) == Some(at);
        self.used.insert(at);
        let Some(Happened::Chose { choice, .. }) = self.past.happened().get(at).cloned() else {
            return;
        };
        match &choice {
            Chosen::Zero => return self.press('0'),
            Chosen::Silence | Chosen::OtherKeys => return self.give_up(choice),
            Chosen::Option(_) | Chosen::Yes | Chosen::No => {}
        }
        // A yes to other words may be a no to these.
        let by_words = same_words || matches!(choice, Chosen::Option(_));
        let named = roads.iter().find(|(_, road, _)| by_words && means(road, &choice));
        let led_to = match self.past.happened().get(at + 1) {
            Some(Happened::Section(name)) => self.flow.section_named(name),
            _ => None,
        };
        let mut leading = roads.iter().filter(|(_, _, to)| to.is_some() && *to == led_to);
        let by_place = leading.next().filter(|_| leading.next().is_none());
        match (named.or(by_place), &choice) {
            (Some((key, ..)), _) => self.press(*key),
            (None, Chosen::Option(label)) => {
                self.stop = Some(Stop::At(format!("“{question}”, where “{label}” is no longer offered")));
            }
            (None, _) => self.stop = Some(Stop::At(format!("“{question}”"))),
        }
    }

    /// In the call's own release a choice that its record does not tell is known by the section it led to.
    fn by_section(&mut self, roads: &[(char, Chosen, Option<SectionId>)], if_no_answer: Option<SectionId>) {
        let next = self
            .past
            .happened()
            .iter()
            .filter_map(|happened| match happened {
                Happened::Section(name) => Some(name),
                _ => None,
            })
            .nth(self.here.entered);
        let Some(next) = next else {
            // It came no further than this question.
            return if self.leaves.is_none() {
                self.hang_up();
            } else {
                self.untold("its record does not lead through its own release");
            };
        };
        let next = self.flow.section_named(next);
        let every = &self.flow.every_question;
        let mut ways: Vec<Option<char>> = roads
            .iter()
            .filter(|(_, _, to)| to.is_some() && *to == next)
            .map(|(key, ..)| Some(*key))
            .collect();
        if every.press_zero.is_some() && every.press_zero == next {
            ways.push(Some('0'));
        }
        if Some(if_no_answer.unwrap_or(every.then)) == next {
            ways.push(None);
        }
        match ways.as_slice() {
            [Some(key)] => self.press(*key),
            [None] => self.give_up(Chosen::Silence),
            _ => self.untold("its record does not tell which choice led on"),
        }
    }

    /// The first of its kind that was not acted on yet.
    fn find(&self, wanted: impl Fn(&Happened) -> bool) -> Option<usize> {
        let mut all = self.past.happened().iter().enumerate();
        all.find(|(at, happened)| !self.used.contains(at) && wanted(happened))
            .map(|(at, _)| at)
    }

    fn use_up(&mut self, at: usize) {
        self.used.insert(at);
    }

    fn chosen_at(&self, question: &str) -> Option<usize> {
        self.find(|happened| matches!(happened, Happened::Chose { question: of, .. } if of == question))
    }

    /// What the caller did at this question, or at this detail, when they did not simply answer it.
    fn decision(&mut self, question: &str) -> Option<Chosen> {
        let at = self.find(|happened| match happened {
            Happened::Chose { question: of, .. } | Happened::Answered { question: of, .. } => of == question,
            _ => false,
        })?;
        self.used.insert(at);
        match self.past.happened().get(at)? {
            Happened::Chose { choice, .. } => {
                // Keys that mean nothing come before the answer they led to.
                let unclear = |happened: &Happened| matches!(happened, Happened::Answered { question: of, answer: Answer::Unclear } if of == question);
                if *choice == Chosen::OtherKeys
                    && let Some(answered) = self.find(unclear)
                {
                    self.used.insert(answered);
                }
                Some(choice.clone())
            }
            Happened::Answered { answer, .. } => Some(match answer {
                Answer::Yes => Chosen::Yes,
                Answer::No => Chosen::No,
                Answer::Unclear => Chosen::Silence,
            }),
            _ => None,
        }
    }

    /// A choice made in a section of this name, at a question that this version no longer asks: the same in other words.
    fn reworded(&self) -> Option<usize> {
        let mut section = "";
        for (at, happened) in self.past.happened().iter().enumerate() {
            match happened {
                Happened::Section(name) => section = name,
                Happened::Chose { question, .. }
                    if section == self.here.section && !self.used.contains(&at) && !self.is_asked(question) =>
                {
                    return Some(at);
                }
                _ => {}
            }
        }
        None
    }

    /// Whether this version asks it, under these words.
    fn is_asked(&self, question: &str) -> bool {
        let known = [LANGUAGE, RECORDING, CONTROLLED, DIRECTION];
        if known.contains(&question)
            || question.starts_with("if ")
            || Field::ALL.iter().any(|field| field.name() == question)
            || red_flag(&self.flow, question).is_some()
        {
            return true;
        }
        let steps = self.flow.sections.iter().flat_map(|section| &section.steps);
        steps.into_iter().any(|step| match &step.act {
            Act::Menu(menu) => menu.question.text(Language::English) == question,
            Act::AskYesOrNo { question: words, .. } => words.text(Language::English) == question,
            Act::Escalate { ladder, .. } => ladder == question,
            _ => false,
        })
    }
}

fn held(past: &Past) -> BTreeMap<String, bool> {
    let conditions = past.happened().iter().filter_map(|happened| match happened {
        Happened::Chose { question, choice } if question.starts_with("if ") => {
            Some((question.clone(), *choice == Chosen::Yes))
        }
        _ => None,
    });
    conditions.collect()
}

fn is_news_of(happened: &Happened, ladder: &str) -> bool {
    match happened {
        Happened::Accepted { ladder: of, .. } | Happened::Exhausted(of) => of == ladder,
        _ => false,
    }
}

fn is_of_the_flow(happened: &Happened) -> bool {
    matches!(
        happened,
        Happened::Section(_) | Happened::Rang(_) | Happened::Chose { .. } | Happened::Left(_)
    )
}

fn label(choice: &Choice) -> &str {
    choice.label.text(Language::English)
}

fn is_called(choice: &Choice, words: &str) -> bool {
    squeezed(label(choice)) == squeezed(words)
}

fn means(road: &Chosen, chosen: &Chosen) -> bool {
    match (road, chosen) {
        (Chosen::Option(road), Chosen::Option(chosen)) => squeezed(road) == squeezed(chosen),
        (road, chosen) => road == chosen,
    }
}
