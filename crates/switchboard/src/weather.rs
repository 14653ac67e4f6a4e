//! Bad weather for [`crate::world`]: everything that a wire, a book, a media plane and people can do wrong, by seed.
//!
//! The same seed is the same storm, so a failing seed is a test. A calm world draws no dice at all.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::door::{RecordingId, Ticket};
use crate::fact::Stamped;

/// What may go wrong, and how often. Calm by default; chances are in a thousand.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// Decides everything left to chance.
    pub seed: u64,
    /// Datagrams that never arrive.
    pub lost: u16,
    /// Datagrams that arrive twice.
    pub doubled: u16,
    /// Datagrams are late by up to this, each by its own, so they overtake each other.
    pub late: Duration,
    /// The book answers within this, each ticket by its own.
    pub book_slow: Option<Duration>,
    /// Tickets the book refuses.
    pub book_refuses: u16,
    /// Tickets the book never answers.
    pub book_silent: u16,
    /// Legs that cannot be opened, recordings that cannot be written, words that are cut short.
    pub media_fails: u16,
    /// People who hang up some seconds after picking up, whatever they are hearing.
    pub people_leave: u16,
    /// Answers in which the session description is spoilt on its way to us.
    pub spoilt: u16,
    /// People who put us on hold, and some seconds later take us back.
    pub people_hold: u16,
    /// No INVITE of ours reaches anybody.
    pub unreachable: bool,
    /// The whole wire is cut after this, in both directions, for good; audio stops too.
    pub cut_after: Option<Duration>,
    /// So many RTP ports exist.
    pub ports: Option<usize>,
    /// Name servers answer within this, each question by its own.
    pub names_slow: Duration,
    /// Questions that no name server answers in the end.
    pub names_fail: u16,
}

/// What a judge of the desk must see, in the order in which the desk did it.
#[derive(Clone, Debug)]
pub enum Seen {
    /// Facts left for the book.
    Asked {
        /// Under this ticket.
        ticket: Ticket,
        /// These.
        facts: Vec<Stamped>,
    },
    /// The book answered.
    Answered {
        /// This ticket.
        ticket: Ticket,
        /// Whether the facts are durable.
        kept: bool,
    },
    /// An INVITE left for a person.
    Rings,
    /// Two legs were joined.
    Bridges,
    /// A call recording was ordered.
    Records {
        /// Its id.
        recording: RecordingId,
    },
    /// A clip was ordered.
    Clip {
        /// Its id.
        recording: RecordingId,
    },
    /// A datagram left.
    Sent {
        /// For this address.
        to: SocketAddr,
        /// What it is.
        what: Sent,
        /// The same for the same octets: what a timer repeats.
        octets: u64,
    },
}

/// A datagram, as the timers of RFC 3261 §17 tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// An INVITE.
    Invite,
    /// An ACK, which no timer repeats.
    Ack,
    /// Any other request.
    Request,
    /// A response with this status.
    Response(u16),
}

impl Seen {
    /// A datagram that leaves.
    pub(crate) fn sent(to: SocketAddr, bytes: &[u8]) -> Self {
        let status = || {
            let digits = bytes.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        let what = match bytes {
            [b'I', b'N', b'V', ..] => Sent::Invite,
            [b'A', b'C', b'K', ..] => Sent::Ack,
            _ => status().map_or(Sent::Request, Sent::Response),
        };
        // FNV-1a: a night has some hundred datagrams.
        let octets = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::Sent { to, what, octets }
    }
}

/// Everything seen so far, each with its instant.
pub type Log = Vec<(Instant, Seen)>;

/// Chance, from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The dice of this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `end`; nought when there is nothing below it.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll().checked_rem(end).unwrap_or(0)
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, in_a_thousand: u16) -> bool {
        in_a_thousand > 0 && self.below(1000) < u64::from(in_a_thousand)
    }

    /// At most this long.
    pub fn within(&mut self, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.below(longest.saturating_add(1)))
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(of.len() as u64);
        of.get(usize::try_from(at).unwrap_or(0))
    }
}
