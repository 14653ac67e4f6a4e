//! The end of a practice here: what stands in the way of destroying it, and its destruction by two people (RET-04, RET-05).
//!
//! Its keys of sound, messages, keys pressed and calls go, those of the months ahead too, and the shares of its files. Who
//! did what is kept for six years by law, holds nothing of a patient, and goes when its time is over.

use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp};
use office::agreement::{Filed, With};
use seal::{Month, Tenant};

use super::store::{Asked, What};
use super::{By, Room, change, plan, see};
use crate::{Failure, Who, keys, out};

/// The second person follows within a day, or the first asks again.
const ASKED_FOR: SignedDuration = SignedDuration::from_hours(24);
const TWO: &str = "a second owner runs the same command within a day";

/// What the office says of the contract.
struct Contract {
    /// In words.
    said: String,
    /// The first day without an agreement.
    ended: Option<Date>,
}

/// `nightdesk tenant report`
pub(crate) fn report(config: &std::path::Path, practice: &str) -> Result<(), Failure> {
    let mut room = see(config, "tenant report")?;
    room.stands_in_the_way(practice)?;
    Ok(())
}

/// `nightdesk tenant destroy`
pub(crate) fn destroy(who: &Who, practice: &str, is_dry_run: bool) -> Result<(), Failure> {
    let (mut room, by) = change(who, "tenant destroy", None)?;
    room.finish_what_began()?;
    if let Some(obstacle) = room.stands_in_the_way(practice)?.into_iter().next() {
        return Err(obstacle);
    }
    if is_dry_run {
        out!("nothing was destroyed: this was a dry run");
        return Ok(());
    }
    let now = Timestamp::now();
    let asked = room.store.asked.get(practice);
    let fresh = asked.filter(|asked| {
        let at: Option<Timestamp> = asked.at.parse().ok();
        at.is_some_and(|at| now.duration_since(at) < ASKED_FOR)
    });
    let Some(first) = fresh.filter(|first| first.by != by.actor).cloned() else {
        let asked = Asked {
            practice: practice.to_owned(),
            by: by.actor,
            reason: by.reason,
            at: now.to_string(),
        };
        room.store.ask(&asked)?;
        out!("asked for; nothing is destroyed before {TWO}");
        return Ok(());
    };
    let both = By {
        actor: format!("{} and {}", first.by, by.actor),
        reason: format!("{}; {}", first.reason, by.reason),
    };
    let what = What::Tenant {
        practice: practice.to_owned(),
        tenant: Tenant::named(practice).to_string(),
    };
    room.destroy(what, &both)
}

impl Room {
    /// Tells how things stand, and gives what keeps the practice from being destroyed.
    fn stands_in_the_way(&mut self, practice: &str) -> Result<Vec<Failure>, Failure> {
        let tenant = self.known(practice)?;
        if tenant == Tenant::HOUSE {
            return Err(Failure::new("the house is no practice", "name a practice"));
        }
        let mut obstacles = Vec::new();
        let state = office::read(&self.settings.data, keys::book_key(&self.settings.keys)?).map_err(Failure::office)?;
        let with = With::Practice(practice.to_owned());
        let filed: Vec<&Filed> = state
            .agreements
            .iter()
            .filter(|filed| filed.agreement.with == with)
            .collect();
        let today = plan::today(Timestamp::now());
        let contract = contract(&filed, today);
        out!("agreement               {}", contract.said);
        let grace = self.kept.get(&tenant).map_or(30, |kept| kept.grace);
        out!("termination_grace_days  {grace} (`after the contract ends` in `keep:` of practice.yaml)");
        match contract.ended {
            None => obstacles.push(Failure::new(
                format!("the contract with {practice} has not ended: {}", contract.said),
                "end it first: `nightdesk agreements end NAME --reason … --config …`",
            )),
            Some(ended) => {
                let days = Span::new().try_days(grace).unwrap_or_default();
                let from = ended.saturating_add(days);
                out!("may be destroyed from    {from}");
                if today < from {
                    obstacles.push(Failure::new(
                        format!("{practice} has until {from} to take its records along: {grace} days from {ended}"),
                        "wait until then; hand the records over with `nightdesk tenant export`",
                    ));
                }
            }
        }
        let held = self.held()?;
        let (first, last) = (Month::of_unix_ms(0), Month::of_unix_ms(i64::MAX));
        let over = |hold: &&plan::Held| {
            hold.tenant.is_none_or(|of| of == tenant) && first <= hold.through && hold.from <= last
        };
        let mut names: Vec<String> = held.iter().filter(over).map(|hold| hold.hold.clone()).collect();
        names.sort();
        names.dedup();
        out!(
            "legal holds             {}",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        );
        if let Err(held) = super::refuse_held(&names) {
            obstacles.push(held);
        }
        let taken = self.views()?.looks()?.into_iter().rev().find_map(|look| {
            let theirs = look.access.practice.as_deref() == Some(practice) && look.access.refused.is_none();
            (theirs && look.access.action == "tenant export").then_some((look.access.at_ms, look.access.actor))
        });
        match taken {
            Some((at_ms, actor)) => out!("taken along             {} by {actor}", crate::people::day(at_ms)),
            None => out!("taken along             NEVER: nobody has run `nightdesk tenant export` for it"),
        }
        let what = What::Tenant {
            practice: practice.to_owned(),
            tenant: tenant.to_string(),
        };
        let places = self.places_of(&what)?;
        let files = self.files_of(&what)?.len();
        out!(
            "there is                {files} sealed files, keys of {} months and classes",
            places.len()
        );
        if let Some(first) = self.store.asked.get(practice) {
            out!(
                "asked for               by {} at {}: {}",
                first.by,
                first.at,
                first.reason
            );
        }
        if places.is_empty() && files == 0 {
            obstacles.push(Failure::new(
                format!("there is nothing of {practice} that could be destroyed"),
                "it was destroyed already, or nothing was ever kept under keys of its own: see `nightdesk retention plan`",
            ));
        }
        Ok(obstacles)
    }
}

fn contract(filed: &[&Filed], today: Date) -> Contract {
    if let Some(holds) = filed.iter().find(|filed| filed.holds(today)) {
        return Contract {
            said: format!("`{}` holds", holds.agreement.id),
            ended: None,
        };
    }
    let end = |filed: &&Filed| {
        let lapsed = filed.agreement.until.and_then(|until| until.tomorrow().ok());
        let ended = filed.ended.as_ref().map(|(on, _)| *on);
        lapsed
            .into_iter()
            .chain(ended)
            .min()
            .map(|on| (on, filed.agreement.id.clone()))
    };
    // One that is still to come is no end.
    let to_come = filed
        .iter()
        .any(|filed| filed.agreement.signed > today && filed.ended.is_none());
    match filed.iter().filter_map(end).max().filter(|_| !to_come) {
        Some((on, id)) => Contract {
            said: format!("`{id}` ended: {on} was the first day without it"),
            ended: Some(on),
        },
        None if to_come => Contract {
            said: "one is filed that is still to begin".to_owned(),
            ended: None,
        },
        None => Contract {
            said: "none was ever filed, so that nobody can say when it ended".to_owned(),
            ended: None,
        },
    }
}
