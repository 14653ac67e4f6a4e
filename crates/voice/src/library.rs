//! Every sentence of every practice as audio, made ready before a call can need it.
//!
//! One thing to know: [`Library::prepare`] is slow and may fail; [`Snapshot::get`] is neither. A live call holds the
//! snapshot it began with, so a reload takes nothing out of anyone's mouth.

use crate::VoiceFault;
use crate::audio::{Clip, PIPELINE, WAV_BYTES_MAX, measured};
use crate::cache::Cache;
use crate::engine::Engine;
use crate::recorded::{Recorded, file_name};
use crate::resample::Resampler;
use flow::{Part, SoundFile};
use media::codec::{CLOCK_RATE, Law};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Where sentences become clips.
#[derive(Debug)]
pub struct Library {
    cache: Cache,
    engine: Option<Engine>,
    recorded: Recorded,
    faults: Vec<String>,
    snapshot: Snapshot,
}

/// The clips there are: immutable, shared, looked up without a lock.
#[derive(Debug, Clone)]
pub struct Snapshot {
    clips: Arc<HashMap<Part, Clip>>,
    beep: Clip,
}

/// A sentence that cannot be heard: the check fails, not the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The sentence.
    pub part: Part,
    /// Why, and what to do about it.
    pub why: String,
}

/// What a spoken sentence is kept under: the sentence, and everything that decides how it sounds.
fn spoken_key(manner: &str, part: &Part) -> [u8; 32] {
    seal::hash(format!("speech {PIPELINE}\n{manner}\n{}\n{}", part.language.suffix(), part.text).as_bytes())
}

/// Why a sentence is missing on a machine without a voice.
const NOBODY: &str = "nobody has recorded it and no program can speak it; run sudo apt-get install -y espeak-ng";

/// How many sentences are spoken at a time.
const SPEAKERS: usize = 2;

impl Library {
    /// Most clips that are kept in memory.
    pub const CLIPS_MAX: usize = 20_000;

    /// Opens the cache folder (making it if need be) and looks through the folders of recorded words.
    pub fn open(cache: impl Into<PathBuf>, engine: Option<Engine>, recorded: &[PathBuf]) -> Result<Self, VoiceFault> {
        let folder = cache.into();
        let cache = Cache::open(folder.clone()).map_err(|source| VoiceFault::RefusedCache {
            folder: folder.display().to_string(),
            source,
        })?;
        let (recorded, faults) = Recorded::look(recorded);
        for fault in &faults {
            tracing::warn!(fault, "recorded words");
        }
        if let Some(engine) = &engine {
            for language in flow::Language::ALL {
                if let Some(manner) = engine.manner(language)
                    && let Err(fault) = cache.keep_manner(language, &manner)
                {
                    tracing::warn!(%fault, "should the program that speaks be lost, what it said cannot be found again");
                }
            }
        }
        let snapshot = Snapshot {
            clips: Arc::default(),
            beep: Clip::beep(),
        };
        Ok(Self {
            cache,
            engine,
            recorded,
            faults,
            snapshot,
        })
    }

    /// Takes the recordings that flows name themselves (`play:`): files of the folder `words`, each with its sentence.
    /// Gives what is wrong with them; those sentences are spoken. To be called before anything is prepared.
    pub fn play<'a>(&mut self, words: &Path, files: impl IntoIterator<Item = (&'a str, Part)>) -> Vec<String> {
        let mut faults = Vec::new();
        for (file, part) in files {
            self.recorded.name(words, file, &part, &mut faults);
        }
        faults
    }

    /// Makes these sentences ready, and says which cannot be. What was ready before stays so; nothing is made twice.
    pub fn prepare(&mut self, parts: &[Part]) -> Vec<Missing> {
        let mut wanted = HashSet::new();
        let jobs: Vec<&Part> = parts
            .iter()
            .filter(|part| !self.snapshot.clips.contains_key(*part) && wanted.insert(*part))
            .collect();
        if jobs.is_empty() {
            return Vec::new();
        }
        let next = AtomicUsize::new(0);
        let work = || {
            let mut rates = Resampler::default();
            let take = || jobs.get(next.fetch_add(1, Ordering::Relaxed));
            std::iter::from_fn(take)
                .map(|part| (*part, self.make(part, &mut rates)))
                .collect::<Vec<_>>()
        };
        let mut made: Vec<(&Part, Result<Clip, String>)> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..SPEAKERS).map(|_| scope.spawn(work)).collect();
            let mut made = work();
            for other in others {
                // A speaker that panicked leaves its sentences unmade; they are found missing below.
                made.extend(other.join().unwrap_or_default());
            }
            made
        });

        let mut clips = HashMap::clone(&self.snapshot.clips);
        let mut missing = Vec::new();
        // In the order they were asked for, whoever made them.
        let mut results: HashMap<&Part, Result<Clip, String>> = made.drain(..).collect();
        for part in jobs {
            let result = results
                .remove(part)
                .unwrap_or_else(|| Err("it could not be made ready".to_owned()));
            match result {
                Ok(_) if clips.len() >= Self::CLIPS_MAX => {
                    let why = format!("more than {} sentences are in use", Self::CLIPS_MAX);
                    missing.push(Missing {
                        part: part.clone(),
                        why,
                    });
                }
                Ok(clip) => drop(clips.insert(part.clone(), clip)),
                Err(why) => missing.push(Missing {
                    part: part.clone(),
                    why,
                }),
            }
        }
        self.snapshot.clips = Arc::new(clips);
        missing
    }

    /// Lets go of what no practice says any more; snapshots handed out before keep it.
    pub fn forget(&mut self, mut still_said: impl FnMut(&Part) -> bool) {
        let kept = self.snapshot.clips.iter().filter(|(part, _)| still_said(part));
        self.snapshot.clips = Arc::new(kept.map(|(part, clip)| (part.clone(), clip.clone())).collect());
    }

    /// What is ready now, to share with the media threads.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    /// A ready sentence in a law; see [`Snapshot::get`].
    pub fn get(&self, part: &Part, law: Law) -> Option<Arc<[u8]>> {
        self.snapshot.get(part, law)
    }

    /// The tone after which a message begins.
    pub fn beep(&self, law: Law) -> Arc<[u8]> {
        self.snapshot.beep(law)
    }

    /// How long a ready sentence is.
    pub fn duration(&self, part: &Part) -> Option<Duration> {
        self.snapshot.duration(part)
    }

    /// Whether someone's own voice will say this.
    pub fn is_recorded(&self, part: &Part) -> bool {
        self.recorded.file(part).is_some()
    }

    /// What is wrong with the folders of recorded words, for the check to show. The sentences are spoken instead.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Makes these sentences ready by this program alone, and writes each into the folder of kept speech, one WAV file
    /// per sentence ([`file_name`]); what is there stays. Gives how many were written.
    pub fn keep_spoken(&mut self, parts: &[Part], folder: &Path) -> Result<usize, String> {
        let mut rates = Resampler::default();
        let mut written = 0;
        for part in parts {
            let path = folder.join(file_name(part));
            if path.is_file() {
                continue;
            }
            let clip = self.speak(part, &mut rates)?;
            clip.write_wav(&path)
                .map_err(|fault| format!("{}: {fault}", path.display()))?;
            written += 1;
        }
        Ok(written)
    }

    /// A recording, or cached speech, or new speech, or what was said before.
    fn make(&self, part: &Part, rates: &mut Resampler) -> Result<Clip, String> {
        if let Some(path) = self.recorded.file(part) {
            match self.import(path, rates) {
                Ok(clip) => return Ok(clip),
                // flow-language.md §3: a stale or broken recording falls back to speech.
                Err(why) => tracing::warn!(file = %path.display(), why, "recorded words cannot be used"),
            }
        }
        if *part == Part::music() {
            return Ok(Clip::music());
        }
        self.speak(part, rates)
            .or_else(|why| self.said_before(part, rates).ok_or(why))
    }

    /// What a program said before it was gone: kept by the practice, or left in the cache.
    fn said_before(&self, part: &Part, rates: &mut Resampler) -> Option<Clip> {
        let kept = self.recorded.spoken(part).and_then(|path| {
            let unusable = |why: &String| tracing::warn!(file = %path.display(), why, "kept speech cannot be used");
            let read = read_wav(path).and_then(|bytes| Clip::from_kept(&bytes, rates));
            read.inspect_err(unusable).ok()
        });
        let left = || self.cache.read(&spoken_key(&self.cache.manner(part.language)?, part));
        kept.or_else(left)
    }

    /// Speech of this program, new or cached.
    fn speak(&self, part: &Part, rates: &mut Resampler) -> Result<Clip, String> {
        let Some(engine) = &self.engine else {
            return Err(NOBODY.to_owned());
        };
        let Some(manner) = engine.manner(part.language) else {
            return Err(format!(
                "{} has no voice for {}",
                engine.program().display(),
                part.language
            ));
        };
        let key = spoken_key(&manner, part);
        self.cached(&key, || {
            let wav = self.cache.unfinished(&key);
            let spoken = engine
                .speak(&part.text, part.language, &wav)
                .and_then(|()| read_wav(&wav));
            // What cannot be removed now is removed when the cache is opened again.
            let _ = fs::remove_file(&wav);
            Clip::from_wav(&spoken?, rates)
        })
    }

    fn import(&self, path: &Path, rates: &mut Resampler) -> Result<Clip, String> {
        let bytes = read_wav(path)?;
        let mut what = format!("recorded {PIPELINE}\n").into_bytes();
        what.extend_from_slice(&bytes);
        self.cached(&seal::hash(&what), || Clip::from_wav(&bytes, rates))
    }

    fn cached(&self, key: &[u8; 32], make: impl FnOnce() -> Result<Clip, String>) -> Result<Clip, String> {
        if let Some(clip) = self.cache.read(key) {
            return Ok(clip);
        }
        let clip = make()?;
        if let Err(fault) = self.cache.write(key, &clip) {
            // It is heard all the same; the next start makes it again.
            tracing::warn!(%fault, folder = %self.cache.folder().display(), "speech cannot be kept");
        }
        Ok(clip)
    }
}

impl Snapshot {
    /// The clip of a sentence, whole 20 ms frames of this law.
    pub fn get(&self, part: &Part, law: Law) -> Option<Arc<[u8]>> {
        self.clips.get(part).map(|clip| Arc::clone(clip.bytes(law)))
    }

    /// The tone after which a message begins.
    pub fn beep(&self, law: Law) -> Arc<[u8]> {
        Arc::clone(self.beep.bytes(law))
    }

    /// How long a sentence is.
    pub fn duration(&self, part: &Part) -> Option<Duration> {
        let samples = self.clips.get(part)?.pcmu.len() as u64;
        Some(Duration::from_millis(samples * 1_000 / u64::from(CLOCK_RATE)))
    }

    /// How many sentences are ready.
    pub fn len(&self) -> usize {
        self.clips.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.clips.is_empty()
    }

    /// Every sentence that is ready, in no order.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.clips.keys()
    }
}

/// What a recording is like, for the checker: its length, its level, its flaws. A file that cannot be used is one of them.
pub fn measure(path: &Path) -> SoundFile {
    let measured = read_wav(path).and_then(|bytes| measured(&bytes));
    measured.map_or_else(SoundFile::Unusable, SoundFile::Heard)
}

fn read_wav(path: &Path) -> Result<Vec<u8>, String> {
    let length = fs::metadata(path).map_err(|fault| fault.to_string())?.len();
    if length > WAV_BYTES_MAX {
        return Err(format!("it is larger than {WAV_BYTES_MAX} bytes"));
    }
    fs::read(path).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Library, Missing, measure};
    use crate::audio::tests::{swell, wav};
    use crate::engine::tests::engine;
    use crate::recorded::file_name;
    use flow::{Language, Part, SoundFile};
    use media::codec::Law;
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn english(text: &str) -> Part {
        Part::new(text, Language::English)
    }

    fn rms(clip: &[u8], law: Law) -> f32 {
        let linear = clip.iter().map(|byte| f32::from(law.decode(*byte)) / 32_768.0);
        (linear.map(|s| s * s).sum::<f32>() / clip.len() as f32).sqrt()
    }

    fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .expect("a folder")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        files.sort();
        files
    }

    #[test]
    fn sentences_become_audible_in_both_languages_and_codecs() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut library = Library::open(folder.path().join("speech"), Some(engine()), &[]).expect("a cache");
        let long = english("If this is a medical emergency, hang up and dial 911.");
        let spanish = Part::new(
            "Si se trata de una emergencia médica, cuelgue y marque el 911.",
            Language::Spanish,
        );
        let digit = english("5,");
        let parts = [long.clone(), spanish.clone(), digit.clone(), long.clone()];
        assert_eq!(library.prepare(&parts), []);
        let snapshot = library.snapshot();
        assert_eq!(snapshot.len(), 3);
        for (part, least, most) in [(&long, 2_500, 6_000), (&spanish, 2_500, 7_000), (&digit, 200, 900)] {
            let long = snapshot.duration(part).expect("ready").as_millis();
            assert!((least..most).contains(&long), "{part:?} takes {long} ms");
            for law in [Law::Pcmu, Law::Pcma] {
                let clip = snapshot.get(part, law).expect("ready");
                assert_eq!(clip.len() % 160, 0);
                let level = 20.0 * rms(&clip, law).log10();
                assert!((-26.0..-17.0).contains(&level), "{part:?} is at {level} dBFS");
            }
        }
        assert_eq!(snapshot.get(&english("Never prepared."), Law::Pcmu), None);
    }

    #[test]
    fn what_was_spoken_once_is_not_spoken_again_and_what_is_damaged_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let speech = folder.path().join("speech");
        let parts = [english("Goodbye."), english("Please stay on the line.")];
        let mut first = Library::open(&speech, Some(engine()), &[]).expect("a cache");
        assert_eq!(first.prepare(&parts), []);
        let mut files = entries(&speech);
        files.retain(|file| file.extension().is_some_and(|ending| ending == "speech"));
        assert_eq!(files.len(), 2, "{files:?}");
        let clip = first.get(&parts[0], Law::Pcmu).expect("ready");
        let before: Vec<_> = files.iter().map(|f| fs::read(f).expect("it is there")).collect();

        // One entry is cut, one is left: the library says the same, and the folder is as it was.
        fs::write(&files[0], b"NDSPEECH and then the power went").expect("room");
        let mut second = Library::open(&speech, Some(engine()), &[]).expect("a cache");
        assert_eq!(second.prepare(&parts), []);
        assert_eq!(second.get(&parts[0], Law::Pcmu), Some(clip));
        let after: Vec<_> = files.iter().map(|f| fs::read(f).expect("it is there")).collect();
        assert_eq!(before, after);

        // A warm cache is quick: a start does not wait for a speech program.
        let started = Instant::now();
        let mut third = Library::open(&speech, Some(engine()), &[]).expect("a cache");
        let opened = started.elapsed();
        assert_eq!(third.prepare(&parts), []);
        assert!(
            started.elapsed() - opened < Duration::from_millis(200),
            "{:?}",
            started.elapsed() - opened
        );

        // The program is gone: what it said is still heard, and nothing else.
        let mut silent = Library::open(&speech, None, &[]).expect("a cache");
        assert_eq!(silent.prepare(&parts), []);
        assert_eq!(silent.get(&parts[0], Law::Pcmu), third.get(&parts[0], Law::Pcmu));
        assert_eq!(silent.prepare(&[english("Something new.")]).len(), 1);
    }

    #[test]
    fn a_recording_wins_over_speech_until_its_sentence_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let words = folder.path().join("words");
        fs::create_dir(&words).expect("room");
        let goodbye = english("Goodbye.");
        let voice = wav(&swell(0.2, 1.0, 0.2, 0.5, 44_100), 44_100, 2);
        fs::write(words.join(file_name(&goodbye)), voice).expect("room");
        let mut library =
            Library::open(folder.path().join("speech"), None, std::slice::from_ref(&words)).expect("a cache");
        assert!(library.is_recorded(&goodbye) && library.is_recorded(&english("goodbye.")));
        let changed = english("Goodbye now.");
        let missing = library.prepare(&[goodbye.clone(), changed.clone()]);
        let [Missing { part, why }] = missing.as_slice() else {
            panic!("{missing:?}")
        };
        assert_eq!(*part, changed);
        assert!(why.contains("apt-get install -y espeak-ng"), "{why}");
        let heard = library.duration(&goodbye).expect("recorded");
        assert!(
            heard.abs_diff(Duration::from_millis(1_120)) < Duration::from_millis(60),
            "{heard:?}"
        );
    }

    /// The order of flow-language.md §10: a person's recording, a program, what was said before.
    #[test]
    fn kept_speech_is_heard_octet_for_octet_when_no_program_is_left_and_never_before() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let words = folder.path().join("words");
        let spoken = words.join(crate::SPOKEN);
        fs::create_dir_all(&spoken).expect("room");
        let parts = [english("Hang up and dial 911."), Part::new("Adiós.", Language::Spanish)];
        let mut library = Library::open(folder.path().join("one"), Some(engine()), &[]).expect("a cache");
        assert_eq!(library.keep_spoken(&parts, &spoken), Ok(2));
        assert_eq!(library.keep_spoken(&parts, &spoken), Ok(0), "what is there stays");
        assert!(library.prepare(&parts).is_empty());

        let mut silent = Library::open(folder.path().join("two"), None, std::slice::from_ref(&words)).expect("a cache");
        assert!(silent.prepare(&parts).is_empty());
        let other = english("Hang up and dial 912.");
        assert_eq!(
            silent.prepare(std::slice::from_ref(&other)).len(),
            1,
            "no other sentence is taken for it"
        );
        for part in &parts {
            assert!(!silent.is_recorded(part), "nobody's own voice");
            assert_eq!(silent.get(part, Law::Pcmu), library.get(part, Law::Pcmu));
            assert_eq!(silent.duration(part), library.duration(part));
        }

        // Another sound under the same name: a program that speaks wins over it.
        let beep = wav(&swell(0.0, 0.3, 0.0, 0.3, 8_000), 8_000, 1);
        fs::write(spoken.join(file_name(&parts[0])), beep).expect("room");
        let mut both = Library::open(folder.path().join("three"), Some(engine()), &[words]).expect("a cache");
        assert!(both.prepare(&parts).is_empty());
        assert_eq!(both.get(&parts[0], Law::Pcmu), library.get(&parts[0], Law::Pcmu));
    }

    #[test]
    fn what_a_flow_names_is_its_sentence_and_what_is_not_there_is_spoken() {
        let folder = tempfile::tempdir().expect("a folder");
        let words = folder.path().join("words");
        fs::create_dir(&words).expect("room");
        let voice = wav(&swell(0.2, 1.0, 0.2, 0.5, 44_100), 44_100, 2);
        fs::write(words.join("welcome.wav"), voice).expect("room");
        let (hello, bye) = (english("Welcome to our practice."), english("Goodbye."));
        let spanish = Part::new("Bienvenidos.", Language::Spanish);
        let mut library = Library::open(folder.path().join("speech"), Some(engine()), &[]).expect("a cache");
        let named = [
            ("welcome.wav", hello.clone()),
            ("bye.wav", bye.clone()),
            ("../words/welcome.wav", english("Yes.")),
            ("welcome.wav", hello.clone()),
        ];
        let faults = library.play(&words, named);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults[0].contains("bye.wav") && faults[0].contains("spoken instead"),
            "{faults:?}"
        );
        assert_eq!(library.prepare(&[hello.clone(), bye.clone(), spanish.clone()]), []);
        let heard = library.duration(&hello).expect("recorded");
        assert!(
            heard.abs_diff(Duration::from_millis(1_120)) < Duration::from_millis(60),
            "{heard:?}"
        );
        assert!(library.is_recorded(&hello) && !library.is_recorded(&bye) && !library.is_recorded(&spanish));
        assert!(library.duration(&bye).is_some() && library.duration(&spanish).is_some());
    }

    #[test]
    fn a_recording_is_listened_to_and_a_broken_one_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |bytes: &[u8]| {
            let path = folder.path().join("x.wav");
            fs::write(&path, bytes).expect("room");
            measure(&path)
        };
        let sound = wav(&swell(1.0, 2.0, 0.5, 0.5, 16_000), 16_000, 2);
        let SoundFile::Heard(heard) = of(&sound) else {
            panic!("it sounds")
        };
        assert_eq!((heard.rate, heard.bits, heard.clipped), (16_000, 16, 0));
        assert!(
            (heard.seconds - 2.0).abs() < 0.05 && (heard.before - 1.0).abs() < 0.05,
            "{heard:?}"
        );
        assert!((-16.0..-11.0).contains(&heard.level_db), "{heard:?}");
        // Whatever is wrong with a file is a finding: cut short anywhere, of nothing, of noise, not there.
        for cut in 0..sound.len().min(120) {
            assert!(matches!(of(&sound[..cut]), SoundFile::Unusable(_)), "{cut}");
        }
        assert_eq!(
            of(&wav(&[0.0; 8_000], 8_000, 1)),
            SoundFile::Unusable("it holds no sound".to_owned())
        );
        assert!(matches!(
            measure(&folder.path().join("nowhere.wav")),
            SoundFile::Unusable(_)
        ));
    }

    #[test]
    fn there_is_music_without_anybody_and_a_practice_s_own_wins() {
        let folder = tempfile::tempdir().expect("a folder");
        let words = folder.path().join("words");
        fs::create_dir(&words).expect("room");
        let open = || Library::open(folder.path().join("speech"), None, std::slice::from_ref(&words)).expect("a cache");
        let mut library = open();
        assert_eq!(library.prepare(&[Part::music()]), []);
        assert_eq!(library.duration(&Part::music()), Some(Duration::from_secs(12)));
        let own = wav(&swell(0.2, 1.0, 0.2, 0.5, 44_100), 44_100, 2);
        fs::write(words.join(file_name(&Part::music())), own).expect("room");
        let mut library = open();
        assert_eq!(library.prepare(&[Part::music()]), []);
        assert!(
            library
                .duration(&Part::music())
                .is_some_and(|length| length < Duration::from_secs(2))
        );
    }

    #[test]
    fn a_broken_recording_is_spoken_instead() {
        let folder = tempfile::tempdir().expect("a folder");
        let words = folder.path().join("words");
        fs::create_dir(&words).expect("room");
        let goodbye = english("Goodbye.");
        fs::write(words.join(file_name(&goodbye)), b"not a WAV").expect("room");
        let mut library = Library::open(folder.path().join("speech"), Some(engine()), &[words]).expect("a cache");
        assert_eq!(library.prepare(std::slice::from_ref(&goodbye)), []);
        assert!(library.duration(&goodbye).is_some());
    }

    #[test]
    fn a_sentence_that_is_only_marks_is_missing_and_the_rest_is_ready() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut library = Library::open(folder.path().join("speech"), Some(engine()), &[]).expect("a cache");
        let silent = english("…");
        let missing = library.prepare(&[silent.clone(), english("Yes.")]);
        assert_eq!(missing.iter().map(|m| &m.part).collect::<Vec<_>>(), [&silent]);
        assert!(library.get(&english("Yes."), Law::Pcma).is_some());
    }

    #[test]
    fn what_is_forgotten_is_still_heard_by_those_who_began_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut library = Library::open(folder.path().join("speech"), Some(engine()), &[]).expect("a cache");
        let (yes, no) = (english("Yes."), english("No."));
        assert_eq!(library.prepare(&[yes.clone(), no.clone()]), []);
        let call = library.snapshot();
        library.forget(|part| *part == yes);
        assert!(library.get(&no, Law::Pcmu).is_none() && library.get(&yes, Law::Pcmu).is_some());
        assert!(call.get(&no, Law::Pcmu).is_some());
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_a_fault_with_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, b"x").expect("room");
        let fault = Library::open(file.join("speech"), None, &[]).expect_err("a file is no folder");
        assert!(fault.to_string().contains("speech"), "{fault}");
    }
}
