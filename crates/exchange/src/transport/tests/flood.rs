//! Floods, noise, keep-alives and IPv6 on real sockets.

use super::*;

#[tokio::test]
async fn empty_datagrams_and_noise_cost_nothing_and_get_nothing() {
    let mut bench = Bench::new(StreamLimits::default()).await;
    let trunk = UdpSocket::bind(ANY).await.expect("a port");
    // RFC 5626 §4.4.1 leaves CRLF to streams, yet many send it over UDP; others send nothing, or zeros.
    for noise in [
        &b"\r\n\r\n"[..],
        b"",
        b"\0\0\0\0",
        b"\x00\x01\x00\x00\x21\x12\xa4\x42",
        b"\x80\x00",
    ] {
        trunk.send_to(noise, bench.udp).await.expect("loopback");
    }
    trunk.send_to(MESSAGE.as_bytes(), bench.udp).await.expect("loopback");
    assert_eq!(bench.message().await.1, MESSAGE);
    assert_eq!(
        bench.transports.counters().garbage.load(Relaxed),
        2,
        "STUN, and what looks like RTP"
    );
    assert!(trunk.try_recv(&mut [0; 16]).is_err());
}

#[tokio::test]
async fn a_located_host_is_heard_once_we_have_spoken_to_it() {
    let mut bench = Bench::new(StreamLimits::default()).await;
    let host = UdpSocket::bind(STRANGER).await.expect("a port");
    host.send_to(MESSAGE.as_bytes(), bench.udp).await.expect("loopback");
    let flow = Flow {
        transport: Transport::Udp,
        local: bench.udp,
        remote: host.local_addr().expect("bound"),
        connection: None,
    };
    // An answer makes nobody known, a request does.
    bench.send(flow, "SIP/2.0 404 Not Found\r\n\r\n").expect("sent");
    host.send_to(MESSAGE.as_bytes(), bench.udp).await.expect("loopback");
    while bench.transports.counters().strangers() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    bench
        .send(flow, "INVITE sip:a@example.com SIP/2.0\r\n\r\n")
        .expect("sent");
    host.send_to(MESSAGE.as_bytes(), bench.udp).await.expect("loopback");
    assert_eq!(bench.message().await.0.remote, flow.remote);
    assert_eq!(bench.transports.counters().strangers(), 2);
}

#[tokio::test]
async fn a_stranger_gets_one_datagram_for_one_and_no_more() {
    let floods = FloodLimits {
        hear_strangers: true,
        ..FloodLimits::default()
    };
    let mut bench = Bench::with(&[Transport::Udp], ANY, StreamLimits::default(), floods, super::nobody()).await;
    let stranger = UdpSocket::bind(STRANGER).await.expect("a port");
    stranger.send_to(MESSAGE.as_bytes(), bench.udp).await.expect("loopback");
    let (flow, _) = bench.message().await;
    for _ in 0..5 {
        // As a transaction would, which waits for an ACK that never comes.
        bench.send(flow, "SIP/2.0 401 Unauthorized\r\n\r\n").expect("taken");
    }
    let mut buffer = [0; 64];
    stranger.recv(&mut buffer).await.expect("one");
    sleep(Duration::from_millis(20)).await;
    assert!(stranger.try_recv(&mut buffer).is_err(), "and no more");
    assert_eq!(bench.transports.counters().unanswered.load(Relaxed), 4);
    // Who is let in gets what a caller gets.
    for _ in 0..3 {
        bench
            .send(flow, "SIP/2.0 200 OK\r\nCSeq: 2 INVITE\r\n\r\n")
            .expect("sent");
        stranger.recv(&mut buffer).await.expect("each of them");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trunk_is_answered_while_strangers_and_another_trunk_flood() {
    for hear_strangers in [false, true] {
        let floods = FloodLimits {
            hear_strangers,
            per_trunk_max: 256,
            ..FloodLimits::default()
        };
        let peer = |address: &str| Peer {
            networks: vec![Network::parse(address).expect("an address")],
            names: vec![],
        };
        let wires = Wires {
            peers: vec![peer("127.0.0.1"), peer("127.0.0.3")],
            streams: StreamLimits::default(),
            floods,
            certificates: super::nobody(),
            origins: Origins::default(),
        };
        let wanted = [Listener {
            transport: Transport::Udp,
            local: ANY,
            advertised: ANY,
        }];
        let (mut transports, bound, mut arrivals) = Transports::bind(&wanted, wires).await.expect("a port");
        let counters = transports.counters();
        let to = bound[0].local;
        // The loop: it answers, and each message costs it something.
        let owner = tokio::spawn(async move {
            let mut batch = Vec::new();
            while arrivals.recv_many(&mut batch, 64).await > 0 {
                for arrived in batch.drain(..) {
                    let Arrived::Message { flow, .. } = arrived else {
                        continue;
                    };
                    transports.heard(&flow);
                    std::hint::black_box((0..20_000_u64).fold(0, |a, b| a ^ b.wrapping_mul(a | 1)));
                    let bytes = b"SIP/2.0 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n".to_vec();
                    let _ = transports.send(Transmit { flow, bytes });
                }
            }
        });
        let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flooded = Arc::new(AtomicU64::new(0));
        // Both as fast as they can: the other trunk sends more than its queue holds, the loop answers, or the reader reads.
        let floods: Vec<_> = [2_u8, 3]
            .into_iter()
            .map(|last| {
                let (ended, flooded) = (ended.clone(), flooded.clone());
                std::thread::spawn(move || {
                    let socket = std::net::UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).expect("a port");
                    while !ended.load(Relaxed) {
                        // What the kernel does not take is no flood.
                        let sent = (0..64).filter(|_| socket.send_to(MESSAGE.as_bytes(), to).is_ok());
                        flooded.fetch_add(u64::try_from(sent.count()).unwrap_or_default(), Relaxed);
                        // Two cores are all there may be; those who flood are elsewhere.
                        std::thread::sleep(Duration::from_micros(200));
                    }
                })
            })
            .collect();
        let trunk = UdpSocket::bind(ANY).await.expect("a port");
        while flooded.load(Relaxed) < 10_000 {
            sleep(Duration::from_millis(1)).await;
        }
        // What came before the kernel was asked to thin them is read first, slowly where nothing is optimised.
        sleep(Duration::from_millis(500)).await;
        let (mut answered, mut soon) = (0, 0);
        for _ in 0..50 {
            trunk.send_to(MESSAGE.as_bytes(), to).await.expect("loopback");
            let asked = Instant::now();
            let answer = timeout(Duration::from_secs(2), trunk.recv(&mut [0; 64])).await;
            answered += usize::from(answer.is_ok());
            soon += usize::from(answer.is_ok() && asked.elapsed() <= Duration::from_millis(50));
        }
        println!("{answered} of 50 answered, {soon} within 50 ms");
        ended.store(true, Relaxed);
        floods.into_iter().for_each(|flood| flood.join().expect("no panic"));
        let sent = flooded.load(Relaxed);
        let dropped = counters.strangers() + counters.flooded.load(Relaxed);
        owner.abort();
        // A machine that does something else at times may be late; a buffer or a queue shared with the flood would be
        // full nearly always.
        assert!(answered >= 40, "{answered} of 50 beside {sent} other datagrams");
        assert!(soon >= 30, "{soon} of 50 within 50 ms beside {sent}");
        assert!(dropped > 0, "what is dropped is counted");
    }
}

#[tokio::test]
async fn six_is_served_like_four() {
    let local: SocketAddr = "[::1]:0".parse().expect("an address");
    let mut bench = Bench::with(
        &[Transport::Udp, Transport::Tcp],
        local,
        StreamLimits::default(),
        FloodLimits::default(),
        super::nobody(),
    )
    .await;
    let trunk = UdpSocket::bind(local).await.expect("a port");
    trunk.send_to(MESSAGE.as_bytes(), bench.udp).await.expect("loopback");
    let (flow, _) = bench.message().await;
    bench.send(flow, "SIP/2.0 200 OK").expect("sent");
    assert_eq!(trunk.recv(&mut [0; 64]).await.expect("an answer"), 14);
    let listener = TcpListener::bind(local).await.expect("a port");
    let flow = Flow {
        transport: Transport::Tcp,
        local: bench.tcp,
        remote: listener.local_addr().expect("bound"),
        connection: None,
    };
    bench.send(flow, MESSAGE).expect("queued");
    let (mut stream, from) = listener.accept().await.expect("a connection");
    assert_eq!(from.ip(), bench.tcp.ip());
    stream.write_all(MESSAGE.as_bytes()).await.expect("written");
    assert_eq!(bench.message().await.1, MESSAGE);
    // Both families at one port are two sockets, so that an address is always written as what it is.
    for _ in 0..10 {
        let four = std::net::UdpSocket::bind("0.0.0.0:0")
            .expect("a port")
            .local_addr()
            .expect("bound");
        let six = SocketAddr::new("::".parse().expect("an address"), four.port());
        let wanted = [four, six].map(|local| Listener {
            transport: Transport::Udp,
            local,
            advertised: local,
        });
        let wires = Wires {
            peers: super::trunk(),
            streams: StreamLimits::default(),
            floods: FloodLimits::default(),
            certificates: super::nobody(),
            origins: Origins::default(),
        };
        // Somebody else may have taken the port meanwhile.
        if let Ok((_transports, bound, _arrivals)) = Transports::bind(&wanted, wires).await {
            assert_eq!(bound.len(), 2);
            return;
        }
    }
    panic!("no port is free for both");
}

#[tokio::test]
async fn our_connections_are_kept_alive_and_given_up_when_pings_are_no_longer_answered() {
    let limits = StreamLimits {
        keepalive: Duration::from_millis(50),
        pong: Duration::from_millis(100),
        ..StreamLimits::default()
    };
    let mut bench = Bench::new(limits).await;
    let listener = TcpListener::bind(ANY).await.expect("a port");
    let flow = Flow {
        transport: Transport::Tcp,
        local: bench.tcp,
        remote: listener.local_addr().expect("bound"),
        connection: None,
    };
    bench.send(flow, "hello").expect("queued");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut hello = [0; 5];
    stream.read_exact(&mut hello).await.expect("our message");
    let mut ping = [0; 4];
    // A peer that answers no ping is kept: nobody promised it would.
    for _ in 0..2 {
        stream.read_exact(&mut ping).await.expect("a ping");
        assert_eq!(&ping, b"\r\n\r\n");
    }
    // One that answers is asked again and again, and what it says between is heard.
    for _ in 0..3 {
        stream.write_all(b"\r\n").await.expect("a pong");
        stream.write_all(MESSAGE.as_bytes()).await.expect("written");
        assert_eq!(bench.message().await.1, MESSAGE);
        stream.read_exact(&mut ping).await.expect("a ping");
        assert_eq!(&ping, b"\r\n\r\n");
    }
    // And given up when it falls silent.
    assert!(bench.ended().await);
}

#[tokio::test]
async fn a_connection_of_ours_that_nobody_needs_is_let_go() {
    let limits = StreamLimits {
        keepalive: Duration::from_millis(50),
        idle: Duration::from_millis(300),
        ..StreamLimits::default()
    };
    let mut bench = Bench::new(limits).await;
    let listener = TcpListener::bind(ANY).await.expect("a port");
    let flow = Flow {
        transport: Transport::Tcp,
        local: bench.tcp,
        remote: listener.local_addr().expect("bound"),
        connection: None,
    };
    bench.send(flow, "hello").expect("queued");
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let answering = tokio::spawn(async move {
        let mut buffer = [0; 64];
        let mut pings = 0;
        while let Ok(1..) = stream.read(&mut buffer).await {
            pings += 1;
            // To our first message, too: an empty line that answers nothing.
            let _ = stream.write_all(b"\r\n").await;
        }
        pings
    });
    assert!(bench.ended().await);
    assert!(
        answering.await.expect("no panic") >= 3,
        "it was kept alive as long as it was kept"
    );
}

#[tokio::test]
async fn a_trunk_cannot_take_every_connection() {
    let peer = |address: &str| Peer {
        networks: vec![Network::parse(address).expect("a network")],
        names: vec![],
    };
    let wires = Wires {
        peers: vec![peer("127.0.0.1"), peer("127.0.0.2/31")],
        streams: StreamLimits {
            connections_max: 8,
            ..StreamLimits::default()
        },
        floods: FloodLimits::default(),
        certificates: super::nobody(),
        origins: Origins::default(),
    };
    let wanted = [Listener {
        transport: Transport::Tcp,
        local: ANY,
        advertised: ANY,
    }];
    let (mut transports, bound, mut arrivals) = Transports::bind(&wanted, wires).await.expect("a port");
    let mut held = Vec::new();
    for (from, expected) in [(2, 6), (1, 8)] {
        for _ in 0..10 {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket
                .bind((Ipv4Addr::new(127, 0, 0, from), 0).into())
                .expect("an address");
            held.push(socket.connect(bound[0].local).await.expect("accepted by the kernel"));
            let arrived = timeout(Duration::from_secs(5), arrivals.recv()).await.expect("in time");
            if let Some(Arrived::Accepted {
                stream,
                transport,
                local,
                remote,
            }) = arrived
            {
                transports.accept(stream, transport, local, remote);
            }
        }
        assert_eq!(transports.connections(), expected, "from 127.0.0.{from}");
    }
}
