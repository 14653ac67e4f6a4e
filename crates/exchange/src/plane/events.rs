//! Reports of a media thread, through a bounded ring that never makes the thread wait and never drops a digit.
//!
//! When the desk is slow the ring fills; what comes then is held here in order. When that grows past
//! [`HELD_MAX`] the thread stops reading packets: nothing new can be pressed, nothing pressed is lost, and the kernel
//! drops what nobody reads. Figures travel once, with the leg's end, so there is nothing to coalesce.

use std::collections::VecDeque;

use switchboard::MediaEvent;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// Places in the ring between one media thread and the desk.
pub const EVENTS: usize = 4096;

/// Events held beside a full ring before the thread stops reading.
pub const HELD_MAX: usize = 4096;

/// The thread's end of the ring.
#[derive(Debug)]
pub(crate) struct Events {
    ring: Sender<MediaEvent>,
    held: VecDeque<MediaEvent>,
    /// Events that had to be held, ever.
    pub(crate) held_ever: u64,
}

impl Events {
    pub(crate) fn new(ring: Sender<MediaEvent>) -> Self {
        Self {
            ring,
            held: VecDeque::new(),
            held_ever: 0,
        }
    }

    /// Reports, now or as soon as there is room.
    pub(crate) fn push(&mut self, event: MediaEvent) {
        if self.flush() {
            match self.ring.try_send(event) {
                Ok(()) | Err(TrySendError::Closed(_)) => return,
                Err(TrySendError::Full(event)) => self.held.push_back(event),
            }
        } else {
            self.held.push_back(event);
        }
        self.held_ever += 1;
    }

    /// Sends what is held; true when nothing is any more.
    pub(crate) fn flush(&mut self) -> bool {
        while let Some(event) = self.held.pop_front() {
            match self.ring.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.held.push_front(event);
                    return false;
                }
                // The desk is gone, and with it whoever would have wanted to know.
                Err(TrySendError::Closed(_)) => self.held.clear(),
            }
        }
        true
    }

    /// Whether the thread must stop reading until the desk has caught up.
    pub(crate) fn choked(&self) -> bool {
        self.held.len() >= HELD_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phi::Phi;
    use switchboard::LegId;
    use tokio::sync::mpsc::channel;

    fn digit(n: u32) -> MediaEvent {
        MediaEvent::Digit {
            leg: LegId(1),
            digit: Phi::new(char::from_digit(n % 10, 10).expect("a digit")),
            way: media::dtmf::press::Way::Event,
        }
    }

    #[test]
    fn a_full_ring_keeps_every_digit_in_order() {
        let (sender, mut receiver) = channel(4);
        let mut events = Events::new(sender);
        for n in 0..30 {
            events.push(digit(n));
        }
        assert_eq!(events.held_ever, 26);
        let mut heard = vec![];
        while let Ok(event) = receiver.try_recv() {
            let MediaEvent::Digit { digit, .. } = event else {
                panic!("only digits were pushed")
            };
            heard.push(digit.expose().to_digit(10).expect("a digit"));
            events.flush();
        }
        assert_eq!(heard, (0..30).map(|n| n % 10).collect::<Vec<_>>());
        assert!(!events.choked());
    }

    #[test]
    fn a_desk_that_takes_nothing_chokes_the_thread() {
        let (sender, receiver) = channel(1);
        let mut events = Events::new(sender);
        for n in 0..=u32::try_from(HELD_MAX).expect("small") {
            events.push(digit(n));
        }
        assert!(events.choked());
        drop(receiver);
        assert!(events.flush());
        assert!(!events.choked(), "a desk that is gone holds nobody up");
    }
}
