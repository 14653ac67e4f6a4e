//! F014: `play:` names a sound file that is not in `words/`.

use crate::compile::Folder;
use crate::diagnostic::{Diagnostic, Place, nearest};
use crate::model::{Act, Practice};

pub(crate) fn check(folder: &Folder, practice: &Practice, out: &mut Vec<Diagnostic>) {
    // Where nobody has looked, nothing is missing.
    let Some(recordings) = &folder.recordings else { return };
    for flow in &practice.flows {
        for step in flow.sections.iter().flat_map(|section| &section.steps) {
            let Act::Play { file, .. } = &step.act else { continue };
            if recordings.contains_key(file) {
                continue;
            }
            let text = folder.files.get(&flow.file).map_or("", String::as_str);
            let at = Place {
                file: flow.file.as_str().into(),
                span: line_of(text, step.line),
                line: step.line,
            };
            out.push(Diagnostic::warning(
                "F014",
                &at,
                format!("There is no `words/{file}`."),
                "Callers hear a computer's voice say the words instead of the recording.",
                nearest(file, recordings.keys().map(String::as_str)).map_or_else(
                    || format!("Put the recording there as `{file}`, or write `say:` instead of `play:`."),
                    |near| format!("Did you mean `{near}`?"),
                ),
            ));
        }
    }
}

/// The bytes of a line, without the space before it.
fn line_of(text: &str, line: usize) -> std::ops::Range<usize> {
    let mut start = 0;
    for (nth, whole) in text.split_inclusive('\n').enumerate() {
        if nth + 1 == line {
            let indent = whole.len() - whole.trim_start().len();
            return start + indent..start + whole.trim_end().len().max(indent);
        }
        start += whole.len();
    }
    0..0
}
