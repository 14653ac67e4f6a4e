//! `nightdesk trunk check`: the report card of a peer, made by calling it (T2).
//!
//! Everything is tried with our own SIP and media rooms on sockets of their own, so that it can run beside a serving engine. What a
//! line claims was seen on the wire ([`wire::Seen`]), never assumed; what the other side alone could confirm (that it heard a key)
//! is confirmed when it echoes, as the number of our own `report card` does, and said to be unconfirmed when it does not.

mod secure;
mod steps;
mod wire;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use media::sdp::{Codec, Security};
use sip::message::{NameAddr, Uri};
use switchboard::card::{Card, Grade, Item, Line};

use wire::{Ends, Wire};

/// Two intervals of RTCP, drawn at random around five seconds (RFC 3550 §6.2).
pub(crate) const REPORTS_WITHIN: Duration = Duration::from_secs(12);
/// Between two calls: small accounts may place two in a second.
const BETWEEN_CALLS: Duration = Duration::from_millis(1_500);
/// What is checked, and as whom.
pub(crate) struct Plan {
    /// How to get there.
    pub(crate) transport: sip::Transport,
    /// The address.
    pub(crate) remote: std::net::SocketAddr,
    /// The name its certificate must carry.
    pub(crate) name: String,
    /// Who vouches for certificates.
    pub(crate) roots: PathBuf,
    /// Our address.
    pub(crate) local: IpAddr,
    /// What others are told it is.
    pub(crate) advertised: Option<IpAddr>,
    /// Ports of our audio.
    pub(crate) rtp_ports: Option<RangeInclusive<u16>>,
    /// Whom OPTIONS are sent to.
    pub(crate) host: Uri,
    /// Whom to call, if anybody.
    pub(crate) called: Option<Uri>,
    /// Who calls.
    pub(crate) from: NameAddr,
    /// Who calls, asserted; only for a trunk that knows us.
    pub(crate) identity: Option<NameAddr>,
    /// What answers a challenge.
    pub(crate) credentials: Option<sip::Credentials>,
    /// What else our INVITEs carry.
    pub(crate) headers: Vec<(String, String)>,
    /// Codecs to offer, best first.
    pub(crate) codecs: Vec<Codec>,
    /// Whether audio is encrypted.
    pub(crate) security: Security,
    /// How long their RTCP reports are waited for.
    pub(crate) reports_within: Duration,
}

/// Fills a card. Each line is told as soon as it is known.
pub(crate) fn card(plan: &Plan, tell: &mut dyn FnMut(&Line)) -> Card {
    let mut card = Card::default();
    match open(plan, &mut card) {
        Some((wire, trusted)) => {
            let mut check = Check {
                plan,
                card,
                wire,
                trusted,
                tell,
            };
            check.run();
            check.card
        }
        None => {
            card.lines().for_each(tell);
            card
        }
    }
}

/// OPTIONS alone: whether the peer is there, and lets us in.
pub(crate) fn ping(plan: &Plan, tell: &mut dyn FnMut(&Line)) -> Card {
    let mut card = Card::default();
    let Some((wire, trusted)) = open(plan, &mut card) else {
        card.lines().for_each(tell);
        return card;
    };
    let mut check = Check {
        plan,
        card,
        wire,
        trusted,
        tell,
    };
    check.tell_opening();
    check.options();
    if check.plan.called.is_some() {
        check.short_call();
    }
    check.card
}

/// Opens the way. With a certificate that proves nothing the way is open, and not trusted.
fn open(plan: &Plan, card: &mut Card) -> Option<(Wire, bool)> {
    let began = Instant::now();
    let ends = Ends {
        transport: plan.transport,
        remote: plan.remote,
        local: plan.local,
        advertised: plan.advertised,
        rtp_ports: plan.rtp_ports.clone(),
    };
    let mut trusted = true;
    let secured = if plan.transport.is_secure() {
        match secure::handshake(plan.remote, &plan.name, &plan.roots) {
            Ok((secured, shown)) => {
                trusted = shown.certificate.is_ok();
                grade_tls(plan, card, &shown);
                Some(secured)
            }
            Err(why) => {
                card.note(Item::Reachable, Grade::Fail, format!("{}: {why}", plan.remote));
                card.note(Item::Tls, Grade::Fail, why);
                return None;
            }
        }
    } else {
        card.note(
            Item::Tls,
            Grade::NotTried,
            format!("asked for {}", plan.transport.name()),
        );
        None
    };
    match Wire::open(ends, secured) {
        Ok(wire) => {
            let words = match plan.transport {
                sip::Transport::Udp => format!("by UDP at {}; datagrams tell nothing until answered", plan.remote),
                other => format!(
                    "by {} at {} after {} ms",
                    other.name(),
                    plan.remote,
                    began.elapsed().as_millis()
                ),
            };
            card.note(Item::Reachable, Grade::Pass, words);
            Some((wire, trusted))
        }
        Err(error) => {
            card.note(
                Item::Reachable,
                Grade::Fail,
                format!("{} at {}: {error}", plan.transport.name(), plan.remote),
            );
            None
        }
    }
}

fn grade_tls(plan: &Plan, card: &mut Card, shown: &secure::Shown) {
    let spoken = format!("{}, {}", shown.version, shown.cipher);
    match (&shown.certificate, secure::takes_tls_1_1(plan.remote)) {
        (Err(why), _) => card.note(
            Item::Tls,
            Grade::Fail,
            format!("{spoken}; its certificate proves nothing: {why}; no password is sent over it"),
        ),
        (Ok(()), Some(true)) => card.note(Item::Tls, Grade::Fail, format!("{spoken}; but TLS 1.1 is still taken")),
        (Ok(()), Some(false)) => card.note(
            Item::Tls,
            Grade::Pass,
            format!("{spoken}; certificate good for {}; TLS 1.1 refused", plan.name),
        ),
        (Ok(()), None) => card.note(
            Item::Tls,
            Grade::Pass,
            format!(
                "{spoken}; certificate good for {}; TLS 1.1 left without an answer",
                plan.name
            ),
        ),
    }
}

struct Check<'a> {
    plan: &'a Plan,
    card: Card,
    wire: Wire,
    /// A password may be answered for over this way.
    trusted: bool,
    tell: &'a mut dyn FnMut(&Line),
}

impl Check<'_> {
    fn run(&mut self) {
        self.tell_opening();
        self.options();
        if self.plan.called.is_none() {
            self.skip_calls("no number to call: add `--call +1…`");
        } else if self.long_call() {
            for step in [
                Self::late_offer,
                Self::each_codec,
                Self::required_prack,
                Self::required_encryption,
            ] {
                self.wire.rest(BETWEEN_CALLS);
                step(self);
            }
        } else {
            self.skip_calls("no call was answered");
        }
        self.large();
    }

    /// What only a call can tell, and nothing has told.
    fn skip_calls(&mut self, why: &str) {
        let calls = Item::ALL
            .iter()
            .skip_while(|item| **item != Item::Call)
            .filter(|item| **item != Item::Mtu);
        for item in calls {
            if self.card.line(*item).is_none() {
                self.note(*item, Grade::NotTried, why);
            }
        }
    }

    fn tell_opening(&mut self) {
        let opening: Vec<Line> = self.card.lines().cloned().collect();
        opening.iter().for_each(&mut *self.tell);
    }

    fn note(&mut self, item: Item, grade: Grade, words: impl Into<String>) {
        let before = self.card.line(item).cloned();
        self.card.note(item, grade, words);
        // What failed once stays so, and is told once.
        if let Some(line) = self.card.line(item).filter(|line| before.as_ref() != Some(*line)) {
            (self.tell)(line);
        }
    }

    fn credentials(&self) -> Option<sip::Credentials> {
        self.plan.credentials.clone().filter(|_| self.trusted)
    }
}

#[cfg(test)]
mod tests;
