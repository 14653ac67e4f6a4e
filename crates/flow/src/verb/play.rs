//! `- play: file` with its `words`, said when the file cannot be played.
//!
//! The file is a recording of exactly these words, so it may stand for them wherever they are said, and nothing in them
//! may change from call to call.

use super::StepText;
use crate::model::Act;
use crate::parse::not_understood;

pub(super) fn read(step: &mut StepText<'_, '_>) -> Option<Act> {
    let words = step.beside.need(
        "words",
        "When the file is missing, the caller would hear nothing.",
        step.out,
    );
    let (file, head) = step.head_words()?;
    let sound = file.to_ascii_lowercase().ends_with(".wav");
    if file.contains(['/', '\\']) || file.starts_with('.') || !sound {
        step.out.push(not_understood(
            &head.at,
            format!("`{file}` is not a WAV file of `words/`."),
            "Write its name alone: `play: welcome.wav`.",
        ));
        return None;
    }
    let node = words?;
    let words = step.names.speech.sentence(node, "words", step.out)?;
    if words.has_fill_in() {
        step.out.push(not_understood(
            &node.at,
            "A recording says the same to everybody, and these words hold a fill-in.".to_owned(),
            "Use `say:` for what changes from call to call; `{practice}` may stay.",
        ));
        return None;
    }
    Some(Act::Play {
        file: file.to_owned(),
        words,
    })
}
