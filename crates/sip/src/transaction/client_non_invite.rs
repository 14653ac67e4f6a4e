//! Non-INVITE client transaction (RFC 3261 §17.1.2, figure 6).
//!
//! It repeats the request until the final response, which it passes on exactly once.

use std::time::{Duration, Instant};

use super::{Outbox, Pace};

/// The states of figure 6.
#[derive(Debug, Clone)]
pub(crate) enum ClientNonInvite<M> {
    /// Nothing has answered.
    Trying {
        request: M,
        timer_e: Option<Instant>,
        interval: Duration,
        timer_f: Instant,
    },
    /// A provisional response came; the request is repeated every T2.
    Proceeding {
        request: M,
        timer_e: Option<Instant>,
        timer_f: Instant,
    },
    /// The final response came; its repetitions are absorbed.
    Completed { timer_k: Instant },
    /// Nothing more to do.
    Terminated,
}

/// What can happen to it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input {
    /// A 1xx.
    Provisional,
    /// A response of 200 or more.
    Final,
    /// The network refused a message of ours.
    TransportFailed,
    /// A deadline may have passed.
    Time,
}

impl<M: Clone> ClientNonInvite<M> {
    /// Sends the request.
    pub(crate) fn start(pace: Pace, now: Instant, request: M, out: &mut Outbox<M>) -> Self {
        out.transmit(request.clone());
        let timer_e = pace.unreliable().then(|| now + pace.t1);
        Self::Trying {
            request,
            timer_e,
            interval: pace.t1,
            timer_f: now + pace.t1 * 64,
        }
    }

    pub(crate) fn step(self, pace: Pace, now: Instant, input: Input, out: &mut Outbox<M>) -> Self {
        match (self, input) {
            (Self::Trying { timer_f, .. } | Self::Proceeding { timer_f, .. }, Input::Time) if now >= timer_f => {
                out.timed_out();
                Self::Terminated
            }
            (
                Self::Trying {
                    request,
                    timer_e: Some(timer_e),
                    interval,
                    timer_f,
                },
                Input::Time,
            ) if now >= timer_e => {
                out.transmit(request.clone());
                let interval = (interval * 2).min(pace.t2);
                Self::Trying {
                    request,
                    timer_e: Some(now + interval),
                    interval,
                    timer_f,
                }
            }
            (
                Self::Proceeding {
                    request,
                    timer_e: Some(timer_e),
                    timer_f,
                },
                Input::Time,
            ) if now >= timer_e => {
                out.transmit(request.clone());
                Self::Proceeding {
                    request,
                    timer_e: Some(now + pace.t2),
                    timer_f,
                }
            }
            (
                Self::Trying {
                    request,
                    timer_e,
                    timer_f,
                    ..
                }
                | Self::Proceeding {
                    request,
                    timer_e,
                    timer_f,
                },
                Input::Provisional,
            ) => {
                out.pass();
                Self::Proceeding {
                    request,
                    timer_e,
                    timer_f,
                }
            }
            (Self::Trying { .. } | Self::Proceeding { .. }, Input::Final) => {
                out.pass();
                match pace.timer_k() {
                    Some(wait) => Self::Completed { timer_k: now + wait },
                    None => Self::Terminated,
                }
            }
            (Self::Trying { .. } | Self::Proceeding { .. }, Input::TransportFailed) => {
                out.transport_failed();
                Self::Terminated
            }
            (Self::Completed { timer_k }, Input::Time) if now >= timer_k => Self::Terminated,
            // What figure 6 leaves out is absorbed.
            (state, _) => state,
        }
    }

    /// When `Input::Time` is next worth giving.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        match self {
            Self::Trying { timer_e, timer_f, .. } | Self::Proceeding { timer_e, timer_f, .. } => {
                Some(timer_e.map_or(*timer_f, |timer_e| timer_e.min(*timer_f)))
            }
            Self::Completed { timer_k } => Some(*timer_k),
            Self::Terminated => None,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        matches!(self, Self::Terminated)
    }
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Figure, named};
    use super::*;

    named!(ClientNonInvite {
        Trying,
        Proceeding,
        Completed,
        Terminated
    });

    fn figure(pace: Pace) -> String {
        let now = Figure::epoch();
        let started = ClientNonInvite::start(pace, now, "request", &mut Outbox::default());
        let proceeding = started
            .clone()
            .step(pace, now, Input::Provisional, &mut Outbox::default());
        let states = [
            started,
            proceeding,
            ClientNonInvite::Completed { timer_k: now + pace.t4 },
            ClientNonInvite::Terminated,
        ];
        let inputs = [
            ("1xx", Input::Provisional),
            ("200-699", Input::Final),
            ("transport failed", Input::TransportFailed),
        ];
        let mut figure = Figure::new(now);
        figure.start(&name(&states[0]), |out| {
            ClientNonInvite::start(pace, now, "request", out);
        });
        for state in &states {
            for (label, input) in &inputs {
                figure.edge(&name(state), label, |out| {
                    let next = state.clone().step(pace, now, *input, out);
                    name(&next)
                });
            }
            figure.times(state.clone(), name, ClientNonInvite::timeout, |state, now, out| {
                state.step(pace, now, Input::Time, out)
            });
        }
        figure.print()
    }

    #[test]
    fn figure_6_over_udp() {
        insta::assert_snapshot!(figure(Pace::default()));
    }

    #[test]
    fn figure_6_over_tcp() {
        insta::assert_snapshot!(figure(Pace {
            reliable: true,
            ..Pace::default()
        }));
    }
}
