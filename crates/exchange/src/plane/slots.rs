//! When each call is served: the 20 ms frame cut into twenty slots of 1 ms, and the thread awake only for slots that
//! hold calls (media-plane.md §2).
//!
//! A call keeps its slot for life: the fixed order within the frame is what keeps jitter low. Ticks are numbered
//! milliseconds since the thread began; slot = tick modulo 20. Everything here is arithmetic on tick numbers.

/// Slots in a frame; also milliseconds in a frame.
pub(crate) const SLOTS: usize = 20;

/// Up to this many calls only every fifth slot is used: four wake-ups per frame instead of twenty.
const SPARSE_CALLS: usize = 300;

/// Milliseconds between used slots while there are few calls.
const SPARSE_STEP: usize = 5;

/// Which legs are served in which slot.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Indices of legs, in the order they are served.
    legs: [Vec<u32>; SLOTS],
    /// Calls placed in each slot.
    calls: [usize; SLOTS],
}

impl Slots {
    /// Gives a new call the emptiest slot in use.
    pub(crate) fn place(&mut self) -> usize {
        let step = if self.calls.iter().sum::<usize>() < SPARSE_CALLS {
            SPARSE_STEP
        } else {
            1
        };
        let slot = (0..SLOTS)
            .step_by(step)
            .min_by_key(|slot| self.calls.get(*slot).copied())
            .unwrap_or(0);
        if let Some(calls) = self.calls.get_mut(slot) {
            *calls += 1;
        }
        slot
    }

    /// A call gave its slot back.
    pub(crate) fn vacate(&mut self, slot: usize) {
        if let Some(calls) = self.calls.get_mut(slot) {
            *calls = calls.saturating_sub(1);
        }
    }

    /// A leg joins its call's slot, behind those already there.
    pub(crate) fn join(&mut self, slot: usize, leg: u32) {
        if let Some(legs) = self.legs.get_mut(slot) {
            legs.push(leg);
        }
    }

    /// A leg leaves; the others keep their order.
    pub(crate) fn leave(&mut self, slot: usize, leg: u32) {
        if let Some(legs) = self.legs.get_mut(slot) {
            legs.retain(|other| *other != leg);
        }
    }

    /// Legs of one slot.
    pub(crate) fn legs(&self, slot: usize) -> &[u32] {
        self.legs.get(slot).map_or(&[], Vec::as_slice)
    }

    /// The first tick after `last` that has something to do: any, when `every` (a bridge is held), else the next one
    /// whose slot holds legs, or the next fifth: what arrives is not left lying longer than that. `None` when no slot
    /// holds anything.
    pub(crate) fn next(&self, last: u64, every: bool) -> Option<u64> {
        if self.legs.iter().all(Vec::is_empty) {
            return None;
        }
        if every {
            return Some(last + 1);
        }
        (last + 1..=last + SPARSE_STEP as u64)
            .find(|tick| slot_of(*tick).is_multiple_of(SPARSE_STEP) || !self.legs(slot_of(*tick)).is_empty())
    }
}

/// The slot of a tick.
pub(crate) fn slot_of(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

/// The ticks to serve on a wake-up at `now` when `last` was the last one served: each slot at most once, however late
/// it is. The second figure is the whole frames that were missed, skipped and never sent in a burst.
pub(crate) fn due(last: u64, now: u64) -> (std::ops::RangeInclusive<u64>, u64) {
    let first = (last + 1).max((now + 1).saturating_sub(SLOTS as u64));
    (first..=now, (first - last - 1).div_ceil(SLOTS as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_calls_wake_the_thread_four_times_a_frame() {
        let mut slots = Slots::default();
        for call in 0..40 {
            let slot = slots.place();
            slots.join(slot, call);
        }
        let mut wakes = vec![];
        let mut tick = 100;
        while tick < 120 {
            tick = slots.next(tick, false).expect("calls are held");
            wakes.push(slot_of(tick));
        }
        assert_eq!(wakes, [5, 10, 15, 0]);
        assert_eq!(slots.legs(5).len(), 10, "spread evenly");
        assert_eq!(slots.next(100, true), Some(101), "a bridge wants every millisecond");
        assert_eq!(Slots::default().next(100, true), None, "nobody to serve");
    }

    #[test]
    fn many_calls_take_every_slot_evenly() {
        let mut slots = Slots::default();
        for call in 0..2000 {
            let slot = slots.place();
            slots.join(slot, call);
        }
        let held: Vec<usize> = (0..SLOTS).map(|slot| slots.legs(slot).len()).collect();
        assert!(held.iter().all(|calls| *calls == 100), "{held:?}");
    }

    #[test]
    fn a_leaving_leg_keeps_the_others_order_and_an_empty_slot_wakes_nobody() {
        let mut slots = Slots::default();
        let slot = slots.place();
        for leg in [3, 1, 2] {
            slots.join(slot, leg);
        }
        slots.leave(slot, 1);
        assert_eq!(slots.legs(slot), [3, 2]);
        slots.leave(slot, 3);
        slots.leave(slot, 2);
        slots.vacate(slot);
        assert_eq!(slots.next(0, false), None);
        assert_eq!(slots.place(), slot, "its place is free again");
    }

    #[test]
    fn a_late_wake_up_serves_each_slot_once_and_skips_the_rest() {
        assert_eq!(due(99, 100), (100..=100, 0), "in time");
        assert_eq!(
            due(99, 104),
            (100..=104, 0),
            "5 ms late: the missed slots are still due, once"
        );
        assert_eq!(due(99, 119), (100..=119, 0), "a whole frame at once is still no burst");
        assert_eq!(due(99, 139), (120..=139, 1), "a frame was missed");
        assert_eq!(due(99, 200), (181..=200, 5));
        assert_eq!(due(0, 3), (1..=3, 0), "the beginning of time");
    }
}
