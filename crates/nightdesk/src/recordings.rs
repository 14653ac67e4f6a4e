//! `nightdesk recordings`: what is in the vault, and one of them as WAV for whoever may listen.

use std::collections::BTreeMap;
use std::path::Path;

use switchboard::{CallId, Fact};

use crate::archive::Archive;
use crate::config::Settings;
use crate::gate::{self, About, Gate};
use crate::{Failure, Who, out, serve};

/// One line a recording: id, when, length, kind, state.
pub(crate) fn list(settings: &Settings) -> Result<(), Failure> {
    let allowed = Gate::new(settings).pass("recordings list", &About::default(), "")?;
    let archive = Archive::new(settings);
    let (mut recordings, troubles) = archive.vault()?.list().map_err(Failure::vault)?;
    let practices = practices(&archive)?;
    recordings.retain(|recording| allowed.sees(practices.get(&CallId(recording.fixed.call)).map(String::as_str)));
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
    for trouble in &troubles {
        out!("not a recording: {}: {}", trouble.path.display(), trouble.fault);
    }
    if recordings.is_empty() {
        out!("no recordings");
    }
    Ok(())
}

/// Whose each call is.
fn practices(archive: &Archive) -> Result<BTreeMap<CallId, String>, Failure> {
    let mut practices = BTreeMap::new();
    archive.each_fact(|stamped| {
        if let (Some(call), switchboard::Fact::CallBegan { practice, .. }) = (stamped.call, stamped.fact) {
            practices.insert(call, practice);
        }
    })?;
    Ok(practices)
}

/// Verifies one recording, leaves a row in the readers' book, writes it as 16-bit WAV: caller left, other side right.
pub(crate) fn export(who: &Who, id: &str, wav: &Path) -> Result<(), Failure> {
    let settings = serve::settings(&who.config)?;
    let archive = Archive::new(&settings);
    let id: vault::FileId = id
        .parse()
        .map_err(|fault| Failure::new(format!("{fault}"), "copy the id from `nightdesk recordings list`"))?;
    let vault = archive.vault()?;
    let found = vault.find(id);
    let call = found.as_ref().ok().map(|found| found.fixed.call);
    let practices = practices(&archive)?;
    let about = About {
        practice: call.and_then(|call| practices.get(&CallId(call))).map(String::as_str),
        object: id.0,
        call,
        ..About::default()
    };
    let allowed = gate::pass(&settings, "recordings export", &about, who)?;
    found.map_err(Failure::vault)?;
    let audio = vault
        .export_wav(id, &allowed.receipt, &archive.listener()?, wav)
        .map_err(Failure::vault)?;
    let seconds = audio.frames() as f64 / 8_000.0;
    out!(
        "{}  {seconds:.1} s  {:?}  every chunk authentic",
        wav.display(),
        audio.ending()
    );
    Ok(())
}

/// Judges every recording with the listener's key, and by what the book says of it.
pub(crate) fn verify(settings: &Settings) -> Result<(), Failure> {
    let _allowed = Gate::new(settings).pass("recordings verify", &About::default(), "")?;
    let archive = Archive::new(settings);
    let vault = archive.vault()?;
    let secret = archive.listener()?;
    let mut bad = 0;
    // What the book says each was when it was sealed, or found after a stop of the engine.
    let mut sealed = BTreeMap::new();
    archive.each_fact(|stamped| match stamped.fact {
        Fact::RecordingSealed { recording, sha256, .. } => drop(sealed.insert(recording.0, (true, sha256))),
        Fact::RecordingInterrupted { recording, sha256, .. } => drop(sealed.insert(recording.0, (false, sha256))),
        _ => {}
    })?;
    for recording in vault.list().map_err(Failure::vault)?.0 {
        let known = sealed.get(&recording.id.0).and_then(|(complete, sha256)| {
            Some(vault::Expected {
                complete: *complete,
                bytes: recording.bytes,
                sha256: seal::keys::unhex(sha256)?,
            })
        });
        let verdict = vault
            .verify(recording.id, known.as_ref(), Some(&secret))
            .map_err(Failure::vault)?;
        if !matches!(verdict, vault::Verdict::Good { .. }) {
            bad += 1;
        }
        out!("{}  {verdict:?}", recording.id);
    }
    if bad > 0 {
        return Err(Failure::new(
            format!("{bad} recordings are not what was written"),
            "keep the disk as it is, and open an incident",
        ));
    }
    Ok(())
}
