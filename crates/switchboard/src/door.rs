//! The door of the switchboard: what may come in, what goes out.
//!
//! The exchange feeds [`Input`]s and drains [`Output`]s until [`Output::Timeout`]. Nothing here waits: a thing that
//! takes time (a sync of the book, a spoken sentence, a ringing phone) is a value that goes out and a value that
//! comes back, so that a simulated world can delay, reorder or refuse it (house.md §7).

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use phi::Phi;

use crate::fact::Stamped;
use crate::trunk::Trunk;

/// One caller's call, for its whole life and in every record of it. Drawn by us: the SIP Call-ID is the attacker's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub [u8; 16]);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 32];
        for (pair, octet) in digits.chunks_exact_mut(2).zip(self.0) {
            for (digit, nibble) in pair.iter_mut().zip([octet >> 4, octet & 15]) {
                *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
            }
        }
        f.write_str(std::str::from_utf8(&digits).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {self}")
    }
}

impl CallId {
    /// Reads the 32 hexadecimal digits that [`CallId`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (octet, pair) in id.iter_mut().zip(text.as_bytes().chunks(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(id))
    }
}

/// A sealed recording or clip; also the file id in the container (recording-format.md §2).
pub type RecordingId = CallId;

/// One party of a call: our session and media with them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LegId(pub u64);

/// Facts on their way to the book; comes back as [`Input::Recorded`] or [`Input::NotRecorded`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// What the switchboard hears.
#[derive(Debug)]
pub enum Input<'a> {
    /// One datagram, or one message framed from a stream.
    Received {
        /// Where it came from, and where a response goes.
        flow: sip::Flow,
        /// The bytes as they came.
        bytes: &'a [u8],
    },
    /// The client of a TLS connection has proved these names, before its first message came.
    Connected {
        /// The connection.
        flow: sip::Flow,
        /// DNS names of its certificate.
        names: Vec<String>,
        /// The version and the cipher that were agreed on, for people: `TLS 1.3, TLS13_AES_256_GCM_SHA384`.
        spoken: String,
    },
    /// The DNS has answered an [`Output::Resolve`].
    Resolved {
        /// The question as it was asked.
        question: sip::locate::Question,
        /// What it said, or that it could not be asked.
        answer: sip::locate::Answer,
    },
    /// A connection or a send on this flow failed.
    TransportFailed {
        /// The flow that is dead.
        flow: sip::Flow,
    },
    /// An RTP port (and the RTCP port above it) is bound and may be promised to a party.
    Port(u16),
    /// A media thread reports.
    Media(MediaEvent),
    /// The facts under this ticket are durable.
    Recorded {
        /// The ticket given out with them.
        ticket: Ticket,
    },
    /// The book could not write the facts under this ticket.
    NotRecorded {
        /// The ticket given out with them.
        ticket: Ticket,
    },
    /// The practices now released: new calls take these, calls in progress keep theirs.
    Practices(Vec<Released>),
    /// How full the busiest media thread is, in percent of its tick; new calls are refused above the limit.
    MediaLoad(u8),
    /// Something behind the telephone line broke (or mended).
    Health(Health),
    /// The practices whose records can be asked now; callers of all others are told that they are down.
    RecordsOf(std::collections::BTreeSet<String>),
    /// The records have answered an [`Output::AskRecords`].
    RecordsAnswered {
        /// The call that asked.
        call: CallId,
        /// Its question.
        id: flow::AskId,
        /// What they say.
        answer: flow::RecordsAnswer,
    },
    /// Take no new calls; let those in progress finish.
    Drain,
    /// An escalation that a restart interrupted, read back from the book (house.md §4, D4).
    Resume(Box<crate::fact::OpenEscalation>),
    /// The outcome of this call is in the book already: it was told that paging goes on before the restart. To be said
    /// before its [`Input::Resume`], or it gets a second one.
    HasOutcome(CallId),
    /// A timeout asked for has come, or the caller of this method merely wants the clock moved.
    Time,
}

/// A practice as released, with who is on duty for it.
#[derive(Clone, Debug)]
pub struct Released {
    /// The compiled practice, its flows and protocols.
    pub practice: Arc<flow::Practice>,
    /// Who is on duty when.
    pub roster: Arc<oncall::Roster>,
    /// The numbers that reach it, in E.164, and which of its lines each is.
    pub numbers: BTreeMap<String, String>,
    /// False while no agreement with it holds: its callers are turned away, and of a call nothing is kept but that it was
    /// (ADM-01). Its flows say so: [`flow::out_of_service`].
    pub in_service: bool,
}

impl Released {
    /// A practice that is reached by the numbers its file names.
    pub fn new(practice: Arc<flow::Practice>, roster: Arc<oncall::Roster>) -> Self {
        let lines = practice.lines.iter();
        let numbers = lines.map(|(line, number)| (number.clone(), line.clone())).collect();
        Self {
            practice,
            roster,
            numbers,
            in_service: true,
        }
    }
}

/// What is known to be broken; callers are served around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// The book cannot be written: nothing is promised that must be remembered.
    pub book_down: bool,
    /// Recordings cannot be written.
    pub recordings_down: bool,
    /// The safety net is all that may be used.
    pub everything_down: bool,
}

/// What the switchboard wants done.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit(sip::Transmit),
    /// Tell the media plane.
    Media(MediaCommand),
    /// Make these facts durable, then say so. The acts that depend on them are withheld until then.
    Record {
        /// Comes back with the answer.
        ticket: Ticket,
        /// In the order they happened.
        facts: Vec<Stamped>,
    },
    /// Ask the DNS; comes back as [`Input::Resolved`].
    Resolve(sip::locate::Question),
    /// Whoever answers by TLS at this address has to prove this name (RFC 5922 §7.1): it is the one that was asked for.
    Expect {
        /// Where.
        address: SocketAddr,
        /// Which name.
        domain: String,
    },
    /// Ask a practice's records; comes back as [`Input::RecordsAnswered`].
    AskRecords {
        /// Who asks.
        call: CallId,
        /// Whose records.
        practice: String,
        /// The question.
        id: flow::AskId,
        /// What is asked.
        ask: flow::RecordsAsk,
    },
    /// Nothing more for now; come back at this instant at the latest (`None`: only when something happens).
    Timeout(Option<Instant>),
}

/// An order to the media plane. Orders for one leg are carried out in the order given.
#[derive(Clone, Debug)]
pub enum MediaCommand {
    /// Begin a party's audio on a port that was handed in by [`Input::Port`]. All legs of a call share a media thread.
    Open {
        /// Whose.
        call: CallId,
        /// The new leg.
        leg: LegId,
        /// The local RTP port.
        port: u16,
        /// What was agreed; `None` while our offer is unanswered.
        stream: Option<media::sdp::Stream>,
    },
    /// The agreement changed: an answer came, hold, resume, another codec or address.
    Update {
        /// Which leg.
        leg: LegId,
        /// What holds now.
        stream: media::sdp::Stream,
    },
    /// Say these words; replaces what is still being said on this leg.
    Play {
        /// To whom.
        leg: LegId,
        /// Comes back in [`MediaEvent::Played`].
        id: u64,
        /// The words, each part a clip that `voice` holds.
        words: flow::Words,
        /// Any key stops it, in the media thread itself, before the call hears of the key (barge-in).
        stops_at_key: bool,
    },
    /// Stop talking.
    Hush {
        /// To whom.
        leg: LegId,
    },
    /// Let these two hear each other, and nothing else of ours.
    Bridge {
        /// One party.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Undo a bridge.
    Unbridge {
        /// One party.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Record this leg (what the caller says, what the caller hears) from now on.
    Record {
        /// The caller's leg.
        leg: LegId,
        /// The recording to begin.
        recording: RecordingId,
        /// The call it belongs to.
        call: CallId,
        /// Whose call it is.
        practice: String,
        /// SHA-256 of the release and consent words under which permission was given.
        consent: [u8; 32],
    },
    /// End a call recording and seal it.
    StopRecord {
        /// Which.
        recording: RecordingId,
    },
    /// Beep, then keep what this party says as a sealed clip of its own.
    Clip {
        /// Whose words.
        leg: LegId,
        /// The clip to begin.
        recording: RecordingId,
        /// The call it belongs to.
        call: CallId,
        /// Whose call it is.
        practice: String,
        /// It ends at this length.
        longest: Duration,
        /// Anything with less voice than this is nothing.
        shortest: Duration,
        /// It ends after this much silence.
        ends_after_silence: Duration,
    },
    /// The party pressed # (or the flow moved on): end the clip now.
    EndClip {
        /// Whose.
        leg: LegId,
    },
    /// Look for keys in this party's audio too, whatever was agreed about telephone-events.
    ListenForTones {
        /// Whose.
        leg: LegId,
    },
    /// A SIP INFO came with this body; if it is a digit, merge it with the other ways of pressing (BRF-03).
    InfoDigit {
        /// Whose.
        leg: LegId,
        /// The body as it came.
        body: Phi<Vec<u8>>,
    },
    /// Press keys towards a party.
    SendDigits {
        /// To whom.
        leg: LegId,
        /// Which keys.
        digits: Phi<Vec<media::Digit>>,
        /// How they travel.
        how: media::DigitWay,
    },
    /// The party is gone: free the port, report the figures.
    Close {
        /// Whose.
        leg: LegId,
    },
}

/// A report from the media plane.
#[derive(Clone, Debug)]
pub enum MediaEvent {
    /// One press, however many ways it came.
    Digit {
        /// Who pressed.
        leg: LegId,
        /// Which key: `0`–`9`, `*`, `#`, `A`–`D`.
        digit: Phi<char>,
        /// The way that told of it first.
        way: media::dtmf::press::Way,
    },
    /// The words ended.
    Played {
        /// Who heard them.
        leg: LegId,
        /// The id given with [`MediaCommand::Play`].
        id: u64,
        /// To their end, rather than cut short by a key or [`MediaCommand::Hush`].
        whole: bool,
    },
    /// Of the words just asked for, some have no sound: nobody recorded them and nothing can speak them.
    Wordless {
        /// Who misses them.
        leg: LegId,
    },
    /// A clip ended and is sealed.
    ClipEnded {
        /// Whose.
        leg: LegId,
        /// Which clip.
        recording: RecordingId,
        /// How long it is; `None` when nothing was said and nothing was kept.
        heard: Option<Duration>,
    },
    /// This party's audio has begun to arrive.
    FirstPacket {
        /// Whose.
        leg: LegId,
    },
    /// No audio from this party for the configured time.
    Lost {
        /// Whose.
        leg: LegId,
    },
    /// A call recording is complete on disk.
    RecordingSealed {
        /// Which.
        recording: RecordingId,
        /// Its length.
        milliseconds: u64,
        /// SHA-256 of the sealed file.
        sha256: [u8; 32],
        /// Frames that had to be replaced by silence because the disk was too slow.
        gaps: u64,
    },
    /// A recording or clip could not be written; the call goes on without it.
    RecordingFailed {
        /// Which.
        recording: RecordingId,
    },
    /// The leg is closed; these are its figures.
    Closed {
        /// Whose.
        leg: LegId,
        /// As RTCP counts them.
        quality: media::Quality,
    },
    /// The leg could not be opened.
    Failed {
        /// Whose.
        leg: LegId,
    },
}

/// How this switchboard is set up. Everything with a limit names it here.
#[derive(Clone, Debug)]
pub struct DeskConfig {
    /// Our sockets, and the address the other side should use for each.
    pub signalling: Vec<Listener>,
    /// The address written into SDP.
    pub media_address: IpAddr,
    /// Known carriers.
    pub trunks: Vec<Trunk>,
    /// Above this many calls, 503 (ANS-05).
    pub calls_max: usize,
    /// Above this load of the busiest media thread, 503 (media-plane.md §2).
    pub media_load_max_percent: u8,
    /// Retry-After on our 503s.
    pub retry_after_s: u32,
    /// How long we ring before answering; callers expect to hear one ring.
    pub ring_before_answer: Duration,
    /// Ladder spacing and ring times are divided by this; 1 in production, more in demonstrations and tests.
    pub ladder_speed: u32,
    /// When the book has not answered within this, the call goes on without it, and the alarm rings.
    pub book_patience: Duration,
    /// Codecs in our order of preference.
    pub codecs: Vec<media::sdp::Codec>,
    /// Calls one practice may have at a time, so that a busy one leaves room for the others.
    pub calls_per_practice_max: usize,
    /// SIP's timers (RFC 3261 appendix A); shorter ones for a network of one machine, and for tests.
    pub timers: sip::Timers,
}

impl DeskConfig {
    /// The usual, on these sockets and for these carriers.
    pub fn new(signalling: Vec<Listener>, media_address: IpAddr, trunks: Vec<Trunk>) -> Self {
        Self {
            signalling,
            media_address,
            trunks,
            calls_max: 1_000,
            calls_per_practice_max: 1_000,
            media_load_max_percent: 70,
            retry_after_s: 5,
            ring_before_answer: Duration::ZERO,
            ladder_speed: 1,
            book_patience: Duration::from_secs(2),
            codecs: vec![media::sdp::Codec::Pcmu, media::sdp::Codec::Pcma],
            timers: sip::Timers::default(),
        }
    }

    /// The way from one of our sockets to an address. A stream leaves from the address of any socket of its family.
    pub(crate) fn flow_to(&self, transport: sip::Transport, remote: SocketAddr) -> Option<sip::Flow> {
        let family = |listener: &&Listener| listener.local.is_ipv4() == remote.is_ipv4();
        let same = |listener: &&Listener| listener.transport == transport && family(listener);
        let local = match self.signalling.iter().find(same) {
            Some(listener) => listener.local,
            None if transport.is_reliable() => {
                let address = self.signalling.iter().find(family)?.local.ip();
                SocketAddr::new(address, 0)
            }
            None => return None,
        };
        Some(sip::Flow {
            transport,
            local,
            remote,
            connection: None,
        })
    }
}

/// One of our signalling sockets.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// UDP or TCP.
    pub transport: sip::Transport,
    /// The local address.
    pub local: SocketAddr,
    /// What Via and Contact say: the same, or the external address behind NAT.
    pub advertised: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::CallId;

    #[test]
    fn a_call_id_reads_what_it_prints() {
        let id = CallId(*b"0123456789abcdef");
        assert_eq!(CallId::parse(&id.to_string()), Some(id));
        assert_eq!(CallId::parse("../../etc/passwd"), None);
        assert_eq!(CallId::parse("zz"), None);
    }
}
