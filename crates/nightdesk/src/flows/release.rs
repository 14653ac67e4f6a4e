//! `nightdesk flow sign | release | rollback | releases`: from a folder somebody edits to words callers hear.
//!
//! parse → check → compile → rehearse → signatures → swap. Whatever fails, says so, and what callers hear stays as it is.
//! The swap is one line in the release's history (`exchange::releases`); the engine sees it within seconds, calls in progress
//! finish on the release they began with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use exchange::releases::{Bundle, Entry, SIGNATURES, Signature, Store, short, signers};
use flow::Practice;
use flow::release::{fingerprint, known_as, moment};
use flow::review::diff;
use jiff::Timestamp;

use super::{Failure, out, practice, source, suites};
use crate::config::Settings;
use crate::control::{Answer, Ask, Caller};
use crate::gate::{About, Gate};
use crate::{keys, serve};

/// `flow sign`
#[derive(Args)]
#[command(
    after_help = "Read what you sign first: `nightdesk flow read`, `nightdesk flow diff`.\nExample: nightdesk flow sign practices/cedar --as \"Adaeze Okafor MD\" --key ~/keys/adaeze-okafor-md.secret"
)]
pub(crate) struct Sign {
    /// The practice's folder
    folder: PathBuf,
    /// Your name, as the approval in the protocol has it
    #[arg(long = "as", value_name = "NAME")]
    by: String,
    /// Your own key file (`nightdesk keys approver` makes one)
    #[arg(long)]
    key: PathBuf,
}

/// `flow release`
#[derive(Args)]
#[command(after_help = "Example: nightdesk flow release practices/cedar --config nightdesk.yaml --at \"Monday 6 am\"")]
pub(crate) struct Release {
    /// The practice's folder
    folder: PathBuf,
    /// The engine's configuration
    #[arg(long)]
    config: PathBuf,
    /// When it takes effect, on the practice's clock; at once, unless said
    #[arg(long)]
    at: Option<String>,
}

/// `flow rollback`
#[derive(Args)]
#[command(after_help = "Example: nightdesk flow rollback practices/cedar --config nightdesk.yaml")]
pub(crate) struct Rollback {
    /// The practice's folder
    folder: PathBuf,
    /// The engine's configuration
    #[arg(long)]
    config: PathBuf,
    /// The release to go back to (the first letters of its fingerprint); the one before, unless said
    #[arg(long)]
    to: Option<String>,
}

/// `flow releases`
#[derive(Args)]
#[command(after_help = "Example: nightdesk flow releases practices/cedar --config nightdesk.yaml")]
pub(crate) struct Releases {
    /// The practice's folder
    folder: PathBuf,
    /// The engine's configuration
    #[arg(long)]
    config: PathBuf,
}

/// `flow status`
#[derive(Args)]
#[command(after_help = "Example: nightdesk flow status --config nightdesk.yaml")]
pub(crate) struct Status {
    /// The engine's configuration
    #[arg(long)]
    config: PathBuf,
    /// Your own name, for the engine's log
    #[arg(long, env = "USER", default_value = "nobody named")]
    actor: String,
}

/// Puts a signature under the words as they stand in the folder.
pub(crate) fn sign(sign: &Sign) -> Result<(), Failure> {
    if known_as(&sign.by).is_empty() || sign.by.contains(|c: char| c == '|' || c.is_control()) {
        return Err(Failure::new(
            format!("`{}` is nobody's name", sign.by),
            "write it as the protocol's approval does: --as \"Adaeze Okafor MD\"",
        ));
    }
    let source = source(&sign.folder)?;
    let practice = practice(&source, &sign.folder)?;
    let fingerprint = printed(&source.files)?;
    let key = keys::approver(&sign.key)?;
    let today = today(&practice);
    let signature = Signature::new(&fingerprint, &sign.by, today, &key);
    let path = sign.folder.join(SIGNATURES);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    // A signature under other words is void; keeping it would look like one under these.
    let kept = Signature::read_all(&before)
        .into_iter()
        .filter(|kept| kept.fingerprint == fingerprint && known_as(&kept.by) != known_as(&sign.by));
    let lines: String = kept.chain([signature]).map(|signature| signature.line()).collect();
    std::fs::write(&path, lines).map_err(Failure::file(&path))?;
    out!(
        "{} signed {} of {} on {today}; any change of flows, protocols or translations voids it",
        sign.by,
        short(&fingerprint),
        practice.name
    );
    Ok(())
}

/// Releases what stands in the folder, or says what keeps it from that.
pub(crate) fn release(release: &Release) -> Result<(), Failure> {
    let house = House::of(&release.config, &release.folder)?;
    let source = source(&release.folder)?;
    let practice = practice(&source, &release.folder)?;
    if house.is_lab && house.history()?.is_empty() {
        return Err(Failure::new(
            format!(
                "{} is a lab practice: callers hear what is written, and nothing is released",
                practice.name
            ),
            "take it out of `lab practices` in the engine's configuration when patients are to be answered",
        ));
    }
    if !house.is_lab {
        crate::agreements::holds(&house.settings, &practice, today(&practice))?;
    }
    overdue(&release.folder, &source.files, &practice)?;
    no_samples(&practice)?;
    rehearsed(&source, &practice)?;
    let fingerprint = printed(&source.files)?;
    let running = house.running(Timestamp::now());
    approved(
        &house,
        &release.folder,
        &fingerprint,
        &practice,
        running.as_ref(),
        &source.files,
    )?;
    let at = match &release.at {
        None => Timestamp::now(),
        Some(text) => {
            let now = Timestamp::now().to_zoned(practice.time_zone.clone()).datetime();
            let at = moment(text, now).and_then(|at| at.to_zoned(practice.time_zone.clone()).ok());
            at.map(|at| at.timestamp()).ok_or_else(|| {
                Failure::new(
                    format!("`{text}` is not a moment to come"),
                    "write it like `Monday 6 am`, `tomorrow noon` or `2026-11-23 6:30 am`",
                )
            })?
        }
    };
    let signatures = std::fs::read_to_string(release.folder.join(SIGNATURES)).unwrap_or_default();
    let by = house.may("flow release", &practice.name, &fingerprint)?;
    house
        .store
        .keep(&house.name, &fingerprint, &source.files, &signatures)
        .map_err(Failure::file(&house.folder))?;
    house.enter(at, &fingerprint, &by)?;
    let from = if release.at.is_some() {
        format!(
            "from {}",
            at.to_zoned(practice.time_zone.clone())
                .strftime("%A %Y-%m-%d %-I:%M %P")
        )
    } else {
        "now".to_owned()
    };
    out!(
        "released {} of {}: new calls take it {from}; calls in progress keep theirs",
        short(&fingerprint),
        practice.name
    );
    Ok(())
}

/// Goes back to an earlier release.
pub(crate) fn rollback(rollback: &Rollback) -> Result<(), Failure> {
    let house = House::of(&rollback.config, &rollback.folder)?;
    let history = house.history()?;
    let now = Timestamp::now();
    let running = house.running(now).map(|bundle| bundle.fingerprint);
    let earlier = history
        .iter()
        .rev()
        .filter(|entry| entry.at <= now && Some(&entry.fingerprint) != running.as_ref())
        .find(|entry| {
            rollback
                .to
                .as_ref()
                .is_none_or(|to| entry.fingerprint.starts_with(to.as_str()))
        });
    let earlier = earlier.ok_or_else(|| {
        Failure::new(
            match &rollback.to {
                Some(to) => format!("no earlier release begins with {to}"),
                None => "there is no release before this one".to_owned(),
            },
            "see `nightdesk flow releases`",
        )
    })?;
    house.store.bundle(&house.name, &earlier.fingerprint).map_err(|why| {
        Failure::new(
            format!("release {} is not believed: {why}", short(&earlier.fingerprint)),
            "go back further with --to, or release again from the folder",
        )
    })?;
    let practice = house.served_practice().map(|practice| practice.name.clone());
    let by = house.may(
        "flow rollback",
        practice.as_deref().unwrap_or(&house.name),
        &earlier.fingerprint,
    )?;
    house.enter(now, &earlier.fingerprint, &by)?;
    out!(
        "back to {}, first released by {}: new calls take it now; calls in progress keep theirs",
        short(&earlier.fingerprint),
        earlier.by
    );
    Ok(())
}

/// Lists the releases of a practice, the newest first.
pub(crate) fn releases(releases: &Releases) -> Result<(), Failure> {
    let house = House::of(&releases.config, &releases.folder)?;
    let history = house.history()?;
    if history.is_empty() {
        out!("{} was never released", house.name);
    }
    let now = Timestamp::now();
    let running = house.running(now).map(|bundle| bundle.fingerprint);
    let mut current = running.as_ref();
    for entry in history.iter().rev() {
        let state = if entry.at > now {
            "to come"
        } else if current == Some(&entry.fingerprint) {
            current = None;
            "in force"
        } else {
            ""
        };
        let signed = match house.store.bundle(&house.name, &entry.fingerprint) {
            Ok(bundle) => bundle.signed_by.into_iter().collect::<Vec<_>>().join(", "),
            Err(why) => format!("not believed: {why}"),
        };
        out!(
            "{}  {}  {:<8}  by {}, signed by {signed}",
            entry.at.strftime("%Y-%m-%d %H:%MZ"),
            short(&entry.fingerprint),
            state,
            entry.by
        );
    }
    Ok(())
}

/// Asks the serving engine what callers hear.
pub(crate) fn status(status: &Status) -> Result<(), Failure> {
    let settings = serve::settings(&status.config)?;
    let ask = Ask::Practices {
        actor: status.actor.clone(),
    };
    let mut engine = Caller::ask(&settings.data, &ask)?.ok_or_else(|| {
        Failure::new(
            "no engine serves this configuration: nobody is answered",
            format!("start it: nightdesk serve --config {}", status.config.display()),
        )
    })?;
    loop {
        match engine.answer()? {
            Answer::Practice(live) => {
                out!("{} ({})", live.practice, live.folder.display());
                out!("  callers hear  {}", live.says);
                for what in live.wrong {
                    out!("  wrong         {what}");
                }
                for what in live.gaps {
                    out!("  on call       {what}");
                }
            }
            Answer::House { what } => out!("ALARM           {what}"),
            Answer::Refused { why } => return Err(Failure::new(why, "ask again in a moment")),
            _ => return Ok(()),
        }
    }
}

/// The practice as callers hear it now, for `flow diff live`.
pub(crate) fn live(config: &Path, folder: &Path) -> Result<Arc<Practice>, Failure> {
    let house = House::of(config, folder)?;
    let bundle = house.running(Timestamp::now()).ok_or_else(|| {
        Failure::new(
            format!("{} has no release in force", house.name),
            "compare with a folder instead: nightdesk flow diff OLD NEW",
        )
    })?;
    let people = source(folder)?.files;
    with_people(&bundle, &people).ok_or_else(|| {
        Failure::new(
            format!(
                "the release in force does not go together with the practice file of {}",
                folder.display()
            ),
            format!("run `nightdesk flow check {}`", folder.display()),
        )
    })
}

/// The engine whose releases these are.
pub(super) struct House {
    name: String,
    folder: PathBuf,
    /// The practice's folder as the engine has it.
    own: PathBuf,
    store: Store,
    is_lab: bool,
    settings: Settings,
    approvers: Vec<exchange::releases::Approver>,
}

impl House {
    pub(super) fn of(config: &Path, folder: &Path) -> Result<Self, Failure> {
        let settings = serve::settings(config)?;
        let whole = folder.canonicalize().map_err(Failure::file(folder))?;
        let name = Store::name_of(&whole).ok_or_else(|| {
            Failure::new(
                format!("{} has no name", folder.display()),
                "give the practice's folder a name",
            )
        })?;
        let served = exchange::practices_in(&settings.practices);
        let own = served
            .iter()
            .find(|served| Store::name_of(served).as_ref() == Some(&name));
        // A release goes to the practice of that name; under a name nobody serves it would never be heard.
        let own = own.ok_or_else(|| {
            let names: Vec<String> = served.iter().filter_map(|served| Store::name_of(served)).collect();
            Failure::new(
                format!("this engine has no practice in a folder called `{name}`"),
                format!(
                    "its practices are: {}; a draft's folder has the name of its practice's",
                    names.join(", ")
                ),
            )
        })?;
        let releases = settings.data.join("releases");
        let store = Store::new(releases.clone(), settings.keys.join(keys::APPROVERS));
        let (approvers, wrong) = store.approvers();
        wrong.iter().for_each(|what| out!("{what}"));
        Ok(Self {
            name,
            store,
            folder: releases,
            is_lab: exchange::is_lab(&settings.labs, own),
            own: own.clone(),
            settings,
            approvers,
        })
    }

    /// The engine whose releases these are.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the engine's own folder of the practice says, when it can be read.
    pub(super) fn served_practice(&self) -> Option<Arc<Practice>> {
        source(&self.own).ok()?.practice
    }

    /// A release that is still kept and can be believed.
    pub(super) fn bundle(&self, fingerprint: &str) -> Option<Bundle> {
        self.store.bundle(&self.name, fingerprint).ok()
    }

    fn history(&self) -> Result<Vec<Entry>, Failure> {
        self.store.history(&self.name).map_err(Failure::file(&self.folder))
    }

    fn running(&self, now: Timestamp) -> Option<Bundle> {
        let mut told = Vec::new();
        let bundle = self.store.in_force(&self.name, now, &mut told);
        told.iter().for_each(|what| out!("{what}"));
        bundle
    }

    fn enter(&self, at: Timestamp, fingerprint: &str, by: &str) -> Result<(), Failure> {
        let entry = Entry {
            at,
            fingerprint: fingerprint.to_owned(),
            by: by.replace(['|', '\n', '\r'], " "),
        };
        let gives_way = self
            .store
            .enter(&self.name, entry)
            .map_err(Failure::file(&self.folder))?;
        for entry in gives_way {
            out!(
                "{}, which was to come {}, gives way and will not be heard",
                short(&entry.fingerprint),
                entry.at.strftime("%Y-%m-%d %H:%MZ")
            );
        }
        Ok(())
    }

    /// Who changes what callers hear leaves a row first (AUD-04).
    /// Whoever may do this, by their name; it is written down before it is done.
    pub(super) fn may(&self, command: &str, practice: &str, fingerprint: &str) -> Result<String, Failure> {
        let about = About {
            practice: Some(practice),
            object: fingerprint.get(..32).and_then(seal::keys::unhex).unwrap_or_default(),
            detail: &format!("{} {}", self.name, short(fingerprint)),
            ..About::default()
        };
        let allowed = Gate::new(&self.settings).pass(command, &about, "")?;
        Ok(allowed.person)
    }
}

fn today(practice: &Practice) -> jiff::civil::Date {
    Timestamp::now().to_zoned(practice.time_zone.clone()).date()
}

pub(super) fn printed(files: &BTreeMap<String, String>) -> Result<String, Failure> {
    let bytes = fingerprint(files).ok_or_else(|| {
        Failure::new(
            "a file cannot be read as YAML",
            "run `nightdesk flow check` on the folder and mend what it names",
        )
    })?;
    Ok(seal::keys::hex(&bytes))
}

/// Everything the checker says on this day, an approval past its review included.
fn overdue(folder: &Path, files: &BTreeMap<String, String>, practice: &Practice) -> Result<(), Failure> {
    let compiled = flow::compile_on(
        &flow::Folder {
            files: files.clone(),
            ..flow::Folder::default()
        },
        Some(today(practice)),
    );
    let errors: Vec<_> = compiled.diagnostics.iter().filter(|found| found.is_error()).collect();
    for error in &errors {
        super::show(error, files.get(&error.file).map_or("", String::as_str));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        format!(
            "{}: {} errors; nothing is released, and callers hear what they heard before",
            folder.display(),
            errors.len()
        ),
        "mend what is named above",
    ))
}

/// C008 at the gate: questions no clinician stands behind.
fn no_samples(practice: &Practice) -> Result<(), Failure> {
    for protocol in protocols(practice) {
        if protocol.sample {
            return Err(Failure::new(
                format!(
                    "{} is sample wording: patients would be sorted by questions no clinician stands behind",
                    protocol.file
                ),
                "have the medical director replace the questions and the `source:` line, then sign; a practice without patients needs \
                 no release where the engine's configuration names it in `lab practices`",
            ));
        }
    }
    Ok(())
}

fn protocols(practice: &Practice) -> Vec<Arc<flow::Protocol>> {
    let steps = practice
        .flows
        .iter()
        .flat_map(|flow| &flow.sections)
        .flat_map(|section| &section.steps);
    steps
        .filter_map(|step| match &step.act {
            flow::Act::Triage { protocol, .. } => Some(protocol.clone()),
            _ => None,
        })
        .collect()
}

/// Every flow has scenarios, and every scenario passes.
fn rehearsed(source: &super::Source, practice: &Arc<Practice>) -> Result<(), Failure> {
    let suites = suites(source)?;
    for flow in &practice.flows {
        let count: usize = suites
            .iter()
            .filter(|suite| suite.tests_for == flow.file)
            .map(|suite| suite.scenarios.len())
            .sum();
        if count == 0 {
            return Err(Failure::new(
                format!("{} has no scenario: nobody knows what a caller would meet", flow.file),
                format!(
                    "write some beside it (`nightdesk flow simulate` and `save` make one), and run `nightdesk flow test`; the file begins \
                     with `tests for: {}`",
                    flow.file
                ),
            ));
        }
    }
    let began = Instant::now();
    let mut failed = Vec::new();
    let mut passed = 0;
    for scenario in suites.iter().flat_map(|suite| &suite.scenarios) {
        if switchboard::rehearse::play(began, practice, scenario)
            .failures
            .is_empty()
        {
            passed += 1;
        } else {
            failed.push(scenario.name.as_str());
        }
    }
    if failed.is_empty() {
        out!("{passed} scenarios passed");
        return Ok(());
    }
    Err(Failure::new(
        format!("{} scenarios fail: {}", failed.len(), failed.join("; ")),
        "run `nightdesk flow test` and read their pages; nothing was released",
    ))
}

/// Enough people, and the right ones, have signed exactly these words.
fn approved(
    house: &House,
    folder: &Path,
    fingerprint: &str,
    practice: &Arc<Practice>,
    running: Option<&Bundle>,
    files: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let text = std::fs::read_to_string(folder.join(SIGNATURES)).unwrap_or_default();
    let signatures = Signature::read_all(&text);
    let signed = signers(&signatures, fingerprint, &house.approvers);
    let known: BTreeSet<&str> = house
        .approvers
        .iter()
        .map(|approver| approver.known_as.as_str())
        .collect();
    if signed.is_empty() {
        let why = if signatures.iter().any(|signature| signature.fingerprint != fingerprint) {
            "the words were changed after they were signed"
        } else if signatures.is_empty() {
            "nobody has signed them"
        } else {
            "nobody whose key this house holds has signed them"
        };
        return Err(Failure::new(
            format!("{}: {why}", folder.display()),
            format!(
                "`nightdesk flow sign {} --as NAME --key FILE`; this house knows: {}",
                folder.display(),
                if known.is_empty() {
                    format!(
                        "nobody yet (put NAME.public into {}/{})",
                        house.settings.keys.display(),
                        keys::APPROVERS
                    )
                } else {
                    known.into_iter().collect::<Vec<_>>().join(", ")
                }
            ),
        ));
    }
    let before = running.and_then(|bundle| with_people(bundle, files));
    let difference = before.map(|before| diff::diff(&before, practice));
    if let Some(difference) = &difference {
        out!("{}", difference.to_string().trim_end());
    }
    let two = difference.as_ref().is_none_or(diff::Difference::needs_two);
    if two && signed.len() < 2 {
        let why = match &difference {
            None => "this is the first release".to_owned(),
            Some(difference) if difference.downgrades() > 0 => {
                format!("{} changes give some caller less than before", difference.downgrades())
            }
            Some(_) => "a protocol or the safety net changed".to_owned(),
        };
        return Err(Failure::new(
            format!(
                "{why}, and one person has signed: {}",
                signed.into_iter().collect::<Vec<_>>().join(", ")
            ),
            "have a second approver read it and run `nightdesk flow sign`",
        )
        .with_status(super::paper::NEEDS_SECOND_APPROVER));
    }
    if two {
        for protocol in protocols(practice) {
            let clinician = known_as(&protocol.approval.by);
            if !signed.contains(&clinician) {
                return Err(Failure::new(
                    format!(
                        "{} says that {} approved it, and they have not signed",
                        protocol.file, protocol.approval.by
                    ),
                    "have them sign, or write down who approves it now",
                ));
            }
        }
    }
    out!("signed by {}", signed.into_iter().collect::<Vec<_>>().join(", "));
    Ok(())
}

/// A bundle with the practice file of a folder.
pub(super) fn with_people(bundle: &Bundle, folder: &BTreeMap<String, String>) -> Option<Arc<Practice>> {
    let mut files = bundle.files.clone();
    let people = folder
        .iter()
        .filter(|(file, _)| *file == "practice.yaml" || file.ends_with(".practice.yaml"));
    files.extend(people.map(|(file, text)| (file.clone(), text.clone())));
    flow::compile(&flow::Folder {
        files,
        ..flow::Folder::default()
    })
    .practice
}
