//! The endpoint's vocabulary: what is asked of it and what it tells.

use std::fmt;
use std::time::Instant;

use crate::config::SessionTimer;
use crate::digest::Credentials;
use crate::message::{NameAddr, Request, Response, Uri};
use crate::transport::{Flow, Transmit};

/// Randomness, handed in by the shell: tags, branches, Call-IDs and waits are made of it.
pub type Draw = Box<dyn FnMut() -> [u8; 16] + Send>;

/// One INVITE usage of a dialog, from its INVITE to its end (style.md: *session*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) u64);

/// One offer of theirs within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfferId(pub(crate) u64);

/// One request of ours whose answer somebody awaits: outside any dialog, or the BYE of [`crate::Endpoint::hang_up_and_ask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session-{}", self.0)
    }
}

/// A body and what it is; nothing here looks inside.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// The Content-Type.
    pub content_type: String,
    /// The bytes, exactly.
    pub bytes: Vec<u8>,
}

impl Body {
    /// A session description (RFC 8866).
    pub fn sdp(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            content_type: "application/sdp".into(),
            bytes: bytes.into(),
        }
    }
}

/// An INFO's body is a digit somebody pressed, so only the size is printed.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.bytes.len())
    }
}

/// What the endpoint has for the shell.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Tell the application this.
    Event(Event),
    /// Nothing more; call `handle_timeout` at this instant, or when something comes.
    Timeout(Option<Instant>),
}

/// What the endpoint tells the application.
#[derive(Debug)]
pub enum Event {
    /// Somebody calls. Answer with `ring`, `progress`, `accept`, `refuse` or `hang_up`.
    Incoming {
        /// Ours from here on.
        session: SessionId,
        /// Who, whom, and with what offer.
        invite: Incoming,
    },
    /// Our INVITE got a provisional response (not 100).
    Progress {
        /// Which of ours.
        session: SessionId,
        /// 101-199.
        status: u16,
        /// An answer for early media.
        body: Option<Body>,
    },
    /// Our INVITE was answered; the ACK has left. Further 2xx of other forks are acknowledged and hung up inside.
    ///
    /// When our INVITE had no offer, theirs follows as `Offered` and the ACK waits for `answer_offer`.
    Accepted {
        /// Which of ours.
        session: SessionId,
        /// Their answer: the 2xx's, or what they described last before it, when a reliable provisional response had brought
        /// the answer already (RFC 3262 §5).
        body: Option<Body>,
    },
    /// Our INVITE came to nothing and the session is gone.
    Refused {
        /// Which of ours.
        session: SessionId,
        /// Their final response, 408 when nobody answered, 503 when the network refused.
        status: u16,
        /// What its Retry-After said, in seconds (RFC 3261 §20.33); their wish, and no promise that it is a sensible one.
        retry_after_s: Option<u32>,
    },
    /// The ACK of our 200 came.
    Confirmed {
        /// Which of ours.
        session: SessionId,
        /// Their answer, when the offer was in our 200.
        body: Option<Body>,
    },
    /// They offer: to change the session, by re-INVITE or UPDATE, early ones too; or what our INVITE without an offer asked
    /// for. Answer with `answer_offer` or `refuse_offer`. A refresh that repeats the last offer is answered inside.
    Offered {
        /// Which of ours.
        session: SessionId,
        /// Names the offer in the answer.
        offer: OfferId,
        /// `None`: they ask us to make the offer (RFC 3261 §14.2).
        body: Option<Body>,
    },
    /// What became of our `reinvite`, or of the offer we made in answer to an empty re-INVITE or in a reliable provisional
    /// response (then the status is 200 and the body is their answer from the ACK or the PRACK). It also tells the new answer
    /// of a peer who changed his mind while we only refreshed the session.
    OfferAnswered {
        /// Which of ours.
        session: SessionId,
        /// Their final response.
        status: u16,
        /// Their answer.
        body: Option<Body>,
    },
    /// An INFO came and was answered 200.
    Info {
        /// Which of ours.
        session: SessionId,
        /// What it carried.
        body: Body,
    },
    /// A `request` of ours, or the BYE of `hang_up_and_ask`, came to this; told exactly once for each.
    Response {
        /// Which of ours.
        request: RequestId,
        /// The final status; 408 when nobody answered, 503 when the network refused.
        status: u16,
        /// The response itself; `None` when there was none.
        response: Option<Box<Response>>,
    },
    /// The session is over: exactly once for each session that got `Incoming` or `Accepted`.
    Ended {
        /// Which of ours; the id means nothing from here on.
        session: SessionId,
        /// How.
        why: Ended,
    },
}

impl Event {
    /// The session it concerns; a `Response` concerns none.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Event::Incoming { session, .. }
            | Event::Progress { session, .. }
            | Event::Accepted { session, .. }
            | Event::Refused { session, .. }
            | Event::Confirmed { session, .. }
            | Event::Offered { session, .. }
            | Event::OfferAnswered { session, .. }
            | Event::Info { session, .. }
            | Event::Ended { session, .. } => Some(*session),
            Event::Response { .. } => None,
        }
    }
}

/// What is known of a session beside its events, for whoever judges how a peer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vitals {
    /// A reliable provisional response of ours has no PRACK yet (RFC 3262 §3).
    pub prack_owed: bool,
    /// The Session-Expires that is in force, in seconds (RFC 4028); `None` before the answer, and without a timer.
    pub interval_s: Option<u32>,
    /// The refreshes of that timer are ours to send.
    pub we_refresh: bool,
    /// Refreshes of theirs that changed nothing else.
    pub refreshed: u32,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// They said BYE.
    ByTheirBye,
    /// We said BYE.
    ByOurBye,
    /// They cancelled before we answered.
    Cancelled,
    /// We refused before we answered (`refuse`, `hang_up`, or nobody answered in time).
    ByOurRefusal,
    /// Our 200 was never acknowledged (RFC 3261 §13.3.1.4), and a BYE has left; or a reliable provisional of ours was not
    /// (RFC 3262 §3), and the INVITE has been refused.
    NoAck,
    /// They no longer know the session, or no longer answer (RFC 3261 §12.2.1.2).
    TimedOut,
    /// Nobody refreshed the session in time (RFC 4028 §10); a BYE has left.
    Expired,
    /// The way to them broke before the session was established.
    TransportFailed,
}

/// A call that came in.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The way it came.
    pub flow: Flow,
    /// Its Call-ID.
    pub call_id: String,
    /// The INVITE itself; every header can be read.
    pub request: Request,
    /// The offer; `None` asks us to make it in `accept`.
    pub offer: Option<Body>,
}

/// A call to be made.
#[derive(Clone)]
pub struct Invite {
    /// The way the INVITE takes.
    pub flow: Flow,
    /// Whether an INVITE too large for a datagram may take TCP to the same address (RFC 3261 §18.1.1).
    pub tcp_allowed: bool,
    /// The Request-URI.
    pub target: Uri,
    /// From, without a tag.
    pub from: NameAddr,
    /// To; the target when absent.
    pub to: Option<NameAddr>,
    /// P-Asserted-Identity (RFC 3325).
    pub identity: Option<NameAddr>,
    /// The offer. Without one the callee makes it, and it is told as `Offered`.
    pub body: Option<Body>,
    /// What answers a 401 or 407.
    pub credentials: Option<Credentials>,
    /// Max-Forwards; one less than the incoming call's when this call is made on its behalf (RFC 7332).
    pub max_forwards: u8,
    /// What to ask of session timers; the endpoint's own settings when absent.
    pub session_timer: Option<SessionTimer>,
    /// Further headers, written as they are.
    pub headers: Vec<(String, String)>,
}

impl Invite {
    /// A plain call; the other fields may be set before it is handed over.
    pub fn new(flow: Flow, target: Uri, from: NameAddr) -> Self {
        Self {
            flow,
            tcp_allowed: false,
            target,
            from,
            to: None,
            identity: None,
            body: None,
            credentials: None,
            max_forwards: crate::session::MAX_FORWARDS,
            session_timer: None,
            headers: Vec::new(),
        }
    }
}

/// Whom we call, and on whose behalf, is nobody's business but theirs.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Invite({:?}, {:?}, {} headers)",
            self.flow,
            self.body,
            self.headers.len()
        )
    }
}

/// A provisional response to an incoming call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisional {
    /// 101-199.
    pub status: u16,
    /// The answer, or our offer when their INVITE had none. An offer travels only reliably (RFC 3262 §5), so it is left out
    /// of a response that is not.
    pub body: Option<Body>,
    /// When to ask for a PRACK.
    pub reliable: Reliable,
}

/// Whether a provisional response asks to be acknowledged (RFC 3262 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reliable {
    /// When they understand 100rel.
    IfSupported,
    /// Only when they insist on it.
    IfRequired,
}

/// A refusal of an incoming call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// 300-699.
    pub status: u16,
    /// Retry-After, in seconds.
    pub retry_after_s: Option<u32>,
    /// The text of a Warning header (RFC 3261 §20.43, code 399).
    pub warning: Option<&'static str>,
    /// The text of a Reason header (RFC 3326), for whoever reads the trace.
    pub reason: Option<&'static str>,
}

impl Refusal {
    /// A refusal that says no more than its status.
    pub const fn of(status: u16) -> Self {
        Self {
            status,
            retry_after_s: None,
            warning: None,
            reason: None,
        }
    }
}

/// Whether new calls are welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// OPTIONS is answered 200.
    Yes,
    /// OPTIONS is answered 503. New INVITEs are still handed on: whoever keeps the book refuses them and writes it down.
    Closed {
        /// Retry-After, in seconds.
        retry_after_s: u32,
    },
    /// OPTIONS and new INVITEs are answered 503; calls in progress go on.
    Draining {
        /// Retry-After, in seconds.
        retry_after_s: u32,
    },
}

/// A verb that does not fit the session's state; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// No such session, or it is over.
    #[error("there is no such session")]
    NoSession,
    /// The session is not established yet.
    #[error("the session is not established")]
    NotEstablished,
    /// An offer of ours already waits for its answer (RFC 3264 §4).
    #[error("an offer is already outstanding")]
    OfferOutstanding,
}

/// What an endpoint holds; all zero when every call is over and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Transactions, all four kinds.
    pub transactions: usize,
    /// Dialogs that requests could still find.
    pub dialogs: usize,
    /// Sessions, those that are still ending included.
    pub sessions: usize,
    /// Requests of ours outside any dialog that wait for their answer.
    pub requests: usize,
}
