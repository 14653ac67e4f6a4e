//! Where bytes come from and go to: the endpoint names sockets, the shell owns them.

use std::fmt;
use std::net::SocketAddr;

use crate::message::{Scheme, Uri};

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// One message is one datagram; lost ones are repeated by the transactions.
    Udp,
    /// A stream, cut into messages by [`crate::message::Framer`]; nothing is repeated.
    Tcp,
    /// A TCP stream within TLS (RFC 3261 §26.2.1).
    Tls,
    /// WebSocket, a message a frame (RFC 7118). The client opened it, so only the connection leads back to it.
    Ws,
    /// WebSocket within TLS.
    Wss,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Transport; 5] = [
        Transport::Udp,
        Transport::Tcp,
        Transport::Tls,
        Transport::Ws,
        Transport::Wss,
    ];

    /// As a Via spells it (RFC 3261 §20.42, RFC 7118 §5.2.1).
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The transport of this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.name().eq_ignore_ascii_case(name))
    }

    /// Whether the transport itself repeats what was lost, so that the transactions need not (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// Whether nobody between reads or writes what it carries.
    pub const fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Whether it is a WebSocket, whose client can be reached by its connection alone (RFC 7118 §5).
    pub const fn is_web_socket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The port a URI or a Via without one means (RFC 3261 §19.1.2, RFC 7118 §8).
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }

    /// What `;transport=` says of it in a `sip:` URI; datagrams need not be named. RFC 7118 §8 registers `ws` for both kinds
    /// of WebSocket; `tls` is deprecated by RFC 3261 §26.2.2 and is still the only word a `sip:` URI has for it.
    pub(crate) const fn param(self) -> Option<&'static str> {
        match self {
            Transport::Udp => None,
            Transport::Tcp => Some("tcp"),
            Transport::Tls => Some("tls"),
            Transport::Ws | Transport::Wss => Some("ws"),
        }
    }

    /// Whether this URI can be meant for this transport (RFC 3263 §4.1): one that names none means the one it came by.
    pub(crate) fn serves(self, uri: &Uri) -> bool {
        let Some(wants) = uri.param("transport") else {
            return !matches!(uri.scheme, Scheme::Sips) || self.is_secure();
        };
        match self {
            // RFC 3261 §26.2.2: `sips:` with `transport=tcp` is TLS.
            Transport::Tls => {
                wants.eq_ignore_ascii_case("tls")
                    || (matches!(uri.scheme, Scheme::Sips) && wants.eq_ignore_ascii_case("tcp"))
            }
            Transport::Ws | Transport::Wss => wants.eq_ignore_ascii_case("ws") || wants.eq_ignore_ascii_case("wss"),
            own => wants.eq_ignore_ascii_case(own.name()),
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A way between one of our addresses and one of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Our address: the socket that received, or that should send.
    pub local: SocketAddr,
    /// Theirs.
    pub remote: SocketAddr,
    /// Which stream, by the shell's own number. `None` on a stream transport asks the shell for any open
    /// connection to `remote`, or a new one.
    pub connection: Option<u64>,
}

/// One message to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Along which way.
    pub flow: Flow,
    /// The message, whole.
    pub bytes: Vec<u8>,
}

/// A message names people and numbers, so only its size is printed.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transmit({:?}, {} bytes)", self.flow, self.bytes.len())
    }
}
