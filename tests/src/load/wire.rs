//! A UDP socket that tells when the kernel took each datagram in (SO_TIMESTAMPNS), so that what is measured is the
//! server's pace and not how often this program looks.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, cmsg_space, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

/// Nanoseconds since 1970: the clock the kernel stamps datagrams with.
pub(crate) type Nanos = u64;

/// One millisecond.
pub(crate) const MS: Nanos = 1_000_000;

/// Room for one timestamp.
const CONTROL: usize = cmsg_space::<TimeSpec>();

/// The largest datagram read: SIP over UDP stays below an MTU or two, RTP far below.
pub(crate) const DATAGRAM: usize = 8 * 1024;

/// The time.
pub(crate) fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

/// A socket on 127.0.0.1.
pub(crate) struct Wire {
    socket: UdpSocket,
}

/// One datagram: its length in the buffer, its sender, when the kernel had it.
pub(crate) struct Came {
    pub(crate) length: usize,
    pub(crate) from: SocketAddr,
    pub(crate) at: Nanos,
}

impl Wire {
    /// Binds `port` of 127.0.0.1, or any for 0. `room` is what the kernel may keep for us.
    pub(crate) fn bind(port: u16, room: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(room)?;
        socket.set_nonblocking(true)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        socket.bind(&SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).into())?;
        Ok(Self { socket: socket.into() })
    }

    /// The port.
    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// From here on only this peer is heard and spoken to.
    pub(crate) fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.socket.connect(peer)
    }

    /// To the peer of [`Self::connect`]. What the kernel will not take is lost, as on any wire.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send(bytes);
    }

    /// To anybody.
    pub(crate) fn send_to(&self, bytes: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(bytes, to);
    }

    /// The next datagram, if one is there.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Option<Came> {
        let mut control = [0u8; CONTROL];
        let mut parts = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrIn>(
            self.socket.as_raw_fd(),
            &mut parts,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        )
        .ok()?;
        let mut at = None;
        for item in message.cmsgs().ok()? {
            if let ControlMessageOwned::ScmTimestampns(time) = item {
                let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
                at = Some(seconds * 1_000_000_000 + u64::try_from(time.tv_nsec()).unwrap_or(0));
            }
        }
        let from = message
            .address
            .map_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0), |a| {
                SocketAddrV4::new(a.ip(), a.port())
            });
        Some(Came {
            length: message.bytes,
            from: SocketAddr::V4(from),
            at: at.unwrap_or_else(now),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_carries_the_kernels_time_and_not_ours() {
        let (one, two) = (Wire::bind(0, 65_536).unwrap(), Wire::bind(0, 65_536).unwrap());
        let to = SocketAddr::from(([127, 0, 0, 1], two.port().unwrap()));
        let mut buffer = [0; 64];
        // Linux begins to stamp a little after it was asked to: the first datagrams may carry the time they were read.
        let stamped_when_sent = (0..20).any(|_| {
            let before = now();
            one.send_to(b"hello", to);
            let after = now();
            std::thread::sleep(Duration::from_millis(30));
            let came = two.receive(&mut buffer).unwrap();
            assert_eq!(&buffer[..came.length], b"hello");
            assert_eq!(came.from.port(), one.port().unwrap());
            (before..after + MS).contains(&came.at)
        });
        assert!(stamped_when_sent, "read 30 ms later, yet stamped when it was sent");
        assert!(two.receive(&mut buffer).is_none());
    }
}
