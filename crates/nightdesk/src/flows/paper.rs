//! `nightdesk flow read | graph | explain | diff`: a flow on paper, made from what would run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use flow::review::{Document, diff, explain, graph};
use flow::{Language, Part, Practice};

use super::{Failure, out, practice, source};

/// Exit status of `flow diff` when some caller gets less than before: one approver is not enough.
pub(crate) const NEEDS_SECOND_APPROVER: u8 = 3;

/// Simulated callers whose waits are shown beside the proofs.
const STRANGERS: u32 = 1_000;

/// `flow read`
#[derive(Args)]
#[command(after_help = "Example: nightdesk flow read practices/cedar --html --out review.html")]
pub(crate) struct Read {
    /// The practice's folder
    folder: PathBuf,
    /// Only the flow of this name or file
    #[arg(long)]
    flow: Option<String>,
    /// In another of the practice's languages
    #[arg(long, default_value = "English")]
    language: String,
    /// As a web page that prints a page for each section (print it to PDF)
    #[arg(long)]
    html: bool,
    /// Write it to this file
    #[arg(long)]
    out: Option<PathBuf>,
    /// The speech program whose voice is timed; recorded words are timed as they are
    #[arg(long)]
    speech: Option<String>,
}

/// `flow graph`
#[derive(Args)]
#[command(after_help = "Example: nightdesk flow graph practices/cedar --format svg --out cedar.svg")]
pub(crate) struct Graph {
    /// The practice's folder
    folder: PathBuf,
    /// Only the flow of this name or file
    #[arg(long)]
    flow: Option<String>,
    /// How it is drawn
    #[arg(long, value_enum, default_value = "svg")]
    format: Drawn,
    /// Write it to this file
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Kinds of pictures.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Drawn {
    /// A picture by itself, for a browser or a printer
    Svg,
    /// For Markdown pages and wikis
    Mermaid,
    /// For Graphviz
    Dot,
}

/// `flow explain`
#[derive(Args)]
#[command(
    allow_missing_positional = true,
    after_help = "Examples: nightdesk flow explain practices/cedar --html --out protocol.html\n          nightdesk flow explain urgent practices/cedar"
)]
pub(crate) struct Explain {
    /// What is to be explained; without it everything, as the written protocol to be filed
    #[arg(value_enum)]
    what: Option<What>,
    /// The practice's folder
    folder: PathBuf,
    /// Worst times: the speech program whose voice is timed; recorded words are timed as they are
    #[arg(long)]
    speech: Option<String>,
    /// As a web page that prints
    #[arg(long)]
    html: bool,
    /// Write it to this file
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What can be explained.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What counts as urgent, and what happens then
    Urgent,
    /// Who is on call, and how they are reached
    OnCall,
    /// Where each kind of message goes, and how it is kept
    Delivery,
    /// How long callers wait at worst: for the 911 direction, the first ring, a person
    WorstTimes,
}

/// `flow diff`
#[derive(Args)]
#[command(
    after_help = "Exit status 3 when a change is a downgrade and needs a second approver.\nExample: nightdesk flow diff practices/cedar drafts/cedar"
)]
pub(crate) struct Diff {
    /// The folder as it was, or `live` for what callers hear now
    old: PathBuf,
    /// The folder as it is to be
    new: PathBuf,
    /// With `live`: the engine's configuration
    #[arg(long)]
    config: Option<PathBuf>,
}

/// Prints the review copy.
pub(crate) fn read(read: &Read) -> Result<(), Failure> {
    let source = source(&read.folder)?;
    let practice = practice(&source, &read.folder)?;
    let language = Language::named(&read.language)
        .filter(|language| practice.languages.contains(language))
        .ok_or_else(|| {
            let spoken: Vec<&str> = practice.languages.iter().map(|language| language.name()).collect();
            Failure::new(
                format!("{} does not speak {}", practice.name, read.language),
                format!("write one of: {}", spoken.join(", ")),
            )
        })?;
    let lengths = lengths(&read.folder, &practice, read.speech.as_deref())?;
    let mut text = String::new();
    for flow in chosen(&practice, read.flow.as_deref())? {
        let document = flow::review::copy(&practice, &flow, language, &|part| lengths.of(part));
        text.push_str(&printed(&document, read.html));
    }
    give(&text, read.out.as_deref())
}

/// Draws the picture.
pub(crate) fn graph(drawing: &Graph) -> Result<(), Failure> {
    let source = source(&drawing.folder)?;
    let practice = practice(&source, &drawing.folder)?;
    let flows = chosen(&practice, drawing.flow.as_deref())?;
    if flows.len() > 1 && drawing.format == Drawn::Svg {
        return Err(Failure::new(
            format!("{} has {} flows, and a picture holds one", practice.name, flows.len()),
            format!(
                "name one with --flow: {}",
                flows
                    .iter()
                    .map(|flow| flow.file.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ));
    }
    let mut text = String::new();
    for flow in flows {
        let graph = graph::Graph::new(&flow);
        text.push_str(&match drawing.format {
            Drawn::Svg => graph.to_svg(),
            Drawn::Mermaid => graph.to_mermaid(),
            Drawn::Dot => graph.to_dot(),
        });
    }
    give(&text, drawing.out.as_deref())
}

/// Explains one thing in writing.
pub(crate) fn explain(explain: &Explain) -> Result<(), Failure> {
    let source = source(&explain.folder)?;
    let practice = practice(&source, &explain.folder)?;
    let lengths = || lengths(&explain.folder, &practice, explain.speech.as_deref());
    let document = match explain.what {
        None => explain::protocol(&practice, &lengths()?, STRANGERS),
        Some(What::Urgent) => explain::urgent(&practice),
        Some(What::OnCall) => explain::on_call(&practice),
        Some(What::Delivery) => explain::delivery(&practice),
        Some(What::WorstTimes) => explain::worst_times(&practice, &lengths()?, STRANGERS),
    };
    give(&printed(&document, explain.html), explain.out.as_deref())
}

/// Prints what changed; the exit status says whether a second approver is needed.
pub(crate) fn diff(diff: &Diff) -> Result<(), Failure> {
    let compiled = |folder: &Path| practice(&source(folder)?, folder);
    let old = match &diff.config {
        Some(config) if diff.old == Path::new("live") => super::release::live(config, &diff.new)?,
        None if diff.old == Path::new("live") => {
            return Err(Failure::new(
                "`live` is what an engine says, and no engine is named",
                "add --config with its configuration, or name a folder",
            ));
        }
        _ => compiled(&diff.old)?,
    };
    let difference = diff::diff(&old, &*compiled(&diff.new)?);
    out!("{}", difference.to_string().trim_end());
    match difference.downgrades() {
        0 => Ok(()),
        count => Err(Failure::new(
            format!("{count} of these changes give some caller less than before"),
            "have two people sign it, one of them the clinician who approves the protocol: `nightdesk flow sign`",
        )
        .with_status(NEEDS_SECOND_APPROVER)),
    }
}

/// The flows that are meant: all of them, or the one of that name.
pub(super) fn chosen(practice: &Practice, name: Option<&str>) -> Result<Vec<Arc<flow::Flow>>, Failure> {
    let Some(name) = name else {
        return Ok(practice.flows.clone());
    };
    let found = practice
        .flows
        .iter()
        .find(|flow| flow.name == name || flow.file == name || flow.file.strip_suffix(".flow.yaml") == Some(name));
    found.map(|flow| vec![flow.clone()]).ok_or_else(|| {
        let known: Vec<&str> = practice.flows.iter().map(|flow| flow.file.as_str()).collect();
        Failure::new(
            format!("{} has no flow `{name}`", practice.name),
            format!("write one of: {}", known.join(", ")),
        )
    })
}

fn printed(document: &Document, html: bool) -> String {
    if html { document.to_html() } else { document.to_text() }
}

fn give(text: &str, file: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(file) => {
            std::fs::write(file, text).map_err(Failure::file(file))?;
            out!("wrote {}", file.display());
        }
        None => out!("{}", text.trim_end()),
    }
    Ok(())
}

/// How long the clips of a practice last, recorded or spoken.
pub(super) struct Lengths(pub(super) voice::Library);

impl Lengths {
    /// One clip's; `None` when nobody speaks it here.
    pub(super) fn of(&self, part: &Part) -> Option<Duration> {
        self.0.duration(part)
    }
}

/// As they are heard; what nobody speaks here is estimated.
impl flow::proof::Length for Lengths {
    fn seconds(&self, part: &Part) -> f64 {
        self.of(part)
            .map_or_else(|| flow::proof::Estimate.seconds(part), |length| length.as_secs_f64())
    }
}

pub(super) fn lengths(folder: &Path, practice: &Practice, speech: Option<&str>) -> Result<Lengths, Failure> {
    let mut library = super::library(folder, practice, speech)?;
    // What nobody speaks is estimated; `flow check` is where it is a fault.
    let _ = library.prepare(&practice.all_parts());
    Ok(Lengths(library))
}
