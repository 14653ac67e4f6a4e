//! What the packets alone cost on a core, now: a thread that sends and takes in datagrams of RTP's size over loopback, every
//! 20 ms, each through a connected socket of its own, and does nothing else (media-plane.md §1, "packet floor").
//!
//! A shared machine's kernel and memory slow down by half for an hour while a loop of arithmetic runs as fast as ever:
//! what a call costs is compared with this.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// The relay's floor of media-plane.md §3, CPU-seconds per 1000 call-minutes: two datagrams in and two out a frame.
const RELAY: f64 = 22.0;

/// Streams, of two sockets each: more than a core's caches hold, as with real calls.
const STREAMS: usize = 500;
const FRAMES: u32 = 75;
const FRAME: Duration = Duration::from_millis(20);
/// An RTP header and 20 ms of G.711.
const LENGTH: usize = 172;

/// Nanoseconds of processor time for a datagram out and the same datagram in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Floor(pub(crate) f64);

impl Floor {
    /// How many times slower packets are than when the targets were set.
    pub(crate) fn slowness(self) -> f64 {
        const FRAMES_PER_1000_CALL_MINUTES: f64 = 3e6;
        2.0 * self.0 * FRAMES_PER_1000_CALL_MINUTES / 1e9 / RELAY
    }

    /// Between this and a later one.
    pub(crate) fn mean(self, other: Self) -> Self {
        Self(f64::midpoint(self.0, other.0))
    }
}

/// Measures it on the core this runs on.
pub(crate) fn measure() -> io::Result<Floor> {
    let streams = (0..STREAMS)
        .map(|_| {
            let (near, far) = (bind()?, bind()?);
            near.connect(far.local_addr()?)?;
            far.connect(near.local_addr()?)?;
            Ok((near, far))
        })
        .collect::<io::Result<Vec<_>>>()?;
    let (packet, mut buffer) = ([0xd5; LENGTH], [0; 2 * LENGTH]);
    let (began, worked) = (Instant::now(), spent()?);
    let mut came = 0u32;
    for frame in 1..=FRAMES {
        for (near, _) in &streams {
            near.send(&packet)?;
        }
        for (_, far) in &streams {
            came += u32::from(far.recv(&mut buffer).is_ok());
        }
        std::thread::sleep((FRAME * frame).saturating_sub(began.elapsed()));
    }
    let worked = spent()? - worked;
    if came == 0 {
        return Err(io::Error::other("no datagram comes through loopback"));
    }
    Ok(Floor(worked.as_nanos() as f64 / f64::from(came)))
}

fn bind() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Processor time of this thread.
pub(crate) fn spent() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_cost_something_and_slowness_is_in_proportion() {
        let floor = measure().unwrap();
        assert!(floor.0 > 0.0);
        let slower = Floor(floor.0 * 3.0);
        assert!((slower.slowness() / floor.slowness() - 3.0).abs() < 1e-9);
        assert!((floor.mean(slower).0 / floor.0 - 2.0).abs() < 1e-9);
    }
}
