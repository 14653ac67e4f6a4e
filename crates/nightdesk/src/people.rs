//! `nightdesk people`: who works here, as what, and how they prove it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Subcommand;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use office::{Allowed, Office, Permission, Reset, Role};

use crate::audit::cell;
use crate::config::Settings;
use crate::gate::{About, Gate};
use crate::login::hidden;
use crate::{Failure, gate, out, passkey, serve};

/// Who works here.
#[derive(Subcommand)]
pub(crate) enum People {
    /// Add somebody; the first person of a house becomes its owner and sets a password at once, the others are invited
    #[command(
        after_help = "Example: nightdesk people add nina --name \"Nina Okafor\" --role nurse --practice \"Cedar Family Medicine\" --config nightdesk.yaml"
    )]
    Add {
        /// What they log in as: small letters, never used twice, and nobody else's
        id: String,
        /// Their name
        #[arg(long)]
        name: String,
        /// What they are here (`nightdesk people roles`); the first person is the owner
        #[arg(long, value_parser = role)]
        role: Option<Role>,
        /// The practice they work for, as its file names it; again for each; left out: every practice of this house
        #[arg(long = "practice")]
        practices: Vec<String>,
        /// For how long, such as 4h or 2d: support must have an end
        #[arg(long = "for")]
        how_long: Option<String>,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Take up an invitation: set your own password and second factor
    Accept {
        /// Who you are
        id: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Change somebody's role, practices or time
    Role {
        /// Who
        id: String,
        /// What they are from now on
        #[arg(long, value_parser = role)]
        role: Role,
        /// The practice they work for; again for each; left out: every practice of this house
        #[arg(long = "practice")]
        practices: Vec<String>,
        /// For how long, such as 4h or 2d
        #[arg(long = "for")]
        how_long: Option<String>,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// End everything somebody may do, their sessions first; their name is never given to another
    Disable {
        /// Who
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Reset somebody's password and second factor; two people ask for it within a day
    Reset {
        /// Whose
        id: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Write down that somebody was trained; it counts for a year, and without it nobody sees patients' information
    #[command(
        after_help = "Example: nightdesk people trained nina --on 2026-11-20 --topics \"privacy, minimum necessary, phishing\" --config nightdesk.yaml"
    )]
    Trained {
        /// Who
        id: String,
        /// On which day (today)
        #[arg(long)]
        on: Option<Date>,
        /// In what
        #[arg(long)]
        topics: String,
        /// The last day on which it counts, when that is less than a year
        #[arg(long)]
        until: Option<Date>,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Every training there was, as CSV: who, when, in what, until when, written down by whom
    Training {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Who is here, as what, trained until when, last seen when
    List {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// What each role may do
    Roles,
    /// Change your own password
    Password {
        /// Who you are
        id: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Set up another authenticator of your own, with the one you have
    SecondFactor {
        /// Who you are
        id: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Your own passkeys: fingerprint, face or PIN of a device instead of password and code
    #[command(subcommand)]
    Passkey(passkey::Passkey),
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| {
        let names = Role::ALL.map(Role::name).join(", ");
        format!("there is no such role; there are: {names}")
    })
}

/// Runs one of the commands.
pub(crate) fn people(command: &People) -> Result<(), Failure> {
    match command {
        People::Add {
            id,
            name,
            role,
            practices,
            how_long,
            config,
        } => {
            let settings = serve::settings(config)?;
            if is_first(&settings, id)? {
                return first(&settings, id, name);
            }
            let role = role.ok_or_else(|| {
                Failure::new(
                    "nobody is here without a role",
                    "add `--role nurse`, for one; `nightdesk people roles` shows what each may do",
                )
            })?;
            let until = how_long.as_deref().map(moment).transpose()?;
            let detail = format!("{id} as {}", role.name());
            act(&settings, "people add", &detail, |office, allowed, now| {
                let invited = office.add(allowed, id, name, role, own(practices), until, now)?;
                out!(
                    "{name} is added as {}, and sets a password and a second factor:",
                    role.name()
                );
                invitation(id, &invited);
                if Permission::ALL.iter().any(|one| role.may(*one) && one.opens_patients()) {
                    out!(
                        "they see patients' information once their training is written down: nightdesk people trained {id} …"
                    );
                }
                Ok(())
            })
        }
        People::Accept { id, config } => {
            let settings = serve::settings(config)?;
            let words = hidden("the words of your invitation")?;
            let password = new_password()?;
            let mut office = gate::open(&settings)?;
            let taken = office.take_up(id, &words, &password, Timestamp::now());
            office.close().map_err(Failure::office)?;
            second_factor(id, &taken.map_err(Failure::office)?);
            Ok(())
        }
        People::Role {
            id,
            role,
            practices,
            how_long,
            config,
        } => {
            let settings = serve::settings(config)?;
            let until = how_long.as_deref().map(moment).transpose()?;
            let detail = format!("{id} to {}", role.name());
            act(&settings, "people role", &detail, |office, allowed, now| {
                office.change_role(allowed, id, *role, own(practices), until, now)?;
                out!("{id} is {} from now on", role.name());
                Ok(())
            })
        }
        People::Disable { id, reason, config } => {
            let detail = format!("{id}: {reason}");
            act(
                &serve::settings(config)?,
                "people disable",
                &detail,
                |office, allowed, now| {
                    let ended = office.disable(allowed, id, reason, now)?;
                    out!("{id} may do nothing any more; {ended} sessions ended");
                    Ok(())
                },
            )
        }
        People::Reset { id, config } => act(&serve::settings(config)?, "people reset", id, |office, allowed, now| {
            match office.reset(allowed, id, now)? {
                Reset::WaitsForSecond => out!(
                    "written down; a second person who manages people runs the same command within 24 hours, and {id} is invited anew"
                ),
                Reset::Invited(invited) => invitation(id, &invited),
            }
            Ok(())
        }),
        People::Trained {
            id,
            on,
            topics,
            until,
            config,
        } => act(
            &serve::settings(config)?,
            "people trained",
            id,
            |office, allowed, now| {
                let on = on.unwrap_or_else(|| now.to_zoned(jiff::tz::TimeZone::UTC).date());
                let until = office.train(allowed, id, on, topics, *until, now)?;
                out!("{id} is trained until {until}");
                Ok(())
            },
        ),
        People::Training { config } => training(&serve::settings(config)?),
        People::List { config } => list(&serve::settings(config)?),
        People::Roles => {
            roles();
            Ok(())
        }
        People::Password { id, config } => {
            let settings = serve::settings(config)?;
            let old = hidden("your present password")?;
            let code = hidden("code of your authenticator")?;
            let new = new_password()?;
            let mut office = gate::open(&settings)?;
            let changed = office.change_password(id, &old, &code, &new, Timestamp::now());
            office.close().map_err(Failure::office)?;
            changed.map_err(Failure::office)?;
            out!("your password is changed; log in again");
            Ok(())
        }
        People::Passkey(command) => passkey::passkey(command),
        People::SecondFactor { id, config } => {
            let settings = serve::settings(config)?;
            let password = hidden("your password")?;
            let code = hidden("code of the authenticator you have")?;
            let mut office = gate::open(&settings)?;
            let changed = office.change_authenticator(id, &password, &code, Timestamp::now());
            office.close().map_err(Failure::office)?;
            second_factor(id, &changed.map_err(Failure::office)?);
            Ok(())
        }
    }
}

/// An act in the office, by somebody who may.
pub(crate) fn act(
    settings: &Settings,
    command: &str,
    detail: &str,
    act: impl FnOnce(&mut Office, &Allowed, Timestamp) -> Result<(), office::Fault>,
) -> Result<(), Failure> {
    let about = About {
        detail,
        ..About::default()
    };
    let (allowed, mut office) = Gate::new(settings).enter(command, &about, "")?;
    let done = act(&mut office, &allowed, Timestamp::now());
    office.close().map_err(Failure::office)?;
    done.map_err(Failure::office)
}

/// Whether this is the first person of the house, who is asked for by nobody.
fn is_first(settings: &Settings, id: &str) -> Result<bool, Failure> {
    let office = gate::open(settings)?;
    let state = office.state();
    let first = state.people.is_empty() || (!state.begun && state.people.len() == 1 && state.people.contains_key(id));
    office.close().map_err(Failure::office)?;
    Ok(first)
}

fn first(settings: &Settings, id: &str, name: &str) -> Result<(), Failure> {
    let password = new_password()?;
    let mut office = gate::open(settings)?;
    let made = office.first(id, name, &password, Timestamp::now());
    office.close().map_err(Failure::office)?;
    let authenticator = made.map_err(Failure::office)?;
    out!("{name} is the first person of this house, and its owner");
    second_factor(id, &authenticator);
    out!("add a second owner or manager soon: whoever loses a password or telephone is helped by two others");
    Ok(())
}

/// A password typed twice at a terminal, once without one.
fn new_password() -> Result<String, Failure> {
    use std::io::IsTerminal;
    let password = hidden("a new password, twelve letters or more")?;
    if std::io::stdin().is_terminal() && hidden("the same again")? != password {
        return Err(Failure::new("the two are not the same", "type it again"));
    }
    Ok(password)
}

fn second_factor(id: &str, authenticator: &seal::Authenticator) {
    out!("put this into an authenticator on your telephone; it is shown this once:");
    out!("  secret  {}", authenticator.to_base32());
    out!("  or      {}", authenticator.to_uri(id));
    out!("then: nightdesk login {id} --config …");
}

fn invitation(id: &str, invited: &office::Invited) {
    out!("  invitation  {}", invited.words);
    out!("give it to them yourself; it counts once, until {:.0}", invited.until);
    out!("they run: nightdesk people accept {id} --config …");
}

fn own(practices: &[String]) -> Option<BTreeSet<String>> {
    (!practices.is_empty()).then(|| practices.iter().cloned().collect())
}

/// `4h`, `2d` from now.
fn moment(text: &str) -> Result<Timestamp, Failure> {
    let wrong = || {
        Failure::new(
            format!("`{text}` is no length of time"),
            "write 4h or 2d, a week at most",
        )
    };
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let count: i64 = text
        .strip_suffix(unit)
        .and_then(|count| count.parse().ok())
        .ok_or_else(wrong)?;
    let hours = match unit {
        'h' => count,
        'd' => count.saturating_mul(24),
        _ => return Err(wrong()),
    };
    // Longer than any time box, and far from the end of time.
    if !(1..=1_000).contains(&hours) {
        return Err(wrong());
    }
    Timestamp::now()
        .checked_add(SignedDuration::from_hours(hours))
        .map_err(|_| wrong())
}

fn list(settings: &Settings) -> Result<(), Failure> {
    let (_allowed, office) = Gate::new(settings).enter("people list", &About::default(), "")?;
    let now = Timestamp::now();
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    for person in office.state().people.values() {
        let state = match &person.disabled {
            Some((at_ms, reason)) => format!("disabled {}: {reason}", day(*at_ms)),
            None if person.is_locked(now) => "locked after too many wrong answers".to_owned(),
            None if !person.is_ready() => "invited".to_owned(),
            None => match person.until_ms {
                Some(until) if until <= now.as_millisecond() => "time is over".to_owned(),
                Some(until) => format!("until {:.0}", Timestamp::from_millisecond(until).unwrap_or(now)),
                None => "active".to_owned(),
            },
        };
        let training = match person.trained_until() {
            Some(until) if until < today => format!("training overdue since {until}"),
            Some(until) => format!("trained until {until}"),
            None => "not trained".to_owned(),
        };
        let practices = person.practices.as_ref().map_or_else(
            || "every practice".to_owned(),
            |own| own.iter().cloned().collect::<Vec<_>>().join(", "),
        );
        let seen = person.last_in_ms.map_or_else(
            || "never logged in".to_owned(),
            |at_ms| format!("last logged in {}", day(at_ms)),
        );
        out!(
            "{:<16} {:<24} {:<13} {practices}; {state}; {training}; {seen}",
            person.id,
            person.name,
            person.role.name()
        );
    }
    office.close().map_err(Failure::office)
}

/// The trainings, for whoever asks for the dates and the participants (ADM-05, AUD-08).
fn training(settings: &Settings) -> Result<(), Failure> {
    let (_allowed, office) = Gate::new(settings).enter("people training", &About::default(), "")?;
    out!("id,name,role,trained on,topics,until,written down by,state");
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    for person in office.state().people.values() {
        let state = match person.trained_until() {
            _ if person.disabled.is_some() => "disabled",
            Some(until) if until >= today => "valid",
            Some(_) => "overdue: suspended",
            None => "missing: suspended",
        };
        let who = [&person.id, &person.name, person.role.name()].map(cell).join(",");
        for (on, topics, until, by) in &person.trained {
            out!("{who},{on},{},{until},{},{state}", cell(topics), cell(by));
        }
        if person.trained.is_empty() {
            out!("{who},,,,,{state}");
        }
    }
    office.close().map_err(Failure::office)
}

/// A moment's day.
pub(crate) fn day(at_ms: i64) -> jiff::civil::Date {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).date()
}

fn roles() {
    out!(
        "{:<24}{}",
        "",
        Role::ALL.map(|role| format!("{:<13}", role.name())).concat().trim_end()
    );
    for permission in Permission::ALL {
        let marks = Role::ALL.map(|role| format!("{:<13}", if role.may(permission) { "yes" } else { "-" }));
        out!("{:<24}{}", permission.name(), marks.concat().trim_end());
    }
    out!(
        "patients' information is opened by trained people only; a clinician or nurse may break the glass for an hour"
    );
}
