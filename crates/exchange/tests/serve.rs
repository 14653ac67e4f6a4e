//! A whole exchange on loopback: a trunk's INVITE becomes an answered call with audio, a row in the book, and nothing
//! that is left over.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a phone at the other end of real sockets"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use exchange::{Config, Fault, Handle, Keys, Media, Running, StreamLimits, serve};
use ledger::BookKeys;
use media::Codec;
use phi::Phi;
use sip::Transport;
use switchboard::{CallId, DeskConfig, Fact, Listener, Network, OpenEscalation, Stamped, Trunk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ANY: SocketAddr = SocketAddr::new(LOOPBACK, 0);
const PATIENCE: Duration = Duration::from_secs(5);

fn book_keys() -> BookKeys {
    let fill = &mut |bytes: &mut [u8]| bytes.fill(5);
    BookKeys {
        seal: seal::BookKey::generate(fill),
        sign: seal::Signer::generate(fill),
    }
}

/// The shipped practice, answered from these folders.
fn config(data: &Path, practices: &Path) -> Config {
    let listener = |transport| Listener {
        transport,
        local: ANY,
        advertised: ANY,
    };
    Config {
        desk: DeskConfig {
            signalling: vec![listener(Transport::Udp), listener(Transport::Tcp)],
            media_address: LOOPBACK,
            trunks: vec![Trunk {
                id: "test trunk".into(),
                sources: vec![Network::parse("127.0.0.1").expect("an address")],
                outbound: None,
                credentials: None,
            }],
            calls_max: 100,
            media_load_max_percent: 90,
            retry_after_s: 7,
            ring_before_answer: Duration::ZERO,
            ladder_speed: 1,
            book_patience: Duration::from_secs(2),
            codecs: vec![Codec::Pcmu, Codec::Pcma],
        },
        streams: StreamLimits::default(),
        media: Media {
            bind: LOOPBACK,
            ports: 20_000..=60_000,
            threads: 1,
        },
        practices: vec![practices.to_owned()],
        data: data.to_owned(),
        // Without a program that speaks the words are left out: the call is what is tried here.
        speech: None,
        keys: Keys {
            book: book_keys(),
            recipients: vec![seal::RecipientSecret::generate(1, &mut |b| b.fill(9)).public()],
        },
        drain: PATIENCE,
    }
}

fn shipped() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows")
}

fn address(handle: &Handle, transport: Transport) -> SocketAddr {
    handle
        .listeners()
        .iter()
        .find(|listener| listener.transport == transport)
        .expect("configured")
        .local
}

/// A trunk of one phone.
struct Caller {
    signalling: UdpSocket,
    audio: UdpSocket,
    to: SocketAddr,
    id: u32,
}

impl Caller {
    async fn new(handle: &Handle, from: Ipv4Addr, id: u32) -> Self {
        let signalling = UdpSocket::bind((from, 0)).await.expect("a port");
        let audio = UdpSocket::bind((from, 0)).await.expect("a port");
        Self {
            signalling,
            audio,
            to: address(handle, Transport::Udp),
            id,
        }
    }

    /// A request of this call; `to_tag` and `extra` lines as given.
    fn request(&self, method: &str, number: &str, to_tag: &str, body: &str) -> String {
        let us = self.signalling.local_addr().expect("bound");
        let (id, length) = (self.id, body.len());
        let cseq = if method == "BYE" { 2 } else { 1 };
        let content = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} sip:{number}@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {us};branch=z9hG4bK{id}{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:+15125550199@127.0.0.1>;tag=c{id}\r\n\
             To: <sip:{number}@127.0.0.1>{to_tag}\r\n\
             Call-ID: call-{id}@127.0.0.1\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:caller@{us}>\r\n\
             {content}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    fn offer(&self) -> String {
        let us = self.audio.local_addr().expect("bound");
        format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n",
            us.ip(),
            us.port()
        )
    }

    async fn send(&self, text: &str) {
        self.signalling
            .send_to(text.as_bytes(), self.to)
            .await
            .expect("loopback");
    }

    /// The next answer whose status is at least `least`.
    async fn answer(&self, least: u16) -> (u16, String) {
        let mut buffer = vec![0; 4096];
        loop {
            let length = timeout(PATIENCE, self.signalling.recv(&mut buffer))
                .await
                .expect("an answer")
                .expect("a socket");
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let status = text
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0);
            if status >= least {
                return (status, text);
            }
        }
    }

    /// Calls, is answered, and acknowledges; gives the To tag and where to send audio.
    async fn call(&self, number: &str) -> (String, SocketAddr) {
        self.send(&self.request("INVITE", number, "", &self.offer())).await;
        let (status, answer) = self.answer(200).await;
        assert_eq!(status, 200, "{answer}");
        let to = header(&answer, "To");
        let tag = to[to.find(";tag=").expect("a tag")..].to_owned();
        self.send(&self.request("ACK", number, &tag, "")).await;
        let port = answer
            .split("m=audio ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|port| port.parse().ok());
        (tag, SocketAddr::new(LOOPBACK, port.expect("an audio port")))
    }

    /// Hears one packet.
    async fn hear(&self) -> (usize, SocketAddr) {
        let mut buffer = [0; 512];
        timeout(PATIENCE, self.audio.recv_from(&mut buffer))
            .await
            .expect("audio")
            .expect("a socket")
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")))
        .expect("the header");
    line[name.len() + 1..].trim()
}

/// Waits until nothing is held any more.
async fn all_gone(handle: &Handle) {
    for _ in 0..200 {
        let held = handle.held().await.expect("running");
        if held.desk.calls == 0 && held.desk.legs == 0 && held.legs == 0 && held.facts_waiting == 0 {
            return;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("still held: {:?}", handle.held().await);
}

/// Every fact in the book.
fn facts(data: &Path) -> Vec<Stamped> {
    let reader = ledger::Reader::open(&data.join("book"), book_keys().seal, 0).expect("a book");
    reader
        .map(|row| Stamped::decode(&row.expect("whole").body).expect("a fact"))
        .collect()
}

async fn start(data: &Path) -> Running {
    match serve(config(data, &shipped())).await {
        Ok(running) => running,
        Err(Fault::NoPractice(problems)) => panic!("{problems:#?}"),
        Err(fault) => panic!("{fault:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_heard_ended_and_written_down() {
    let data = tempfile::tempdir().expect("a folder");
    let running = start(data.path()).await;
    let handle = running.handle();
    let ready = handle.held().await.expect("running").ports_ready;
    assert!(ready > 0);

    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 1).await;
    let (tag, audio) = caller.call("+15125550100").await;
    let (length, from) = caller.hear().await;
    assert_eq!(
        (length, from),
        (172, audio),
        "20 ms of G.711 from the port we were promised"
    );
    assert_eq!(handle.held().await.expect("running").desk.calls, 1);
    caller.send(&caller.request("BYE", "+15125550100", &tag, "")).await;
    assert_eq!(caller.answer(200).await.0, 200);
    all_gone(&handle).await;
    assert_eq!(
        handle.held().await.expect("running").ports_ready,
        ready,
        "the pool is full again"
    );
    assert!(handle.snapshot().media.packets_out > 0);

    running.stop().await.expect("in order");
    let facts = facts(data.path());
    let count = |test: fn(&Fact) -> bool| facts.iter().filter(|stamped| test(&stamped.fact)).count();
    assert_eq!(count(|fact| matches!(fact, Fact::Started { .. })), 1);
    assert_eq!(count(|fact| matches!(fact, Fact::CallBegan { .. })), 1);
    assert_eq!(count(|fact| matches!(fact, Fact::CallEnded { .. })), 1);
    assert_eq!(count(|fact| matches!(fact, Fact::Stopped)), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_nothing_and_wrong_numbers_a_404() {
    let data = tempfile::tempdir().expect("a folder");
    let running = start(data.path()).await;
    let handle = running.handle();
    let stranger = Caller::new(&handle, Ipv4Addr::new(127, 0, 0, 2), 2).await;
    stranger
        .send(&stranger.request("INVITE", "+15125550100", "", &stranger.offer()))
        .await;
    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 3).await;
    caller
        .send(&caller.request("INVITE", "+15125550177", "", &caller.offer()))
        .await;
    assert_eq!(caller.answer(200).await.0, 404);
    assert!(
        stranger.signalling.try_recv(&mut [0; 16]).is_err(),
        "not even a refusal"
    );
    assert_eq!(handle.snapshot().strangers, 1);
    running.stop().await.expect("in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_refuses_new_calls_and_waits_for_the_others() {
    let data = tempfile::tempdir().expect("a folder");
    let running = start(data.path()).await;
    let handle = running.handle();
    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 4).await;
    let (tag, _) = caller.call("+15125550100").await;

    let draining = tokio::spawn(running.drain());
    let late = Caller::new(&handle, Ipv4Addr::LOCALHOST, 5).await;
    // The order to drain and this question travel different ways.
    let mut asked = 0;
    let refused = loop {
        asked += 1;
        late.send(
            &late
                .request("OPTIONS", "+15125550100", "", "")
                .replace("5OPTIONS", &format!("5OPTIONS{asked}")),
        )
        .await;
        let (status, text) = late.answer(200).await;
        if status != 200 {
            break (status, text);
        }
    };
    assert_eq!((refused.0, header(&refused.1, "Retry-After")), (503, "7"));
    late.send(&late.request("INVITE", "+15125550100", "", &late.offer()))
        .await;
    assert_eq!(late.answer(200).await.0, 503);

    assert!(!draining.is_finished(), "a call is still in progress");
    caller.send(&caller.request("BYE", "+15125550100", &tag, "")).await;
    let finished = timeout(Duration::from_secs(20), draining)
        .await
        .expect("in time")
        .expect("no panic")
        .expect("in order");
    assert!(finished, "every call ended by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_on_tcp_is_answered_on_its_connection() {
    let data = tempfile::tempdir().expect("a folder");
    let running = start(data.path()).await;
    let handle = running.handle();
    let mut trunk = TcpStream::connect(address(&handle, Transport::Tcp))
        .await
        .expect("accepted");
    let us = trunk.local_addr().expect("connected");
    let options = format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP {us};branch=z9hG4bK77\r\nMax-Forwards: 70\r\n\
         From: <sip:trunk@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: o1\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let (first, second) = options.split_at(61);
    trunk.write_all(first.as_bytes()).await.expect("written");
    trunk.write_all(second.as_bytes()).await.expect("written");
    let mut buffer = vec![0; 4096];
    let length = timeout(PATIENCE, trunk.read(&mut buffer))
        .await
        .expect("in time")
        .expect("open");
    assert!(
        buffer[..length].starts_with(b"SIP/2.0 200 "),
        "{}",
        String::from_utf8_lossy(&buffer[..length])
    );
    assert_eq!(handle.held().await.expect("running").connections, 1);
    running.stop().await.expect("in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_breaks_a_practice_keeps_its_release() {
    let data = tempfile::tempdir().expect("a folder");
    let practices = data.path().join("practices");
    std::fs::create_dir(&practices).expect("a folder");
    for entry in std::fs::read_dir(shipped().join("cedar-family-medicine"))
        .expect("shipped")
        .flatten()
    {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), practices.join(entry.file_name())).expect("copied");
        }
    }
    let running = serve(config(&data.path().join("data"), &practices))
        .await
        .expect("starts");
    let handle = running.handle();
    std::fs::write(practices.join("practice.yaml"), "practice: [not, a, practice\n").expect("written");
    let problems = handle.reload().await.expect("speech is not needed");
    assert!(problems.iter().any(|problem| problem.serious), "{problems:?}");
    let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 6).await;
    caller.call("+15125550100").await;
    running.stop().await.expect("in order");
    // The call was cut by the stop; at the next start it gets its one outcome.
    std::fs::copy(
        shipped().join("cedar-family-medicine/practice.yaml"),
        practices.join("practice.yaml"),
    )
    .expect("copied");
    let running = serve(config(&data.path().join("data"), &practices))
        .await
        .expect("starts again");
    running.stop().await.expect("in order");
    let outcomes = facts(&data.path().join("data"));
    let ended: Vec<_> = outcomes
        .iter()
        .filter(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }))
        .collect();
    assert_eq!(ended.len(), 1, "exactly one outcome");
}

/// A restart finds a ladder nobody had answered: the doctor's phone rings (D4).
#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_interrupted_by_a_crash_goes_on_ringing() {
    let data = tempfile::tempdir().expect("a folder");
    let call = CallId([7; 16]);
    let at = jiff::Timestamp::now();
    let open = OpenEscalation {
        call,
        practice: "Cedar Family Medicine".into(),
        ladder: "doctor on call".into(),
        began: at,
        call_back: Phi::new(Some("+15125550199".into())),
        message: None,
        by_safety_net: false,
    };
    let fact = Stamped {
        call: Some(call),
        at,
        fact: Fact::EscalationBegan(Box::new(open)),
    };
    let entry = ledger::Entry {
        kind: fact.fact.kind().into(),
        call: Some(call.0),
        at_ms: at.as_millisecond(),
        body: fact.encode(),
    };
    let mut book = ledger::Book::open(data.path().join("book"), book_keys(), Box::new(|| [4; 16])).expect("a book");
    book.append(&[entry]).expect("written");
    drop(book);

    let trunk = UdpSocket::bind(ANY).await.expect("a port");
    let mut config = config(data.path(), &shipped());
    config.desk.trunks[0].outbound = Some(sip::Flow {
        transport: Transport::Udp,
        local: ANY,
        remote: trunk.local_addr().expect("bound"),
        connection: None,
    });
    let running = serve(config).await.expect("starts");
    let mut buffer = vec![0; 4096];
    let (length, from) = timeout(PATIENCE, trunk.recv_from(&mut buffer))
        .await
        .expect("in time")
        .expect("a socket");
    let invite = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(invite.starts_with("INVITE sip:+15125550141@"), "{invite}");
    assert_eq!(from, address(&running.handle(), Transport::Udp));
    running.stop().await.expect("in order");
}

/// Many calls at once, each answered, heard and ended: nothing is left of them but their rows.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_leave_nothing_behind() {
    const CALLS: u32 = 200;
    let data = tempfile::tempdir().expect("a folder");
    let mut config = config(data.path(), &shipped());
    config.desk.calls_max = 500;
    let running = serve(config).await.expect("starts");
    let handle = running.handle();
    let held_before = handle.held().await.expect("running");
    let open_files = || std::fs::read_dir("/proc/self/fd").expect("Linux").count();
    let files_before = open_files();
    let calls: Vec<_> = (0..CALLS)
        .map(|id| {
            let handle = handle.clone();
            tokio::spawn(async move {
                let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 1000 + id).await;
                let began = std::time::Instant::now();
                let (tag, _) = caller.call("+15125550100").await;
                let answered = began.elapsed();
                caller.hear().await;
                caller.send(&caller.request("BYE", "+15125550100", &tag, "")).await;
                assert_eq!(caller.answer(200).await.0, 200);
                answered
            })
        })
        .collect();
    let mut answered = Vec::new();
    for call in calls {
        answered.push(call.await.expect("a call from INVITE to BYE"));
    }
    answered.sort();
    println!(
        "INVITE to 200, {CALLS} at once: p50 {:?}, p99 {:?}",
        answered[100], answered[197]
    );
    all_gone(&handle).await;
    let held = handle.held().await.expect("running");
    assert_eq!(
        (held.ports_ready, held.connections),
        (held_before.ports_ready, held_before.connections)
    );
    assert_eq!(open_files(), files_before, "no socket is left");
    running.stop().await.expect("in order");
    let facts = facts(data.path());
    let mut ended: Vec<_> = facts
        .iter()
        .filter(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }))
        .map(|stamped| stamped.call)
        .collect();
    ended.sort();
    ended.dedup();
    assert_eq!(ended.len(), CALLS as usize, "every call has its outcome");
}
