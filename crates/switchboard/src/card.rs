//! The report card of a trunk (T2): what is tried, which section says how it should go, and how it went.
//!
//! It has two halves. `nightdesk trunk check` calls the carrier and fills a card; a carrier's engineer who calls the number of
//! `report card` fills another by what their call does to us. Both speak of the same [`Item`]s, so that two cards laid side by side
//! show the same lines. A card holds no number, name or digit: it may be mailed to anyone.

mod checkup;

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! items {
    ($($(#[$doc:meta])* $item:ident => $title:literal, $rfc:literal;)*) => {
        /// What can be tried.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Item {
            $($(#[$doc])* $item,)*
        }

        impl Item {
            /// Every item, in the order of the card.
            pub const ALL: &'static [Item] = &[$(Item::$item,)*];

            /// What stands on its line.
            pub const fn title(self) -> &'static str {
                match self { $(Item::$item => $title,)* }
            }

            /// Where it is written how it should go.
            pub const fn rfc(self) -> &'static str {
                match self { $(Item::$item => $rfc,)* }
            }
        }
    };
}

items! {
    /// A way to the other side.
    Reachable => "reachable", "RFC 3263 §4";
    /// The TLS version, its certificate, and that nothing older is spoken.
    Tls => "TLS", "RFC 8996 §2, RFC 5922 §7";
    /// OPTIONS are answered.
    Options => "OPTIONS", "RFC 3261 §11.2";
    /// A challenge, and our answer to it.
    Digest => "digest", "RFC 3261 §22, RFC 8760 §2";
    /// A call is answered.
    Call => "a call is answered", "RFC 3261 §13.2.2.4";
    /// Which codecs.
    Codecs => "codecs", "RFC 3264 §6.1";
    /// Sound before the answer.
    EarlyMedia => "early media", "RFC 3960 §3";
    /// Provisional responses are acknowledged.
    Prack => "PRACK", "RFC 3262 §3, §4";
    /// They are heard.
    AudioIn => "audio from them", "RFC 3550 §6.4.1";
    /// We are heard.
    AudioOut => "audio to them", "RFC 3550 §6.4.1";
    /// Keys as telephone-events.
    KeysByEvent => "keys by events", "RFC 4733 §2.5";
    /// Keys as SIP INFO.
    KeysByInfo => "keys by INFO", "RFC 6086 §4.2.2";
    /// Keys as tones.
    KeysByTone => "keys by tones", "ITU-T Q.24";
    /// A refresh that changes nothing.
    Refresh => "refresh", "RFC 4028 §7.4, RFC 3261 §14.2";
    /// Session timers.
    SessionTimer => "session timer", "RFC 4028 §9";
    /// Held, and taken back.
    Hold => "hold and resume", "RFC 3264 §8.4";
    /// An INVITE without an offer.
    LateOffer => "late offer", "RFC 3261 §13.2.1";
    /// Audio is encrypted.
    Encryption => "SRTP", "RFC 4568 §5.1, RFC 3711 §3.3";
    /// Datagrams larger than a link carries.
    Mtu => "large datagrams", "RFC 3261 §18.1.1";
    /// The call ends where we end it.
    HangUp => "hanging up", "RFC 3261 §15.1.2";
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// As it should.
    Pass,
    /// Not as it should.
    Fail,
    /// It could not be tried, or nobody could tell.
    NotTried,
}

impl Grade {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::NotTried => "not tried",
        }
    }
}

/// One line of a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What was tried.
    pub item: Item,
    /// How it went.
    pub grade: Grade,
    /// What was seen; never a number or a name.
    pub words: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (grade, title, rfc) = (self.grade.name(), self.item.title(), self.item.rfc());
        write!(f, "{grade:<10} {title:<19} {}  [{rfc}]", self.words)
    }
}

/// A report card: one line for each item that was spoken of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    lines: Vec<Line>,
}

impl Card {
    /// Writes a line. A second one about the same item takes the place of the first, unless that one had failed.
    pub fn note(&mut self, item: Item, grade: Grade, words: impl Into<String>) {
        let line = Line {
            item,
            grade,
            words: words.into(),
        };
        match self.lines.iter_mut().find(|line| line.item == item) {
            Some(known) if known.grade == Grade::Fail && grade != Grade::Fail => {}
            Some(known) => *known = line,
            None => self.lines.push(line),
        }
    }

    /// What stands about an item.
    pub fn line(&self, item: Item) -> Option<&Line> {
        self.lines.iter().find(|line| line.item == item)
    }

    /// Every line, in the order of [`Item::ALL`].
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        Item::ALL.iter().filter_map(|item| self.line(*item))
    }

    /// How many lines have this grade.
    pub fn count(&self, grade: Grade) -> usize {
        self.lines.iter().filter(|line| line.grade == grade).count()
    }
}

/// As a table a person reads, a line each.
impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines() {
            writeln!(f, "{line}")?;
        }
        write!(
            f,
            "{} passed, {} failed, {} not tried",
            self.count(Grade::Pass),
            self.count(Grade::Fail),
            self.count(Grade::NotTried)
        )
    }
}

pub use checkup::vocabulary;
pub(crate) use checkup::{CLEAR, Checkup, Do, ENCRYPTED, Heard, early, spoken};

/// Codecs a description may name and still be read out whole.
const FORMATS_MAX: usize = 16;

/// The codecs a session description names, in its order, fit to be printed.
pub fn formats(description: &[u8]) -> String {
    let text = String::from_utf8_lossy(description);
    let names: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_whitespace().nth(1))
        .map(printable)
        .take(FORMATS_MAX)
        .collect();
    if !names.is_empty() {
        return names.join(", ");
    }
    let line = text.lines().find(|line| line.starts_with("m=audio"));
    line.map_or_else(|| "nothing".to_owned(), printable)
}

/// Words from the wire, with nothing in them that a terminal would obey.
pub fn printable(text: &str) -> String {
    const LONGEST: usize = 60;
    text.chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Card, Grade, Item, formats, printable};

    #[test]
    fn descriptions_are_read_for_people() {
        let sdp = b"v=0\r\nm=audio 4 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n";
        assert_eq!(formats(sdp), "PCMU/8000, telephone-event/8000");
        assert_eq!(formats(b"v=0\r\nm=audio 4 RTP/AVP 0\r\n"), "m=audio 4 RTP/AVP 0");
        let many = format!("v=0\r\n{}", "a=rtpmap:9 x/8000\r\n".repeat(200));
        assert!(formats(many.as_bytes()).len() < 200);
    }

    #[test]
    fn nothing_from_the_wire_commands_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{7}\r\nc"), "a[2Jbc");
        assert_eq!(printable(&"x".repeat(500)).len(), 60);
    }

    #[test]
    fn a_card_prints_as_a_table_with_sections() {
        let mut card = Card::default();
        card.note(Item::Hold, Grade::Fail, "answered sendrecv to sendonly");
        card.note(Item::Options, Grade::Pass, "200 after 12 ms");
        card.note(Item::KeysByInfo, Grade::NotTried, "no call was answered");
        insta::assert_snapshot!(card);
    }

    #[test]
    fn what_failed_once_stays_failed() {
        let mut card = Card::default();
        card.note(Item::Refresh, Grade::NotTried, "");
        card.note(Item::Refresh, Grade::Fail, "481");
        card.note(Item::Refresh, Grade::Pass, "200");
        assert_eq!(card.line(Item::Refresh).map(|line| line.grade), Some(Grade::Fail));
    }

    #[test]
    fn a_card_reads_what_the_book_kept() {
        let mut card = Card::default();
        for item in Item::ALL {
            card.note(*item, Grade::Pass, item.title());
        }
        let kept = serde_json::to_vec(&card).expect("plain text");
        assert_eq!(serde_json::from_slice::<Card>(&kept).expect("what was kept"), card);
        assert_eq!(card.lines().count(), Item::ALL.len());
    }
}
