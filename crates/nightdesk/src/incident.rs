//! `nightdesk incident` and `nightdesk glass`: what may be a breach, with its clocks; and broken glass, to be reviewed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use office::incident::{Factors, Incident as Opened, MANY, Scope, Stage};
use office::{Permission, Role, State};
use switchboard::Fact;

use crate::archive::Archive;
use crate::config::Settings;
use crate::gate::{About, Gate};
use crate::people::{act, day};
use crate::{Failure, out, serve};

/// What may be a breach.
#[derive(Subcommand)]
pub(crate) enum Incident {
    /// Open one; its clocks run from the moment it was discovered
    #[command(
        after_help = "Example: nightdesk incident open --what \"a message went to a wrong number\" --practice \"Cedar Family Medicine\" --config nightdesk.yaml"
    )]
    Open {
        /// What happened, without a patient's name
        #[arg(long)]
        what: String,
        /// Whose patients
        #[arg(long)]
        practice: String,
        /// When it was discovered, such as 2026-11-21T09:00:00-06:00 (now)
        #[arg(long)]
        discovered: Option<Timestamp>,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Every incident: stage, clocks, individuals
    List {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Count from the book whom it touches: what one person opened between two times, or calls by their ids
    #[command(
        after_help = "Example: nightdesk incident scope 2026-001 --by nina --from 2026-11-01T00:00:00Z --to 2026-11-08T00:00:00Z --config nightdesk.yaml"
    )]
    Scope {
        /// Which
        id: String,
        /// Whose accesses
        #[arg(long, required_unless_present = "calls")]
        by: Option<String>,
        /// From when
        #[arg(long)]
        from: Option<Timestamp>,
        /// To when (now)
        #[arg(long)]
        to: Option<Timestamp>,
        /// A call it touches; again for each
        #[arg(long = "call")]
        calls: Vec<String>,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Take it to a stage: identify, evaluate (with the four factors), report
    #[command(after_help = "The four factors are those of 45 CFR 164.402(2).\n\
                      Example: nightdesk incident stage 2026-001 evaluate --note \"low probability\" --nature \"name and symptom\" --recipient \"another practice\" --acquired \"heard\" --mitigated \"deleted, confirmed in writing\" --config nightdesk.yaml")]
    Stage {
        /// Which
        id: String,
        /// identify, evaluate or report
        #[arg(value_parser = stage)]
        stage: Stage,
        /// What was found or done
        #[arg(long)]
        note: String,
        /// What was involved, and how much
        #[arg(long, requires_all = ["recipient", "acquired", "mitigated"])]
        nature: Option<String>,
        /// Who used it, or to whom it went
        #[arg(long)]
        recipient: Option<String>,
        /// Whether it was actually acquired or viewed
        #[arg(long)]
        acquired: Option<String>,
        /// How far the risk was mitigated
        #[arg(long)]
        mitigated: Option<String>,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Close it, once it was counted, weighed and reported
    Close {
        /// Which
        id: String,
        /// What came of it
        #[arg(long)]
        outcome: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

/// Broken glass.
#[derive(Subcommand)]
pub(crate) enum Glass {
    /// Every time it was broken: who, why, until when, reviewed by whom
    List {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Judge whether it was right; never one's own
    Review {
        /// Which time
        id: String,
        /// What was found
        #[arg(long)]
        finding: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

fn stage(text: &str) -> Result<Stage, String> {
    Stage::parse(text).ok_or_else(|| "a stage is identify, evaluate or report".to_owned())
}

/// Runs one of the commands.
pub(crate) fn incident(command: &Incident) -> Result<(), Failure> {
    match command {
        Incident::Open {
            what,
            practice,
            discovered,
            config,
        } => act(
            &serve::settings(config)?,
            "incident open",
            practice,
            |office, allowed, now| {
                if !allowed.sees(Some(practice)) {
                    return Err(office::Refusal::Practice.into());
                }
                let id = office.open_incident(allowed, what, practice, discovered.unwrap_or(now), now)?;
                if let Some(incident) = office.state().incident(&id) {
                    tell(incident, now);
                }
                out!("next: `nightdesk incident scope {id} …`, then the stages evaluate and report");
                Ok(())
            },
        ),
        Incident::List { config } => {
            let settings = serve::settings(config)?;
            let (allowed, office) = Gate::new(&settings).enter("incident list", &About::default(), "")?;
            let now = Timestamp::now();
            let state = office.state();
            let own = state
                .incidents
                .iter()
                .filter(|incident| allowed.sees(Some(&incident.practice)));
            own.for_each(|incident| tell(incident, now));
            office.close().map_err(Failure::office)
        }
        Incident::Scope {
            id,
            by,
            from,
            to,
            calls,
            config,
        } => scope(&serve::settings(config)?, id, by.as_deref(), (*from, *to), calls),
        Incident::Stage {
            id,
            stage,
            note,
            nature,
            recipient,
            acquired,
            mitigated,
            config,
        } => {
            let factors = nature.as_ref().map(|nature| Factors {
                nature: nature.clone(),
                recipient: recipient.clone().unwrap_or_default(),
                acquired: acquired.clone().unwrap_or_default(),
                mitigated: mitigated.clone().unwrap_or_default(),
            });
            act(
                &serve::settings(config)?,
                "incident stage",
                id,
                |office, allowed, now| {
                    office.stage_incident(allowed, id, *stage, note, factors, now)?;
                    out!("{id} is at `{}`", stage.name());
                    Ok(())
                },
            )
        }
        Incident::Close { id, outcome, config } => act(
            &serve::settings(config)?,
            "incident close",
            id,
            |office, allowed, now| {
                office.close_incident(allowed, id, outcome, now)?;
                out!("{id} is closed");
                Ok(())
            },
        ),
    }
}

/// Runs one of the commands.
pub(crate) fn glass(command: &Glass) -> Result<(), Failure> {
    match command {
        Glass::List { config } => {
            let settings = serve::settings(config)?;
            let (_allowed, office) = Gate::new(&settings).enter("glass list", &About::default(), "")?;
            let now = Timestamp::now();
            for glass in &office.state().glass {
                let at = Timestamp::from_millisecond(glass.at_ms).unwrap_or_default();
                let state = match &glass.reviewed {
                    Some((at_ms, by, finding)) => format!("reviewed {} by {by}: {finding}", day(*at_ms)),
                    None if glass.is_overdue(now) => "OVERDUE: nobody reviewed it within 72 hours".to_owned(),
                    None => "waits for a review".to_owned(),
                };
                out!("{}  {at:.0}  {}  {}; {state}", glass.id, glass.person, glass.reason);
            }
            office.close().map_err(Failure::office)
        }
        Glass::Review { id, finding, config } => {
            act(&serve::settings(config)?, "glass review", id, |office, allowed, now| {
                office.review_glass(allowed, id, finding, now)?;
                out!("{id} is reviewed; what was opened stands in `nightdesk audit search`");
                Ok(())
            })
        }
    }
}

/// Distinct individuals behind what one person opened, or behind calls: counted, never listed.
fn scope(
    settings: &Settings,
    id: &str,
    by: Option<&str>,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    calls: &[String],
) -> Result<(), Failure> {
    let now = Timestamp::now();
    let (from_ms, to_ms) = (
        from.map_or(0, Timestamp::as_millisecond),
        to.unwrap_or(now).as_millisecond(),
    );
    let about = About {
        detail: id,
        ..About::default()
    };
    // Permission first, and its row; then the count, without anybody waiting at the office's door.
    let allowed = Gate::new(settings).pass("incident scope", &about, "")?;
    let views = Archive::new(settings).views()?;
    let mut touched: BTreeSet<switchboard::CallId> = BTreeSet::new();
    for call in calls {
        touched.insert(crate::calls::id(call)?);
    }
    if let Some(by) = by {
        let looks = views.looks_by(by)?.into_iter().map(|look| look.access);
        let opened = looks.filter(|access| access.refused.is_none() && (from_ms..to_ms).contains(&access.at_ms));
        touched.extend(opened.filter_map(|access| access.call.map(switchboard::CallId)));
    }
    let (mut individuals, mut unknown) = (BTreeSet::new(), 0_u64);
    for call in touched {
        let facts = views.facts_of(call)?;
        if !allowed.sees(Archive::practice_of(&facts)) {
            continue;
        }
        let caller = facts.into_iter().find_map(|stamped| match stamped.fact {
            Fact::CallBegan { caller, .. } => caller.expose().clone(),
            _ => None,
        });
        match caller {
            // Only how many there are is kept: a mark tells two callers apart as well as their numbers do.
            Some(number) => {
                individuals.insert(seal::hash(number.as_bytes()));
            }
            None => unknown += 1,
        }
    }
    let counted = Scope {
        person: by.unwrap_or("calls by their ids").to_owned(),
        from_ms,
        to_ms,
        individuals: u64::try_from(individuals.len()).unwrap_or(u64::MAX),
        unknown,
    };
    act(settings, "incident scope", id, |office, allowed, now| {
        office.scope_incident(allowed, id, counted, now)?;
        if let Some(incident) = office.state().incident(id) {
            tell(incident, now);
        }
        Ok(())
    })
}

fn tell(incident: &Opened, now: Timestamp) {
    let discovered = Timestamp::from_millisecond(incident.discovered_ms).unwrap_or_default();
    out!(
        "{}  {}  {}; discovered {discovered:.0}, opened by {}; stage {}",
        incident.id,
        incident.practice,
        incident.what,
        incident.by,
        incident.stage.name()
    );
    for scope in &incident.scopes {
        out!(
            "  touches  {} individuals, and {} callers whose number is not known ({})",
            scope.individuals,
            scope.unknown,
            scope.person
        );
    }
    if incident.is_large() {
        out!("  LARGE    {MANY} individuals or more: HHS and the media are told too (45 CFR 164.406, 164.408)");
    }
    for clock in incident.clocks(now) {
        let alarm = if clock.is_alarm() { "  ALARM" } else { "" };
        out!(
            "  clock    {}: due {}, {} days left, {} of 100 passed{alarm}",
            clock.what,
            day(clock.due_ms),
            clock.days_left(now),
            clock.percent
        );
    }
    if let Some((at_ms, outcome, by)) = &incident.closed {
        out!("  closed   {} by {by}: {outcome}", day(*at_ms));
    }
}

/// What waits for whoever logs in in this role: glass to be reviewed, clocks past their half.
pub(crate) fn waiting(state: &State, role: Role, now: Timestamp) {
    if role.may(Permission::ReviewBreakGlass) {
        for glass in state.glass.iter().filter(|glass| glass.reviewed.is_none()) {
            let late = if glass.is_overdue(now) { "OVERDUE " } else { "" };
            out!(
                "{late}glass {} was broken by {}: {}; `nightdesk glass review {}`",
                glass.id,
                glass.person,
                glass.reason,
                glass.id
            );
        }
    }
    if role.may(Permission::SeeIncidents) {
        for incident in &state.incidents {
            for clock in incident.clocks(now).iter().filter(|clock| clock.is_alarm()) {
                out!(
                    "ALARM incident {}: {} is due in {} days",
                    incident.id,
                    clock.what,
                    clock.days_left(now)
                );
            }
        }
    }
}
