//! What changed between two versions of a practice, in the words a clinician would use.
//!
//! Questions are compared as questions (added, removed, re-graded, narrowed), triage by where each level leads, everything
//! else by what the review copy would print. One thing to know: a *downgrade* is a change after which some caller gets less
//! than before; it never hides in a list, and it needs a second approver (P6).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::page::{Page, Row};
use super::read::{copy, protocols};
use super::wording::{self, section};
use crate::model::{Act, Flow, Level, Practice, Protocol, Question, SectionId};
use crate::words::Language;

/// Words two questions must share, of all their words, to be the same question reworded.
const ALIKE: f64 = 0.5;

/// Everything that changed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Difference {
    /// In the order a reader wants: protocols, then where levels lead, then sections, then the practice.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The protocol, section or part of the practice it is in.
    pub place: String,
    /// In words; lines below the first tell more.
    pub what: String,
    /// Some caller gets less than before.
    pub downgrade: bool,
    /// It is in a protocol or the safety net: two people sign (§11).
    pub clinical: bool,
}

impl Difference {
    /// The changes that are downgrades.
    pub fn downgrades(&self) -> usize {
        self.changes.iter().filter(|change| change.downgrade).count()
    }

    /// A protocol or the safety net changed, or something was downgraded: one signature is not enough.
    pub fn needs_two(&self) -> bool {
        self.changes.iter().any(|change| change.clinical || change.downgrade)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return f.write_str("Nothing that a caller could notice has changed.\n");
        }
        let mut place = "";
        for change in &self.changes {
            if place != change.place {
                place = &change.place;
                writeln!(f, "{place}")?;
            }
            let mark = if change.downgrade { "  DOWNGRADE  " } else { "  " };
            let mut lines = change.what.lines();
            writeln!(f, "{mark}{}", lines.next().unwrap_or_default())?;
            for line in lines {
                writeln!(f, "      {line}")?;
            }
        }
        match self.downgrades() {
            0 => Ok(()),
            1 => writeln!(f, "One change is a downgrade: it needs a second approver."),
            more => writeln!(f, "{more} changes are downgrades: they need a second approver."),
        }
    }
}

/// What changed from one version of a practice to the next.
pub fn diff(old: &Practice, new: &Practice) -> Difference {
    let mut changes = Changes(Vec::new());
    let (before, after) = (by_file(old), by_file(new));
    for (file, protocol) in protocols_of(old) {
        match protocols_of(new).get(&file) {
            Some(now) => changes.protocol(protocol, now),
            None => changes.add(title(protocol), "the whole protocol is no longer asked", true, true),
        }
    }
    for (file, protocol) in protocols_of(new) {
        if !protocols_of(old).contains_key(&file) {
            let count = protocol.questions.len();
            changes.add(
                title(protocol),
                format!("a new protocol of {count} questions"),
                false,
                true,
            );
        }
    }
    for (file, flow) in &before {
        match after.get(file) {
            Some(now) => changes.flow(old, flow, new, now),
            None => changes.add(flow.name.clone(), "the flow is gone; its line has no words", true, true),
        }
    }
    for (file, flow) in &after {
        if !before.contains_key(file) {
            let count = flow.sections.len();
            changes.add(
                flow.name.clone(),
                format!("a new flow of {count} sections"),
                false,
                true,
            );
        }
    }
    changes.practice(old, new);
    Difference { changes: changes.0 }
}

fn by_file(practice: &Practice) -> BTreeMap<&str, &Flow> {
    practice
        .flows
        .iter()
        .map(|flow| (flow.file.as_str(), flow.as_ref()))
        .collect()
}

fn protocols_of(practice: &Practice) -> BTreeMap<String, &Protocol> {
    practice
        .flows
        .iter()
        .flat_map(|flow| protocols(flow))
        .map(|protocol| (protocol.file.clone(), protocol))
        .collect()
}

fn title(protocol: &Protocol) -> String {
    format!("Protocol “{}”", protocol.name)
}

struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, place: impl Into<String>, what: impl Into<String>, downgrade: bool, clinical: bool) {
        self.0.push(Change {
            place: place.into(),
            what: what.into(),
            downgrade,
            clinical,
        });
    }

    fn protocol(&mut self, old: &Protocol, new: &Protocol) {
        let place = title(new);
        let mut left: Vec<&Question> = new.questions.iter().collect();
        let mut pairs: Vec<(&Question, Option<&Question>)> = Vec::new();
        // By id first, so that nothing reworded takes another question's place.
        for question in &old.questions {
            let at = left.iter().position(|now| now.id == question.id);
            pairs.push((question, at.map(|at| left.remove(at))));
        }
        for (question, found) in &mut pairs {
            if found.is_none() {
                let alike = left
                    .iter()
                    .enumerate()
                    .map(|(at, now)| (likeness(english(question), english(now)), at))
                    .filter(|(likeness, _)| *likeness >= ALIKE)
                    .max_by(|a, b| a.0.total_cmp(&b.0));
                *found = alike.map(|(_, at)| left.remove(at));
            }
        }
        for (was, is) in &pairs {
            match is {
                Some(is) => self.question(&place, was, is),
                None => self.add(
                    &*place,
                    format!(
                        "removed, was {}: {}\n“{}”",
                        was.level.name(),
                        gist(english(was)),
                        english(was)
                    ),
                    true,
                    true,
                ),
            }
        }
        for added in left {
            let what = format!(
                "added, {}: {}\n“{}”",
                added.level.name(),
                gist(english(added)),
                english(added)
            );
            self.add(&*place, what, false, true);
        }
        let order = |protocol: &Protocol| -> Vec<String> { protocol.questions.iter().map(|q| q.id.clone()).collect() };
        let both: BTreeSet<String> = order(old).into_iter().filter(|id| order(new).contains(id)).collect();
        let kept = |protocol: &Protocol| -> Vec<String> {
            order(protocol).into_iter().filter(|id| both.contains(id)).collect()
        };
        let same_levels = pairs.iter().all(|(was, is)| is.is_none_or(|is| is.level == was.level));
        if same_levels && kept(old) != kept(new) {
            self.add(
                &*place,
                "the questions of a level are asked in another order",
                false,
                true,
            );
        }
        if old.if_unclear != new.if_unclear {
            self.regrade(&place, "an unclear answer, or silence", old.if_unclear, new.if_unclear);
        }
        if old.if_every_answer_is_no != new.if_every_answer_is_no {
            self.regrade(
                &place,
                "every answer no",
                old.if_every_answer_is_no,
                new.if_every_answer_is_no,
            );
        }
        for (name, was, is) in [
            ("version", &old.version, &new.version),
            ("for", &old.meant_for, &new.meant_for),
            ("source", &old.source, &new.source),
        ] {
            if was != is {
                self.add(&*place, format!("{name}: {was} → {is}"), false, true);
            }
        }
        self.approval(&place, &old.approval, &new.approval);
    }

    fn question(&mut self, place: &str, was: &Question, is: &Question) {
        if was.level != is.level {
            let what = format!(
                "{}: {} → {}\n“{}”",
                gist(english(is)),
                was.level.name(),
                is.level.name(),
                english(is)
            );
            self.add(place, what, is.level > was.level, true);
        }
        if english(was) != english(is) {
            let what = format!("reworded ({}):\n- {}\n+ {}", is.level.name(), english(was), english(is));
            self.add(place, what, false, true);
        } else if was.words != is.words {
            self.add(
                place,
                format!("{}: translated otherwise", gist(english(is))),
                false,
                true,
            );
        }
        if was.only_if != is.only_if {
            let said = |question: &Question| {
                question.only_if.as_ref().map_or_else(
                    || "everybody".to_owned(),
                    |only_if| format!("only if {}", wording::condition(only_if)),
                )
            };
            // Asking everybody again takes nothing from anyone; any other change leaves somebody out.
            let narrower = is.only_if.is_some();
            self.add(
                place,
                format!("{}: asked of {} → {}", gist(english(is)), said(was), said(is)),
                narrower,
                true,
            );
        }
    }

    fn regrade(&mut self, place: &str, who: &str, was: Level, is: Level) {
        self.add(place, format!("{who}: {} → {}", was.name(), is.name()), is > was, true);
    }

    fn approval(&mut self, place: &str, old: &crate::model::Approval, new: &crate::model::Approval) {
        if old != new {
            self.add(
                place,
                format!(
                    "approval: {}, {}, review by {} → {}, {}, review by {}",
                    old.by, old.on, old.review_by, new.by, new.on, new.review_by
                ),
                false,
                false,
            );
        }
    }

    fn flow(&mut self, old_practice: &Practice, old: &Flow, new_practice: &Practice, new: &Flow) {
        self.leads(old, new);
        self.rules(old, new);
        let net = section(old, old.safety_net);
        let languages: BTreeSet<Language> = new.languages.iter().copied().collect();
        let pages = |practice: &Practice, flow: &Flow, language| -> Vec<Page> {
            copy(practice, flow, language, &|_| None).pages
        };
        let (was, is) = (
            pages(old_practice, old, Language::English),
            pages(new_practice, new, Language::English),
        );
        let sections = |pages: &[Page], flow: &Flow| -> BTreeMap<String, Page> {
            pages
                .iter()
                .take(flow.sections.len())
                .map(|page| (page.title.clone(), page.clone()))
                .collect()
        };
        let (was, is) = (sections(&was, old), sections(&is, new));
        for page in was.values().filter(|page| !is.contains_key(&page.title)) {
            self.add(format!("Section “{}”", page.title), "gone", false, page.title == net);
        }
        for page in is.values().filter(|page| !was.contains_key(&page.title)) {
            let rows = page
                .rows
                .iter()
                .map(|row| format!("\n+ {}: {}", row.label, row.text))
                .collect::<String>();
            self.add(
                format!("Section “{}”", page.title),
                format!("new{rows}"),
                false,
                page.title == net,
            );
        }
        for (name, page) in &was {
            if let Some(now) = is.get(name).filter(|now| *now != page) {
                self.add(
                    format!("Section “{name}”"),
                    rows(&page.rows, &now.rows),
                    false,
                    *name == net,
                );
            }
        }
        for language in languages.into_iter().filter(|language| *language != Language::English) {
            let (was_here, is_here) = (
                sections(&pages(old_practice, old, language), old),
                sections(&pages(new_practice, new, language), new),
            );
            for (name, page) in &was_here {
                // What English says already is not said again.
                let told = was.get(name) != is.get(name);
                if let Some(now) = is_here.get(name).filter(|now| *now != page && !told) {
                    let what = format!("in {}: {}", language.name(), rows(&page.rows, &now.rows));
                    self.add(format!("Section “{name}”"), what, false, *name == net);
                }
            }
        }
    }

    /// Where the levels of each triage lead, and where silence does.
    fn leads(&mut self, old: &Flow, new: &Flow) {
        let triages = |flow: &Flow| -> BTreeMap<(String, String), [SectionId; 4]> {
            let mut found = BTreeMap::new();
            for part in &flow.sections {
                for step in &part.steps {
                    if let Act::Triage {
                        protocol,
                        if_emergency,
                        if_urgent,
                        if_semi_urgent,
                        if_routine,
                    } = &step.act
                    {
                        found.insert(
                            (part.name.clone(), protocol.file.clone()),
                            [*if_emergency, *if_urgent, *if_semi_urgent, *if_routine],
                        );
                    }
                }
            }
            found
        };
        let now = triages(new);
        for (at, was) in triages(old) {
            let place = format!("Triage in “{}”", wording::heading(&at.0));
            let Some(is) = now.get(&at) else {
                self.add(place, "callers are no longer asked these questions here", true, true);
                continue;
            };
            let levels = [Level::Emergency, Level::Urgent, Level::SemiUrgent, Level::Routine];
            for ((level, was), is) in levels.iter().zip(was).zip(is) {
                self.lead(&place, level.name(), (old, was), (new, *is), true);
            }
        }
    }

    fn rules(&mut self, old: &Flow, new: &Flow) {
        let place = format!("Flow “{}”", new.name);
        let (was, is) = (&old.every_question, &new.every_question);
        self.lead(
            &place,
            "a question nobody answers",
            (old, was.then),
            (new, is.then),
            false,
        );
        match (was.press_zero, is.press_zero) {
            (Some(was), Some(is)) => self.lead(&place, "0", (old, was), (new, is), false),
            (Some(was), None) => self.add(&*place, format!("0: {} → nothing", section(old, was)), true, false),
            (None, Some(is)) => self.add(&*place, format!("0: nothing → {}", section(new, is)), false, false),
            (None, None) => {}
        }
        if (was.wait, was.ask_again) != (is.wait, is.ask_again) {
            self.add(
                &*place,
                format!(
                    "a question waits {} and is asked again {} → {} and {}",
                    wording::time(was.wait),
                    wording::times(u32::from(was.ask_again)),
                    wording::time(is.wait),
                    wording::times(u32::from(is.ask_again))
                ),
                false,
                false,
            );
        }
        if old.recording != new.recording {
            self.add(&*place, "whether calls may be recorded", false, true);
        }
        if (old.line.as_str(), &old.when) != (new.line.as_str(), &new.when) {
            let said = |flow: &Flow| format!("{}, {}", flow.line, wording::condition(&flow.when));
            self.add(&*place, format!("answers {} → {}", said(old), said(new)), false, false);
        }
        for language in old
            .languages
            .iter()
            .filter(|language| !new.languages.contains(language))
        {
            self.add(&*place, format!("{} is no longer spoken", language.name()), true, false);
        }
        for language in new
            .languages
            .iter()
            .filter(|language| !old.languages.contains(language))
        {
            self.add(&*place, format!("{} is spoken", language.name()), false, false);
        }
        if old.version != new.version {
            self.add(
                &*place,
                format!("version: {} → {}", old.version, new.version),
                false,
                false,
            );
        }
        self.approval(&place, &old.approval, &new.approval);
    }

    fn lead(&mut self, place: &str, who: &str, old: (&Flow, SectionId), new: (&Flow, SectionId), clinical: bool) {
        let (was, is) = (section(old.0, old.1), section(new.0, new.1));
        let (before, after) = (care(old.0, old.1), care(new.0, new.1));
        if was != is || before > after {
            let gets = |care: Care| match care {
                Care::Nothing => "",
                Care::Message => " (a message)",
                Care::Person => " (a person is rung)",
                Care::Directs => " (told to call 911)",
            };
            self.add(
                place,
                format!("{who}: {was}{} → {is}{}", gets(before), gets(after)),
                after < before,
                clinical,
            );
        }
    }

    fn practice(&mut self, old: &Practice, new: &Practice) {
        let place = "Practice file";
        for (name, was) in &old.ladders {
            match new.ladders.get(name) {
                None => self.add(place, format!("ladder {name} is gone"), true, false),
                Some(is) if is != was => self.add(
                    place,
                    format!(
                        "ladder {name}:\n- {}\n+ {}",
                        wording::ladder(old, name),
                        wording::ladder(new, name)
                    ),
                    is.rungs.len() < was.rungs.len(),
                    false,
                ),
                Some(_) => {}
            }
        }
        let told = |name: &str, changed: bool, changes: &mut Self| {
            if changed {
                changes.add(place, format!("{name} changed"), false, false);
            }
        };
        told("hours or closed days", old.hours != new.hours, self);
        told("people", old.people != new.people, self);
        told("who is on call", old.on_call != new.on_call, self);
        told("inboxes", old.inboxes != new.inboxes, self);
        told(
            "lines",
            (&old.lines, &old.outside_lines) != (&new.lines, &new.outside_lines),
            self,
        );
        told("how long things are kept", old.keep != new.keep, self);
    }
}

/// What a caller who is sent to a section gets for certain, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Care {
    Nothing,
    Message,
    Person,
    Directs,
}

/// The first thing on the straight way from a section; where callers choose for themselves, nothing is certain.
fn care(flow: &Flow, from: SectionId) -> Care {
    let mut seen = BTreeSet::new();
    let mut at = Some(from);
    while let Some(id) = at.take_if(|id| seen.insert(*id)) {
        for step in flow.sections.get(id.0).map_or(&[][..], |section| &section.steps) {
            match &step.act {
                _ if step.only_if.is_some() => {}
                Act::TellToCall911 => return Care::Directs,
                Act::Escalate { .. } | Act::Connect { .. } | Act::Transfer { .. } => return Care::Person,
                Act::TakeMessage(_) | Act::TakeRefill(_) | Act::RecordMessage { .. } => return Care::Message,
                Act::Menu(_) | Act::AskYesOrNo { .. } | Act::Triage { .. } => return Care::Nothing,
                Act::GoTo(to) => at = Some(*to),
                _ => {}
            }
        }
    }
    Care::Nothing
}

/// Rows that are only here, and rows that are only there.
fn rows(was: &[Row], is: &[Row]) -> String {
    let line = |mark: char, row: &Row| format!("{mark} {}: {}", row.label, row.text.replace('\n', " "));
    let gone = was.iter().filter(|row| !is.contains(row)).map(|row| line('-', row));
    let new = is.iter().filter(|row| !was.contains(row)).map(|row| line('+', row));
    let lines: Vec<String> = gone.chain(new).collect();
    if lines.is_empty() {
        return "its lines stand in another order".to_owned();
    }
    format!("changed:\n{}", lines.join("\n"))
}

fn english(question: &Question) -> &str {
    question.words.text(Language::English)
}

/// What a question is about, in the few words a clinician would use: `fever over 103`.
fn gist(question: &str) -> String {
    const LEADS: [&str; 15] = [
        "is there any ",
        "is there a ",
        "is there an ",
        "is there ",
        "are there ",
        "has the patient had ",
        "has the patient ",
        "is the patient ",
        "does the patient have ",
        "has the child had ",
        "has the child ",
        "is the child ",
        "is this ",
        "is the ",
        "has the ",
    ];
    let text = question.trim().trim_end_matches('?');
    let lower = text.to_lowercase();
    let lead = LEADS
        .iter()
        .find(|lead| lower.starts_with(**lead))
        .map_or(0, |lead| lead.len());
    let rest = text.get(lead..).unwrap_or(text);
    let end = rest
        .find(", ")
        .filter(|end| rest.get(..*end).is_some_and(|head| head.contains(' ')));
    end.and_then(|end| rest.get(..end)).unwrap_or(rest).to_owned()
}

/// The share of their words two questions have in common.
fn likeness(one: &str, other: &str) -> f64 {
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() > 2)
            .map(str::to_lowercase)
            .collect()
    };
    let (one, other) = (words(one), words(other));
    let all = one.union(&other).count();
    if all == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "words of a sentence")]
    let share = one.intersection(&other).count() as f64 / all as f64;
    share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::tests::{CEDAR_PROTOCOL, cedar, cedar_with, english_of, reworded};

    const PROTOCOL: &str = "adult-symptoms.protocol.yaml";

    fn changed(file: &str, from: &str, to: &str) -> Difference {
        diff(
            &english_of(PROTOCOL, CEDAR_PROTOCOL),
            &english_of(file, &reworded(file, from, to)),
        )
    }

    #[test]
    fn a_regraded_question_reads_as_a_clinician_says_it() {
        let fever = "  - Is there a fever over 103, or a fever with a stiff neck or a new rash?\n";
        let worse = "  - Is the problem getting worse since yesterday?\n";
        let text = CEDAR_PROTOCOL
            .replace(fever, "")
            .replace(worse, &format!("{worse}{fever}"));
        let found = diff(&english_of(PROTOCOL, CEDAR_PROTOCOL), &english_of(PROTOCOL, &text));
        assert_eq!(found.downgrades(), 1, "{found}");
        assert!(found.needs_two());
        assert!(
            found
                .to_string()
                .contains("DOWNGRADE  fever over 103: urgent → semi-urgent"),
            "{found}"
        );
        assert!(found.to_string().contains("needs a second approver"), "{found}");
    }

    #[test]
    fn questions_added_removed_and_reworded_are_told_apart() {
        let severe = "  - Is there severe pain, or vomiting that will not stop?\n";
        let found = changed(PROTOCOL, severe, "");
        assert_eq!(found.downgrades(), 1, "{found}");
        assert!(
            found.to_string().contains("removed, was urgent: severe pain"),
            "{found}"
        );
        let found = changed(
            PROTOCOL,
            severe,
            "  - Is there very severe pain, or vomiting that will not stop?\n",
        );
        assert_eq!(found.downgrades(), 0, "{found}");
        assert!(found.needs_two());
        assert!(found.to_string().contains("reworded (urgent)"), "{found}");
        let found = changed(
            PROTOCOL,
            severe,
            &format!("{severe}  - Is there a hard swollen calf?\n"),
        );
        assert_eq!(found.downgrades(), 0, "{found}");
        assert!(
            found.to_string().contains("added, urgent: hard swollen calf"),
            "{found}"
        );
    }

    #[test]
    fn a_level_that_leads_to_a_message_instead_of_a_person_is_a_downgrade() {
        // Urgent itself cannot: the checker refuses such a flow (V002).
        let was = reworded(
            "after-hours.flow.yaml",
            "if semi-urgent: nurse message",
            "if semi-urgent: reach the doctor",
        );
        let found = diff(
            &english_of("after-hours.flow.yaml", &was),
            &english_of(PROTOCOL, CEDAR_PROTOCOL),
        );
        assert_eq!(found.downgrades(), 1, "{found}");
        assert!(
            found
                .to_string()
                .contains("semi-urgent: Reach the doctor (a person is rung) → Nurse message (a message)"),
            "{found}"
        );
    }

    #[test]
    fn words_are_shown_as_they_were_and_as_they_are() {
        let found = changed(
            "after-hours.flow.yaml",
            "say: Thank you. Goodbye.",
            "say: Thank you. Good night.",
        );
        assert_eq!((found.downgrades(), found.needs_two()), (0, false), "{found}");
        let text = found.to_string();
        assert!(text.contains("- The caller hears: Thank you. Goodbye."), "{text}");
        assert!(text.contains("+ The caller hears: Thank you. Good night."), "{text}");
        let spanish = cedar_with("after-hours.es.yaml", "resurtir una receta", "pedir una receta");
        let found = diff(&cedar(), &spanish);
        assert!(found.to_string().contains("in Spanish"), "{found}");
    }

    #[test]
    fn the_safety_net_needs_two_and_a_comment_nobody() {
        let found = changed("after-hours.flow.yaml", "up to 3 minutes", "up to 2 minutes");
        assert!(found.needs_two(), "{found}");
        assert_eq!(
            changed("after-hours.flow.yaml", "# hang up and dial 911; never skippable", "").changes,
            []
        );
        let same = diff(&cedar(), &cedar());
        assert_eq!(same.to_string(), "Nothing that a caller could notice has changed.\n");
    }

    #[test]
    fn the_gist_of_a_question() {
        assert_eq!(
            gist("Is there chest pain or pressure, or trouble breathing?"),
            "chest pain or pressure"
        );
        assert_eq!(
            gist("Has the patient passed out, had a seizure, or become very confused?"),
            "passed out"
        );
        assert_eq!(
            gist("Is this a question about a medicine?"),
            "a question about a medicine"
        );
    }
}
