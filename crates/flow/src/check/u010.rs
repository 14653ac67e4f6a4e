//! U010: a recording that cannot be used: no sound in it, or no sound file at all.

use super::recordings::warning;
use crate::compile::Folder;
use crate::diagnostic::Diagnostic;
use crate::recording::SoundFile;

pub(crate) fn check(folder: &Folder, out: &mut Vec<Diagnostic>) {
    for (name, recording) in folder.recordings.iter().flatten() {
        if let SoundFile::Unusable(why) = recording {
            out.push(warning(
                "U010",
                name,
                format!("This recording cannot be used: {why}."),
                "Callers hear a computer's voice there instead of the one that was recorded.",
                "Record it again as WAV: one channel, 16 bit, 16 kHz or more.",
            ));
        }
    }
}
