//! `nightdesk recordings`: what is in the vault, and one of them as WAV for whoever may listen.

use std::path::Path;

use crate::archive::{Archive, Reader};
use crate::{Failure, out};

/// One line a recording: id, when, length, kind, state.
pub(crate) fn list(archive: &Archive) -> Result<(), Failure> {
    let (recordings, troubles) = archive.vault()?.list().map_err(Failure::vault)?;
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

/// Verifies one recording, leaves a row in the readers' book, writes it as 16-bit WAV: caller left, other side right.
pub(crate) fn export(archive: &Archive, who: &Reader, id: &str, wav: &Path) -> Result<(), Failure> {
    let id: vault::FileId = id
        .parse()
        .map_err(|fault| Failure::new(format!("{fault}"), "copy the id from `nightdesk recordings list`"))?;
    let vault = archive.vault()?;
    let found = vault.find(id).map_err(Failure::vault)?;
    let receipt = archive.note_access(who, "export", id.0, Some(switchboard::CallId(found.fixed.call)))?;
    let audio = vault
        .export_wav(id, &receipt, &archive.listener()?, wav)
        .map_err(Failure::vault)?;
    let seconds = audio.frames() as f64 / 8_000.0;
    out!(
        "{}  {seconds:.1} s  {:?}  every chunk authentic",
        wav.display(),
        audio.ending()
    );
    Ok(())
}

/// Judges every recording with the listener's key.
pub(crate) fn verify(archive: &Archive) -> Result<(), Failure> {
    let vault = archive.vault()?;
    let secret = archive.listener()?;
    let mut bad = 0;
    for recording in vault.list().map_err(Failure::vault)?.0 {
        let verdict = vault
            .verify(recording.id, None, Some(&secret))
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
