//! Whether the far end of a trunk is there: OPTIONS sent and answered, with a little patience in both directions.
//!
//! One [`Pulse`] for each address of a trunk that is asked. A trunk is up while any of its addresses is; the calls go to
//! those that are, and to the others only when nothing else is left.

use std::time::{Duration, Instant};

use sip::locate::Destination;

use crate::trunk::Ping;

/// What the answers to OPTIONS have shown so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is known yet, or not enough; calls are tried.
    Unknown { missed: u8 },
    /// It answers; so many questions in a row were missed.
    Up { missed: u8 },
    /// It does not answer; so many questions in a row were answered again.
    Down { answered: u8 },
}

/// What became of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Any final response but one that says "not now".
    Answered,
    /// No answer in time, 408 or 503.
    Missed,
}

/// What a step shows to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Calls go there again.
    Up,
    /// Calls go there last.
    Down,
}

impl State {
    pub(crate) fn step(self, input: Input, ping: &Ping, out: &mut Vec<Change>) -> Self {
        match (self, input) {
            // The first answer is news enough: before it we had no reason to doubt.
            (Self::Unknown { .. }, Input::Answered) => {
                out.push(Change::Up);
                Self::Up { missed: 0 }
            }
            (Self::Up { .. }, Input::Answered) => Self::Up { missed: 0 },
            (Self::Unknown { missed } | Self::Up { missed }, Input::Missed) => {
                let missed = missed.saturating_add(1);
                if missed >= ping.down_after.max(1) {
                    out.push(Change::Down);
                    Self::Down { answered: 0 }
                } else if matches!(self, Self::Up { .. }) {
                    Self::Up { missed }
                } else {
                    Self::Unknown { missed }
                }
            }
            (Self::Down { answered }, Input::Answered) => {
                let answered = answered.saturating_add(1);
                if answered >= ping.up_after.max(1) {
                    out.push(Change::Up);
                    Self::Up { missed: 0 }
                } else {
                    Self::Down { answered }
                }
            }
            (Self::Down { .. }, Input::Missed) => Self::Down { answered: 0 },
        }
    }
}

/// One address that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    pub(crate) destination: Destination,
    pub(crate) state: State,
    /// When it answered last, and with which status.
    pub(crate) answered: Option<(Instant, u16)>,
    /// How long the last answer took.
    pub(crate) rtt: Option<Duration>,
    /// The question under way, and when it left.
    pub(crate) open: Option<(sip::RequestId, Instant)>,
}

impl Pulse {
    pub(crate) fn new(destination: Destination) -> Self {
        Self {
            destination,
            state: State::Unknown { missed: 0 },
            answered: None,
            rtt: None,
            open: None,
        }
    }

    pub(crate) fn is_down(&self) -> bool {
        matches!(self.state, State::Down { .. })
    }
}

/// What a final response to OPTIONS says. Whoever answers 401, 404 or 405 is there all the same.
pub(crate) fn heard(status: u16) -> Input {
    match status {
        408 | 503 => Input::Missed,
        _ => Input::Answered,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::{Input, State};
    use crate::trunk::Ping;

    #[test]
    fn every_edge() {
        let ping = Ping::default();
        let states = [
            State::Unknown { missed: 0 },
            State::Unknown { missed: 2 },
            State::Up { missed: 0 },
            State::Up { missed: 1 },
            State::Up { missed: 2 },
            State::Down { answered: 0 },
            State::Down { answered: 1 },
        ];
        let mut figure = String::new();
        for state in states {
            for input in [Input::Answered, Input::Missed] {
                let mut out = Vec::new();
                let next = state.step(input, &ping, &mut out);
                let before = format!("{state:?}");
                let input = format!("{input:?}");
                let _ = writeln!(
                    figure,
                    "{before:<22} --{input:<8}--> {:<22} {out:?}",
                    format!("{next:?}")
                );
            }
        }
        insta::assert_snapshot!(figure);
    }

    #[test]
    fn three_misses_take_it_down_and_two_answers_bring_it_back() {
        let ping = Ping::default();
        let mut state = State::Unknown { missed: 0 };
        let mut told = Vec::new();
        for answered in [true, false, false, true, false, false, false, true, false, true, true] {
            let input = if answered { Input::Answered } else { Input::Missed };
            state = state.step(input, &ping, &mut told);
        }
        use super::Change::{Down, Up};
        assert_eq!(told, [Up, Down, Up]);
    }
}
