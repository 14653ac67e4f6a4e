//! What each order does to a media thread.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use media::sdp::Stream;
use media::{Law, Leg, LegStart, Quality};
use rustix::event::epoll;
use seal::Tenant;
use switchboard::{CallId, LegId, MediaEvent, RecordingId};

use super::clip::{Bounds, Clip};
use super::order::Order;
use super::party::{Party, Recorded, Recording};
use super::tap::{Begin, Echo, Kind, Tap};
use super::thread::{BEEP, Thread, party, token};
use crate::ports::Pair;

impl Thread {
    /// One order. An order for a leg that is gone means nothing: its end crossed the order on the way.
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Open {
                call,
                leg,
                pair,
                stream,
                start,
            } => {
                if self.open(call, leg, pair, stream, start).is_err() {
                    self.events.push(MediaEvent::Failed { leg });
                }
            }
            Order::Update { leg, stream } => {
                if let Some(party) = self.party(leg) {
                    party.agree(&stream);
                }
            }
            Order::Play {
                leg,
                id,
                audio,
                stops_at_key,
            } => {
                match self.party(leg).map(|party| party.leg.as_mut()) {
                    Some(Some(audible)) => audible.play(id, audio, stops_at_key),
                    // Nothing is agreed yet, so nobody can hear it: it has ended.
                    Some(None) => self.events.push(MediaEvent::Played { leg, id, whole: false }),
                    None => {}
                }
                self.report(leg);
            }
            Order::Hush { leg } => {
                if let Some(Some(audible)) = self.party(leg).map(|party| party.leg.as_mut()) {
                    audible.hush();
                }
                self.report(leg);
            }
            Order::Bridge { a, b } => self.bridge(a, b),
            Order::Unbridge { a, .. } => {
                if let Some(at) = self.legs.get(&a).copied() {
                    self.unbridge(at);
                }
            }
            Order::Record {
                leg,
                recording,
                call,
                tenant,
                consent,
            } => self.record(leg, recording, (call, tenant), consent),
            Order::StopRecord { recording } => {
                if let Some(at) = self.recordings.get(&recording).copied() {
                    self.stop_recording(at);
                }
            }
            Order::Clip {
                leg,
                recording,
                call,
                tenant,
                beep,
                longest,
                shortest,
                ends_after_silence,
            } => {
                let bounds = Bounds {
                    longest,
                    shortest,
                    ends_after_silence,
                };
                self.begin_clip(leg, recording, (call, tenant), beep, bounds);
            }
            Order::EndClip { leg } => {
                if let Some(at) = self.legs.get(&leg).copied() {
                    self.end_clip(at);
                }
            }
            Order::ListenForTones { leg } => {
                if let Some(Some(audible)) = self.party(leg).map(|party| party.leg.as_mut()) {
                    audible.listen_for_tones(true);
                }
            }
            Order::InfoDigit { leg, body } => {
                let now = Instant::now();
                if let Some(Some(audible)) = self.party(leg).map(|party| party.leg.as_mut()) {
                    audible.hear_info_digit(now, body.expose());
                }
                self.report(leg);
            }
            Order::SendDigits { leg, digits, how } => {
                if let Some(Some(audible)) = self.party(leg).map(|party| party.leg.as_mut()) {
                    audible.send_digits(&digits, how);
                }
            }
            Order::Close { leg } => self.close(leg),
            #[cfg(test)]
            Order::Break { .. } => panic!("as ordered"),
        }
    }

    fn open(
        &mut self,
        call: CallId,
        leg: LegId,
        pair: Pair,
        stream: Option<Box<Stream>>,
        start: LegStart,
    ) -> io::Result<()> {
        let at = self.free.pop().unwrap_or_else(|| {
            self.parties.push(None);
            u32::try_from(self.parties.len() - 1).unwrap_or(u32::MAX)
        });
        let watched = epoll::add(&self.epoll, &pair.rtp, token(at, false), epoll::EventFlags::IN)
            .and_then(|()| epoll::add(&self.epoll, &pair.rtcp, token(at, true), epoll::EventFlags::IN));
        if let Err(fault) = watched {
            self.free.push(at);
            return Err(fault.into());
        }
        let slots = &mut self.slots;
        let (slot, legs) = self.calls.entry(call).or_insert_with(|| (slots.place(), 0));
        *legs += 1;
        let slot = *slot;
        self.slots.join(slot, at);
        let mut party = Party {
            id: leg,
            call,
            slot,
            pair,
            start,
            leg: None,
            law: Law::Pcmu,
            pinned: false,
            quiet: 0,
            other: None,
            recording: None,
            clip: None,
            left_clips: false,
        };
        if let Some(stream) = stream {
            party.agree(&stream);
        }
        if let Some(place) = self.parties.get_mut(at as usize) {
            *place = Some(party);
        }
        self.legs.insert(leg, at);
        Ok(())
    }

    pub(super) fn close(&mut self, leg: LegId) {
        let Some(at) = self.legs.get(&leg).copied() else { return };
        self.unbridge(at);
        self.stop_recording(at);
        self.end_clip(at);
        self.report(leg);
        self.legs.remove(&leg);
        let Some(mut party) = self.parties.get_mut(at as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(at);
        self.slots.leave(party.slot, at);
        if let Some((slot, legs)) = self.calls.get_mut(&party.call) {
            *legs -= 1;
            if *legs == 0 {
                self.slots.vacate(*slot);
                self.calls.remove(&party.call);
            }
        }
        party.send_bye(&self.gauges);
        // Closing the sockets takes them out of the epoll set too.
        let quality = party.leg.as_ref().map_or_else(Quality::default, Leg::quality);
        if party.left_clips {
            self.tap.mark(Tap::Closed { leg, quality });
        } else {
            self.events.push(MediaEvent::Closed { leg, quality });
        }
    }

    fn bridge(&mut self, a: LegId, b: LegId) {
        let (Some(a), Some(b)) = (self.legs.get(&a).copied(), self.legs.get(&b).copied()) else {
            return;
        };
        if a == b {
            return;
        }
        self.unbridge(a);
        self.unbridge(b);
        for (at, other) in [(a, b), (b, a)] {
            if let Some(party) = party(&mut self.parties, at) {
                party.other = Some(other);
                if let Some(leg) = party.leg.as_mut() {
                    leg.hush();
                }
            }
        }
        self.bridges += 1;
    }

    /// Takes a party out of its bridge, and the other one with it.
    fn unbridge(&mut self, at: u32) {
        let Some(other) = party(&mut self.parties, at).and_then(|party| party.other.take()) else {
            return;
        };
        if let Some(other) = party(&mut self.parties, other) {
            other.other = None;
        }
        self.bridges -= 1;
    }

    fn record(&mut self, leg: LegId, recording: RecordingId, (call, tenant): (CallId, Tenant), consent: [u8; 32]) {
        let Some(at) = self.legs.get(&leg).copied() else {
            self.events.push(MediaEvent::RecordingFailed { recording });
            return;
        };
        self.stop_recording(at);
        let Some(party) = party(&mut self.parties, at) else {
            return;
        };
        let begin = Begin {
            recording,
            call,
            tenant,
            leg,
            law: party.law,
            kind: Kind::Call { consent },
        };
        let law = party.law;
        party.recording = Some(Recording {
            id: recording,
            law,
            so_far: Recorded::default(),
            echo: Box::new(Echo::new()),
        });
        self.recordings.insert(recording, at);
        self.tap.mark(Tap::Begin(Box::new(begin)));
    }

    pub(super) fn stop_recording(&mut self, at: u32) {
        let Some(recording) = party(&mut self.parties, at).and_then(|party| party.recording.take()) else {
            return;
        };
        self.recordings.remove(&recording.id);
        self.tap.mark(Tap::End {
            recording: recording.id,
            frames: recording.so_far.frames,
            heard: None,
        });
    }

    fn begin_clip(
        &mut self,
        leg: LegId,
        recording: RecordingId,
        (call, tenant): (CallId, Tenant),
        beep: Arc<[u8]>,
        bounds: Bounds,
    ) {
        let Some(at) = self.legs.get(&leg).copied() else { return };
        self.end_clip(at);
        let Some(party) = party(&mut self.parties, at) else {
            return;
        };
        let Some(audible) = party.leg.as_mut() else {
            self.events.push(MediaEvent::ClipEnded {
                leg,
                recording,
                heard: None,
            });
            return;
        };
        audible.play(BEEP, vec![beep], false);
        party.left_clips = true;
        party.clip = Some((recording, party.law, Clip::new(bounds), Recorded::default()));
        let begin = Begin {
            recording,
            call,
            tenant,
            leg,
            law: party.law,
            kind: Kind::Clip,
        };
        self.tap.mark(Tap::Begin(Box::new(begin)));
        self.report(leg);
    }

    /// Ends a clip; the recorder seals or discards it and reports.
    pub(super) fn end_clip(&mut self, at: u32) {
        let Some((recording, _, clip, so_far)) = party(&mut self.parties, at).and_then(|party| party.clip.take())
        else {
            return;
        };
        self.tap.mark(Tap::End {
            recording,
            frames: so_far.frames,
            heard: clip.heard(),
        });
    }
}
