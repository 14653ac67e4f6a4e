//! One carrier as the switchboard knows it (integrations.md §1.2): whom to believe, where to call, what it wants to see.
//!
//! Plain values with a constructor each, so that whoever writes one names only what differs from the usual. Nothing here
//! decides anything: [`crate::Desk`] does.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use media::sdp::Security;
use phi::Phi;
pub use sip::SessionTimer;
pub use sip::locate::Target;
use sip::message::Host;
use sip::number::{Country, CrisisLine, Format};

/// Extra headers one trunk may have on our INVITEs.
pub const HEADERS_MAX: usize = 16;
/// Targets one trunk may have.
pub const TARGETS_MAX: usize = 8;

/// A carrier that brings us calls and takes ours.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// The name used in configuration, facts and logs.
    pub id: String,
    /// Where its signalling may come from; everything else is a stranger.
    pub sources: Vec<Network>,
    /// Names of which one must stand in the certificate of a TLS client; then it may come from anywhere. Compared as
    /// they are, without wildcards (RFC 5922 §7.2).
    pub client_names: Vec<String>,
    /// Accounts of which one must answer our challenge before a call of this trunk is taken, wherever it comes from.
    pub inbound_digest: Option<InboundDigest>,
    /// Where our calls go, and how they look there; `None`: inbound only.
    pub outbound: Option<Outbound>,
    /// User and password, where the trunk challenges our requests with 401 or 407.
    pub credentials: Option<sip::digest::Credentials>,
    /// Where we tell the carrier our address, if it wants to be told.
    pub registration: Option<Registration>,
    /// Whether audio is encrypted on its legs.
    pub security: Security,
    /// Its codecs in our order of preference; empty: the desk's.
    pub codecs: Vec<media::sdp::Codec>,
    /// Where it is at home: what its national numbers mean.
    pub country: Country,
    /// How much of us it may take.
    pub limits: TrunkLimits,
    /// How its health is asked for; `None`: it is not.
    pub ping: Option<Ping>,
    /// How long a session may live without a sign (RFC 4028); `None`: until it ends.
    pub session_timer: Option<SessionTimer>,
    /// Whether what it says about the caller's identity is kept (integrations.md §1.4). It is never used to refuse.
    pub believes_verdict: bool,
    /// Two calls of the same numbers within this time are one call that came by two of its edges; zero: never.
    pub merges_within: Duration,
    /// A number, E.164, at which its engineers get the report card of their own call (`crate::card`). It belongs to no
    /// practice and is told to the carrier alone; a practice's number it never is.
    pub report_card: Option<Phi<String>>,
}

impl Trunk {
    /// A trunk that is known by where it comes from, brings calls and takes none.
    pub fn new(id: impl Into<String>, sources: impl IntoIterator<Item = Network>) -> Self {
        Self {
            id: id.into(),
            sources: sources.into_iter().collect(),
            client_names: Vec::new(),
            inbound_digest: None,
            outbound: None,
            credentials: None,
            registration: None,
            security: Security::Off,
            codecs: Vec::new(),
            country: Country::US,
            limits: TrunkLimits::default(),
            ping: None,
            session_timer: Some(SessionTimer::default()),
            believes_verdict: true,
            merges_within: Duration::from_secs(3),
            report_card: None,
        }
    }

    /// The same trunk with somewhere to call.
    #[must_use]
    pub fn calling(self, outbound: Option<Outbound>) -> Self {
        Self { outbound, ..self }
    }
}

/// Who may call by user and password.
#[derive(Clone, Debug)]
pub struct InboundDigest {
    /// Said in the challenge.
    pub realm: String,
    /// Users and their passwords.
    pub accounts: Vec<sip::digest::Credentials>,
}

/// Where our calls go, and how they look there.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// In this order; each is found by RFC 3263, and the next is tried when one cannot take the call.
    pub targets: Vec<Target>,
    /// The host of From and of the caller's identity; `None`: the address we call from.
    pub domain: Option<String>,
    /// How the number called is written.
    pub number_format: Format,
    /// Written before the number called, where the carrier knows us by it (`12345678*`).
    pub tech_prefix: String,
    /// The headers that show the practice's number. From carries the account's name when it is not among them.
    pub caller_id: Vec<CallerId>,
    /// Numbers the carrier lets us show, E.164; the first stands in for a practice that has none of them. Empty: any.
    pub caller_numbers: Vec<String>,
    /// Further headers, for instance `P-Charge-Info`; a token among them is a secret.
    pub headers: Vec<(String, Phi<String>)>,
    /// Whether 988 is reached by it. 911 and its like are called by no trunk.
    pub crisis_line: CrisisLine,
}

impl Outbound {
    /// Calls to one place, numbers as `+E.164`, the practice's number in P-Asserted-Identity and From.
    pub fn to(target: Target) -> Self {
        Self {
            targets: vec![target],
            domain: None,
            number_format: Format::default(),
            tech_prefix: String::new(),
            caller_id: vec![CallerId::Asserted, CallerId::From],
            caller_numbers: Vec::new(),
            headers: Vec::new(),
            crisis_line: CrisisLine::default(),
        }
    }

    /// The same, to a numeric address.
    pub fn at(transport: sip::Transport, address: SocketAddr) -> Self {
        Self::to(Target {
            port: Some(address.port()),
            transport: Some(transport),
            ..Target::new(Host::from(address.ip()))
        })
    }
}

/// Where and how we register (RFC 3261 §10).
#[derive(Clone, Debug)]
pub struct Registration {
    /// The registrar.
    pub registrar: Target,
    /// The user part of our address of record; the account's name when absent.
    pub user: Option<String>,
    /// How long each registration should last, in seconds.
    pub expires_s: u32,
}

impl Registration {
    /// With the registrar's usual five minutes.
    pub fn at(registrar: Target) -> Self {
        Self {
            registrar,
            user: None,
            expires_s: 300,
        }
    }
}

/// A header that shows who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerId {
    /// P-Asserted-Identity (RFC 3325).
    Asserted,
    /// Remote-Party-ID, which never became an RFC and which some carriers still ask for.
    RemoteParty,
    /// From.
    From,
}

/// How much of us one trunk may take, and we of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrunkLimits {
    /// Its calls in progress.
    pub calls_in_max: usize,
    /// Our calls on it.
    pub calls_out_max: usize,
    /// Its new calls in one second; beyond it they are refused with 503.
    pub calls_in_per_s: u32,
    /// Our new calls in one second; beyond it they wait.
    pub calls_out_per_s: u32,
}

impl Default for TrunkLimits {
    fn default() -> Self {
        Self {
            calls_in_max: 10_000,
            calls_out_max: 10_000,
            calls_in_per_s: 1_000,
            calls_out_per_s: 100,
        }
    }
}

/// OPTIONS as a question after somebody's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// How often.
    pub every: Duration,
    /// A question not answered within this is missed, or when the next one is due.
    pub answer_within: Duration,
    /// So many missed in a row: it is down.
    pub down_after: u8,
    /// So many answered in a row: it is up again.
    pub up_after: u8,
}

impl Ping {
    /// How long a question may stay open: the next one takes its place.
    pub(crate) fn patience(&self) -> Duration {
        self.answer_within.min(self.every)
    }
}

impl Default for Ping {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(30),
            answer_within: Duration::from_secs(8),
            down_after: 3,
            up_after: 2,
        }
    }
}

/// Whether a trunk answers when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is not asked.
    NotAsked,
    /// Nothing is known yet; calls are tried.
    Unknown,
    /// It answers.
    Up,
    /// It does not; calls go there when nothing else is left.
    Down,
}

impl Reach {
    pub(crate) fn is_down(self) -> bool {
        self == Self::Down
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "not asked",
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// Whether a carrier knows where we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It does not want to be told.
    NotAsked,
    /// Not now; it is tried again.
    No,
    /// For this long, unless it is told again before.
    Until(Duration),
}

/// One address of a trunk, as OPTIONS have shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressStatus {
    /// Where.
    pub at: sip::locate::Destination,
    /// Whether it is taken for one that answers.
    pub answers: bool,
    /// How long ago it answered last, and with which status.
    pub answered: Option<(Duration, u16)>,
}

/// Calls of one trunk that were refused for one reason since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedCalls {
    /// With which status.
    pub status: u16,
    /// Why, from the table of faults.
    pub why: &'static str,
    /// How many.
    pub calls: u64,
}

/// One trunk as it is at an instant, for whoever looks after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkStatus {
    /// Its name.
    pub id: String,
    /// Whether it answers.
    pub reach: Reach,
    /// For how long that has been so.
    pub since: Duration,
    /// How long its fastest address took to answer the last time.
    pub round_trip: Option<Duration>,
    /// The addresses asked.
    pub addresses: Vec<AddressStatus>,
    /// Whether it knows where we are.
    pub registered: Registered,
    /// Its callers who are here.
    pub calls_in: usize,
    /// Our calls on it.
    pub calls_out: usize,
    /// What it may have of us.
    pub limits: TrunkLimits,
    /// Its calls that were refused, by reason.
    pub refused: Vec<RefusedCalls>,
}

/// A network from which a trunk's signalling may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// Any address of it.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// One address alone.
    pub fn host(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    /// Reads `192.0.2.0/24`, or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix): (IpAddr, u8) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, prefix.parse().ok()?),
            None => return text.parse().ok().map(Self::host),
        };
        let widest = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= widest).then_some(Self { address, prefix })
    }

    /// Whether the address lies in this network. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                ours.to_bits() & mask == theirs.to_bits() & mask
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                ours.to_bits() & mask == theirs.to_bits() & mask
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn networks_hold_their_own_and_no_others() {
        let trunk = Network::parse("54.172.60.0/30").expect("a network");
        assert!(trunk.contains("54.172.60.3".parse().expect("an address")));
        assert!(!trunk.contains("54.172.60.4".parse().expect("an address")));
        assert!(trunk.contains("::ffff:54.172.60.1".parse().expect("an address")));
        assert!(
            Network::parse("0.0.0.0/0")
                .expect("all")
                .contains("203.0.113.9".parse().expect("an address"))
        );
        assert!(
            Network::parse("2001:db8::/32")
                .expect("v6")
                .contains("2001:db8::5".parse().expect("an address"))
        );
        assert_eq!(Network::parse("192.0.2.0/33"), None);
    }
}
