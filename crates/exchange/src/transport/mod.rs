//! Signalling sockets: UDP, TCP, TLS, WebSocket and secure WebSocket, all feeding the bounded queues of [`gate`].
//!
//! One owner, the signalling loop, holds [`Transports`]; tasks only read, write and report. Nothing a peer does grows
//! anything without a limit named here: connections in total and per source, the time a handshake and a message may
//! take, the octets waiting for a slow reader, the messages waiting for the loop.

mod gate;
mod stream;
mod tls;
mod upgrade;
mod websocket;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sip::{Flow, Transmit, Transport};
use switchboard::Listener;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub use gate::FloodLimits;
pub(crate) use gate::{Arrivals, Peer};
use gate::{Buckets, Chances, Class, Gate, Post, Sieves, source};
use stream::Line;
pub(crate) use tls::Certificates;
pub use tls::{Identity, SYSTEM_ROOTS, Tls, TlsFault};
pub(crate) use upgrade::Origins;

/// Messages of one trunk read and not yet taken by the loop; connections wait beyond it, and datagrams are dropped.
pub const ARRIVALS: usize = 1024;

/// Largest datagram read; a longer one is cut, and refused by the parser for its length.
const DATAGRAM: usize = 65_535;

/// Octets the kernel keeps for the UDP sockets while the loop is busy: some thousand messages of a burst.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

/// About what a SIP message in the kernel's buffer takes of it.
const DATAGRAM_IN_KERNEL: usize = 1536;

/// Datagrams read in one go, with no end of them, before somebody is asked for less: half of what the buffer holds, within
/// these bounds. The one is no burst any more, the other some milliseconds of reading.
const BEHIND_LEAST: u32 = 256;
const BEHIND_MAX: u32 = 2048;

/// Datagrams read before the other tasks of the thread have their turn: some tenths of a millisecond.
const DATAGRAMS_AT_ONCE: usize = 256;

/// Connections the kernel completes before we accept them; half-open ones beyond its own limit it answers by cookies.
const BACKLOG: u32 = 256;

/// The kernel asks a peer that says nothing for this long whether it is still there.
const KERNEL_KEEPALIVE: Duration = Duration::from_secs(60);

/// Connections kept for each trunk, so that none can take them all.
const RESERVED: usize = 8;

/// How long connections get at the end to say what they were given.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Names of servers remembered by address.
#[cfg_attr(not(test), allow(dead_code, reason = "told by the resolver, which comes next"))]
const EXPECTED_MAX: usize = 4096;

/// What a trunk may hold open and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one address.
    pub per_source_max: usize,
    /// A connection on which nothing was read or written for this long is closed.
    pub idle: Duration,
    /// A TLS handshake must be done within this time, and so must the upgrade to a WebSocket.
    pub handshake: Duration,
    /// A message must be whole this long after its first octet, and the first one this long after the connection.
    pub message: Duration,
    /// A connection of ours must stand, and a write be taken, within this time.
    pub write: Duration,
    /// A connection of ours that was not used for this long is kept alive by a ping (RFC 5626 §4.4.1).
    pub keepalive: Duration,
    /// A peer that answers pings must do so within this time.
    pub pong: Duration,
    /// Messages waiting for a slow reader.
    pub outbox_max: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            per_source_max: 32,
            // Longer than the keep-alive interval of RFC 5626 §4.4.1, shorter than most firewalls' memory.
            idle: Duration::from_secs(900),
            handshake: Duration::from_secs(5),
            message: Duration::from_secs(10),
            write: Duration::from_secs(5),
            // RFC 5626 §4.4.1: 95 to 120 seconds where nothing else is agreed, and ten for the answer.
            keepalive: Duration::from_secs(100),
            pong: Duration::from_secs(10),
            outbox_max: 128,
        }
    }
}

/// What the sockets bring.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// A datagram, or a message framed from a stream.
    Message { flow: Flow, bytes: Vec<u8> },
    /// A peer connected.
    Accepted {
        stream: TcpStream,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// A secure connection stands, and these names are proven (RFC 5922 §7.1); before its first message.
    Connected {
        flow: Flow,
        names: Vec<String>,
        /// Version and cipher, for people.
        spoken: String,
        class: Class,
    },
    /// A connection ended, by their wish or their fault; `asked`: we had opened it.
    Closed { connection: u64, flow: Flow, asked: bool },
}

/// Counts for tests and metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Datagrams and connections from no known network, turned away unread.
    strangers: AtomicU64,
    /// Connections refused by a limit.
    pub(crate) refused: AtomicU64,
    /// Datagrams the kernel would not take at once.
    pub(crate) unsent: AtomicU64,
    /// Datagrams dropped because their sender's queue or bucket was full.
    pub(crate) flooded: AtomicU64,
    /// Connections ended because a handshake, a message or a write took too long.
    pub(crate) slow: AtomicU64,
    /// Datagrams and connections that were not SIP at all.
    pub(crate) garbage: AtomicU64,
    /// TLS handshakes that failed.
    pub(crate) handshakes: AtomicU64,
    /// Answers a stranger did not get, being one too many.
    pub(crate) unanswered: AtomicU64,
    /// The UDP sockets, as the kernel counts their drops.
    inodes: OnceLock<BTreeSet<u64>>,
}

impl Counters {
    /// Strangers turned away, what the kernel dropped on our UDP sockets included: their filter lets no stranger pass.
    pub(crate) fn strangers(&self) -> u64 {
        let dropped = self.inodes.get().map_or(0, |inodes| {
            ["/proc/net/udp", "/proc/net/udp6"]
                .iter()
                .filter_map(|table| std::fs::read_to_string(table).ok())
                .map(|table| kernel_drops(&table, inodes))
                .sum()
        });
        self.strangers.load(Relaxed) + dropped
    }
}

/// Adds up the column `drops` of the kernel's table for these sockets.
fn kernel_drops(table: &str, inodes: &BTreeSet<u64>) -> u64 {
    let drops = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(9);
        let inode: u64 = columns.next()?.parse().ok()?;
        let drops: u64 = columns.nth(2)?.parse().ok()?;
        inodes.contains(&inode).then_some(drops)
    };
    table.lines().skip(1).filter_map(drops).sum()
}

/// What the sockets are opened with.
pub(crate) struct Wires {
    /// The trunks; what comes from anywhere else is a stranger's.
    pub(crate) peers: Vec<Peer>,
    pub(crate) streams: StreamLimits,
    pub(crate) floods: FloodLimits,
    pub(crate) certificates: Arc<Certificates>,
    /// Whose pages may open a WebSocket.
    pub(crate) origins: Origins,
}

/// All signalling sockets.
pub(crate) struct Transports {
    udp: HashMap<SocketAddr, Udp>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    limits: StreamLimits,
    gate: Arc<Gate>,
    post: Post,
    certificates: Arc<Certificates>,
    origins: Arc<Origins>,
    /// Which domain the server at an address must prove.
    expected: BTreeMap<SocketAddr, String>,
    /// Strangers that have sent a datagram and had no answer yet.
    owed: BTreeSet<SocketAddr>,
    listeners: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
}

/// One UDP socket, and how many of whose datagrams the kernel shall take.
struct Udp {
    socket: Arc<UdpSocket>,
    chances: Arc<Chances>,
}

struct Connection {
    flow: Flow,
    class: Class,
    /// What the peer proved when we connected.
    name: Option<String>,
    /// A message for any connection to this peer went over this one.
    lent: bool,
    outbox: mpsc::Sender<Vec<u8>>,
    task: JoinHandle<()>,
}

/// Why a message could not be sent; the flow is dead for the endpoint.
#[derive(Debug)]
pub(crate) struct Unsent(pub(crate) Flow);

impl Transports {
    /// Binds what is configured. Port 0 takes any; the listeners come back as they were bound.
    pub(crate) async fn bind(wanted: &[Listener], wires: Wires) -> io::Result<(Self, Vec<Listener>, Arrivals)> {
        let gate = Arc::new(Gate::new(wires.peers, wires.floods));
        let (post, arrivals) = gate::queues(&gate);
        let mut this = Self {
            udp: HashMap::new(),
            connections: BTreeMap::new(),
            next: 1,
            limits: wires.streams,
            gate,
            post,
            certificates: wires.certificates,
            origins: Arc::new(wires.origins),
            expected: BTreeMap::new(),
            owed: BTreeSet::new(),
            listeners: Vec::new(),
            counters: Arc::default(),
        };
        let mut bound = Vec::with_capacity(wanted.len());
        for listener in wanted {
            let local = match listener.transport {
                Transport::Udp => this.receive(listener.local)?,
                transport => this.listen(transport, listener.local)?,
            };
            let mut advertised = listener.advertised;
            if advertised.port() == 0 {
                advertised.set_port(local.port());
            }
            bound.push(Listener {
                local,
                advertised,
                ..*listener
            });
        }
        let _ = this
            .counters
            .inodes
            .set(this.udp.values().filter_map(|udp| inode(&udp.socket)).collect());
        this.filter();
        Ok((this, bound, arrivals))
    }

    /// Queues a message; never waits.
    pub(crate) fn send(&mut self, transmit: Transmit) -> Result<(), Unsent> {
        let Transmit { flow, bytes } = transmit;
        if welcomes(&bytes) && self.gate.spoke_to(std::time::Instant::now(), flow.remote.ip()) {
            self.filter();
        }
        if flow.transport == Transport::Udp {
            return self.send_datagram(flow, &bytes);
        }
        let id = match flow.connection.or_else(|| self.standing(flow)) {
            Some(id) => id,
            // RFC 7118 §4.2: it is the WebSocket client that connects, never the server.
            None if matches!(flow.transport, Transport::Ws | Transport::Wss) => return Err(Unsent(flow)),
            None if self.room(self.gate.class(flow.remote.ip())) > 0 => self.connect(flow),
            None => {
                self.counters.refused.fetch_add(1, Relaxed);
                return Err(Unsent(flow));
            }
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return Err(Unsent(flow));
        };
        connection.lent |= flow.connection.is_none();
        if let Err(fault) = connection.outbox.try_send(bytes) {
            tracing::debug!(connection = id, %fault, "a connection takes no more and is closed");
            self.close(id);
            return Err(Unsent(flow));
        }
        Ok(())
    }

    /// The server at this address must prove this domain before we say a word to it over TLS (RFC 5922 §7.4): the one
    /// that was to be reached, whatever the DNS made of it.
    pub(crate) fn expect(&mut self, remote: SocketAddr, domain: &str) {
        if self.expected.len() >= EXPECTED_MAX && !self.expected.contains_key(&remote) {
            self.expected.pop_first();
        }
        self.expected.insert(remote, domain.to_owned());
    }

    /// A message came: a stranger has one answer to it.
    pub(crate) fn heard(&mut self, flow: &Flow) {
        let floods = &self.gate.limits;
        if floods.hear_strangers
            && flow.transport == Transport::Udp
            && self.gate.class(flow.remote.ip()) == Class::Stranger
        {
            if self.owed.len() >= floods.sources_max {
                self.owed.pop_first();
            }
            self.owed.insert(flow.remote);
        }
    }

    /// A peer connected: counts it in, or shows it the door.
    pub(crate) fn accept(&mut self, stream: TcpStream, transport: Transport, local: SocketAddr, remote: SocketAddr) {
        let class = self.gate.class(remote.ip());
        let from = source(remote.ip());
        let same_source = |connection: &&Connection| source(connection.flow.remote.ip()) == from;
        let same_class = |connection: &&Connection| connection.class == class;
        let same_source = self.connections.values().filter(same_source).count();
        let same_class = self.connections.values().filter(same_class).count();
        let floods = &self.gate.limits;
        let (most, most_per_source) = match class {
            Class::Stranger => (
                floods.stranger_connections_max,
                floods.stranger_connections_per_source_max,
            ),
            _ => (usize::MAX, self.limits.per_source_max),
        };
        if self.room(class) == 0 || same_class >= most || same_source >= most_per_source {
            self.counters.refused.fetch_add(1, Relaxed);
            return;
        }
        let id = self.number();
        let flow = Flow {
            transport,
            local,
            remote,
            connection: Some(id),
        };
        let (outbox, queue) = mpsc::channel(self.limits.outbox_max);
        let accepting = Accepting {
            flow,
            class,
            outbox: queue,
            limits: self.limits,
            gate: self.gate.clone(),
            post: self.post.clone(),
            certificates: self.certificates.clone(),
            origins: self.origins.clone(),
            counters: self.counters.clone(),
        };
        let task = tokio::spawn(accepting.serve(stream));
        self.connections.insert(
            id,
            Connection {
                flow,
                class,
                name: None,
                lent: false,
                outbox,
                task,
            },
        );
    }

    /// A secure connection has shown who is there.
    pub(crate) fn connected(&mut self, flow: &Flow, class: Class) {
        if let Some(connection) = flow.connection.and_then(|id| self.connections.get_mut(&id)) {
            connection.class = class;
        }
    }

    /// A connection's task has ended. True when something for any connection to its peer went over it.
    pub(crate) fn closed(&mut self, connection: u64) -> bool {
        self.connections
            .remove(&connection)
            .is_some_and(|connection| connection.lent)
    }

    /// Connections open now.
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    fn send_datagram(&mut self, flow: Flow, bytes: &[u8]) -> Result<(), Unsent> {
        let Some(Udp { socket, .. }) = self.udp.get(&flow.local) else {
            return Err(Unsent(flow));
        };
        // A stranger that is refused gets one datagram for one, whatever the transaction would repeat: nobody can be
        // made to receive more from us than was sent in their name.
        if self.gate.limits.hear_strangers
            && self.gate.class(flow.remote.ip()) == Class::Stranger
            && !self.owed.remove(&flow.remote)
        {
            self.counters.unanswered.fetch_add(1, Relaxed);
            return Ok(());
        }
        match socket.try_send_to(bytes, flow.remote) {
            Ok(_) => Ok(()),
            // The kernel's buffer is full: the same as a datagram lost on the way, and repeated like one.
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                self.counters.unsent.fetch_add(1, Relaxed);
                Ok(())
            }
            Err(fault) => {
                tracing::debug!(%fault, "a datagram cannot be sent");
                Err(Unsent(flow))
            }
        }
    }

    /// RFC 3261 §18.1.1: a connection that stands is used again; one over TLS only for the name it was made for
    /// (RFC 5922 §7.3).
    fn standing(&self, flow: Flow) -> Option<u64> {
        let name = self.expected.get(&flow.remote);
        let same = |connection: &&Connection| {
            connection.flow.remote == flow.remote
                && connection.flow.transport == flow.transport
                && (flow.transport != Transport::Tls || connection.name.as_ref() == name)
        };
        self.connections
            .values()
            .find(same)
            .and_then(|connection| connection.flow.connection)
    }

    /// Connections that this class may still open: each trunk keeps some for itself, whatever the others hold.
    fn room(&self, class: Class) -> usize {
        let mut held: BTreeMap<usize, usize> = BTreeMap::new();
        for connection in self.connections.values() {
            *held.entry(self.gate.queue(connection.class)).or_default() += 1;
        }
        let trunks = self.gate.trunks();
        let kept = RESERVED.min(self.limits.connections_max / (2 * trunks.max(1)));
        let own = self.gate.queue(class);
        let of_others: usize = (0..trunks)
            .filter(|trunk| *trunk != own)
            .map(|trunk| kept.saturating_sub(held.get(&trunk).copied().unwrap_or_default()))
            .sum();
        self.limits
            .connections_max
            .saturating_sub(self.connections.len())
            .saturating_sub(of_others)
    }

    /// Tells the kernel which datagrams to take.
    fn filter(&self) {
        for (local, udp) in &self.udp {
            attach(&udp.socket, &self.gate, *local, &udp.chances);
        }
    }

    /// Receives datagrams on one more socket.
    fn receive(&mut self, local: SocketAddr) -> io::Result<SocketAddr> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(local),
            socket2::Type::DGRAM,
            Some(socket2::Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        if local.is_ipv6() {
            // IPv4 has sockets of its own, so that an address is always written as what it is.
            socket.set_only_v6(true)?;
        }
        // The kernel gives what its own limit allows, twice counted (socket(7)).
        let _ = socket.set_recv_buffer_size(UDP_BUFFER);
        let given = socket.recv_buffer_size().unwrap_or_default();
        if given < UDP_BUFFER {
            tracing::info!(
                given,
                wanted = UDP_BUFFER,
                "a burst of datagrams may be lost in the kernel; `sysctl net.core.rmem_max` sets what it gives"
            );
        }
        socket.bind(&local.into())?;
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        let local = socket.local_addr()?;
        let chances = Arc::new(Chances::new(self.gate.queue(Class::Stranger) + 1));
        let reader = Reader {
            socket: socket.clone(),
            local,
            post: self.post.clone(),
            counters: self.counters.clone(),
            sieves: Sieves::new(&self.gate, chances.clone(), std::time::Instant::now()),
            chances: chances.clone(),
            behind_max: u32::try_from(given / DATAGRAM_IN_KERNEL / 2)
                .unwrap_or(BEHIND_MAX)
                .clamp(BEHIND_LEAST, BEHIND_MAX),
            gate: self.gate.clone(),
            buckets: Buckets::default(),
        };
        self.udp.insert(local, Udp { socket, chances });
        self.listeners.push(tokio::spawn(reader.run()));
        Ok(local)
    }

    /// Accepts connections on one more socket.
    fn listen(&mut self, transport: Transport, local: SocketAddr) -> io::Result<SocketAddr> {
        let secure = transport.is_secure();
        if secure && self.certificates.server().is_none() {
            return Err(io::Error::other(TlsFault::NotConfigured));
        }
        let socket = if local.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            let socket = TcpSocket::new_v6()?;
            socket2::SockRef::from(&socket).set_only_v6(true)?;
            socket
        };
        // A restart must not wait for the connections of the last run to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(local)?;
        let listener: TcpListener = socket.listen(BACKLOG)?;
        let local = listener.local_addr()?;
        let (post, counters, gate) = (self.post.clone(), self.counters.clone(), self.gate.clone());
        let by_name = secure && gate.knows_names() && self.certificates.asks_clients();
        self.listeners.push(tokio::spawn(async move {
            let mut buckets = Buckets::default();
            loop {
                let (stream, remote) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(fault) => {
                        // Out of descriptors: it will not get better by asking again at once.
                        tracing::warn!(%fault, "no connection can be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                if gate.class(remote.ip()) == Class::Stranger {
                    // Who may prove a name may connect, but not often: a handshake is work.
                    if !(by_name || gate.limits.hear_strangers) {
                        counters.strangers.fetch_add(1, Relaxed);
                        continue;
                    }
                    if !buckets.pass(std::time::Instant::now(), remote.ip(), &gate.limits) {
                        counters.flooded.fetch_add(1, Relaxed);
                        continue;
                    }
                }
                let accepted = Arrived::Accepted {
                    stream,
                    transport,
                    local,
                    remote,
                };
                if post.events.send(accepted).await.is_err() {
                    return;
                }
            }
        }));
        Ok(local)
    }

    /// Begins a connection; messages wait in its outbox until it stands.
    fn connect(&mut self, wanted: Flow) -> u64 {
        let id = self.number();
        let flow = Flow {
            connection: Some(id),
            ..wanted
        };
        let class = self.gate.class(wanted.remote.ip());
        let (outbox, queue) = mpsc::channel(self.limits.outbox_max);
        let arrivals = self.post.queue(class);
        let name = self.expected.get(&wanted.remote).cloned();
        let (limits, counters) = (self.limits, self.counters.clone());
        let certificates = self.certificates.clone();
        let expected = tls::expected(name.as_deref(), wanted.remote.ip());
        let task = tokio::spawn(async move {
            let line = Line {
                flow,
                outbox: queue,
                arrivals: arrivals.clone(),
                limits,
                asked: true,
                stranger: None,
                counters: &counters,
            };
            let connected = async {
                let stream = match timeout(limits.write, connect_from(wanted.local.ip(), wanted.remote)).await {
                    Ok(Ok(stream)) => prepared(stream),
                    Ok(Err(fault)) => {
                        tracing::debug!(connection = id, %fault, "cannot connect");
                        return "cannot connect";
                    }
                    Err(_) => return "cannot connect in time",
                };
                if wanted.transport != Transport::Tls {
                    return stream::converse(stream, line).await;
                }
                let connector = TlsConnector::from(certificates.client());
                match timeout(limits.handshake, connector.connect(expected, stream)).await {
                    Ok(Ok(stream)) => stream::converse(stream, line).await,
                    Ok(Err(fault)) => {
                        counters.handshakes.fetch_add(1, Relaxed);
                        // What a user must know to mend it: an expired certificate, another name, an unknown authority.
                        tracing::warn!(connection = id, %fault, "a TLS peer is not who it should be, or speaks no TLS");
                        "the handshake failed"
                    }
                    Err(_) => {
                        counters.slow.fetch_add(1, Relaxed);
                        "the handshake took too long"
                    }
                }
            };
            let why = connected.await;
            tracing::debug!(connection = id, why, "connection ended");
            let _ = arrivals
                .send(Arrived::Closed {
                    connection: id,
                    flow,
                    asked: true,
                })
                .await;
        });
        self.connections.insert(
            id,
            Connection {
                flow,
                class,
                name,
                lent: false,
                outbox,
                task,
            },
        );
        id
    }

    /// Closes every socket, after what has been queued is said: the answer to the last BYE is among it, and a carrier that
    /// does not get it believes that the call goes on. A peer that does not read is not waited for.
    pub(crate) async fn end(mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
        let connections = std::mem::take(&mut self.connections);
        // Without an outbox a connection says what is left in it, and closes.
        let tasks: Vec<JoinHandle<()>> = connections.into_values().map(|connection| connection.task).collect();
        let deadline = tokio::time::Instant::now() + LAST_WORDS;
        for mut task in tasks {
            if timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }

    fn close(&mut self, id: u64) {
        if let Some(connection) = self.connections.remove(&id) {
            connection.task.abort();
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}

impl Drop for Transports {
    fn drop(&mut self) {
        self.listeners.iter().for_each(JoinHandle::abort);
        self.connections.values().for_each(|connection| connection.task.abort());
    }
}

/// Empties one UDP socket into the queues, faster than the loop empties those: what waits, waits in its sender's own queue,
/// and the kernel's one buffer is for everybody.
struct Reader {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    post: Post,
    counters: Arc<Counters>,
    gate: Arc<Gate>,
    chances: Arc<Chances>,
    sieves: Sieves,
    /// Datagrams read in one go that say that the kernel's buffer is filling.
    behind_max: u32,
    buckets: Buckets,
}

impl Reader {
    async fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            if self.sieves.is_on() {
                // A flood that ends brings nothing that could tell us so.
                let _ = timeout(gate::COUNTED, self.socket.readable()).await;
            } else {
                // An error is the next read's to tell.
                let _ = self.socket.readable().await;
            }
            let (mut now, mut emptied) = (std::time::Instant::now(), false);
            for _ in 0..DATAGRAMS_AT_ONCE {
                match self.socket.try_recv_from(&mut buffer) {
                    Ok((length, remote)) => {
                        now = std::time::Instant::now();
                        self.sort(now, buffer.get(..length).unwrap_or_default(), remote);
                        if self.post.events.is_closed() {
                            return;
                        }
                    }
                    Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {
                        emptied = true;
                        break;
                    }
                    // An ICMP error of an earlier datagram, reported here; the transaction's timers deal with it.
                    Err(fault) => tracing::trace!(%fault, "receive"),
                }
                if self.sieves.turn(now) {
                    tracing::debug!(chances = ?self.chances, "somebody floods, or does so no more");
                    attach(&self.socket, &self.gate, self.local, &self.chances);
                }
            }
            if emptied {
                self.sieves.caught_up();
            }
            if self.sieves.turn(now) || self.sieves.fell_behind(now, self.behind_max) {
                attach(&self.socket, &self.gate, self.local, &self.chances);
            }
            if !emptied {
                // The others on this thread have their turn, however much there is to read.
                tokio::task::yield_now().await;
            }
        }
    }

    /// One datagram: into its sender's queue, or nowhere.
    fn sort(&mut self, now: std::time::Instant, bytes: &[u8], remote: SocketAddr) {
        let (gate, counters) = (&self.gate, &self.counters);
        let class = gate.class(remote.ip());
        let queue = gate.queue(class);
        if class == Class::Stranger {
            if !gate.limits.hear_strangers {
                counters.strangers.fetch_add(1, Relaxed);
                return;
            }
            if !self.buckets.pass(now, remote.ip(), &gate.limits) {
                self.sieves.count(now, queue, false);
                counters.flooded.fetch_add(1, Relaxed);
                return;
            }
        }
        match bytes.iter().find(|octet| !matches!(octet, b'\r' | b'\n' | 0)) {
            // An empty line, or nothing at all, keeps a NAT's memory awake and wants no answer.
            None => return self.sieves.count(now, queue, false),
            // Every message begins with a method or a version; STUN, RTP and noise do not.
            Some(first) if !first.is_ascii_graphic() => {
                counters.garbage.fetch_add(1, Relaxed);
                return self.sieves.count(now, queue, false);
            }
            Some(_) => {}
        }
        let flow = Flow {
            transport: Transport::Udp,
            local: self.local,
            remote,
            connection: None,
        };
        let taken = self.post.try_send(class, || Arrived::Message {
            flow,
            bytes: bytes.to_vec(),
        });
        self.sieves.count(now, queue, taken);
        if !taken {
            counters.flooded.fetch_add(1, Relaxed);
        }
    }
}

/// A connection somebody opened to us, from its first octet to its end.
struct Accepting {
    flow: Flow,
    class: Class,
    outbox: mpsc::Receiver<Vec<u8>>,
    limits: StreamLimits,
    gate: Arc<Gate>,
    post: Post,
    certificates: Arc<Certificates>,
    origins: Arc<Origins>,
    counters: Arc<Counters>,
}

impl Accepting {
    async fn serve(mut self, stream: TcpStream) {
        let (flow, id) = (self.flow, self.flow.connection.unwrap_or_default());
        let outbox = std::mem::replace(&mut self.outbox, mpsc::channel(1).1);
        let why = self.converse(prepared(stream), outbox).await;
        tracing::debug!(connection = id, why, "connection ended");
        // The loop's end of the queue being gone means that the loop is.
        let _ = self
            .post
            .queue(self.class)
            .send(Arrived::Closed {
                connection: id,
                flow,
                asked: false,
            })
            .await;
    }

    async fn converse(&mut self, stream: TcpStream, outbox: mpsc::Receiver<Vec<u8>>) -> &'static str {
        let (transport, handshake) = (self.flow.transport, self.limits.handshake);
        if !transport.is_secure() {
            return match transport {
                Transport::Ws => match timeout(handshake, websocket::upgrade(stream, &self.origins)).await {
                    Ok(Ok(socket)) => websocket::converse(socket, self.line(outbox)).await,
                    Ok(Err(why)) => self.count(why),
                    Err(_) => self.slow(),
                },
                _ => stream::converse(stream, self.line(outbox)).await,
            };
        }
        let Some(server) = self.certificates.server() else {
            return "TLS is not configured";
        };
        let acceptor = TlsAcceptor::from(server);
        let stream = match timeout(handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(fault)) => {
                self.counters.handshakes.fetch_add(1, Relaxed);
                tracing::debug!(%fault, "a TLS handshake failed");
                return "the handshake failed";
            }
            Err(_) => return self.slow(),
        };
        let agreed = stream.get_ref().1;
        let spoken = tls::spoken(agreed);
        let certificate = agreed.peer_certificates().and_then(<[_]>::first);
        let names = certificate.map(tls::names).unwrap_or_default();
        if self.class == Class::Stranger {
            self.class = self.gate.named(&names);
        }
        if self.class == Class::Stranger && !self.gate.limits.hear_strangers {
            self.counters.strangers.fetch_add(1, Relaxed);
            return "a stranger proves no name we know";
        }
        let (flow, class) = (self.flow, self.class);
        let connected = Arrived::Connected {
            flow,
            names,
            spoken,
            class,
        };
        if self.post.queue(class).send(connected).await.is_err() {
            return "the loop has ended";
        }
        match transport {
            Transport::Wss => match timeout(handshake, websocket::upgrade(stream, &self.origins)).await {
                Ok(Ok(socket)) => websocket::converse(socket, self.line(outbox)).await,
                Ok(Err(why)) => self.count(why),
                Err(_) => self.slow(),
            },
            _ => stream::converse(stream, self.line(outbox)).await,
        }
    }

    fn line(&self, outbox: mpsc::Receiver<Vec<u8>>) -> Line<'_> {
        Line {
            flow: self.flow,
            outbox,
            arrivals: self.post.queue(self.class),
            limits: self.limits,
            asked: false,
            stranger: (self.class == Class::Stranger).then_some(self.gate.limits),
            counters: &self.counters,
        }
    }

    fn slow(&self) -> &'static str {
        self.counters.slow.fetch_add(1, Relaxed);
        "the handshake took too long"
    }

    fn count(&self, why: &'static str) -> &'static str {
        self.counters.garbage.fetch_add(1, Relaxed);
        why
    }
}

/// Tells the kernel which datagrams this socket takes, and what chance those have who flood.
fn attach(socket: &UdpSocket, gate: &Gate, local: SocketAddr, chances: &Chances) {
    let Some(program) = gate.filter(local.is_ipv6(), chances) else {
        return;
    };
    if let Err(fault) = socket2::SockRef::from(socket).attach_filter(&program) {
        // We look at every datagram ourselves anyway; it only costs more.
        tracing::debug!(%fault, "the kernel takes no filter");
    }
}

/// Whether a message of ours makes its receiver one who may speak to us: a request does, and so does taking somebody's
/// call or registration. A refusal does not, nor an answer to OPTIONS.
fn welcomes(bytes: &[u8]) -> bool {
    let Some(status) = bytes.strip_prefix(b"SIP/2.0 ") else {
        return true;
    };
    if status.starts_with(b"1") {
        return !status.starts_with(b"100");
    }
    let cseq = || {
        let mut lines = bytes.split(|octet| *octet == b'\n').take_while(|line| *line != b"\r");
        lines
            .find(|line| line.starts_with(b"CSeq:"))
            .map(<[u8]>::trim_ascii_end)
    };
    status.starts_with(b"2") && cseq().is_some_and(|cseq| cseq.ends_with(b" INVITE") || cseq.ends_with(b" REGISTER"))
}

/// Connects from our own address, so that the trunk knows us by it; the port is any.
async fn connect_from(local: IpAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if !local.is_unspecified() && local.is_ipv4() == remote.is_ipv4() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(remote).await
}

/// A SIP message is one write, so waiting to fill a segment only delays it; and a peer that is gone is found out.
fn prepared(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    let keepalive = socket2::TcpKeepalive::new().with_time(KERNEL_KEEPALIVE);
    let _ = socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    stream
}

/// The kernel's number of a socket.
fn inode(socket: &UdpSocket) -> Option<u64> {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    let link = format!("/proc/self/fd/{}", socket.as_raw_fd());
    std::fs::metadata(link).ok().map(|socket| socket.ino())
}
