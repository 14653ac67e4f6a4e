//! The thread's clock: numbered milliseconds, slept for to an absolute instant.
//!
//! Measured (media-plane.md §1): an absolute sleep with a timer slack of 1 ns is late by 37 µs at the median, an async
//! timer by 1.5 ms. Beside a busy core only priority helps: the thread asks for a high one, and gets it where the service
//! may (`CAP_SYS_NICE`). `SCHED_FIFO` would do more; it needs a system call that no safe wrapper we use offers, so whoever
//! runs the service sets it from outside (`chrt`, systemd `CPUSchedulingPolicy=`).

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::Timespec;

/// Ahead of everything that is not urgent, behind what the system itself must do.
const NICE: i32 = -15;

/// How far behind the media threads everything else stands, where those may not go first.
const WAY: i32 = 5;

/// Puts the calling thread behind the media threads: for the `on_thread_start` of whoever makes the runtime. A flood of messages
/// then takes its time from other messages, and not from the audio, on a machine that does not let audio go first.
pub fn give_way() {
    let nice = rustix::process::getpriority_process(None).unwrap_or(0);
    // Everybody may step back; where even that is refused, nothing is worse than before.
    let _ = rustix::process::setpriority_process(None, nice.saturating_add(WAY).min(19));
}

/// Ticks of one thread, counted from its beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: Instant,
    /// The same instant as the kernel writes it.
    began_kernel: Timespec,
}

impl Clock {
    /// Starts counting, and asks the kernel not to gather this thread's wake-ups with others, and to run it first.
    pub(crate) fn start() -> Self {
        if let Err(fault) = set_current_timer_slack(NonZeroU64::new(1)) {
            tracing::debug!(%fault, "timer slack stays as it is; packets leave a little later");
        }
        // On Linux this is the priority of the calling thread alone.
        if let Err(fault) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%fault, "priority stays as it is; beside a busy core packets leave later");
        }
        // `Instant` is CLOCK_MONOTONIC on Linux; read back to back the two differ by well under a microsecond.
        Self {
            began: Instant::now(),
            began_kernel: rustix::time::clock_gettime(rustix::time::ClockId::Monotonic),
        }
    }

    /// The tick that `now` falls into.
    pub(crate) fn tick(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// When a tick begins.
    pub(crate) fn due(&self, tick: u64) -> Instant {
        self.began + Duration::from_millis(tick)
    }

    /// Sleeps until the tick begins; not at all when it has.
    pub(crate) fn sleep_until(&self, tick: u64) {
        let nanos = i64::from(u32::try_from(self.began_kernel.tv_nsec).unwrap_or(0)) + (tick % 1000) as i64 * 1_000_000;
        let deadline = Timespec {
            tv_sec: self.began_kernel.tv_sec + (tick / 1000) as i64 + nanos / 1_000_000_000,
            tv_nsec: nanos % 1_000_000_000,
        };
        // A signal only wakes us early; the deadline stands.
        while clock_nanosleep_absolute(ClockId::Monotonic, &deadline) == Err(Errno::INTR) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_wakes_before_its_tick() {
        let clock = Clock::start();
        for ahead in [1, 2, 5] {
            let tick = clock.tick(Instant::now()) + ahead;
            clock.sleep_until(tick);
            let now = Instant::now();
            assert!(clock.tick(now) >= tick);
            assert!(now + Duration::from_micros(1) >= clock.due(tick));
        }
        let now = Instant::now();
        clock.sleep_until(0);
        assert!(now.elapsed() < Duration::from_secs(1), "the past is not waited for");
    }
}
