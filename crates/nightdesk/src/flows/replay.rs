//! `nightdesk flow replay`: the calls of the last weeks through a draft: which would have ended elsewhere.
//!
//! It reads the book like `calls list` does, and leaves a row first. What it prints is call ids, times, names of sections,
//! questions of the flow and grades: nothing anybody said or typed is read out of the facts at all (`switchboard::replay`).

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use flow::Practice;
use flow::rehearse::{Past, Replayed, Verdict, completed, replay};
use jiff::{SignedDuration, Timestamp};
use switchboard::CallId;
use switchboard::replay::Record;

use super::release::{House, printed, with_people};
use super::{Failure, Format, Source, out, practice, source};
use crate::archive::Archive;

/// Exit status when a call would end elsewhere, or its caller be asked something new.
const CALLS_CHANGE: u8 = 4;
/// Calls replayed at once; of more the newest.
const CALLS_MAX: usize = 100_000;
/// Calls named one by one; the rest is in `--format json`.
const LISTED_MAX: usize = 200;
/// Calls named of each group that is told together.
const EXAMPLES: usize = 3;
/// As long as messages are kept.
const DAYS_MAX: u32 = 3_660;
/// Calls answered by the stand-in have no release to go by.
const NO_RELEASE: &str = "it heard the emergency notice alone: no release was in force";

/// `flow replay`
#[derive(Args)]
#[command(
    after_help = "Exit status: 0 when no call changes, 4 when one would end elsewhere or be asked something new.\nExample: nightdesk flow replay practices/cedar --last 90d --config nightdesk.yaml"
)]
pub(crate) struct Replay {
    /// The draft: the practice's folder as somebody edits it
    folder: PathBuf,
    /// The engine's configuration
    #[arg(long)]
    config: PathBuf,
    /// How far back, in days or weeks: 90d, 12w
    #[arg(long, default_value = "90d")]
    last: String,
    /// For people or for programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// One call, replayed.
struct Call {
    id: CallId,
    began: Timestamp,
    replayed: Replayed,
}

/// Replays what stands in the book.
pub(crate) fn run(command: &Replay) -> Result<(), Failure> {
    let days = days(&command.last).ok_or_else(|| {
        Failure::new(
            format!("`{}` is no length of time to look back", command.last),
            format!("write days or weeks, {DAYS_MAX} days at most: --last 90d, --last 12w"),
        )
    })?;
    let house = House::of(&command.config, &command.folder)?;
    let draft = source(&command.folder)?;
    let new = practice(&draft, &command.folder)?;
    let fingerprint = printed(&draft.files)?;
    house.may("flow replay", &new.name, &fingerprint)?;
    let since = Timestamp::now()
        .checked_sub(SignedDuration::from_hours(i64::from(days) * 24))
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let (records, dropped) = records(&house, &new, since)?;
    let mut versions = Versions {
        house: &house,
        draft: &draft,
        new: &new,
        fingerprint,
        known: BTreeMap::new(),
    };
    let calls: Vec<Call> = records
        .into_iter()
        .map(|(id, record)| Call {
            id,
            began: record.past.began,
            replayed: versions.replay(record),
        })
        .collect();
    match command.format {
        Format::Json => calls.iter().for_each(|call| out!("{}", json(call))),
        Format::Text => told(&calls, &new, days, dropped),
    }
    let changed = |call: &&Call| {
        matches!(
            call.replayed.verdict,
            Verdict::Elsewhere { .. } | Verdict::AskedNew { .. }
        )
    };
    match calls.iter().filter(changed).count() {
        0 => Ok(()),
        changed => Err(Failure::new(
            format!("{changed} of {} calls would go differently", calls.len()),
            "look at each (`nightdesk calls show ID`), and release the draft only if that is what you mean; nothing was changed",
        )
        .with_status(CALLS_CHANGE)),
    }
}

/// `90d`, `12w`
fn days(text: &str) -> Option<u32> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let count: u32 = text.strip_suffix(unit)?.trim().parse().ok()?;
    let days = match unit {
        'd' => count,
        'w' => count.checked_mul(7)?,
        _ => return None,
    };
    (1..=DAYS_MAX).contains(&days).then_some(days)
}

/// Every ended call of this practice since then, in the order in which they began, and how many older ones had no room.
fn records(house: &House, new: &Practice, since: Timestamp) -> Result<(Vec<(CallId, Record)>, usize), Failure> {
    let served = house.served_practice();
    let ours = |name: &str| name == new.name || served.as_ref().is_some_and(|practice| practice.name == name);
    let mut order = VecDeque::new();
    let mut open: BTreeMap<CallId, Record> = BTreeMap::new();
    let mut dropped = 0;
    Archive::new(house.settings()).each_fact(|stamped| {
        let Some(call) = stamped.call else { return };
        if let Some(record) = open.get_mut(&call) {
            record.add(&stamped.fact);
        } else if stamped.at >= since
            && let Some(record) = Record::begin(&stamped).filter(|record| ours(&record.practice))
        {
            order.push_back(call);
            open.insert(call, record);
            if order.len() > CALLS_MAX
                && let Some(oldest) = order.pop_front()
            {
                open.remove(&oldest);
                dropped += 1;
            }
        }
    })?;
    let ended = order
        .into_iter()
        .filter_map(|call| Some((call, open.remove(&call)?)))
        .filter(|(_, record)| !record.past.outcome.is_empty());
    Ok((ended.collect(), dropped))
}

/// The versions that callers heard, each compiled once.
struct Versions<'a> {
    house: &'a House,
    draft: &'a Source,
    new: &'a Arc<Practice>,
    fingerprint: String,
    known: BTreeMap<String, Option<Arc<Practice>>>,
}

impl Versions<'_> {
    fn replay(&mut self, record: Record) -> Replayed {
        let untold = |past: &Past, why: &str| Replayed {
            was: past.end(),
            is: past.end(),
            verdict: Verdict::Untold { why: why.to_owned() },
            parting: None,
            new_questions: Vec::new(),
        };
        if record.release.bytes().all(|digit| digit == b'0') {
            return untold(&record.past, NO_RELEASE);
        }
        if !record.whole {
            return untold(&record.past, "the engine was stopped in the middle of it");
        }
        let Some(own) = self.own(&record.release) else {
            let replayed = replay(self.new, &record.past);
            return match replayed.verdict {
                Verdict::AskedNew { stops_at: Some(_) } if !record.tells_choices() => untold(
                    &record.past,
                    "its record is older than choices are kept, and the release it heard is not on this disk",
                ),
                _ => replayed,
            };
        };
        match completed(&own, &record.past) {
            Some(past) => replay(self.new, &past),
            // What was broken in it, it says itself.
            None => match replay(&own, &record.past).verdict {
                Verdict::Untold { why } => untold(&record.past, &why),
                _ => untold(
                    &record.past,
                    "its record does not lead through the release it heard (hours or people may have changed since)",
                ),
            },
        }
    }

    /// What the caller of a call heard, when it is still here.
    fn own(&mut self, fingerprint: &str) -> Option<Arc<Practice>> {
        if fingerprint == self.fingerprint {
            return Some(self.new.clone());
        }
        if !self.known.contains_key(fingerprint) {
            let released = self.house.bundle(fingerprint);
            let released = released.and_then(|bundle| with_people(&bundle, &self.draft.files));
            // A lab has no releases; what its folder says now may still be what was heard.
            let found = released.or_else(|| {
                let served = self.house.served_practice()?;
                (seal::keys::hex(&served.fingerprint()) == fingerprint).then_some(served)
            });
            self.known.insert(fingerprint.to_owned(), found);
        }
        self.known.get(fingerprint).cloned().flatten()
    }
}

fn told(calls: &[Call], new: &Practice, days: u32, dropped: usize) {
    if calls.is_empty() {
        out!("no call of {} in the last {days} days", new.name);
        return;
    }
    let count = |wanted: fn(&Verdict) -> bool| calls.iter().filter(|call| wanted(&call.replayed.verdict)).count();
    let before = count(|verdict| matches!(verdict, Verdict::AsBefore { .. }));
    let another_way = count(|verdict| matches!(verdict, Verdict::AsBefore { another_way: true }));
    let elsewhere = count(|verdict| matches!(verdict, Verdict::Elsewhere { .. }));
    let less = count(|verdict| matches!(verdict, Verdict::Elsewhere { less: true }));
    let asked = count(|verdict| matches!(verdict, Verdict::AskedNew { .. }));
    let untold = count(|verdict| matches!(verdict, Verdict::Untold { .. }));
    let mut line = format!(
        "{} calls of {} in the last {days} days: {before} end as before, {elsewhere} end elsewhere",
        calls.len(),
        new.name
    );
    if less > 0 {
        line.push_str(&format!(" ({less} with less help than before)"));
    }
    if asked > 0 {
        line.push_str(&format!(", {asked} would be asked something new"));
    }
    if untold > 0 {
        line.push_str(&format!(", {untold} cannot be told"));
    }
    out!("{line}");
    if dropped > 0 {
        out!("{dropped} older calls are left out: {CALLS_MAX} are replayed at once; look back less far");
    }
    // Who would be helped less comes first.
    let mut parted: Vec<(&Call, bool)> = calls
        .iter()
        .filter_map(|call| match call.replayed.verdict {
            Verdict::Elsewhere { less } => Some((call, less)),
            _ => None,
        })
        .collect();
    parted.sort_by_key(|(_, less)| !less);
    for (call, less) in parted.iter().take(LISTED_MAX) {
        out!("");
        out!(
            "{}  {}  {}  {} → {}",
            if *less { "LESS" } else { "    " },
            call.id,
            local(call.began, new),
            call.replayed.was,
            call.replayed.is
        );
        if let Some(parting) = &call.replayed.parting {
            out!("      {parting}");
        }
        if let (Some(was), Some(is)) = (call.replayed.was.language, call.replayed.is.language)
            && was != is
        {
            out!("      spoken to in {is}; they had chosen {was}");
        }
        if let [first, rest @ ..] = call.replayed.new_questions.as_slice() {
            let more = match rest.len() {
                0 => String::new(),
                more => format!(" or to one of {more} more questions"),
            };
            out!("      unless they say yes to “{first}”{more}, which they were not asked");
        }
    }
    if parted.len() > LISTED_MAX {
        out!("and {} more: --format json names each", parted.len() - LISTED_MAX);
    }
    let mut groups: BTreeMap<String, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        let what = match &call.replayed.verdict {
            Verdict::AsBefore { another_way: true } => match &call.replayed.parting {
                Some(parting) => format!("end as before by another way: {parting}"),
                None => continue,
            },
            Verdict::AskedNew { stops_at: Some(at) } => format!("would be asked {at}; how they go on cannot be told"),
            Verdict::AskedNew { stops_at: None } => {
                let questions: Vec<String> = call
                    .replayed
                    .new_questions
                    .iter()
                    .map(|question| format!("“{question}”"))
                    .collect();
                format!(
                    "would be asked {} too, and end as before unless the answer is yes",
                    questions.join(", ")
                )
            }
            Verdict::Untold { why } => format!("cannot be told: {why}"),
            Verdict::AsBefore { .. } | Verdict::Elsewhere { .. } => continue,
        };
        groups.entry(what).or_default().push(call);
    }
    for (what, calls) in &groups {
        let examples: Vec<String> = calls.iter().take(EXAMPLES).map(|call| call.id.to_string()).collect();
        let more = if calls.len() > EXAMPLES { ", …" } else { "" };
        out!("");
        out!("{} {what}", calls.len());
        out!("      {}{more}", examples.join(", "));
    }
    if another_way > 0 && elsewhere + asked == 0 {
        out!("");
        out!("nobody would end elsewhere");
    }
}

fn local(at: Timestamp, practice: &Practice) -> String {
    let at = at.to_zoned(practice.time_zone.clone());
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn json(call: &Call) -> serde_json::Value {
    let Replayed {
        was,
        is,
        verdict,
        parting,
        new_questions,
    } = &call.replayed;
    let (word, why) = match verdict {
        Verdict::AsBefore { another_way: false } => ("as before", None),
        Verdict::AsBefore { another_way: true } => ("as before by another way", None),
        Verdict::Elsewhere { less: false } => ("elsewhere", None),
        Verdict::Elsewhere { less: true } => ("elsewhere with less help", None),
        Verdict::AskedNew { stops_at } => ("asked something new", stops_at.clone()),
        Verdict::Untold { why } => ("cannot be told", Some(why.clone())),
    };
    serde_json::json!({
        "call": call.id.to_string(),
        "began": call.began.to_string(),
        "verdict": word,
        "why": why,
        "was": was.to_string(),
        "would be": is.to_string(),
        "parts": parting.as_ref().map(ToString::to_string),
        "not asked then": new_questions,
    })
}

#[cfg(test)]
mod tests {
    use super::days;

    #[test]
    fn a_look_back_is_days_or_weeks() {
        assert_eq!(days("90d"), Some(90));
        assert_eq!(days("12w"), Some(84));
        for wrong in ["", "d", "0d", "90", "-3d", "3 months", "4000d", "99999999999w", "日"] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }
}
