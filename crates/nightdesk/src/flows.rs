//! `nightdesk flow`: check, rehearse, read and compare what practices wrote.

mod browser;
mod lsp;
mod new;
mod paper;
mod release;
mod replay;
mod simulate;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Subcommand, ValueEnum};
use flow::rehearse::{Coverage, Scenario, Suite};
use flow::{Diagnostic, Practice, Severity};

use crate::{Failure, out, over_sip};

/// Check, rehearse, read and compare what practices wrote.
#[derive(Subcommand)]
pub(crate) enum Flow {
    /// Say everything that is wrong, what a caller would suffer, and one fix each
    #[command(after_help = "Example: nightdesk flow check practices/cedar")]
    Check {
        /// The practice's folder
        folder: PathBuf,
        /// For people or for programs
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// The speech program, if recorded words are not enough
        #[arg(long)]
        speech: Option<String>,
        /// The day approvals must still hold on (today)
        #[arg(long)]
        on: Option<jiff::civil::Date>,
    },
    /// Make a practice to begin with, for one of nine kinds of organisation
    New(new::New),
    /// Print what callers hear and where each key leads, for a clinician to read and sign
    Read(paper::Read),
    /// Draw the flow: sections, keys, who is rung, what can follow
    Graph(paper::Graph),
    /// Print what counts as urgent, or where messages go
    Explain(paper::Explain),
    /// Say what changed between two folders, in clinical words
    Diff(paper::Diff),
    /// Hold a call at the keyboard: read what is said, type keys, decide what telephones do
    Simulate(simulate::Simulate),
    /// Print the JSON Schema of a kind of file, for editors that live on it
    #[command(after_help = "Example: nightdesk flow schema flow > flow.schema.json")]
    Schema {
        /// Which kind of file
        kind: FileKind,
    },
    /// Serve an editor by the Language Server Protocol: what is wrong, what may come next, what it means
    Lsp,
    /// A script for whoever records the words, and the recordings back
    #[command(subcommand)]
    Words(words::Words),
    /// Put your signature under the flows, protocols and translations as they stand
    #[command(visible_alias = "approve")]
    Sign(release::Sign),
    /// Check, rehearse and release what was signed; any failure keeps what callers hear now
    Release(release::Release),
    /// Go back to an earlier release
    Rollback(release::Rollback),
    /// Put past calls through a draft: which would have ended elsewhere
    Replay(replay::Replay),
    /// List the releases of a practice: when, who, signed by whom
    Releases(release::Releases),
    /// What callers of each practice hear from the serving engine now, and what keeps a change from them
    Status(release::Status),
    /// Play the practice's scenarios
    #[command(
        visible_alias = "rehearse",
        after_help = "Example: nightdesk flow test practices/cedar --pages"
    )]
    Test {
        /// The practice's folder
        folder: PathBuf,
        /// With a real engine, real SIP, real audio and digits on loopback, instead of in memory
        #[arg(long)]
        over_sip: bool,
        /// Only scenarios whose name contains this, or those of the file of this name
        #[arg(long)]
        only: Option<String>,
        /// Print each call on a page
        #[arg(long)]
        pages: bool,
        /// Fail unless the practice's scenarios walk every emergency and urgent path and 95 of 100 branches
        #[arg(long)]
        require: bool,
        /// Over SIP: how much faster than life ladders are climbed
        #[arg(long, default_value_t = 10)]
        ladder_speed: u32,
        /// Over SIP: how many calls at a time; each is an engine of its own
        #[arg(long, default_value_t = over_sip::AT_ONCE)]
        at_once: usize,
    },
}

/// A kind of file.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileKind {
    /// `practice.yaml`
    Practice,
    /// `*.flow.yaml`
    Flow,
    /// `*.protocol.yaml`
    Protocol,
    /// `*.shared.yaml`
    Shared,
    /// `*.tests.yaml`
    Tests,
}

/// Files and folders looked at to say which practice may be meant.
const PEEKED_MAX: usize = 256;

/// How diagnostics are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// With the line and what is wrong under it
    Text,
    /// One JSON object a line
    Json,
}

/// Runs one of the commands.
pub(crate) fn flow(command: &Flow) -> Result<(), Failure> {
    match command {
        Flow::Check {
            folder,
            format,
            speech,
            on,
        } => check(folder, *format, speech.as_deref(), on.unwrap_or_else(today)),
        Flow::New(new) => new::new(new),
        Flow::Read(read) => paper::read(read),
        Flow::Graph(graph) => paper::graph(graph),
        Flow::Explain(explain) => paper::explain(explain),
        Flow::Diff(diff) => paper::diff(diff),
        Flow::Simulate(simulate) => simulate::simulate(simulate),
        Flow::Schema { kind } => schema(*kind),
        Flow::Lsp => lsp::lsp(),
        Flow::Words(words) => words::words(words),
        Flow::Sign(sign) => release::sign(sign),
        Flow::Release(release) => release::release(release),
        Flow::Rollback(rollback) => release::rollback(rollback),
        Flow::Replay(command) => replay::run(command),
        Flow::Releases(releases) => release::releases(releases),
        Flow::Status(status) => release::status(status),
        Flow::Test {
            folder,
            over_sip: false,
            only,
            pages,
            require,
            ..
        } => test(folder, only.as_deref(), *pages, *require),
        Flow::Test {
            folder,
            only,
            pages,
            ladder_speed,
            at_once,
            ..
        } => over_sip::test(folder, only.as_deref(), *pages, *ladder_speed, *at_once),
    }
}

/// A practice folder as text, and what it compiles to.
pub(crate) struct Source {
    /// The files, by name.
    pub(crate) files: BTreeMap<String, String>,
    /// What they mean, unless something is wrong.
    pub(crate) practice: Option<Arc<Practice>>,
    /// What is wrong.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads and compiles a practice folder.
pub(crate) fn source(folder: &Path) -> Result<Source, Failure> {
    judged(folder, None)
}

/// The same on a known day, when an approval past its review is an error (C001), and with every recording listened to
/// (U010 to U015).
fn judged(folder: &Path, today: Option<jiff::civil::Date>) -> Result<Source, Failure> {
    let mut read = exchange::releases::draft(folder).map_err(|fault| no_practice(folder, &fault))?;
    let is_practice = |name: &String| name == "practice.yaml" || name.ends_with(".practice.yaml");
    if !read
        .files
        .keys()
        .any(|name| is_practice(name) || name.ends_with(".flow.yaml"))
    {
        return Err(holds_none(folder));
    }
    if today.is_some() {
        let words = folder.join(exchange::RECORDED);
        for (name, recording) in read.recordings.iter_mut().flatten() {
            *recording = voice::measure(&words.join(name));
        }
    }
    let compiled = flow::compile_on(&read, today);
    Ok(Source {
        files: read.files,
        practice: compiled.practice,
        diagnostics: compiled.diagnostics,
    })
}

/// A folder that cannot be read, as whoever typed its name sees it.
fn no_practice(folder: &Path, fault: &std::io::Error) -> Failure {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match fault.kind() {
        NotFound => Failure::new(
            format!("there is no folder {}", folder.display()),
            "check its name; `nightdesk flow new FOLDER --template primary-care --name NAME` makes a practice to begin with",
        ),
        NotADirectory => Failure::new(
            format!("{} is a file; a practice is a folder of files", folder.display()),
            format!(
                "name the folder it is in: {}",
                folder
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty())
                    .unwrap_or(Path::new("."))
                    .display()
            ),
        ),
        _ => Failure::new(
            format!("{}: {fault}", folder.display()),
            "check who may read it, and the disk",
        ),
    }
}

/// A folder without a practice; the ones in it that have one are named.
fn holds_none(folder: &Path) -> Failure {
    let is_practice = |entry: &std::fs::DirEntry| {
        let files = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
        let names = files.filter_map(|file| file.file_name().into_string().ok());
        names
            .take(PEEKED_MAX)
            .any(|name| name == "practice.yaml" || name.ends_with(".practice.yaml"))
    };
    let mut inside: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(PEEKED_MAX)
        .filter(is_practice)
        .map(|entry| entry.path().display().to_string())
        .collect();
    inside.sort();
    let fix = if inside.is_empty() {
        format!(
            "name the folder that holds `practice.yaml`, or make one: `nightdesk flow new {} --template primary-care --name NAME`",
            folder.join("practice").display()
        )
    } else {
        format!("name one practice: {}", inside.join(", "))
    };
    Failure::new(format!("{} is no practice's folder", folder.display()), fix)
}

/// The day it is here.
fn today() -> jiff::civil::Date {
    jiff::Zoned::now().date()
}

fn schema(kind: FileKind) -> Result<(), Failure> {
    use flow::manual::{FLOW, PRACTICE, PROTOCOL, SHARED, TESTS, schema};
    let (title, entries) = match kind {
        FileKind::Practice => ("A practice of Nightdesk", PRACTICE),
        FileKind::Flow => ("A flow of Nightdesk", FLOW),
        FileKind::Protocol => ("A protocol of Nightdesk", PROTOCOL),
        FileKind::Shared => ("A shared piece of Nightdesk", SHARED),
        FileKind::Tests => ("Scenarios of Nightdesk", TESTS),
    };
    out!("{:#}", schema(title, entries));
    Ok(())
}

/// Prints one diagnostic with the words it is about.
pub(crate) fn show(diagnostic: &Diagnostic, text: &str) {
    out!("{:?}", miette::Report::new(diagnostic.shown_in(text)));
}

fn check(folder: &Path, format: Format, speech: Option<&str>, on: jiff::civil::Date) -> Result<(), Failure> {
    let source = judged(folder, Some(on))?;
    let mut findings = source.diagnostics.clone();
    if let Some(practice) = &source.practice {
        let suites = suites(&source)?;
        // Any night will do: what is looked for is a question nobody comes to.
        let night = suites
            .iter()
            .flat_map(|suite| &suite.scenarios)
            .map(|one| one.now)
            .next();
        for flow in &practice.flows {
            findings.extend(
                night
                    .iter()
                    .flat_map(|night| flow::rehearse::unrehearsed(practice, flow, &suites, *night)),
            );
            findings.extend(flow::rehearse::broken(practice, flow, &suites));
        }
    }
    // What keeps the practice from being released is read last, right above the prompt.
    findings.sort_by_key(|found| std::cmp::Reverse(found.severity));
    for found in &findings {
        match format {
            Format::Json => out!("{}", found.to_json()),
            Format::Text => show(found, source.files.get(&found.file).map_or("", String::as_str)),
        }
    }
    let errors = findings
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .count();
    let Some(practice) = source.practice.clone().filter(|_| errors == 0) else {
        let (errors, mend) = match errors {
            1 => ("one error".to_owned(), "mend what is named last"),
            errors => (
                format!("{errors} errors"),
                "mend them; they are named last, above this line",
            ),
        };
        return Err(Failure::new(
            format!("{}: {errors}; nothing may be released", folder.display()),
            mend,
        ));
    };
    let mut library = library(folder, &practice, speech)?;
    let missing = library.prepare(&practice.all_parts());
    for sentence in &missing {
        out!("cannot be heard: “{}”: {}", sentence.part.text, sentence.why);
    }
    if !missing.is_empty() {
        return Err(Failure::new(
            format!("{} sentences have neither a recording nor a voice", missing.len()),
            "install a speech program (apt-get install espeak-ng) or record them into words/",
        ));
    }
    out!(
        "{}: good; {} sentences and pieces can be heard",
        practice.name,
        practice.all_parts().len()
    );
    let lengths = paper::Lengths(library);
    for flow in &practice.flows {
        let at_most = flow::review::explain::at_once(&practice, flow, &lengths);
        let told =
            |seconds: Option<f64>| seconds.map_or("no way".to_owned(), |seconds| format!("{:.0} s", seconds.ceil()));
        out!(
            "{}: at most {} to “call 911”, {} to the first ring, {} to a person, for a caller who answers at once (`flow explain worst-times`)",
            flow.file,
            told(at_most.to_911),
            told(at_most.to_first_ring),
            told(at_most.to_a_person)
        );
    }
    Ok(())
}

/// The recorded words of a practice, and a program's voice for the rest.
fn library(folder: &Path, practice: &Practice, speech: Option<&str>) -> Result<voice::Library, Failure> {
    recorded_in(folder, practice, crate::serve::speech(speech)?)
}

/// The recorded words of a practice, and this voice for the rest.
pub(crate) fn recorded_in(
    folder: &Path,
    practice: &Practice,
    engine: Option<voice::Engine>,
) -> Result<voice::Library, Failure> {
    let words = folder.join(exchange::RECORDED);
    let recorded: Vec<PathBuf> = words.is_dir().then(|| words.clone()).into_iter().collect();
    let mut library = voice::Library::open(cache()?, engine, &recorded)
        .map_err(|fault| Failure::new(fault.to_string(), "check the cache folder"))?;
    // What `play:` names and is not there has been told by the checker (F014), and is spoken.
    let _ = library.play(&words, practice.played());
    Ok(library)
}

/// Where this user's spoken sentences are kept; they hold nothing about any caller.
pub(crate) fn cache() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let folder = home.unwrap_or_else(std::env::temp_dir).join("nightdesk/speech");
    std::fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    Ok(folder)
}

/// The scenarios of a folder whose name contains `only`.
pub(crate) fn suites(source: &Source) -> Result<Vec<Suite>, Failure> {
    let mut suites = Vec::new();
    let mut broken = 0;
    for (name, text) in source.files.iter().filter(|(name, _)| name.ends_with(".tests.yaml")) {
        let (suite, diagnostics) = Suite::parse(name, text);
        broken += diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        diagnostics.iter().for_each(|diagnostic| show(diagnostic, text));
        suites.extend(suite.map(|suite| match &source.practice {
            Some(practice) => suite.aimed_at(practice),
            None => suite,
        }));
    }
    if broken > 0 {
        return Err(Failure::new(
            format!("{broken} errors in the scenarios"),
            "mend what is named above",
        ));
    }
    Ok(suites)
}

/// The scenarios of a suite that `--only` means.
pub(crate) fn meant(suite: Suite, only: Option<&str>) -> Vec<Scenario> {
    let whole = only.is_none_or(|only| suite.file == only);
    let mut scenarios = suite.scenarios;
    scenarios.retain(|scenario| whole || only.is_some_and(|only| scenario.name.contains(only)));
    scenarios
}

/// The practice of a folder, or a failure that says to check it.
pub(crate) fn practice(source: &Source, folder: &Path) -> Result<Arc<Practice>, Failure> {
    source.practice.clone().ok_or_else(|| {
        let fix = format!("run `nightdesk flow check {}` and mend what it names", folder.display());
        Failure::new(format!("{} does not compile", folder.display()), fix)
    })
}

fn test(folder: &Path, only: Option<&str>, pages: bool, require: bool) -> Result<(), Failure> {
    let source = source(folder)?;
    let practice = practice(&source, folder)?;
    let suites = suites(&source)?;
    if let Some(none) = means_none(&suites, only) {
        return Err(none);
    }
    let began = Instant::now();
    let cpu_before = cpu();
    let (mut passed, mut failed) = (0, 0);
    let mut count = |rehearsed: &switchboard::rehearse::Rehearsed| {
        if rehearsed.failures.is_empty() {
            passed += 1;
        } else {
            failed += 1;
        }
    };
    for scenario in suites.iter().cloned().flat_map(|suite| meant(suite, only)) {
        let rehearsed = switchboard::rehearse::play(began, &practice, &scenario);
        told(&rehearsed, pages);
        count(&rehearsed);
    }
    let (mut enough, mut generated_failed) = (true, 0);
    // Any night of theirs will do for what every flow must have.
    if let (None, Some(night)) = (
        only,
        suites
            .iter()
            .flat_map(|suite| &suite.scenarios)
            .map(|one| one.now)
            .next(),
    ) {
        for flow in &practice.flows {
            let scenarios = flow::rehearse::must_have(&practice, flow, night);
            let mut good = 0;
            for scenario in &scenarios {
                let rehearsed = switchboard::rehearse::play(began, &practice, scenario);
                if !rehearsed.failures.is_empty() {
                    told(&rehearsed, pages);
                }
                good += usize::from(rehearsed.failures.is_empty());
            }
            generated_failed += scenarios.len() - good;
            out!(
                "{}  {}: {good} of {} generated scenarios (faults of telephones, callers and the house) end with a person, a promise or a direction",
                if good == scenarios.len() { "ok  " } else { "FAIL" },
                flow.file,
                scenarios.len()
            );
        }
        for flow in &practice.flows {
            let own = suites.iter().filter(|suite| suite.tests_for == flow.file);
            let coverage = Coverage::of(&practice, flow, own.flat_map(|suite| &suite.scenarios));
            enough &= coverage.is_enough();
            out!("{}, by the practice's own scenarios:", flow.file);
            out!("{}", coverage.to_text().trim_end());
        }
    }
    let spent = cpu()
        .zip(cpu_before)
        .map(|(after, before)| after.saturating_sub(before));
    verdict(passed, failed + generated_failed, began, spent)?;
    if require && !enough {
        return Err(Failure::new(
            "the scenarios leave emergency or urgent paths, or more than 5 of 100 branches, unrehearsed",
            "write a scenario for each that is named above; `nightdesk flow simulate` writes one as you go",
        ));
    }
    Ok(())
}

/// One line for a scenario, and its page when it failed or pages are wanted.
fn told(rehearsed: &switchboard::rehearse::Rehearsed, pages: bool) {
    let outcome = rehearsed.observed.outcome.as_ref().map(ToString::to_string);
    let good = rehearsed.failures.is_empty();
    out!(
        "{}  {}  ({})",
        if good { "ok  " } else { "FAIL" },
        rehearsed.name,
        outcome.unwrap_or_default()
    );
    rehearsed.failures.iter().for_each(|failure| out!("      {failure}"));
    if pages || !good {
        out!("{}", rehearsed.page);
    }
}

/// The processor time of this thread; rehearsals use no other. `None` where the system does not say.
fn cpu() -> Option<Duration> {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    spent.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// `--only` meant none of the scenarios there are.
pub(crate) fn means_none(suites: &[Suite], only: Option<&str>) -> Option<Failure> {
    let only = only?;
    let of_all = || suites.iter().flat_map(|suite| &suite.scenarios);
    if of_all().next().is_none() || suites.iter().any(|suite| !meant(suite.clone(), Some(only)).is_empty()) {
        return None;
    }
    let files: Vec<&str> = suites.iter().map(|suite| suite.file.as_str()).collect();
    let first = of_all().next().map_or("", |scenario| scenario.name.as_str());
    Some(Failure::new(
        format!("no scenario's name contains `{only}`, and no file is called so"),
        format!(
            "write a part of a name, such as “{first}”, or one of: {}",
            files.join(", ")
        ),
    ))
}

/// The closing line, and the exit status.
pub(crate) fn verdict(passed: usize, failed: usize, began: Instant, cpu: Option<Duration>) -> Result<(), Failure> {
    let cpu = cpu.map_or_else(String::new, |cpu| format!(", {:.2} s of CPU", cpu.as_secs_f64()));
    out!(
        "{passed} passed, {failed} failed in {:.2} s{cpu}",
        began.elapsed().as_secs_f64()
    );
    if failed > 0 {
        return Err(Failure::new(
            if failed == 1 {
                "one scenario failed".to_owned()
            } else {
                format!("{failed} scenarios failed")
            },
            "read the page above, step by step; the first surprise is the fault",
        ));
    }
    if passed == 0 {
        return Err(Failure::new(
            "no scenario was played",
            "write a *.tests.yaml beside the flow",
        ));
    }
    Ok(())
}
