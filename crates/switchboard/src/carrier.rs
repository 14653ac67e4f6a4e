//! The far end of the trunks in a rehearsal: which of its addresses answer, what it asks for, how it makes trouble.
//!
//! [`crate::world`] puts it between the desk and the telephone. It speaks SIP of its own only where the telephone would
//! not: a dead address, a 503, a challenge, the same call by a second edge, a mobile that forwards back to the practice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use phi::Phi;
use sip::digest::Answer as Proof;
use sip::locate::{Answer, Question};
use sip::message::{HeaderName, Message, Method, Request, Response, StatusCode};

use crate::trunk::{Network, Outbound, Trunk};

/// Where the telephone of a world stands when nobody says otherwise.
pub(crate) const EDGE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 5060);
/// Another edge of the same carrier.
pub(crate) const SECOND_EDGE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)), 5060);
/// The realm of its challenges, and the only nonce it ever draws.
const REALM: &str = "carrier.example";
const NONCE: &str = "bmlnaHRkZXNr";

/// How a carrier behaves.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// Its trunks, as the desk is configured for them.
    pub trunks: Vec<Trunk>,
    /// What the DNS says of its names; of all others, nothing.
    pub names: BTreeMap<Question, Answer>,
    /// Addresses at which nobody is.
    pub dead: BTreeSet<IpAddr>,
    /// Addresses that answer every INVITE with 503.
    pub unavailable: BTreeSet<IpAddr>,
    /// Challenges our INVITEs, and takes this account with [`PASSWORD`].
    pub challenges: Option<String>,
    /// Says nothing to OPTIONS in this time of the night.
    pub deaf: Option<(Duration, Duration)>,
    /// Its callers' INVITEs bring no offer.
    pub offers_late: bool,
    /// Its callers' INVITEs come by a second edge as well, so much later.
    pub by_second_edge: Option<Duration>,
    /// Whose mobile forwards to the practice: a number of theirs.
    pub forwards_back: BTreeSet<String>,
    /// Calls one practice may have.
    pub calls_per_practice_max: Option<usize>,
}

impl Default for Carrier {
    fn default() -> Self {
        let sources = [EDGE, SECOND_EDGE].map(|edge| Network::host(edge.ip()));
        let outbound = Outbound {
            // A rehearsal is about the flow: that this trunk completes 988 is for `trunk test` to prove.
            crisis_line: sip::number::CrisisLine::Proved,
            ..Outbound::at(sip::Transport::Udp, EDGE)
        };
        let trunk = Trunk::new("carrier", sources).calling(Some(outbound));
        Self {
            trunks: vec![trunk],
            names: BTreeMap::new(),
            dead: BTreeSet::new(),
            unavailable: BTreeSet::new(),
            challenges: None,
            deaf: None,
            offers_late: false,
            by_second_edge: None,
            forwards_back: BTreeSet::new(),
            calls_per_practice_max: None,
        }
    }
}

/// What a carrier makes of one message, instead of handing it on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It goes to the telephone.
    HandedOn,
    /// It is lost, or dealt with: these come back from this address.
    Answered(Vec<(SocketAddr, Vec<u8>)>),
}

/// Calls that a mobile has sent back to the practice.
#[derive(Default)]
pub(crate) struct Forwarding {
    /// By the Call-ID of the call that came of it: the request it came of, and where that went.
    calls: BTreeMap<String, (Request, SocketAddr)>,
}

impl Carrier {
    /// A message of the desk's, on its way to `to`, so long into the night.
    pub(crate) fn meets(&self, at: Duration, to: SocketAddr, bytes: &[u8], forwarding: &mut Forwarding) -> Made {
        if self.dead.contains(&to.ip()) {
            return Made::Answered(Vec::new());
        }
        let request = match Message::parse(bytes) {
            Ok(Message::Request(request)) => request,
            Ok(Message::Response(response)) => return self.refused_again(&response, forwarding),
            Err(_) => return Made::HandedOn,
        };
        let from = |response: Response| vec![(to, response.to_bytes())];
        let begins = request.method == Method::Invite && request.to_tag().is_none();
        match request.method {
            Method::Options if self.deaf.is_some_and(|(from, until)| (from..until).contains(&at)) => {
                Made::Answered(Vec::new())
            }
            Method::Invite if begins && self.unavailable.contains(&to.ip()) => {
                Made::Answered(from(refusal(&request, 503)))
            }
            Method::Ack if self.unavailable.contains(&to.ip()) => Made::Answered(Vec::new()),
            Method::Invite if begins && !self.is_satisfied(&request) => {
                let mut challenge = refusal(&request, 407);
                let value = format!("Digest realm=\"{REALM}\", nonce=\"{NONCE}\", algorithm=SHA-256, qop=\"auth\"");
                challenge.headers.push(HeaderName::ProxyAuthenticate, value);
                Made::Answered(from(challenge))
            }
            Method::Invite if begins && self.is_forwarded(&request) => {
                let (call, sent_back) = sent_back(&request);
                forwarding.calls.insert(call, (request.clone(), to));
                let ringing = refusal(&request, 100);
                Made::Answered(vec![(to, ringing.to_bytes()), (EDGE, sent_back)])
            }
            _ => Made::HandedOn,
        }
    }

    fn is_satisfied(&self, request: &Request) -> bool {
        let Some(account) = &self.challenges else { return true };
        let proofs = Proof::all(&request.headers, true);
        proofs.iter().any(|proof| {
            proof.username.expose() == account
                && proof.nonce == NONCE
                && proof.proves(PASSWORD, &request.method, &request.body)
        })
    }

    fn is_forwarded(&self, request: &Request) -> bool {
        let number = request.uri.number().map(Phi::into_exposed).unwrap_or_default();
        self.forwards_back.contains(&number)
    }

    /// The desk refused a call that a mobile sent back: the network tells the desk that the mobile is not reached.
    fn refused_again(&self, response: &Response, forwarding: &mut Forwarding) -> Made {
        let call = response.headers.call_id().unwrap_or_default();
        if response.status.code() < 200 {
            return match forwarding.calls.contains_key(call) {
                true => Made::Answered(Vec::new()),
                false => Made::HandedOn,
            };
        }
        match forwarding.calls.remove(call) {
            Some((request, to)) => Made::Answered(vec![(to, refusal(&request, 480).to_bytes())]),
            None => Made::HandedOn,
        }
    }
}

/// What the carriers of rehearsals expect of us.
pub const PASSWORD: &str = "a password for rehearsals";

fn refusal(request: &Request, status: u16) -> Response {
    let status = StatusCode::new(status).unwrap_or(StatusCode::of(500));
    request.respond_with_tag(status, "carrier")
}

/// The call that a forwarding mobile makes of ours, and its Call-ID.
fn sent_back(request: &Request) -> (String, Vec<u8>) {
    let mut back = request.clone();
    let call = format!("forwarded-{}", request.call_id().unwrap_or_default());
    let mobile = request.uri.number().map(Phi::into_exposed).unwrap_or_default();
    let practice = request.headers.from().and_then(|from| from.uri.number());
    let practice = practice.map(Phi::into_exposed).unwrap_or_default();
    back.uri = sip::message::Uri::sip(Some(&practice), sip::message::Host::from(EDGE.ip()), None);
    let headers = &mut back.headers;
    headers.set(HeaderName::Via, format!("SIP/2.0/UDP {EDGE};branch=z9hG4bK{call}"));
    headers.set(HeaderName::CallId, &call);
    headers.set(HeaderName::To, format!("<sip:{practice}@{EDGE}>"));
    headers.set(HeaderName::Contact, format!("<sip:{EDGE}>"));
    headers.set("Diversion", format!("<sip:{mobile}@{EDGE}>;reason=unconditional"));
    (call, back.to_bytes())
}

/// The same INVITE as another edge of the carrier sends it.
pub(crate) fn by_second_edge(bytes: &[u8]) -> Option<Vec<u8>> {
    let Ok(Message::Request(mut invite)) = Message::parse(bytes) else {
        return None;
    };
    let call = format!("second-{}", invite.call_id()?);
    let headers = &mut invite.headers;
    headers.set(
        HeaderName::Via,
        format!("SIP/2.0/UDP {SECOND_EDGE};branch=z9hG4bK{call}"),
    );
    headers.set(HeaderName::CallId, &call);
    headers.set(HeaderName::Contact, format!("<sip:{SECOND_EDGE}>"));
    Some(invite.to_bytes())
}
