//! Where bytes come from and go to: the endpoint names sockets, the shell owns them.

use std::fmt;
use std::net::SocketAddr;

/// How messages travel. TLS and the rest come with the trunks that need them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// One message is one datagram; lost ones are repeated by the transactions.
    Udp,
    /// A stream, cut into messages by [`crate::message::Framer`]; nothing is repeated.
    Tcp,
}

impl Transport {
    /// As a Via spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }

    /// Whether the transport itself repeats what was lost, so that the transactions need not (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        matches!(self, Transport::Tcp)
    }
}

/// A way between one of our addresses and one of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Flow {
    /// UDP or TCP.
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
