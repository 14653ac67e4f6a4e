//! `nightdesk flow words export | import | speak`: a script for whoever records the words, the recordings back, and the
//! last words kept as sound for a night without a voice.
//!
//! A recording belongs to a sentence, not to a file: its name begins with the sentence's hash, so what is recorded for words
//! that were changed since is refused here and never heard there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use flow::{Part, Practice};

use super::{Failure, out, practice, source};

/// Rows of a script; a practice has hundreds of sentences.
const ROWS_MAX: usize = 20_000;

/// `flow words`
#[derive(Subcommand)]
pub(crate) enum Words {
    /// Write every sentence with the file name its recording is to have, as CSV
    #[command(after_help = "Example: nightdesk flow words export practices/cedar --out script.csv")]
    Export {
        /// The practice's folder
        folder: PathBuf,
        /// Write it to this file
        #[arg(long)]
        out: Option<PathBuf>,
        /// Only what has no recording yet
        #[arg(long)]
        missing: bool,
    },
    /// Take recordings that were made by a script; what no longer fits its sentence is left out and named
    #[command(after_help = "Example: nightdesk flow words import practices/cedar script.csv recordings/")]
    Import {
        /// The practice's folder
        folder: PathBuf,
        /// The script the recordings were made by
        script: PathBuf,
        /// The folder of WAV files, named as the script names them
        recordings: PathBuf,
    },
    /// Keep what must be heard on any night, in this machine's voice, as sound in words/spoken/: the notice, the advice to
    /// call 911, how each flow begins, its safety net. Heard only when nobody recorded it and no program can speak
    #[command(after_help = "Example: nightdesk flow words speak practices/cedar")]
    Speak {
        /// The practice's folder
        folder: PathBuf,
        /// The program that speaks, when it is not the one in the PATH
        #[arg(long)]
        speech: Option<String>,
    },
}

/// Runs one of them.
pub(crate) fn words(words: &Words) -> Result<(), Failure> {
    match words {
        Words::Export { folder, out, missing } => export(folder, out.as_deref(), *missing),
        Words::Import {
            folder,
            script,
            recordings,
        } => import(folder, script, recordings),
        Words::Speak { folder, speech } => speak(folder, speech.as_deref()),
    }
}

fn speak(folder: &Path, speech: Option<&str>) -> Result<(), Failure> {
    let practice = practice(&source(folder)?, folder)?;
    let parts = practice.last_words();
    let kept = folder.join(exchange::RECORDED).join(voice::SPOKEN);
    std::fs::create_dir_all(&kept).map_err(Failure::file(&kept))?;
    let wanted: std::collections::BTreeSet<String> = parts.iter().map(voice::file_name).collect();
    let mut stale = 0;
    for entry in std::fs::read_dir(&kept).map_err(Failure::file(&kept))?.flatten() {
        // Nothing but our own is removed: whoever put something else here meant it.
        let name = entry.file_name().to_string_lossy().into_owned();
        if voice::is_file_name(&name) && !wanted.contains(&name) {
            std::fs::remove_file(entry.path()).map_err(Failure::file(&entry.path()))?;
            stale += 1;
        }
    }
    let mut library = super::recorded_in(folder, &practice, crate::serve::speech(speech)?)?;
    let written = library.keep_spoken(&parts, &kept).map_err(|why| {
        Failure::new(
            format!("not every sentence can be spoken: {why}"),
            "a caller would hear nothing there on a night without a voice; sudo apt-get install -y espeak-ng",
        )
    })?;
    out!(
        "{} sentences are kept as sound in {}: {written} new, {stale} old ones removed",
        parts.len(),
        kept.display()
    );
    Ok(())
}

fn export(folder: &Path, file: Option<&Path>, missing: bool) -> Result<(), Failure> {
    let practice = practice(&source(folder)?, folder)?;
    // Only recordings are looked for: nobody speaks here.
    let recorded = super::recorded_in(folder, &practice, None)?;
    let mut csv = String::from("file,language,recorded,sentence\n");
    let mut rows = 0;
    for (name, part) in by_file(&practice) {
        let there = recorded.is_recorded(&part);
        if missing && there {
            continue;
        }
        rows += 1;
        csv.push_str(&format!(
            "{name},{},{},{}\n",
            part.language.name(),
            if there { "yes" } else { "no" },
            quoted(&part.text)
        ));
    }
    match file {
        Some(file) => {
            std::fs::write(file, csv).map_err(Failure::file(file))?;
            out!("wrote {rows} sentences to {}", file.display());
        }
        None => out!("{}", csv.trim_end()),
    }
    Ok(())
}

fn import(folder: &Path, script: &Path, recordings: &Path) -> Result<(), Failure> {
    let practice = practice(&source(folder)?, folder)?;
    let wanted = by_file(&practice);
    let text = std::fs::read_to_string(script).map_err(Failure::file(script))?;
    if !recordings.is_dir() {
        return Err(Failure::new(
            format!("{} is no folder of recordings", recordings.display()),
            "name the folder that holds the WAV files, called as the first column of the script says",
        ));
    }
    let words = folder.join("words");
    std::fs::create_dir_all(&words).map_err(Failure::file(&words))?;
    let (mut taken, mut left) = (0, 0);
    for row in rows(&text).into_iter().skip(1).take(ROWS_MAX) {
        let [name, language, _, sentence] = row.as_slice() else {
            return Err(Failure::new(
                format!("{}: a row has {} columns, not four", script.display(), row.len()),
                "keep the columns file, language, recorded, sentence as `flow words export` wrote them",
            ));
        };
        let from = recordings.join(name);
        // Only a name this practice asks for is ever opened: a script is not trusted with paths.
        let Some(part) = wanted.get(name) else {
            if from.file_name().is_some_and(|last| last == name.as_str()) && from.is_file() {
                left += 1;
                out!("left out, nobody says it any more: {language}: {sentence}");
            }
            continue;
        };
        if !from.is_file() {
            continue;
        }
        if part.text.as_ref() != sentence
            && voice::file_name(part) != voice::file_name(&Part::new(sentence.as_str(), part.language))
        {
            left += 1;
            out!("left out, the sentence reads otherwise now: {sentence}");
            continue;
        }
        hound::WavReader::open(&from).map_err(|fault| {
            Failure::new(
                format!("{}: {fault}", from.display()),
                "save it as WAV, one channel, any rate",
            )
        })?;
        let to = words.join(name);
        std::fs::copy(&from, &to).map_err(Failure::file(&to))?;
        taken += 1;
    }
    if taken + left == 0 {
        return Err(Failure::new(
            format!("{} holds no recording of this script", recordings.display()),
            "each is a WAV file called as the first column of the script says",
        ));
    }
    out!("{taken} recordings taken into {}, {left} left out", words.display());
    Ok(())
}

/// Every sentence of a practice by the name its recording is to have.
fn by_file(practice: &Practice) -> BTreeMap<String, Part> {
    practice
        .all_parts()
        .into_iter()
        .map(|part| (voice::file_name(&part), part))
        .collect()
}

/// A field as a spreadsheet reads it (RFC 4180 §2).
fn quoted(text: &str) -> String {
    // A spreadsheet takes these at the beginning for a formula; a blank before them changes nothing that is said.
    let text = if text.starts_with(['=', '+', '-', '@']) {
        format!(" {text}")
    } else {
        text.to_owned()
    };
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Rows of fields, quoted or not; quoted ones may hold commas, quotation marks and line breaks.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        let Some(field) = rows.last_mut().and_then(|row| row.last_mut()) else {
            break;
        };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => {
                if let Some(row) = rows.last_mut() {
                    row.push(String::new());
                }
            }
            '\n' if !quoted => rows.push(vec![String::new()]),
            '\r' if !quoted => {}
            c => field.push(c),
        }
    }
    rows.retain(|row| row.iter().any(|field| !field.trim().is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_comes_back_from_a_spreadsheet_as_it_went() {
        for sentence in [
            "Thank you. Goodbye.",
            "Say \"yes\", or wait",
            "¿En qué podemos ayudarle?",
            "two\nlines",
        ] {
            let read = rows(&format!("a.wav,English,no,{}\r\nb.wav,English,no,x", quoted(sentence)));
            assert_eq!(read.len(), 2);
            assert_eq!(read[0][3], sentence);
        }
        assert!(quoted("=1+1").starts_with("\" ="));
        assert_eq!(rows("\"unended"), [["unended"]]);
    }
}
