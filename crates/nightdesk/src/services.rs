//! Every outside service that the configuration names, what of a patient it may carry, and under which agreement (ADM-03).
//!
//! | service | of a patient | without an agreement that holds |
//! |---|---|---|
//! | a trunk | voices that pass | it is a conduit, and goes on; somebody is told |
//! | `homer:` | numbers, where they are shown | they are masked |
//! | a practice's `records:` | who they are, their appointments | they are not asked; callers leave a message |
//! | notices, pages, `on call` feeds, `speech`, name servers | nothing, by what they are | as before |

use std::path::Path;
use std::sync::Arc;

use exchange::{Hep, Numbers, Service};
use jiff::Timestamp;
use jiff::civil::Date;
use office::State;
use office::agreement::service_why_not;
use seal::{Month, Retention, Tenant};

use crate::config::{Baa, Record, Settings};
use crate::keys;

/// Keys of this month and the next are there, or somebody is told.
const MONTHS_AHEAD_MIN: u16 = 1;

/// Those whose agreements the engine watches.
pub(crate) fn watched(trunks: &[Record], homer: Option<&Hep>) -> Vec<Service> {
    let carriers = trunks.iter().filter_map(|record| match &record.agreement {
        Some(Baa::Named(agreement)) => Some(Service {
            name: format!("trunk {}", record.trunk.id),
            agreement: agreement.clone(),
            without: "its calls go on, for a caller must not pay for it, and it may keep nothing of them".to_owned(),
        }),
        Some(Baa::Conduit) | None => None,
    });
    let collector = homer.and_then(|homer| {
        Some(Service {
            name: "homer".to_owned(),
            agreement: homer.agreement.clone()?,
            without: "callers' numbers are masked in what it gets".to_owned(),
        })
    });
    carriers.chain(collector).collect()
}

/// A line for each service, for `agreements list`: its name, what it carries, and whether it may.
pub(crate) fn told(settings: &Settings, state: &State, today: Date) -> Vec<String> {
    let by = |named: Option<&str>, service: &str| match service_why_not(&state.agreements, named, service, today) {
        Some(why) => format!("DOES NOT HOLD: {why}"),
        None => named.map_or_else(|| "under its agreement".to_owned(), |named| format!("by {named}")),
    };
    let mut lines: Vec<String> = settings
        .trunks
        .iter()
        .map(|record| {
            let under = match &record.agreement {
                Some(Baa::Named(agreement)) => by(Some(agreement), ""),
                Some(Baa::Conduit) => "a mere conduit".to_owned(),
                None => "MISSING: it names no agreement (`baa: NAME`), nor that it is a mere conduit (`baa: conduit`)"
                    .to_owned(),
            };
            format!("trunk {}: voices that pass, {under}", record.trunk.id)
        })
        .collect();
    lines.extend(
        settings
            .homer
            .as_ref()
            .map(|homer| match (homer.numbers, &homer.agreement) {
                (Numbers::Shown, Some(agreement)) => format!("homer: callers' numbers, {}", by(Some(agreement), "")),
                _ => "homer: nothing of a patient, numbers are masked".to_owned(),
            }),
    );
    for folder in exchange::practices_in(&settings.practices) {
        let Some(practice) = crate::flows::source(&folder).ok().and_then(|source| source.practice) else {
            continue;
        };
        let Some(records) = practice
            .records
            .as_ref()
            .filter(|_| !exchange::is_lab(&settings.labs, &folder))
        else {
            continue;
        };
        let under = by(records.agreement.as_deref(), &records.system);
        lines.push(format!(
            "{} of {}: patients and appointments, {under}",
            records.system, practice.name
        ));
    }
    lines
}

/// What the engine cannot see itself: months that keys are missing for.
pub(crate) fn alarms(key_folder: &Path) -> exchange::Alarms {
    let keys = key_folder.to_owned();
    Arc::new(move |practices, now| missing_months(&keys, practices, now))
}

/// Practices that are not provisioned for this month or the next (a caller is never lost for want of a key: it goes on with
/// what there is, and then a month can no longer be destroyed by itself).
fn missing_months(key_folder: &Path, practices: &[String], now: Timestamp) -> Vec<String> {
    let places = match keys::recipient_places(key_folder) {
        Ok(places) => places,
        Err(failure) => {
            return vec![format!(
                "the keys provisioned for this engine cannot be read: {failure}"
            )];
        }
    };
    let month = Month::of_unix_ms(now.as_millisecond());
    let fix = "run `nightdesk keys provision`, and send SIGHUP to the engine";
    let lacks = |name: &String| {
        let tenant = Tenant::named(name);
        let has = |month: Month| {
            let own = |place: &&seal::Place| place.tenant == tenant && place.class == Retention::Audio;
            places.iter().filter(own).any(|place| place.month == month)
        };
        if !has(month) {
            Some(format!(
                "{name} has no keys for {month}: what its callers say is sealed for another month, and cannot be destroyed with this \
                 one; {fix}"
            ))
        } else if !has(month.plus(MONTHS_AHEAD_MIN)) {
            Some(format!("{name} has keys until {month} only: {fix}"))
        } else {
            None
        }
    };
    practices.iter().filter_map(lacks).collect()
}
