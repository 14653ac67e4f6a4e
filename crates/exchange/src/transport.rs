//! Signalling sockets: UDP, and TCP listeners and connections, all feeding one bounded queue of [`Arrived`].
//!
//! One owner, the signalling loop, holds this; tasks only read, write and report. Nothing a peer does grows anything
//! without a limit named here: connections in total and per source, the time a message may take to come in whole, the
//! octets waiting for a slow reader.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sip::message::{Frame, Framer};
use sip::{Flow, Transmit, Transport};
use switchboard::{Listener, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// Messages read and not yet taken by the loop; readers wait beyond it, and UDP is dropped by the kernel.
pub const ARRIVALS: usize = 1024;

/// Largest datagram read; a longer one is cut, and refused by the parser for its length.
const DATAGRAM: usize = 65_535;

/// Octets the kernel keeps for the UDP sockets while the loop is busy: some thousand messages of a burst.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

/// What a trunk may hold open and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections in all.
    pub connections_max: usize,
    /// Connections from one address.
    pub per_source_max: usize,
    /// A connection on which nothing was read or written for this long is closed.
    pub idle: Duration,
    /// A message must be whole this long after its first octet, and the first one this long after the connection.
    pub message: Duration,
    /// A connection of ours must stand, and a write be taken, within this time.
    pub write: Duration,
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
            message: Duration::from_secs(10),
            write: Duration::from_secs(5),
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
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// A connection ended, by their wish or their fault; `asked`: we had opened it.
    Closed { connection: u64, flow: Flow, asked: bool },
}

/// Counts for tests and metrics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Datagrams and connections from no known network.
    pub(crate) strangers: AtomicU64,
    /// Connections refused by a limit.
    pub(crate) refused: AtomicU64,
    /// Datagrams the kernel would not take at once.
    pub(crate) unsent: AtomicU64,
}

/// All signalling sockets.
pub(crate) struct Transports {
    udp: HashMap<SocketAddr, Arc<UdpSocket>>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    limits: StreamLimits,
    arrivals: mpsc::Sender<Arrived>,
    listeners: Vec<JoinHandle<()>>,
    counters: Arc<Counters>,
    known: Arc<[Network]>,
}

struct Connection {
    flow: Flow,
    outbox: mpsc::Sender<Vec<u8>>,
    task: JoinHandle<()>,
}

/// Why a message could not be sent; the flow is dead for the endpoint.
#[derive(Debug)]
pub(crate) struct Unsent(pub(crate) Flow);

impl Transports {
    /// Binds what is configured. Port 0 takes any; the listeners come back as they were bound.
    ///
    /// `known` are the networks of the trunks: what comes from anywhere else is dropped here, before it costs a parse
    /// or a place in the queue, and is answered by nothing.
    pub(crate) async fn bind(
        wanted: &[Listener],
        known: Vec<Network>,
        limits: StreamLimits,
    ) -> io::Result<(Self, Vec<Listener>, mpsc::Receiver<Arrived>)> {
        let (arrivals, receiver) = mpsc::channel(ARRIVALS);
        let mut this = Self {
            udp: HashMap::new(),
            connections: BTreeMap::new(),
            next: 1,
            limits,
            arrivals,
            listeners: Vec::new(),
            counters: Arc::default(),
            known: known.into(),
        };
        let mut bound = Vec::with_capacity(wanted.len());
        for listener in wanted {
            let local = match listener.transport {
                Transport::Tcp => this.listen(listener.local)?,
                _ => this.receive(listener.local)?,
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
        Ok((this, bound, receiver))
    }

    /// Queues a message; never waits.
    pub(crate) fn send(&mut self, transmit: Transmit) -> Result<(), Unsent> {
        let Transmit { flow, bytes } = transmit;
        if flow.transport != Transport::Tcp {
            let Some(socket) = self.udp.get(&flow.local) else {
                return Err(Unsent(flow));
            };
            return match socket.try_send_to(&bytes, flow.remote) {
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
            };
        }
        let id = match flow.connection {
            Some(id) => Some(id),
            // RFC 3261 §18.1.1: a connection that stands is used again.
            None => self
                .connections
                .iter()
                .find(|(_, c)| c.flow.remote == flow.remote)
                .map(|(id, _)| *id),
        };
        let id = match id {
            Some(id) => id,
            None if self.connections.len() < self.limits.connections_max => self.connect(flow),
            None => {
                self.counters.refused.fetch_add(1, Relaxed);
                return Err(Unsent(flow));
            }
        };
        let Some(connection) = self.connections.get(&id) else {
            return Err(Unsent(flow));
        };
        if let Err(fault) = connection.outbox.try_send(bytes) {
            tracing::debug!(connection = id, %fault, "a connection takes no more and is closed");
            self.close(id);
            return Err(Unsent(flow));
        }
        Ok(())
    }

    /// A peer connected: counts it in, or shows it the door.
    pub(crate) fn accept(&mut self, stream: TcpStream, local: SocketAddr, remote: SocketAddr) {
        let same_source = self
            .connections
            .values()
            .filter(|c| c.flow.remote.ip() == remote.ip())
            .count();
        if self.connections.len() >= self.limits.connections_max || same_source >= self.limits.per_source_max {
            self.counters.refused.fetch_add(1, Relaxed);
            return;
        }
        let id = self.number();
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection: Some(id),
        };
        let (outbox, queue) = mpsc::channel(self.limits.outbox_max);
        let (arrivals, limits) = (self.arrivals.clone(), self.limits);
        let task = tokio::spawn(async move {
            serve(stream, flow, queue, &arrivals, limits).await;
            // The loop's end of the queue being gone means that the loop is.
            let _ = arrivals
                .send(Arrived::Closed {
                    connection: id,
                    flow,
                    asked: false,
                })
                .await;
        });
        self.connections.insert(id, Connection { flow, outbox, task });
    }

    /// A connection's task has ended.
    pub(crate) fn closed(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    /// Connections open now.
    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(crate) fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Receives datagrams on one more socket.
    fn receive(&mut self, local: SocketAddr) -> io::Result<SocketAddr> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(local),
            socket2::Type::DGRAM,
            Some(socket2::Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        // The kernel gives what its own limit allows.
        let _ = socket.set_recv_buffer_size(UDP_BUFFER);
        socket.bind(&local.into())?;
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        let local = socket.local_addr()?;
        self.udp.insert(local, socket.clone());
        let (arrivals, counters, known) = (self.arrivals.clone(), self.counters.clone(), self.known.clone());
        self.listeners.push(tokio::spawn(async move {
            let mut buffer = vec![0; DATAGRAM];
            loop {
                let (length, remote) = match socket.recv_from(&mut buffer).await {
                    Ok(received) => received,
                    Err(fault) => {
                        // An ICMP error of an earlier datagram, reported here; the transaction's timers deal with it.
                        tracing::trace!(%fault, "receive");
                        continue;
                    }
                };
                if !is_known(&known, remote.ip()) {
                    counters.strangers.fetch_add(1, Relaxed);
                    continue;
                }
                let flow = Flow {
                    transport: Transport::Udp,
                    local,
                    remote,
                    connection: None,
                };
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                if arrivals.send(Arrived::Message { flow, bytes }).await.is_err() {
                    return;
                }
            }
        }));
        Ok(local)
    }

    /// Accepts connections on one more socket.
    fn listen(&mut self, local: SocketAddr) -> io::Result<SocketAddr> {
        let socket = if local.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // A restart must not wait for the connections of the last run to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(local)?;
        let listener: TcpListener = socket.listen(128)?;
        let local = listener.local_addr()?;
        let (arrivals, counters, known) = (self.arrivals.clone(), self.counters.clone(), self.known.clone());
        self.listeners.push(tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((_, remote)) if !is_known(&known, remote.ip()) => {
                        counters.strangers.fetch_add(1, Relaxed);
                    }
                    Ok((stream, remote)) => {
                        if arrivals
                            .send(Arrived::Accepted { stream, local, remote })
                            .await
                            .is_err()
                        {
                            return;
                        }
                    }
                    Err(fault) => {
                        // Out of descriptors: it will not get better by asking again at once.
                        tracing::warn!(%fault, "no connection can be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
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
        let (outbox, queue) = mpsc::channel(self.limits.outbox_max);
        let (arrivals, limits) = (self.arrivals.clone(), self.limits);
        let task = tokio::spawn(async move {
            match timeout(limits.write, connect_from(wanted.local.ip(), wanted.remote)).await {
                Ok(Ok(stream)) => serve(stream, flow, queue, &arrivals, limits).await,
                Ok(Err(fault)) => tracing::debug!(connection = id, %fault, "cannot connect"),
                Err(_) => tracing::debug!(connection = id, "cannot connect in time"),
            }
            let _ = arrivals
                .send(Arrived::Closed {
                    connection: id,
                    flow,
                    asked: true,
                })
                .await;
        });
        self.connections.insert(id, Connection { flow, outbox, task });
        id
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

/// Whether an address belongs to a trunk. No trunk at all knows nobody.
fn is_known(known: &[Network], address: IpAddr) -> bool {
    known.iter().any(|network| network.contains(address))
}

/// Connects from our own address, so that the trunk knows us by it; the port is any.
async fn connect_from(local: IpAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if !local.is_unspecified() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(remote).await
}

/// Reads and writes one connection until either side is done with it.
async fn serve(
    stream: TcpStream,
    flow: Flow,
    mut queue: mpsc::Receiver<Vec<u8>>,
    arrivals: &mpsc::Sender<Arrived>,
    limits: StreamLimits,
) {
    // A SIP message is one write; waiting to fill a segment only delays it.
    let _ = stream.set_nodelay(true);
    let (mut from, mut to) = stream.into_split();
    let (pong, mut pongs) = mpsc::channel(1);
    let began = Instant::now();
    let touched_ms = AtomicU64::new(0);
    let touch = || touched_ms.store(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    let idle_at = || began + Duration::from_millis(touched_ms.load(Relaxed)) + limits.idle;

    let read = async {
        let mut framer = Framer::new();
        let mut buffer = vec![0; 16 * 1024];
        // The first message is waited for like one that has begun: a connection that says nothing is not kept.
        let (mut whole_by, mut spoken) = (Some(began + limits.message), false);
        loop {
            let deadline = whole_by.unwrap_or_else(idle_at);
            let length = match timeout_at(deadline, from.read(&mut buffer)).await {
                Ok(Ok(length)) if length > 0 => length,
                Ok(_) => return "closed by the peer",
                Err(_) if whole_by.is_some() => return "a message took too long",
                // Something was written meanwhile: not idle yet.
                Err(_) if Instant::now() < idle_at() => continue,
                Err(_) => return "idle",
            };
            touch();
            framer.push(buffer.get(..length).unwrap_or_default());
            while let Some(frame) = framer.next() {
                match frame {
                    Ok(Frame::Message(bytes)) => {
                        (whole_by, spoken) = (None, true);
                        if arrivals.send(Arrived::Message { flow, bytes }).await.is_err() {
                            return "the loop has ended";
                        }
                    }
                    Ok(Frame::Ping) => {
                        (whole_by, spoken) = (None, true);
                        // One pong waiting is enough for any number of pings.
                        let _ = pong.try_send(());
                    }
                    Err(_) => return "not SIP",
                }
            }
            // A lone line break may be half a ping; it is no message that has begun.
            if framer.held() < 4 && spoken {
                whole_by = None;
            } else if whole_by.is_none() {
                whole_by = Some(Instant::now() + limits.message);
            }
        }
    };
    let write = async {
        loop {
            let bytes = tokio::select! {
                bytes = queue.recv() => match bytes {
                    Some(bytes) => bytes,
                    None => return "closed by us",
                },
                // RFC 5626 §4.4.1: a ping is answered with a single CRLF.
                _ = pongs.recv() => b"\r\n".to_vec(),
            };
            match timeout(limits.write, to.write_all(&bytes)).await {
                Ok(Ok(())) => touch(),
                _ => return "the peer does not read",
            }
        }
    };
    let why = tokio::select! {
        why = read => why,
        why = write => why,
    };
    tracing::debug!(connection = flow.connection, why, "connection ended");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::time::sleep;

    const MESSAGE: &str = "OPTIONS sip:a@example.com SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";
    const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);

    struct Bench {
        transports: Transports,
        arrivals: mpsc::Receiver<Arrived>,
        udp: SocketAddr,
        tcp: SocketAddr,
    }

    impl Bench {
        async fn new(limits: StreamLimits) -> Self {
            let listener = |transport| Listener {
                transport,
                local: ANY,
                advertised: ANY,
            };
            let wanted = [listener(Transport::Udp), listener(Transport::Tcp)];
            let known = vec![Network::parse("127.0.0.1").expect("an address")];
            let (transports, bound, arrivals) = Transports::bind(&wanted, known, limits).await.expect("free ports");
            assert_ne!(bound[0].advertised.port(), 0, "what we tell others is what was bound");
            Self {
                transports,
                arrivals,
                udp: bound[0].local,
                tcp: bound[1].local,
            }
        }

        /// The next message; connections are let in on the way.
        async fn message(&mut self) -> (Flow, String) {
            loop {
                match self.arrived().await {
                    Arrived::Message { flow, bytes } => return (flow, String::from_utf8(bytes).expect("text")),
                    Arrived::Accepted { stream, local, remote } => self.transports.accept(stream, local, remote),
                    Arrived::Closed { .. } => panic!("a connection ended"),
                }
            }
        }

        async fn arrived(&mut self) -> Arrived {
            timeout(Duration::from_secs(5), self.arrivals.recv())
                .await
                .expect("in time")
                .expect("open")
        }

        /// Waits until a connection is let in.
        async fn let_in(&mut self) {
            let Arrived::Accepted { stream, local, remote } = self.arrived().await else {
                panic!("a connection")
            };
            self.transports.accept(stream, local, remote);
        }

        /// Waits until a connection has ended.
        async fn ended(&mut self) -> bool {
            loop {
                match self.arrived().await {
                    Arrived::Closed { connection, asked, .. } => {
                        self.transports.closed(connection);
                        return asked;
                    }
                    Arrived::Accepted { stream, local, remote } => self.transports.accept(stream, local, remote),
                    Arrived::Message { .. } => {}
                }
            }
        }
    }

    fn quick() -> StreamLimits {
        let short = Duration::from_millis(100);
        StreamLimits {
            message: short,
            write: short,
            idle: Duration::from_millis(300),
            ..StreamLimits::default()
        }
    }

    #[tokio::test]
    async fn datagrams_come_and_go_and_strangers_are_not_heard() {
        let mut bench = Bench::new(StreamLimits::default()).await;
        let (trunk, stranger) = (
            UdpSocket::bind(ANY).await.expect("a port"),
            UdpSocket::bind(STRANGER).await.expect("a port"),
        );
        stranger.send_to(b"INVITE", bench.udp).await.expect("loopback");
        trunk.send_to(MESSAGE.as_bytes(), bench.udp).await.expect("loopback");
        let (flow, text) = bench.message().await;
        assert_eq!(
            (text.as_str(), flow.remote),
            (MESSAGE, trunk.local_addr().expect("bound"))
        );
        assert_eq!(bench.transports.counters().strangers.load(Relaxed), 1);
        bench
            .transports
            .send(Transmit {
                flow,
                bytes: b"SIP/2.0 200 OK".to_vec(),
            })
            .expect("sent");
        let mut buffer = [0; 64];
        let length = trunk.recv(&mut buffer).await.expect("an answer");
        assert_eq!(&buffer[..length], b"SIP/2.0 200 OK");
    }

    #[tokio::test]
    async fn a_stream_is_cut_into_messages_wherever_it_breaks() {
        let mut bench = Bench::new(StreamLimits::default()).await;
        let mut trunk = TcpStream::connect(bench.tcp).await.expect("accepted");
        let three = MESSAGE.repeat(3);
        for piece in three.as_bytes().chunks(23) {
            trunk.write_all(piece).await.expect("written");
            trunk.flush().await.expect("written");
        }
        let mut flows = vec![];
        for _ in 0..3 {
            let (flow, text) = bench.message().await;
            assert_eq!(text, MESSAGE);
            flows.push(flow);
        }
        assert_eq!((flows[0], flows[1]), (flows[1], flows[2]), "one connection is one flow");
        // The answer goes back over the connection the request came on.
        bench
            .transports
            .send(Transmit {
                flow: flows[0],
                bytes: b"answer".to_vec(),
            })
            .expect("sent");
        trunk.write_all(b"\r\n\r\n").await.expect("written");
        let mut buffer = [0; 8];
        trunk.read_exact(&mut buffer).await.expect("an answer and a pong");
        assert_eq!(&buffer, b"answer\r\n");
    }

    #[tokio::test]
    async fn a_request_of_ours_opens_one_connection_and_uses_it_again() {
        let mut bench = Bench::new(StreamLimits::default()).await;
        let trunk = TcpListener::bind(ANY).await.expect("a port");
        let remote = trunk.local_addr().expect("bound");
        let flow = Flow {
            transport: Transport::Tcp,
            local: bench.tcp,
            remote,
            connection: None,
        };
        for text in ["one", "two"] {
            bench
                .transports
                .send(Transmit {
                    flow,
                    bytes: text.into(),
                })
                .expect("queued");
        }
        let (mut stream, _) = trunk.accept().await.expect("a connection");
        let mut buffer = [0; 6];
        stream.read_exact(&mut buffer).await.expect("both");
        assert_eq!(&buffer, b"onetwo");
        assert_eq!(bench.transports.connections(), 1);
        stream.write_all(MESSAGE.as_bytes()).await.expect("written");
        let (came, _) = bench.message().await;
        assert_eq!((came.local, came.remote), (bench.tcp, remote));
        drop(stream);
        assert!(bench.ended().await, "we had asked for it");
        assert_eq!(bench.transports.connections(), 0);
    }

    #[tokio::test]
    async fn a_trunk_that_is_not_there_is_told_about() {
        let mut bench = Bench::new(StreamLimits::default()).await;
        let nobody = TcpListener::bind(ANY)
            .await
            .expect("a port")
            .local_addr()
            .expect("bound");
        let flow = Flow {
            transport: Transport::Tcp,
            local: bench.tcp,
            remote: nobody,
            connection: None,
        };
        bench
            .transports
            .send(Transmit {
                flow,
                bytes: b"INVITE".to_vec(),
            })
            .expect("queued until it fails");
        assert!(bench.ended().await);
        let gone = Flow {
            connection: Some(999),
            ..flow
        };
        assert!(
            bench
                .transports
                .send(Transmit {
                    flow: gone,
                    bytes: b"200".to_vec()
                })
                .is_err()
        );
    }

    #[tokio::test]
    async fn slow_silent_and_idle_senders_are_shown_the_door() {
        let mut bench = Bench::new(quick()).await;
        // Says nothing at all.
        let _silent = TcpStream::connect(bench.tcp).await.expect("accepted");
        bench.ended().await;
        // Never finishes a message, and keeps dripping.
        let mut slow = TcpStream::connect(bench.tcp).await.expect("accepted");
        let dripping = tokio::spawn(async move {
            for byte in MESSAGE.as_bytes() {
                if slow.write_all(&[*byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        bench.ended().await;
        dripping.abort();
        // Spoke once and then no more.
        let mut idle = TcpStream::connect(bench.tcp).await.expect("accepted");
        idle.write_all(MESSAGE.as_bytes()).await.expect("written");
        let began = Instant::now();
        bench.ended().await;
        assert!(
            began.elapsed() >= Duration::from_millis(250),
            "idle is longer than slow"
        );
        // Is no SIP.
        let mut noise = TcpStream::connect(bench.tcp).await.expect("accepted");
        noise
            .write_all(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n")
            .await
            .expect("written");
        bench.ended().await;
        assert_eq!(bench.transports.connections(), 0);
    }

    #[tokio::test]
    async fn connections_are_counted_in_total_and_per_source() {
        let mut bench = Bench::new(StreamLimits {
            connections_max: 3,
            per_source_max: 2,
            ..StreamLimits::default()
        })
        .await;
        let mut held = vec![];
        for _ in 0..3 {
            held.push(TcpStream::connect(bench.tcp).await.expect("accepted by the kernel"));
            bench.let_in().await;
        }
        assert_eq!(bench.transports.connections(), 2);
        assert_eq!(bench.transports.counters().refused.load(Relaxed), 1);
        let mut third = held.pop().expect("three");
        assert_eq!(third.read(&mut [0; 1]).await.expect("closed"), 0);
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(STRANGER).expect("an address");
        let mut stranger = socket.connect(bench.tcp).await.expect("accepted by the kernel");
        // A stranger's connection is gone before it costs a place.
        assert!(matches!(stranger.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_given_up() {
        let mut bench = Bench::new(StreamLimits {
            outbox_max: 4,
            ..quick()
        })
        .await;
        let mut trunk = TcpStream::connect(bench.tcp).await.expect("accepted");
        trunk.write_all(MESSAGE.as_bytes()).await.expect("written");
        let (flow, _) = bench.message().await;
        let mut refused = false;
        for _ in 0..200 {
            refused |= bench
                .transports
                .send(Transmit {
                    flow,
                    bytes: vec![b'x'; 200_000],
                })
                .is_err();
            sleep(Duration::from_millis(1)).await;
            if refused {
                break;
            }
        }
        assert!(refused, "its queue is bounded");
        assert_eq!(bench.transports.connections(), 0);
    }
}
