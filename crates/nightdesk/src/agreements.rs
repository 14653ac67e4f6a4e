//! `nightdesk agreements`: business associate agreements with practices and with outside services (ADM-01 to ADM-03).

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use office::agreement::{Agreement, Filed, With, covering, service_why_not};

use crate::config::Settings;
use crate::gate::{About, Gate};
use crate::people::act;
use crate::{Failure, out, serve};

/// Agreements.
#[derive(Subcommand)]
pub(crate) enum Agreements {
    /// File an agreement with a practice or an outside service
    #[command(
        after_help = "Example: nightdesk agreements add cedar-2026 --practice \"Cedar Family Medicine\" --party \"Cedar Family Medicine PLLC\" \
                      --party \"Nightdesk Inc\" --signed 2026-01-05 --scope \"after-hours telephone\" --permitted-uses \"answering, triage, messages\" \
                      --safeguards \"45 CFR 164 subpart C\" --breach-days 10 --termination \"return or destroy within 30 days\" \
                      --liability \"each for their own\" --file contracts/cedar.pdf --config nightdesk.yaml"
    )]
    Add(Box<Add>),
    /// Every agreement, and what is without one
    List {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// End an agreement: from that day on its practice is not in service, its service carries no patient information
    End {
        /// Its name
        id: String,
        /// The first day without it (today)
        #[arg(long)]
        on: Option<Date>,
        /// Why
        #[arg(long)]
        reason: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

/// `agreements add`
#[derive(clap::Args)]
pub(crate) struct Add {
    /// Its name here, such as cedar-2026
    id: String,
    /// The practice it is with, as its file names it
    #[arg(long, conflicts_with = "service", required_unless_present = "service")]
    practice: Option<String>,
    /// The outside service it is with, such as `trunk carrier`
    #[arg(long)]
    service: Option<String>,
    /// Who signed it; once for each side
    #[arg(long = "party", required = true)]
    parties: Vec<String>,
    /// The day it was signed
    #[arg(long)]
    signed: Date,
    /// The last day it holds
    #[arg(long)]
    until: Option<Date>,
    /// What it is about
    #[arg(long)]
    scope: String,
    /// What may be done with patient information
    #[arg(long)]
    permitted_uses: String,
    /// How it is guarded
    #[arg(long)]
    safeguards: String,
    /// Days after discovery within which a breach is told, 60 at most
    #[arg(long)]
    breach_days: u16,
    /// How it ends, and what becomes of the information then
    #[arg(long)]
    termination: String,
    /// Who answers for what
    #[arg(long)]
    liability: String,
    /// The signed paper, whose hash is kept
    #[arg(long)]
    file: PathBuf,
    /// Configuration file
    #[arg(long)]
    config: PathBuf,
}

/// Runs one of the commands.
pub(crate) fn agreements(command: &Agreements) -> Result<(), Failure> {
    match command {
        Agreements::Add(add) => file(add),
        Agreements::List { config } => list(&serve::settings(config)?),
        Agreements::End { id, on, reason, config } => {
            let detail = format!("{id}: {reason}");
            let settings = serve::settings(config)?;
            let zones = zones(&settings);
            act(&settings, "agreements end", &detail, |office, allowed, now| {
                let own = office.state().agreements.iter().find(|filed| filed.agreement.id == *id);
                let own_day = own.map_or_else(|| today(now), |own| day_of(&own.agreement.with, &zones, now));
                let on = on.unwrap_or(own_day);
                let with = office.end_agreement(allowed, id, on, reason, now)?;
                out!("{id} ends: {on} is the first day without it");
                if let With::Practice(practice) = with {
                    out!(
                        "from then on callers of {practice} hear that the number is not in service, and nothing of it is \
                             released; calls in progress finish"
                    );
                }
                Ok(())
            })
        }
    }
}

/// Where the days of a practice begin.
fn zones(settings: &Settings) -> BTreeMap<String, TimeZone> {
    let practices = exchange::practices_in(&settings.practices).into_iter();
    practices
        .filter_map(|folder| crate::flows::source(&folder).ok()?.practice)
        .map(|practice| (practice.name.clone(), practice.time_zone.clone()))
        .collect()
}

/// Which day it is for an agreement: where its practice is. A service is nowhere in particular.
fn day_of(with: &With, zones: &BTreeMap<String, TimeZone>, now: Timestamp) -> Date {
    let zone = match with {
        With::Practice(name) => zones.get(name),
        With::Service(_) => None,
    };
    now.to_zoned(zone.cloned().unwrap_or(TimeZone::UTC)).date()
}

fn file(add: &Add) -> Result<(), Failure> {
    let settings = serve::settings(&add.config)?;
    let paper = std::fs::read(&add.file).map_err(Failure::file(&add.file))?;
    let with = match (&add.practice, &add.service) {
        (Some(practice), _) => With::Practice(practice.clone()),
        (None, service) => With::Service(service.clone().unwrap_or_default()),
    };
    let agreement = Agreement {
        id: add.id.clone(),
        with,
        parties: add.parties.clone(),
        signed: add.signed,
        until: add.until,
        scope: add.scope.clone(),
        permitted_uses: add.permitted_uses.clone(),
        safeguards: add.safeguards.clone(),
        breach_days: add.breach_days,
        termination: add.termination.clone(),
        liability: add.liability.clone(),
        file_hash: seal::keys::hex(&seal::hash(&paper)),
    };
    let told = line(&Filed {
        agreement: agreement.clone(),
        by: String::new(),
        ended: None,
    });
    act(&settings, "agreements add", &add.id, |office, allowed, now| {
        office.file_agreement(allowed, agreement, now)?;
        out!("filed: {told}");
        Ok(())
    })
}

fn list(settings: &Settings) -> Result<(), Failure> {
    let (allowed, office) = Gate::new(settings).enter("agreements list", &About::default(), "")?;
    let now = Timestamp::now();
    let (day, zones) = (today(now), zones(settings));
    let state = office.state();
    for filed in &state.agreements {
        if let With::Practice(practice) = &filed.agreement.with
            && !allowed.sees(Some(practice))
        {
            continue;
        }
        let own_day = day_of(&filed.agreement.with, &zones, now);
        let holds = if filed.holds(own_day) { "holds" } else { "DOES NOT HOLD" };
        out!("{holds:<14} {}", line(filed));
    }
    for folder in exchange::practices_in(&settings.practices) {
        if exchange::is_lab(&settings.labs, &folder) {
            continue;
        }
        let name = crate::flows::source(&folder)
            .ok()
            .and_then(|source| Some(source.practice?.name.clone()));
        let Some(name) = name.filter(|name| allowed.sees(Some(name))) else {
            continue;
        };
        let with = With::Practice(name.clone());
        let own_day = day_of(&with, &zones, now);
        if state.agreement(&with, own_day).is_none() {
            out!(
                "MISSING        {name} has no agreement that holds: it is not in service, and nothing of it is released"
            );
        }
    }
    for line in crate::services::told(settings, state, day) {
        out!("service        {line}");
    }
    office.close().map_err(Failure::office)
}

fn line(filed: &Filed) -> String {
    let own = &filed.agreement;
    let with = match &own.with {
        With::Practice(practice) => practice.clone(),
        With::Service(service) => service.clone(),
    };
    let until = own.until.map_or_else(String::new, |until| format!(" until {until}"));
    let ended = filed
        .ended
        .as_ref()
        .map_or_else(String::new, |(on, why)| format!("; ended {on}: {why}"));
    let hash = own.file_hash.get(..16).unwrap_or_default();
    format!(
        "{}  {with}; signed {}{until} by {}; breach told within {} days; paper {hash}{ended}",
        own.id,
        own.signed,
        own.parties.join(" and "),
        own.breach_days
    )
}

/// Whether a practice may be released on its own today (45 CFR 164.502(e), 164.308(b)): with an agreement that holds, and
/// another one with whoever runs the records it names.
pub(crate) fn holds(settings: &Settings, practice: &flow::Practice, today: Date) -> Result<(), Failure> {
    let records = practice.records.as_ref();
    let practice = practice.name.as_str();
    let state = office::read(&settings.data, crate::keys::book_key(&settings.keys)?).map_err(Failure::office)?;
    let with = With::Practice(practice.to_owned());
    let Err(why) = covering(&state.agreements, &with, today) else {
        let Some(records) = records else { return Ok(()) };
        let (named, system) = (records.agreement.as_deref(), records.system.as_str());
        return service_why_not(&state.agreements, named, system, today).map_or(Ok(()), |why| {
            Err(Failure::new(
                format!(
                    "{practice} looks patients up in {system}, and no agreement with whoever runs it holds today ({why}): nothing of a \
                     patient may go there"
                ),
                format!(
                    "file the signed one: `nightdesk agreements add NAME --service \"{system}\" …`; or take `records:` out of the \
                     practice file, which needs no signature"
                ),
            ))
        });
    };
    Err(Failure::new(
        format!(
            "{practice} has no business associate agreement that holds today ({why}): no patient's word may be kept for it"
        ),
        format!(
            "file the signed one: `nightdesk agreements add NAME --practice \"{practice}\" …`; a practice without patients stands in `lab practices`"
        ),
    ))
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}
