//! One way to one peer: a socket, our own SIP endpoint on it, the audio of the call under way, and a memory of every message.
//!
//! It is driven by whoever waits ([`Wire::until`]): one thread, a few milliseconds a turn, one call at a time.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use media::sdp::Offering;
use media::{LegEvent, PACKET_OUT_BYTES};
use sip::message::{Frame, Framer, Message, Method, Response};

use super::secure::Secured;
use crate::keys;

/// How long one turn sleeps.
const TURN: Duration = Duration::from_millis(2);
const FRAME: Duration = Duration::from_millis(20);
/// A stream that is not open by then will not be.
const CONNECT_WITHIN: Duration = Duration::from_secs(8);
/// Messages remembered of one check.
const SEEN_MAX: usize = 2_000;
/// Digits remembered of one call.
const HEARD_MAX: usize = 64;
const DATAGRAM_MAX: usize = 65_535;

/// A message that went by.
pub(super) struct Seen {
    /// When.
    pub(super) at: Instant,
    /// From us.
    pub(super) ours: bool,
    /// What.
    pub(super) message: Message,
}

/// Where a wire leads, and from where.
#[derive(Clone)]
pub(super) struct Ends {
    /// How.
    pub(super) transport: sip::Transport,
    /// The other side.
    pub(super) remote: SocketAddr,
    /// Our address, any port.
    pub(super) local: IpAddr,
    /// What others are told it is; behind NAT another.
    pub(super) advertised: Option<IpAddr>,
    /// The ports of our audio; none: any.
    pub(super) rtp_ports: Option<RangeInclusive<u16>>,
}

/// One way to one peer.
pub(super) struct Wire {
    ends: Ends,
    link: Link,
    /// The way, as the endpoint names it.
    pub(super) flow: sip::Flow,
    /// Our side of the signalling.
    pub(super) endpoint: sip::Endpoint,
    /// Every message so far.
    pub(super) seen: Vec<Seen>,
    events: VecDeque<sip::Event>,
    /// The audio of the call under way.
    pub(super) audio: Option<Audio>,
    /// What we said of that call last.
    pub(super) said: Option<Vec<u8>>,
    /// The call under way, once it is answered, and what may be spoken in it: a change they offer is answered here.
    pub(super) talking: Option<(sip::SessionId, Offering)>,
    /// The stream broke.
    pub(super) broken: Option<String>,
    next_port: u16,
    buffer: Vec<u8>,
}

enum Link {
    Datagrams(UdpSocket),
    Stream {
        stream: Box<dyn Stream>,
        framer: Framer,
        unsent: Vec<u8>,
    },
}

/// A byte stream that never waits.
pub(super) trait Stream {
    /// Reads what is there; 0 when the other side has closed.
    fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Writes what fits.
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

impl Stream for TcpStream {
    fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read(into)
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }
}

/// One call's audio.
pub(super) struct Audio {
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
    /// Once there is an agreement.
    pub(super) leg: Option<media::Leg>,
    next_frame: Instant,
    /// When audio first came.
    pub(super) first_packet: Option<Instant>,
    /// Keys heard from the other side, as events, tones or INFO.
    pub(super) heard: Vec<(Instant, char)>,
}

/// Opens a stream that never waits.
pub(super) fn connect(remote: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&remote, CONNECT_WITHIN)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

impl Wire {
    /// Opens a way. A secured stream is handed in, its handshake done.
    pub(super) fn open(ends: Ends, secured: Option<Secured>) -> io::Result<Self> {
        let (link, local) = match (ends.transport, secured) {
            (sip::Transport::Udp, _) => {
                let socket = UdpSocket::bind(SocketAddr::new(ends.local, 0))?;
                socket.set_nonblocking(true)?;
                let local = socket.local_addr()?;
                (Link::Datagrams(socket), local)
            }
            (_, Some(secured)) => {
                let local = secured.local()?;
                (Link::stream(Box::new(secured)), local)
            }
            (_, None) => {
                let stream = connect(ends.remote)?;
                let local = stream.local_addr()?;
                (Link::stream(Box::new(stream)), local)
            }
        };
        let advertised = SocketAddr::new(ends.advertised.unwrap_or(local.ip()), local.port());
        let flow = sip::Flow {
            transport: ends.transport,
            local,
            remote: ends.remote,
            // The endpoint asks for any connection to the peer; there is one.
            connection: None,
        };
        let config = sip::Config {
            addresses: vec![sip::Address {
                transport: ends.transport,
                local,
                advertised,
            }],
            ..sip::Config::default()
        };
        let next_port = ends.rtp_ports.as_ref().map_or(0, |ports| ports.end() & !1);
        Ok(Self {
            ends,
            link,
            flow,
            endpoint: sip::Endpoint::new(config, keys::draw()),
            seen: Vec::new(),
            events: VecDeque::new(),
            audio: None,
            said: None,
            talking: None,
            broken: None,
            next_port,
            buffer: vec![0; DATAGRAM_MAX],
        })
    }

    /// Turns until `want` finds something, or the time is over.
    pub(super) fn until<T>(&mut self, patience: Duration, mut want: impl FnMut(&mut Self) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        loop {
            self.turn();
            if let Some(found) = want(self) {
                return Some(found);
            }
            if Instant::now() >= deadline || self.broken.is_some() {
                return None;
            }
            std::thread::sleep(TURN);
        }
    }

    /// Lets time pass with everything going on.
    pub(super) fn rest(&mut self, long: Duration) {
        self.until(long, |_| None::<()>);
    }

    /// The next event that concerns nobody in particular, oldest first.
    pub(super) fn event(&mut self) -> Option<sip::Event> {
        self.events.pop_front()
    }

    /// The first event that `fits`; others stay.
    pub(super) fn take_event(&mut self, fits: impl Fn(&sip::Event) -> bool) -> Option<sip::Event> {
        let at = self.events.iter().position(fits)?;
        self.events.remove(at)
    }

    /// The first final response of theirs to a request of this kind, among the messages from `since` on.
    pub(super) fn final_response(&self, since: usize, method: &Method) -> Option<&Response> {
        self.responses(since, method)
            .find(|response| response.status.code() >= 200)
    }

    /// Their responses to requests of this kind, from `since` on.
    pub(super) fn responses(&self, since: usize, method: &Method) -> impl Iterator<Item = &Response> {
        self.seen
            .iter()
            .skip(since)
            .filter_map(move |seen| match &seen.message {
                Message::Response(response) if !seen.ours => {
                    let ours = response.headers.cseq().is_some_and(|cseq| cseq.method == *method);
                    ours.then_some(response)
                }
                _ => None,
            })
    }

    /// Whether we sent a request of this kind, from `since` on.
    pub(super) fn asked(&self, since: usize, method: &Method) -> bool {
        self.seen
            .iter()
            .skip(since)
            .any(|seen| matches!(&seen.message, Message::Request(request) if seen.ours && request.method == *method))
    }

    /// Binds sockets for the next call's audio, and says how our description begins.
    pub(super) fn prepare_audio(&mut self) -> io::Result<media::sdp::Local> {
        let (rtp, rtcp) = self.bind_pair()?;
        let port = rtp.local_addr()?.port();
        self.audio = Some(Audio {
            rtp,
            rtcp,
            leg: None,
            next_frame: Instant::now(),
            first_packet: None,
            heard: Vec::new(),
        });
        let octets = keys::draw()();
        let [a, b, c, d, ..] = octets;
        Ok(media::sdp::Local {
            address: self.ends.advertised.unwrap_or(self.flow.local.ip()),
            port,
            session: u64::from(u32::from_be_bytes([a, b, c, d])),
            version: 1,
        })
    }

    /// An even port and the one above it: from the configured range, which a firewall lets through, else any.
    fn bind_pair(&mut self) -> io::Result<(UdpSocket, Option<UdpSocket>)> {
        let address = self.flow.local.ip();
        let bind = |port| -> io::Result<UdpSocket> {
            let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let Some(ports) = self.ends.rtp_ports.clone() else {
            let rtp = bind(0)?;
            let above = rtp.local_addr()?.port().checked_add(1).and_then(|port| bind(port).ok());
            return Ok((rtp, above));
        };
        // From the top down: the engine, which may be running, takes them from anywhere.
        let pairs = usize::from((ports.end() - ports.start()) / 2).max(1);
        for _ in 0..pairs {
            let port = self.next_port;
            self.next_port = if port < *ports.start() + 2 {
                ports.end() & !1
            } else {
                port - 2
            };
            if let (Ok(rtp), Ok(rtcp)) = (bind(port), bind(port + 1)) {
                return Ok((rtp, Some(rtcp)));
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no pair of RTP ports is free"))
    }

    /// The audio begins, or changes.
    pub(super) fn agree(&mut self, stream: &media::sdp::Stream) {
        let Some(audio) = &mut self.audio else { return };
        match &mut audio.leg {
            Some(leg) => leg.update(stream),
            None => {
                let start = media::LegStart::drawn(&mut keys::draw());
                let mut leg = media::Leg::new(stream, start);
                // A tone that is echoed after an event must be heard as well.
                leg.listen_for_tones(true);
                audio.leg = Some(leg);
                audio.next_frame = Instant::now();
            }
        }
    }

    fn turn(&mut self) {
        self.receive();
        self.endpoint.handle_timeout(Instant::now());
        self.drain();
        if let Some(audio) = &mut self.audio {
            audio.turn(&mut self.buffer);
        }
        self.flush();
    }

    fn receive(&mut self) {
        let now = Instant::now();
        let mut arrived: Vec<Vec<u8>> = Vec::new();
        match &mut self.link {
            Link::Datagrams(socket) => {
                while let Ok((length, remote)) = socket.recv_from(&mut self.buffer) {
                    // Carriers answer from any port of theirs, not from any host.
                    if remote.ip() == self.flow.remote.ip()
                        && let Some(bytes) = self.buffer.get(..length)
                    {
                        arrived.push(bytes.to_vec());
                    }
                }
            }
            Link::Stream { stream, framer, .. } => {
                loop {
                    match stream.read_some(&mut self.buffer) {
                        Ok(0) => {
                            self.broken
                                .get_or_insert_with(|| "the other side closed the connection".into());
                            break;
                        }
                        Ok(length) => framer.push(self.buffer.get(..length).unwrap_or_default()),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => {
                            self.broken.get_or_insert_with(|| error.to_string());
                            break;
                        }
                    }
                }
                while let Some(frame) = framer.next() {
                    match frame {
                        Ok(Frame::Message(bytes)) => arrived.push(bytes),
                        Ok(Frame::Ping) => {}
                        Err(error) => {
                            self.broken
                                .get_or_insert_with(|| format!("the stream is no SIP: {error}"));
                        }
                    }
                }
            }
        }
        for bytes in arrived {
            self.remember(false, &bytes);
            self.endpoint.handle_received(now, self.flow, &bytes);
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.endpoint.poll_output() {
                sip::Output::Transmit(transmit) => {
                    self.remember(true, &transmit.bytes);
                    match &mut self.link {
                        Link::Datagrams(socket) => {
                            // A datagram the kernel refuses is one the network lost.
                            let _ = socket.send_to(&transmit.bytes, transmit.flow.remote);
                        }
                        Link::Stream { unsent, .. } => unsent.extend_from_slice(&transmit.bytes),
                    }
                }
                sip::Output::Event(event) => {
                    if let sip::Event::Info { body, .. } = &event
                        && let Some(leg) = self.audio.as_mut().and_then(|audio| audio.leg.as_mut())
                    {
                        leg.hear_info_digit(Instant::now(), &body.bytes);
                    }
                    match (event, &self.talking) {
                        (sip::Event::Offered { session, offer, body }, Some((talking, _))) if session == *talking => {
                            self.reoffered(session, offer, body);
                        }
                        (event, _) => self.events.push_back(event),
                    }
                }
                sip::Output::Timeout(_) => return,
            }
        }
    }

    /// They change the call under way, or only refresh it: many carriers do, in the midst of a check.
    fn reoffered(&mut self, session: sip::SessionId, offer: sip::OfferId, body: Option<sip::Body>) {
        let now = Instant::now();
        let (Some(said), Some((_, offering))) = (self.said.clone(), &self.talking) else {
            return;
        };
        let want = media::sdp::Direction::SendRecv;
        let answer = match &body {
            // An empty re-INVITE asks for our offer; what they answer comes as `OfferAnswered`.
            None => media::sdp::reoffer(&said, want).ok().map(|again| (again, None)),
            Some(body) => media::sdp::answer_again(&said, &body.bytes, offering, want, &mut keys::draw())
                .ok()
                .map(|(answer, stream)| (answer, Some(stream))),
        };
        let Some((says, stream)) = answer else {
            self.endpoint.refuse_offer(now, session, offer, 488);
            return;
        };
        if let Some(stream) = stream {
            self.agree(&stream);
        }
        self.endpoint
            .answer_offer(now, session, offer, sip::Body::sdp(says.clone()));
        self.said = Some(says);
    }

    fn flush(&mut self) {
        let Link::Stream { stream, unsent, .. } = &mut self.link else {
            return;
        };
        while !unsent.is_empty() {
            match stream.write_some(unsent) {
                Ok(0) => return,
                Ok(written) => {
                    unsent.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.broken.get_or_insert_with(|| error.to_string());
                    unsent.clear();
                }
            }
        }
    }

    fn remember(&mut self, ours: bool, bytes: &[u8]) {
        if self.seen.len() < SEEN_MAX
            && let Ok(message) = Message::parse(bytes)
        {
            self.seen.push(Seen {
                at: Instant::now(),
                ours,
                message,
            });
        }
    }
}

impl Link {
    fn stream(stream: Box<dyn Stream>) -> Self {
        Self::Stream {
            stream,
            framer: Framer::new(),
            unsent: Vec::new(),
        }
    }
}

impl Audio {
    fn turn(&mut self, buffer: &mut [u8]) {
        let now = Instant::now();
        let Some(leg) = &mut self.leg else {
            // Early audio waits in the socket for the agreement.
            return;
        };
        while let Ok((length, remote)) = self.rtp.recv_from(buffer) {
            leg.receive(now, remote, buffer.get_mut(..length).unwrap_or_default());
        }
        if let Some(rtcp) = &self.rtcp {
            while let Ok((length, remote)) = rtcp.recv_from(buffer) {
                leg.receive_rtcp(now, remote, buffer.get_mut(..length).unwrap_or_default());
            }
        }
        let mut packet = [0; PACKET_OUT_BYTES];
        while self.next_frame <= now {
            self.next_frame += FRAME;
            let length = leg.tick(now, &mut packet);
            if let Some(bytes) = packet.get(..length).filter(|bytes| !bytes.is_empty()) {
                // What the kernel will not send is lost like any packet.
                let _ = self.rtp.send_to(bytes, leg.target());
            }
            let length = leg.tick_rest(&mut packet);
            if let Some(bytes) = packet.get(..length).filter(|bytes| !bytes.is_empty()) {
                let _ = self.rtp.send_to(bytes, leg.target());
            }
            // Only what is told of it matters here.
            let _ = leg.take_frame();
        }
        let length = leg.rtcp_due(now, &mut packet);
        if let Some(bytes) = packet.get(..length).filter(|bytes| !bytes.is_empty()) {
            let socket = match &self.rtcp {
                Some(rtcp) if !leg.stream().rtcp_mux => rtcp,
                _ => &self.rtp,
            };
            let _ = socket.send_to(bytes, leg.rtcp_target());
        }
        while let Some(event) = leg.poll_event() {
            match event {
                LegEvent::Digit(digit, _) if self.heard.len() < HEARD_MAX => {
                    self.heard.push((now, digit.expose().as_char()));
                }
                LegEvent::FirstPacket => {
                    self.first_packet.get_or_insert(now);
                }
                _ => {}
            }
        }
    }

    /// Packets received so far.
    pub(super) fn received(&self) -> u64 {
        self.leg.as_ref().map_or(0, |leg| leg.quality().received)
    }
}
