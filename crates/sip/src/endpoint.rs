//! The door: messages and `now` in, messages and events out.
//!
//! An endpoint owns every transaction, dialog and session behind one `&mut`. A message goes transport fix-ups ▶ transaction
//! ▶ dialog ▶ session verb; what it causes is queued and drained by [`Endpoint::poll_output`], which ends with the next
//! deadline. Finding a call is a hash, keeping its time is a tree: ten thousand sessions cost a logarithm.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use crate::config::{Address, Config};
use crate::event::{Counts, Draw, Event, OfferId, Output, Ready, RequestId, SessionId};
use crate::fault::Fault;
use crate::message::{
    HeaderName, Host, MAGIC_COOKIE, Message, Method, NameAddr, Request, Response, Scheme, StatusCode, Uri, Via,
    multipart,
};
use crate::outside::Asked;
use crate::session::{SDP, Session, User, ack, prack, refresh};
use crate::transaction::Act;
use crate::transaction::table::{
    Arrived, Bytes, ClientKey, MergeKey, Outgoing, ServerKey, Stepped, Table, TransactionId,
};
use crate::transport::{Flow, Transmit, Transport};

/// What we understand (RFC 3261 §20.5).
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE";
/// Option tags we understand (RFC 3261 §20.37): reliable provisionals and session timers.
pub(crate) const SUPPORTED: &str = "100rel, timer";
/// Bodies we take.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed, application/dtmf-relay, application/dtmf";
/// RFC 3261 §18.1.1: a request beyond this should take a congestion-controlled transport.
pub(crate) const DATAGRAM_REQUEST_MAX: usize = 1300;
/// Outputs that may wait to be drained; a shell that drains after each call never comes near.
const OUTPUTS_MAX: usize = 65_536;

/// A SIP endpoint, sans-IO.
pub struct Endpoint {
    pub(crate) config: Config,
    draw: Draw,
    pub(crate) ready: Ready,
    outputs: VecDeque<Output>,
    pub(crate) transactions: Table<User>,
    pub(crate) sessions: HashMap<SessionId, Session>,
    /// Requests of ours outside any dialog.
    pub(crate) asked: HashMap<RequestId, Asked>,
    /// By Call-ID and our tag.
    dialogs: HashMap<(String, String), SessionId>,
    due: BTreeSet<(Instant, SessionId)>,
    /// Unanswered INVITEs by source.
    pending: HashMap<IpAddr, usize>,
    /// Transactions that ended while a session was being worked on.
    gone: Vec<(TransactionId, User)>,
    next_session: u64,
    next_offer: u64,
    next_request: u64,
    /// Makes the tags of stateless responses unlike anybody else's.
    salt: [u8; 16],
}

impl Endpoint {
    /// An endpoint without calls.
    pub fn new(config: Config, mut draw: Draw) -> Self {
        let salt = draw();
        Self {
            config,
            draw,
            ready: Ready::Yes,
            outputs: VecDeque::new(),
            transactions: Table::default(),
            sessions: HashMap::new(),
            asked: HashMap::new(),
            dialogs: HashMap::new(),
            due: BTreeSet::new(),
            pending: HashMap::new(),
            gone: Vec::new(),
            next_session: 1,
            next_offer: 1,
            next_request: 1,
            salt,
        }
    }

    /// One datagram, or one message a framer cut from a stream.
    pub fn handle_received(&mut self, now: Instant, flow: Flow, message: &[u8]) {
        if Message::is_keep_alive(message) {
            return;
        }
        match Message::parse(message) {
            Ok(Message::Request(mut request)) => {
                request.stamp_source(flow.remote);
                self.request_received(now, flow, request);
            }
            Ok(Message::Response(response)) => self.response_received(now, flow, response),
            Err(unreadable) => {
                // RFC 3261 §8.2, §21.4.1: answered when there is a way back, without any state.
                if let Some(salvage) = unreadable.salvage {
                    let mut response = salvage.refusal();
                    let mut via = salvage.top_via.clone();
                    via.stamp(flow.remote);
                    response.headers.set_top_via(&via);
                    self.tag_statelessly(&mut response);
                    let to = response_flow(flow, &via);
                    self.transmit(to, &response.to_bytes());
                }
            }
        }
        self.settle(now);
    }

    /// The network refused something on this way: an ICMP error, a connection that failed or closed.
    pub fn handle_transport_failed(&mut self, now: Instant, flow: Flow) {
        for id in self.transactions.on_flow(flow) {
            if let Some(stepped) = self.transactions.transport_failed(now, id) {
                self.take_step(now, id, stepped, None);
            }
        }
        for session in self.sessions.values_mut() {
            for dialog in session.dialogs() {
                dialog.connection_lost(flow);
            }
        }
        self.settle(now);
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        loop {
            let transaction = self.transactions.overdue(now);
            let session = self.due.first().filter(|(at, _)| *at <= now).copied();
            match (transaction, session) {
                (Some(id), _) => {
                    if let Some(stepped) = self.transactions.time(now, id) {
                        self.take_step(now, id, stepped, None);
                    }
                }
                (None, Some((_, id))) => self.session_time(now, id),
                (None, None) => break,
            }
            self.settle(now);
        }
    }

    /// What is next for the shell; after any change, drain until `Output::Timeout`.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let sessions = self.due.first().map(|(at, _)| *at);
        Output::Timeout(self.transactions.timeout().into_iter().chain(sessions).min())
    }

    /// Whether new calls are welcome.
    pub fn set_ready(&mut self, ready: Ready) {
        self.ready = ready;
    }

    /// What is held.
    pub fn counts(&self) -> Counts {
        Counts {
            transactions: self.transactions.len(),
            dialogs: self.dialogs.len(),
            sessions: self.sessions.len(),
            requests: self.asked.len(),
        }
    }
}

// Requests from outside.
impl Endpoint {
    fn request_received(&mut self, now: Instant, flow: Flow, request: Request) {
        let (Some(via), Some(cseq)) = (request.top_via(), request.cseq()) else {
            return;
        };
        let back = response_flow(flow, &via);
        let key = server_key(&request, &via, cseq.number, flow);
        if let Some(id) = self.transactions.server(&key) {
            match request.method {
                Method::Ack => {
                    let user = self.transactions.user(id);
                    if let Some(stepped) = self.transactions.acknowledged(now, id) {
                        let passed = stepped.acts.contains(&Act::Pass);
                        self.carry_out_at(id, stepped);
                        if passed && user.is_some() {
                            self.ack_received(now, flow, request);
                        }
                    }
                }
                _ => {
                    if let Some(stepped) = self.transactions.repeated(now, id) {
                        self.carry_out_at(id, stepped);
                    }
                }
            }
            return;
        }
        if request.method == Method::Cancel {
            let invite = ServerKey {
                method: Method::Invite,
                ..key
            };
            match self.transactions.server(&invite) {
                Some(invite) => self.cancel_received(now, back, invite, &request),
                None => self.refuse_statelessly(back, &request, Fault::NoSuchTransaction),
            }
            return;
        }
        if request.method == Method::Ack {
            // RFC 3261 §13.3.1.4: the ACK of a 2xx is a transaction of its own; one that matches nothing is absorbed.
            self.ack_received(now, flow, request);
            return;
        }
        // A BYE is always let in: it makes room.
        let ends = request.method == Method::Bye && request.to_tag().is_some();
        if self.transactions.len() >= self.config.limits.transactions_max && !ends {
            self.refuse_statelessly(back, &request, Fault::Exhausted);
            return;
        }
        if let Err(fault) = self.acceptable(&request) {
            self.refuse_statelessly(back, &request, fault);
            return;
        }
        let merge = match request.to_tag() {
            Some(_) => None,
            None => Some(MergeKey {
                call_id: request.call_id().unwrap_or_default().to_owned(),
                from_tag: request.from_tag().unwrap_or_default(),
                cseq: cseq.number,
                method: request.method.clone(),
            }),
        };
        if merge.as_ref().is_some_and(|merge| self.transactions.is_merged(merge)) || self.is_ours(&request) {
            self.refuse_statelessly(back, &request, Fault::Merged);
            return;
        }
        let arrived = Arrived {
            key,
            pace: self.config.timers.pace(flow.transport),
            flow: back,
            user: User::Nobody,
            merge,
        };
        match (request.to_tag(), &request.method) {
            (Some(tag), _) => self.within_dialog(now, flow, arrived, tag, request),
            (None, Method::Invite) => self.invite_received(now, flow, arrived, request),
            (None, Method::Options) => self.options_received(back, &request),
            // RFC 3261 §15.1.2 and its like: these live only within a dialog.
            (None, _) => self.refuse_statelessly(back, &request, Fault::NoSuchDialog),
        }
    }

    /// RFC 3261 §8.2.1 to §8.2.3, in that order: method, scheme, Require, encoding.
    fn acceptable(&self, request: &Request) -> Result<(), Fault> {
        match request.method {
            Method::Invite | Method::Bye | Method::Options | Method::Info | Method::Prack | Method::Update => {}
            // A REFER would have us call whom the caller names.
            Method::Refer => return Err(Fault::TransferRefused),
            // RFC 6665 §4.1.3: what belongs to no subscription, and we make none.
            Method::Notify => return Err(Fault::NoSuchSubscription),
            // RFC 6665 §4.2.1.1, RFC 3903 §6: it is the package that is unknown, and 489 says so.
            Method::Subscribe | Method::Publish if request.headers.has(HeaderName::Event) => {
                return Err(Fault::BadEvent);
            }
            _ => return Err(Fault::MethodNotAllowed),
        }
        if matches!(request.uri.scheme, Scheme::Other(_)) {
            return Err(Fault::UnknownScheme);
        }
        // RFC 3261 §8.2.2.3; a CANCEL's or an ACK's Require is ignored, and neither comes here. Proxy-Require is for proxies
        // (§20.29), which we are not.
        if unknown_options(request).next().is_some() {
            return Err(Fault::BadExtension);
        }
        let encoded = request
            .headers
            .tokens(HeaderName::ContentEncoding)
            .iter()
            .any(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        if encoded && !request.body.is_empty() {
            return Err(Fault::UnsupportedEncoding);
        }
        let describes = matches!(request.method, Method::Invite | Method::Update | Method::Prack);
        if describes && !request.body.is_empty() && !is_readable(request) {
            return Err(Fault::UnsupportedBody);
        }
        Ok(())
    }

    /// A request we sent ourselves has come back: one of its Vias carries a branch of ours that is still alive.
    fn is_ours(&self, request: &Request) -> bool {
        request
            .vias()
            .iter()
            .filter_map(|via| via.unique_branch().map(str::to_owned))
            .any(|branch| {
                self.transactions
                    .client(&ClientKey {
                        branch,
                        method: request.method.clone(),
                    })
                    .is_some()
            })
    }

    fn within_dialog(&mut self, now: Instant, flow: Flow, arrived: Arrived<User>, tag: String, request: Request) {
        let found = self.session_of(request.call_id().unwrap_or_default(), &tag);
        let from = request.from_tag().unwrap_or_default();
        let believed = found.filter(|id| {
            let dialog = self.sessions.get_mut(id).and_then(|session| session.dialog_with(&from));
            dialog.is_some_and(|dialog| dialog.believes(flow))
        });
        let Some(id) = believed else {
            // A stranger who knows the tags hears the same as one who guesses: 481, and nothing is kept for him.
            self.refuse_statelessly(arrived.flow, &request, Fault::NoSuchDialog);
            return;
        };
        self.with_session(id, |endpoint, session| {
            if session.is_over() {
                endpoint.too_late(arrived.flow, &request, &session.local_tag);
                return;
            }
            let cseq = request.cseq().map_or(0, |cseq| cseq.number);
            let in_order = session.dialog_with(&from).is_some_and(|dialog| dialog.in_order(cseq));
            if !in_order {
                // RFC 3261 §12.2.2.
                endpoint.refuse_request(now, arrived, &request, Fault::OutOfOrder, &session.local_tag);
                return;
            }
            match request.method {
                Method::Bye => endpoint.bye_received(now, session, arrived, &request),
                Method::Invite | Method::Update => endpoint.offer_received(now, session, arrived, request),
                Method::Prack => endpoint.prack_received(now, session, arrived, request),
                Method::Info => endpoint.info_received(now, session, arrived, &request),
                Method::Options => endpoint.options_within(now, arrived, &request, &session.local_tag),
                _ => endpoint.refuse_request(now, arrived, &request, Fault::MethodNotAllowed, &session.local_tag),
            }
        });
    }

    /// Starts the server transaction of a request; an INVITE answers 100 by it.
    pub(crate) fn open(&mut self, arrived: Arrived<User>, request: &Request) -> TransactionId {
        let trying = (request.method == Method::Invite).then(|| {
            let mut trying = request.respond(StatusCode::TRYING);
            self.sign_response(&mut trying);
            Bytes::from(trying.to_bytes())
        });
        let (id, stepped) = self.transactions.start_server(arrived, trying);
        self.carry_out_at(id, stepped);
        id
    }

    /// Refuses a request through a transaction of its own.
    pub(crate) fn refuse_request(
        &mut self,
        now: Instant,
        arrived: Arrived<User>,
        request: &Request,
        fault: Fault,
        tag: &str,
    ) {
        let mut response = self.refusal(request, fault, tag);
        if fault == Fault::Overlapping {
            // RFC 3261 §14.2: "a randomly chosen value of between 0 and 10 seconds".
            let seconds = self.random(10);
            response.headers.set(HeaderName::RetryAfter, seconds.to_string());
        }
        let id = self.open(arrived, request);
        self.respond(now, id, response);
    }

    /// Refuses a request and keeps nothing (RFC 3261 §8.2.7); an ACK that comes of it is absorbed.
    pub(crate) fn refuse_statelessly(&mut self, back: Flow, request: &Request, fault: Fault) {
        let mut response = self.refusal(request, fault, "");
        self.tag_statelessly(&mut response);
        self.transmit(back, &response.to_bytes());
    }

    /// The refusal of a fault, with what the fault table says it is answered with. An empty tag writes none.
    pub(crate) fn refusal(&self, request: &Request, fault: Fault, tag: &str) -> Response {
        let status = StatusCode::new(fault.status()).unwrap_or(StatusCode::of(500));
        let mut response = if tag.is_empty() {
            request.respond(status)
        } else {
            request.respond_with_tag(status, tag)
        };
        fault.complete(&mut response);
        match fault {
            Fault::MethodNotAllowed | Fault::TransferRefused => response.headers.push(HeaderName::Allow, ALLOW),
            // RFC 6665 §8.3.2: the packages we have: none.
            Fault::BadEvent => response.headers.push(HeaderName::AllowEvents, ""),
            Fault::SessionIntervalTooSmall => {
                let least = self.config.session_timer.min_se_s.max(90);
                response.headers.push(HeaderName::MinSe, least.to_string());
            }
            Fault::BadExtension => {
                for option in unknown_options(request) {
                    response.headers.push(HeaderName::Unsupported, option);
                }
            }
            Fault::UnsupportedEncoding => response.headers.push(HeaderName::AcceptEncoding, "identity"),
            Fault::UnsupportedBody => response.headers.push(HeaderName::Accept, ACCEPT),
            Fault::Exhausted => {
                response
                    .headers
                    .set(HeaderName::RetryAfter, self.config.limits.retry_after_s.to_string());
            }
            Fault::Draining => {
                if let Ready::Closed { retry_after_s } | Ready::Draining { retry_after_s } = self.ready {
                    response.headers.set(HeaderName::RetryAfter, retry_after_s.to_string());
                }
            }
            _ => {}
        }
        self.sign_response(&mut response);
        response
    }

    /// A response with our tag and nothing special; an empty tag writes none.
    pub(crate) fn reply(&self, request: &Request, status: u16, tag: &str) -> Response {
        let status = StatusCode::new(status).unwrap_or(StatusCode::of(500));
        let mut response = if tag.is_empty() {
            request.respond(status)
        } else {
            request.respond_with_tag(status, tag)
        };
        self.sign_response(&mut response);
        response
    }

    pub(crate) fn sign_response(&self, response: &mut Response) {
        if let Some(name) = &self.config.user_agent {
            response.headers.push(HeaderName::Server, name);
        }
    }

    /// Gives a response to its transaction.
    pub(crate) fn respond(&mut self, now: Instant, id: TransactionId, response: Response) -> Bytes {
        let bytes = Bytes::from(response.to_bytes());
        if let Some(stepped) = self
            .transactions
            .respond(now, id, response.status.code(), bytes.clone())
        {
            self.carry_out_at(id, stepped);
        }
        bytes
    }

    /// RFC 3261 §8.2.7: a stateless response's tag is the same for every copy of its request.
    pub(crate) fn tag_statelessly(&self, response: &mut Response) {
        if response.to_tag().is_some() {
            return;
        }
        let Some(to) = response.headers.get(HeaderName::To) else {
            return;
        };
        // Not a secret, only unlike others': SipHash with fixed keys over our salt will do.
        let mut hasher = std::hash::DefaultHasher::new();
        self.salt.hash(&mut hasher);
        response.headers.get(HeaderName::Via).hash(&mut hasher);
        response.headers.get(HeaderName::CallId).hash(&mut hasher);
        response.headers.get(HeaderName::From).hash(&mut hasher);
        let mut value = to.to_vec();
        value.extend_from_slice(format!(";tag={:016x}", hasher.finish()).as_bytes());
        response.headers.set(HeaderName::To, value);
    }
}

// Responses from outside, and what transactions tell.
impl Endpoint {
    fn response_received(&mut self, now: Instant, flow: Flow, response: Response) {
        let (Some(via), Some(cseq)) = (response.top_via(), response.cseq()) else {
            return;
        };
        // RFC 3261 §8.1.3.3: a response with another Via beneath ours went astray.
        if response.headers.all(HeaderName::Via).count() != 1 {
            return;
        }
        let Some(branch) = via.branch() else { return };
        let key = ClientKey {
            branch: branch.to_owned(),
            method: cseq.method,
        };
        // RFC 6026 §8.3: a stray response is absorbed.
        let Some(id) = self.transactions.client(&key) else {
            return;
        };
        let status = response.status.code();
        let stepped = self.transactions.response(now, id, status, |request| {
            Bytes::from(ack::of_refusal(request, &response))
        });
        if let Some(stepped) = stepped {
            self.take_step(now, id, stepped, Some((flow, &response)));
        }
    }

    /// Does what a machine asked for; what concerns the user goes to the session verbs.
    fn take_step(&mut self, now: Instant, id: TransactionId, stepped: Stepped<User>, came: Option<(Flow, &Response)>) {
        let Stepped { acts, flow, user, gone } = stepped;
        for act in acts {
            match act {
                Act::Transmit(bytes) => self.transmit(flow, &bytes),
                Act::Pass => {
                    if let Some((arrived, response)) = came {
                        self.response_passed(now, id, user, arrived, response);
                    }
                }
                // RFC 3261 §8.1.3.1: as if a 408 or a 503 had come.
                Act::TimedOut => self.came_to_nothing(now, id, user, 408),
                Act::TransportFailed => self.came_to_nothing(now, id, user, 503),
            }
        }
        if gone {
            self.transactions.forget(id);
            self.gone.push((id, user));
        }
    }

    /// As `take_step`, where nothing can concern the user: he asked for it himself.
    pub(crate) fn carry_out_at(&mut self, id: TransactionId, stepped: Stepped<User>) {
        for act in stepped.acts {
            if let Act::Transmit(bytes) = act {
                self.transmit(stepped.flow, &bytes);
            }
        }
        if stepped.gone {
            self.transactions.forget(id);
            self.gone.push((id, stepped.user));
        }
    }
}

// Small tools of the verbs.
impl Endpoint {
    /// Queues an event.
    pub(crate) fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Queues a message. Beyond the limit it is dropped as a network would: the transactions repeat it.
    pub(crate) fn transmit(&mut self, flow: Flow, bytes: &[u8]) {
        if self.outputs.len() < OUTPUTS_MAX {
            self.outputs.push_back(Output::Transmit(Transmit {
                flow,
                bytes: bytes.to_vec(),
            }));
        }
    }

    /// Sends a request of ours: Via and name are added, the rest is as given. Gives the way it took.
    pub(crate) fn send(&mut self, now: Instant, flow: Flow, user: User, request: Request, tcp: bool) -> Sent {
        let branch = self.branch();
        self.send_with_branch(now, flow, user, request, tcp, branch)
    }

    /// As `send`; a CANCEL has its INVITE's branch.
    pub(crate) fn send_with_branch(
        &mut self,
        now: Instant,
        mut flow: Flow,
        user: User,
        mut request: Request,
        tcp: bool,
        branch: String,
    ) -> Sent {
        if let Some(name) = &self.config.user_agent {
            request.headers.set(HeaderName::UserAgent, name);
        }
        request
            .headers
            .insert_front(HeaderName::Via, self.via(flow, &branch).to_wire());
        let mut bytes = request.to_bytes();
        let mut fallback = None;
        if tcp && flow.transport == Transport::Udp && bytes.len() > DATAGRAM_REQUEST_MAX {
            fallback = Some(flow);
            flow = Flow {
                transport: Transport::Tcp,
                connection: None,
                ..flow
            };
            request.headers.set_top_via(&self.via(flow, &branch));
            if request.headers.has(HeaderName::Contact) {
                let secure = crate::dialog::is_secure(&request);
                request
                    .headers
                    .set(HeaderName::Contact, self.contact_value(flow, secure));
            }
            bytes = request.to_bytes();
        }
        let key = ClientKey {
            branch,
            method: request.method.clone(),
        };
        let pace = self.config.timers.pace(flow.transport);
        let outgoing = Outgoing {
            key,
            pace,
            flow,
            user,
            request,
            bytes: Bytes::from(bytes),
        };
        let (client, stepped) = self.transactions.start_client(now, outgoing);
        self.carry_out_at(client, stepped);
        Sent { client, fallback }
    }

    pub(crate) fn via(&self, flow: Flow, branch: &str) -> Via {
        let address = self.advertised(flow);
        Via::new(
            flow.transport.name(),
            Host::from(address.ip()),
            Some(address.port()),
            branch,
        )
    }

    /// Our Contact on this way, as a registration or an OPTIONS would name it. `secure` makes it `sips:`, which whoever was
    /// asked by a `sips:` URI owes (RFC 3261 §8.1.1.8, §12.1.1).
    pub fn contact(&self, flow: Flow, secure: bool) -> Uri {
        let address = self.advertised(flow);
        let mut uri = Uri::sip(None, Host::from(address.ip()), Some(address.port()));
        if secure {
            uri.scheme = Scheme::Sips;
        }
        match flow.transport.param() {
            // RFC 3261 §26.2.2: `sips:` says TLS by itself.
            Some("tls" | "tcp") if secure => uri,
            Some(param) => uri.with_param("transport", param),
            None => uri,
        }
    }

    pub(crate) fn contact_value(&self, flow: Flow, secure: bool) -> String {
        NameAddr::new(self.contact(flow, secure)).to_wire()
    }

    fn advertised(&self, flow: Flow) -> SocketAddr {
        let same = |address: &&Address| address.transport == flow.transport && address.local == flow.local;
        self.config
            .addresses
            .iter()
            .find(same)
            .map_or(flow.local, |address| address.advertised)
    }

    /// A branch nobody can guess (RFC 3261 §8.1.1.7).
    pub(crate) fn branch(&mut self) -> String {
        format!("{MAGIC_COOKIE}{}", self.token())
    }

    /// 128 random bits, for tags and Call-IDs.
    pub(crate) fn token(&mut self) -> String {
        use std::fmt::Write as _;
        self.drawn().iter().fold(String::with_capacity(32), |mut token, byte| {
            let _ = write!(token, "{byte:02x}");
            token
        })
    }

    /// 128 random bits.
    pub(crate) fn drawn(&mut self) -> [u8; 16] {
        (self.draw)()
    }

    /// A whole number from 0 to `most`.
    pub(crate) fn random(&mut self, most: u32) -> u32 {
        let [a, b, c, d, ..] = self.drawn();
        u32::from_be_bytes([a, b, c, d]) % (most + 1)
    }

    /// The session a dialog's request is for, by its Call-ID and our tag.
    pub(crate) fn session_of(&self, call_id: &str, tag: &str) -> Option<SessionId> {
        self.dialogs.get(&(call_id.to_owned(), tag.to_owned())).copied()
    }

    pub(crate) fn new_session_id(&mut self) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        id
    }

    pub(crate) fn new_offer_id(&mut self) -> OfferId {
        let id = OfferId(self.next_offer);
        self.next_offer += 1;
        id
    }

    pub(crate) fn new_request_id(&mut self) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        id
    }

    /// Takes in a session: requests of its dialog find it from here on.
    pub(crate) fn enter(&mut self, session: Session) {
        self.dialogs
            .insert((session.call_id.clone(), session.local_tag.clone()), session.id);
        self.file(session);
    }

    /// Files a session under its next deadline, or forgets it.
    pub(crate) fn file(&mut self, mut session: Session) {
        let due = session.due();
        if due != session.armed {
            if let Some(at) = session.armed {
                self.due.remove(&(at, session.id));
            }
            if let Some(at) = due {
                self.due.insert((at, session.id));
            }
            session.armed = due;
        }
        if session.is_over() && session.live == 0 {
            if let Some(at) = session.armed {
                self.due.remove(&(at, session.id));
            }
            self.dialogs.remove(&(session.call_id, session.local_tag));
        } else {
            self.sessions.insert(session.id, session);
        }
    }

    /// An INVITE of this source awaits the application.
    pub(crate) fn unanswered(&mut self, source: IpAddr) {
        *self.pending.entry(source).or_default() += 1;
    }

    /// It has been answered.
    pub(crate) fn answered(&mut self, source: IpAddr) {
        if let Some(count) = self.pending.get_mut(&source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.pending.remove(&source);
            }
        }
    }

    pub(crate) fn unanswered_from(&self, source: IpAddr) -> usize {
        self.pending.get(&source).copied().unwrap_or(0)
    }

    /// Lets sessions go whose last transaction has gone.
    pub(crate) fn settle(&mut self, now: Instant) {
        while let Some((id, user)) = self.gone.pop() {
            let Some(session) = user.keeps() else { continue };
            self.with_session(session, |endpoint, session| {
                session.live = session.live.saturating_sub(1);
                session.invites.retain(|invite| *invite != id);
                endpoint.modify_next(now, session);
            });
        }
    }
}

/// A request on its way.
pub(crate) struct Sent {
    pub(crate) client: TransactionId,
    pub(crate) fallback: Option<Flow>,
}

/// RFC 3261 §18.2.2 and RFC 3581 §4: back to where the packet came from, to the port the sender names unless it asked for the
/// packet's own. `maddr` is not obeyed: it would let a stranger point our answers at somebody else.
fn response_flow(flow: Flow, via: &Via) -> Flow {
    if flow.transport.is_reliable() || via.rport().is_some() {
        return flow;
    }
    let port = via.port.unwrap_or(flow.transport.default_port());
    Flow {
        remote: SocketAddr::new(flow.remote.ip(), port),
        ..flow
    }
}

/// What a request insists on and we do not have.
fn unknown_options(request: &Request) -> impl Iterator<Item = String> {
    request.require().into_iter().filter(|option| {
        let known = [prack::OPTION, refresh::OPTION];
        !known.iter().any(|known| known.eq_ignore_ascii_case(option))
    })
}

/// Whether there is a session description in the body, or its sender can do without our reading it (RFC 3261 §20.11).
fn is_readable(request: &Request) -> bool {
    let content_type = request.content_type().unwrap_or_else(|| SDP.to_owned());
    let optional = request
        .headers
        .text(HeaderName::ContentDisposition)
        .is_some_and(|disposition| {
            disposition.split(';').skip(1).any(|param| {
                param.split_once('=').is_some_and(|(name, value)| {
                    name.trim().eq_ignore_ascii_case("handling") && value.trim().eq_ignore_ascii_case("optional")
                })
            })
        });
    optional || multipart::find(&content_type, &request.body, SDP).is_some()
}

/// RFC 3261 §17.2.3.
fn server_key(request: &Request, via: &Via, cseq: u32, flow: Flow) -> ServerKey {
    let method = match request.method {
        Method::Ack => Method::Invite,
        ref method => method.clone(),
    };
    let name = match via.unique_branch() {
        Some(branch) => format!("{branch} {}:{}", via.host, via.port.unwrap_or(5060)),
        // RFC 2543: Request-URI, From tag, Call-ID, CSeq and top Via; the To tag is left out so that an ACK matches.
        None => format!(
            "{} {} {} {cseq} {}",
            request.uri.to_wire(),
            request.from_tag().unwrap_or_default(),
            request.call_id().unwrap_or_default(),
            via.to_wire(),
        ),
    };
    ServerKey {
        name,
        method,
        source: flow.remote.ip(),
        secure: flow.transport.is_secure(),
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("ready", &self.ready)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
