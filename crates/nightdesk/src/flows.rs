//! `nightdesk flow`: check, rehearse, read and compare what practices wrote.

mod lsp;
mod paper;
mod simulate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::{Subcommand, ValueEnum};
use flow::rehearse::Suite;
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
    },
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
    /// Play the practice's scenarios
    #[command(after_help = "Example: nightdesk flow test practices/cedar --pages")]
    Test {
        /// The practice's folder
        folder: PathBuf,
        /// With a real engine, real SIP, real audio and digits on loopback, instead of in memory
        #[arg(long)]
        over_sip: bool,
        /// Only scenarios whose name contains this
        #[arg(long)]
        only: Option<String>,
        /// Print each call on a page
        #[arg(long)]
        pages: bool,
        /// Over SIP: how much faster than life ladders are climbed
        #[arg(long, default_value_t = 10)]
        ladder_speed: u32,
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
        Flow::Check { folder, format, speech } => check(folder, *format, speech.as_deref()),
        Flow::Read(read) => paper::read(read),
        Flow::Graph(graph) => paper::graph(graph),
        Flow::Explain(explain) => paper::explain(explain),
        Flow::Diff(diff) => paper::diff(diff),
        Flow::Simulate(simulate) => simulate::simulate(simulate),
        Flow::Schema { kind } => schema(*kind),
        Flow::Lsp => lsp::lsp(),
        Flow::Test {
            folder,
            over_sip: false,
            only,
            pages,
            ..
        } => test(folder, only.as_deref(), *pages),
        Flow::Test {
            folder,
            only,
            pages,
            ladder_speed,
            ..
        } => over_sip::test(folder, only.as_deref(), *pages, *ladder_speed),
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
    let read = folder_of(folder)?;
    let compiled = flow::compile(&read);
    Ok(Source {
        files: read.files,
        practice: compiled.practice,
        diagnostics: compiled.diagnostics,
    })
}

/// The files of a practice folder.
fn folder_of(folder: &Path) -> Result<flow::Folder, Failure> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(Failure::file(folder))? {
        let path = entry.map_err(Failure::file(folder))?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let text = std::fs::read_to_string(&path).map_err(Failure::file(&path))?;
            files.insert(
                path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                text,
            );
        }
    }
    Ok(flow::Folder {
        files,
        ..flow::Folder::default()
    })
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

fn check(folder: &Path, format: Format, speech: Option<&str>) -> Result<(), Failure> {
    let source = source(folder)?;
    for diagnostic in &source.diagnostics {
        match format {
            Format::Json => out!("{}", diagnostic.to_json()),
            Format::Text => show(
                diagnostic,
                source.files.get(&diagnostic.file).map_or("", String::as_str),
            ),
        }
    }
    let errors = source
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    let Some(practice) = source.practice.clone().filter(|_| errors == 0) else {
        return Err(Failure::new(
            format!("{}: {errors} errors; nothing may be released", folder.display()),
            "mend what is named above",
        ));
    };
    let suites = suites(&source)?;
    // Any night will do: what is looked for is a question nobody comes to.
    if let Some(night) = suites
        .iter()
        .flat_map(|suite| &suite.scenarios)
        .map(|one| one.now)
        .next()
    {
        for flow in &practice.flows {
            for diagnostic in flow::rehearse::unrehearsed(&practice, flow, &suites, night) {
                match format {
                    Format::Json => out!("{}", diagnostic.to_json()),
                    Format::Text => show(&diagnostic, ""),
                }
            }
        }
    }
    let missing = unheard(folder, &practice, speech)?;
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
    Ok(())
}

/// What nobody could hear: neither recorded nor spoken by a program.
fn unheard(folder: &Path, practice: &Practice, speech: Option<&str>) -> Result<Vec<voice::Missing>, Failure> {
    Ok(library(folder, speech)?.prepare(&practice.all_parts()))
}

/// The recorded words of a folder, and a program's voice for the rest.
fn library(folder: &Path, speech: Option<&str>) -> Result<voice::Library, Failure> {
    let cache = cache()?;
    let words = folder.join("words");
    let recorded: Vec<PathBuf> = words.is_dir().then_some(words).into_iter().collect();
    voice::Library::open(&cache, crate::serve::speech(speech)?, &recorded)
        .map_err(|fault| Failure::new(fault.to_string(), "check the cache folder"))
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
        suites.extend(suite);
    }
    if broken > 0 {
        return Err(Failure::new(
            format!("{broken} errors in the scenarios"),
            "mend what is named above",
        ));
    }
    Ok(suites)
}

/// The practice of a folder, or a failure that says to check it.
pub(crate) fn practice(source: &Source, folder: &Path) -> Result<Arc<Practice>, Failure> {
    source.practice.clone().ok_or_else(|| {
        let fix = format!("run `nightdesk flow check {}` and mend what it names", folder.display());
        Failure::new(format!("{} does not compile", folder.display()), fix)
    })
}

fn test(folder: &Path, only: Option<&str>, pages: bool) -> Result<(), Failure> {
    let source = source(folder)?;
    let practice = practice(&source, folder)?;
    let began = Instant::now();
    let (mut passed, mut failed) = (0, 0);
    for scenario in suites(&source)?.iter().flat_map(|suite| &suite.scenarios) {
        if only.is_some_and(|only| !scenario.name.contains(only)) {
            continue;
        }
        let rehearsed = switchboard::rehearse::play(began, &practice, scenario);
        let outcome = rehearsed
            .observed
            .outcome
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        out!(
            "{}  {}  ({outcome})",
            if rehearsed.failures.is_empty() { "ok  " } else { "FAIL" },
            scenario.name
        );
        rehearsed.failures.iter().for_each(|failure| out!("      {failure}"));
        if pages || !rehearsed.failures.is_empty() {
            out!("{}", rehearsed.page);
        }
        if rehearsed.failures.is_empty() {
            passed += 1
        } else {
            failed += 1
        }
    }
    verdict(passed, failed, began)
}

/// The closing line, and the exit status.
pub(crate) fn verdict(passed: usize, failed: usize, began: Instant) -> Result<(), Failure> {
    out!(
        "{passed} passed, {failed} failed in {:.2} s",
        began.elapsed().as_secs_f64()
    );
    if failed > 0 {
        return Err(Failure::new(
            format!("{failed} scenarios failed"),
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
