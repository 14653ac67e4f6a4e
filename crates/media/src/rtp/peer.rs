//! Whose packets we hear. From the first packet on only the negotiated host counts: learning from whoever comes first
//! is how RTP bleeds (controls.md §2 rows 1–3: CVE-2017-14099, CVE-2017-14114, CVE-2025-53399).
//!
//! The host is the one in the SDP; its *port* may be learned once (NAT in front of the same host, symmetric RTP,
//! RFC 4961), and may move later only while the stream itself goes on: same SSRC, next sequence numbers, old port quiet.
//! The very address of the SDP needs no such proof: an SBC's last call may still be sending from another of its ports to
//! a port we gave to the next, and must not shut that one out.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How many packets may be missing when a stream goes on from another port: ten seconds' worth.
pub const MOVE_GAP_PACKETS_MAX: u16 = 500;

/// How long the old port must have been quiet before another may take over.
pub const MOVE_QUIET: Duration = Duration::from_millis(100);

/// The one remote party of a leg.
#[derive(Debug)]
pub struct Peer {
    negotiated: SocketAddr,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing heard yet: the negotiated host, at any port, may be first.
    Expected,
    /// We know the port.
    Heard {
        source: SocketAddr,
        ssrc: u32,
        highest: u16,
        at: Instant,
    },
}

/// What a source turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The peer, from where we know it.
    Peer,
    /// The peer's first packet.
    First,
    /// The peer, from another port than before.
    Moved,
    /// Somebody else.
    Stranger,
}

impl Peer {
    /// Expects packets from the host of `negotiated`.
    pub fn new(negotiated: SocketAddr) -> Self {
        Self {
            negotiated,
            state: State::Expected,
        }
    }

    /// A new agreement. The same address changes nothing; the unspecified one (hold of the old kind) neither.
    pub fn renegotiate(&mut self, negotiated: SocketAddr) {
        if negotiated != self.negotiated && !negotiated.ip().is_unspecified() {
            *self = Self::new(negotiated);
        }
    }

    /// Where our packets go: to where theirs come from, once we know.
    pub fn target(&self) -> SocketAddr {
        match self.state {
            State::Expected => self.negotiated,
            State::Heard { source, .. } => source,
        }
    }

    /// A cheap refusal before anything is parsed: nobody but the negotiated host is looked at.
    pub fn is_host(&self, source: SocketAddr) -> bool {
        let host = canonical(self.negotiated.ip());
        !host.is_unspecified() && canonical(source.ip()) == host
    }

    /// Judges a well-formed packet and remembers it when it is the peer's. `proven`: it was sealed with the peer's key,
    /// and never seen before; then the port is its own, whichever it is.
    pub fn admit(&mut self, now: Instant, source: SocketAddr, ssrc: u32, sequence: u16, proven: bool) -> Admission {
        if !self.is_host(source) {
            return Admission::Stranger;
        }
        match &mut self.state {
            State::Expected => {
                self.state = State::Heard {
                    source,
                    ssrc,
                    highest: sequence,
                    at: now,
                };
                Admission::First
            }
            State::Heard {
                source: known,
                ssrc: known_ssrc,
                highest,
                at,
            } if *known == source => {
                // A known port may restart its stream: SBCs do at transfers.
                if ssrc != *known_ssrc || sequence.wrapping_sub(*highest) < 0x8000 {
                    *highest = sequence;
                }
                *known_ssrc = ssrc;
                *at = now;
                Admission::Peer
            }
            State::Heard {
                source: known,
                ssrc: known_ssrc,
                highest,
                at,
            } => {
                let ahead = sequence.wrapping_sub(*highest);
                let goes_on = ssrc == *known_ssrc
                    && (1..=MOVE_GAP_PACKETS_MAX).contains(&ahead)
                    && now.saturating_duration_since(*at) >= MOVE_QUIET;
                let as_negotiated = source.port() == self.negotiated.port();
                if !goes_on && !as_negotiated && !proven {
                    return Admission::Stranger;
                }
                *known = source;
                *known_ssrc = ssrc;
                *highest = sequence;
                *at = now;
                Admission::Moved
            }
        }
    }
}

/// An IPv4 peer on a dual-stack socket arrives as `::ffff:192.0.2.1`.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need one instant to count from")]
mod tests {
    use super::*;

    const TRUNK: &str = "192.0.2.10:30000";
    const OTHER_PORT: &str = "192.0.2.10:40000";
    const THIRD_PORT: &str = "192.0.2.10:50000";
    const STRANGER: &str = "198.51.100.7:30000";

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_stranger_never_comes_first() {
        let now = Instant::now();
        let mut peer = Peer::new(at(TRUNK));
        for sequence in 0..100 {
            assert_eq!(peer.admit(now, at(STRANGER), 1, sequence, false), Admission::Stranger);
        }
        assert_eq!(peer.target(), at(TRUNK));
        assert_eq!(peer.admit(now, at(TRUNK), 7, 1, false), Admission::First);
        assert_eq!(peer.admit(now, at(STRANGER), 7, 2, false), Admission::Stranger);
        assert_eq!(peer.target(), at(TRUNK));
    }

    #[test]
    fn the_port_is_learned_once_then_needs_the_stream() {
        let now = Instant::now();
        let later = now + MOVE_QUIET;
        let mut peer = Peer::new(at(TRUNK));
        assert_eq!(peer.admit(now, at(OTHER_PORT), 7, 65_530, false), Admission::First);
        assert_eq!(peer.target(), at(OTHER_PORT));
        assert_eq!(
            peer.admit(later, at(THIRD_PORT), 8, 65_531, false),
            Admission::Stranger,
            "another SSRC"
        );
        assert_eq!(
            peer.admit(later, at(THIRD_PORT), 7, 65_530, false),
            Admission::Stranger,
            "no progress"
        );
        assert_eq!(
            peer.admit(later, at(THIRD_PORT), 7, 65_530_u16.wrapping_add(501), false),
            Admission::Stranger,
            "too far ahead"
        );
        assert_eq!(
            peer.admit(now, at(THIRD_PORT), 7, 65_531, false),
            Admission::Stranger,
            "the old port still speaks"
        );
        assert_eq!(
            peer.admit(later, at(THIRD_PORT), 7, 3, false),
            Admission::Moved,
            "across the wrap"
        );
        assert_eq!(peer.target(), at(THIRD_PORT));
    }

    #[test]
    fn stragglers_of_another_call_of_the_host_do_not_shut_out_this_one() {
        let now = Instant::now();
        let mut peer = Peer::new(at(TRUNK));
        assert_eq!(peer.admit(now, at(OTHER_PORT), 1, 900, false), Admission::First);
        assert_eq!(
            peer.admit(now, at(TRUNK), 7, 1, false),
            Admission::Moved,
            "what the SDP says needs no proof"
        );
        assert_eq!(peer.admit(now, at(OTHER_PORT), 1, 901, false), Admission::Stranger);
        assert_eq!(peer.admit(now, at(TRUNK), 7, 2, false), Admission::Peer);
        assert_eq!(peer.target(), at(TRUNK));
    }

    #[test]
    fn an_ipv4_peer_is_itself_on_a_dual_stack_socket() {
        let mut peer = Peer::new(at(TRUNK));
        assert_eq!(
            peer.admit(Instant::now(), at("[::ffff:192.0.2.10]:30000"), 7, 1, false),
            Admission::First
        );
    }

    #[test]
    fn a_new_agreement_forgets_and_hold_does_not() {
        let now = Instant::now();
        let mut peer = Peer::new(at(TRUNK));
        peer.admit(now, at(OTHER_PORT), 7, 1, false);
        peer.renegotiate(at("0.0.0.0:30000"));
        peer.renegotiate(at(TRUNK));
        assert_eq!(peer.target(), at(OTHER_PORT));
        peer.renegotiate(at(STRANGER));
        assert_eq!(peer.admit(now, at(OTHER_PORT), 7, 2, false), Admission::Stranger);
        assert_eq!(peer.admit(now, at(STRANGER), 9, 2, false), Admission::First);
        assert_eq!(
            Peer::new(at("0.0.0.0:9")).admit(now, at("0.0.0.0:9"), 1, 1, false),
            Admission::Stranger
        );
    }
}
