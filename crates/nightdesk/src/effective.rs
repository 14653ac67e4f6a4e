//! `nightdesk config dump`: every setting in force, and where each came from; and what no setting turns off.
//!
//! The tables here name the same settings as the readers do, which a test compares; so a setting that somebody adds is shown, and
//! is looked at by the tests that hold SEC-09. What is secret is shown as set, whatever file it stands in.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use flow::manual::{self, Holds, Name};
use flow::source::{Kind, Node};
use serde_json::{Value, json};

use crate::config::{Record, Settings};
use crate::trunk::preset::{Preset, Source};
use crate::{Failure, flows, keys, out, serve};

/// The longest value that is shown whole.
const VALUE_LETTERS_MAX: usize = 400;
/// Instead of what is secret.
const HIDDEN: &str = "set, not shown";
const UNSET: &str = "not set";

/// Settings in force.
#[derive(Subcommand)]
pub(crate) enum Config {
    /// Print every setting in force with where it came from, and what no setting turns off
    #[command(after_help = "Example: nightdesk config dump nightdesk.yaml --format json")]
    Dump {
        /// Configurations of engines, whose practices are shown with them, or folders of practices
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// For people, or for programs
        #[arg(long, value_enum, default_value_t = Format::Human)]
        format: Format,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

/// `nightdesk config …`
pub(crate) fn config(command: &Config) -> Result<(), Failure> {
    let Config::Dump { files, format } = command;
    let mut dump = Dump::default();
    for file in files {
        if file.is_dir() || named_as_practice(file) {
            let folder = if file.is_dir() {
                file.as_path()
            } else {
                file.parent().unwrap_or(Path::new("."))
            };
            let folders = exchange::practices_in(&[folder.to_owned()]);
            if folders.is_empty() {
                return Err(Failure::new(
                    format!("{} holds no practice", folder.display()),
                    "name a folder with a practice.yaml, or the engine's configuration",
                ));
            }
            for folder in folders {
                dump.practice(&folder)?;
            }
        } else {
            let settings = serve::settings(file)?;
            dump.engine(file, &settings)?;
        }
    }
    dump.environment();
    match format {
        Format::Human => dump.print(),
        Format::Json => out!("{:#}", dump.json()),
    }
    Ok(())
}

fn named_as_practice(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name == "practice.yaml" || name.ends_with(".practice.yaml")
}

/// A setting that may stand in the engine's configuration.
struct Known<T: ?Sized> {
    name: &'static str,
    /// What is in force where nobody wrote it.
    unset: fn(&T) -> String,
    /// What stands there is nobody's to read.
    secret: bool,
}

const fn known<T: ?Sized>(name: &'static str, unset: fn(&T) -> String) -> Known<T> {
    Known {
        name,
        unset,
        secret: false,
    }
}

const fn secret<T: ?Sized>(name: &'static str) -> Known<T> {
    Known {
        name,
        unset: none,
        secret: true,
    }
}

fn none<T: ?Sized>(_: &T) -> String {
    UNSET.to_owned()
}

/// Of the engine; those with settings of their own inside are tables below.
const ENGINE: &[Known<Settings>] = &[
    known("listen", none),
    known("external address", |settings| settings.desk.media_address.to_string()),
    known("browser pages", |_| "none: no page may open a WebSocket".to_owned()),
    known("name server", |_| "those of the machine".to_owned()),
    known("media address", |settings| settings.media_bind.to_string()),
    known("rtp ports", |settings| {
        format!("{} to {}", settings.rtp_ports.start(), settings.rtp_ports.end())
    }),
    known("media threads", |_| "one for each core but one".to_owned()),
    known("practices", none),
    known("lab practices", |_| {
        "none: every practice says what was signed and released".to_owned()
    }),
    known("data", |settings| settings.data.display().to_string()),
    known("keys", |settings| settings.keys.display().to_string()),
    known("speech", |_| "the first program for speech that is found".to_owned()),
    known("calls at most", |settings| settings.desk.calls_max.to_string()),
    known("calls per practice", |settings| {
        settings.desk.calls_per_practice_max.to_string()
    }),
    known("ring before answering", |settings| {
        length(settings.desk.ring_before_answer)
    }),
    known("ladder speed", |settings| settings.desk.ladder_speed.to_string()),
    known("drain for", |settings| length(settings.drain)),
    known("log off after", |settings| length(settings.log_off)),
    known("destroy what is due", |settings| {
        let whom = if settings.destroyed_by_a_person {
            "by a person"
        } else {
            "by itself"
        };
        whom.to_owned()
    }),
];

/// Of `certificate`.
const CERTIFICATE: &[Known<Settings>] = &[
    known("chain", none),
    known("key", none),
    known("client ca", none),
    known("carrier ca", |_| "the authorities of the machine".to_owned()),
];

/// Of `homer`.
const HOMER: &[Known<Settings>] = &[
    known("to", |_| "nowhere: no copy of the signalling is sent".to_owned()),
    known("node", |settings| {
        settings
            .homer
            .as_ref()
            .map_or(UNSET.to_owned(), |homer| homer.capture_id.to_string())
    }),
    known("numbers", |_| "masked".to_owned()),
    secret("password file"),
    known("baa", none),
];

/// Of each trunk.
const TRUNK: &[Known<Record>] = &[
    known("preset", none),
    known("from", none),
    known("tls names", none),
    known("country", |_| "US".to_owned()),
    known("baa", none),
    known("outbound", |_| "none: no call goes out".to_owned()),
    known("user", none),
    secret("password"),
    secret("password file"),
    known("prefix", none),
    secret("headers"),
    known("register", |_| "off".to_owned()),
    known("register for", |record| match &record.trunk.registration {
        Some(registration) => format!("{} seconds", registration.expires_s),
        None => UNSET.to_owned(),
    }),
    known("registrar", |_| "the first of `outbound`".to_owned()),
    known("encryption", |_| "off".to_owned()),
    known("codecs", |_| "those of the engine".to_owned()),
    known("number form", |_| "+E164".to_owned()),
    known("show caller in", |_| "P-Asserted-Identity, From".to_owned()),
    known("caller ids", |_| "any of the practice".to_owned()),
    known("domain", |_| "the address we call from".to_owned()),
    known("completes 988", |record| {
        let crisis = record.trunk.outbound.as_ref().map(|outbound| outbound.crisis_line);
        let completes = matches!(crisis, Some(sip::number::CrisisLine::Proved));
        if completes { "yes" } else { "no" }.to_owned()
    }),
    known("session timer", |record| match &record.trunk.session_timer {
        Some(timer) => format!("{} seconds", timer.expires_s),
        None => "off".to_owned(),
    }),
    known("options every", |record| match &record.trunk.ping {
        Some(ping) => length(ping.every),
        None => "off: it is not asked".to_owned(),
    }),
    known("down after", |record| pinged(record, |ping| ping.down_after)),
    known("up after", |record| pinged(record, |ping| ping.up_after)),
    known("calls in at most", |record| {
        record.trunk.limits.calls_in_max.to_string()
    }),
    known("calls out at most", |record| {
        record.trunk.limits.calls_out_max.to_string()
    }),
    known("calls in per second", |record| {
        record.trunk.limits.calls_in_per_s.to_string()
    }),
    known("calls per second", |record| {
        record.trunk.limits.calls_out_per_s.to_string()
    }),
    // It is told to the carrier alone.
    secret("report card"),
];

/// Of `digest in`.
const DIGEST: &[Known<Record>] = &[
    known("realm", |record| match &record.trunk.inbound_digest {
        Some(digest) => digest.realm.clone(),
        None => UNSET.to_owned(),
    }),
    known("user", none),
    secret("password"),
    secret("password file"),
];

fn pinged(record: &Record, count: fn(&switchboard::trunk::Ping) -> u8) -> String {
    record
        .trunk
        .ping
        .as_ref()
        .map_or(UNSET.to_owned(), |ping| count(ping).to_string())
}

/// What a practice has where it says nothing; below what is always said, an unset thing is just not there.
const OF_PRACTICE: &[(&str, &str)] = &[
    ("lunch", "none"),
    ("closed on", "no day"),
    ("on call / raise an alarm", "48 hours before a gap"),
    ("ladders / ‹ladder› / order / tries", "1"),
    ("ladders / ‹ladder› / order / apart", "0 seconds"),
    ("ladders / ‹ladder› / order / ring for", "25 seconds"),
    ("ladders / ‹ladder› / pass with", "2"),
    ("ladders / ‹ladder› / keep paging", "not after the last rung"),
    ("keep / messages", "6 years"),
    ("keep / recordings", "6 years"),
    ("keep / keys pressed", "6 years"),
    ("keep / calls", "6 years"),
    ("keep / audit", "6 years"),
    ("keep / after the contract ends", "30 days"),
];

/// Of a practice: the private numbers of people, and whatever a schedule must be told, a token perhaps.
const PRIVATE: &[&str] = &[
    "people / ‹person› / call",
    "people / ‹person› / page",
    "people / ‹person› / pin",
    "on call / ‹role› / ‹setting›",
];

/// What the program asks the environment for, and what it is. A secret is not shown.
const ENVIRONMENT: &[(&str, bool, &str)] = &[
    ("NIGHTDESK_LOG", false, "info"),
    ("NIGHTDESK_ENGINE_KEY", true, UNSET),
    ("NIGHTDESK_PASSPHRASE", true, UNSET),
    ("NIGHTDESK_NEW_PASSPHRASE", true, UNSET),
    ("NIGHTDESK_PIN", true, UNSET),
    ("NIGHTDESK_SESSION", false, "a file in the runtime folder"),
];

/// The credential in which systemd hands the engine its own key.
const CREDENTIAL: &str = "nightdesk-engine";

/// One line of the dump.
struct Line {
    /// The engine, a trunk, a practice.
    part: String,
    name: String,
    value: String,
    from: String,
}

/// What holds whatever stands in any file.
struct Always {
    what: &'static str,
    statement: &'static str,
    in_force: Vec<String>,
}

#[derive(Default)]
struct Dump {
    lines: Vec<Line>,
    /// Of each engine: from where its keys come.
    keys: Vec<String>,
    /// Of each practice's flows: what they say of recording.
    asked: Vec<String>,
    /// Practices that do not compile, with what to do.
    notes: Vec<String>,
}

impl Dump {
    fn line(&mut self, part: &str, name: impl Into<String>, value: impl Into<String>, from: impl Into<String>) {
        self.lines.push(Line {
            part: part.to_owned(),
            name: name.into(),
            value: value.into(),
            from: from.into(),
        });
    }

    /// An engine with its trunks and its practices.
    fn engine(&mut self, file: &Path, settings: &Settings) -> Result<(), Failure> {
        let text = std::fs::read_to_string(file).map_err(Failure::file(file))?;
        let tree = flow::source::read(&file.display().to_string(), &text).tree;
        let written = |name: &str| tree.as_ref().and_then(|tree| tree.entry(name));
        self.table("engine", "", ENGINE, settings, &written);
        for (name, table) in [("certificate", CERTIFICATE), ("homer", HOMER)] {
            self.table("engine", name, table, settings, &|inner| written(name)?.entry(inner));
        }
        let trunks = written("trunks").map(Node::entries).unwrap_or_default();
        for (name, node) in trunks {
            let Some(record) = settings.trunks.iter().find(|record| record.trunk.id == name.text) else {
                continue;
            };
            self.trunk(record, node);
        }
        self.keys.push(key_source(settings));
        for folder in exchange::practices_in(&settings.practices) {
            self.practice(&folder)?;
        }
        Ok(())
    }

    fn trunk(&mut self, record: &Record, node: &Node) {
        let part = format!("trunk {}", record.trunk.id);
        let preset = record.preset.and_then(Preset::named);
        for known in TRUNK {
            if known.name == "headers" && node.entry("headers").is_some() {
                let headers = node.entry("headers").map(Node::entries).unwrap_or_default();
                for (name, value) in headers {
                    self.line(&part, format!("headers / {}", name.text), HIDDEN, at(value));
                }
                continue;
            }
            let by_preset = preset.as_ref().and_then(|preset| {
                let (_, value, source) = preset.values().find(|(name, _, _)| *name == known.name)?;
                let source = match source {
                    Source::Page(page) => page.to_owned(),
                    Source::Guess(_) => "nobody has checked it".to_owned(),
                };
                Some((value.clone(), format!("preset {} ({source})", preset.key())))
            });
            match (node.entry(known.name), by_preset) {
                (None, Some((value, from))) if !known.secret => self.line(&part, known.name, words(&value), from),
                (written, _) => self.known(&part, "", known, record, written),
            }
        }
        self.table(&part, "digest in", DIGEST, record, &|inner| {
            node.entry("digest in")?.entry(inner)
        });
    }

    fn table<'a, T>(
        &mut self,
        part: &str,
        within: &str,
        table: &[Known<T>],
        of: &T,
        written: &dyn Fn(&str) -> Option<&'a Node>,
    ) {
        for known in table {
            self.known(part, within, known, of, written(known.name));
        }
    }

    fn known<T>(&mut self, part: &str, within: &str, known: &Known<T>, of: &T, written: Option<&Node>) {
        let name = if within.is_empty() {
            known.name.to_owned()
        } else {
            format!("{within} / {}", known.name)
        };
        match written {
            // The file's name is no secret, its words are.
            Some(node) if known.secret && known.name.ends_with("file") => {
                self.line(
                    part,
                    name,
                    HIDDEN,
                    format!("the file {}, named at {}", words(node), at(node)),
                );
            }
            Some(node) if known.secret => self.line(part, name, HIDDEN, at(node)),
            // A path stands against the file's folder.
            Some(node) if within.is_empty() && ["data", "keys"].contains(&known.name) => {
                self.line(part, name, (known.unset)(of), at(node));
            }
            Some(node) => self.line(part, name, words(node), at(node)),
            None => self.line(part, name, (known.unset)(of), "default"),
        }
    }

    /// A practice: what stands in its practice file, and what its flows say of recording.
    fn practice(&mut self, folder: &Path) -> Result<(), Failure> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .map_err(Failure::file(folder))?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| named_as_practice(path))
            .collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(Failure::file(&file))?;
            let Some(tree) = flow::source::read(&file.display().to_string(), &text).tree else {
                self.notes
                    .push(format!("{} cannot be read: run `nightdesk flow check`", file.display()));
                continue;
            };
            let name = tree.entry("practice").and_then(Node::text);
            let part = format!(
                "practice {}",
                name.map_or_else(|| folder.display().to_string(), str::to_owned)
            );
            self.entries(&part, ("", ""), manual::PRACTICE, Some(&tree));
        }
        match flows::source(folder).and_then(|source| flows::practice(&source, folder)) {
            Ok(practice) => {
                for flow in &practice.flows {
                    let says = match flow.recording {
                        flow::Recording::AskFirst => "every caller is asked first, and no answer is a no",
                        flow::Recording::Never => "nobody is recorded",
                    };
                    self.asked.push(format!("{}, {}: {says}", practice.name, flow.name));
                }
            }
            Err(failure) => self.notes.push(failure.to_string()),
        }
        Ok(())
    }

    /// `path` is how the manual writes a place, `shown` how the file does.
    fn entries(&mut self, part: &str, (path, shown): (&str, &str), entries: &[manual::Entry], tree: Option<&Node>) {
        let join = |before: &str, name: &str| match before {
            "" => name.to_owned(),
            before => format!("{before} / {name}"),
        };
        for entry in entries {
            let found: Vec<(&str, Option<&Node>)> = match entry.name {
                Name::Is(name) => vec![(name, tree.and_then(|tree| tree.entry(name)))],
                Name::Own(_) | Name::Key(_) => tree
                    .map(Node::entries)
                    .unwrap_or_default()
                    .iter()
                    .filter(|(name, _)| {
                        !entries
                            .iter()
                            .any(|other| matches!(other.name, Name::Is(is) if is == name.text))
                    })
                    .map(|(name, node)| (name.text.as_str(), Some(node)))
                    .collect(),
            };
            for (name, node) in found {
                let here = match entry.name {
                    Name::Own(what) => format!("‹{what}›"),
                    _ => name.to_owned(),
                };
                let (path, shown) = (join(path, &here), join(shown, name));
                self.entry(part, (&path, &shown), entry.holds, node);
            }
        }
    }

    fn entry(&mut self, part: &str, (path, shown): (&str, &str), holds: Holds, node: Option<&Node>) {
        match (holds, node.map(|node| &node.kind)) {
            (Holds::Map(inner), _) => self.entries(part, (path, shown), inner, node),
            (Holds::Either(_, inner) | Holds::Eithers(_, inner), Some(Kind::Map { .. })) => {
                self.entries(part, (path, shown), inner, node);
            }
            (Holds::Maps(inner), Some(Kind::List(items))) => {
                for (number, item) in (1..).zip(items) {
                    self.entries(part, (path, &format!("{shown} {number}")), inner, Some(item));
                }
            }
            (_, Some(_)) if PRIVATE.contains(&path) => {
                self.line(part, shown, HIDDEN, node.map(at).unwrap_or_default());
            }
            (_, Some(_)) => {
                let node = node.map(|node| (words(node), at(node)));
                let (value, from) = node.unwrap_or_default();
                self.line(part, shown, value, from);
            }
            (_, None) => {
                let unset = OF_PRACTICE.iter().find(|(known, _)| *known == path);
                self.line(part, shown, unset.map_or(UNSET, |(_, value)| value), "default");
            }
        }
    }

    fn environment(&mut self) {
        for (name, hidden, unset) in ENVIRONMENT {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            let from = if value.is_some() { "environment" } else { "default" };
            let shown = match value {
                Some(_) if *hidden => HIDDEN.to_owned(),
                Some(value) => value.to_string_lossy().into_owned(),
                None => (*unset).to_owned(),
            };
            self.line("environment", *name, shown, from);
        }
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|folder| PathBuf::from(folder).join(CREDENTIAL))
            .filter(|path| path.exists());
        let (value, from) = match credential {
            Some(path) => (HIDDEN, format!("credential {}", path.display())),
            None => (UNSET, "default".to_owned()),
        };
        self.line("environment", format!("credential {CREDENTIAL}"), value, from);
    }

    /// What no file, variable or credential can end (SEC-09). Each is a fact of the program; what differs between houses is read
    /// from the keys.
    fn always(&self) -> Vec<Always> {
        let mut encryption = vec![
            "recordings, clips and exports kept: AES-256-GCM in chunks, sealed for their practice, month and class by HPKE (RFC 9180, \
             DHKEM X25519, HKDF-SHA256, AES-256-GCM) from the first octet; there is no other recorder"
                .to_owned(),
            "rows of every book: AES-256-GCM under the key of their practice, month and class".to_owned(),
            "where TLS is spoken it is 1.2 or 1.3 and nothing older. Whether a carrier encrypts its line is the trunk's `encryption`: a call that \
             came in the clear says so in its record, and what is kept of it is sealed all the same"
                .to_owned(),
        ];
        encryption.extend(self.keys.iter().map(|keys| format!("keys: {keys}")));
        let mut consent = vec![
            format!(
                "the table of states is of {}: {} of them ask for everybody's consent, and one that is not known counts as they do",
                flow::consent::READ,
                flow::consent::ALL_PARTIES.len()
            ),
            "every caller is asked, in every state; no answer is a no; nothing is kept of before the yes".to_owned(),
        ];
        consent.extend(self.asked.iter().cloned());
        vec![
            Always {
                what: "encryption",
                statement: "there is no setting that turns it off",
                in_force: encryption,
            },
            Always {
                what: "audit",
                statement: "there is no setting that turns it off",
                in_force: vec![
                    "whatever shows or changes something protected is asked of the office, and is a row before it is answered; \
                     a book that cannot be written shows nothing to anybody"
                        .to_owned(),
                    format!(
                        "each row is chained to the one before by SHA-256; an Ed25519 signature every {} rows, and after {} s at the \
                         latest",
                        ledger::CHECKPOINT_ROWS_MAX,
                        ledger::CHECKPOINT_MS_MAX / 1000
                    ),
                    "who did what is kept for six years at least; `keep: audit` below that is refused".to_owned(),
                ],
            },
            Always {
                what: "consent",
                statement: "there is no setting that turns it off",
                in_force: consent,
            },
        ]
    }

    fn print(&self) {
        let mut part = "";
        for line in &self.lines {
            if line.part != part {
                part = &line.part;
                out!("\n{part}");
            }
            out!("  {:<34} {:<44} {}", line.name, line.value, line.from);
        }
        for note in &self.notes {
            out!("\n{note}");
        }
        for always in self.always() {
            out!("\n{}: {}. In force:", always.what, always.statement);
            for line in always.in_force {
                out!("  - {line}");
            }
        }
    }

    fn json(&self) -> Value {
        let settings: Vec<Value> = self
            .lines
            .iter()
            .map(|line| json!({"of": line.part, "setting": line.name, "value": line.value, "from": line.from}))
            .collect();
        let always: Vec<Value> = self
            .always()
            .into_iter()
            .map(|always| json!({"what": always.what, "setting": always.statement, "in force": always.in_force}))
            .collect();
        json!({"settings": settings, "no setting": always, "notes": self.notes})
    }
}

/// Where a value stands.
fn at(node: &Node) -> String {
    format!("{}:{}", node.at.file, node.at.line)
}

/// A value on one line, as it was written.
fn words(node: &Node) -> String {
    let mut text = String::new();
    write_words(node, &mut text);
    if text.chars().count() > VALUE_LETTERS_MAX {
        text = text.chars().take(VALUE_LETTERS_MAX).chain("…".chars()).collect();
    }
    // A line of ours is a line, whatever a file holds.
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

fn write_words(node: &Node, text: &mut String) {
    match &node.kind {
        Kind::Nothing => text.push_str("nothing"),
        Kind::Text(words) => text.push_str(words.trim()),
        Kind::List(items) => {
            for (number, item) in items.iter().enumerate() {
                text.push_str(if number == 0 { "" } else { ", " });
                write_words(item, text);
            }
        }
        Kind::Map { entries, .. } => {
            for (number, (name, value)) in entries.iter().enumerate() {
                // A String takes whatever is written to it.
                let _ = write!(text, "{}{}: ", if number == 0 { "" } else { ", " }, name.text);
                write_words(value, text);
            }
        }
    }
}

fn length(time: std::time::Duration) -> String {
    match time.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(3600) => format!("{} hours", seconds / 3600),
        seconds if seconds > 0 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

/// From where the engine of this configuration takes its keys, and how far they reach; no key is shown.
fn key_source(settings: &Settings) -> String {
    let folder = settings.keys.display();
    let root = match keyring::Keyring::at(&settings.keys).root() {
        Ok(Some(root)) => format!("the root is kept by {}", root.kept),
        Ok(None) => "there is no root yet".to_owned(),
        Err(fault) => format!("the root cannot be read: {fault}"),
    };
    let bundle = match keys::engine_keys(&settings.keys) {
        Ok(Some(keys)) => match keys.until {
            Some(until) => format!("the engine's bundle in {folder} reaches to {until}"),
            None => format!("the engine's bundle in {folder} holds no month"),
        },
        Ok(None) => format!("{folder} has no bundle for the engine: without keys it does not start"),
        Err(failure) => {
            format!("the bundle in {folder} cannot be opened from here, and without it no engine starts: {failure}")
        }
    };
    format!("{bundle}; {root}")
}

#[cfg(test)]
mod tests;
