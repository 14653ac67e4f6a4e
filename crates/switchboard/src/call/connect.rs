//! `connect to:` a person or an outside line: bridged when answered, and our own leg stays, so that the caller is never
//! lost to a line that does not answer (flow-language.md §4, S003).

use std::time::{Duration, Instant};

use phi::Phi;

use super::caller::{answer_reoffer, reoffer_answered};
use super::ladder::Dialled;
use super::{Call, Partner, signal};
use crate::desk::Wires;
use crate::door::{LegId, MediaCommand};
use crate::fact::Fact;

/// A line that rings for the caller.
pub(super) struct Connecting {
    pub(super) leg: LegId,
    to: String,
    dialled: Dialled,
    until: Instant,
}

impl Connecting {
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn port(&self) -> u16 {
        self.dialled.port
    }
}

impl Call {
    /// Rings a line that the practice file names; a number a caller supplies is never dialled.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        wires: &mut Wires,
        to: String,
        number: &Phi<String>,
        ring_for: Duration,
    ) {
        match self.dial(now, wires, &to, number) {
            Some((leg, dialled)) => {
                self.connecting = Some(Connecting {
                    leg,
                    to,
                    dialled,
                    until: now + ring_for,
                })
            }
            None => self.hear(now, wires, flow::Heard::NotConnected),
        }
    }

    pub(super) fn line_signalled(&mut self, now: Instant, wires: &mut Wires, event: sip::Event) {
        let Some(Connecting {
            leg,
            to,
            mut dialled,
            until,
        }) = self.connecting.take()
        else {
            return;
        };
        match event {
            sip::Event::Accepted { body, .. } => {
                self.note(now, wires, signal(&to, false, "200"));
                let stream = body.and_then(|answer| media::sdp::accept(&dialled.said, &answer.bytes).ok());
                let (Some(stream), Some(caller)) = (stream, self.caller.leg()) else {
                    self.drop_line(now, wires, &to, &dialled, "BYE");
                    if self.caller.is_here() {
                        self.hear(now, wires, flow::Heard::NotConnected);
                    }
                    return;
                };
                wires.own_leg(leg, self.id, &to);
                wires.media(MediaCommand::Open {
                    call: self.id,
                    leg,
                    port: dialled.port,
                    stream: Some(stream),
                });
                wires.media(MediaCommand::Hush { leg: caller });
                wires.media(MediaCommand::Bridge { a: caller, b: leg });
                self.note(now, wires, Fact::Bridged { person: to.clone() });
                self.partner = Some(Partner {
                    leg,
                    session: dialled.session,
                    person: to,
                    said: dialled.said,
                    since: now,
                    ladder: None,
                });
                self.hear(now, wires, flow::Heard::Connected);
            }
            sip::Event::Refused { status, .. } => {
                self.note(now, wires, signal(&to, false, &status.to_string()));
                wires.disown_session(dialled.session);
                wires.return_port(dialled.port);
                self.hear(now, wires, flow::Heard::NotConnected);
            }
            sip::Event::Ended { .. } => {
                wires.disown_session(dialled.session);
                wires.return_port(dialled.port);
                self.hear(now, wires, flow::Heard::NotConnected);
            }
            sip::Event::Progress { status, .. } => {
                self.note(now, wires, signal(&to, false, &status.to_string()));
                self.connecting = Some(Connecting {
                    leg,
                    to,
                    dialled,
                    until,
                });
            }
            sip::Event::Offered { session, offer, body } => {
                answer_reoffer(now, wires, leg, &mut dialled.said, session, offer, body.as_ref());
                self.connecting = Some(Connecting {
                    leg,
                    to,
                    dialled,
                    until,
                });
            }
            sip::Event::OfferAnswered { body, .. } => {
                reoffer_answered(wires, leg, &dialled.said, body.as_ref());
                self.connecting = Some(Connecting {
                    leg,
                    to,
                    dialled,
                    until,
                });
            }
            sip::Event::Incoming { .. }
            | sip::Event::Confirmed { .. }
            | sip::Event::Info { .. }
            | sip::Event::Response { .. } => {
                self.connecting = Some(Connecting {
                    leg,
                    to,
                    dialled,
                    until,
                });
            }
        }
    }

    /// Nobody picked up in time, or the caller is gone: the line is let go.
    pub(super) fn line_due(&mut self, now: Instant, wires: &mut Wires) {
        let due = self
            .connecting
            .as_ref()
            .is_some_and(|line| line.until <= now || !self.caller.is_here());
        if !due {
            return;
        }
        self.leave_line(now, wires);
        if self.caller.is_here() {
            self.hear(now, wires, flow::Heard::NotConnected);
        }
    }

    /// Whoever is still ringing on a line is no longer wanted.
    pub(super) fn leave_line(&mut self, now: Instant, wires: &mut Wires) {
        if let Some(Connecting { to, dialled, .. }) = self.connecting.take() {
            self.drop_line(now, wires, &to, &dialled, "CANCEL");
        }
    }

    fn drop_line(&mut self, now: Instant, wires: &mut Wires, to: &str, dialled: &Dialled, what: &str) {
        self.note(now, wires, signal(to, true, what));
        wires.endpoint.hang_up(now, dialled.session);
        wires.disown_session(dialled.session);
        wires.return_port(dialled.port);
    }
}
