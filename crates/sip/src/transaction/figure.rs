//! Prints a machine's edges, so that a reviewer can lay them beside the RFC's figure.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{Act, Outbox};

/// The edges gathered so far.
pub(super) struct Figure {
    epoch: Instant,
    lines: Vec<[String; 4]>,
}

impl Figure {
    /// `epoch` is the instant at which every state of the figure was entered.
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            lines: Vec::new(),
        }
    }

    /// Any instant: figures print distances only.
    #[allow(
        clippy::disallowed_methods,
        reason = "an Instant can only be had from the clock; its value is not used"
    )]
    pub(super) fn epoch() -> Instant {
        Instant::now()
    }

    /// The edge into the first state.
    pub(super) fn start(&mut self, to: &str, start: impl FnOnce(&mut Outbox<&'static str>)) {
        let mut out = Outbox::default();
        start(&mut out);
        self.lines.push(["·".into(), "start".into(), to.into(), acts(out)]);
    }

    /// One edge; one that changes nothing and does nothing is what the figure leaves out.
    pub(super) fn edge(&mut self, from: &str, label: &str, step: impl FnOnce(&mut Outbox<&'static str>) -> String) {
        let mut out = Outbox::default();
        let to = step(&mut out);
        let acts = acts(out);
        if from != to || acts != "[]" {
            self.lines.push([from.into(), label.into(), to, acts]);
        }
    }

    /// What the clock alone does to a state until it leaves it, in seconds since it was entered.
    pub(super) fn times<S>(
        &mut self,
        mut state: S,
        name: impl Fn(&S) -> String,
        timeout: impl Fn(&S) -> Option<Instant>,
        step: impl Fn(S, Instant, &mut Outbox<&'static str>) -> S,
    ) {
        let from = name(&state);
        let mut repeated: Option<(Vec<String>, String)> = None;
        while let Some(at) = timeout(&state) {
            let mut out = Outbox::default();
            state = step(state, at, &mut out);
            let (to, acts) = (name(&state), acts(out));
            let after = seconds(at.saturating_duration_since(self.epoch));
            if to == from {
                repeated.get_or_insert_with(|| (Vec::new(), acts)).0.push(after);
                continue;
            }
            if let Some((times, acts)) = repeated {
                self.lines
                    .push([from.clone(), format!("at {}", times.join(" ")), from.clone(), acts]);
            }
            self.lines.push([from, format!("at {after}"), to, acts]);
            return;
        }
    }

    pub(super) fn print(&self) -> String {
        let widest = |part: usize| {
            self.lines
                .iter()
                .map(|line| line[part].chars().count())
                .max()
                .unwrap_or(0)
        };
        let (from_width, label_width, to_width) = (widest(0), widest(1), widest(2));
        let mut print = String::new();
        for [from, label, to, acts] in &self.lines {
            let _ = writeln!(
                print,
                "{from:<from_width$} --{label:-<label_width$}--> {to:<to_width$} {acts}"
            );
        }
        print
    }
}

fn acts(out: Outbox<&'static str>) -> String {
    let acts: Vec<String> = out
        .take()
        .iter()
        .map(|act| match act {
            Act::Transmit(message) => format!("transmit {message}"),
            Act::Pass => "pass to user".into(),
            Act::TimedOut => "tell timeout".into(),
            Act::TransportFailed => "tell transport failure".into(),
        })
        .collect();
    format!("[{}]", acts.join(", "))
}

fn seconds(duration: Duration) -> String {
    format!("{}", duration.as_secs_f64())
}

/// Defines `name(&state)` for a figure.
macro_rules! named {
    ($machine:ident { $($state:ident),* $(,)? }) => {
        fn name(state: &$machine<&'static str>) -> String {
            match state { $($machine::$state { .. } => stringify!($state).to_owned(),)* }
        }
    };
}
pub(super) use named;
