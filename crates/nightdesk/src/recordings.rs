//! `nightdesk recordings`: what is in the vault, and one of them as WAV for whoever may listen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use switchboard::{CallId, Fact};

use crate::archive::Archive;
use crate::config::Settings;
use crate::gate::{self, About, Gate};
use crate::retention::{Destroyed, Done};
use crate::{Failure, Who, out, serve};

/// One line a recording: id, when, length, kind, state; and one for each that was destroyed.
pub(crate) fn list(settings: &Settings) -> Result<(), Failure> {
    let allowed = Gate::new(settings).pass("recordings list", &About::default(), "")?;
    let archive = Archive::new(settings);
    let (mut recordings, troubles) = archive.vault()?.list().map_err(Failure::vault)?;
    let known = Known::of(&archive)?;
    recordings.retain(|recording| allowed.sees(known.practice(CallId(recording.fixed.call))));
    for recording in &recordings {
        let start = jiff::Timestamp::from_millisecond(recording.fixed.start_ms).unwrap_or_default();
        let kind = match recording.kind {
            vault::Kind::Call => "call",
            vault::Kind::Clip => "clip",
        };
        let seconds = recording.duration_ms as f64 / 1000.0;
        let call = switchboard::CallId(recording.fixed.call);
        out!(
            "{}  {start:.0}  {seconds:8.1} s  {kind}  {:?}  call {call}",
            recording.id,
            recording.state
        );
    }
    let destroyed = Destroyed::of(settings)?;
    let mut gone = 0;
    for (id, done) in destroyed.files() {
        let call = known.calls.get(&id).copied();
        let practice = call.and_then(|call| known.practice(call)).or(done.practice.as_deref());
        if allowed.sees(practice) {
            gone += 1;
            let call = call.map_or_else(String::new, |call| format!("  call {call}"));
            out!("{}  {done}{call}", vault::FileId(id));
        }
    }
    for trouble in &troubles {
        out!("not a recording: {}: {}", trouble.path.display(), trouble.fault);
    }
    if recordings.is_empty() && gone == 0 {
        out!("no recordings");
    }
    Ok(())
}

/// What the book knows of calls and recordings.
#[derive(Default)]
struct Known {
    /// Whose each call is.
    practices: BTreeMap<CallId, String>,
    /// The call of each recording, also of those that are gone.
    calls: BTreeMap<[u8; 16], CallId>,
}

impl Known {
    fn of(archive: &Archive) -> Result<Self, Failure> {
        let mut known = Self::default();
        archive.each_fact(|stamped| match (stamped.call, stamped.fact) {
            (Some(call), Fact::CallBegan { practice, .. }) => drop(known.practices.insert(call, practice)),
            (Some(call), Fact::RecordingBegan { recording } | Fact::ClipKept { recording, .. }) => {
                known.calls.insert(recording.0, call);
            }
            _ => {}
        })?;
        Ok(known)
    }

    fn practice(&self, call: CallId) -> Option<&str> {
        self.practices.get(&call).map(String::as_str)
    }
}

/// What is said to whoever wants to hear a recording that was destroyed.
pub(crate) fn gone(id: vault::FileId, done: &Done) -> Failure {
    Failure::new(
        format!("recording {id} was {done}: nobody can hear it any more, from no backup either"),
        "the certificate is printed by `nightdesk retention certificate`",
    )
}

/// Passes the gate for one recording, whoever's it is, and gives the receipt and the key.
fn look(command: &'static str, who: &Who, id: vault::FileId) -> Result<(vault::Vault, Looked), Failure> {
    let settings = serve::settings(&who.config)?;
    let archive = Archive::new(&settings);
    let vault = archive.vault()?;
    let found = vault.find(id);
    let known = Known::of(&archive)?;
    let call = found.as_ref().ok().map(|found| found.fixed.call);
    let call = call.or_else(|| known.calls.get(&id.0).map(|call| call.0));
    let about = About {
        practice: call.and_then(|call| known.practice(CallId(call))),
        object: id.0,
        call,
        ..About::default()
    };
    let allowed = gate::pass(&settings, command, &about, who)?;
    if let Some(done) = Destroyed::of(&settings)?.file(&id.0) {
        return Err(gone(id, done));
    }
    let found = found.map_err(Failure::vault)?;
    let key = archive.listener().key(&found)?;
    let receipt = allowed.receipt;
    Ok((vault, Looked { found, receipt, key }))
}

/// What a look at one recording is done with.
struct Looked {
    found: vault::Listed,
    receipt: ledger::Receipt,
    key: vault::Key,
}

/// Leaves a row in the readers' book, then writes a recording as 16-bit WAV: caller left, other side right. The whole of it
/// is verified; of a part only the part is read.
pub(crate) fn export(who: &Who, id: &str, wav: &Path, (from, to): (Option<&str>, Option<&str>)) -> Result<(), Failure> {
    let id = id_of(id)?;
    let part = match (from.map(moment).transpose()?, to.map(moment).transpose()?) {
        (None, None) => None,
        (from, to) => Some((from.unwrap_or(0), to.unwrap_or(u64::MAX / 1024))),
    };
    let (vault, Looked { receipt, key, .. }) = look("recordings export", who, id)?;
    if let Some((from, to)) = part {
        let audio = vault.read_part(id, &receipt, &key, from, to).map_err(Failure::vault)?;
        audio.write_wav(wav).map_err(Failure::vault)?;
        let seconds = audio.frames() as f64 / 8_000.0;
        out!(
            "{}  {seconds:.1} s  {} chunks read, each authentic",
            wav.display(),
            audio.chunks_read()
        );
        return Ok(());
    }
    let audio = vault.export_wav(id, &receipt, &key, wav).map_err(Failure::vault)?;
    let seconds = audio.frames() as f64 / 8_000.0;
    out!(
        "{}  {seconds:.1} s  {:?}  every chunk authentic",
        wav.display(),
        audio.ending()
    );
    Ok(())
}

/// One recording at a glance. Where somebody speaks is told by the waveform, which is as secret as the sound: a row first.
pub(crate) fn show(who: &Who, id: &str) -> Result<(), Failure> {
    /// Blocks in a row.
    const WIDTH: usize = 72;
    let id = id_of(id)?;
    let (vault, Looked { found, receipt, key }) = look("recordings show", who, id)?;
    let start = jiff::Timestamp::from_millisecond(found.fixed.start_ms).unwrap_or_default();
    out!(
        "{id}  {start:.0}  {:.1} s  {:?}",
        found.duration_ms as f64 / 1000.0,
        found.state
    );
    match vault.peaks(id, &receipt, &key).map_err(Failure::vault)? {
        None => out!("no waveform: it was interrupted, or made before there were any"),
        Some(peaks) => {
            out!("caller  |{}|", peaks.row(0, WIDTH));
            if peaks.channels == 2 {
                out!("other   |{}|", peaks.row(1, WIDTH));
            }
        }
    }
    Ok(())
}

/// Judges every recording with the listener's key, and by what the book says of it.
pub(crate) fn verify(settings: &Settings) -> Result<(), Failure> {
    let _allowed = Gate::new(settings).pass("recordings verify", &About::default(), "")?;
    let archive = Archive::new(settings);
    let vault = archive.vault()?;
    let mut listener = archive.listener();
    let mut bad = 0;
    // What the book says each was when it was sealed, or found after a stop of the engine.
    let mut sealed = BTreeMap::new();
    // Everything that was kept once; what is left of it at the end is missing.
    let mut missing = BTreeSet::new();
    archive.each_fact(|stamped| match stamped.fact {
        Fact::RecordingSealed { recording, sha256, .. } => {
            missing.insert(recording.0);
            sealed.insert(recording.0, (true, sha256));
        }
        Fact::RecordingInterrupted { recording, sha256, .. } => {
            missing.insert(recording.0);
            sealed.insert(recording.0, (false, sha256));
        }
        Fact::ClipKept { recording, .. } => drop(missing.insert(recording.0)),
        _ => {}
    })?;
    let (recordings, troubles) = vault.list().map_err(Failure::vault)?;
    for trouble in &troubles {
        bad += 1;
        out!("not a recording: {}: {}", trouble.path.display(), trouble.fault);
    }
    for recording in recordings {
        missing.remove(&recording.id.0);
        let key = match listener.key(&recording) {
            Ok(key) => key,
            Err(failure) => {
                bad += 1;
                out!("{}  {failure}", recording.id);
                continue;
            }
        };
        let known = sealed.get(&recording.id.0).and_then(|(complete, sha256)| {
            Some(vault::Expected {
                complete: *complete,
                bytes: recording.bytes,
                sha256: seal::keys::unhex(sha256)?,
            })
        });
        let verdict = vault
            .verify(recording.id, known.as_ref(), Some(&key))
            .map_err(Failure::vault)?;
        if !matches!(verdict, vault::Verdict::Good { .. }) {
            bad += 1;
        }
        out!("{}  {verdict:?}", recording.id);
    }
    let destroyed = Destroyed::of(settings)?;
    for id in missing {
        match destroyed.file(&id) {
            Some(done) => out!("{}  {done}", vault::FileId(id)),
            None => {
                bad += 1;
                out!(
                    "{}  MISSING: it was kept, and nothing says that it was destroyed",
                    vault::FileId(id)
                );
            }
        }
    }
    if bad > 0 {
        return Err(Failure::new(
            format!("{bad} recordings are not what was written, are gone, or cannot be opened"),
            "keep the disk as it is, and open an incident",
        ));
    }
    Ok(())
}

fn id_of(id: &str) -> Result<vault::FileId, Failure> {
    id.parse()
        .map_err(|fault| Failure::new(format!("{fault}"), "copy the id from `nightdesk recordings list`"))
}

/// Milliseconds from `61500`, `61.5`, `1:01.5` or `0:01:01.5`; a number without point or colon is milliseconds.
fn moment(text: &str) -> Result<u64, Failure> {
    let wrong = || {
        Failure::new(
            format!("`{text}` is no place in a recording"),
            "write milliseconds, or minutes and seconds as 1:02.5",
        )
    };
    if let Ok(milliseconds) = text.parse() {
        return Ok(milliseconds);
    }
    let mut seconds = 0.0;
    for part in text.split(':') {
        let number: f64 = part.parse().map_err(|_| wrong())?;
        if !(0.0..1e6).contains(&number) {
            return Err(wrong());
        }
        seconds = seconds * 60.0 + number;
    }
    Ok((seconds * 1000.0).round() as u64)
}
