//! Dialogs (RFC 3261 §12): the lasting relation two tags and a Call-ID name, and how a request within it is written and routed.
//!
//! One thing to know: a dialog believes requests only from its signalling peer, which is the address its first message
//! came from, or the one its route set (or Contact) names. Anybody else who learned the tags is a stranger.

use std::net::{IpAddr, SocketAddr};

use crate::message::{HeaderName, Headers, Host, Method, NameAddr, Request, Scheme, Uri};
use crate::transport::Flow;

/// The longest route set we carry; a longer one is cut off by refusing the message that brought it.
pub(crate) const ROUTES_MAX: usize = 16;

/// One dialog, early or confirmed. No `Debug`: it holds two people's addresses.
#[derive(Clone)]
pub(crate) struct Dialog {
    pub(crate) call_id: String,
    pub(crate) remote_tag: String,
    /// From and To as they were first written, byte for byte, tags included.
    local: Vec<u8>,
    remote: Vec<u8>,
    pub(crate) local_cseq: u32,
    remote_cseq: Option<u32>,
    remote_target: Uri,
    route_set: Vec<NameAddr>,
    /// The way its first message took.
    flow: Flow,
    /// We sent the INVITE, so the Call-ID is ours.
    caller: bool,
    /// The peer is a phone behind a NAT, so only the way it came leads back to it.
    behind_nat: bool,
    /// Set up by a `sips:` URI, so that our Contact is one too (RFC 3261 §12.1.1, §8.1.1.8).
    secure: bool,
}

impl Dialog {
    /// RFC 3261 §12.1.1: from an INVITE we answer. `flow` is the way it came; `local_tag` is ours.
    pub(crate) fn uas(invite: &Request, local_tag: &str, flow: Flow) -> Option<Self> {
        let headers = &invite.headers;
        let mut local = headers.get(HeaderName::To)?.to_vec();
        local.extend_from_slice(b";tag=");
        local.extend_from_slice(local_tag.as_bytes());
        Some(Self {
            call_id: headers.call_id()?.to_owned(),
            // RFC 3261 §12.1.1: an RFC 2543 caller may have no tag; it is then the empty one.
            remote_tag: headers.from_tag().unwrap_or_default(),
            local,
            remote: headers.get(HeaderName::From)?.to_vec(),
            local_cseq: 0,
            remote_cseq: Some(headers.cseq()?.number),
            remote_target: headers.contact()?.uri,
            route_set: route_set(headers, false)?,
            flow,
            caller: false,
            behind_nat: is_behind_nat(headers, flow.remote.ip()),
            secure: asks_secure(invite),
        })
    }

    /// RFC 3261 §12.1.2: from a response to an INVITE of ours. `flow` is the way the INVITE took.
    pub(crate) fn uac(invite: &Request, response: &Headers, flow: Flow) -> Option<Self> {
        let headers = &invite.headers;
        Some(Self {
            call_id: headers.call_id()?.to_owned(),
            remote_tag: response.to_tag().unwrap_or_default(),
            local: headers.get(HeaderName::From)?.to_vec(),
            remote: response.get(HeaderName::To)?.to_vec(),
            local_cseq: headers.cseq()?.number,
            remote_cseq: None,
            // A 2xx must carry a Contact (RFC 3261 §12.1.1); some do not, and then the INVITE's target is all there is.
            remote_target: response
                .contact()
                .map_or_else(|| invite.uri.clone(), |contact| contact.uri),
            route_set: route_set(response, true)?,
            flow,
            caller: true,
            behind_nat: false,
            secure: is_secure(invite),
        })
    }

    /// RFC 3261 §12.2.1.1: a request within the dialog, all but Via and body; the CSeq is the caller's to choose (an
    /// ACK repeats its INVITE's).
    pub(crate) fn request(&self, method: Method, cseq: u32) -> Request {
        let mut routes: Vec<Uri> = self.route_set.iter().map(|route| route.uri.clone()).collect();
        let uri = match routes.first() {
            // A strict router expects itself in the Request-URI, and the target at the end of the routes.
            Some(first) if !first.is_loose() => {
                let first = routes.remove(0);
                routes.push(self.remote_target.clone());
                strict(first)
            }
            _ => self.remote_target.clone(),
        };
        let mut request = Request::new(method.clone(), uri);
        for route in routes {
            request.headers.push(HeaderName::Route, NameAddr::new(route).to_wire());
        }
        request
            .headers
            .push(HeaderName::MaxForwards, crate::session::MAX_FORWARDS.to_string());
        request.headers.push(HeaderName::From, &self.local);
        request.headers.push(HeaderName::To, &self.remote);
        request.headers.push(HeaderName::CallId, &self.call_id);
        request.headers.push(HeaderName::CSeq, format!("{cseq} {method}"));
        request
    }

    /// The same dialog as an earlier response set it up: its requests are counted on, and its target stands when the final
    /// response names none (RFC 3261 §13.2.2.4 has the route set made anew from the 2xx).
    pub(crate) fn follows(&mut self, early: &Dialog, response: &Headers) {
        self.local_cseq = early.local_cseq;
        self.remote_cseq = early.remote_cseq;
        if response.contact().is_none() {
            self.remote_target = early.remote_target.clone();
        }
    }

    /// Whether our Contact in it is a `sips:` URI.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the Call-ID is ours.
    pub(crate) fn is_caller(&self) -> bool {
        self.caller
    }

    /// The next CSeq of ours.
    pub(crate) fn next_cseq(&mut self) -> u32 {
        // RFC 3261 §8.1.1.5: below 2^31; a dialog that sends so many requests has other troubles.
        self.local_cseq = (self.local_cseq + 1) & 0x7fff_ffff;
        self.local_cseq
    }

    /// RFC 3261 §12.2.2: whether a request of theirs comes in order; if so it is the latest.
    pub(crate) fn in_order(&mut self, cseq: u32) -> bool {
        let in_order = self.remote_cseq.is_none_or(|last| cseq > last);
        if in_order {
            self.remote_cseq = Some(cseq);
        }
        in_order
    }

    /// RFC 3261 §12.2: a re-INVITE, an UPDATE, or a 2xx to ours may move the remote target; never the route set.
    pub(crate) fn refresh_target(&mut self, headers: &Headers) {
        if let Some(contact) = headers.contact() {
            self.remote_target = contact.uri;
        }
    }

    /// Whether a request that came this way can be theirs. What was set up over TLS is not believed in the clear, where anybody
    /// may write any source address; a new stream from the same host is the same peer.
    pub(crate) fn believes(&self, way: Flow) -> bool {
        let source = way.remote.ip();
        let host =
            same_host(source, self.flow.remote.ip()) || self.next_hop().is_some_and(|hop| same_host(source, hop.ip()));
        host && (way.transport.is_secure() || !self.flow.transport.is_secure())
    }

    /// The way a request within the dialog takes (RFC 3261 §12.2.1.1, §8.1.2). A host that is a name is not looked up here: it
    /// leads back the way the dialog came, which is where the element that wrote the name is.
    pub(crate) fn way(&self) -> Flow {
        // RFC 7118 §5: a WebSocket client cannot be connected to, whatever its Contact says.
        if self.behind_nat || self.flow.transport.is_web_socket() {
            return self.flow;
        }
        match self.next_hop() {
            // The stream that set the dialog up is the surest way back to the host it leads to (RFC 5923 §4).
            Some(hop) if self.flow.connection.is_some() && same_host(hop.ip(), self.flow.remote.ip()) => self.flow,
            Some(remote) if reachable(remote.ip(), self.flow.remote.ip()) => Flow {
                remote,
                connection: None,
                ..self.flow
            },
            // Their stream is gone, and the port it came from was nobody's to connect to: the port that belongs to the name.
            None if self.flow.transport.is_reliable() && self.flow.connection.is_none() && !self.caller => Flow {
                remote: SocketAddr::new(self.flow.remote.ip(), self.port()),
                ..self.flow
            },
            _ => self.flow,
        }
    }

    /// The stream that carried the dialog has broken; the next request asks for another one.
    pub(crate) fn connection_lost(&mut self, flow: Flow) {
        if self.flow.transport == flow.transport
            && self.flow.remote == flow.remote
            && (flow.connection.is_none() || self.flow.connection == flow.connection)
        {
            self.flow.connection = None;
        }
    }

    /// Whom requests go to first: the first route, or the target itself.
    fn next(&self) -> &Uri {
        self.route_set.first().map_or(&self.remote_target, |route| &route.uri)
    }

    fn port(&self) -> u16 {
        let next = self.next();
        let transport = self.flow.transport;
        // A port that came without a word of TLS is where they listen in the clear.
        let meant = !transport.is_secure() || next.scheme == Scheme::Sips || next.param("transport").is_some();
        next.port
            .filter(|_| meant && transport.serves(next))
            .unwrap_or(transport.default_port())
    }

    fn next_hop(&self) -> Option<SocketAddr> {
        let uri = self.next();
        if !uri.is_sip() {
            return None;
        }
        let host = match uri.param("maddr") {
            Some(maddr) => Host::parse(maddr).ok()?.ip()?,
            None => uri.host.ip()?,
        };
        // A next hop that wants another transport than the dialog's is reached the way the dialog came; one that names none
        // listens where the dialog speaks, whatever RFC 3263 §4.1 would make of it.
        self.flow
            .transport
            .serves(uri)
            .then(|| SocketAddr::new(host, self.port()))
    }
}

/// RFC 3261 §12.1.1: whether whoever asked us so wants a `sips:` Contact back.
pub(crate) fn asks_secure(invite: &Request) -> bool {
    let sips = |uri: &Uri| uri.scheme == Scheme::Sips;
    let first = invite.record_routes().into_iter().next().or_else(|| invite.contact());
    sips(&invite.uri) || first.is_some_and(|first| sips(&first.uri))
}

/// RFC 3261 §8.1.1.8: whether a request of ours owes a `sips:` Contact.
pub(crate) fn is_secure(request: &Request) -> bool {
    let sips = |uri: &Uri| uri.scheme == Scheme::Sips;
    sips(&request.uri) || request.routes().first().is_some_and(|route| sips(&route.uri))
}

fn same_host(one: IpAddr, other: IpAddr) -> bool {
    one.to_canonical() == other.to_canonical()
}

/// RFC 3261 §12.1.1 and §12.1.2: as recorded for the one who answers, reversed for the one who asked. `None`: too long.
fn route_set(headers: &Headers, reversed: bool) -> Option<Vec<NameAddr>> {
    let mut routes = headers.record_routes();
    if reversed {
        routes.reverse();
    }
    (routes.len() <= ROUTES_MAX).then_some(routes)
}

/// RFC 3261 §12.2.1.1: what a Request-URI cannot hold is stripped.
fn strict(mut uri: Uri) -> Uri {
    uri.params.remove("method");
    uri.headers.clear();
    uri
}

/// One Via and no Record-Route: the sender is the phone itself. When its own idea of its address is not where the packet came
/// from, there is a NAT between, and its Contact is no better than its Via.
fn is_behind_nat(headers: &Headers, source: IpAddr) -> bool {
    let vias = headers.vias();
    let direct = vias.len() == 1 && !headers.has(HeaderName::RecordRoute);
    direct
        && vias
            .iter()
            .filter_map(|via| via.host.ip())
            .any(|ip| !same_host(ip, source))
}

/// What a peer writes need not mean anything here: a private, loopback or unspecified next hop is not
/// believed of a peer who spoke from a public address.
fn reachable(hop: IpAddr, peer: IpAddr) -> bool {
    let local = |ip: IpAddr| match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    let loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    hop.is_ipv4() == peer.is_ipv4()
        && !hop.is_unspecified()
        && !hop.is_multicast()
        && (!local(hop) || local(peer))
        && loopback(hop) == loopback(peer)
}
