//! How hard we try: rungs in order, and what happens after the last (flow-language.md §9, ESC-02).
//!
//! One thing to know: a ladder holds roles, not people. Who they are is asked again at each try.

use std::time::Duration;

/// A practice's ladder, as the practice file writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// In order.
    pub rungs: Vec<Rung>,
    /// The key that takes the call; nothing else does (ESC-06).
    pub accept_with: char,
    /// The key that passes it on to the next rung at once.
    pub pass_with: char,
    /// How long an answered phone is asked for the key before it counts as a machine.
    pub they_hear_for: Duration,
    /// What goes on after the last rung.
    pub keep_paging: Option<KeepPaging>,
}

/// One role or person, and how often they are rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// A role ("primary") or a person ("Marisol Vega").
    pub call: String,
    /// How many times.
    pub tries: u8,
    /// From the start of one try to the start of the next of this rung; never before the earlier try is over.
    pub apart: Duration,
    /// How long a phone rings before that try is over.
    pub ring_for: Duration,
}

/// Rings the first rung's people again and again after the ladder is exhausted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepPaging {
    /// From the start of one round to the start of the next.
    pub every: Duration,
    /// Counted from the moment the ladder was exhausted.
    pub lasting: Duration,
}

/// A fraction that shortens (or stretches) a ladder's waiting, for demonstrations and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Times this,
    pub times: u32,
    /// divided by this; nought counts as one.
    pub over: u32,
}

/// Why a ladder cannot be climbed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LadderFault {
    /// Nobody would ever be rung.
    #[error("the ladder rings nobody: give it a rung with at least one try")]
    MisuseEmpty,
    /// More rungs than [`Ladder::RUNGS_MAX`].
    #[error("the ladder has more than {max} rungs, the limit", max = Ladder::RUNGS_MAX)]
    ExhaustedRungs,
    /// More tries than [`Ladder::TRIES_MAX`].
    #[error("a rung has more than {max} tries, the limit", max = Ladder::TRIES_MAX)]
    ExhaustedTries,
    /// One key would both take the call and refuse it.
    #[error("`{0}` cannot both accept a call and pass it on")]
    MisuseSameKey(char),
    /// Something that is not on a telephone.
    #[error("`{0}` is not a key of a telephone: choose a digit, * or #")]
    MisuseNotAKey(char),
    /// The phone would not ring, or the pages would not be apart.
    #[error("ring times and paging intervals must be longer than nothing")]
    MisuseNoTime,
}

impl Ladder {
    /// Most rungs.
    pub const RUNGS_MAX: usize = 16;
    /// Most tries of a rung.
    pub const TRIES_MAX: u8 = 10;
    /// The flow language's answer time for "press 1": twice the sentence and time to find the key.
    pub const THEY_HEAR_FOR: Duration = Duration::from_secs(20);
    /// What a scaled ring time never falls below: a phone must be able to ring once.
    pub const RING_FOR_MIN: Duration = Duration::from_secs(1);

    /// A ladder with the keys every ladder has: 1 accepts, 2 passes on.
    pub fn new(rungs: Vec<Rung>, keep_paging: Option<KeepPaging>) -> Self {
        Self {
            rungs,
            accept_with: '1',
            pass_with: '2',
            they_hear_for: Self::THEY_HEAR_FOR,
            keep_paging,
        }
    }

    /// Whether it can be climbed at all; the practice's check asks, and `Escalation` does not depend on the answer.
    pub fn check(&self) -> Result<(), LadderFault> {
        let key = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
        if !self.rungs.iter().any(|rung| rung.tries > 0) {
            return Err(LadderFault::MisuseEmpty);
        }
        if self.rungs.len() > Self::RUNGS_MAX {
            return Err(LadderFault::ExhaustedRungs);
        }
        if self.rungs.iter().any(|rung| rung.tries > Self::TRIES_MAX) {
            return Err(LadderFault::ExhaustedTries);
        }
        if let Some(wrong) = [self.accept_with, self.pass_with].into_iter().find(|c| !key(*c)) {
            return Err(LadderFault::MisuseNotAKey(wrong));
        }
        if self.accept_with == self.pass_with {
            return Err(LadderFault::MisuseSameKey(self.accept_with));
        }
        let no_ring = self.rungs.iter().any(|rung| rung.ring_for.is_zero()) || self.they_hear_for.is_zero();
        if no_ring || self.keep_paging.is_some_and(|paging| paging.every.is_zero()) {
            return Err(LadderFault::MisuseNoTime);
        }
        Ok(())
    }

    /// The same ladder with its waiting scaled. What people must listen to is not: a sentence takes as long as it takes.
    pub fn scaled(mut self, scale: Scale) -> Self {
        for rung in &mut self.rungs {
            rung.apart = scale.of(rung.apart);
            rung.ring_for = scale.of(rung.ring_for).max(Self::RING_FOR_MIN.min(rung.ring_for));
        }
        if let Some(paging) = &mut self.keep_paging {
            paging.every = scale.of(paging.every).max(Self::RING_FOR_MIN.min(paging.every));
            paging.lasting = scale.of(paging.lasting);
        }
        self
    }
}

impl Scale {
    /// Nothing changes.
    pub const NONE: Self = Self { times: 1, over: 1 };

    /// `long` scaled, to the millisecond.
    pub fn of(self, long: Duration) -> Duration {
        let ms = long.as_millis().saturating_mul(u128::from(self.times)) / u128::from(self.over.max(1));
        Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::{KeepPaging, Ladder, LadderFault, Rung, Scale};
    use std::time::Duration;

    fn doctors() -> Ladder {
        let rung = |call: &str| Rung {
            call: call.to_owned(),
            tries: 2,
            apart: Duration::from_secs(120),
            ring_for: Duration::from_secs(25),
        };
        let paging = KeepPaging {
            every: Duration::from_secs(300),
            lasting: Duration::from_secs(3600),
        };
        Ladder::new(vec![rung("primary"), rung("backup")], Some(paging))
    }

    #[test]
    fn a_demonstration_waits_less_but_listens_as_long() {
        let demo = doctors().scaled(Scale { times: 1, over: 10 });
        assert_eq!(demo.rungs[0].apart, Duration::from_secs(12));
        assert_eq!(demo.rungs[0].ring_for, Duration::from_millis(2500));
        assert_eq!(demo.keep_paging.map(|p| p.every), Some(Duration::from_secs(30)));
        assert_eq!(demo.they_hear_for, Ladder::THEY_HEAR_FOR);
        assert_eq!(doctors().scaled(Scale::NONE), doctors());
        let flash = doctors().scaled(Scale {
            times: 1,
            over: 100_000,
        });
        assert_eq!(flash.rungs[0].ring_for, Ladder::RING_FOR_MIN);
        assert_eq!(flash.check(), Ok(()));
    }

    #[test]
    fn a_ladder_that_rings_nobody_is_refused() {
        assert_eq!(doctors().check(), Ok(()));
        assert_eq!(Ladder::new(Vec::new(), None).check(), Err(LadderFault::MisuseEmpty));
        let mut same = doctors();
        same.pass_with = '1';
        assert_eq!(same.check(), Err(LadderFault::MisuseSameKey('1')));
        same.pass_with = 'x';
        assert_eq!(same.check(), Err(LadderFault::MisuseNotAKey('x')));
        let mut long = doctors();
        long.rungs[0].tries = 11;
        assert_eq!(long.check(), Err(LadderFault::ExhaustedTries));
        long.rungs[0].tries = 1;
        long.rungs[0].ring_for = Duration::ZERO;
        assert_eq!(long.check(), Err(LadderFault::MisuseNoTime));
    }
}
