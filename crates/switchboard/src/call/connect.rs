//! `connect to:` a person or an outside line: bridged when answered, and our own leg stays, so that the caller is never
//! lost to a line that does not answer (flow-language.md §4, S003).

use std::time::{Duration, Instant};

use phi::Phi;

use super::{Call, Partner, signal};
use crate::desk::Wires;
use crate::door::{LegId, MediaCommand};
use crate::fact::Fact;

/// A line that rings for the caller.
pub(super) struct Connecting {
    pub(super) leg: LegId,
    to: String,
    port: u16,
    until: Instant,
}

impl Connecting {
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn port(&self) -> u16 {
        self.port
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
            Some((leg, port)) => {
                self.connecting = Some(Connecting {
                    leg,
                    to,
                    port,
                    until: now + ring_for,
                })
            }
            None => self.hear(now, wires, flow::Heard::NotConnected),
        }
    }

    pub(super) fn line_signalled(&mut self, now: Instant, wires: &mut Wires, event: sip::Event) {
        let Some(line) = &self.connecting else { return };
        let leg = line.leg;
        match event {
            sip::Event::Accepted { body, .. } => self.line_answered(now, wires, body.as_ref()),
            sip::Event::Refused { status, .. } => self.line_refused(now, wires, status),
            sip::Event::Ended { .. } => self.line_over(now, wires),
            sip::Event::Progress { status, .. } => {
                let to = line.to.clone();
                self.note(now, wires, signal(&to, false, &status.to_string()));
            }
            sip::Event::Offered { session, offer, body } => {
                wires.line_reoffered(now, leg, session, offer, body.as_ref());
            }
            sip::Event::OfferAnswered { body, .. } => wires.line_offer_answered(leg, body.as_ref()),
            sip::Event::Incoming { .. }
            | sip::Event::Confirmed { .. }
            | sip::Event::Info { .. }
            | sip::Event::Response { .. } => {}
        }
    }

    fn line_answered(&mut self, now: Instant, wires: &mut Wires, body: Option<&sip::Body>) {
        let Some(line) = self.connecting.take() else { return };
        let leg = line.leg;
        self.note(now, wires, signal(&line.to, false, "200"));
        let stream = wires.line_answered(now, leg, body);
        let (Some(stream), Some(caller)) = (stream, self.caller.leg()) else {
            self.drop_line(now, wires, &line, "BYE");
            if self.caller.is_here() {
                self.hear(now, wires, flow::Heard::NotConnected);
            }
            return;
        };
        wires.own_leg(leg, self.id, &line.to);
        wires.media(MediaCommand::Open {
            call: self.id,
            leg,
            port: line.port,
            stream: Some(stream),
        });
        wires.media(MediaCommand::Hush { leg: caller });
        self.joins_unrecorded(now, wires, &line.to, false);
        wires.media(MediaCommand::Bridge { a: caller, b: leg });
        self.note(
            now,
            wires,
            Fact::Bridged {
                person: line.to.clone(),
            },
        );
        self.partner = Some(Partner {
            leg,
            person: line.to,
            since: now,
            ladder: None,
        });
        self.hear(now, wires, flow::Heard::Connected);
    }

    /// The line said no, or could not be reached.
    pub(super) fn line_refused(&mut self, now: Instant, wires: &mut Wires, status: u16) {
        if let Some(line) = &self.connecting {
            let to = line.to.clone();
            self.note(now, wires, signal(&to, false, &status.to_string()));
        }
        self.line_over(now, wires);
    }

    fn line_over(&mut self, now: Instant, wires: &mut Wires) {
        let Some(line) = self.connecting.take() else { return };
        wires.forget_line(line.leg);
        wires.return_port(line.port);
        self.hear(now, wires, flow::Heard::NotConnected);
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
        if let Some(line) = self.connecting.take() {
            self.drop_line(now, wires, &line, "CANCEL");
        }
    }

    fn drop_line(&mut self, now: Instant, wires: &mut Wires, line: &Connecting, what: &str) {
        self.note(now, wires, signal(&line.to, true, what));
        wires.hang_up_line(now, line.leg);
        wires.forget_line(line.leg);
        wires.return_port(line.port);
    }
}
