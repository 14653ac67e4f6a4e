//! Where to send a request: RFC 3263's walk from a name to addresses, as questions and answers (and RFC 2782, RFC 7118 §5.5).
//!
//! Nothing is asked here. A [`Locate`] says what it wants to know ([`Locate::poll`]), somebody with a resolver tells it
//! ([`Locate::answer`]), and when nothing is open any more [`Locate::finished`] gives the addresses in the order to try them.
//! What became of trying is remembered in [`DeadTargets`], which moves what did not answer to the end of the next list.
//!
//! One thing to know: the walk is a list of steps in the order of preference, and an answer puts its own steps in the place of
//! the step that asked. So the order of the result never depends on the order of the answers.

mod dead;
mod weigh;

pub use dead::{DEAD_AT_FIRST, DEAD_AT_MOST, DeadTargets, Failure, TARGETS_MAX};

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::message::{Host, Scheme, Uri};
use crate::transport::Transport;
use weigh::{Dice, in_order};

/// Records looked at in one answer; further ones are passed over.
pub const RECORDS_MAX: usize = 32;
/// Questions one walk asks.
pub const QUESTIONS_MAX: usize = 48;
/// Destinations one walk finds.
pub const DESTINATIONS_MAX: usize = 32;
/// Bytes of a domain name (RFC 1035 §2.3.4).
pub const NAME_BYTES_MAX: usize = 253;

/// Whom a request is for, as far as the way there is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// A name or an address.
    pub host: Host,
    /// A port, when one was written.
    pub port: Option<u16>,
    /// A transport, when one was written.
    pub transport: Option<Transport>,
    /// `sips:`: nothing but TLS will do.
    pub secure: bool,
}

impl Target {
    /// A name or address with nothing said about port and transport.
    pub const fn new(host: Host) -> Self {
        Self {
            host,
            port: None,
            transport: None,
            secure: false,
        }
    }

    /// What a URI says (RFC 3263 §4: `maddr` before the host). `None` when it leads nowhere by SIP: another scheme, an `maddr` that
    /// is no host, a transport nobody here knows, or `sips:` with UDP.
    pub fn of(uri: &Uri) -> Option<Self> {
        if !uri.is_sip() {
            return None;
        }
        let host = match uri.param("maddr") {
            Some(maddr) => Host::parse(maddr).ok()?,
            None => uri.host.clone(),
        };
        let transport = match uri.param("transport") {
            Some(name) => Some(Transport::named(name)?),
            None => None,
        };
        let target = Self {
            host,
            port: uri.port,
            transport,
            secure: uri.scheme == Scheme::Sips,
        };
        (!target.secure || transport != Some(Transport::Udp)).then_some(target)
    }

    /// The name a TLS certificate must carry: the one that was asked for, never one that the DNS led to (RFC 5922 §7.1).
    pub fn server_name(&self) -> String {
        match &self.host {
            // RFC 5922 names hosts without the brackets.
            Host::V6(address) => address.to_string(),
            host => host.to_string(),
        }
    }

    /// The transport when it is settled without asking (RFC 3263 §4.1): by the URI, or by an address or a port.
    fn settled(&self) -> Option<Transport> {
        match self.transport {
            // RFC 3261 §26.2.2: `sips:` with `transport=tcp` is TLS over TCP; RFC 7118 §5.3 for WebSockets.
            Some(Transport::Tcp) if self.secure => Some(Transport::Tls),
            Some(Transport::Ws) if self.secure => Some(Transport::Wss),
            Some(transport) => Some(transport),
            None if self.host.ip().is_some() || self.port.is_some() => {
                Some(if self.secure { Transport::Tls } else { Transport::Udp })
            }
            None => None,
        }
    }
}

/// What we can speak, most wanted first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// Transports we have a socket for. Where the DNS leaves the choice to us, this is its order.
    pub transports: Vec<Transport>,
    /// IP versions we have an address of.
    pub families: Families,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            transports: vec![Transport::Udp, Transport::Tcp, Transport::Tls],
            families: Families::V4ThenV6,
        }
    }
}

/// Which IP versions, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Families {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// Both, the IPv4 addresses of a name first.
    V4ThenV6,
    /// Both, the IPv6 addresses of a name first.
    V6ThenV4,
}

impl Families {
    fn arrange(self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let of = |v4: bool| addresses.iter().filter(move |address| address.is_ipv4() == v4).copied();
        match self {
            Families::V4 => of(true).collect(),
            Families::V6 => of(false).collect(),
            Families::V4ThenV6 => of(true).chain(of(false)).collect(),
            Families::V6ThenV4 => of(false).chain(of(true)).collect(),
        }
    }
}

/// What the DNS is asked. Names are lower case and without the last dot, so equal questions are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// NAPTR records of a domain (RFC 3263 §4.1).
    Naptr(String),
    /// SRV records of a service (RFC 2782).
    Srv(String),
    /// A and AAAA records of a host.
    Addresses(String),
}

/// What the DNS said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// NAPTR records.
    Naptr(Vec<Naptr>, Duration),
    /// SRV records.
    Srv(Vec<Srv>, Duration),
    /// Addresses, both versions together.
    Addresses(Vec<IpAddr>, Duration),
    /// There is no such record, or no such name; and for how long that is known.
    Nothing(Duration),
    /// It could not be asked: a time-out, a SERVFAIL.
    Failed,
}

/// One NAPTR record (RFC 3403 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lowest first; a higher one is not looked at when a lower one will do.
    pub order: u16,
    /// Lowest first among those of one order.
    pub preference: u16,
    /// `s` is the only one RFC 3263 knows.
    pub flags: String,
    /// `SIP+D2U` and its like.
    pub services: String,
    /// Must be empty: SIP's rules replace whole names.
    pub regexp: String,
    /// The name to go on with.
    pub replacement: String,
}

/// One SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lowest first.
    pub priority: u16,
    /// The share of calls among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` says that the service is not to be had here.
    pub target: String,
}

/// One place to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
}

/// One walk from a target to its destinations.
#[derive(Debug, Clone)]
pub struct Locate {
    target: Target,
    preferences: Preferences,
    dice: Dice,
    steps: Vec<Step>,
    /// Everything asked so far, with what is known of it: nothing is asked twice, and never more than [`QUESTIONS_MAX`].
    asked: Vec<(Question, Option<Answer>)>,
    unpolled: Vec<Question>,
    lasts: Duration,
    failed: bool,
    /// An SRV record said that there is no such service here (RFC 2782, a target of `.`).
    refused: bool,
}

/// A place in the order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Waits for the domain's rules.
    Rules { question: Question },
    /// Waits for a service's servers.
    Servers { question: Question, transport: Transport },
    /// Waits for a host's addresses.
    Host {
        question: Question,
        transport: Transport,
        port: u16,
    },
    /// Asks the domain's own addresses when everything before it came to nothing (RFC 3263 §4.2, last sentence).
    Otherwise { transport: Transport },
    /// Found.
    Found(Destination),
}

impl Step {
    fn question(&self) -> Option<&Question> {
        match self {
            Step::Rules { question } | Step::Servers { question, .. } | Step::Host { question, .. } => Some(question),
            Step::Otherwise { .. } | Step::Found(_) => None,
        }
    }
}

/// How long a result is good when no answer said anything: an address written as one never changes.
const LASTS_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// How long a result is good when an answer was missing.
const LASTS_WHEN_FAILED: Duration = Duration::from_secs(30);

impl Locate {
    /// Begins. `draw` is fresh randomness: the SRV weights are drawn with it.
    pub fn new(target: Target, preferences: Preferences, draw: [u8; 16]) -> Self {
        let mut locate = Self {
            target,
            preferences,
            dice: Dice::new(draw),
            steps: Vec::new(),
            asked: Vec::new(),
            unpolled: Vec::new(),
            lasts: LASTS_AT_MOST,
            failed: false,
            refused: false,
        };
        let steps = locate.begin();
        locate.steps = steps;
        locate.settle();
        locate
    }

    /// The next question nobody has been asked yet. Questions may be asked side by side.
    pub fn poll(&mut self) -> Option<Question> {
        (!self.unpolled.is_empty()).then(|| self.unpolled.remove(0))
    }

    /// Takes an answer. One to a question that is not open, or of another kind than its question, changes nothing.
    pub fn answer(&mut self, question: &Question, answer: &Answer) {
        if !self.steps.iter().any(|step| step.question() == Some(question)) || !fits(question, answer) {
            return;
        }
        self.unpolled.retain(|unpolled| unpolled != question);
        self.lasts = self.lasts.min(match answer {
            Answer::Naptr(_, ttl) | Answer::Srv(_, ttl) | Answer::Addresses(_, ttl) | Answer::Nothing(ttl) => *ttl,
            Answer::Failed => LASTS_WHEN_FAILED,
        });
        self.failed |= *answer == Answer::Failed;
        if let Some((_, known)) = self.asked.iter_mut().find(|(asked, _)| asked == question) {
            *known = Some(answer.clone());
        }
        let mut steps = Vec::with_capacity(self.steps.len());
        for step in std::mem::take(&mut self.steps) {
            if step.question() == Some(question) {
                steps.extend(self.next(step, answer));
            } else {
                steps.push(step);
            }
        }
        self.steps = steps;
        self.settle();
    }

    /// The places to try, in their order, once no question is open. An empty list: there is no way to this target that we speak.
    pub fn finished(&self) -> Option<Vec<Destination>> {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Found(destination) => Some(*destination),
                _ => None,
            })
            .collect()
    }

    /// How long what was found may be used without asking again: the shortest time any answer gave.
    pub const fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Whether a question could not be asked, so that asking again soon may find more.
    pub const fn is_doubtful(&self) -> bool {
        self.failed
    }

    /// Whom it is for.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// RFC 3263 §4.1 and §4.2, as far as they go without the DNS.
    fn begin(&mut self) -> Vec<Step> {
        let name = match &self.target.host {
            Host::Absent => return Vec::new(),
            Host::Name(name) => match tidy(name) {
                Some(name) => name,
                None => return Vec::new(),
            },
            Host::V4(_) | Host::V6(_) => String::new(),
        };
        let Some(transport) = self.target.settled() else {
            return self.ask(Question::Naptr(name), |question| Step::Rules { question });
        };
        if !self.speaks(transport) {
            return Vec::new();
        }
        if let Some(address) = self.target.host.ip() {
            let port = self.target.port.unwrap_or(transport.default_port());
            return self.found(transport, port, &[address]);
        }
        if let Some(port) = self.target.port {
            return self.ask_host(&name, transport, port);
        }
        // §4.2: the transport is known, the port is not: SRV, and without one the addresses themselves.
        let mut steps = self.ask_service(&name, transport);
        steps.push(Step::Otherwise { transport });
        steps
    }

    /// What an answer puts in the place of the step that asked.
    fn next(&mut self, step: Step, answer: &Answer) -> Vec<Step> {
        match (step, answer) {
            (
                Step::Rules {
                    question: Question::Naptr(name),
                },
                answer,
            ) => match answer {
                Answer::Naptr(records, _) => match self.rules(records) {
                    Some(steps) => steps,
                    None => self.every_service(&name),
                },
                // RFC 3263 §4.1: "If no NAPTR records are found, the client constructs SRV queries". A server that will not say
                // is treated alike: a doctor must be rung.
                _ => self.every_service(&name),
            },
            (Step::Servers { transport, .. }, Answer::Srv(records, _)) => self.servers(records, transport),
            (Step::Host { transport, port, .. }, Answer::Addresses(addresses, _)) => {
                let known = addresses.get(..addresses.len().min(RECORDS_MAX)).unwrap_or_default();
                self.found(transport, port, known)
            }
            // Nothing, and could not be asked.
            _ => Vec::new(),
        }
    }

    /// Brings the list to rest: the last resort is taken or dropped, and what is found twice stands once.
    fn settle(&mut self) {
        while let Some(at) = self
            .steps
            .iter()
            .position(|step| matches!(step, Step::Otherwise { .. }))
        {
            let before = self.steps.get(..at).unwrap_or_default();
            if before.iter().any(|step| step.question().is_some()) {
                break;
            }
            let wanted = before.is_empty() && !self.refused;
            let Step::Otherwise { transport } = self.steps.remove(at) else {
                break;
            };
            if wanted
                && let Host::Name(name) = &self.target.host
                && let Some(name) = tidy(name)
            {
                let steps = self.ask_host(&name, transport, transport.default_port());
                self.steps.splice(at..at, steps);
            }
        }
        let mut seen = Vec::new();
        self.steps.retain(|step| match step {
            Step::Found(_) if seen.contains(step) || seen.len() == DESTINATIONS_MAX => false,
            Step::Found(_) => {
                seen.push(step.clone());
                true
            }
            _ => true,
        });
    }

    /// The rules of a domain, in order. `None` when none of them is about SIP.
    fn rules(&mut self, records: &[Naptr]) -> Option<Vec<Step>> {
        let mut rules = records
            .iter()
            .take(RECORDS_MAX)
            .filter_map(|record| Some((record, service(&record.services)?)))
            .collect::<Vec<_>>();
        if rules.is_empty() {
            return None;
        }
        rules.retain(|(record, transport)| {
            // RFC 3263 §4.1: services we do not speak are discarded, and for `sips:` all that are not secure.
            transport.is_some_and(|transport| self.speaks(transport))
                && record.flags.eq_ignore_ascii_case("s")
                && record.regexp.is_empty()
        });
        rules.sort_by_key(|(record, _)| (record.order, record.preference));
        // RFC 3403 §4.1: once a record matches, those of a higher order are not considered.
        let order = rules.first().map(|(record, _)| record.order);
        let mut steps = Vec::new();
        for (record, transport) in rules {
            if let (Some(transport), Some(name)) = (transport, tidy(&record.replacement))
                && Some(record.order) == order
            {
                steps.extend(self.ask(Question::Srv(name), |question| Step::Servers { question, transport }));
            }
        }
        Some(steps)
    }

    /// RFC 3263 §4.1: without rules, one SRV query for each transport we speak; and without servers, the domain's own addresses.
    fn every_service(&mut self, name: &str) -> Vec<Step> {
        let mut steps = Vec::new();
        for transport in self.preferences.transports.clone() {
            if self.speaks(transport) {
                steps.extend(self.ask_service(name, transport));
            }
        }
        let otherwise = if self.target.secure {
            Transport::Tls
        } else {
            Transport::Udp
        };
        // Without UDP of our own, what we have is better than nothing (§4.1: "it SHOULD use UDP").
        let own = self.preferences.transports.iter().copied();
        let own = own.filter(|own| own.is_secure() || !self.target.secure);
        let otherwise = own.clone().find(|own| *own == otherwise).or(own.clone().next());
        steps.extend(otherwise.map(|transport| Step::Otherwise { transport }));
        steps
    }

    fn servers(&mut self, records: &[Srv], transport: Transport) -> Vec<Step> {
        let mut steps = Vec::new();
        for record in in_order(records, &mut self.dice) {
            if record.target == "." || record.target.is_empty() {
                self.refused = true;
            } else if let Ok(address) = record.target.trim_end_matches('.').parse::<IpAddr>() {
                // RFC 2782 wants a name here; some zones have addresses, and what they mean is plain.
                steps.extend(self.found(transport, record.port, &[address]));
            } else if let Some(name) = tidy(&record.target) {
                steps.extend(self.ask_host(&name, transport, record.port));
            }
        }
        steps
    }

    /// Whether we have a socket for it, and it is secure enough.
    fn speaks(&self, transport: Transport) -> bool {
        self.preferences.transports.contains(&transport) && (transport.is_secure() || !self.target.secure)
    }

    fn ask_service(&mut self, name: &str, transport: Transport) -> Vec<Step> {
        let prefix = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
            // RFC 7118 §5.5 defines no SRV name of its own for WebSockets, only NAPTR services.
            _ => return Vec::new(),
        };
        match tidy(&format!("{prefix}.{name}")) {
            Some(name) => self.ask(Question::Srv(name), |question| Step::Servers { question, transport }),
            None => Vec::new(),
        }
    }

    fn ask_host(&mut self, name: &str, transport: Transport, port: u16) -> Vec<Step> {
        self.ask(Question::Addresses(name.to_owned()), |question| Step::Host {
            question,
            transport,
            port,
        })
    }

    /// A step that waits for this question, or what the answer makes of it when that is known already.
    fn ask(&mut self, question: Question, step: impl FnOnce(Question) -> Step) -> Vec<Step> {
        match self.asked.iter().find(|(asked, _)| *asked == question) {
            Some((_, Some(answer))) => {
                let answer = answer.clone();
                self.next(step(question), &answer)
            }
            Some((_, None)) => vec![step(question)],
            None if self.asked.len() == QUESTIONS_MAX => Vec::new(),
            None => {
                self.asked.push((question.clone(), None));
                self.unpolled.push(question.clone());
                vec![step(question)]
            }
        }
    }

    fn found(&self, transport: Transport, port: u16, addresses: &[IpAddr]) -> Vec<Step> {
        let addresses = self.preferences.families.arrange(addresses).into_iter();
        addresses
            .filter(|address| !address.is_unspecified() && !address.is_multicast() && port != 0)
            .map(|address| {
                Step::Found(Destination {
                    transport,
                    address: SocketAddr::new(address, port),
                })
            })
            .collect()
    }
}

/// Whether an answer is of its question's kind.
const fn fits(question: &Question, answer: &Answer) -> bool {
    matches!(
        (question, answer),
        (_, Answer::Nothing(_) | Answer::Failed)
            | (Question::Naptr(_), Answer::Naptr(..))
            | (Question::Srv(_), Answer::Srv(..))
            | (Question::Addresses(_), Answer::Addresses(..))
    )
}

/// What a NAPTR's service field means: `None` nothing of SIP's, `Some(None)` a way of SIP's that we do not have.
fn service(services: &str) -> Option<Option<Transport>> {
    let (protocol, resolution) = services.split_once('+')?;
    let secure = if protocol.eq_ignore_ascii_case("SIPS") {
        true
    } else if protocol.eq_ignore_ascii_case("SIP") {
        false
    } else {
        return None;
    };
    Some(match (resolution.to_ascii_uppercase().as_str(), secure) {
        ("D2U", false) => Some(Transport::Udp),
        ("D2T", false) => Some(Transport::Tcp),
        ("D2T", true) => Some(Transport::Tls),
        ("D2W", false) => Some(Transport::Ws),
        ("D2W", true) => Some(Transport::Wss),
        _ => None,
    })
}

/// A name fit to be asked for: lower case, no last dot, within its limits, nothing but what a name is made of.
fn tidy(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_label = |label: &str| {
        // RFC 1035 §2.3.4.
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label)).then_some(name)
}

#[cfg(test)]
mod tests;
