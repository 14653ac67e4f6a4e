//! The media plane: a few plain OS threads that own all RTP (media-plane.md §2).
//!
//! A call lives on one thread for its life, so both parties of a bridge share one. [`Plane`] is the front that the
//! signalling loop holds: it knows on which thread a call lives and puts each [`Order`] into that thread's bounded
//! ring; it never waits for a thread, and no thread waits for it. What the threads have to say comes back through one
//! ring of [`MediaEvent`]s, and what they tap goes to the recorder.

mod clip;
mod clock;
mod events;
mod gauges;
mod obey;
mod order;
mod party;
mod slots;
mod tap;
mod thread;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use media::Law;
use switchboard::{CallId, LegId, MediaEvent, RecordingId};
use tokio::sync::mpsc::Sender;

pub use clock::give_way;
pub use events::{EVENTS, HELD_MAX};
pub use gauges::{Figures, Gauges, Pacing};
pub use order::Order;
pub use tap::{Begin, Kind, TAP_FRAMES, Tap};
pub use thread::ORDERS;

/// Orders kept for one thread whose ring is full. Above it the thread is taken for dead and orders are dropped.
pub const ORDERS_WAITING_MAX: usize = 65_536;

/// The front of the media threads.
#[derive(Debug)]
pub struct Plane {
    threads: Vec<Door>,
    calls: HashMap<CallId, Seat>,
    legs: HashMap<LegId, Place>,
    recordings: HashMap<RecordingId, usize>,
}

/// One thread as seen from outside.
#[derive(Debug)]
struct Door {
    orders: SyncSender<Order>,
    waiting: VecDeque<Order>,
    gauges: Arc<Gauges>,
    legs: usize,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct Seat {
    thread: usize,
    legs: usize,
}

#[derive(Debug)]
struct Place {
    thread: usize,
    call: CallId,
    law: Option<Law>,
}

impl Plane {
    /// Starts this many threads, one at least. They end when the plane is stopped or dropped.
    pub fn start(threads: usize, events: Sender<MediaEvent>, tap: SyncSender<Tap>) -> io::Result<Self> {
        let mut doors = Vec::new();
        for number in 0..threads.max(1) {
            let (orders, receiver) = sync_channel(ORDERS);
            let gauges = Arc::<Gauges>::default();
            let parts = thread::Parts {
                orders: receiver,
                events: events::Events::new(events.clone()),
                tap: tap::Tapped::new(tap.clone()),
                gauges: gauges.clone(),
            };
            let thread = std::thread::Builder::new()
                .name(format!("media {number}"))
                .spawn(move || match thread::Thread::new(parts) {
                    Ok(thread) => thread.run(),
                    Err(fault) => tracing::error!(%fault, "a media thread cannot start"),
                })?;
            doors.push(Door {
                orders,
                waiting: VecDeque::new(),
                gauges,
                legs: 0,
                thread,
            });
        }
        Ok(Self {
            threads: doors,
            calls: HashMap::new(),
            legs: HashMap::new(),
            recordings: HashMap::new(),
        })
    }

    /// Puts an order into the ring of the thread it concerns. An order for a leg that is closed means nothing.
    pub fn order(&mut self, order: Order) {
        let thread = match &order {
            Order::Open { call, leg, stream, .. } => {
                let law = stream.as_ref().map(|stream| stream.codec.law());
                Some(self.seat(*call, *leg, law))
            }
            Order::Update { leg, stream } => self.legs.get_mut(leg).map(|place| {
                place.law = Some(stream.codec.law());
                place.thread
            }),
            Order::Bridge { a, b } => match (self.thread(*a), self.thread(*b)) {
                (Some(one), Some(two)) if one == two => Some(one),
                (Some(_), Some(_)) => {
                    tracing::error!("two calls on two threads cannot be bridged");
                    None
                }
                _ => None,
            },
            Order::Record { leg, recording, .. } | Order::Clip { leg, recording, .. } => {
                let thread = self.thread(*leg);
                if let (Some(thread), Order::Record { .. }) = (thread, &order) {
                    self.recordings.insert(*recording, thread);
                }
                thread
            }
            Order::StopRecord { recording } => self.recordings.remove(recording),
            Order::Unbridge { a: leg, .. }
            | Order::Play { leg, .. }
            | Order::Hush { leg }
            | Order::EndClip { leg }
            | Order::ListenForTones { leg }
            | Order::InfoDigit { leg, .. }
            | Order::SendDigits { leg, .. } => self.thread(*leg),
            Order::Close { leg } => self.leave(*leg),
            #[cfg(test)]
            Order::Break { leg } => self.thread(*leg),
        };
        if let Some(door) = thread.and_then(|thread| self.threads.get_mut(thread)) {
            door.order(order);
        }
    }

    /// The law of a leg's words, once its codec is agreed.
    pub fn law(&self, leg: LegId) -> Option<Law> {
        self.legs.get(&leg)?.law
    }

    /// A recording ended by itself, with its leg.
    pub fn recording_over(&mut self, recording: RecordingId) {
        self.recordings.remove(&recording);
    }

    /// Legs open now.
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Tries again what found a ring full; true when nothing waits any more.
    pub fn flush(&mut self) -> bool {
        // Every thread is tried, whatever the one before it said.
        self.threads
            .iter_mut()
            .filter_map(|door| (!door.flush()).then_some(()))
            .count()
            == 0
    }

    /// The figures of all threads, added up; the load is that of the busiest.
    pub fn figures(&self) -> Figures {
        figures(&self.gauges())
    }

    /// The gauges of each thread, to be read from anywhere.
    pub fn gauges(&self) -> Vec<Arc<Gauges>> {
        self.threads.iter().map(|door| door.gauges.clone()).collect()
    }

    /// Ends the threads: legs are closed, recordings get their end. Waits until they have gone; to be called where
    /// waiting is allowed, with the receivers of events and taps still being read or dropped.
    pub fn stop(self) {
        for Door { orders, thread, .. } in self.threads {
            drop(orders);
            if thread.join().is_err() {
                tracing::error!("a media thread had panicked");
            }
        }
    }

    fn thread(&self, leg: LegId) -> Option<usize> {
        Some(self.legs.get(&leg)?.thread)
    }

    /// Finds the thread of a call, the emptiest for a new one, and notes the leg.
    fn seat(&mut self, call: CallId, leg: LegId, law: Option<Law>) -> usize {
        let emptiest = (0..self.threads.len())
            .min_by_key(|at| self.threads.get(*at).map(|door| door.legs))
            .unwrap_or(0);
        let seat = self.calls.entry(call).or_insert(Seat {
            thread: emptiest,
            legs: 0,
        });
        seat.legs += 1;
        let thread = seat.thread;
        self.legs.insert(leg, Place { thread, call, law });
        if let Some(door) = self.threads.get_mut(thread) {
            door.legs += 1;
        }
        thread
    }

    fn leave(&mut self, leg: LegId) -> Option<usize> {
        let place = self.legs.remove(&leg)?;
        if let Some(seat) = self.calls.get_mut(&place.call) {
            seat.legs -= 1;
            if seat.legs == 0 {
                self.calls.remove(&place.call);
            }
        }
        if let Some(door) = self.threads.get_mut(place.thread) {
            door.legs -= 1;
        }
        Some(place.thread)
    }
}

impl Door {
    fn order(&mut self, order: Order) {
        if self.waiting.len() >= ORDERS_WAITING_MAX {
            tracing::error!("a media thread takes no orders; an order is dropped");
            return;
        }
        self.waiting.push_back(order);
        self.flush();
    }

    fn flush(&mut self) -> bool {
        while let Some(order) = self.waiting.pop_front() {
            match self.orders.try_send(order) {
                Ok(()) => {}
                Err(TrySendError::Full(order)) => {
                    self.waiting.push_front(order);
                    return false;
                }
                Err(TrySendError::Disconnected(_)) => {
                    tracing::error!("a media thread is gone");
                    self.waiting.clear();
                }
            }
        }
        true
    }
}

/// The figures of these threads, added up.
pub(crate) fn figures(gauges: &[Arc<Gauges>]) -> Figures {
    let mut sum = Figures::default();
    for gauges in gauges {
        sum.add(&gauges.read());
    }
    sum
}

#[cfg(test)]
mod tests;
