//! What is known of each trunk while the engine runs: whether it answers, how fast calls come and go, who may speak for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sip::digest::Gate;
use sip::fault::Fault;
use sip::locate::{Destination, Target};
use sip::message::{Method, Request, Response, Uri};

use super::health::{self, Change, Pulse};
use super::names::Found;
use super::register::Registering;
use super::{Desk, Wires};
use crate::door::{CallId, Output};
use crate::fact::Fact;
use crate::trunk::{AddressStatus, Ping, Reach, RefusedCalls, Registered, Trunk, TrunkStatus};

/// Addresses of one trunk that are asked after their health.
const PULSES_MAX: usize = 4;
/// Hosts of our own choosing that may speak within our calls; the DNS decides which, so there is a limit.
const HOSTS_MAX: usize = 1_024;
/// TLS connections whose client's names are remembered.
const CONNECTIONS_MAX: usize = 4_096;
/// While the DNS has not said where a trunk is, it is asked again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// One trunk as it is now.
pub(crate) struct TrunkState {
    pub(crate) reach: Reach,
    since: Instant,
    pulses: Vec<Pulse>,
    next_ping: Option<Instant>,
    /// The next question waits for the DNS, not for its time.
    ping_waits: bool,
    /// Calls of its that were refused, by reason: as many as the table of faults has rows.
    refused: BTreeMap<(u16, &'static str), u64>,
    pub(crate) in_rate: Rate,
    pub(crate) out_rate: Rate,
    /// Asks its callers who they are.
    pub(crate) gate: Option<Gate>,
    pub(crate) registering: Option<Registering>,
}

impl TrunkState {
    /// Sixteen octets of `draw` are as random as the shell's; a gate and a registration keep some of them.
    pub(crate) fn new(now: Instant, trunk: &Trunk, draw: &mut sip::Draw) -> Self {
        let gate = trunk.inbound_digest.as_ref().map(|digest| {
            let mut key = [0; 32];
            for half in key.chunks_mut(16) {
                half.copy_from_slice(&draw());
            }
            Gate::new(&digest.realm, now, key)
        });
        Self {
            reach: if trunk.ping.is_some() && trunk.outbound.is_some() {
                Reach::Unknown
            } else {
                Reach::NotAsked
            },
            since: now,
            pulses: Vec::new(),
            next_ping: (trunk.ping.is_some() && trunk.outbound.is_some()).then_some(now),
            ping_waits: false,
            refused: BTreeMap::new(),
            in_rate: Rate::new(now),
            out_rate: Rate::new(now),
            gate,
            registering: trunk.registration.as_ref().map(|_| Registering::new(now)),
        }
    }

    /// One call of its was refused.
    pub(crate) fn count_refusal(&mut self, fault: Fault) {
        let count = self.refused.entry((fault.status(), fault.why())).or_default();
        *count = count.saturating_add(1);
    }

    /// How long its fastest address took to answer the last time.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.pulses.iter().filter_map(|pulse| pulse.rtt).min()
    }

    /// Whether this address of it has stopped answering.
    pub(crate) fn is_down(&self, destination: Destination) -> bool {
        self.pulses
            .iter()
            .any(|pulse| pulse.destination == destination && pulse.is_down())
    }

    fn timeout(&self, trunk: &Trunk) -> Option<Instant> {
        let within = trunk.ping.as_ref().map(Ping::patience).unwrap_or_default();
        let open = self.pulses.iter().filter_map(|pulse| pulse.open);
        let registering = self.registering.as_ref().and_then(Registering::timeout);
        open.map(|(_, sent)| sent + within)
            .chain(self.next_ping)
            .chain(registering)
            .min()
    }
}

/// What a request of ours outside any call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The health of this trunk.
    Ping(usize),
    /// The registration with this trunk.
    Register(usize),
    /// About this visitor.
    Visit(CallId, Question),
}

/// What is asked about a visitor by a request of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether their network lets a large datagram through.
    Large,
    /// Whether they answer the BYE that ends the visit.
    Bye,
}

/// So many a second, and no more than a second's worth at once (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// When the next would come if they came evenly.
    due: Instant,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// Takes one, or says when there will be one.
    pub(crate) fn take(&mut self, now: Instant, per_s: u32) -> Result<(), Instant> {
        let second = Duration::from_secs(1);
        let apart = second / per_s.max(1);
        let due = self.due.max(now);
        let ahead = due.saturating_duration_since(now);
        let allowed = second.saturating_sub(apart);
        if ahead > allowed {
            return Err(now + (ahead - allowed));
        }
        self.due = due + apart;
        Ok(())
    }
}

/// Whom we believe to be who.
#[derive(Default)]
pub(crate) struct Acquaintances {
    /// The trunks a TLS client has proved to be, by connection.
    named: BTreeMap<u64, Vec<usize>>,
    /// What TLS connections of trunks speak: version and cipher.
    spoken: BTreeMap<u64, String>,
    /// Hosts we have called or registered with.
    hosts: BTreeMap<IpAddr, Met>,
}

/// A host of our own choosing.
struct Met {
    /// When we last turned to it.
    at: Instant,
    /// For which trunks: carriers may share a host.
    trunks: BTreeSet<usize>,
}

/// What a message may be, judged by where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody we know.
    Stranger,
    /// Somebody we have called: may speak within our calls.
    Host,
    /// One of these trunks, in the order of the configuration.
    Trunks(Vec<usize>),
}

impl Wires {
    /// Who stands behind a flow.
    pub(crate) fn standing(&self, flow: &sip::Flow) -> Standing {
        let address = flow.remote.ip();
        let proved = flow
            .connection
            .and_then(|connection| self.acquaintances.named.get(&connection));
        let is = |(index, trunk): &(usize, &Trunk)| {
            let by_source = trunk.sources.iter().any(|network| network.contains(address));
            let by_name = proved.is_some_and(|proved| proved.contains(index));
            // Who must answer a challenge and has no place of its own may come from anywhere.
            let by_proof = trunk.inbound_digest.is_some() && trunk.sources.is_empty() && trunk.client_names.is_empty();
            let registered = self.trunks.get(*index).and_then(|state| state.registering.as_ref());
            let by_registration = registered.is_some_and(|registered| registered.is_registrar(address));
            by_source || by_name || by_proof || by_registration
        };
        let trunks: Vec<usize> = self
            .config
            .trunks
            .iter()
            .enumerate()
            .filter(is)
            .map(|(index, _)| index)
            .collect();
        if !trunks.is_empty() {
            Standing::Trunks(trunks)
        } else if self.acquaintances.hosts.contains_key(&address.to_canonical()) {
            Standing::Host
        } else {
            Standing::Stranger
        }
    }

    /// A 100 to somebody who may be anywhere and has not answered our challenge: the refusal or the call follows at once, so RFC 3261
    /// §17.2.1 does not ask for it.
    pub(crate) fn is_trying_unproved(&self, transmit: &sip::Transmit) -> bool {
        let anywhere =
            |trunk: &Trunk| trunk.inbound_digest.is_some() && trunk.sources.is_empty() && trunk.client_names.is_empty();
        transmit.bytes.starts_with(b"SIP/2.0 100 ")
            && self.config.trunks.iter().any(anywhere)
            && !self
                .acquaintances
                .hosts
                .contains_key(&transmit.flow.remote.ip().to_canonical())
            && match self.standing(&transmit.flow) {
                Standing::Trunks(trunks) => trunks
                    .iter()
                    .all(|index| self.config.trunks.get(*index).is_some_and(anywhere)),
                Standing::Host | Standing::Stranger => false,
            }
    }

    /// Whether a message on this flow is to or from a trunk: by its networks, the name it proved, its registrar, or a host
    /// we turned to for its sake.
    pub(crate) fn is_of(&self, trunk: usize, flow: &sip::Flow) -> bool {
        let host = flow.remote.ip().to_canonical();
        let met = self.acquaintances.hosts.get(&host);
        if met.is_some_and(|met| met.trunks.contains(&trunk)) {
            return true;
        }
        let Standing::Trunks(trunks) = self.standing(flow) else {
            return false;
        };
        // Who proves himself by digest alone may be anywhere; there he is only taken for himself where nobody else is.
        let anywhere = |index: usize| {
            let known = self.config.trunks.get(index);
            known.is_some_and(|known| known.sources.is_empty() && known.client_names.is_empty())
        };
        trunks.contains(&trunk) && (!anywhere(trunk) || (met.is_none() && trunks.iter().all(|index| anywhere(*index))))
    }

    /// What a TLS connection to us speaks.
    pub(crate) fn spoken_on(&self, flow: &sip::Flow) -> Option<&str> {
        let spoken = self.acquaintances.spoken.get(&flow.connection?)?;
        Some(spoken.as_str())
    }

    /// A TLS connection to us stands, and its client proved these names.
    pub(crate) fn connected(&mut self, flow: &sip::Flow, names: &[String], spoken: String) {
        let Some(connection) = flow.connection else { return };
        if self.acquaintances.spoken.len() < CONNECTIONS_MAX {
            self.acquaintances.spoken.insert(connection, spoken);
        }
        // RFC 5922 §7.2: no wildcards; DNS names are compared without regard to case.
        let proves = |trunk: &&Trunk| {
            let wanted = trunk.client_names.iter();
            wanted
                .flat_map(|wanted| names.iter().map(move |name| (wanted, name)))
                .any(|(wanted, name)| wanted.eq_ignore_ascii_case(name))
        };
        let trunks: Vec<usize> = self
            .config
            .trunks
            .iter()
            .enumerate()
            .filter(|(_, trunk)| proves(trunk))
            .map(|(index, _)| index)
            .collect();
        let named = &mut self.acquaintances.named;
        if !trunks.is_empty() && named.len() < CONNECTIONS_MAX {
            named.insert(connection, trunks);
        }
    }

    /// A connection is gone, and with it what was proved on it.
    pub(crate) fn disconnected(&mut self, flow: &sip::Flow) {
        if let Some(connection) = flow.connection {
            self.acquaintances.named.remove(&connection);
            self.acquaintances.spoken.remove(&connection);
        }
    }

    /// We are about to speak to a target of this trunk at this address, so it may answer.
    pub(crate) fn meet(&mut self, now: Instant, trunk: usize, target: &Target, destination: Destination) {
        let address = destination.address;
        if destination.transport.is_secure() {
            self.out.push_back(Output::Expect {
                address,
                domain: target.server_name(),
            });
        }
        let (host, hosts) = (address.ip().to_canonical(), &mut self.acquaintances.hosts);
        if hosts.len() >= HOSTS_MAX && !hosts.contains_key(&host) {
            let oldest = hosts.iter().min_by_key(|(_, met)| met.at).map(|(host, _)| *host);
            if let Some(oldest) = oldest {
                hosts.remove(&oldest);
            }
        }
        let met = hosts.entry(host).or_insert_with(|| Met {
            at: now,
            trunks: BTreeSet::new(),
        });
        met.at = now;
        met.trunks.insert(trunk);
    }

    /// The DNS has said something: questions after health, and registrations, that wait for it are put now and not at the
    /// next look.
    pub(crate) fn trunks_look_again(&mut self, now: Instant) {
        for state in &mut self.trunks {
            if state.ping_waits {
                state.next_ping = Some(now);
            }
            if let Some(registering) = &mut state.registering {
                registering.look_again(now);
            }
        }
    }

    /// When a trunk wants the clock.
    pub(crate) fn trunks_timeout(&self) -> Option<Instant> {
        let trunks = self.config.trunks.iter().zip(&self.trunks);
        trunks.filter_map(|(trunk, state)| state.timeout(trunk)).min()
    }

    /// Asks after the health of trunks, and gives up waiting for answers that do not come.
    pub(crate) fn trunks_due(&mut self, now: Instant) {
        for index in 0..self.trunks.len() {
            let Some(ping) = self.config.trunks.get(index).and_then(|trunk| trunk.ping) else {
                continue;
            };
            let missed: Vec<Destination> = self
                .trunks
                .get_mut(index)
                .map(|state| {
                    let late = |pulse: &&mut Pulse| pulse.open.is_some_and(|(_, sent)| sent + ping.patience() <= now);
                    let late = state.pulses.iter_mut().filter(late);
                    late.map(|pulse| {
                        if let Some((request, _)) = pulse.open.take() {
                            self.asked.remove(&request);
                        }
                        pulse.destination
                    })
                    .collect()
                })
                .unwrap_or_default();
            for destination in missed {
                self.pulse(now, index, destination, health::Input::Missed);
            }
            if self
                .trunks
                .get(index)
                .and_then(|state| state.next_ping)
                .is_some_and(|at| at <= now)
            {
                self.ping(now, index, ping.every);
            }
        }
    }

    fn ping(&mut self, now: Instant, index: usize, every: Duration) {
        let Some((targets, credentials)) = self.config.trunks.get(index).and_then(|trunk| {
            let targets = trunk.outbound.as_ref()?.targets.clone();
            Some((targets, trunk.credentials.clone()))
        }) else {
            return;
        };
        let preferences = self.preferences.clone();
        let (mut found, mut waits) = (Vec::new(), false);
        for target in targets.iter().take(crate::trunk::TARGETS_MAX) {
            // The same draw each time: the addresses asked should not change with the weights.
            match self.names.walk(now, target, &preferences, [0; 16]) {
                Found::At(at) => found.extend(at.into_iter().map(|destination| (target.clone(), destination))),
                Found::NotYet => waits = true,
            }
        }
        found.truncate(PULSES_MAX);
        let Some(state) = self.trunks.get_mut(index) else {
            return;
        };
        state.ping_waits = found.is_empty() && waits;
        if state.ping_waits {
            state.next_ping = Some(now + LOOK_AGAIN);
            return;
        }
        state.next_ping = Some(now + every);
        state
            .pulses
            .retain(|pulse| found.iter().any(|(_, destination)| *destination == pulse.destination));
        for (target, destination) in found {
            self.meet(now, index, &target, destination);
            let Some(flow) = self.config.flow_to(destination.transport, destination.address) else {
                continue;
            };
            let uri = Uri::sip(None, target.host.clone(), target.port);
            let request = self
                .endpoint
                .request(now, flow, Request::new(Method::Options, uri), credentials.clone());
            self.asked.insert(request, Asked::Ping(index));
            let Some(state) = self.trunks.get_mut(index) else {
                return;
            };
            match state.pulses.iter_mut().find(|pulse| pulse.destination == destination) {
                Some(pulse) => pulse.open = Some((request, now)),
                None => state.pulses.push(Pulse {
                    open: Some((request, now)),
                    ..Pulse::new(destination)
                }),
            }
        }
    }

    /// A request of ours outside any call came to this. Given back: what one about a visitor came to, no status when nobody
    /// answered it.
    pub(crate) fn asked_and_told(
        &mut self,
        now: Instant,
        request: sip::RequestId,
        status: u16,
        response: Option<&Response>,
    ) -> Option<(CallId, Question, Option<u16>)> {
        match self.asked.remove(&request) {
            Some(Asked::Ping(index)) => self.pinged(now, index, request, status),
            Some(Asked::Register(index)) => self.registered(now, index, request, status, response),
            Some(Asked::Visit(visit, question)) => return Some((visit, question, response.map(|_| status))),
            None => {}
        }
        None
    }

    fn pinged(&mut self, now: Instant, index: usize, request: sip::RequestId, status: u16) {
        let Some(state) = self.trunks.get_mut(index) else {
            return;
        };
        let mine = |pulse: &&mut Pulse| pulse.open.is_some_and(|(open, _)| open == request);
        let Some(pulse) = state.pulses.iter_mut().find(mine) else {
            return;
        };
        let input = health::heard(status);
        if input == health::Input::Answered {
            pulse.answered = Some((now, status));
        }
        if let Some((_, sent)) = pulse.open.take()
            && input == health::Input::Answered
        {
            pulse.rtt = Some(now.saturating_duration_since(sent));
        }
        let destination = pulse.destination;
        self.pulse(now, index, destination, input);
    }

    fn pulse(&mut self, now: Instant, index: usize, destination: Destination, input: health::Input) {
        let Some(trunk) = self.config.trunks.get(index) else {
            return;
        };
        let (Some(ping), Some(state)) = (trunk.ping, self.trunks.get_mut(index)) else {
            return;
        };
        let Some(pulse) = state.pulses.iter_mut().find(|pulse| pulse.destination == destination) else {
            return;
        };
        let mut changes = Vec::new();
        pulse.state = pulse.state.step(input, &ping, &mut changes);
        if changes.contains(&Change::Up) {
            self.dead.answered(destination);
        }
        let reach = reach(&state.pulses);
        let before = std::mem::replace(&mut state.reach, reach);
        if before == reach {
            return;
        }
        state.since = now;
        let trunk = trunk.id.clone();
        let fact = match reach {
            Reach::Up => Fact::TrunkUp { trunk },
            Reach::Down => Fact::TrunkDown { trunk },
            Reach::Unknown | Reach::NotAsked => return,
        };
        let wall = self.wall(now);
        self.fact(None, wall, fact);
    }
}

/// A trunk is up while any address is, and down when all of them are.
fn reach(pulses: &[Pulse]) -> Reach {
    let up = |pulse: &Pulse| matches!(pulse.state, health::State::Up { .. });
    if pulses.iter().any(up) {
        Reach::Up
    } else if !pulses.is_empty() && pulses.iter().all(Pulse::is_down) {
        Reach::Down
    } else {
        Reach::Unknown
    }
}

impl Desk {
    /// Whether a message on this flow is to or from a trunk, by its place in the configuration.
    pub fn is_of(&self, trunk: usize, flow: &sip::Flow) -> bool {
        self.wires.is_of(trunk, flow)
    }

    /// Every trunk as it is now, in the order of the configuration.
    pub fn trunks(&self, now: Instant) -> Vec<TrunkStatus> {
        let trunks = self.wires.config.trunks.iter().zip(&self.wires.trunks);
        trunks
            .enumerate()
            .map(|(index, (trunk, state))| TrunkStatus {
                id: trunk.id.clone(),
                reach: state.reach,
                since: now.saturating_duration_since(state.since),
                round_trip: state.round_trip(),
                addresses: state
                    .pulses
                    .iter()
                    .map(|pulse| AddressStatus {
                        at: pulse.destination,
                        answers: !pulse.is_down(),
                        answered: pulse
                            .answered
                            .map(|(at, status)| (now.saturating_duration_since(at), status)),
                    })
                    .collect(),
                calls_in: self.calls_in(index, &trunk.id),
                registered: state
                    .registering
                    .as_ref()
                    .map_or(Registered::NotAsked, |registering| registering.status(now)),
                calls_out: self.wires.lines.values().filter(|line| line.trunk() == index).count(),
                limits: trunk.limits,
                refused: state
                    .refused
                    .iter()
                    .map(|((status, why), calls)| RefusedCalls {
                        status: *status,
                        why,
                        calls: *calls,
                    })
                    .collect(),
            })
            .collect()
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock; its value is not used"
)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_lets_a_second_of_calls_through_at_once_and_then_one_at_a_time() {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        let taken = (0..10).filter(|_| rate.take(now, 4).is_ok()).count();
        assert_eq!(taken, 4);
        let next = rate.take(now, 4).expect_err("the second is used up");
        assert_eq!(next - now, Duration::from_millis(250));
        assert!(rate.take(next, 4).is_ok());
        assert!(rate.take(next, 4).is_err());
        assert!(rate.take(now + Duration::from_secs(60), 4).is_ok());
    }
}
