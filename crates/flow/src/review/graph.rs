//! The flow as a picture: Mermaid, DOT, or an SVG drawn here, without another program (§14).
//!
//! Sections are boxes. Their colour is the gravest disposition that can follow; a red ring tells the caller to call 911, a
//! double ring rings a person; a dashed line is taken when nobody answers. What every question shares (silence, 0) would
//! be a line from each box to one other, so it is said once, below the picture, and not drawn.

mod layout;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::page::escaped;
use super::wording;
use crate::model::{Act, Flow, Level, SectionId, Step, Then};

/// A flow as boxes and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The flow's name.
    pub title: String,
    /// Every section but the safety net, in the order written.
    pub boxes: Vec<Section>,
    /// From box to box.
    pub lines: Vec<Line>,
    /// What every question does.
    pub note: String,
}

/// One box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The section's name.
    pub name: String,
    /// What happens in it that a glance must show.
    pub kind: Kind,
    /// The gravest disposition that can follow; `None` when triage is nowhere ahead.
    pub worst: Option<Level>,
}

/// What a box is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tells the caller to call 911.
    Directs,
    /// Rings a person.
    Person,
    /// Takes a message.
    Message,
    /// Anything else.
    Words,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Index of the box it leaves.
    pub from: usize,
    /// Index of the box it reaches.
    pub to: usize,
    /// The key, or what happened.
    pub label: String,
    /// Taken when nobody answers.
    pub dashed: bool,
}

impl Graph {
    /// The picture of a flow.
    pub fn new(flow: &Flow) -> Self {
        let shown: Vec<SectionId> = (0..flow.sections.len())
            .map(SectionId)
            .filter(|id| *id != flow.safety_net)
            .collect();
        let place: BTreeMap<SectionId, usize> = shown.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut lines: Vec<Line> = Vec::new();
        for (from, id) in shown.iter().enumerate() {
            for (target, label, dashed) in ways(flow, *id) {
                let Some(&to) = place.get(&target) else { continue };
                // Two keys that lead to one box are one line, under the first label.
                if !lines.iter().any(|line| line.from == from && line.to == to) {
                    lines.push(Line {
                        from,
                        to,
                        label,
                        dashed,
                    });
                }
            }
        }
        let boxes = shown
            .iter()
            .map(|id| Section {
                name: flow.section(*id).name.clone(),
                kind: kind(&flow.section(*id).steps),
                worst: worst(flow, *id),
            })
            .collect();
        Self {
            title: flow.name.clone(),
            boxes,
            lines,
            note: note(flow),
        }
    }

    /// For Markdown pages and wikis.
    pub fn to_mermaid(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        for (at, section) in self.boxes.iter().enumerate() {
            let name = quoted(&section.name);
            let _ = match section.kind {
                Kind::Directs => writeln!(out, "  n{at}{{{{{name}}}}}"),
                Kind::Person => writeln!(out, "  n{at}([{name}])"),
                Kind::Message => writeln!(out, "  n{at}[/{name}/]"),
                Kind::Words => writeln!(out, "  n{at}[{name}]"),
            };
        }
        for line in &self.lines {
            let arrow = if line.dashed { "-.->" } else { "-->" };
            let label = if line.label.is_empty() {
                String::new()
            } else {
                format!("|{}|", line.label)
            };
            let _ = writeln!(out, "  n{} {arrow}{label} n{}", line.from, line.to);
        }
        for level in LEVELS {
            let of: Vec<String> = self.of(Some(level)).map(|at| format!("n{at}")).collect();
            if !of.is_empty() {
                let class = level.name().replace('-', "");
                let (fill, _) = colours(Some(level));
                let _ = writeln!(
                    out,
                    "  classDef {class} fill:{fill},stroke:#555\n  class {} {class}",
                    of.join(",")
                );
            }
        }
        for (at, _) in self
            .boxes
            .iter()
            .enumerate()
            .filter(|(_, section)| section.kind == Kind::Directs)
        {
            let _ = writeln!(out, "  style n{at} stroke:#c00,stroke-width:3px");
        }
        out
    }

    /// For Graphviz.
    pub fn to_dot(&self) -> String {
        let mut out = format!(
            "digraph flow {{\n  rankdir=LR; label={:?}; labelloc=b; node [shape=box, style=\"rounded,filled\", fontname=Helvetica];\n",
            self.note
        );
        for (at, section) in self.boxes.iter().enumerate() {
            let (fill, _) = colours(section.worst);
            let ring = match section.kind {
                Kind::Directs => ", color=\"#cc0000\", penwidth=3",
                Kind::Person => ", peripheries=2",
                Kind::Message | Kind::Words => "",
            };
            let _ = writeln!(out, "  n{at} [label={:?}, fillcolor=\"{fill}\"{ring}];", section.name);
        }
        for line in &self.lines {
            let dashed = if line.dashed { ", style=dashed" } else { "" };
            let _ = writeln!(
                out,
                "  n{} -> n{} [label={:?}{dashed}];",
                line.from, line.to, line.label
            );
        }
        out.push_str("}\n");
        out
    }

    /// A picture by itself.
    pub fn to_svg(&self) -> String {
        layout::svg(self)
    }

    fn of(&self, level: Option<Level>) -> impl Iterator<Item = usize> + '_ {
        self.boxes
            .iter()
            .enumerate()
            .filter(move |(_, section)| section.worst == level)
            .map(|(at, _)| at)
    }
}

const LEVELS: [Level; 4] = [Level::Emergency, Level::Urgent, Level::SemiUrgent, Level::Routine];

/// Fill, and what the legend calls it.
fn colours(worst: Option<Level>) -> (&'static str, &'static str) {
    match worst {
        Some(Level::Emergency) => ("#fbd5d0", "emergency can follow"),
        Some(Level::Urgent) => ("#fde3bf", "urgent at worst"),
        Some(Level::SemiUrgent) => ("#fdf6c4", "semi-urgent at worst"),
        Some(Level::Routine) => ("#d8efd3", "routine at worst"),
        None => ("#eceff1", "no triage ahead"),
    }
}

/// Mermaid takes words as they are, unless they hold what it draws with.
fn quoted(name: &str) -> String {
    if name.chars().all(|c| c.is_alphanumeric() || " -'.,".contains(c)) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "#quot;"))
    }
}

fn kind(steps: &[Step]) -> Kind {
    let has = |wanted: fn(&Act) -> bool| steps.iter().any(|step| wanted(&step.act));
    if has(|act| matches!(act, Act::TellToCall911)) {
        Kind::Directs
    } else if has(|act| matches!(act, Act::Escalate { .. } | Act::Connect { .. } | Act::Transfer { .. })) {
        Kind::Person
    } else if has(|act| {
        matches!(
            act,
            Act::TakeMessage(_) | Act::TakeRefill(_) | Act::RecordMessage { .. }
        )
    }) {
        Kind::Message
    } else {
        Kind::Words
    }
}

/// Where a section's own steps lead, with what makes a caller go there.
fn ways(flow: &Flow, id: SectionId) -> Vec<(SectionId, String, bool)> {
    let mut out = Vec::new();
    for step in &flow.section(id).steps {
        let mut way = |to: SectionId, label: &str, dashed: bool| out.push((to, label.to_owned(), dashed));
        let nobody = |then: Then, label: &str, way: &mut dyn FnMut(SectionId, &str, bool)| {
            if let Then::Section(to) = then {
                way(to, label, true);
            }
        };
        match &step.act {
            Act::GoTo(to) => {
                let label = step.only_if.as_ref().map(wording::condition).unwrap_or_default();
                way(*to, &label, false);
            }
            Act::Menu(menu) => {
                for choice in &menu.choices {
                    if let Some(to) = choice.go_to {
                        way(to, &choice.key.to_string(), false);
                    }
                }
                if let Some(to) = menu.if_no_answer {
                    way(to, "no answer", true);
                }
            }
            Act::AskYesOrNo {
                if_yes,
                if_no,
                if_no_answer,
                ..
            } => {
                way(*if_yes, "yes", false);
                way(*if_no, "no", false);
                if let Some(to) = if_no_answer {
                    way(*to, "no answer", true);
                }
            }
            Act::Ask {
                if_no_answer: Some(to), ..
            } => way(*to, "no answer", true),
            Act::Triage {
                if_emergency,
                if_urgent,
                if_semi_urgent,
                if_routine,
                ..
            } => {
                for level in LEVELS {
                    let to = level.choose(*if_emergency, *if_urgent, *if_semi_urgent, *if_routine);
                    way(to, level.name(), false);
                }
            }
            Act::FindPatient { if_not_found, .. } => way(*if_not_found, "not found", false),
            Act::OfferAppointments {
                if_nothing_fits,
                if_records_are_down,
                ..
            } => {
                if let Some(to) = if_nothing_fits {
                    way(*to, "nothing fits", false);
                }
                way(*if_records_are_down, "records down", false);
            }
            Act::Escalate {
                or_press,
                if_no_one_accepts,
                ..
            } => {
                if let Some(choice) = or_press
                    && let Some(to) = choice.go_to
                {
                    way(to, &choice.key.to_string(), false);
                }
                nobody(*if_no_one_accepts, "no one accepts", &mut way);
            }
            Act::Connect { if_no_answer, .. } => nobody(*if_no_answer, "no answer", &mut way),
            _ => {}
        }
    }
    out
}

/// The gravest level that some triage ahead can find, or that triage before decided when it led here.
fn worst(flow: &Flow, id: SectionId) -> Option<Level> {
    let mut seen = BTreeSet::new();
    let mut left = vec![id];
    let mut worst: Option<Level> = None;
    let grave = |level: Level, worst: &mut Option<Level>| *worst = Some(worst.map_or(level, |known| known.min(level)));
    while let Some(id) = left.pop() {
        if !seen.insert(id) {
            continue;
        }
        for step in &flow.section(id).steps {
            match &step.act {
                Act::TellToCall911 => grave(Level::Emergency, &mut worst),
                Act::Escalate { .. } | Act::Connect { .. } | Act::Transfer { .. } => grave(Level::Urgent, &mut worst),
                Act::TakeMessage(_) | Act::TakeRefill(_) | Act::RecordMessage { .. } => {
                    grave(sent_here(flow, id).unwrap_or(Level::Routine), &mut worst);
                }
                _ => {}
            }
        }
        left.extend(ways(flow, id).into_iter().map(|(to, ..)| to));
    }
    worst
}

/// The gravest level whose callers some triage sends to this section.
fn sent_here(flow: &Flow, id: SectionId) -> Option<Level> {
    let steps = flow.sections.iter().flat_map(|section| &section.steps);
    steps
        .filter_map(|step| match &step.act {
            Act::Triage {
                if_emergency,
                if_urgent,
                if_semi_urgent,
                if_routine,
                ..
            } => LEVELS
                .into_iter()
                .find(|level| level.choose(*if_emergency, *if_urgent, *if_semi_urgent, *if_routine) == id),
            _ => None,
        })
        .min()
}

fn note(flow: &Flow) -> String {
    let rule = &flow.every_question;
    let zero = rule.press_zero.map_or_else(String::new, |to| {
        format!(" 0 leads to {} from every question.", flow.section(to).name)
    });
    format!(
        "A question nobody answers leads to {}, unless a dashed line says otherwise.{zero}",
        flow.section(rule.then).name
    )
}

#[cfg(test)]
mod tests;
