//! Sockets on loopback: what comes in, what goes out, what is shown the door.
use super::*;

mod flood;
mod secure;
mod socket;

use std::net::Ipv4Addr;

use switchboard::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

const MESSAGE: &str = "OPTIONS sip:a@example.com SIP/2.0\r\nContent-Length: 4\r\n\r\nbody";
/// A page that may ring us.
const PAGE: &str = "https://phones.example.com";
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);

struct Bench {
    transports: Transports,
    arrivals: Arrivals,
    udp: SocketAddr,
    tcp: SocketAddr,
    bound: Vec<Listener>,
}

/// No identity: nothing is served over TLS.
fn nobody() -> Arc<Certificates> {
    Arc::new(Certificates::read(Tls::default()).expect("nothing to read but authorities"))
}

#[derive(Debug)]
enum Seen {
    Accepted,
    Message(Flow, String),
    Connected(Vec<String>),
    Closed { asked: bool },
}

/// A trunk at 127.0.0.1 that may also prove its name.
fn trunk() -> Vec<Peer> {
    vec![Peer {
        networks: vec![
            Network::parse("127.0.0.1").expect("a network"),
            Network::parse("::1").expect("a network"),
        ],
        names: vec!["trunk.example.com".into()],
    }]
}

impl Bench {
    async fn new(limits: StreamLimits) -> Self {
        Self::with(
            &[Transport::Udp, Transport::Tcp],
            ANY,
            limits,
            FloodLimits::default(),
            nobody(),
        )
        .await
    }

    async fn with(
        transports: &[Transport],
        local: SocketAddr,
        streams: StreamLimits,
        floods: FloodLimits,
        certificates: Arc<Certificates>,
    ) -> Self {
        let wanted: Vec<Listener> = transports
            .iter()
            .map(|&transport| Listener {
                transport,
                local,
                advertised: local,
            })
            .collect();
        let wires = Wires {
            peers: trunk(),
            streams,
            floods,
            certificates,
            origins: Origins::new(vec![PAGE.into()]),
        };
        let (transports, bound, arrivals) = Transports::bind(&wanted, wires).await.expect("free ports");
        assert_ne!(bound[0].advertised.port(), 0, "what we tell others is what was bound");
        Self {
            transports,
            arrivals,
            udp: bound[0].local,
            tcp: bound[bound.len() - 1].local,
            bound,
        }
    }

    fn at(&self, transport: Transport) -> SocketAddr {
        let bound = self.bound.iter().find(|listener| listener.transport == transport);
        bound.expect("listened on").local
    }

    /// What came next, done as the loop would do it.
    async fn next(&mut self) -> Seen {
        let arrived = timeout(Duration::from_secs(5), self.arrivals.recv())
            .await
            .expect("in time")
            .expect("open");
        match arrived {
            Arrived::Accepted {
                stream,
                transport,
                local,
                remote,
            } => {
                self.transports.accept(stream, transport, local, remote);
                Seen::Accepted
            }
            Arrived::Message { flow, bytes } => {
                self.transports.heard(&flow);
                Seen::Message(flow, String::from_utf8(bytes).expect("text"))
            }
            Arrived::Connected { flow, names, class, .. } => {
                self.transports.connected(&flow, class);
                Seen::Connected(names)
            }
            Arrived::Closed { connection, asked, .. } => {
                self.transports.closed(connection);
                Seen::Closed { asked }
            }
        }
    }

    /// The next message.
    async fn message(&mut self) -> (Flow, String) {
        loop {
            match self.next().await {
                Seen::Message(flow, text) => return (flow, text),
                Seen::Accepted | Seen::Connected(_) => {}
                Seen::Closed { .. } => panic!("a connection ended"),
            }
        }
    }

    /// Waits until a secure connection has shown its names.
    async fn names(&mut self) -> Vec<String> {
        loop {
            match self.next().await {
                Seen::Connected(names) => return names,
                Seen::Accepted => {}
                other => panic!("{other:?} before the handshake was done"),
            }
        }
    }

    /// Waits until a connection is let in, or shown the door.
    async fn let_in(&mut self) {
        while !matches!(self.next().await, Seen::Accepted) {}
    }

    /// Waits until a connection has ended.
    async fn ended(&mut self) -> bool {
        loop {
            if let Seen::Closed { asked } = self.next().await {
                return asked;
            }
        }
    }

    fn send(&mut self, flow: Flow, text: &str) -> Result<(), Unsent> {
        let bytes = text.as_bytes().to_vec();
        self.transports.send(Transmit { flow, bytes })
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
    assert_eq!(bench.transports.counters().strangers(), 1);
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
async fn what_was_to_be_said_is_said_before_the_end() {
    let mut bench = Bench::new(StreamLimits::default()).await;
    let mut trunk = TcpStream::connect(bench.tcp).await.expect("accepted");
    trunk.write_all(MESSAGE.as_bytes()).await.expect("written");
    let (flow, _) = bench.message().await;
    for _ in 0..3 {
        bench.send(flow, "SIP/2.0 200 OK\r\n").expect("queued");
    }
    bench.transports.end().await;
    let mut heard = String::new();
    trunk.read_to_string(&mut heard).await.expect("closed in order");
    assert_eq!(heard, "SIP/2.0 200 OK\r\n".repeat(3));
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

#[tokio::test]
async fn a_peer_that_does_not_read_does_not_keep_us_from_ending() {
    let mut bench = Bench::new(StreamLimits::default()).await;
    let mut trunk = TcpStream::connect(bench.tcp).await.expect("accepted");
    trunk.write_all(MESSAGE.as_bytes()).await.expect("written");
    let (flow, _) = bench.message().await;
    for _ in 0..bench.transports.limits.outbox_max {
        bench.send(flow, &"x".repeat(500_000)).expect("queued");
    }
    let ended = timeout(20 * LAST_WORDS, bench.transports.end()).await;
    assert!(ended.is_ok(), "it waits no longer than a moment");
}
