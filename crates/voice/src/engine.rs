//! The speech program: espeak-ng or flite, called as a process, never linked (espeak-ng is GPL).
//!
//! One thing to know: it runs when a practice is loaded, never during a call, so it may be slow; but it may not hang,
//! fill the disk or stop the load. Time and output are bounded and a failure is one sentence missing.

use crate::VoiceFault;
use crate::audio::WAV_BYTES_MAX;
use crate::spell::spell;
use flow::Language;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A program that speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    program: PathBuf,
    kind: Kind,
    /// What it says of itself; part of the cache's key, so that a new version speaks anew.
    version: String,
    voices: BTreeMap<Language, String>,
}

/// How a program is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// espeak-ng (or its ancestor espeak): many languages.
    Espeak,
    /// flite: English.
    Flite,
}

/// Longest one sentence may take.
const SPEAK_FOR_MAX: Duration = Duration::from_secs(20);
/// Longest a program may take to say what it is.
const ASK_FOR_MAX: Duration = Duration::from_secs(5);
/// What is read of what it says of itself.
const ANSWER_BYTES_MAX: u64 = 60_000;
/// Longest sentence that is spoken; it fits any pipe, so handing it over cannot block.
const TEXT_BYTES_MAX: usize = 4_000;
/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// Calm enough for someone who is ill and listens on a telephone.
const WORDS_PER_MINUTE: &str = "150";
/// flite has no words per minute; this much longer than its usual pace comes to the same.
const FLITE_STRETCH: &str = "duration_stretch=1.1";

impl Engine {
    /// The first program on `path` (the value of `PATH`) that speaks: espeak-ng, then flite.
    pub fn find(path: &OsStr) -> Option<Self> {
        ["espeak-ng", "flite"].into_iter().find_map(|name| {
            let programs = std::env::split_paths(path).map(|folder| folder.join(name));
            programs
                .filter(|program| program.is_file())
                .find_map(|program| Self::at(&program).ok())
        })
    }

    /// This program, as the configuration names it.
    pub fn at(program: &Path) -> Result<Self, VoiceFault> {
        let refused = |why: String| VoiceFault::RefusedProgram {
            program: program.display().to_string(),
            why,
        };
        let said = ask(program, &["--version"]).map_err(refused)?;
        let lower = said.to_ascii_lowercase();
        let mut voices = BTreeMap::new();
        let kind = if lower.contains("espeak") {
            let english = ask(program, &["--voices=en"]).map_err(refused)?;
            let spanish = ask(program, &["--voices=es"]).map_err(refused)?;
            let listed = |list: &str, names: &[&'static str]| {
                let has = |name: &&&str| list.split_whitespace().any(|word| word.eq_ignore_ascii_case(name));
                names.iter().find(has).map(|name| (*name).to_owned())
            };
            voices.extend(listed(&english, &["en-us", "en"]).map(|voice| (Language::English, voice)));
            voices.extend(listed(&spanish, &["es-419", "es-la", "es"]).map(|voice| (Language::Spanish, voice)));
            Kind::Espeak
        } else if lower.contains("flite") {
            let list = ask(program, &["-lv"]).map_err(refused)?;
            let names = list.split_once(':').map_or("", |(_, names)| names);
            let voice = ["slt", "rms", "kal16", "kal"]
                .into_iter()
                .find(|v| names.split_whitespace().any(|n| n == *v));
            voices.extend(voice.map(|voice| (Language::English, voice.to_owned())));
            Kind::Flite
        } else {
            return Err(refused("it is neither espeak-ng nor flite".to_owned()));
        };
        if voices.is_empty() {
            return Err(refused("it has no voice for English or Spanish".to_owned()));
        }
        let version = said.split_whitespace().take(12).collect::<Vec<_>>().join(" ");
        Ok(Self {
            program: program.to_owned(),
            kind,
            version,
            voices,
        })
    }

    /// The same program with another voice for one language.
    #[must_use]
    pub fn with_voice(mut self, language: Language, voice: &str) -> Self {
        self.voices.insert(language, voice.to_owned());
        self
    }

    /// How it is asked.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The voice it uses for a language, if it speaks it.
    pub fn voice(&self, language: Language) -> Option<&str> {
        self.voices.get(&language).map(String::as_str)
    }

    /// Everything but the sentence that decides how it sounds.
    pub(crate) fn manner(&self, language: Language) -> Option<String> {
        let pace = match self.kind {
            Kind::Espeak => WORDS_PER_MINUTE,
            Kind::Flite => FLITE_STRETCH,
        };
        Some(format!(
            "{:?}\n{}\n{}\n{pace}",
            self.kind,
            self.version,
            self.voice(language)?
        ))
    }

    /// Speaks a sentence into a WAV file, or says why not.
    pub(crate) fn speak(&self, sentence: &str, language: Language, wav: &Path) -> Result<(), String> {
        let name = self.program.display();
        let voice = self
            .voice(language)
            .ok_or_else(|| format!("{name} has no voice for {language}"))?;
        let text = spell(sentence, language);
        if text.len() > TEXT_BYTES_MAX {
            return Err(format!("the sentence is longer than {TEXT_BYTES_MAX} bytes"));
        }
        // What an earlier process left under this name is not what this one says.
        let _ = fs::remove_file(wav);
        let mut command = Command::new(&self.program);
        let stdin = match self.kind {
            Kind::Espeak => {
                command
                    .args(["-b", "1", "-v", voice, "-s", WORDS_PER_MINUTE, "--stdin", "-w"])
                    .arg(wav);
                Some(text.as_str())
            }
            Kind::Flite => {
                command
                    .args(["-voice", voice, "--setf", FLITE_STRETCH, "-t", &text, "-o"])
                    .arg(wav);
                None
            }
        };
        let (_, status) = run(command, stdin, SPEAK_FOR_MAX, Some(wav)).map_err(|why| format!("{name}: {why}"))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("{name}: it ended with {status}"))
        }
    }
}

fn ask(program: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(args);
    // flite answers and then ends with 1; whether there is an answer is what counts.
    let (said, _) = run(command, None, ASK_FOR_MAX, None)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Runs a command to its end, and gives its output and status; or to ours, and says why.
fn run(
    mut command: Command,
    stdin: Option<&str>,
    for_max: Duration,
    file: Option<&Path>,
) -> Result<(Vec<u8>, ExitStatus), String> {
    let input = if stdin.is_some() { Stdio::piped() } else { Stdio::null() };
    let output = if file.is_some() { Stdio::null() } else { Stdio::piped() };
    let mut child = command
        .stdin(input)
        .stdout(output)
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
        // A program that closes its ear has failed, and its status will say so.
        let _ = pipe.write_all(text.as_bytes());
    }
    let started = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None => {
                let large = file
                    .and_then(|file| fs::metadata(file).ok())
                    .is_some_and(|f| f.len() > WAV_BYTES_MAX);
                let why = match (large, started.elapsed() > for_max) {
                    (true, _) => format!("it wrote more than {WAV_BYTES_MAX} bytes"),
                    (_, true) => format!("it took longer than {} s", for_max.as_secs()),
                    _ => {
                        std::thread::sleep(LOOK_EVERY);
                        continue;
                    }
                };
                // Both may fail only because it ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return Err(why);
            }
        }
    };
    let mut said = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(ANSWER_BYTES_MAX)
            .read_to_end(&mut said)
            .map_err(|e| e.to_string())?;
    }
    Ok((said, status))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Engine, Kind, run};
    use flow::Language;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::time::{Duration, Instant};

    /// The program these tests speak with.
    pub(crate) fn engine() -> Engine {
        let path = std::env::var_os("PATH").expect("a PATH");
        let found = Engine::find(&path).filter(|engine| engine.kind() == Kind::Espeak);
        found.expect("espeak-ng is not installed: run sudo apt-get install -y espeak-ng")
    }

    /// A program of our own that behaves badly. Another test may be starting a program at this moment and hold our
    /// file open for writing (ETXTBSY): it is moved into place as a copy made by a program, not by us.
    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let (draft, path) = (folder.join("draft"), folder.join(name));
        fs::write(&draft, format!("#!/bin/sh\n{text}\n")).expect("room");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("our own file");
        assert!(
            Command::new("cp")
                .arg(&draft)
                .arg(&path)
                .status()
                .expect("cp is everywhere")
                .success()
        );
        path
    }

    #[test]
    fn the_program_is_found_with_a_voice_for_each_language() {
        let engine = engine();
        assert!(
            engine
                .voice(Language::English)
                .is_some_and(|voice| voice.starts_with("en"))
        );
        assert!(
            engine
                .voice(Language::Spanish)
                .is_some_and(|voice| voice.starts_with("es"))
        );
        assert!(
            engine
                .manner(Language::English)
                .is_some_and(|manner| manner.contains("1.")),
            "the version is known"
        );
        assert_eq!(Engine::find(std::ffi::OsStr::new("/nowhere")), None);
        let faults = [
            Engine::at(Path::new("/nowhere/espeak-ng")),
            Engine::at(Path::new("/bin/true")),
        ];
        for fault in faults {
            let words = fault.expect_err("it does not speak").to_string();
            assert!(words.contains("apt-get install -y espeak-ng"), "{words}");
        }
    }

    #[test]
    fn flite_speaks_english_when_it_is_what_there_is() {
        let flite = ["/usr/bin/flite", "/usr/local/bin/flite"]
            .iter()
            .map(Path::new)
            .find(|p| p.is_file());
        let flite = flite.expect("flite is not installed: run sudo apt-get install -y flite");
        let engine = Engine::at(flite).expect("flite speaks");
        assert_eq!(engine.kind(), Kind::Flite);
        let folder = tempfile::tempdir().expect("a folder");
        let wav = folder.path().join("a.wav");
        engine
            .speak("Please stay on the line.", Language::English, &wav)
            .expect("flite speaks English");
        assert!(fs::metadata(&wav).expect("it was written").len() > 10_000);
        let why = engine
            .speak("Hola", Language::Spanish, &wav)
            .expect_err("flite has no Spanish");
        assert!(why.contains("no voice for Spanish"), "{why}");
    }

    #[test]
    fn a_program_that_hangs_floods_or_fails_is_stopped_and_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let wav = folder.path().join("a.wav");
        let short = Duration::from_millis(200);

        let started = Instant::now();
        let hang = Command::new(script(folder.path(), "hang", "exec sleep 60"));
        assert_eq!(
            run(hang, Some("hello"), short, Some(&wav)),
            Err("it took longer than 0 s".to_owned())
        );
        assert!(started.elapsed() < Duration::from_secs(5));

        let flood = Command::new(script(
            folder.path(),
            "flood",
            &format!("exec cat /dev/zero > {}", wav.display()),
        ));
        let why = run(flood, None, Duration::from_secs(20), Some(&wav)).expect_err("it never ends");
        assert!(why.contains("wrote more than"), "{why}");

        // A program that passes for espeak-ng and then fails.
        let words = "case $1 in --version) echo eSpeak 1.0;; --voices=*) echo en-us es;; *) exit 3;; esac";
        let fail = Engine::at(&script(folder.path(), "fail", words)).expect("it answers");
        let why = fail.speak("Hello.", Language::English, &wav).expect_err("it fails");
        assert!(why.contains("exit status: 3"), "{why}");
    }
}
