//! `- play: file` with its `words`, said when the file cannot be played.

use super::StepText;
use crate::model::Act;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let (file, head) = step.head_words()?;
    if file.starts_with('/') || file.contains("..") {
        step.out.push(crate::parse::not_understood(
            &head.at,
            format!("`{file}` is not a file below `words/`."),
            "Write its name alone: `play: welcome.wav`.",
        ));
        return None;
    }
    let words = step.beside.need(
        "words",
        "When the file is missing, the caller would hear nothing.",
        step.out,
    )?;
    let words = step.names.speech.sentence(words, "words", step.out)?;
    Some(Act::Play {
        file: file.to_owned(),
        words,
    })
}
