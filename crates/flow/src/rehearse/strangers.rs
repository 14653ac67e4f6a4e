//! A thousand strangers: random callers walked through the engine, and the longest any of them waited (P3).
//!
//! What they do is drawn from a seed, so the same thousand call again tomorrow. Some wander; some are contrary, and take
//! whichever way keeps them longest from what they wait for. The slow ones answer when it is almost too late, type a
//! digit just before it would not count, deny what is read back, and are rung for by telephones that ring to the end and
//! are answered by nobody who presses a key. What no caller of [`bounds`](crate::proof::bounds) does, they do not do.
//!
//! One thing to know: the engine is the true one; words take what [`Length`] says of them, in the proof and here alike, and
//! the ladder is on paper, as in [`solo`](super::solo).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use phi::Phi;

use crate::model::{Act, Appointment, Field, Flow, Practice, SectionId, Wanted};
use crate::proof::{
    ACCEPTS_AFTER, Assumed, At, Awaits, Bounds, DIGIT_EVERY, Does, Length, PICKED_UP, REACTION, RECORDS, Reach, Road,
    Roads, SPEAKS, TONE, WAITED_FOR_THE_KEY, to_go,
};
use crate::run::{
    AskId, Asks, Beforehand, Caller, ClipId, Do, Escalated, Heard, Note, OFFERED_MAX, RecordsAnswer, RecordsAsk, Run,
    SayId, Visit,
};
use crate::words::{Language, Words};

/// Events of one call.
const EVENTS_MAX: usize = 4_000;
/// So little before it is too late.
const EPSILON: f64 = 0.02;
/// A caller who says nothing after the tone.
const NOTHING_SAID: f64 = 5.0;
/// Whoever rings a line has this long after its ringing to say how it ended, as in `run`.
const ANSWER_GRACE: f64 = 10.0;
const KEPT_AFTER: f64 = 0.005;
/// Calls come in at any minute of so many, counted from a Monday.
const MINUTES: u64 = 28 * 24 * 60;

/// The longest that so many strangers waited.
pub fn measured(
    practice: &Arc<Practice>,
    flow: &Arc<Flow>,
    length: &dyn Length,
    reach: Reach,
    calls: u32,
    seed: u64,
) -> Bounds {
    let roads = Roads::of(practice, flow, Language::English, length);
    let mut ahead: BTreeMap<(Awaits, usize), BTreeMap<At, Option<f64>>> = BTreeMap::new();
    let assumptions = Assumed::all(&roads);
    for awaits in Awaits::ALL {
        for (nth, assumed) in assumptions.iter().enumerate() {
            ahead.insert((awaits, nth), to_go(&roads, reach, awaits, assumed));
        }
    }
    let mut dice = Dice(seed);
    let mut longest = Bounds::default();
    let calls = usize::try_from(calls).unwrap_or(usize::MAX);
    for awaits in Awaits::ALL.into_iter().cycle().take(calls) {
        let nth = dice.below(assumptions.len());
        let (Some(ahead), Some(assumed)) = (ahead.get(&(awaits, nth)), assumptions.get(nth)) else {
            continue;
        };
        let contrary = if dice.chance(0.5) { 1.0 } else { dice.part() };
        let call = Call {
            practice,
            flow,
            length,
            roads: &roads,
            reach,
            assumed,
            ahead,
            contrary,
            dice: &mut dice,
        };
        longest = longest.max(call.play());
    }
    longest
}

/// A row of numbers that look drawn, and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n.max(1)).unwrap_or(1);
        usize::try_from(self.next() % n).unwrap_or(0)
    }

    /// From nought to one.
    fn part(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
    }

    fn chance(&mut self, of_one: f64) -> bool {
        self.part() < of_one
    }
}

/// One stranger before they call.
struct Call<'a> {
    practice: &'a Arc<Practice>,
    flow: &'a Arc<Flow>,
    length: &'a dyn Length,
    roads: &'a Roads<'a>,
    reach: Reach,
    /// What they answer where the flow remembers it.
    assumed: &'a Assumed,
    /// From every point, how long it can still take whoever answers so.
    ahead: &'a BTreeMap<At, Option<f64>>,
    /// How often they take the longest way.
    contrary: f64,
    dice: &'a mut Dice,
}

enum Event {
    Hear(Heard),
    /// A key for the words numbered so; for any, when there is no number.
    Key(char, Option<u64>),
}

/// One stranger on the line.
struct Line<'a> {
    call: Call<'a>,
    run: Run,
    start: Timestamp,
    now: Timestamp,
    events: BTreeMap<(Timestamp, u64), Event>,
    order: u64,
    saying: Option<(SayId, Timestamp)>,
    /// How many words were begun.
    spoken: u64,
    been: BTreeSet<SectionId>,
    /// The question being answered: where, what is pressed (`None`: nothing), at which time of asking, and how often it
    /// was asked.
    question: Option<Question>,
    /// The detail being asked for, and how often it met with silence.
    detail: Option<(At, Field, u8)>,
    /// Read-backs of this detail so far.
    denials: u8,
    /// What is wanted of the records, and how far it has come.
    arranging: Option<Arranging>,
    waited: Bounds,
    over: bool,
}

/// One way through `find patient by` or `offer appointments`.
struct Arranging {
    at: At,
    /// How it shall come out.
    does: Option<Does>,
    /// The key that asks for it.
    key: char,
    what: Appointment,
    /// What was wanted has been said.
    said: bool,
    /// What was asked of the records last.
    asked: Option<&'static str>,
    /// Somebody took the first time meanwhile.
    refused: bool,
}

struct Question {
    at: At,
    key: Option<char>,
    answered_at: u8,
    asked: u8,
}

impl Call<'_> {
    fn play(self) -> Bounds {
        let minute = i64::try_from(self.dice.next() % MINUTES).unwrap_or(0);
        let start = Timestamp::from_second(1_793_577_600 + minute * 60).unwrap_or(Timestamp::UNIX_EPOCH);
        let withheld = self.dice.chance(0.5);
        let caller = Caller {
            number: (!withheld).then(|| Phi::new("+12025550199".to_owned())),
            line: self.flow.line.clone(),
            beforehand: Beforehand {
                nobody_on_call: Some(self.dice.chance(0.5)),
                called_lately: Some(self.dice.chance(0.5)),
                records_answer: !self.dice.chance(0.1),
                number_is_doubted: self.dice.chance(0.1),
            },
        };
        let run = Run::start(self.practice.clone(), self.flow.clone(), caller, start);
        let mut line = Line {
            call: self,
            run,
            start,
            now: start,
            events: BTreeMap::new(),
            order: 0,
            saying: None,
            spoken: 0,
            been: BTreeSet::new(),
            question: None,
            detail: None,
            denials: 0,
            arranging: None,
            waited: Bounds::default(),
            over: false,
        };
        line.play();
        line.waited
    }
}

impl Line<'_> {
    fn play(&mut self) {
        self.obey();
        for _ in 0..EVENTS_MAX {
            if self.over || self.run.over() {
                return;
            }
            let said = self.saying.map(|(_, ends)| ends);
            let event = self.events.keys().next().map(|(at, _)| *at);
            let Some(next) = [said, event, self.run.timeout()].into_iter().flatten().min() else {
                return;
            };
            self.now = next.max(self.now);
            if let Some((id, _)) = self.saying.take_if(|(_, ends)| *ends <= self.now) {
                self.hear(Heard::Said(id));
            } else if let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= self.now) {
                match entry.remove() {
                    Event::Key(_, Some(spoken)) if spoken != self.spoken => {}
                    Event::Key(key, _) => {
                        // Several questions in a row are asked at one place: the answered one is over.
                        if let Asks::Key { keys, .. } = self.run.asks()
                            && self.arranging.is_some()
                            && keys.contains(&key)
                        {
                            self.question = None;
                        }
                        self.hear(Heard::Key(Phi::new(key)));
                    }
                    Event::Hear(heard) => self.hear(heard),
                }
            } else {
                self.hear(Heard::Time);
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        let reached = heard == Heard::Connected;
        self.run.hear(self.now, heard);
        if reached {
            self.person();
        }
        self.obey();
    }

    fn obey(&mut self) {
        let mut begun = None;
        while let Some(wanted) = self.run.poll() {
            match wanted {
                Do::Say { id, words, .. } => begun = Some((id, words)),
                Do::Hush => {
                    self.saying = None;
                    begun = None;
                }
                Do::RecordClip {
                    id,
                    field,
                    longest,
                    ends_after_silence,
                    ..
                } => self.speak(id, field, longest, ends_after_silence),
                Do::Keep { id, .. } => self.after(KEPT_AFTER, Event::Hear(Heard::Kept(id))),
                Do::Escalate { ladder, .. } => {
                    self.rings();
                    self.climb(&ladder);
                }
                Do::Connect { ring_for, .. } => {
                    self.rings();
                    self.connect(ring_for.as_secs_f64());
                }
                Do::AskRecords { id, ask } => self.ask_records(id, &ask),
                Do::Bridge => self.person(),
                Do::Note(Note::Told911) => {
                    let waited = self.waited_so_far();
                    self.waited.to_911.get_or_insert(waited);
                }
                Do::Note(Note::SafetyNet(_)) => self.over = true,
                Do::Note(Note::Section(name)) => {
                    // Whoever comes to a section again goes round by their own choice, and is timed no longer.
                    let section = self.call.flow.section_named(&name);
                    self.over |= section.is_some_and(|section| !self.been.insert(section));
                }
                Do::Answer
                | Do::StartRecording
                | Do::EndClip { .. }
                | Do::LeaveEscalation
                | Do::Notify { .. }
                | Do::Note(_)
                | Do::HangUp => {}
            }
        }
        if let Some((id, words)) = begun {
            let seconds = self.seconds(&words);
            self.spoken += 1;
            self.saying = Some((id, later(self.now, seconds)));
            self.plan(seconds);
        }
    }

    fn seconds(&self, words: &Words) -> f64 {
        words.parts.iter().map(|part| self.call.length.seconds(part)).sum()
    }

    fn rings(&mut self) {
        let waited = self.waited_so_far();
        self.waited.to_first_ring.get_or_insert(waited);
    }

    fn person(&mut self) {
        let waited = self.waited_so_far();
        self.waited.to_a_person.get_or_insert(waited);
        self.over = true;
    }

    fn waited_so_far(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }

    fn slow(&self) -> bool {
        self.call.reach == Reach::Slowest
    }

    /// A part of this time: the more contrary, the more often almost all of it.
    fn drawn(&mut self, most: f64) -> f64 {
        let most = (most - EPSILON).max(0.0);
        if self.call.dice.chance(self.call.contrary) {
            most
        } else {
            most * self.call.dice.part()
        }
    }

    fn wait(&self) -> f64 {
        self.call.flow.every_question.wait.as_secs_f64()
    }

    fn again(&self) -> u8 {
        self.call.flow.every_question.ask_again
    }

    /// What the caller will do about the words that begin now and take so many seconds.
    fn plan(&mut self, words: f64) {
        let (section, step) = self.run.place();
        match self.run.asks() {
            Asks::Key { question, .. } => {
                let at = match question {
                    Some(nth) => At::Question(section, step, nth),
                    None => At::Step(section, step),
                };
                let rings = |step: &crate::model::Step| matches!(step.act, Act::Escalate { .. });
                // While telephones ring the way out was decided when they began to.
                if !self.call.roads.step(at).is_some_and(rings) {
                    self.answer(at, words);
                }
            }
            Asks::Field { field, confirms } => self.tell(At::Step(section, step), field, confirms, words),
            Asks::Nothing => {
                let at = At::Step(section, step);
                let directs = |step: &crate::model::Step| step.act == Act::TellToCall911;
                if self.call.roads.step(at).is_some_and(directs)
                    && self.choose(at).is_some_and(|road| road.does == Does::PressesZero)
                {
                    let pressed = words + self.drawn(20.0);
                    self.after(pressed, Event::Key('0', None));
                }
            }
            Asks::Person => {}
        }
    }

    /// One of the roads from here, the longest or any.
    fn choose(&mut self, at: At) -> Option<Road> {
        let call = &mut self.call;
        let known = |to: At| matches!(to, At::Step(section, 0) if self.been.contains(&section));
        let roads: Vec<&Road> = call
            .roads
            .from(at)
            .iter()
            .filter(|road| call.reach.takes(call.roads, at, road) && road.does != Does::PassesBy && !known(road.to))
            .collect();
        let longest = roads
            .iter()
            .filter(|road| call.assumed.lets(call.roads, at, road))
            .filter_map(|road| {
                let ahead = call.ahead.get(&road.to).copied().flatten()?;
                Some((ahead + call.reach.seconds(road), *road))
            })
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        match longest {
            Some((_, road)) if call.dice.chance(call.contrary) => Some(road.clone()),
            _ => roads.get(call.dice.below(roads.len())).map(|road| (*road).clone()),
        }
    }

    /// How this caller fares with the records at this step; decided when it begins.
    fn arranging(&mut self, at: At) -> &mut Arranging {
        let fresh = match self.arranging.take() {
            Some(known) if known.at == at => known,
            _ => {
                let does = self.choose(at).map(|road| road.does);
                let wanted = match self.call.roads.step(at).map(|step| &step.act) {
                    Some(Act::OfferAppointments { wanted, .. }) => wanted.as_slice(),
                    _ => &[],
                };
                let place = match &does {
                    Some(Does::Arranges(what)) => wanted.iter().position(|one| one == what),
                    Some(Does::Keeps) => wanted.iter().position(|one| *one == Appointment::Cancel),
                    _ => None,
                };
                let place = place.unwrap_or_else(|| self.call.dice.below(wanted.len()));
                Arranging {
                    at,
                    does,
                    key: ('1'..='9').nth(place).unwrap_or('1'),
                    what: wanted.get(place).copied().unwrap_or(Appointment::Book),
                    // With one thing to be had, nobody is asked which.
                    said: wanted.len() < 2,
                    asked: None,
                    refused: false,
                }
            }
        };
        self.arranging.insert(fresh)
    }

    /// The key this caller presses at a question of `offer appointments`; `None`: none.
    fn arranges(&mut self, at: At, keys: &[char]) -> Option<char> {
        let any = keys.get(self.call.dice.below(keys.len())).copied();
        let way = self.arranging(at);
        if !std::mem::replace(&mut way.said, true) {
            return Some(way.key);
        }
        let certain = keys.len() == 2 && way.what == Appointment::Cancel;
        let last = certain || (way.refused && way.asked == Some("open times"));
        match (&way.does, way.asked) {
            // Which kind of visit.
            (_, None) => any,
            _ if !last => Some('1'),
            (Some(Does::StaysSilent), _) => None,
            (Some(Does::PressesZero), _) => Some('0'),
            (Some(Does::Keeps), _) => Some('2'),
            (Some(Does::NothingFits), _) => keys.last().copied(),
            _ => Some('1'),
        }
    }

    /// The records answer almost too late.
    fn ask_records(&mut self, id: AskId, ask: &RecordsAsk) {
        let (section, step) = self.run.place();
        let at = At::Step(section, step);
        let visits = |kind: &str| vec![self.longest_visit(kind); OFFERED_MAX];
        let offered = match (ask, self.call.roads.step(at).map(|step| &step.act)) {
            (RecordsAsk::Open { visit_type, .. }, _) => visits(visit_type),
            (RecordsAsk::Theirs { .. }, Some(Act::OfferAppointments { visit_types, .. })) => {
                visits(visit_types.first().map_or("", |kind| kind.name.as_str()))
            }
            _ => visits(""),
        };
        let way = self.arranging(at);
        way.asked = Some(ask.name());
        let down = way.does == Some(Does::RecordsAreDown);
        let answer = match ask {
            RecordsAsk::Find(_) if down => RecordsAnswer::Down,
            RecordsAsk::Find(_) if way.does == Some(Does::RecordsHelp) => RecordsAnswer::Match(Phi::default()),
            RecordsAsk::Find(_) => RecordsAnswer::NoMatch,
            RecordsAsk::Theirs { .. } | RecordsAsk::Open { .. } => RecordsAnswer::Visits(offered),
            RecordsAsk::Book { .. } if !std::mem::replace(&mut way.refused, true) => RecordsAnswer::Refused,
            RecordsAsk::Book { .. } | RecordsAsk::Cancel { .. } if down => RecordsAnswer::Down,
            RecordsAsk::Book { visit, .. } => RecordsAnswer::Booked(visit.clone()),
            RecordsAsk::Cancel { .. } => RecordsAnswer::Cancelled,
        };
        let after = self.drawn(RECORDS);
        self.after(after, Event::Hear(Heard::Records { id, answer }));
    }

    /// As long to say as one can be.
    fn longest_visit(&self, kind: &str) -> Visit {
        let practice = self.call.practice;
        let at = jiff::civil::date(2037, 9, 30)
            .at(22, 55, 0, 0)
            .to_zoned(practice.time_zone.clone())
            .map_or(self.now, |at| at.timestamp());
        let with = practice.people.keys().max_by_key(|name| name.len()).cloned();
        let place = practice.places().max_by_key(|name| name.len()).map(str::to_owned);
        Visit {
            id: Phi::new(self.order.to_string()),
            visit_type: Phi::new(kind.to_owned()),
            at: Phi::new(at),
            with: with.map(Phi::new),
            place: place.map(Phi::new),
        }
    }

    /// A question with a few keys.
    fn answer(&mut self, at: At, words: f64) {
        let again = self.again();
        let offers = |step: &crate::model::Step| matches!(step.act, Act::OfferAppointments { .. });
        let arranged = match self.run.asks() {
            Asks::Key { keys, .. } if self.call.roads.step(at).is_some_and(offers) => Some(keys),
            _ => None,
        };
        match &mut self.question {
            Some(question) if question.at == at => question.asked = question.asked.saturating_add(1),
            _ => {
                let does = match &arranged {
                    Some(_) => None,
                    None => self.choose(at).map(|road| road.does),
                };
                let key = match does {
                    None if arranged.is_some() => self.arranges(at, &arranged.unwrap_or_default()),
                    Some(Does::Presses(key, _)) => Some(key),
                    Some(Does::Answers(answer, _)) => Some(if answer == "yes" { '1' } else { '2' }),
                    Some(Does::PressesZero) => Some('0'),
                    // Within a refill: whether the medicine is a controlled one.
                    Some(Does::Tells) => Some(if self.call.dice.chance(0.5) { '1' } else { '2' }),
                    _ => None,
                };
                let answered_at = self.patience(again);
                self.question = Some(Question {
                    at,
                    key,
                    answered_at,
                    asked: 0,
                });
            }
        }
        let Some(Question {
            key,
            answered_at,
            asked,
            ..
        }) = &self.question
        else {
            return;
        };
        let (key, last) = (*key, asked >= answered_at);
        self.press(key, last, words);
    }

    /// How often a question is let pass before it is answered.
    fn patience(&mut self, again: u8) -> u8 {
        if !self.slow() {
            0
        } else if self.call.dice.chance(self.call.contrary) {
            again
        } else {
            u8::try_from(self.call.dice.below(usize::from(again) + 1)).unwrap_or(0)
        }
    }

    /// Answers, or lets the time run out, or presses what means nothing when it is almost over.
    fn press(&mut self, key: Option<char>, answers: bool, words: f64) {
        let reaction = if self.slow() { self.wait() } else { REACTION };
        let pressed = words + self.drawn(reaction);
        match key {
            Some(key) if answers => self.after(pressed, Event::Key(key, Some(self.spoken))),
            _ if self.slow() && self.call.dice.chance(0.7) => self.after(pressed, Event::Key('#', Some(self.spoken))),
            _ => {}
        }
    }

    /// A detail, or whether it was understood.
    fn tell(&mut self, at: At, field: Field, confirms: bool, words: f64) {
        if !matches!(self.detail, Some((known, of, _)) if known == at && of == field) {
            self.detail = Some((at, field, 0));
            self.question = None;
            self.denials = 0;
        }
        if confirms || field.wanted() == Wanted::YesOrNo {
            let asked = match &mut self.question {
                Some(question) if confirms == question.key.is_some() => {
                    question.asked = question.asked.saturating_add(1);
                    question.asked
                }
                _ => {
                    self.denials = self.denials.saturating_add(1);
                    self.question = Some(Question {
                        at,
                        key: confirms.then_some('2'),
                        answered_at: 1,
                        asked: 0,
                    });
                    0
                }
            };
            // Whoever wants to be found says at last that it is right.
            let finds = |step: &crate::model::Step| matches!(step.act, Act::FindPatient { .. });
            let at_last = self.denials > self.again() && self.call.roads.step(at).is_some_and(finds);
            let key = if self.slow() && !at_last { '2' } else { '1' };
            return self.press(Some(key), !self.slow() || asked >= 1, words);
        }
        // The next read-back is a new question.
        self.question = None;
        let silences = self.detail.map_or(0, |(_, _, silences)| silences);
        if self.slow() && silences == 0 && self.call.dice.chance(0.8) {
            self.detail = Some((at, field, 1));
            return;
        }
        let digits = match field.wanted() {
            Wanted::Number if !self.run.knows_the_number() => "12025550123",
            // The number they call from.
            Wanted::Number if !self.slow() && !self.call.dice.chance(self.call.contrary) => "1",
            Wanted::Number => "2025550123",
            Wanted::Date => match self.call.dice.below(3) {
                0 => "09271977",
                1 => "11301988",
                _ => "12232012",
            },
            Wanted::Code => "2025550123",
            // Nobody's age: it is asked for again.
            _ if self.slow() => "999",
            _ => "042",
        };
        let (first, every) = if self.slow() {
            (self.wait(), self.wait())
        } else {
            (REACTION, DIGIT_EVERY)
        };
        let mut at = words + self.drawn(first);
        for digit in digits.chars() {
            self.after(at, Event::Key(digit, Some(self.spoken)));
            at += self.drawn(every);
        }
    }

    /// After the tone.
    fn speak(&mut self, id: ClipId, field: Field, longest: Duration, pause: Duration) {
        let (section, step) = self.run.place();
        let at = At::Step(section, step);
        let longest = longest.as_secs_f64();
        let silences = match self.detail {
            Some((known, of, silences)) if known == at && of == field => silences,
            _ => 0,
        };
        let silent = self.slow() && silences == 0 && field != Field::VoiceMessage;
        self.detail = Some((at, field, silences + u8::from(silent)));
        let (heard, seconds) = if silent {
            (None, NOTHING_SAID)
        } else if self.slow() {
            (Some(longest), self.drawn(longest))
        } else {
            let spoken = self.drawn(SPEAKS.min(longest)).max(0.5);
            (Some(spoken), spoken + pause.as_secs_f64())
        };
        let heard = heard.map(Duration::from_secs_f64);
        self.after(TONE + seconds, Event::Hear(Heard::Clip { id, heard }));
    }

    /// Climbs the ladder on paper: only how long it takes matters here.
    fn climb(&mut self, name: &str) {
        let (section, step) = self.run.place();
        let chosen = self.choose(At::Step(section, step)).map(|road| road.does);
        let Some(ladder) = self.call.practice.ladders.get(name).cloned() else {
            return;
        };
        let whisper = self.seconds(&Words::filled(&ladder.they_hear, Language::English, &mut |_, _| None));
        let tries: Vec<(f64, f64, bool)> = ladder
            .rungs
            .iter()
            .flat_map(|rung| {
                (0..rung.tries).map(|nth| (rung.ring_for.as_secs_f64(), rung.apart.as_secs_f64(), nth == 0))
            })
            .collect();
        let accepts = match &chosen {
            Some(Does::NobodyAccepts(_)) => None,
            _ if !self.slow() => Some(0),
            _ if self.call.dice.chance(self.call.contrary) => tries.len().checked_sub(1),
            _ => Some(self.call.dice.below(tries.len())),
        };
        let (mut at, mut began) = (0.0_f64, 0.0_f64);
        for (nth, (ring_for, apart, first)) in tries.iter().copied().enumerate() {
            began = if first { at } else { (began + apart).max(at) };
            let answered = self.drawn(if self.slow() { ring_for } else { PICKED_UP });
            if accepts == Some(nth) {
                let key = if self.slow() {
                    self.drawn(WAITED_FOR_THE_KEY)
                } else {
                    whisper + self.drawn(ACCEPTS_AFTER)
                };
                let person = "somebody".to_owned();
                self.after(
                    began + answered + key,
                    Event::Hear(Heard::Escalation(Escalated::Accepted { person })),
                );
                at = began + answered + key;
                break;
            }
            at = match self.call.dice.below(4) {
                0 if !self.call.dice.chance(self.call.contrary) => began + 1.0,
                1 if !self.call.dice.chance(self.call.contrary) => began + ring_for,
                _ => began + answered + WAITED_FOR_THE_KEY,
            };
        }
        if accepts.is_none() {
            self.after(at, Event::Hear(Heard::Escalation(Escalated::Exhausted)));
        }
        if let Some(Does::Presses(key, _)) = chosen {
            let option = self.call.roads.from(At::Step(section, step));
            let option = option
                .iter()
                .find(|road| matches!(road.does, Does::Presses(..)))
                .map_or(0.0, |road| road.words);
            let pressed = if self.slow() {
                self.drawn(at)
            } else {
                option + self.drawn(REACTION)
            };
            self.after(pressed, Event::Key(key, None));
        }
    }

    /// A line outside rings.
    fn connect(&mut self, ring_for: f64) {
        let (section, step) = self.run.place();
        let nobody = matches!(
            self.choose(At::Step(section, step)).map(|road| road.does),
            Some(Does::NobodyAnswers(_))
        );
        if nobody {
            let told = ring_for + self.drawn(ANSWER_GRACE);
            self.after(told, Event::Hear(Heard::NotConnected));
        } else {
            let answered = self.drawn(if self.slow() { ring_for } else { PICKED_UP });
            self.after(answered, Event::Hear(Heard::Connected));
        }
    }

    fn after(&mut self, seconds: f64, event: Event) {
        self.order += 1;
        self.events.insert((later(self.now, seconds), self.order), event);
    }
}

fn later(now: Timestamp, seconds: f64) -> Timestamp {
    SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|time| now.checked_add(time).ok())
        .unwrap_or(now)
}
