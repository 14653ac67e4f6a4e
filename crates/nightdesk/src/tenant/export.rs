//! `nightdesk tenant export`: one practice's records as files that anybody reads.
//!
//! Who takes what out stands in the readers' book before a word of it is opened: a row for the command, for each call, for
//! each recording, so that `audit who-accessed` finds it for each patient. The book is read through twice and kept in
//! memory never; of the recordings one at a time is open. The folder has its name only once it is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ledger::{PARCEL_LIST, Parcel};
use office::agreement::With;
use seal::{Retention, Tenant};
use serde::Serialize;
use serde_json::{Value, json};
use switchboard::{CallId, Fact, Stamped};

use crate::archive::Archive;
use crate::config::Settings;
use crate::gate::{self, About, Gate};
use crate::retention::Destroyed;
use crate::{Failure, Who, keys, out, serve};

/// What is in the folder, for whoever opens it.
const READ_ME: &str = "\
What a telephone service kept for one practice, handed over.

calls.jsonl       a line a call: when, from which number, what came of it, its recordings
messages.jsonl    a line a message: what was asked, what was answered
keys.jsonl        what callers chose; a key itself is kept only where the practice asked for it
events.jsonl      everything else that happened in each call, in order
looks.jsonl       who of the service looked at what, and why
people.json       who worked for the practice here, in which role, trained when
agreements.json   the business associate agreements with the practice
destroyed.json    what was destroyed before, each with its certificate
recordings.jsonl  a line a recording: its call, when, how long, its file
recordings/       the sound: WAV, 16 bit, 8 kHz; the caller left, the other side right
manifest.txt      every file by its SHA-256, signed

.jsonl is one JSON object a line (UTF-8); times are in UTC. Check the files anywhere: sha256sum --check manifest.txt
Check besides that the list is genuine: nightdesk-verify FOLDER book.public
";

/// Beside the folder while it is being written.
const UNFINISHED: &str = "unfinished";

/// `nightdesk tenant export`
#[derive(clap::Args)]
pub(crate) struct Export {
    /// The practice, as its file names it
    practice: String,
    /// The folder to make; it must not be there
    #[arg(long)]
    into: PathBuf,
    #[command(flatten)]
    who: Who,
}

/// What the book says of the practice, gone through once.
#[derive(Default)]
struct Found {
    /// Its calls, in the order in which they began.
    order: Vec<CallId>,
    calls: BTreeSet<CallId>,
    /// What clips answer.
    fields: BTreeMap<[u8; 16], String>,
}

/// One line of `calls.jsonl`, while the book is read.
#[derive(Default, Serialize)]
struct Call {
    call: String,
    began: String,
    line: String,
    caller: Option<String>,
    outcome: String,
    seconds: u32,
    recordings: Vec<String>,
    rows_destroyed: usize,
}

impl Export {
    pub(super) fn write(&self) -> Result<(), Failure> {
        let settings = serve::settings(&self.who.config)?;
        let practice = self.practice.as_str();
        let about = About {
            practice: Some(practice),
            ..About::default()
        };
        let allowed = gate::pass(&settings, "tenant export", &about, &self.who)?;
        let archive = Archive::new(&settings);
        let found = find(&settings, &archive, practice)?;
        let state = office::read(&settings.data, keys::book_key(&settings.keys)?).map_err(Failure::office)?;
        let with = With::Practice(practice.to_owned());
        if found.order.is_empty() && !state.agreements.iter().any(|filed| filed.agreement.with == with) {
            return Err(Failure::new(
                format!("nothing here is of a practice “{practice}”"),
                "write its name as its file does; `nightdesk agreements list` shows names",
            ));
        }
        let (mut recordings, troubles) = archive.vault()?.list().map_err(Failure::vault)?;
        let tenant = Tenant::named(practice).0;
        recordings.retain(|one| one.fixed.tenant == tenant || found.calls.contains(&CallId(one.fixed.call)));
        let receipts = self.ask(&settings, &found, &recordings)?;

        let parcel = Unfinished::begin(&self.into)?;
        let begun = parcel.path.clone();
        save(&begun.join("README.txt"), READ_ME.as_bytes())?;
        rows(&archive, &found, &begun)?;
        looks(&archive, practice, &found, &begun)?;
        json_file(&begun.join("people.json"), &people(&state, practice))?;
        let agreements = state.agreements.iter().filter(|filed| filed.agreement.with == with);
        let agreements: Vec<Value> = agreements
            .map(|filed| json!({"agreement": filed.agreement, "filed by": filed.by, "ended": filed.ended}))
            .collect();
        json_file(&begun.join("agreements.json"), &Value::Array(agreements))?;
        let destroyed = Destroyed::of(&settings)?.of_practice(practice);
        json_file(&begun.join("destroyed.json"), &Value::Array(destroyed))?;
        let unheard = sound(&archive, &found, &recordings, receipts, &begun)?;

        let at = Timestamp::now().to_string();
        let list = Parcel::of(&begun, practice, &allowed.person, &self.who.reason, &at).map_err(Failure::book)?;
        let signer = keys::for_book(&settings.keys)?.sign;
        save(&begun.join(PARCEL_LIST), list.sign(&signer).as_bytes())?;
        parcel.finish(&self.into)?;
        out!(
            "{}  {} calls, {} recordings, {} files under one signature",
            self.into.display(),
            found.order.len(),
            recordings.len() - unheard.len(),
            list.files.len()
        );
        out!("it is plain: only the practice may have it; check it there with `nightdesk-verify` and book.public");
        for (id, why) in &unheard {
            out!("not in it: recording {id}: {why}");
        }
        for trouble in &troubles {
            out!("not a recording: {}: {}", trouble.path.display(), trouble.fault);
        }
        if unheard.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(
            format!("{} recordings could not be handed over", unheard.len()),
            "wait for those being written and export again; `nightdesk recordings verify` judges the others",
        );
        Err(failure.with_status(2))
    }

    /// A row for each call and for each recording.
    fn ask(
        &self,
        settings: &Settings,
        found: &Found,
        recordings: &[vault::Listed],
    ) -> Result<Vec<ledger::Receipt>, Failure> {
        let about = |object, call| About {
            practice: Some(&self.practice),
            object,
            call: Some(call),
            ..About::default()
        };
        let calls: Vec<About<'_>> = found.order.iter().map(|call| about(call.0, call.0)).collect();
        let sounds: Vec<About<'_>> = recordings.iter().map(|one| about(one.id.0, one.fixed.call)).collect();
        let gate = Gate::new(settings);
        gate.pass_each("tenant export", &calls, &self.who.reason)?;
        gate.pass_each("tenant export", &sounds, &self.who.reason)
    }
}

/// Which calls are the practice's: by what they say, or by the key their rows hang on when they say nothing any more.
fn find(settings: &Settings, archive: &Archive, practice: &str) -> Result<Found, Failure> {
    let ring = keys::rows(&settings.keys)?.now();
    let tenant = Tenant::named(practice);
    let ours: BTreeSet<seal::RowKeyId> = ring
        .iter()
        .filter(|(_, place, _)| place.tenant == tenant)
        .map(|(id, ..)| id)
        .collect();
    let destroyed = Destroyed::of(settings)?;
    let was_ours =
        |key: &seal::RowKeyId| destroyed.rows(key).and_then(|done| done.practice.as_deref()) == Some(practice);
    let mut found = Found::default();
    archive.each_row(|row, stamped| {
        let Some(call) = row.call.map(CallId) else { return };
        let said = match stamped.as_ref().map(|stamped| &stamped.fact) {
            Some(Fact::CallBegan { practice: of, .. }) => of == practice,
            Some(Fact::ClipKept { recording, field, .. }) => {
                found.fields.insert(recording.0, field.clone());
                false
            }
            _ => false,
        };
        if (said || ours.contains(&row.key) || row.lost && was_ours(&row.key)) && found.calls.insert(call) {
            found.order.push(call);
        }
    })?;
    Ok(found)
}

/// Everything the book says of the practice's calls.
fn rows(archive: &Archive, found: &Found, folder: &Path) -> Result<(), Failure> {
    let mut messages = Lines::begin(&folder.join("messages.jsonl"))?;
    let mut pressed = Lines::begin(&folder.join("keys.jsonl"))?;
    let mut events = Lines::begin(&folder.join("events.jsonl"))?;
    let mut calls: BTreeMap<CallId, Call> = BTreeMap::new();
    let mut failed = None;
    archive.each_row(|row, stamped| {
        let Some(call) = row.call.map(CallId).filter(|call| found.calls.contains(call)) else {
            return;
        };
        let about = calls.entry(call).or_insert_with(|| Call {
            call: call.to_string(),
            began: Timestamp::from_millisecond(row.at_ms).unwrap_or_default().to_string(),
            ..Call::default()
        });
        let Some(stamped) = stamped else {
            about.rows_destroyed += usize::from(row.lost);
            return;
        };
        about.take(&stamped.fact);
        let lines = match stamped.fact.keep() {
            Retention::Keys => &mut pressed,
            Retention::Messages => &mut messages,
            _ => &mut events,
        };
        // The one place where a fact leaves the house in the clear; the row that says so is durable.
        let written = serde_json::from_slice::<Value>(&Stamped::encode(&stamped)).map_err(io::Error::other);
        if let Err(fault) = written.and_then(|line| lines.put(&line)) {
            failed.get_or_insert(fault);
        }
    })?;
    if let Some(fault) = failed {
        return Err(Failure::file(folder)(fault));
    }
    for lines in [messages, pressed, events] {
        lines.end()?;
    }
    let mut lines = Lines::begin(&folder.join("calls.jsonl"))?;
    for call in found.order.iter().filter_map(|call| calls.get(call)) {
        let line = serde_json::to_value(call).unwrap_or_default();
        lines.put(&line).map_err(Failure::file(&lines.path))?;
    }
    lines.end()
}

impl Call {
    fn take(&mut self, fact: &Fact) {
        match fact {
            Fact::CallBegan { line, caller, .. } => {
                self.line.clone_from(line);
                self.caller.clone_from(caller.expose());
            }
            Fact::CallEnded { outcome, seconds, .. } => {
                self.outcome.clone_from(outcome);
                self.seconds = *seconds;
            }
            Fact::RecordingBegan { recording } | Fact::ClipKept { recording, .. } => {
                self.recordings.push(recording.to_string());
            }
            _ => {}
        }
    }
}

/// Who looked at what is the practice's, refusals too.
fn looks(archive: &Archive, practice: &str, found: &Found, folder: &Path) -> Result<(), Failure> {
    let mut lines = Lines::begin(&folder.join("looks.jsonl"))?;
    let book = archive.book(crate::views::READERS);
    let rows = ledger::Reader::open(&book, archive.read_keys()?, 0).map_err(Failure::book)?;
    for row in rows {
        let row = row.map_err(Failure::book)?;
        let Some(access) = row.access() else { continue };
        let of_a_call = access.call.is_some_and(|call| found.calls.contains(&CallId(call)));
        if !of_a_call && access.practice.as_deref() != Some(practice) {
            continue;
        }
        let line = json!({
            "row": row.position.sequence,
            "at": Timestamp::from_millisecond(access.at_ms).unwrap_or_default().to_string(),
            "actor": access.actor,
            "role": access.role,
            "action": access.action,
            "object": seal::keys::hex(&access.object),
            "call": access.call.map(|call| seal::keys::hex(&call)),
            "reason": access.reason,
            "source": access.source,
            "refused": access.refused,
        });
        lines.put(&line).map_err(Failure::file(&lines.path))?;
    }
    lines.end()
}

/// Whoever belongs to this practice, and nothing they log in with.
fn people(state: &office::State, practice: &str) -> Value {
    let own = state.people.values().filter(|person| {
        let practices = person.practices.as_ref();
        practices.is_some_and(|practices| practices.contains(practice))
    });
    let people = own.map(|person| {
        json!({
            "id": person.id,
            "name": person.name,
            "role": person.role.name(),
            "since": Timestamp::from_millisecond(person.added.0).unwrap_or_default().to_string(),
            "disabled": person.disabled.as_ref().map(|(_, reason)| reason),
            "trained": person.trained.iter().map(|(on, topics, until, _)| {
                json!({"on": on.to_string(), "topics": topics, "until": until.to_string()})
            }).collect::<Vec<_>>(),
        })
    });
    Value::Array(people.collect())
}

/// Every recording as WAV, one at a time. Gives those that cannot be heard, and why.
fn sound(
    archive: &Archive,
    found: &Found,
    recordings: &[vault::Listed],
    receipts: Vec<ledger::Receipt>,
    folder: &Path,
) -> Result<Vec<(vault::FileId, String)>, Failure> {
    let sounds = folder.join("recordings");
    private_folder(&sounds)?;
    let mut lines = Lines::begin(&folder.join("recordings.jsonl"))?;
    let vault = archive.vault()?;
    let mut listener = archive.listener();
    let mut unheard = Vec::new();
    for (one, receipt) in recordings.iter().zip(receipts) {
        let id = one.id;
        let wav = sounds.join(format!("{id}.wav"));
        let opened = match one.state {
            vault::State::Recording => Err("it is still being written".to_owned()),
            _ => match listener.key(one) {
                Ok(key) => vault.read(id, &receipt, &key).map_err(|fault| fault.to_string()),
                Err(failure) => Err(failure.what().to_owned()),
            },
        };
        let (file, ending) = match opened {
            Ok(audio) => {
                audio.write_wav(&wav).map_err(|fault| {
                    let cause = std::error::Error::source(&fault).map_or_else(String::new, ToString::to_string);
                    Failure::new(
                        format!("{}: {fault}: {cause}", wav.display()),
                        "make room on that disk and try again; nothing of this export was left there",
                    )
                })?;
                synced(&wav)?;
                (Some(format!("recordings/{id}.wav")), format!("{:?}", audio.ending()))
            }
            Err(why) => {
                unheard.push((id, why.clone()));
                (None, why)
            }
        };
        let line = json!({
            "recording": id.to_string(),
            "call": seal::keys::hex(&one.fixed.call),
            "answers": found.fields.get(&id.0),
            "began": Timestamp::from_millisecond(one.fixed.start_ms).unwrap_or_default().to_string(),
            "seconds": one.duration_ms as f64 / 1000.0,
            "file": file,
            "ending": ending,
        });
        lines.put(&line).map_err(Failure::file(&lines.path))?;
    }
    lines.end()?;
    Ok(unheard)
}

/// A folder that has not its name yet. Dropped unfinished, it goes away with all that is in it.
struct Unfinished {
    path: PathBuf,
    is_done: bool,
}

impl Unfinished {
    fn begin(into: &Path) -> Result<Self, Failure> {
        let taken = |path: &Path| {
            Failure::new(
                format!("{} is there already", path.display()),
                "name a folder that is not there, or take that one away",
            )
        };
        let name = into.file_name().ok_or_else(|| taken(into))?.to_string_lossy();
        if into.symlink_metadata().is_ok() {
            return Err(taken(into));
        }
        let path = into.with_file_name(format!("{name}.{UNFINISHED}"));
        if path.symlink_metadata().is_ok() {
            return Err(taken(&path));
        }
        private_folder(&path)?;
        Ok(Self { path, is_done: false })
    }

    fn finish(mut self, into: &Path) -> Result<(), Failure> {
        for folder in [self.path.join("recordings"), self.path.clone()] {
            synced(&folder)?;
        }
        fs::rename(&self.path, into).map_err(Failure::file(into))?;
        self.is_done = true;
        synced(
            into.parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new(".")),
        )
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_done
            && let Err(fault) = fs::remove_dir_all(&self.path)
        {
            out!(
                "{} could not be taken away: {fault}; it holds patients' details",
                self.path.display()
            );
        }
    }
}

/// A file of JSON lines in the making.
struct Lines {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Lines {
    fn begin(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::new(new_file(path)?),
        })
    }

    fn put(&mut self, line: &Value) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line).map_err(io::Error::from)?;
        self.out.write_all(b"\n")
    }

    fn end(self) -> Result<(), Failure> {
        let path = self.path;
        let file = self
            .out
            .into_inner()
            .map_err(|fault| Failure::file(&path)(fault.into_error()))?;
        file.sync_all().map_err(Failure::file(&path))
    }
}

fn json_file(path: &Path, value: &Value) -> Result<(), Failure> {
    save(path, format!("{value:#}\n").as_bytes())
}

fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = new_file(path)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(Failure::file(path))
}

/// For its owner only.
fn new_file(path: &Path) -> Result<File, Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(Failure::file(path))
}

fn private_folder(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(Failure::file(path))
}

fn synced(path: &Path) -> Result<(), Failure> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(Failure::file(path))
}
