//! Telling a carrier where we are, for those that send calls only to whoever registered (RFC 3261 §10).
//!
//! [`sip::registration`] knows when to ask and what an answer means; here its requests find their way: to the registrar's
//! addresses one after the other, and back. While one is registered, calls from its registrar's address are its trunk's.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sip::locate::{Destination, Failure, Target};
use sip::message::{Host, Request, Response, Uri};
use sip::registration::{Output, Registration, RegistrationConfig, Standing, Why};

use super::Wires;
use super::names::Found;
use super::trunks::Asked;
use crate::fact::Fact;
use crate::trunk::{Registered, Trunk};

/// While the DNS has not said where a registrar is, it is looked for again this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// One trunk's registration.
pub(crate) struct Registering {
    /// `None` until the registrar is found: which of our addresses we tell depends on where it is.
    machine: Option<Registration>,
    /// A REGISTER that waits for the DNS.
    waits: Option<Request>,
    /// When to look again.
    look_at: Option<Instant>,
    /// The REGISTER that is out, and where it went.
    open: Option<(sip::RequestId, Destination)>,
    /// Addresses not tried yet for this REGISTER.
    others: VecDeque<Destination>,
    /// Where the registrar last said yes.
    registrar: Option<IpAddr>,
    /// What the book says last; it is told of changes only.
    told: Option<bool>,
}

impl Registering {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            machine: None,
            waits: None,
            look_at: Some(now),
            open: None,
            others: VecDeque::new(),
            registrar: None,
            told: None,
        }
    }

    pub(crate) fn timeout(&self) -> Option<Instant> {
        let machine = self.machine.as_ref().and_then(Registration::timeout);
        machine.into_iter().chain(self.look_at).min()
    }

    /// Whether calls from this address are calls of the carrier we registered with.
    /// The DNS has said something: what waits for it is looked at now.
    pub(crate) fn look_again(&mut self, now: Instant) {
        if self.machine.is_none() || self.waits.is_some() {
            self.look_at = self.look_at.map(|at| at.min(now));
        }
    }

    pub(crate) fn is_registrar(&self, address: IpAddr) -> bool {
        self.registrar == Some(address.to_canonical())
    }

    /// How it stands, for whoever looks.
    pub(crate) fn status(&self, now: Instant) -> Registered {
        match self.machine.as_ref().map(|machine| machine.standing(now)) {
            Some(Standing::Up(until)) => Registered::Until(until.saturating_duration_since(now)),
            Some(Standing::Off | Standing::Down(_)) | None => Registered::No,
        }
    }
}

impl Wires {
    /// Lets every registration that is due go on.
    pub(crate) fn registrations_due(&mut self, now: Instant) {
        for index in 0..self.trunks.len() {
            let due = |registering: &Registering| registering.timeout().is_some_and(|at| at <= now);
            let registering = self.trunks.get(index).and_then(|state| state.registering.as_ref());
            if registering.is_some_and(due) {
                self.with_registration(index, |wires, trunk, registering| {
                    registering.look_at = None;
                    if let Some(machine) = &mut registering.machine {
                        machine.handle_timeout(now);
                    }
                    wires.go_on_registering(now, index, trunk, registering);
                });
            }
        }
    }

    /// A REGISTER came to this.
    pub(crate) fn registered(
        &mut self,
        now: Instant,
        index: usize,
        request: sip::RequestId,
        status: u16,
        response: Option<&Response>,
    ) {
        self.with_registration(index, |wires, trunk, registering| {
            let Some((_, destination)) = registering.open.take_if(|(open, _)| *open == request) else {
                return;
            };
            match Failure::of(status, response.and_then(|response| response.headers.retry_after())) {
                Some(failure) => drop(wires.dead.failed(now, destination, failure)),
                None => wires.dead.answered(destination),
            }
            if (200..300).contains(&status) {
                registering.registrar = Some(destination.address.ip().to_canonical());
            }
            let elsewhere = !registering.others.is_empty();
            if let Some(machine) = &mut registering.machine {
                machine.handle_outcome(now, response, elsewhere);
            }
            wires.go_on_registering(now, index, trunk, registering);
        });
    }

    /// No new calls are wanted: carriers are told to send them elsewhere.
    pub(crate) fn take_leave(&mut self, now: Instant) {
        for index in 0..self.trunks.len() {
            self.with_registration(index, |wires, trunk, registering| {
                if let Some(machine) = &mut registering.machine {
                    machine.stop(now);
                }
                registering.look_at = registering.look_at.filter(|_| registering.waits.is_some());
                wires.drain_registration(now, index, trunk, registering);
            });
        }
    }

    fn with_registration(&mut self, index: usize, act: impl FnOnce(&mut Self, &Trunk, &mut Registering)) {
        let Some(trunk) = self.config.trunks.get(index).cloned() else {
            return;
        };
        let Some(mut registering) = self.trunks.get_mut(index).and_then(|state| state.registering.take()) else {
            return;
        };
        act(self, &trunk, &mut registering);
        if let Some(state) = self.trunks.get_mut(index) {
            state.registering = Some(registering);
        }
    }

    fn go_on_registering(&mut self, now: Instant, index: usize, trunk: &Trunk, registering: &mut Registering) {
        if registering.machine.is_none() {
            let Some(known) = &trunk.registration else { return };
            let draw = self.draw();
            match self.names.walk(now, &known.registrar, &self.preferences, draw) {
                Found::At(found) if !found.is_empty() => {
                    let machine = found.first().and_then(|first| self.registration(trunk, *first));
                    registering.machine = machine.map(|mut machine| {
                        machine.start(now);
                        machine
                    });
                }
                Found::At(_) | Found::NotYet => registering.look_at = Some(now + LOOK_AGAIN),
            }
        }
        self.drain_registration(now, index, trunk, registering);
    }

    fn drain_registration(&mut self, now: Instant, index: usize, trunk: &Trunk, registering: &mut Registering) {
        if let Some(request) = registering.waits.take() {
            self.send_register(now, index, trunk, registering, request);
        }
        while let Some(output) = registering.machine.as_mut().and_then(Registration::poll_output) {
            let wall = self.wall(now);
            let name = trunk.id.clone();
            match output {
                Output::Send(request) => self.send_register(now, index, trunk, registering, request),
                Output::Up => {
                    if registering.told.replace(true) != Some(true) {
                        self.fact(None, wall, Fact::Registered { trunk: name });
                    }
                }
                Output::Down(why) => {
                    registering.registrar = None;
                    if registering.told.replace(false) == Some(false) {
                        continue;
                    }
                    let why = match why {
                        Why::NoAnswer => "no answer".to_owned(),
                        Why::Refused(status) => format!("refused with {status}"),
                        Why::Trouble(status) => format!("the registrar's trouble, {status}"),
                        Why::Left => "we took leave".to_owned(),
                    };
                    self.fact(None, wall, Fact::Unregistered { trunk: name, why });
                }
            }
        }
    }

    /// Sends a REGISTER to the next address of its registrar.
    fn send_register(
        &mut self,
        now: Instant,
        index: usize,
        trunk: &Trunk,
        registering: &mut Registering,
        request: Request,
    ) {
        let Some(known) = &trunk.registration else { return };
        if registering.others.is_empty() {
            let draw = self.draw();
            match self.names.walk(now, &known.registrar, &self.preferences, draw) {
                Found::At(found) => registering.others = self.dead.arrange(now, &found).into(),
                Found::NotYet => {
                    registering.waits = Some(request);
                    registering.look_at = Some(now + LOOK_AGAIN);
                    return;
                }
            }
        }
        let destination = registering.others.pop_front();
        let way = destination.and_then(|to| Some((to, self.config.flow_to(to.transport, to.address)?)));
        let Some((destination, flow)) = way else {
            if let Some(machine) = &mut registering.machine {
                machine.handle_no_answer(now, false);
            }
            return;
        };
        self.meet(now, index, &known.registrar, destination);
        let id = self.endpoint.request(now, flow, request, None);
        self.asked.insert(id, Asked::Register(index));
        registering.open = Some((id, destination));
    }

    /// The machine, with our address as this registrar reaches it.
    fn registration(&mut self, trunk: &Trunk, registrar: Destination) -> Option<Registration> {
        let known = trunk.registration.as_ref()?;
        let flow = self.config.flow_to(registrar.transport, registrar.address)?;
        let advertised = self
            .config
            .signalling
            .iter()
            .find(|listener| listener.transport == flow.transport && listener.local == flow.local)
            .map_or(flow.local, |listener| listener.advertised);
        let account = trunk.credentials.as_ref().map(|account| account.username().to_owned());
        let user = known.user.clone().or(account)?;
        let Target { host, port, .. } = known.registrar.clone();
        let mut contact = Uri::sip(Some(&user), Host::from(advertised.ip()), Some(advertised.port()));
        if flow.transport.is_reliable() {
            contact = contact.with_param("transport", &flow.transport.name().to_ascii_lowercase());
        }
        let config = RegistrationConfig {
            registrar: Uri::sip(None, host.clone(), port),
            aor: Uri::sip(Some(&user), host, None),
            contact,
            expires_s: known.expires_s,
            credentials: trunk.credentials.clone(),
        };
        Some(Registration::new(config, self.draw_for_itself()))
    }

    /// Randomness that a machine may keep: a stream of its own, which grows out of the shell's.
    fn draw_for_itself(&mut self) -> sip::Draw {
        let seed = [self.draw(), self.draw()].concat();
        let mut count = 0_u64;
        Box::new(move || {
            count += 1;
            let hash = seal::hash(&[seed.as_slice(), &count.to_be_bytes()].concat());
            hash.first_chunk().copied().unwrap_or_default()
        })
    }
}
