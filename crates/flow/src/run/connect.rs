//! `connect to`, `transfer to`, and the bridge every way to a person ends in.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use phi::Phi;

use super::scene::Scene;
use super::{Do, Doing, Heard, Outcome, Turn, Why};
use crate::model::{Act, Show, Then};

/// How long a line rings when the flow does not say (§4).
pub(super) const RING_FOR: Duration = Duration::from_secs(30);
/// After the ringing time the world still has this long to tell us how it ended.
const ANSWER_GRACE: Duration = Duration::from_secs(10);
/// A bridge that the other side leaves sooner than this was no conversation: the caller takes the no-answer road, and
/// whoever runs the ladder begins it again (D3).
pub const TALKED_AT_LEAST: Duration = Duration::from_secs(10);
const TALKED: SignedDuration = SignedDuration::from_secs(TALKED_AT_LEAST.as_secs() as i64);

#[derive(Debug)]
pub(super) struct Connecting {
    to: String,
    until: Timestamp,
    /// `None`: the safety net.
    if_no_answer: Option<Then>,
}

pub(super) fn begin(
    scene: &mut Scene,
    to: &str,
    dial: &Phi<String>,
    ring_for: Duration,
    show: Show,
    if_no_answer: Option<Then>,
) -> Turn {
    scene.ahead.clear();
    scene.owed = None;
    scene.out.push_back(Do::Connect {
        to: to.to_owned(),
        dial: dial.clone(),
        ring_for,
        show,
    });
    let until = scene.after(ring_for.saturating_add(ANSWER_GRACE));
    Turn::Stay(Doing::Connecting(Connecting {
        to: to.to_owned(),
        until,
        if_no_answer,
    }))
}

impl Connecting {
    pub(super) fn hear(self, scene: &mut Scene, heard: Heard) -> Turn {
        match heard {
            Heard::Connected => Turn::Stay(Doing::Bridged(Bridged::with(scene, self.to, self.if_no_answer))),
            Heard::NotConnected => Self::nobody(self.if_no_answer),
            Heard::Time if scene.now >= self.until => Self::nobody(self.if_no_answer),
            _ => Turn::Stay(Doing::Connecting(self)),
        }
    }

    /// Who is rung.
    pub(super) fn to(&self) -> &str {
        &self.to
    }

    fn nobody(then: Option<Then>) -> Turn {
        match then {
            Some(Then::Section(section)) => Turn::To(section),
            Some(Then::Continue) => Turn::Next,
            None => Turn::Net(Why::DeadEnd),
        }
    }

    pub(super) fn due(&self) -> Timestamp {
        self.until
    }
}

/// Two people talking. Our leg stays, to recover the caller if the other side is lost at once.
#[derive(Debug)]
pub(super) struct Bridged {
    since: Timestamp,
    if_lost: Option<Then>,
    /// How the call stood before.
    before: Option<Outcome>,
}

/// Joins the caller with the person who accepted the running ladder.
pub(super) fn bridge(scene: &mut Scene, person: String) -> Turn {
    let if_lost = match scene
        .flow
        .step(scene.section, scene.next_step.saturating_sub(1))
        .map(|step| &step.act)
    {
        Some(Act::Escalate { if_no_one_accepts, .. }) => Some(*if_no_one_accepts),
        _ => None,
    };
    scene.ladder = None;
    scene.out.push_back(Do::Bridge);
    Turn::Stay(Doing::Bridged(Bridged::with(scene, person, if_lost)))
}

impl Bridged {
    fn with(scene: &mut Scene, to: String, if_lost: Option<Then>) -> Self {
        let before = scene.outcome.clone();
        scene.reach(Outcome::Connected { to });
        Self {
            since: scene.now,
            if_lost,
            before,
        }
    }

    pub(super) fn hear(self, scene: &mut Scene, heard: Heard) -> Turn {
        match heard {
            Heard::NotConnected if scene.now.duration_since(self.since) < TALKED => {
                // Lost before a word was possible: not connected after all.
                scene.outcome = self.before;
                Connecting::nobody(self.if_lost)
            }
            Heard::NotConnected => Turn::End,
            _ => Turn::Stay(Doing::Bridged(self)),
        }
    }
}
