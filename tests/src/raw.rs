//! SIP as raw text over real sockets, for tests that ask what a stranger to our stack would see.
//!
//! A message is `format!` and a split at CRLF, written against the RFCs and not against our `sip` crate, so that one
//! mistake cannot be made on both sides. [`Line`] is a socket, [`Phone`] a caller with one dialog, [`Desk`] a telephone
//! that is rung by the engine; each test says with raw headers what is unusual about its messages.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::LOOPBACK;

/// An answer comes within this, on a busy machine too.
pub const SOON: Duration = Duration::from_secs(10);
/// Long enough to say that nothing came: every answer of ours leaves at once.
pub const QUIET: Duration = Duration::from_millis(350);
/// RFC 3261 §17.1.1.1.
pub const T1: Duration = Duration::from_millis(500);

/// Another address of this machine, from which no trunk of ours signals.
pub const LOOPBACK_ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// The largest datagram.
const DATAGRAM: usize = 65_535;

/// A number nobody else of this process has, nor another process at the same moment.
pub fn fresh() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    format!(
        "{:x}{:x}{:x}",
        std::process::id(),
        now,
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A message that came.
#[derive(Clone)]
pub struct Message {
    /// The start line.
    pub start: String,
    /// The header fields as they came, unfolded, names as they were written.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Everything, byte for byte.
    pub bytes: Vec<u8>,
    /// Who sent it.
    pub from: SocketAddr,
    /// When it was read.
    pub at: Instant,
}

impl Message {
    /// Splits a datagram; `None` when it is no SIP message.
    pub fn read(bytes: &[u8], from: SocketAddr) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        if !start.starts_with("SIP/2.0 ") && !start.ends_with(" SIP/2.0") {
            return None;
        }
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':')?;
            headers.push((name.trim_end().to_owned(), value.trim().to_owned()));
        }
        Some(Self {
            start,
            headers,
            body: bytes[end + 4..].to_vec(),
            bytes: bytes.to_vec(),
            from,
            at: Instant::now(),
        })
    }

    /// The status of a response; 0 for a request.
    pub fn status(&self) -> u16 {
        let status = self.start.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The method: of a request as its start line says, of a response as its CSeq says.
    pub fn method(&self) -> &str {
        if self.status() == 0 {
            return self.start.split(' ').next().unwrap_or_default();
        }
        self.header("CSeq").split_whitespace().nth(1).unwrap_or_default()
    }

    /// The Request-URI.
    pub fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The CSeq's number.
    pub fn cseq(&self) -> u32 {
        let number = self.header("CSeq").split_whitespace().next();
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// The first header of this name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.all(name).first().copied().unwrap_or_default()
    }

    /// Every header of this name, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(same)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// Whether there is such a header.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// Whether a comma list (Allow, Supported, Require …), which may be spread over several headers, names this.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .iter()
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(token))
    }

    /// A parameter of a header's first value.
    pub fn param(&self, header: &str, name: &str) -> Option<String> {
        param(self.header(header), name)
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<String> {
        self.param("To", "tag")
    }

    /// The tag of From.
    pub fn from_tag(&self) -> Option<String> {
        self.param("From", "tag")
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> String {
        uri_of(self.header("Contact"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The values of the SDP lines that begin so, such as `m=audio ` or `a=rtpmap:`.
    pub fn sdp(&self, start: &str) -> Vec<String> {
        let text = self.text();
        let found = text.lines().filter_map(|line| line.strip_prefix(start));
        found.map(str::to_owned).collect()
    }

    /// Where its SDP wants audio.
    pub fn audio(&self) -> SocketAddr {
        let address = self.sdp("c=IN IP").first().and_then(|rest| {
            // `4 192.0.2.1` or `6 2001:db8::1`
            let (_, ip) = rest.split_once(' ')?;
            ip.trim().parse().ok()
        });
        let line = self.sdp("m=audio ");
        let port = line.first().and_then(|line| line.split(' ').next()?.parse().ok());
        SocketAddr::new(
            address.expect("an address in the SDP"),
            port.expect("a port in the SDP"),
        )
    }

    /// A response to this request: Via, From, To, Call-ID and CSeq are copied, Record-Route too; `tag` is added to a To
    /// that has none. `extra` holds whole header lines, each with its CRLF.
    pub fn answer(&self, status: &str, tag: &str, extra: &str, body: &str) -> Vec<u8> {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "Record-Route"] {
            for value in self.all(name) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let to = self.header("To");
        let tag = if self.to_tag().is_some() || status.starts_with("100") {
            String::new()
        } else {
            format!(";tag={tag}")
        };
        text.push_str(&format!(
            "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}",
            self.header("From"),
            self.header("Call-ID"),
            self.header("CSeq"),
        ));
        if !body.is_empty() && !extra.contains("Content-Type") {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        text.into_bytes()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", String::from_utf8_lossy(&self.bytes))
    }
}

/// A parameter of a header's value, outside the angle brackets.
pub fn param(value: &str, name: &str) -> Option<String> {
    let after = value.rsplit_once('>').map_or(value, |(_, after)| after);
    after.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// What stands between the angle brackets, or before the parameters.
pub fn uri_of(value: &str) -> String {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or_default().to_owned(),
        None => value.split(';').next().unwrap_or_default().trim().to_owned(),
    }
}

/// A request to be sent: every line may be changed before it is.
#[derive(Clone, Debug)]
pub struct Request {
    /// The start line.
    pub start: String,
    /// The header fields, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// In place of the first header of this name, or at the end.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        match self
            .headers
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some(header) => header.1 = value.into(),
            None => self.headers.push((name.to_owned(), value.into())),
        }
        self
    }

    /// One more header.
    pub fn add(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// One more header, before all others.
    pub fn first(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(0, (name.to_owned(), value.into()));
        self
    }

    /// None of these.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Another name for a header, such as its compact form.
    pub fn rename(mut self, name: &str, new: &str) -> Self {
        for (known, _) in &mut self.headers {
            if known.eq_ignore_ascii_case(name) {
                new.clone_into(known);
            }
        }
        self
    }

    /// A body and its type.
    pub fn with(self, kind: &str, body: impl AsRef<[u8]>) -> Self {
        let mut with = self.set("Content-Type", kind);
        with.body = body.as_ref().to_vec();
        with
    }

    /// A session description.
    pub fn sdp(self, text: impl AsRef<[u8]>) -> Self {
        self.with("application/sdp", text)
    }

    /// No body.
    pub fn bare(self) -> Self {
        let mut bare = self.without("Content-Type");
        bare.body.clear();
        bare
    }

    /// Another start line.
    pub fn start(mut self, start: impl Into<String>) -> Self {
        self.start = start.into();
        self
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The method.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// For the wire; Content-Length is added unless a test has written its own (or has renamed it `l`).
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.start).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let counted = |(name, _): &(String, String)| name.eq_ignore_ascii_case("Content-Length") || name == "l";
        if !self.headers.iter().any(counted) {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

enum Pipe {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

/// Every status that README says we refuse with: whatever a test asks, it is told nothing else.
fn listed() -> &'static BTreeSet<u16> {
    static LISTED: OnceLock<BTreeSet<u16>> = OnceLock::new();
    LISTED.get_or_init(|| {
        let readme = std::fs::read_to_string(crate::root().join("README.md")).expect("README.md");
        let (_, table) = readme.split_once("<!-- response codes:").expect("its table");
        let rows = table
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.get(..3)?.parse().ok());
        rows.collect()
    })
}

/// One socket, and what came on it and was not looked at yet.
pub struct Line {
    pipe: Pipe,
    /// Ours.
    pub local: SocketAddr,
    /// Theirs.
    pub server: SocketAddr,
    pending: VecDeque<Message>,
    seen: Vec<String>,
}

impl Line {
    /// A datagram socket on loopback.
    pub fn udp(server: SocketAddr) -> Self {
        Self::udp_at(SocketAddr::new(LOOPBACK, 0), server)
    }

    /// A datagram socket at an address of ours.
    pub fn udp_at(local: SocketAddr, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).expect("a free port");
        let local = socket.local_addr().expect("bound");
        Self::over(Pipe::Udp(socket), local, server)
    }

    /// A connection from loopback.
    pub fn tcp(server: SocketAddr) -> Self {
        Self::tcp_from(LOOPBACK, server)
    }

    /// A connection from an address of ours.
    pub fn tcp_from(from: IpAddr, server: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        socket
            .bind(&SocketAddr::new(from, 0).into())
            .expect("an address of ours");
        socket.connect(&server.into()).expect("the engine listens");
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).expect("a connection");
        let local = stream.local_addr().expect("connected");
        Self::over(Pipe::Tcp(stream, Vec::new()), local, server)
    }

    fn over(pipe: Pipe, local: SocketAddr, server: SocketAddr) -> Self {
        Self {
            pipe,
            local,
            server,
            pending: VecDeque::new(),
            seen: Vec::new(),
        }
    }

    /// `UDP` or `TCP`.
    pub fn transport(&self) -> &'static str {
        match self.pipe {
            Pipe::Udp(_) => "UDP",
            Pipe::Tcp(..) => "TCP",
        }
    }

    /// Sends bytes to the engine.
    pub fn send(&mut self, bytes: &[u8]) {
        match &mut self.pipe {
            Pipe::Udp(socket) => {
                socket.send_to(bytes, self.server).expect("loopback takes a datagram");
            }
            Pipe::Tcp(stream, _) => {
                // A connection the engine has closed is found out by who waits for an answer.
                let _ = stream.write_all(bytes);
            }
        }
    }

    /// Sends bytes to another address, by datagram.
    pub fn send_to(&mut self, bytes: &[u8], to: SocketAddr) {
        let Pipe::Udp(socket) = &self.pipe else {
            return self.send(bytes);
        };
        socket.send_to(bytes, to).expect("loopback takes a datagram");
    }

    /// The next message, whatever it is.
    pub fn next(&mut self, within: Duration) -> Option<Message> {
        if let Some(message) = self.pending.pop_front() {
            return Some(message);
        }
        self.read(Instant::now() + within)
    }

    /// The first message for which this holds; what does not fit is kept for later questions.
    pub fn find(&mut self, within: Duration, is: impl Fn(&Message) -> bool) -> Option<Message> {
        if let Some(at) = self.pending.iter().position(&is) {
            return self.pending.remove(at);
        }
        let end = Instant::now() + within;
        while let Some(message) = self.read(end) {
            if is(&message) {
                return Some(message);
            }
            self.pending.push_back(message);
        }
        None
    }

    /// As [`Self::find`], and fails with everything that came when it does not.
    pub fn expect(&mut self, what: &str, is: impl Fn(&Message) -> bool) -> Message {
        let Some(message) = self.find(SOON, is) else {
            panic!("waited {SOON:?} for {what}; what came:\n{}", self.seen.join("\n"));
        };
        message
    }

    /// Forgets what came until now and was not looked at.
    pub fn forget(&mut self) {
        while self.read(Instant::now() + Duration::from_millis(2)).is_some() {}
        self.pending.clear();
    }

    /// Whether the engine has closed this connection within the time.
    pub fn is_closed(&mut self, within: Duration) -> bool {
        let end = Instant::now() + within;
        while Instant::now() < end {
            let Pipe::Tcp(stream, held) = &mut self.pipe else {
                return false;
            };
            stream
                .set_read_timeout(Some(Duration::from_millis(50)))
                .expect("a connection");
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(length) => held.extend_from_slice(&buffer[..length]),
                Err(error) if waits(&error) => {}
                Err(_) => return true,
            }
        }
        false
    }

    /// Bytes that are no message, such as the pong of a keep-alive (RFC 5626 §4.4.1).
    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        let Pipe::Tcp(stream, held) = &mut self.pipe else {
            return Vec::new();
        };
        stream.set_read_timeout(Some(SOON)).expect("a connection");
        while held.len() < count {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(length) => held.extend_from_slice(&buffer[..length]),
            }
        }
        held.drain(..count.min(held.len())).collect()
    }

    fn read(&mut self, end: Instant) -> Option<Message> {
        loop {
            let left = end
                .checked_duration_since(Instant::now())?
                .max(Duration::from_millis(1));
            let message = match &mut self.pipe {
                Pipe::Udp(socket) => {
                    socket.set_read_timeout(Some(left)).expect("a socket");
                    let mut buffer = vec![0; DATAGRAM];
                    match socket.recv_from(&mut buffer) {
                        Ok((length, from)) => Message::read(&buffer[..length], from),
                        Err(error) if waits(&error) => None,
                        // The kernel reports that a packet of ours found a closed port.
                        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => None,
                        Err(error) => panic!("{error}"),
                    }
                }
                Pipe::Tcp(stream, held) => {
                    if let Some(bytes) = cut(held) {
                        Message::read(&bytes, self.server)
                    } else {
                        stream.set_read_timeout(Some(left)).expect("a connection");
                        let mut buffer = [0; 16 * 1024];
                        match stream.read(&mut buffer) {
                            Ok(0) => return None,
                            Ok(length) => held.extend_from_slice(&buffer[..length]),
                            Err(error) if waits(&error) => {}
                            Err(_) => return None,
                        }
                        None
                    }
                }
            };
            if let Some(message) = message {
                let status = message.status();
                assert!(
                    status < 300 || listed().contains(&status),
                    "{status} does not stand among README's response codes: {message:?}"
                );
                self.seen.push(format!("{message:?}"));
                return Some(message);
            }
        }
    }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut | std::io::ErrorKind::Interrupted
    )
}

/// Cuts one message from the front of a stream (RFC 3261 §18.3), keep-alives before it left out.
fn cut(held: &mut Vec<u8>) -> Option<Vec<u8>> {
    while held.starts_with(b"\r\n") {
        held.drain(..2);
    }
    let end = held.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&held[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is = name.trim().eq_ignore_ascii_case("Content-Length") || name.trim() == "l";
        is.then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + length.unwrap_or(0);
    (held.len() >= whole).then(|| held.drain(..whole).collect())
}

/// A caller with one dialog.
pub struct Phone {
    /// Its socket.
    pub line: Line,
    /// Its audio socket: the port its offers name.
    pub rtp: Rtp,
    /// Its Call-ID.
    pub call_id: String,
    /// From, tag included.
    pub from: String,
    /// To; with the tag once there is one.
    pub to: String,
    /// The number called.
    pub number: String,
    /// Where requests within the dialog go: the other side's Contact.
    pub target: String,
    /// Route headers of requests within the dialog.
    pub routes: Vec<String>,
    /// The last CSeq used.
    pub cseq: u32,
    /// The INVITE as it was last sent.
    pub invite: Option<Request>,
}

impl Phone {
    /// A phone on this line that calls this number.
    pub fn new(line: Line, number: &str) -> Self {
        let call_id = format!("{}@conformance.example.com", fresh());
        let from = format!("<sip:+15125550199@{}>;tag={}", line.local, fresh());
        Self {
            to: format!("<sip:{number}@{}>", line.server),
            target: format!("sip:{number}@{}", line.server),
            rtp: Rtp::bind(line.local.ip()),
            line,
            call_id,
            from,
            number: number.to_owned(),
            routes: Vec::new(),
            cseq: 0,
            invite: None,
        }
    }

    /// Over UDP.
    pub fn udp(server: SocketAddr, number: &str) -> Self {
        Self::new(Line::udp(server), number)
    }

    /// Over TCP.
    pub fn tcp(server: SocketAddr, number: &str) -> Self {
        Self::new(Line::tcp(server), number)
    }

    /// A Via of this phone with a branch of its own.
    pub fn via(&self) -> String {
        format!(
            "SIP/2.0/{} {};branch=z9hG4bK{};rport",
            self.line.transport(),
            self.line.local,
            fresh()
        )
    }

    /// A request with everything that RFC 3261 §8.1.1 asks for, the next CSeq and, once there is one, the dialog.
    pub fn request(&mut self, method: &str) -> Request {
        if method != "ACK" && method != "CANCEL" {
            self.cseq += 1;
        }
        let mut headers = vec![("Via".to_owned(), self.via())];
        for route in &self.routes {
            headers.push(("Route".to_owned(), route.clone()));
        }
        for (name, value) in [
            ("Max-Forwards", "70".to_owned()),
            ("From", self.from.clone()),
            ("To", self.to.clone()),
            ("Call-ID", self.call_id.clone()),
            ("CSeq", format!("{} {method}", self.cseq)),
        ] {
            headers.push((name.to_owned(), value));
        }
        Request {
            start: format!("{method} {} SIP/2.0", self.target),
            headers,
            body: Vec::new(),
        }
    }

    /// Our Contact.
    pub fn contact(&self) -> String {
        match self.line.transport() {
            "TCP" => format!("<sip:caller@{};transport=tcp>", self.line.local),
            _ => format!("<sip:caller@{}>", self.line.local),
        }
    }

    /// An INVITE with a Contact and an offer of µ-law and keys.
    pub fn invite(&mut self) -> Request {
        let contact = self.contact();
        let sdp = self.rtp.sdp();
        self.request("INVITE")
            .add("Contact", contact)
            .add("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE")
            .sdp(sdp)
    }

    /// Sends it, and remembers an INVITE for its ACK and CANCEL.
    pub fn send(&mut self, request: &Request) {
        if request.method() == "INVITE" {
            self.invite = Some(request.clone());
        }
        let bytes = request.bytes();
        self.line.send(&bytes);
    }

    /// Waits for a response to this method with the CSeq last used for it.
    pub fn response(&mut self, method: &str, is: impl Fn(u16) -> bool) -> Message {
        let (call_id, what) = (self.call_id.clone(), format!("a response to {method}"));
        self.line.expect(&what, |message| {
            is(message.status())
                && message.status() > 0
                && message.method() == method
                && message.header("Call-ID") == call_id
        })
    }

    /// Waits for the final response.
    pub fn answer(&mut self, method: &str) -> Message {
        self.response(method, |status| status >= 200)
    }

    /// Sends a request and waits for its final response.
    pub fn ask(&mut self, request: &Request) -> Message {
        self.send(request);
        let method = request.method().to_owned();
        self.answer(&method)
    }

    /// Takes over what a 2xx (or a provisional response with a tag) says of the dialog (RFC 3261 §12.1.2).
    pub fn enter(&mut self, response: &Message) {
        response.header("To").clone_into(&mut self.to);
        self.target = response.contact();
        self.routes = response
            .all("Record-Route")
            .iter()
            .rev()
            .map(|&route| route.to_owned())
            .collect();
    }

    /// The ACK of a 2xx (RFC 3261 §13.2.2.4), for the INVITE last sent.
    pub fn ack(&mut self) -> Request {
        let number = self
            .invite
            .as_ref()
            .map_or("1", |invite| invite.header("CSeq").split(' ').next().unwrap_or("1"));
        let cseq = format!("{number} ACK");
        self.request("ACK").set("CSeq", cseq)
    }

    /// Calls, waits for 200, acknowledges.
    pub fn call(&mut self) -> Message {
        let invite = self.invite();
        self.call_with(&invite)
    }

    /// As [`Self::call`], with this INVITE.
    pub fn call_with(&mut self, invite: &Request) -> Message {
        let answer = self.ask(invite);
        assert_eq!(answer.status(), 200, "{answer:?}");
        self.enter(&answer);
        let ack = self.ack();
        self.send(&ack);
        answer
    }

    /// The CANCEL of the INVITE last sent (RFC 3261 §9.1).
    pub fn cancel(&self) -> Request {
        self.of_the_invite("CANCEL", self.invite.as_ref().map_or("", |invite| invite.header("To")))
    }

    /// The ACK of a refusal (RFC 3261 §17.1.1.3).
    pub fn ack_of_refusal(&self, refusal: &Message) -> Request {
        self.of_the_invite("ACK", refusal.header("To"))
    }

    fn of_the_invite(&self, method: &str, to: &str) -> Request {
        let invite = self.invite.as_ref().expect("an INVITE was sent");
        let uri = invite.start.split(' ').nth(1).unwrap_or_default();
        let number = invite.header("CSeq").split(' ').next().unwrap_or_default();
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in [
            ("Via", invite.header("Via").to_owned()),
            ("Max-Forwards", "70".to_owned()),
            ("From", invite.header("From").to_owned()),
            ("To", to.to_owned()),
            ("Call-ID", invite.header("Call-ID").to_owned()),
            ("CSeq", format!("{number} {method}")),
        ] {
            headers.push((name.to_owned(), value));
        }
        Request {
            start: format!("{method} {uri} SIP/2.0"),
            headers,
            body: Vec::new(),
        }
    }

    /// Sends the INVITE, expects this refusal and acknowledges it.
    pub fn is_refused(&mut self, invite: &Request, status: u16) -> Message {
        let answer = self.ask(invite);
        let ack = self.ack_of_refusal(&answer);
        self.send(&ack);
        assert_eq!(answer.status(), status, "{answer:?}");
        answer
    }

    /// Says BYE; the engine answers 200.
    pub fn hang_up(&mut self) -> Message {
        let bye = self.request("BYE");
        let answer = self.ask(&bye);
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer
    }

    /// Waits for a request of the engine.
    pub fn asked(&mut self, method: &str) -> Message {
        self.line.expect(&format!("{method} of the engine"), |message| {
            message.status() == 0 && message.method() == method
        })
    }

    /// Answers a request of the engine.
    pub fn reply(&mut self, request: &Message, status: &str, extra: &str, body: &str) {
        let bytes = request.answer(status, "", extra, body);
        self.line.send_to(&bytes, request.from);
    }
}

/// The telephone that the engine rings: a callee that answers by hand.
pub struct Desk {
    /// Its socket.
    pub line: Line,
    /// Its audio.
    pub rtp: Rtp,
    /// Its tag.
    pub tag: String,
}

impl Desk {
    /// On a free port of loopback.
    pub fn open() -> Self {
        let line = Line::udp(SocketAddr::new(LOOPBACK, 9));
        Self {
            line,
            rtp: Rtp::bind(LOOPBACK),
            tag: fresh(),
        }
    }

    /// Where it is rung.
    pub fn address(&self) -> SocketAddr {
        self.line.local
    }

    /// Waits for the engine's INVITE outside a dialog.
    pub fn rings(&mut self) -> Message {
        // The ladder begins after the words that every caller hears first.
        let invite = self.line.find(Duration::from_secs(40), |message| {
            message.status() == 0 && message.method() == "INVITE" && message.to_tag().is_none()
        });
        invite.expect("the engine rings the doctor")
    }

    /// Waits for a request of the engine.
    pub fn asked(&mut self, method: &str) -> Message {
        self.line.expect(&format!("{method} of the engine"), |message| {
            message.status() == 0 && message.method() == method
        })
    }

    /// Our Contact, as a whole header line.
    pub fn contact(&self) -> String {
        format!("Contact: <sip:doctor@{}>\r\n", self.line.local)
    }

    /// Answers a request of the engine.
    pub fn reply(&mut self, request: &Message, status: &str, extra: &str, body: &str) {
        let bytes = request.answer(status, &self.tag, extra, body);
        self.line.send_to(&bytes, request.from);
    }

    /// Answers the INVITE 200 with our description, and waits for the ACK.
    pub fn picks_up(&mut self, invite: &Message) -> Message {
        let (contact, sdp) = (self.contact(), self.rtp.sdp());
        self.reply(invite, "200 OK", &contact, &sdp);
        self.asked("ACK")
    }

    /// A request within the dialog that this INVITE began.
    pub fn request(&self, invite: &Message, method: &str, cseq: u32) -> Request {
        let headers = [
            (
                "Via",
                format!("SIP/2.0/UDP {};branch=z9hG4bK{};rport", self.line.local, fresh()),
            ),
            ("Max-Forwards", "70".to_owned()),
            ("From", format!("{};tag={}", invite.header("To"), self.tag)),
            ("To", invite.header("From").to_owned()),
            ("Call-ID", invite.header("Call-ID").to_owned()),
            ("CSeq", format!("{cseq} {method}")),
        ];
        Request {
            start: format!("{method} {} SIP/2.0", invite.contact()),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body: Vec::new(),
        }
    }
}

/// One packet of RTP that came.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Payload type.
    pub kind: u8,
    /// The marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Media time.
    pub timestamp: u32,
    /// Whose stream.
    pub ssrc: u32,
    /// What it carries.
    pub payload: Vec<u8>,
    /// Everything, byte for byte.
    pub bytes: Vec<u8>,
    /// Who sent it.
    pub from: SocketAddr,
}

impl Packet {
    /// Reads RFC 3550 §5.1; `None` for anything else.
    pub fn read(bytes: &[u8], from: SocketAddr) -> Option<Self> {
        if bytes.len() < 12 || bytes[0] >> 6 != 2 || (192..224).contains(&bytes[1]) {
            return None;
        }
        let header = 12 + 4 * usize::from(bytes[0] & 0x0f);
        Some(Self {
            kind: bytes[1] & 0x7f,
            marker: bytes[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
            timestamp: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            ssrc: u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            payload: bytes.get(header..)?.to_vec(),
            bytes: bytes.to_vec(),
            from,
        })
    }
}

/// An audio socket that sends and reads RTP by hand.
pub struct Rtp {
    socket: UdpSocket,
    /// The next sequence number.
    pub sequence: u16,
    /// The next media time.
    pub timestamp: u32,
    /// Our SSRC.
    pub ssrc: u32,
}

impl Rtp {
    /// On a free port.
    pub fn bind(address: IpAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("a free port");
        let seed = socket.local_addr().expect("bound").port();
        Self {
            socket,
            sequence: seed,
            timestamp: u32::from(seed) * 1_000,
            ssrc: 0x5eed_0000 | u32::from(seed),
        }
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("bound")
    }

    /// A description with µ-law and keys (type 101).
    pub fn sdp(&self) -> String {
        self.sdp_with(
            "RTP/AVP 0 101",
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n",
        )
    }

    /// A description whose audio line has this profile and formats, and these attributes (whole lines).
    pub fn sdp_with(&self, formats: &str, attributes: &str) -> String {
        let (ip, port) = (self.address().ip(), self.address().port());
        let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
        format!(
            "v=0\r\no=- {port} 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} {formats}\r\n{attributes}"
        )
    }

    /// Sends bytes.
    pub fn send(&self, bytes: &[u8], to: SocketAddr) {
        self.socket.send_to(bytes, to).expect("loopback takes a datagram");
    }

    /// A packet with the next number; `samples` is how far the media time goes on after it.
    pub fn packet(&mut self, kind: u8, marker: bool, payload: &[u8], samples: u32) -> Vec<u8> {
        let bytes = rtp(kind, marker, self.sequence, self.timestamp, self.ssrc, payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(samples);
        bytes
    }

    /// So many packets of µ-law silence, 20 ms apart.
    pub fn speak(&mut self, to: SocketAddr, packets: usize) {
        for _ in 0..packets {
            let packet = self.packet(0, false, &[0xff; 160], 160);
            self.send(&packet, to);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key as RFC 4733 §2.5 wants: one timestamp, growing duration, the end three times.
    pub fn press(&mut self, to: SocketAddr, kind: u8, code: u8) {
        for step in 1..=5u16 {
            let packet = self.event(kind, code, step == 1, false, step * 160);
            self.send(&packet, to);
            std::thread::sleep(Duration::from_millis(20));
        }
        for _ in 0..3 {
            let packet = self.event(kind, code, false, true, 800);
            self.send(&packet, to);
            std::thread::sleep(Duration::from_millis(20));
        }
        self.timestamp = self.timestamp.wrapping_add(1_600);
    }

    /// One packet of a key that began at the present media time.
    pub fn event(&mut self, kind: u8, code: u8, marker: bool, end: bool, duration: u16) -> Vec<u8> {
        let [high, low] = duration.to_be_bytes();
        let flags = if end { 0x8a } else { 0x0a };
        self.packet(kind, marker, &[code, flags, high, low], 0)
    }

    /// The next packet.
    pub fn next(&self, within: Duration) -> Option<Packet> {
        let end = Instant::now() + within;
        loop {
            let left = end.checked_duration_since(Instant::now())?;
            let (bytes, from) = self.octets(left)?;
            if let Some(packet) = Packet::read(&bytes, from) {
                return Some(packet);
            }
        }
    }

    /// The next datagram, whatever it is.
    pub fn octets(&self, within: Duration) -> Option<(Vec<u8>, SocketAddr)> {
        self.socket
            .set_read_timeout(Some(within.max(Duration::from_millis(1))))
            .expect("a socket");
        let mut buffer = [0; 2_048];
        match self.socket.recv_from(&mut buffer) {
            Ok((length, from)) => Some((buffer[..length].to_vec(), from)),
            Err(_) => None,
        }
    }

    /// Waits for audio; fails when there is none.
    pub fn hears(&self) -> Packet {
        self.next(SOON).expect("the engine speaks")
    }

    /// Reads away what came until now.
    pub fn drain(&self) -> usize {
        let mut count = 0;
        while self.octets(Duration::from_millis(1)).is_some() {
            count += 1;
        }
        count
    }

    /// The packets of so long.
    pub fn listen(&self, time: Duration) -> Vec<Packet> {
        let end = Instant::now() + time;
        let mut packets = Vec::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            packets.extend(self.next(left));
        }
        packets
    }
}

/// One RTP packet (RFC 3550 §5.1).
pub fn rtp(kind: u8, marker: bool, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, kind | if marker { 0x80 } else { 0 }];
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&timestamp.to_be_bytes());
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_and_answered() {
        let bytes = b"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h;x=y>;tag=q\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 7 OPTIONS\r\nRequire: one, Two\r\n\r\nbody";
        let message = Message::read(bytes, SocketAddr::new(LOOPBACK, 1)).unwrap();
        assert_eq!((message.status(), message.method(), message.cseq()), (0, "OPTIONS", 7));
        assert_eq!(message.from_tag().as_deref(), Some("q"));
        assert!(message.lists("require", "two") && message.text() == "body");
        let answer = Message::read(&message.answer("200 OK", "t", "", ""), message.from).unwrap();
        assert_eq!((answer.status(), answer.method()), (200, "OPTIONS"));
        assert_eq!(answer.to_tag().as_deref(), Some("t"));
        assert_eq!(uri_of("\"x\" <sip:a@b;c=d>;e=f"), "sip:a@b;c=d");
    }

    #[test]
    fn a_stream_is_cut() {
        let mut held = b"\r\n\r\nA sip:b SIP/2.0\r\nContent-Length: 3\r\n\r\nabcB".to_vec();
        let first = cut(&mut held).unwrap();
        assert!(first.ends_with(b"\r\n\r\nabc"), "{first:?}");
        assert_eq!(held, b"B");
        assert!(cut(&mut held).is_none());
    }

    #[test]
    fn a_packet_reads_as_written() {
        let bytes = rtp(101, true, 7, 800, 0xdead_beef, &[1, 2]);
        let packet = Packet::read(&bytes, SocketAddr::new(LOOPBACK, 1)).unwrap();
        assert_eq!(
            (
                packet.kind,
                packet.marker,
                packet.sequence,
                packet.timestamp,
                packet.ssrc
            ),
            (101, true, 7, 800, 0xdead_beef)
        );
        assert_eq!(packet.payload, [1, 2]);
    }
}
