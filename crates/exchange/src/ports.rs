//! RTP ports: pairs bound ahead of need, at random from the configured range, so that a call never waits for `bind`.
//!
//! RTP takes the even port and RTCP the odd one above it (RFC 3550 §11). A port somebody else holds is skipped, not an
//! error: the range is shared with the machine. Random, because a guessable port is where a stranger aims (RTP bleed).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use socket2::{Domain, Protocol, Socket, Type};

/// Octets the kernel keeps for one socket: about half a second of G.711, then it drops the newest. The default would
/// let a flood on one port hold 200 KiB of the machine.
const RECEIVE_BUFFER: usize = 32 * 1024;

/// Ports tried for one pair before the range counts as full.
const TRIES: usize = 64;

/// Expedited forwarding (RFC 3246), in the place of the TOS octet: what the networks we cross use for voice.
const EXPEDITED: u8 = 0xb8;

/// Two bound sockets of one leg. Closing them frees the ports.
#[derive(Debug)]
pub struct Pair {
    /// The even port.
    pub port: u16,
    /// Audio.
    pub rtp: UdpSocket,
    /// Its control protocol, on `port + 1`.
    pub rtcp: UdpSocket,
}

/// The pool: what is bound and not yet used by a leg.
pub struct Ports {
    address: IpAddr,
    range: RangeInclusive<u16>,
    bound: BTreeMap<u16, Pair>,
    draw: Box<dyn FnMut() -> u64 + Send>,
}

impl Ports {
    /// A pool over `range` of `address`. `draw` gives random numbers.
    pub fn new(address: IpAddr, range: RangeInclusive<u16>, draw: Box<dyn FnMut() -> u64 + Send>) -> Self {
        Self {
            address,
            range,
            bound: BTreeMap::new(),
            draw,
        }
    }

    /// Pairs that wait for a leg.
    pub fn ready(&self) -> usize {
        self.bound.len()
    }

    /// Pairs the range has room for, whoever holds them.
    pub fn capacity(&self) -> usize {
        let first = usize::from(*self.range.start()).div_ceil(2);
        let last = usize::from(*self.range.end());
        // The last RTP port must leave room for its RTCP port inside the range.
        if last == 0 {
            0
        } else {
            ((last - 1) / 2 + 1).saturating_sub(first)
        }
    }

    /// Binds one more pair and keeps it; gives its RTP port. `None` when [`TRIES`] random ports were all taken.
    pub fn bind(&mut self) -> Option<u16> {
        let capacity = self.capacity();
        if capacity == 0 {
            return None;
        }
        let first = usize::from(*self.range.start()).div_ceil(2);
        for _ in 0..TRIES {
            let at = first + usize::try_from((self.draw)() % capacity as u64).unwrap_or(0);
            let Ok(port) = u16::try_from(at * 2) else { continue };
            if self.bound.contains_key(&port) {
                continue;
            }
            match pair(self.address, port) {
                Ok(pair) => {
                    self.bound.insert(port, pair);
                    return Some(port);
                }
                Err(fault) => tracing::trace!(port, %fault, "port skipped"),
            }
        }
        None
    }

    /// The pair with this RTP port, for the leg that opens on it. What strangers sent while it waited is thrown away.
    pub fn take(&mut self, port: u16) -> Option<Pair> {
        let pair = self.bound.remove(&port)?;
        let mut scratch = [0u8; 16];
        // Bounded by the kernel's own buffer; the bound here only guards against a flood that outruns the loop.
        for socket in [&pair.rtp, &pair.rtcp] {
            for _ in 0..RECEIVE_BUFFER / 64 {
                match socket.recv_from(&mut scratch) {
                    Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => break,
                    _ => {}
                }
            }
        }
        Some(pair)
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports")
            .field("range", &self.range)
            .field("ready", &self.bound.len())
            .finish_non_exhaustive()
    }
}

/// Binds the even port and its neighbour, or neither.
fn pair(address: IpAddr, port: u16) -> io::Result<Pair> {
    let above = port.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok(Pair {
        port,
        rtp: bind(SocketAddr::new(address, port))?,
        rtcp: bind(SocketAddr::new(address, above))?,
    })
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM.nonblocking(),
        Some(Protocol::UDP),
    )?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&address.into())?;
    // A network that refuses the mark still carries the voice.
    let marked = match address {
        SocketAddr::V4(_) => rustix::net::sockopt::set_ip_tos(&socket, EXPEDITED),
        SocketAddr::V6(_) => rustix::net::sockopt::set_ipv6_tclass(&socket, u32::from(EXPEDITED)),
    };
    if let Err(fault) = marked {
        tracing::trace!(%fault, "packets leave unmarked");
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Counts up instead of drawing, so that a test knows which port comes next.
    fn counting() -> Box<dyn FnMut() -> u64 + Send> {
        let mut next = 0;
        Box::new(move || {
            next += 1;
            next - 1
        })
    }

    /// A range of `pairs` even ports nobody uses at this moment.
    fn free_range(pairs: u16) -> RangeInclusive<u16> {
        for start in (21_000..60_000).step_by(usize::from(pairs) * 2) {
            if (0..pairs).all(|at| pair(LOOPBACK, start + at * 2).is_ok()) {
                return start..=start + pairs * 2 - 1;
            }
        }
        panic!("no free ports on this machine");
    }

    #[test]
    fn a_pair_is_an_even_port_and_its_neighbour() {
        let mut ports = Ports::new(LOOPBACK, free_range(4), counting());
        let port = ports.bind().expect("free");
        assert_eq!(port % 2, 0);
        assert_eq!(ports.ready(), 1);
        let pair = ports.take(port).expect("bound");
        assert_eq!(pair.rtp.local_addr().expect("bound").port(), port);
        assert_eq!(pair.rtcp.local_addr().expect("bound").port(), port + 1);
        assert!(ports.take(port).is_none(), "a pair is given once");
    }

    #[test]
    fn a_taken_port_is_skipped_and_a_full_range_says_so() {
        let range = free_range(3);
        let taken = UdpSocket::bind(SocketAddr::new(LOOPBACK, range.start() + 3)).expect("the second pair's RTCP port");
        let mut ports = Ports::new(LOOPBACK, range.clone(), counting());
        assert_eq!(ports.capacity(), 3);
        assert_eq!(ports.bind(), Some(*range.start()));
        assert_eq!(
            ports.bind(),
            Some(range.start() + 4),
            "the pair whose RTCP port is taken is skipped whole"
        );
        assert_eq!(ports.bind(), None);
        drop(taken);
        assert_eq!(ports.bind(), Some(range.start() + 2), "and is used once it is free");
    }

    #[test]
    fn an_odd_range_keeps_rtcp_inside() {
        let ports = |range| Ports::new(LOOPBACK, range, counting()).capacity();
        assert_eq!(ports(10_001..=10_004), 1, "10002/10003 only");
        assert_eq!(ports(10_000..=10_000), 0);
        assert_eq!(ports(10_000..=10_001), 1);
        assert_eq!(ports(0..=0), 0);
        assert_eq!(ports(65_534..=65_535), 1);
    }

    #[test]
    fn what_came_before_the_leg_is_not_the_legs() {
        let mut ports = Ports::new(LOOPBACK, free_range(1), counting());
        let port = ports.bind().expect("free");
        let stranger = UdpSocket::bind((LOOPBACK, 0)).expect("any port");
        for _ in 0..5 {
            stranger.send_to(b"before", (LOOPBACK, port)).expect("loopback");
        }
        let pair = ports.take(port).expect("bound");
        let mut buffer = [0u8; 64];
        assert_eq!(
            pair.rtp.recv_from(&mut buffer).map_err(|e| e.kind()).err(),
            Some(io::ErrorKind::WouldBlock)
        );
    }
}
