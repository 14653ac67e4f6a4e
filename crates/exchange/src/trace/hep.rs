//! HEP version 3 (Homer's encapsulation): one UDP datagram to the collector for every message.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sip::{Flow, Transport};

use super::pcapng::shown;

/// The largest payload of a UDP datagram; a message that does not fit is cut, and the collector sees as much.
const DATAGRAM_MAX: usize = 65_507;

/// One packet: `HEP3`, its length, then chunks of vendor 0.
pub(super) fn packet(
    at: SystemTime,
    flow: Flow,
    ours: bool,
    message: &[u8],
    capture_id: u32,
    password: Option<&str>,
) -> Vec<u8> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let local = match flow.transport {
        Transport::Udp | Transport::Tcp => flow.local,
        _ => shown(flow).0,
    };
    let (from, to): (SocketAddr, SocketAddr) = if ours {
        (local, flow.remote)
    } else {
        (flow.remote, local)
    };
    let mut out = b"HEP3\0\0".to_vec();
    let v4 = from.is_ipv4() && to.is_ipv4();
    // AF_INET and AF_INET6 as Linux numbers them; 17 is UDP, 6 is TCP.
    chunk(&mut out, 1, &[if v4 { 2 } else { 10 }]);
    chunk(&mut out, 2, &[if flow.transport == Transport::Udp { 17 } else { 6 }]);
    for (code, address) in [(3, from.ip()), (4, to.ip())] {
        match address {
            IpAddr::V4(address) if v4 => chunk(&mut out, code, &address.octets()),
            IpAddr::V4(address) => chunk(&mut out, code + 2, &address.to_ipv6_mapped().octets()),
            IpAddr::V6(address) => chunk(&mut out, code + 2, &address.octets()),
        }
    }
    chunk(&mut out, 7, &from.port().to_be_bytes());
    chunk(&mut out, 8, &to.port().to_be_bytes());
    let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
    chunk(&mut out, 9, &seconds.to_be_bytes());
    chunk(&mut out, 10, &since.subsec_micros().to_be_bytes());
    // Protocol type 1 is SIP.
    chunk(&mut out, 11, &[1]);
    chunk(&mut out, 12, &capture_id.to_be_bytes());
    if let Some(password) = password {
        chunk(&mut out, 14, password.as_bytes());
    }
    let room = DATAGRAM_MAX.saturating_sub(out.len() + 6);
    chunk(&mut out, 15, message.get(..room).unwrap_or(message));
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(4..6) {
        place.copy_from_slice(&length);
    }
    out
}

fn chunk(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(0_u16.to_be_bytes());
    out.extend(code.to_be_bytes());
    out.extend(u16::try_from(value.len() + 6).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a packet as a collector would.
    fn chunks(packet: &[u8]) -> Vec<(u16, Vec<u8>)> {
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        let (mut rest, mut chunks) = (&packet[6..], vec![]);
        while let [0, 0, a, b, c, d, ..] = rest {
            let length = usize::from(u16::from_be_bytes([*c, *d]));
            chunks.push((u16::from_be_bytes([*a, *b]), rest[6..length].to_vec()));
            rest = &rest[length..];
        }
        assert!(rest.is_empty());
        chunks
    }

    #[test]
    fn a_collector_reads_what_happened() {
        let flow = Flow {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().expect("an address"),
            remote: "198.51.100.7:5080".parse().expect("an address"),
            connection: None,
        };
        let at = UNIX_EPOCH + Duration::new(1_800_000_000, 7_000);
        let found = chunks(&packet(at, flow, false, b"OPTIONS", 42, Some("home")));
        let of = |code| {
            found
                .iter()
                .find(|(found, _)| *found == code)
                .map(|(_, value)| value.clone())
        };
        assert_eq!(of(1), Some(vec![2]));
        assert_eq!(of(2), Some(vec![17]));
        assert_eq!((of(3), of(4)), (Some(vec![198, 51, 100, 7]), Some(vec![192, 0, 2, 1])));
        assert_eq!((of(7), of(8)), (Some(vec![0x13, 0xd8]), Some(vec![0x13, 0xc4])));
        assert_eq!(of(9), Some(1_800_000_000_u32.to_be_bytes().to_vec()));
        assert_eq!(of(10), Some(7_u32.to_be_bytes().to_vec()));
        assert_eq!((of(11), of(12)), (Some(vec![1]), Some(vec![0, 0, 0, 42])));
        assert_eq!((of(14), of(15)), (Some(b"home".to_vec()), Some(b"OPTIONS".to_vec())));
    }

    #[test]
    fn six_stays_six_and_a_giant_is_cut() {
        let flow = Flow {
            transport: Transport::Tls,
            local: "[2001:db8::1]:5061".parse().expect("an address"),
            remote: "[2001:db8::2]:40000".parse().expect("an address"),
            connection: Some(1),
        };
        let packet = packet(UNIX_EPOCH, flow, true, &[b'x'; 100_000], 1, None);
        assert!(packet.len() <= DATAGRAM_MAX);
        let found = chunks(&packet);
        assert!(found.iter().any(|(code, value)| *code == 5 && value.len() == 16));
        assert!(
            found
                .iter()
                .any(|(code, value)| *code == 7 && *value == 5060_u16.to_be_bytes())
        );
        assert!(!found.iter().any(|(code, _)| *code == 14));
    }
}
