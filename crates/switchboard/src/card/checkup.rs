//! The inbound half of the report card: a carrier's engineer calls, is told what was agreed, presses keys, and hears which of
//! them came and how. Pure: the desk carries out what it wants.
//!
//! ```text
//! Greeting ──(said)──▶ Listening ──#──▶ Reporting ──(said)──▶ Over
//!       refreshed once  │  ▲  key: told, and echoed the same way
//!                       └──┘  nothing for a minute: as if # had been pressed
//! ```

use std::time::{Duration, Instant};

use flow::{Language, Part, Words};
use media::dtmf::press::Way;
use media::sdp::{Codec, Direction};

use super::{Card, Grade, Item};

/// Without a key for this long the report is spoken.
const LISTENS: Duration = Duration::from_secs(60);
/// A report is spoken by then, whatever the clips say.
const SPEAKS: Duration = Duration::from_secs(60);
/// Nobody stays longer.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Keys sent back: two machines that echo each other come to an end.
const ECHOES_MAX: u32 = 32;

/// What the call does to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Our words are out.
    Said,
    /// A key, and the way it came.
    Key(char, Way),
    /// Their audio began.
    FirstPacket,
    /// No audio any more.
    Lost,
    /// They offered to change the session to this, as we would say it.
    Changed(Direction),
    /// Our refresh came to this final status.
    Refreshed(u16),
    /// The caller is gone.
    HungUp,
    /// A time asked for has come.
    Time,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Do {
    /// Speak.
    Say {
        /// What.
        words: Words,
        /// Whether a key stops it: the report itself is heard to its end.
        stops_at_key: bool,
    },
    /// Send this key back, the way it came.
    Echo(char, Way),
    /// Offer again what was agreed, which changes nothing (RFC 4028 §7.4).
    Refresh,
    /// End the call.
    HangUp,
}

/// One engineer's call.
#[derive(Debug)]
pub(crate) struct Checkup {
    state: State,
    findings: Findings,
    ends_by: Instant,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// What was agreed is being said.
    Greeting,
    /// Keys are awaited.
    Listening { until: Instant },
    /// The card is being read out.
    Reporting { until: Instant },
    /// Nothing more is wanted.
    Over,
}

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Findings {
    by_event: u32,
    by_info: u32,
    by_tone: u32,
    echoed: u32,
    heard_audio: bool,
    lost_audio: bool,
    held: u32,
    held_now: bool,
    refreshing: bool,
    refreshed: Option<u16>,
}

impl Checkup {
    /// The call is answered: `agreed` names codec and encryption in spoken words of [`vocabulary`].
    pub(crate) fn begin(now: Instant, agreed: &[&'static str], out: &mut Vec<Do>) -> Self {
        let mut said = vec![WELCOME];
        said.extend_from_slice(agreed);
        said.push(PRESS);
        out.push(say(&said));
        Self {
            state: State::Greeting,
            findings: Findings::default(),
            ends_by: now + LONGEST,
        }
    }

    /// Something happened.
    pub(crate) fn hear(&mut self, now: Instant, heard: Heard, out: &mut Vec<Do>) {
        self.findings.note(heard);
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = if now >= self.ends_by && state != State::Over {
            out.push(Do::HangUp);
            State::Over
        } else {
            state.step(now, heard, &mut self.findings, out)
        };
    }

    /// When it wants the clock.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        match self.state {
            State::Greeting => Some(self.ends_by),
            State::Listening { until } | State::Reporting { until } => Some(until.min(self.ends_by)),
            State::Over => None,
        }
    }

    /// Writes what only this half knows into a card.
    pub(crate) fn write(&self, card: &mut Card) {
        let findings = self.findings;
        for (item, count) in [
            (Item::KeysByEvent, findings.by_event),
            (Item::KeysByInfo, findings.by_info),
            (Item::KeysByTone, findings.by_tone),
        ] {
            match count {
                0 => card.note(item, Grade::NotTried, "no key came this way"),
                1 => card.note(item, Grade::Pass, "1 key came, and was echoed"),
                count => card.note(item, Grade::Pass, format!("{count} keys came, and were echoed")),
            }
        }
        match (findings.heard_audio, findings.lost_audio) {
            (false, _) => card.note(Item::AudioIn, Grade::Fail, "not one packet came from them"),
            (true, true) => card.note(Item::AudioIn, Grade::Fail, "their audio began, and broke off"),
            (true, false) => card.note(Item::AudioIn, Grade::Pass, "their audio was heard"),
        }
        match (findings.held, findings.held_now) {
            (0, _) => card.note(Item::Hold, Grade::NotTried, "the call was not held"),
            (_, false) => card.note(Item::Hold, Grade::Pass, "held, and taken back"),
            (_, true) => card.note(Item::Hold, Grade::Fail, "held, and not taken back before the end"),
        }
        match (findings.refreshing, findings.refreshed) {
            (_, Some(status @ 200..=299)) => card.note(
                Item::Refresh,
                Grade::Pass,
                format!("our re-INVITE with the same description: {status}"),
            ),
            (_, Some(status)) => card.note(
                Item::Refresh,
                Grade::Fail,
                format!("our re-INVITE with the same description: {status}"),
            ),
            (true, None) => card.note(
                Item::Refresh,
                Grade::Fail,
                "our re-INVITE was not answered before the end",
            ),
            (false, None) => card.note(Item::Refresh, Grade::NotTried, "the call ended before ours was sent"),
        }
    }
}

impl State {
    fn step(self, now: Instant, heard: Heard, findings: &mut Findings, out: &mut Vec<Do>) -> Self {
        let listening = Self::Listening { until: now + LISTENS };
        match (self, heard) {
            (Self::Over, _) | (_, Heard::HungUp) => Self::Over,
            (Self::Greeting | Self::Listening { .. }, Heard::Key('#', _)) => report(now, findings, out),
            (Self::Greeting | Self::Listening { .. }, Heard::Key(key, way)) => {
                if findings.echoed < ECHOES_MAX {
                    findings.echoed += 1;
                    out.push(Do::Echo(key, way));
                }
                out.push(say(&[name(key), by(way)]));
                if self == Self::Greeting {
                    refresh(findings, out);
                }
                listening
            }
            (Self::Greeting, Heard::Said) => {
                refresh(findings, out);
                listening
            }
            (Self::Listening { until }, Heard::Time) if now >= until => report(now, findings, out),
            (Self::Reporting { .. }, Heard::Said) => {
                out.push(Do::HangUp);
                Self::Over
            }
            (Self::Reporting { until }, Heard::Time) if now >= until => {
                out.push(Do::HangUp);
                Self::Over
            }
            // A pause of theirs, audio that begins, a key while the report is read: noted, and nothing more.
            (state, _) => state,
        }
    }
}

impl Findings {
    fn note(&mut self, heard: Heard) {
        match heard {
            Heard::Key('#', _) | Heard::Said | Heard::HungUp | Heard::Time => {}
            Heard::Key(_, Way::Event) => self.by_event += 1,
            Heard::Key(_, Way::Info) => self.by_info += 1,
            Heard::Key(_, Way::Tone) => self.by_tone += 1,
            Heard::FirstPacket => {
                self.heard_audio = true;
                self.lost_audio = false;
            }
            // Who holds us owes us no audio.
            Heard::Lost => self.lost_audio |= !self.held_now,
            // RFC 3264 §8.4: whoever holds may go on sending (music), or send nothing.
            Heard::Changed(direction) => {
                let held = direction != Direction::SendRecv;
                if held && !self.held_now {
                    self.held += 1;
                }
                self.held_now = held;
            }
            Heard::Refreshed(status) => self.refreshed = Some(status),
        }
    }
}

/// Once in a call, when nothing else is under way.
fn refresh(findings: &mut Findings, out: &mut Vec<Do>) {
    if !findings.refreshing {
        findings.refreshing = true;
        out.push(Do::Refresh);
    }
}

/// Reads the card out.
fn report(now: Instant, findings: &Findings, out: &mut Vec<Do>) -> State {
    let mut said = vec![REPORT];
    for (way, count) in [
        (Way::Event, findings.by_event),
        (Way::Info, findings.by_info),
        (Way::Tone, findings.by_tone),
    ] {
        said.push(by(way));
        said.push(if count > 0 { KEYS_CAME } else { NO_KEY_CAME });
    }
    said.push(if findings.heard_audio { HEARD } else { NOT_HEARD });
    if findings.held > 0 {
        said.push(if findings.held_now { STILL_HELD } else { HELD });
    }
    said.extend(match findings.refreshed {
        Some(200..=299) => Some(REFRESHED),
        Some(_) => Some(NOT_REFRESHED),
        None => None,
    });
    said.push(GOODBYE);
    out.push(Do::Say {
        words: words(&said),
        stops_at_key: false,
    });
    State::Reporting { until: now + SPEAKS }
}

const WELCOME: &str = "This is the report card of Nightdesk.";
const PRESS: &str = "Press any keys. To hear the report, press pound.";
const REPORT: &str = "Your report.";
const KEYS_CAME: &str = "keys came.";
const NO_KEY_CAME: &str = "no key came.";
const HEARD: &str = "Your audio is heard.";
const NOT_HEARD: &str = "No audio came from you.";
const HELD: &str = "You held the call, and took it back.";
const STILL_HELD: &str = "You held the call.";
const REFRESHED: &str = "Our refresh was answered.";
const NOT_REFRESHED: &str = "Our refresh was refused.";
const GOODBYE: &str = "The rest is written down. Goodbye.";

/// What is played before the answer.
const EARLY: &str = "This is early media.";
/// What may be said of the agreement.
pub(crate) const CLEAR: &str = "Audio is not encrypted.";
/// What may be said of the agreement.
pub(crate) const ENCRYPTED: &str = "Audio is encrypted.";

/// The codec's name as it is spoken.
pub(crate) const fn spoken(codec: Codec) -> &'static str {
    match codec {
        Codec::Pcmu => "The codec is G 7 11, mu law.",
        Codec::Pcma => "The codec is G 7 11, A law.",
        Codec::G722 => "The codec is G 7 22.",
        Codec::Opus => "The codec is Opus.",
    }
}

/// Keys, and how they are called.
const KEYS: &[(char, &str)] = &[
    ('0', "Zero,"),
    ('1', "One,"),
    ('2', "Two,"),
    ('3', "Three,"),
    ('4', "Four,"),
    ('5', "Five,"),
    ('6', "Six,"),
    ('7', "Seven,"),
    ('8', "Eight,"),
    ('9', "Nine,"),
    ('*', "Star,"),
];

fn name(key: char) -> &'static str {
    KEYS.iter()
        .find(|(known, _)| *known == key)
        .map_or("A letter,", |(_, name)| name)
}

const fn by(way: Way) -> &'static str {
    match way {
        Way::Event => "by telephone event.",
        Way::Info => "by INFO.",
        Way::Tone => "by tone.",
    }
}

/// What is played before the answer.
pub(crate) fn early() -> Words {
    words(&[EARLY])
}

/// Every sentence this half can say, for whoever prepares clips.
pub fn vocabulary() -> Vec<Part> {
    let fixed = [
        WELCOME,
        PRESS,
        REPORT,
        KEYS_CAME,
        NO_KEY_CAME,
        HEARD,
        NOT_HEARD,
        HELD,
        STILL_HELD,
        REFRESHED,
        NOT_REFRESHED,
        GOODBYE,
        EARLY,
        CLEAR,
        ENCRYPTED,
        "A letter,",
    ];
    let ways = [Way::Event, Way::Info, Way::Tone].map(by);
    fixed
        .into_iter()
        .chain(ways)
        .chain(KEYS.iter().map(|(_, name)| *name))
        .chain(Codec::ALL.iter().copied().map(spoken))
        .map(part)
        .collect()
}

fn part(text: &'static str) -> Part {
    Part::new(text, Language::English)
}

fn say(texts: &[&'static str]) -> Do {
    Do::Say {
        words: words(texts),
        stops_at_key: true,
    }
}

fn words(texts: &[&'static str]) -> Words {
    Words {
        parts: texts.iter().map(|text| part(text)).collect(),
        private: false,
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need one instant to count from")]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use super::*;

    fn names(out: &[Do]) -> String {
        let names: Vec<&str> = out
            .iter()
            .map(|wanted| match wanted {
                Do::Say { .. } => "Say",
                Do::Echo(..) => "Echo",
                Do::Refresh => "Refresh",
                Do::HangUp => "HangUp",
            })
            .collect();
        names.join(", ")
    }

    #[test]
    fn every_edge() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let late = until + Duration::from_secs(1);
        let states = [
            State::Greeting,
            State::Listening { until },
            State::Reporting { until },
            State::Over,
        ];
        let inputs = [
            ("Said", Heard::Said, now),
            ("Key", Heard::Key('5', Way::Tone), now),
            ("Pound", Heard::Key('#', Way::Event), now),
            ("FirstPacket", Heard::FirstPacket, now),
            ("Lost", Heard::Lost, now),
            ("Changed", Heard::Changed(Direction::Inactive), now),
            ("Refreshed", Heard::Refreshed(200), now),
            ("Time, too early", Heard::Time, now),
            ("Time", Heard::Time, late),
            ("HungUp", Heard::HungUp, now),
        ];
        let label = |state: &State| format!("{state:?}").split(' ').next().unwrap_or_default().to_owned();
        let mut figure = String::new();
        for state in states {
            for (name, heard, at) in inputs {
                let mut out = Vec::new();
                let next = state.step(at, heard, &mut Findings::default(), &mut out);
                if label(&next) != label(&state) || !out.is_empty() {
                    figure.push_str(&format!(
                        "{:<10} --{name:<16}--> {:<10} [{}]\n",
                        label(&state),
                        label(&next),
                        names(&out)
                    ));
                }
            }
        }
        insta::assert_snapshot!(figure);
    }

    #[test]
    fn what_the_engineer_did_stands_in_the_card() {
        let now = Instant::now();
        let mut out = Vec::new();
        let mut checkup = Checkup::begin(now, &[spoken(Codec::Pcmu), CLEAR], &mut out);
        for heard in [
            Heard::FirstPacket,
            Heard::Said,
            Heard::Key('1', Way::Event),
            Heard::Key('2', Way::Info),
            Heard::Refreshed(200),
            Heard::Changed(Direction::RecvOnly),
            Heard::Lost,
            Heard::Changed(Direction::SendRecv),
            Heard::Key('#', Way::Tone),
            Heard::Said,
        ] {
            checkup.hear(now, heard, &mut out);
        }
        assert_eq!(names(&out), "Say, Refresh, Echo, Say, Echo, Say, Say, HangUp");
        let mut card = Card::default();
        checkup.write(&mut card);
        insta::assert_snapshot!(card);
    }

    #[test]
    fn a_call_still_held_at_the_end_was_not_taken_back() {
        let now = Instant::now();
        let mut out = Vec::new();
        let mut checkup = Checkup::begin(now, &[], &mut out);
        for direction in [
            Direction::RecvOnly,
            Direction::SendRecv,
            Direction::Inactive,
            Direction::RecvOnly,
        ] {
            checkup.hear(now, Heard::Changed(direction), &mut out);
        }
        let mut card = Card::default();
        checkup.write(&mut card);
        assert_eq!(card.line(Item::Hold).map(|line| line.grade), Some(Grade::Fail));
        assert_eq!(card.line(Item::Refresh).map(|line| line.grade), Some(Grade::NotTried));
    }

    #[test]
    fn it_always_comes_to_an_end() {
        let mut now = Instant::now();
        let mut out = Vec::new();
        let mut checkup = Checkup::begin(now, &[], &mut out);
        let latest = now + LONGEST + Duration::from_secs(1);
        while let Some(at) = checkup.timeout() {
            assert!(at <= latest, "a call of the report card has no end");
            now = at;
            checkup.hear(now, Heard::Time, &mut out);
        }
        assert_eq!(out.last(), Some(&Do::HangUp));
    }

    #[test]
    fn an_echo_of_an_echo_comes_to_an_end() {
        let now = Instant::now();
        let mut out = Vec::new();
        let mut checkup = Checkup::begin(now, &[], &mut out);
        for _ in 0..1_000 {
            checkup.hear(now, Heard::Key('7', Way::Event), &mut out);
        }
        let echoes = out.iter().filter(|wanted| matches!(wanted, Do::Echo(..))).count();
        assert_eq!(echoes, 32);
    }

    #[test]
    fn every_sentence_has_been_prepared() {
        let now = Instant::now();
        let prepared: BTreeSet<Part> = vocabulary().into_iter().collect();
        let mut out = Vec::new();
        for codec in Codec::ALL.iter().copied() {
            let mut checkup = Checkup::begin(now, &[spoken(codec), CLEAR, ENCRYPTED], &mut out);
            for key in "0123456789*ABCD".chars() {
                for way in [Way::Event, Way::Info, Way::Tone] {
                    checkup.hear(now, Heard::Key(key, way), &mut out);
                }
            }
            checkup.hear(now, Heard::Changed(Direction::Inactive), &mut out);
            checkup.hear(now, Heard::Refreshed(488), &mut out);
            checkup.hear(now, Heard::Key('#', Way::Event), &mut out);
        }
        out.push(Do::Say {
            words: early(),
            stops_at_key: false,
        });
        for wanted in out {
            if let Do::Say { words, .. } = wanted {
                for part in words.parts {
                    assert!(prepared.contains(&part), "“{}” is not prepared", part.text);
                }
            }
        }
    }
}
