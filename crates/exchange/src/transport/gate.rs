//! Who may talk to us, how fast, and in which queue their messages wait (controls.md §2: floods).
//!
//! Everybody is one of three: a trunk, by the networks its configuration names; a host we have spoken to first (a
//! located destination answers from an address no configuration names); a stranger. Each trunk has a queue of its own,
//! hosts share one, strangers share a small one, and the loop takes from them in turn: whoever floods, fills and loses
//! their own. Strangers are not heard at all unless a trunk must prove itself by digest; then each source has a
//! bucket of tokens and all of them together another.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use socket2::SockFilter;
use switchboard::Network;
use tokio::sync::mpsc;

use super::Arrived;

/// Hosts remembered because we spoke to them; the one not spoken to for longest goes first.
const HOSTS_MAX: usize = 1024;

/// How long a host may answer after we last spoke to it: longer than any call and any registration's refresh.
const HOST_REMEMBERED: Duration = Duration::from_secs(2 * 60 * 60);

/// A host is written down again no sooner than this, so that a busy one costs nothing.
const HOST_REFRESHED: Duration = Duration::from_secs(60);

/// Networks beyond which the kernel's filter is not built (its programs end at 4,096 steps) and we look ourselves.
const FILTER_NETWORKS_MAX: usize = 250;

/// Connections accepted and waiting for the loop; listeners wait beyond it.
const EVENTS: usize = 128;

/// What peers may send before it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodLimits {
    /// Messages of one trunk read and not yet taken by the loop. Datagrams beyond it are dropped and counted;
    /// connections wait.
    pub per_trunk_max: usize,
    /// Whether strangers are heard at all, because a trunk without a network of its own proves itself by digest.
    pub hear_strangers: bool,
    /// Messages of all strangers together that wait for the loop.
    pub strangers_max: usize,
    /// Messages a second taken from all strangers together.
    pub strangers_per_s: u32,
    /// Messages a second taken from one strange address (for IPv6, one /64).
    pub stranger_per_s: u32,
    /// Strange addresses told apart; a new one beyond it is dropped.
    pub sources_max: usize,
    /// Connections of strangers in all, and of those from one address: they prove a name or themselves in time, or go.
    pub stranger_connections_max: usize,
    /// Connections of one strange address.
    pub stranger_connections_per_source_max: usize,
}

impl Default for FloodLimits {
    fn default() -> Self {
        Self {
            per_trunk_max: super::ARRIVALS,
            hear_strangers: false,
            strangers_max: 64,
            strangers_per_s: 100,
            // A registration is two requests, one of them challenged; a call a handful within seconds.
            stranger_per_s: 5,
            sources_max: 4096,
            stranger_connections_max: 64,
            stranger_connections_per_source_max: 4,
        }
    }
}

/// Who somebody is, by address or by proven name; also the number of their queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A trunk of the configuration, by its place there.
    Trunk(usize),
    /// Somebody we spoke to first.
    Host,
    /// Nobody we know.
    Stranger,
}

/// One trunk as the sockets know it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    /// Where it comes from.
    pub(crate) networks: Vec<Network>,
    /// Names it may prove by certificate instead.
    pub(crate) names: Vec<String>,
}

/// Who is who; shared by everything that reads.
pub(crate) struct Gate {
    peers: Vec<Peer>,
    hosts: ArcSwap<BTreeMap<IpAddr, Instant>>,
    pub(crate) limits: FloodLimits,
}

impl Gate {
    pub(crate) fn new(peers: Vec<Peer>, limits: FloodLimits) -> Self {
        Self {
            peers,
            hosts: ArcSwap::default(),
            limits,
        }
    }

    /// Who is at this address.
    pub(crate) fn class(&self, address: IpAddr) -> Class {
        let address = address.to_canonical();
        let trunk = |peer: &Peer| peer.networks.iter().any(|network| network.contains(address));
        match self.peers.iter().position(trunk) {
            Some(place) => Class::Trunk(place),
            None if self.hosts.load().contains_key(&address) => Class::Host,
            None => Class::Stranger,
        }
    }

    /// Who may prove one of these names.
    pub(crate) fn named(&self, names: &[String]) -> Class {
        let trunk = |peer: &Peer| {
            peer.names
                .iter()
                .any(|own| names.iter().any(|name| name.eq_ignore_ascii_case(own)))
        };
        self.peers.iter().position(trunk).map_or(Class::Stranger, Class::Trunk)
    }

    /// How many trunks there are.
    pub(crate) fn trunks(&self) -> usize {
        self.peers.len()
    }

    /// Whether any trunk is known by a name rather than by its address.
    pub(crate) fn knows_names(&self) -> bool {
        self.peers.iter().any(|peer| !peer.names.is_empty())
    }

    /// We spoke first: this address may answer. True when that is news.
    pub(crate) fn spoke_to(&self, now: Instant, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let trunk = |peer: &Peer| peer.networks.iter().any(|network| network.contains(address));
        if self.peers.iter().any(trunk) {
            return false;
        }
        let hosts = self.hosts.load();
        let known = hosts.get(&address).copied();
        if known.is_some_and(|since| now.saturating_duration_since(since) < HOST_REFRESHED) {
            return false;
        }
        let mut next = BTreeMap::clone(&hosts);
        next.retain(|_, since| now.saturating_duration_since(*since) < HOST_REMEMBERED);
        if next.len() >= HOSTS_MAX
            && let Some(oldest) = next
                .iter()
                .min_by_key(|(_, since)| **since)
                .map(|(address, _)| *address)
        {
            next.remove(&oldest);
        }
        next.insert(address, now);
        self.hosts.store(Arc::new(next));
        known.is_none()
    }

    /// A program for the kernel that takes datagrams of known addresses, so that a stranger's flood costs neither our
    /// time nor a trunk's place in the socket's buffer; and of everybody who floods, only as many as the chance says.
    /// `None` when there are too many networks.
    pub(crate) fn filter(&self, v6: bool, chances: &Chances) -> Option<Vec<SockFilter>> {
        let hosts = self.hosts.load();
        let hosts_chance = chances.of(self.queue(Class::Host));
        let networks: Vec<(Network, u32)> = self
            .peers
            .iter()
            .enumerate()
            .flat_map(|(place, peer)| {
                let chance = chances.of(place);
                peer.networks.iter().map(move |network| (*network, chance))
            })
            .chain(hosts.keys().map(|host| (Network::host(*host), hosts_chance)))
            .filter(|(network, _)| network.address.to_canonical().is_ipv6() == v6)
            .collect();
        let strangers = match self.limits.hear_strangers {
            true => chances.of(self.queue(Class::Stranger)),
            false => 0,
        };
        let step = |(code, yes, no, k): Step| SockFilter::new(code, yes, no, k);
        (networks.len() <= FILTER_NETWORKS_MAX).then(|| program(&networks, strangers).into_iter().map(step).collect())
    }

    pub(crate) fn queue(&self, class: Class) -> usize {
        match class {
            Class::Trunk(place) => place,
            Class::Host => self.peers.len(),
            Class::Stranger => self.peers.len() + 1,
        }
    }
}

/// One step of a filter: code, how far to skip when true and when false, constant.
type Step = (u16, u8, u8, u32);

/// Every stranger is taken.
pub(crate) const EVERY: u32 = u32::MAX;

/// Classic BPF: for each network, load the source address word by word, mask, compare; take the datagram on a match, where
/// its network has no chance less than [`EVERY`]. Where it has, and for strangers, it is taken when a number drawn is not
/// above the chance.
fn program(networks: &[(Network, u32)], strangers: u32) -> Vec<Step> {
    // linux/filter.h: BPF_LD|BPF_W|BPF_ABS, BPF_ALU|BPF_AND|BPF_K, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K; loads from
    // SKF_NET_OFF on are relative to the network header, where the source stands at 12 (RFC 791) or 8 (RFC 8200).
    const LOAD: u16 = 0x20;
    const AND: u16 = 0x54;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const GREATER: u16 = 0x25;
    // SKF_AD_OFF + SKF_AD_RANDOM
    const RANDOM: u32 = 0xffff_f038;
    const NETWORK_HEADER: u32 = 0xfff0_0000;
    const TAKE: Step = (RETURN, 0, 0, u32::MAX);
    const DROP: Step = (RETURN, 0, 0, 0);
    let drawn = |chance: u32| [(LOAD, 0, 0, RANDOM), (GREATER, 1, 0, chance), TAKE, DROP];
    let mut program = Vec::new();
    for (network, chance) in networks {
        let thinned = drawn(*chance);
        let verdict = if *chance == EVERY { &[TAKE][..] } else { &thinned[..] };
        let skipped = u8::try_from(verdict.len()).unwrap_or(4);
        let (bits, words, offset) = match network.address.to_canonical() {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 1_u8, 12),
            IpAddr::V6(address) => (address.to_bits(), 4, 8),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(network.prefix)).unwrap_or(0);
        let compared = (0..words).filter(|word| mask << (32 * u32::from(*word)) >> 96 != 0);
        let count = u8::try_from(compared.clone().count()).unwrap_or(4);
        for (done, word) in compared.enumerate() {
            let shift = 32 * u32::from(word);
            let of = |value: u128| u32::try_from(value << shift >> 96).unwrap_or(0);
            // A word that differs skips the rest of this network: three steps a word, and what becomes of a match.
            let left = count - u8::try_from(done).unwrap_or(0) - 1;
            program.push((LOAD, 0, 0, NETWORK_HEADER + offset + 4 * u32::from(word)));
            program.push((AND, 0, 0, of(mask)));
            program.push((EQUAL, 0, 3 * left + skipped, of(bits & mask)));
        }
        program.extend_from_slice(verdict);
    }
    match strangers {
        0 => program.push(DROP),
        EVERY => program.push(TAKE),
        chance => program.extend(drawn(chance)),
    }
    program
}

/// What chance a datagram of each class has of being taken by the kernel, on one socket; [`EVERY`] but in a flood.
#[derive(Debug)]
pub(crate) struct Chances(Box<[AtomicU32]>);

impl Chances {
    /// For this many queues.
    pub(crate) fn new(queues: usize) -> Self {
        Self((0..queues).map(|_| AtomicU32::new(EVERY)).collect())
    }

    fn of(&self, queue: usize) -> u32 {
        self.0.get(queue).map_or(EVERY, |chance| chance.load(Relaxed))
    }

    fn set(&self, queue: usize, to: u32) {
        if let Some(chance) = self.0.get(queue) {
            chance.store(to, Relaxed);
        }
    }
}

/// All classes' sieves on one socket, in the order of their queues.
#[derive(Debug)]
pub(crate) struct Sieves {
    each: Vec<Sieve>,
    /// Datagrams of each since the kernel's buffer was last seen empty.
    behind: Vec<u32>,
    chances: Arc<Chances>,
}

impl Sieves {
    pub(crate) fn new(gate: &Gate, chances: Arc<Chances>, now: Instant) -> Self {
        let queues = gate.queue(Class::Stranger) + 1;
        Self {
            each: (0..queues).map(|_| Sieve::new(now)).collect(),
            behind: vec![0; queues],
            chances,
        }
    }

    /// The kernel's buffer has been read empty: nobody has to wait there, or be dropped.
    pub(crate) fn caught_up(&mut self) {
        self.behind.fill(0);
    }

    /// There is more than can be read, this much and no end: whoever sends most of it is heard half as often from here on.
    pub(crate) fn fell_behind(&mut self, now: Instant, at_most: u32) -> bool {
        if self.behind.iter().sum::<u32>() < at_most {
            return false;
        }
        let most = self.behind.iter().enumerate().max_by_key(|(_, count)| **count);
        let most = most.map_or(0, |(queue, _)| queue);
        self.caught_up();
        let Some(sieve) = self.each.get_mut(most) else {
            return false;
        };
        sieve.halve(now);
        self.chances.set(most, sieve.chance);
        true
    }

    /// A datagram of this queue came, and was taken or had no place.
    pub(crate) fn count(&mut self, now: Instant, queue: usize, taken: bool) {
        if let (Some(sieve), Some(behind)) = (self.each.get_mut(queue), self.behind.get_mut(queue)) {
            sieve.count(now, taken);
            *behind = behind.saturating_add(1);
        }
    }

    /// Whether the kernel takes only some of somebody's.
    pub(crate) fn is_on(&self) -> bool {
        self.each.iter().any(Sieve::is_on)
    }

    /// Changes the chances where it is time to; true when any is another.
    pub(crate) fn turn(&mut self, now: Instant) -> bool {
        let mut news = false;
        for (queue, sieve) in self.each.iter_mut().enumerate() {
            if let Some(chance) = sieve.turn(now) {
                self.chances.set(queue, chance);
                news = true;
            }
        }
        news
    }
}

/// How many datagrams of one class a socket may take before the kernel is asked to take only some of them: all trunks
/// share the socket's one buffer in the kernel, so what would be dropped for want of a place in a queue of ours must not
/// take another trunk's place there.
/// How many strangers a socket may take before the kernel is asked to take only some of them.
#[derive(Debug)]
struct Sieve {
    since: Instant,
    seen: u32,
    refused: u32,
    chance: u32,
}

/// Datagrams a second of one class that we always look at ourselves, wanted or not.
const LOOKED_AT_PER_S: f64 = 2_000.0;

/// How long is counted before the chance is changed.
pub(crate) const COUNTED: Duration = Duration::from_millis(500);

/// The least chance anybody has: somebody who is never heard could never be heard to have stopped.
const LEAST: u32 = EVERY / 100_000;

/// So many refused in one go are a flood that has just begun: nothing is waited for.
const SUDDEN: u32 = 512;

impl Sieve {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            seen: 0,
            refused: 0,
            chance: EVERY,
        }
    }

    fn count(&mut self, now: Instant, taken: bool) {
        if !taken && self.refused == 0 && !self.is_on() {
            // The peace before it says nothing about a flood.
            (self.since, self.seen) = (now, 0);
        }
        self.seen = self.seen.saturating_add(1);
        self.refused = self.refused.saturating_add(u32::from(!taken));
    }

    fn is_on(&self) -> bool {
        self.chance < EVERY
    }

    fn halve(&mut self, now: Instant) {
        (self.since, self.seen, self.refused) = (now, 0, 0);
        self.chance = (self.chance / 2).max(LEAST);
    }

    /// The chance from now on, when that is another.
    fn turn(&mut self, now: Instant) -> Option<u32> {
        let counted = now.saturating_duration_since(self.since);
        let is_sudden = self.refused >= SUDDEN && !self.is_on();
        if counted < COUNTED && !is_sudden {
            return None;
        }
        let (before, refused) = (self.chance, self.refused);
        let second = counted.max(Duration::from_millis(1)).as_secs_f64();
        let share = f64::from(self.chance) / f64::from(EVERY);
        let sent_per_s = f64::from(self.seen) / second / share;
        let taken_per_s = f64::from(self.seen.saturating_sub(refused)) / second;
        (self.since, self.seen, self.refused) = (now, 0, 0);
        // Twice what finds a place: enough that nobody who has stopped is held down, and the buffer stays empty.
        let wanted_per_s = (2.0 * taken_per_s).max(LOOKED_AT_PER_S);
        self.chance = if refused == 0 {
            // Nothing is lost any more. Not all at once, lest a flood that goes on be let in again.
            self.chance.saturating_add(self.chance / 4 + 1)
        } else if sent_per_s <= wanted_per_s {
            EVERY
        } else {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of less than one of a u32 is one"
            )]
            let chance = (f64::from(EVERY) * wanted_per_s / sent_per_s) as u32;
            chance.max(LEAST)
        };
        (self.chance != before).then_some(self.chance)
    }
}

/// The senders' side of the queues.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) events: mpsc::Sender<Arrived>,
    queues: Arc<[mpsc::Sender<Arrived>]>,
    gate: Arc<Gate>,
}

impl Post {
    /// The queue of this class.
    pub(crate) fn queue(&self, class: Class) -> mpsc::Sender<Arrived> {
        let queue = self.queues.get(self.gate.queue(class));
        queue.unwrap_or(&self.events).clone()
    }

    /// Puts a datagram in its queue; false when that is full, or nobody reads any more. What finds no place is never
    /// made, so that a flood costs as little as can be.
    pub(crate) fn try_send(&self, class: Class, make: impl FnOnce() -> Arrived) -> bool {
        let queue = self.queues.get(self.gate.queue(class));
        let Some(Ok(place)) = queue.map(mpsc::Sender::try_reserve) else {
            return false;
        };
        place.send(make());
        true
    }
}

/// The loop's side of the queues.
pub(crate) struct Arrivals {
    events: mpsc::Receiver<Arrived>,
    /// Trunks in their order, then hosts, then strangers.
    queues: Vec<mpsc::Receiver<Arrived>>,
    /// Whose turn it is to be first.
    turn: usize,
}

/// Makes the queues.
pub(crate) fn queues(gate: &Arc<Gate>) -> (Post, Arrivals) {
    let (events, events_out) = mpsc::channel(EVENTS);
    let limits = &gate.limits;
    let known = std::iter::repeat_n(limits.per_trunk_max, gate.peers.len() + 1);
    let (senders, receivers): (Vec<_>, Vec<_>) = known
        .chain([limits.strangers_max])
        .map(|size| mpsc::channel(size.max(1)))
        .unzip();
    let post = Post {
        events,
        queues: senders.into(),
        gate: gate.clone(),
    };
    let arrivals = Arrivals {
        events: events_out,
        queues: receivers,
        turn: 0,
    };
    (post, arrivals)
}

impl Arrivals {
    /// Takes at most `limit` arrivals, an equal share from everybody who has some, and strangers last; 0 when there
    /// will never be one again.
    pub(crate) async fn recv_many(&mut self, into: &mut Vec<Arrived>, limit: usize) -> usize {
        std::future::poll_fn(|context| {
            let before = into.len();
            let (strangers, known) = match self.queues.split_last_mut() {
                Some(split) => split,
                None => return Poll::Ready(0),
            };
            let mut open = false;
            match self.events.poll_recv_many(context, into, (limit / 4).max(1)) {
                Poll::Ready(0) => {}
                _ => open = true,
            }
            let (share, count) = ((limit / known.len().max(1)).max(1), known.len());
            self.turn = (self.turn + 1) % count.max(1);
            for place in 0..count {
                let Some(queue) = known.get_mut((self.turn + place) % count) else {
                    continue;
                };
                let room = limit.saturating_sub(into.len() - before).min(share);
                // A queue that got no look must wake us all the same: it is looked at next time, which is at once,
                // for something was taken from the others.
                if room == 0 {
                    open = true;
                    break;
                }
                match queue.poll_recv_many(context, into, room) {
                    Poll::Ready(0) => {}
                    _ => open = true,
                }
            }
            let room = limit.saturating_sub(into.len() - before).min((limit / 8).max(1));
            if room > 0 {
                match strangers.poll_recv_many(context, into, room) {
                    Poll::Ready(0) => {}
                    _ => open = true,
                }
            }
            match into.len() - before {
                0 if open => Poll::Pending,
                taken => Poll::Ready(taken),
            }
        })
        .await
    }

    #[cfg(test)]
    pub(crate) async fn recv(&mut self) -> Option<Arrived> {
        let mut one = Vec::new();
        self.recv_many(&mut one, 1).await;
        one.pop()
    }
}

/// Tokens for strangers: so many a second, and at most two seconds' worth at once.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    sources: HashMap<IpAddr, Bucket>,
    total: Option<Bucket>,
    swept: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f32,
    since: Instant,
}

/// Seconds of tokens a bucket holds.
const BUCKET_S: f32 = 2.0;

impl Bucket {
    fn take(&mut self, now: Instant, per_s: f32) -> bool {
        let gained = now.saturating_duration_since(self.since).as_secs_f32() * per_s;
        self.tokens = (self.tokens + gained).min(BUCKET_S * per_s);
        self.since = now;
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

impl Buckets {
    /// Whether a stranger's message may pass.
    pub(crate) fn pass(&mut self, now: Instant, from: IpAddr, limits: &FloodLimits) -> bool {
        let (each, all) = (rate(limits.stranger_per_s), rate(limits.strangers_per_s));
        let from = source(from);
        if !self.sources.contains_key(&from) && self.sources.len() >= limits.sources_max {
            // A bucket that is full again is as good as none.
            let second = Duration::from_secs(1);
            if self.swept.is_some_and(|at| now.saturating_duration_since(at) < second) {
                return false;
            }
            self.swept = Some(now);
            let full = Duration::from_secs_f32(BUCKET_S);
            self.sources
                .retain(|_, bucket| now.saturating_duration_since(bucket.since) < full);
            if self.sources.len() >= limits.sources_max {
                return false;
            }
        }
        let bucket = self.sources.entry(from).or_insert(Bucket {
            tokens: BUCKET_S * each,
            since: now,
        });
        // One's own bucket first: who has emptied it takes nothing from the others.
        bucket.take(now, each)
            && self
                .total
                .get_or_insert(Bucket {
                    tokens: BUCKET_S * all,
                    since: now,
                })
                .take(now, all)
    }
}

/// What counts as one source: an IPv4 address, an IPv6 /64, for that is what one customer gets.
pub(crate) fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

fn rate(per_s: u32) -> f32 {
    f32::from(u16::try_from(per_s).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip::{Flow, Transport};

    fn network(text: &str) -> Network {
        Network::parse(text).expect("a network")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn gate(limits: FloodLimits) -> Arc<Gate> {
        let peer = |text: &str, name: &str| Peer {
            networks: vec![network(text)],
            names: vec![name.to_owned()],
        };
        let peers = vec![
            peer("192.0.2.0/24", "a.example.com"),
            peer("2001:db8::/32", "b.example.com"),
        ];
        Arc::new(Gate::new(peers, limits))
    }

    fn message(from: &str) -> Arrived {
        let flow = Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().expect("an address"),
            remote: format!("{from}:5060").parse().expect("an address"),
            connection: None,
        };
        Arrived::Message { flow, bytes: vec![] }
    }

    fn from(arrived: &Arrived) -> String {
        match arrived {
            Arrived::Message { flow, .. } => flow.remote.ip().to_string(),
            _ => "event".into(),
        }
    }

    #[test]
    fn everybody_is_a_trunk_a_host_or_a_stranger() {
        let gate = gate(FloodLimits::default());
        let now = Instant::now();
        assert_eq!(gate.class(address("192.0.2.7")), Class::Trunk(0));
        assert_eq!(gate.class(address("::ffff:192.0.2.7")), Class::Trunk(0));
        assert_eq!(gate.class(address("2001:db8::1")), Class::Trunk(1));
        assert_eq!(gate.class(address("198.51.100.1")), Class::Stranger);
        assert!(gate.spoke_to(now, address("198.51.100.1")));
        assert!(!gate.spoke_to(now, address("198.51.100.1")), "no news");
        assert!(!gate.spoke_to(now, address("192.0.2.7")), "a trunk stays one");
        assert_eq!(gate.class(address("198.51.100.1")), Class::Host);
        assert_eq!(gate.named(&["B.example.com".into()]), Class::Trunk(1));
        assert_eq!(gate.named(&["evil.example.com".into()]), Class::Stranger);
        assert_eq!(gate.named(&[]), Class::Stranger);
    }

    #[test]
    fn hosts_are_remembered_in_bounds_and_for_a_time() {
        let gate = gate(FloodLimits::default());
        let now = Instant::now();
        for host in 0..u32::try_from(HOSTS_MAX).expect("small") + 5 {
            let at = now + Duration::from_millis(u64::from(host));
            gate.spoke_to(at, IpAddr::V4((0x0a00_0000 + host).into()));
        }
        assert_eq!(gate.hosts.load().len(), HOSTS_MAX);
        assert_eq!(gate.class(address("10.0.0.0")), Class::Stranger, "the oldest went");
        gate.spoke_to(now + HOST_REMEMBERED + Duration::from_secs(60), address("10.9.9.9"));
        assert_eq!(gate.hosts.load().len(), 1);
    }

    #[tokio::test]
    async fn whoever_floods_fills_their_own_queue_only() {
        let gate = gate(FloodLimits {
            per_trunk_max: 100,
            hear_strangers: true,
            strangers_max: 10,
            ..FloodLimits::default()
        });
        let (post, mut arrivals) = queues(&gate);
        let mut taken = 0;
        for _ in 0..1000 {
            taken += usize::from(post.try_send(Class::Trunk(0), || message("192.0.2.7")));
            taken += usize::from(post.try_send(Class::Stranger, || message("198.51.100.1")));
        }
        assert_eq!(taken, 110);
        assert!(
            post.try_send(Class::Trunk(1), || message("192.0.2.9")),
            "the other trunk has room"
        );
        let mut batch = Vec::new();
        assert!(arrivals.recv_many(&mut batch, 16).await <= 16);
        let seen: Vec<_> = batch.iter().map(from).collect();
        assert!(
            seen.contains(&"192.0.2.9".to_owned()),
            "its turn comes in the first batch: {seen:?}"
        );
        assert!(seen.iter().filter(|from| *from == "198.51.100.1").count() <= 2);
        // Everything comes in the end.
        let mut all = batch.len();
        while all < 111 {
            batch.clear();
            all += arrivals.recv_many(&mut batch, 16).await;
        }
        drop(post);
        batch.clear();
        assert_eq!(arrivals.recv_many(&mut batch, 16).await, 0);
    }

    #[test]
    fn strangers_have_buckets_of_their_own_and_one_together() {
        let limits = FloodLimits {
            stranger_per_s: 5,
            strangers_per_s: 20,
            sources_max: 8,
            ..FloodLimits::default()
        };
        let mut buckets = Buckets::default();
        let now = Instant::now();
        let passed = |buckets: &mut Buckets, now, from: &str| {
            (0..100).filter(|_| buckets.pass(now, address(from), &limits)).count()
        };
        assert_eq!(passed(&mut buckets, now, "198.51.100.1"), 10, "two seconds' worth");
        assert_eq!(passed(&mut buckets, now, "2001:db8::1"), 10);
        assert_eq!(passed(&mut buckets, now, "2001:db8::2"), 0, "the same /64");
        assert_eq!(passed(&mut buckets, now + Duration::from_secs(1), "198.51.100.1"), 5);
        for last in 0..100 {
            passed(&mut buckets, now + Duration::from_secs(1), &format!("203.0.113.{last}"));
        }
        assert!(buckets.sources.len() <= 8, "sources are told apart in bounds");
        let later = now + Duration::from_secs(60);
        assert_eq!(passed(&mut buckets, later, "203.0.113.200"), 10, "old ones made room");
    }

    /// Runs the program as the kernel would, on a header that holds the source only.
    fn kernel(program: &[Step], from: &str, drawn: u32) -> bool {
        let (header, offset) = match address(from) {
            IpAddr::V4(address) => (address.octets().to_vec(), 12),
            IpAddr::V6(address) => (address.octets().to_vec(), 8),
        };
        let (mut at, mut a) = (0, 0_u32);
        loop {
            let (code, yes, no, k) = program[at];
            at += 1;
            match code {
                0x20 if k == 0xffff_f038 => a = drawn,
                0x20 => {
                    let from = (k - 0xfff0_0000 - offset) as usize;
                    a = u32::from_be_bytes(header[from..from + 4].try_into().expect("four"));
                }
                0x54 => a &= k,
                0x15 => at += usize::from(if a == k { yes } else { no }),
                0x25 => at += usize::from(if a > k { yes } else { no }),
                _ => return k != 0,
            }
        }
    }

    /// One second of a sender of whom so many a second find a place; gives what the socket took.
    fn second(sieve: &mut Sieve, now: &mut Instant, sent: f64, places: f64) -> f64 {
        let steps = 1_000;
        let (mut took, mut room, mut owed) = (0.0, 0.0, 0.0);
        for _ in 0..steps {
            *now += Duration::from_secs(1) / steps;
            room = f64::min(room + places / f64::from(steps), 100.0);
            owed += sent / f64::from(steps) * f64::from(sieve.chance) / f64::from(EVERY);
            while owed >= 1.0 {
                owed -= 1.0;
                took += 1.0;
                sieve.count(*now, room >= 1.0);
                room = f64::max(room - 1.0, 0.0);
            }
            sieve.turn(*now);
        }
        took
    }

    #[test]
    fn a_flood_is_thinned_and_everybody_is_heard_again_after_it() {
        let mut now = Instant::now();
        let mut sieve = Sieve::new(now);
        assert_eq!(second(&mut sieve, &mut now, 1_000.0, 100.0), 1_000.0);
        assert!(!sieve.is_on(), "a few are no flood");
        // Whoever the loop can follow is heard, however much it is.
        let busy = second(&mut sieve, &mut now, 20_000.0, 30_000.0);
        assert!((19_990.0..=20_010.0).contains(&busy), "{busy}");
        assert!(!sieve.is_on());
        let first = second(&mut sieve, &mut now, 400_000.0, 3_000.0);
        assert!(
            first < 20_000.0,
            "the kernel is asked within some milliseconds: {first}"
        );
        for _ in 0..3 {
            let took = second(&mut sieve, &mut now, 400_000.0, 3_000.0);
            assert!((3_000.0..9_000.0).contains(&took), "{took}");
        }
        for _ in 0..12 {
            second(&mut sieve, &mut now, 10.0, 3_000.0);
        }
        assert!(!sieve.is_on(), "everybody is heard again");
    }

    #[test]
    fn a_trunk_that_floods_is_drawn_for_and_its_neighbours_are_taken_whole() {
        let gate = gate(FloodLimits {
            hear_strangers: true,
            ..FloodLimits::default()
        });
        let chances = Arc::new(Chances::new(4));
        let mut sieves = Sieves::new(&gate, chances.clone(), Instant::now());
        let now = Instant::now();
        for _ in 0..SUDDEN {
            sieves.count(now, gate.queue(Class::Trunk(0)), false);
        }
        assert!(sieves.turn(now + Duration::from_millis(2)) && sieves.is_on());
        let chance = chances.of(0);
        assert!(chance < EVERY / 10, "{chance}");
        assert_eq!([chances.of(1), chances.of(2), chances.of(3)], [EVERY; 3]);
        for v6 in [false, true] {
            assert!(gate.filter(v6, &chances).is_some());
        }
        let networks = [(network("192.0.2.0/24"), chance), (network("198.51.100.7"), EVERY)];
        let program = super::program(&networks, EVERY / 2);
        assert!(kernel(&program, "192.0.2.9", chance) && !kernel(&program, "192.0.2.9", chance + 1));
        assert!(kernel(&program, "198.51.100.7", EVERY), "whatever is drawn");
        assert!(kernel(&program, "203.0.113.1", 5) && !kernel(&program, "203.0.113.1", EVERY));
    }

    #[test]
    fn whoever_sends_more_than_can_be_read_is_heard_less_until_it_can() {
        let gate = gate(FloodLimits::default());
        let chances = Arc::new(Chances::new(4));
        let mut now = Instant::now();
        let mut sieves = Sieves::new(&gate, chances.clone(), now);
        for _ in 0..3 {
            for _ in 0..300 {
                // All of it finds a place: the loop is faster than the reader.
                sieves.count(now, 0, true);
            }
            sieves.count(now, 1, true);
            assert!(!sieves.fell_behind(now, 1_000));
        }
        sieves.count(now, 1, true);
        (0..100).for_each(|_| sieves.count(now, 0, true));
        assert!(sieves.fell_behind(now, 1_000));
        assert_eq!([chances.of(0), chances.of(1)], [EVERY / 2, EVERY]);
        // Emptied now and then, it is no more than a burst.
        for _ in 0..10 {
            (0..600).for_each(|_| sieves.count(now, 0, true));
            sieves.caught_up();
            assert!(!sieves.fell_behind(now, 1_000));
        }
        for _ in 0..4 {
            now += COUNTED;
            sieves.turn(now);
        }
        assert!(!sieves.is_on() && chances.of(0) == EVERY);
    }

    #[test]
    fn the_kernel_takes_what_we_would_take() {
        let v4 = [network("192.0.2.0/24"), network("198.51.100.7")];
        let v6 = [network("2001:db8:2::/47"), network("2001:db8::9")];
        for (networks, from, taken) in [
            (&v4, "192.0.2.255", true),
            (&v4, "192.0.3.0", false),
            (&v4, "198.51.100.7", true),
            (&v4, "198.51.100.8", false),
            (&v6, "2001:db8:3:ffff::1", true),
            (&v6, "2001:db8:4::1", false),
            (&v6, "2001:db8::9", true),
            (&v6, "2001:db8::a", false),
        ] {
            // The same whether a flood is thinned at that network or not: a number that is drawn low.
            for chance in [EVERY, 7] {
                let program = super::program(&networks.map(|network| (network, chance)), 0);
                assert_eq!(kernel(&program, from, 7), taken, "{from}");
            }
        }
    }
}
