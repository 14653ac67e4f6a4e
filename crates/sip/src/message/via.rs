//! Via: the way back (RFC 3261 §20.42, RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::lex::{Scan, text};
use super::malformed::{Malformed, What};
use super::params::Params;
use super::uri::Host;

/// One hop.
#[derive(Clone, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WS` …, upper case.
    pub transport: String,
    /// Where its sender says it is.
    pub host: Host,
    /// The port its sender says it listens on; absent means the transport's default.
    pub port: Option<u16>,
    /// `branch`, `received`, `rport` and the rest.
    pub params: Params,
}

/// RFC 3261 §8.1.1.7: a branch that starts so is unique to its transaction.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

impl Via {
    /// A Via of our own: with `rport`, so that answers come back through a NAT (RFC 3581 §3).
    pub fn new(transport: &str, host: Host, port: Option<u16>, branch: &str) -> Self {
        let mut params = Params::new();
        params.set("branch", branch);
        params.set("rport", "");
        Self {
            transport: transport.to_ascii_uppercase(),
            host,
            port,
            params,
        }
    }

    /// The branch, when it has one (RFC 2543 senders have none).
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The branch, when it identifies the transaction by itself (RFC 3261 §17.2.3).
    pub fn unique_branch(&self) -> Option<&str> {
        // RFC 3261 §7.3.1: unless stated otherwise, parameter values ignore case; the cookie is one.
        self.branch().filter(|branch| {
            branch
                .get(..7)
                .is_some_and(|cookie| cookie.eq_ignore_ascii_case(MAGIC_COOKIE))
        })
    }

    /// Where the request really came from, when that is not `host`. Brackets around an IPv6 address are tolerated.
    pub fn received(&self) -> Option<IpAddr> {
        let received = self.params.get("received")?;
        received.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// `None`: not asked for. `Some(None)`: asked for. `Some(Some(port))`: answered (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|port| port.parse().ok())
    }

    /// Notes where the request really came from: RFC 3261 §18.2.1, RFC 3581 §4.
    pub fn stamp(&mut self, source: SocketAddr) {
        let asked = self.rport().is_some();
        if asked {
            self.params.set("rport", &source.port().to_string());
        }
        // A `received` the sender wrote itself is not believed: what counts is the packet.
        self.params.remove("received");
        if asked || self.host.ip() != Some(source.ip()) {
            self.params.set("received", &source.ip().to_string());
        }
    }

    /// Reads one Via value.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut scan = Scan::new(value);
        let via = Self::parse_hop(&mut scan, false)?;
        Ok(Self {
            params: Params::parse(&mut scan)?,
            ..via
        })
    }

    /// The hop of a value whose parameters are broken (RFC 4475 §3.1.2.1) or whose version is not ours (§3.1.2.16): where a refusal
    /// goes needs no more.
    pub(crate) fn salvage(value: &[u8]) -> Option<Self> {
        Self::parse(value)
            .or_else(|_| Self::parse_hop(&mut Scan::new(value), true))
            .ok()
    }

    fn parse_hop(scan: &mut Scan<'_>, any_version: bool) -> Result<Self, Malformed> {
        let name = scan.token();
        if !name.eq_ignore_ascii_case(b"SIP") || !slash(scan) {
            return Err(Malformed::new(What::Via, 0));
        }
        let version_at = scan.at();
        if !(scan.token() == b"2.0" || any_version) || !slash(scan) {
            return Err(Malformed::new(What::Via, version_at));
        }
        let transport = scan.token();
        let gap = scan.at();
        scan.skip_space();
        if transport.is_empty() || scan.at() == gap {
            return scan.fail(What::Via);
        }
        let host = Host::scan_host(scan)?;
        // RFC 3261 §25.1: COLON, SEMI and EQUAL have space around them, here as in every header.
        scan.skip_space();
        let port = if scan.eat(b':') {
            scan.skip_space();
            Some(Host::scan_port(scan)?)
        } else {
            None
        };
        Ok(Self {
            transport: text(transport).to_ascii_uppercase(),
            host,
            port,
            params: Params::new(),
        })
    }

    /// The value as it goes onto the wire.
    pub fn to_wire(&self) -> String {
        let mut out = format!("SIP/2.0/{} {}", self.transport, self.host);
        if let Some(port) = self.port {
            out.push(':');
            out.push_str(&port.to_string());
        }
        self.params.write(&mut out);
        out
    }
}

fn slash(scan: &mut Scan<'_>) -> bool {
    scan.skip_space();
    let slash = scan.eat(b'/');
    scan.skip_space();
    slash
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {:?}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{:?}", self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via {
        Via::parse(text.as_bytes()).unwrap_or_else(|flaw| panic!("{text}: {flaw}"))
    }

    #[test]
    fn spaces_stand_where_the_grammar_lets_them() {
        let via = via("SIP  / 2.0\t/ uDp  [2001:db8::9] : 5070 ; branch = z9hG4bKx ;rport; ttl=1");
        assert_eq!(via.transport, "UDP");
        assert_eq!(via.host.to_string(), "[2001:db8::9]");
        assert_eq!(via.port, Some(5070));
        assert_eq!(via.branch(), Some("z9hG4bKx"));
        assert_eq!(via.rport(), Some(None));
        assert_eq!(
            via.to_wire(),
            "SIP/2.0/UDP [2001:db8::9]:5070;branch=z9hG4bKx;rport;ttl=1"
        );
    }

    #[test]
    fn where_a_request_came_from_is_noted_and_its_own_word_is_not_believed() {
        let source = "198.51.100.7:40000".parse().expect("literal");
        for (text, stamped) in [
            (
                "192.0.2.1:5070;branch=b;rport",
                "192.0.2.1:5070;branch=b;rport=40000;received=198.51.100.7",
            ),
            ("192.0.2.1:5070", "192.0.2.1:5070;received=198.51.100.7"),
            ("198.51.100.7", "198.51.100.7"),
            ("198.51.100.7;received=203.0.113.9", "198.51.100.7"),
            (
                "pc.example;rport=9;received=x",
                "pc.example;rport=40000;received=198.51.100.7",
            ),
        ] {
            let mut via = via(&format!("SIP/2.0/UDP {text}"));
            via.stamp(source);
            assert_eq!(via.to_wire(), format!("SIP/2.0/UDP {stamped}"));
        }
        let bracketed = via("SIP/2.0/UDP x;received=[2001:db8::1]");
        assert_eq!(bracketed.received(), Some("2001:db8::1".parse().expect("literal")));
    }

    #[test]
    fn what_is_no_via_is_refused() {
        for (text, what) in [
            ("", What::Via),
            ("HTTP/1.1/TCP x", What::Via),
            ("SIP/3.0/UDP x", What::Via),
            ("SIP/2.0/UDP", What::Via),
            ("SIP/2.0 UDP x", What::Via),
            ("SIP/2.0/UDP ;branch=x", What::Host),
            ("SIP/2.0/UDP x:", What::Port),
            ("SIP/2.0/UDP x;;,;,,", What::Param),
            ("SIP/2.0/UDP x y", What::Param),
        ] {
            assert_eq!(
                Via::parse(text.as_bytes()).map_err(|flaw| flaw.what),
                Err(what),
                "{text}"
            );
        }
    }
}
