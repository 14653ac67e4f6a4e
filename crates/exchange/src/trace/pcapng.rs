//! A pcapng file (draft-ietf-opsawg-pcapng) of SIP messages, each put into the IP and UDP or TCP headers it had.
//!
//! What was decrypted is written as plain SIP over TCP, with our port as 5060 and the real way in the packet's comment:
//! a dissector would look for TLS or HTTP behind the real port, and find neither.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sip::{Flow, Transport};

/// Connections whose sequence numbers are remembered; beyond it all begin anew.
const STREAMS_MAX: usize = 4096;

/// Octets of a message in one TCP segment; an IP packet holds 65,535.
const SEGMENT: usize = 60_000;

/// The port a dissector takes for SIP.
const SIP_PORT: u16 = 5060;

const UDP: u8 = 17;
const TCP: u8 = 6;

/// What begins a file: the section (§4.1), and one interface (§4.2) of whole IP packets.
pub(super) fn header(version: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut section = Vec::new();
    section.extend(0x1a2b_3c4d_u32.to_le_bytes());
    section.extend(1_u16.to_le_bytes());
    section.extend(0_u16.to_le_bytes());
    // The length of the section is not known, and need not be.
    section.extend(u64::MAX.to_le_bytes());
    option(&mut section, 4, format!("Nightdesk {version}").as_bytes());
    option(&mut section, 0, b"");
    block(&mut out, 0x0a0d_0d0a, &section);
    let mut interface = Vec::new();
    // LINKTYPE_RAW: the packet begins with its IP header. No limit to its length; microseconds, which is the default.
    interface.extend(101_u16.to_le_bytes());
    interface.extend(0_u16.to_le_bytes());
    interface.extend(0_u32.to_le_bytes());
    option(&mut interface, 2, b"sip");
    option(&mut interface, 0, b"");
    block(&mut out, 1, &interface);
    out
}

/// Turns messages into packets.
#[derive(Default)]
pub(super) struct Packets {
    /// How much each side of a stream has said: ours, theirs.
    streams: BTreeMap<Flow, (u32, u32)>,
    identification: u16,
}

impl Packets {
    /// The packets of one message.
    pub(super) fn of(&mut self, at: SystemTime, flow: Flow, ours: bool, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (local, comment) = shown(flow);
        let (from, to) = if ours {
            (local, flow.remote)
        } else {
            (flow.remote, local)
        };
        if flow.transport == Transport::Udp {
            let packet = self.packet(from, to, UDP, &udp(from, to, message));
            enhanced(&mut out, since, ours, comment.as_deref(), &packet);
            return out;
        }
        if self.streams.len() >= STREAMS_MAX && !self.streams.contains_key(&flow) {
            self.streams.clear();
        }
        // A stream forgotten and met again must not look like one that repeats itself.
        let begin = u32::try_from(since.as_micros() & u128::from(u32::MAX)).unwrap_or_default();
        for segment in message.chunks(SEGMENT) {
            let stream = self.streams.entry(flow).or_insert((begin, begin));
            let length = u32::try_from(segment.len()).unwrap_or_default();
            let (sequence, acknowledged) = if ours { *stream } else { (stream.1, stream.0) };
            let said = if ours { &mut stream.0 } else { &mut stream.1 };
            *said = said.wrapping_add(length);
            let packet = self.packet(from, to, TCP, &tcp(from, to, sequence, acknowledged, segment));
            enhanced(&mut out, since, ours, comment.as_deref(), &packet);
        }
        out
    }

    /// An IP packet (RFC 791, RFC 8200).
    fn packet(&mut self, from: SocketAddr, to: SocketAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(payload.len() + 40);
        match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                self.identification = self.identification.wrapping_add(1);
                packet.extend([0x45, 0]);
                packet.extend(length(payload.len() + 20));
                packet.extend(self.identification.to_be_bytes());
                packet.extend([0x40, 0, 64, protocol, 0, 0]);
                packet.extend(from.octets());
                packet.extend(to.octets());
                let sum = fold(sum(0, &packet)).to_be_bytes();
                if let Some(place) = packet.get_mut(10..12) {
                    place.copy_from_slice(&sum);
                }
            }
            (from, to) => {
                packet.extend([0x60, 0, 0, 0]);
                packet.extend(length(payload.len()));
                packet.extend([protocol, 64]);
                packet.extend(six(from));
                packet.extend(six(to));
            }
        }
        packet.extend(payload);
        packet
    }
}

/// Our address as it is shown, and what must be said of the way if that is not all.
pub(super) fn shown(flow: Flow) -> (SocketAddr, Option<String>) {
    match flow.transport {
        Transport::Udp | Transport::Tcp => (flow.local, None),
        transport => (
            SocketAddr::new(flow.local.ip(), SIP_PORT),
            Some(format!(
                "{} between {} and {}{}",
                transport.name(),
                flow.local,
                flow.remote,
                if transport.is_secure() { ", decrypted" } else { "" }
            )),
        ),
    }
}

fn udp(from: SocketAddr, to: SocketAddr, message: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(message.len() + 8);
    datagram.extend(from.port().to_be_bytes());
    datagram.extend(to.port().to_be_bytes());
    datagram.extend(length(message.len() + 8));
    datagram.extend([0, 0]);
    datagram.extend(message);
    // RFC 768: a sum of zero is written as all ones, for zero means none.
    let sum = match fold(pseudo(from, to, UDP, &datagram)) {
        0 => u16::MAX,
        sum => sum,
    };
    if let Some(place) = datagram.get_mut(6..8) {
        place.copy_from_slice(&sum.to_be_bytes());
    }
    datagram
}

fn tcp(from: SocketAddr, to: SocketAddr, sequence: u32, acknowledged: u32, part: &[u8]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(part.len() + 20);
    segment.extend(from.port().to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledged.to_be_bytes());
    // Five words of header, PSH and ACK, a full window; checksum and urgent pointer.
    segment.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(part);
    let sum = fold(pseudo(from, to, TCP, &segment)).to_be_bytes();
    if let Some(place) = segment.get_mut(16..18) {
        place.copy_from_slice(&sum);
    }
    segment
}

/// An Enhanced Packet Block (§4.3) with its direction and a comment.
fn enhanced(out: &mut Vec<u8>, since: Duration, ours: bool, comment: Option<&str>, packet: &[u8]) {
    let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    let size = u32::try_from(packet.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut body = Vec::with_capacity(packet.len() + 64);
    body.extend(0_u32.to_le_bytes());
    body.extend(u32::try_from(micros >> 32).unwrap_or_default().to_le_bytes());
    body.extend(
        u32::try_from(micros & u64::from(u32::MAX))
            .unwrap_or_default()
            .to_le_bytes(),
    );
    body.extend(size);
    body.extend(size);
    body.extend(packet);
    pad(&mut body);
    if let Some(comment) = comment {
        option(&mut body, 1, comment.as_bytes());
    }
    // epb_flags: 1 came in, 2 went out.
    option(&mut body, 2, &(if ours { 2_u32 } else { 1 }).to_le_bytes());
    option(&mut body, 0, b"");
    block(out, 6, &body);
}

fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let size = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    out.extend(kind.to_le_bytes());
    out.extend(size);
    out.extend(body);
    out.extend(size);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or_default().to_le_bytes());
    out.extend(value);
    pad(out);
}

/// Every part of a block ends on four octets; all that comes before is a multiple of four.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes()
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// RFC 1071, over the pseudo header (RFC 768, RFC 8200 §8.1) and what follows.
fn pseudo(from: SocketAddr, to: SocketAddr, protocol: u8, payload: &[u8]) -> u32 {
    let total = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => sum(sum(0, &from.octets()), &to.octets()),
        (from, to) => sum(sum(0, &six(from)), &six(to)),
    };
    sum(
        total + u32::from(protocol) + u32::try_from(payload.len()).unwrap_or_default(),
        payload,
    )
}

fn sum(begin: u32, octets: &[u8]) -> u32 {
    let mut pairs = octets.chunks_exact(2);
    let whole = pairs.by_ref().fold(begin, |total, pair| match pair {
        [high, low] => total.wrapping_add(u32::from(u16::from_be_bytes([*high, *low]))),
        _ => total,
    });
    match pairs.remainder() {
        [last] => whole.wrapping_add(u32::from(*last) << 8),
        _ => whole,
    }
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}
