//! `make flood`: fifty conversations while strangers, and one trunk gone mad, pour everything they have on the server.
//!
//! The flood is a process of its own ([`pour`]), so that its work does not make the telephones of [`Field`] late: SIP from
//! addresses nobody knows, connections that say nothing, connections that say one octet a second, TLS that never shakes
//! hands, noise on every audio port. What counts is what the conversations and a known trunk's OPTIONS notice of it:
//! nothing. Each figure stands beside its limit, and the exit code says whether all were kept.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::bench::{more_files, root};
use super::caller::Plan;
use super::doctor::Manner;
use super::field::Field;
use super::server::{Server, Setup, rtp_ports};
use super::spread::Spread;
use super::text::Message;
use super::wire::{DATAGRAM, MS, Nanos, Wire, now};

const PORT: u16 = 15_260;
const DOCTORS_PORT: u16 = 15_270;
const BRIDGED_LINE: &str = "+15125550112";

/// Conversations: a caller and a doctor each.
const CALLS: usize = 50;
/// Set-up, so many a second.
const RAMP_PER_S: u64 = 10;

/// The limits (issue 3, "it is done when" 5; controls.md §2).
const PACING_MS_MAX: f64 = 5.0;
const GROWTH_KIB_MAX: u64 = 16 * 1024;
const OPTIONS_MS_MAX: f64 = 50.0;

/// A known trunk asks this often.
const ASKS_EVERY: Nanos = 100 * MS;
/// And takes an answer for lost after this.
const LOST_AFTER: Nanos = 2_000 * MS;
/// Memory is read this often.
const LOOKS_EVERY: Nanos = 5_000 * MS;

/// Datagrams of strangers a second; `FLOOD_PER_S` changes it, and everything else in proportion.
const PER_S: u64 = 2_000;

/// A known trunk that has gone mad; the conversations' own trunk is 127.0.0.1.
const MAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Runs it. True when every limit was kept.
pub(crate) fn flood(binary: &str) -> io::Result<bool> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    let minutes = number("FLOOD_MINUTES").unwrap_or(2).max(1);
    let root = root();
    let folder = root.join("target/flood");
    std::fs::create_dir_all(&folder)?;
    let _ = std::fs::remove_file(folder.join("server.log"));
    more_files();
    let setup = Setup {
        root,
        binary: PathBuf::from(binary),
        folder,
        core: None,
        port: PORT,
        doctors_port: DOCTORS_PORT,
        ring_s: 0,
        ladder_speed: 1,
        from: "127.0.0.1/32, 127.0.0.9/32",
        streams: true,
    };
    let mut server = Server::start(&setup)?;
    let mut field = Field::open(server.address, DOCTORS_PORT, |_| Manner::Accepts)?;
    let up = converse(&mut field)?;
    if !up {
        println!("the conversations did not come about: {:?}", field.count());
        return Ok(false);
    }
    let mut trunk = Trunk::open(server.address)?;

    // The same house, first in peace: what it holds, how even its packets are.
    field.begin_counting();
    watch(&mut field, &mut trunk, &server, Duration::from_secs(10));
    let calm = field.tally.pacing.clone();
    let calm_options = std::mem::take(&mut trunk.answered);
    trunk.lost = 0;
    let before = server.usage();

    println!("{CALLS} conversations; the flood begins, for {minutes} min");
    let mut pouring = Pouring::start(server.address, minutes * 60, number("FLOOD_PER_S").unwrap_or(PER_S))?;
    field.begin_counting();
    let most = watch(&mut field, &mut trunk, &server, Duration::from_secs(minutes * 60));
    let poured = pouring.end()?;
    let (heard, parties, _) = field.end_counting();
    let count = field.count();
    let disturbed = (CALLS - count.talking.min(CALLS)) + field.lossy();
    // What the flood left behind may go now; what stays is growth too.
    watch(&mut field, &mut trunk, &server, Duration::from_secs(5));
    let after = server.usage();

    let mut kept = true;
    let mut say = |what: &str, measured: String, limit: String, good: bool| {
        kept &= good;
        println!(
            "{what:<46} {measured:>24}   {limit:>12}   {}",
            if good { "kept" } else { "BROKEN" }
        );
    };
    let pacing = &field.tally.pacing;
    println!("poured: {poured}");
    println!(
        "heard by {parties} parties: {} packets; before the flood p99 {:.2} ms; our own lateness p99 {:.2} ms, {} frames skipped",
        heard.received,
        calm.ms(0.99),
        field.tally.lateness.ms(0.99),
        field.tally.skipped
    );
    say(
        "deviation of packets, p99 (p50, max) ms",
        format!("{:.2} ({:.2}, {:.1})", pacing.ms(0.99), pacing.ms(0.5), pacing.max_ms()),
        format!("≤ {PACING_MS_MAX}"),
        pacing.count() > 0 && pacing.ms(0.99) <= PACING_MS_MAX,
    );
    say(
        "conversations disturbed",
        disturbed.to_string(),
        "0".into(),
        disturbed == 0,
    );
    let growth = most.max(after.rss_kib).saturating_sub(before.rss_kib);
    say(
        "memory growth, KiB",
        format!("{growth} of {}", before.rss_kib),
        format!("≤ {GROWTH_KIB_MAX}"),
        growth <= GROWTH_KIB_MAX,
    );
    let asked = &trunk.answered;
    say(
        "a known trunk's OPTIONS, p99 (p50, max) ms",
        format!("{:.2} ({:.2}, {:.1})", asked.ms(0.99), asked.ms(0.5), asked.max_ms()),
        format!("≤ {OPTIONS_MS_MAX}"),
        asked.count() > 0 && asked.ms(0.99) <= OPTIONS_MS_MAX,
    );
    say(
        "of these not answered",
        trunk.lost.to_string(),
        "0".into(),
        trunk.lost == 0,
    );
    println!(
        "(in peace: {:.2} ms; {} asked under the flood; file descriptors {} → {})",
        calm_options.ms(0.99),
        asked.count(),
        before.fds,
        after.fds
    );
    field.hang_up_all(100, Duration::from_secs(20));
    server.drain(Duration::from_secs(60), || field.wait(Duration::from_millis(5)));
    Ok(kept)
}

/// Sets the conversations up; true when every caller hears a doctor.
fn converse(field: &mut Field) -> io::Result<bool> {
    let plan = Plan {
        number: BRIDGED_LINE,
        speaks: true,
        keys: Vec::new(),
        hang_up: None,
        cancel: None,
    };
    let (began, mut broken) = (now(), None);
    let up = field.play(Duration::from_secs(90), |field, time| {
        while field.made() < CALLS && (time - began) * RAMP_PER_S / (1_000 * MS) >= field.made() as u64 {
            if let Err(error) = field.call(plan.clone()) {
                broken = Some(error);
                return true;
            }
        }
        field.made() == CALLS && field.count().bridged >= CALLS
    });
    broken.map_or(Ok(up), Err)
}

/// Lets everybody talk for so long while the trunk asks; gives the most memory seen.
fn watch(field: &mut Field, trunk: &mut Trunk, server: &Server, time: Duration) -> u64 {
    let (mut most, mut look) = (0, now());
    field.play(time, |_, now| {
        trunk.serve(now);
        if now >= look {
            look = now + LOOKS_EVERY;
            most = most.max(server.usage().rss_kib);
        }
        false
    });
    most
}

/// A known trunk that asks OPTIONS, and measures by the kernel's clock.
struct Trunk {
    wire: Wire,
    local: SocketAddr,
    server: SocketAddr,
    waiting: BTreeMap<u64, Nanos>,
    next: Nanos,
    number: u64,
    answered: Spread,
    lost: u64,
}

impl Trunk {
    fn open(server: SocketAddr) -> io::Result<Self> {
        let wire = Wire::bind(0, 1 << 20)?;
        let local = SocketAddr::from(([127, 0, 0, 1], wire.port()?));
        Ok(Self {
            wire,
            local,
            server,
            waiting: BTreeMap::new(),
            next: 0,
            number: 0,
            answered: Spread::default(),
            lost: 0,
        })
    }

    fn serve(&mut self, time: Nanos) {
        let mut buffer = [0; DATAGRAM];
        while let Some(came) = self.wire.receive(&mut buffer) {
            let Some(message) = buffer.get(..came.length).and_then(Message::read) else {
                continue;
            };
            let sent = message
                .cseq()
                .and_then(|(number, _)| self.waiting.remove(&number.into()));
            if let (Some(sent), Some(200)) = (sent, message.status()) {
                self.answered.add(came.at.saturating_sub(sent));
            }
        }
        let overdue: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, sent)| time.saturating_sub(**sent) > LOST_AFTER)
            .map(|(number, _)| *number)
            .collect();
        for number in overdue {
            self.waiting.remove(&number);
            self.lost += 1;
        }
        if time < self.next {
            return;
        }
        self.next = time + ASKS_EVERY;
        self.number += 1;
        let text = request("OPTIONS", self.server, self.local, self.number, "", "");
        self.waiting.insert(self.number, now());
        self.wire.send_to(text.as_bytes(), self.server);
    }
}

/// The flood's process.
struct Pouring(Child);

impl Pouring {
    fn start(server: SocketAddr, seconds: u64, per_s: u64) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["pour", &server.to_string(), &seconds.to_string(), &per_s.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// What it says it poured.
    fn end(&mut self) -> io::Result<String> {
        let end = Instant::now() + Duration::from_secs(20);
        while self.0.try_wait()?.is_none() {
            if Instant::now() > end {
                self.0.kill()?;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut said = String::new();
        if let Some(mut out) = self.0.stdout.take() {
            io::Read::read_to_string(&mut out, &mut said)?;
        }
        Ok(said.trim().to_owned())
    }
}

impl Drop for Pouring {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is collected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was poured, by kind.
#[derive(Default)]
struct Poured {
    sip: AtomicU64,
    mad: AtomicU64,
    silent: AtomicU64,
    slow: AtomicU64,
    noise: AtomicU64,
}

/// The flood itself: `load pour SERVER SECONDS PER_S`.
pub(crate) fn pour(server: &str, seconds: &str, per_s: &str) -> io::Result<bool> {
    let number = |text: &str| text.parse::<u64>().map_err(io::Error::other);
    let server: SocketAddr = server.parse().map_err(io::Error::other)?;
    let (seconds, per_s) = (number(seconds)?, number(per_s)?.max(20));
    more_files();
    let (poured, over) = (Arc::new(Poured::default()), Arc::new(AtomicBool::new(false)));
    type Part = fn(SocketAddr, u64, &Poured, &AtomicBool) -> io::Result<()>;
    let parts: [(&str, Part, u64); 5] = [
        ("strangers", strangers, per_s),
        ("mad trunk", mad_trunk, per_s / 10),
        ("silent connections", silent_connections, per_s / 20),
        ("slow connections", slow_connections, 0),
        ("noise", noise, per_s / 2),
    ];
    let mut threads = Vec::new();
    for (name, part, rate) in parts {
        let (poured, over) = (Arc::clone(&poured), Arc::clone(&over));
        let thread = std::thread::Builder::new().name(name.into());
        threads.push(thread.spawn(move || part(server, rate, &poured, &over))?);
    }
    std::thread::sleep(Duration::from_secs(seconds));
    over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread
            .join()
            .map_err(|_| io::Error::other("a part of the flood broke"))??;
    }
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{} datagrams of strangers, {} of a known trunk gone mad, {} silent connections, {} slow ones, {} packets of noise on audio ports",
        of(&poured.sip),
        of(&poured.mad),
        of(&poured.silent),
        of(&poured.slow),
        of(&poured.noise)
    );
    Ok(true)
}

/// Calls `act` so many times a second until it is over.
fn steadily(per_s: u64, over: &AtomicBool, mut act: impl FnMut(u64)) {
    let (began, mut done) = (Instant::now(), 0u64);
    while !over.load(Ordering::Relaxed) {
        let due = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) * per_s / 1_000;
        // Never more than a tenth of a second's worth at once: a flood, not a wall.
        for _ in 0..due.saturating_sub(done).min(per_s / 10 + 1) {
            act(done);
            done += 1;
        }
        done = done.max(due);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One request with all its headers.
fn request(method: &str, server: SocketAddr, local: SocketAddr, number: u64, extra: &str, body: &str) -> String {
    format!(
        "{method} sip:{BRIDGED_LINE}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKflood-{}-{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:flood@{local}>;tag=f{number}\r\nTo: <sip:{BRIDGED_LINE}@{server}>\r\nCall-ID: flood-{}-{number}@{local}\r\nCSeq: {number} {method}\r\n\
         Contact: <sip:flood@{local}>\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        local.port(),
        local.port(),
        body.len()
    )
}

/// What one message of the flood looks like.
fn message(at: u64, server: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    match at % 8 {
        0 | 1 => request("INVITE", server, local, at, "Content-Type: application/sdp\r\n", sdp).into_bytes(),
        2 => request("OPTIONS", server, local, at, "", "").into_bytes(),
        3 => request("REGISTER", server, local, at, "Expires: 3600\r\n", "").into_bytes(),
        4 => noise_of(at, 700),
        // Long, and cut in the middle of a header.
        5 => {
            let long = format!("X-Long: {}\r\n", "y".repeat(1_300));
            let mut bytes = request("INVITE", server, local, at, &long.repeat(5), sdp).into_bytes();
            bytes.truncate(bytes.len() - 400);
            bytes
        }
        6 => request("BYE", server, local, at, "Require: everything\r\n", "").into_bytes(),
        _ => b"\r\n\r\n".to_vec(),
    }
}

/// Octets without a meaning.
fn noise_of(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// Addresses nobody knows: 127.0.1.1 to 127.0.1.20.
fn strangers(server: SocketAddr, per_s: u64, poured: &Poured, over: &AtomicBool) -> io::Result<()> {
    let sockets = (1..=20u8)
        .map(|host| UdpSocket::bind((Ipv4Addr::new(127, 0, 1, host), 0)))
        .collect::<io::Result<Vec<_>>>()?;
    let locals = sockets
        .iter()
        .map(UdpSocket::local_addr)
        .collect::<io::Result<Vec<_>>>()?;
    steadily(per_s, over, |at| {
        let from = usize::try_from(at).unwrap_or(0) % sockets.len();
        if let (Some(socket), Some(local)) = (sockets.get(from), locals.get(from)) {
            // A full socket loses what a full wire would.
            let _ = socket.send_to(&message(at, server, *local), server);
            poured.sip.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(())
}

/// A trunk that is known, and sends everything but calls.
fn mad_trunk(server: SocketAddr, per_s: u64, poured: &Poured, over: &AtomicBool) -> io::Result<()> {
    let socket = UdpSocket::bind((MAD, 0))?;
    let local = socket.local_addr()?;
    steadily(per_s, over, |at| {
        let kind = 2 + at % 6;
        let _ = socket.send_to(&message(at / 8 * 8 + kind, server, local), server);
        poured.mad.fetch_add(1, Ordering::Relaxed);
    });
    Ok(())
}

/// A connection from an address of ours that is not waited for.
fn connect(from: IpAddr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect_timeout(&server.into(), Duration::from_millis(200))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connections that are opened and say nothing: most from strangers, some from the mad trunk. Two hundred are held.
fn silent_connections(server: SocketAddr, per_s: u64, poured: &Poured, over: &AtomicBool) -> io::Result<()> {
    let mut held = std::collections::VecDeque::new();
    steadily(per_s, over, |at| {
        let from = if at % 4 == 0 {
            MAD
        } else {
            Ipv4Addr::new(127, 0, 2, 1 + u8::try_from(at % 50).unwrap_or(0))
        };
        if let Ok(stream) = connect(from.into(), server) {
            poured.silent.fetch_add(1, Ordering::Relaxed);
            held.push_back(stream);
        }
        if held.len() > 200 {
            held.pop_front();
        }
    });
    Ok(())
}

/// Connections that say an octet a second: of a request that has no end, and of a TLS ClientHello. Opened anew when the
/// server has had enough.
fn slow_connections(server: SocketAddr, _: u64, poured: &Poured, over: &AtomicBool) -> io::Result<()> {
    let local = SocketAddr::from((MAD, 5060));
    let slow_headers = request("INVITE", server, local, 1, &"X: y\r\n".repeat(1_000), "").into_bytes();
    // RFC 8446 §5.1: a handshake record of 512 octets, ClientHello.
    let slow_tls = [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[7; 500]].concat();
    let mut connections: Vec<(Option<TcpStream>, usize)> = (0..64).map(|_| (None, 0)).collect();
    let ports = [(server, slow_headers), (tls_of(server), slow_tls)];
    while !over.load(Ordering::Relaxed) {
        for (at, (stream, said)) in connections.iter_mut().enumerate() {
            let Some((to, words)) = ports.get(at % 2) else { continue };
            let octet = words.get(*said).copied();
            let sent = match (&mut *stream, octet) {
                (Some(stream), Some(octet)) => stream.write(&[octet]).is_ok(),
                _ => false,
            };
            if sent {
                *said += 1;
                continue;
            }
            (*stream, *said) = (connect(MAD.into(), *to).ok(), 0);
            if stream.is_some() {
                poured.slow.fetch_add(1, Ordering::Relaxed);
            }
        }
        for _ in 0..20 {
            if !over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    Ok(())
}

/// Where TLS would listen: one above (RFC 3261 §19.1.2). Where nothing does, connections fail and cost nothing.
fn tls_of(server: SocketAddr) -> SocketAddr {
    SocketAddr::new(server.ip(), server.port() + 1)
}

/// Packets on every audio port of the server, from strangers and from another port of a host in conversation.
fn noise(server: SocketAddr, per_s: u64, poured: &Poured, over: &AtomicBool) -> io::Result<()> {
    let strange = UdpSocket::bind((Ipv4Addr::new(127, 0, 3, 1), 0))?;
    let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut ports = rtp_ports();
    let mut looked = Instant::now();
    steadily(per_s, over, |at| {
        if looked.elapsed() > Duration::from_secs(5) {
            (ports, looked) = (rtp_ports(), Instant::now());
        }
        let Some(port) = ports.get(usize::try_from(at).unwrap_or(0) % ports.len().max(1)) else {
            return;
        };
        let to = SocketAddr::new(server.ip(), *port);
        let mut bytes = noise_of(at, 172);
        if at % 2 == 0
            && let Some(head) = bytes.first_chunk_mut::<2>()
        {
            *head = [0x80, if at % 4 == 0 { 0 } else { 101 }];
        }
        let socket = if at % 5 == 0 { &near } else { &strange };
        let _ = socket.send_to(&bytes, to);
        poured.noise.fetch_add(1, Ordering::Relaxed);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_message_is_poured() {
        let at: SocketAddr = "127.0.0.1:5060".parse().unwrap();
        let kinds: Vec<Vec<u8>> = (0..8).map(|kind| message(kind, at, at)).collect();
        let starts = |prefix: &str| {
            kinds
                .iter()
                .filter(|bytes| bytes.starts_with(prefix.as_bytes()))
                .count()
        };
        assert_eq!(
            (starts("INVITE"), starts("OPTIONS"), starts("REGISTER"), starts("BYE")),
            (3, 1, 1, 1)
        );
        assert!(kinds.iter().filter_map(|bytes| Message::read(bytes)).count() >= 5);
    }

    #[test]
    fn a_steady_flood_keeps_its_rate() {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let timer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            stop.store(true, Ordering::Relaxed);
        });
        let mut count = 0;
        steadily(1_000, &over, |_| count += 1);
        timer.join().unwrap();
        assert!(count > 50 && count < 1_000, "{count}");
    }
}
