//! A test phone's ear: which of our clips is being heard, frame by frame as they arrive.
//!
//! It works on a path that loses nothing and changes nothing, where a clip's 20 ms frames arrive byte for byte as the
//! player sent them: each clip from its own frame nought. Three matching frames that are not silent name the clip; two
//! clips that begin alike are told apart by the first frame that differs.
//!
//! One thing to know: it tells what is *begun*, when it is begun, because that is when a caller starts to listen; and it
//! tells when nothing has been heard for 700 ms *and* no clip it knows is in the middle of a pause, because that is when
//! a caller acts.

use crate::library::Snapshot;
use flow::Part;
use media::codec::{FRAME_SAMPLES, Law};
use std::collections::HashMap;
use std::sync::Arc;

/// Listens to one direction of one call.
#[derive(Debug, Clone)]
pub struct Listener {
    index: Arc<Index>,
    /// Every clip, and place in it, that what was just heard may be.
    guesses: Vec<Guess>,
    /// The clip that was named last, where in it we are, and at which frame that was.
    known: Option<Known>,
    frame: u64,
    /// Silent frames in a row.
    silent: u32,
    /// Whether anything was heard since the last [`Sound::Quiet`].
    heard: bool,
}

/// What a listener notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// These words have begun.
    Began(Part),
    /// The tone after which a message begins.
    Beep,
    /// Nothing has been heard for [`Listener::QUIET_FRAMES`] after something was.
    Quiet,
}

/// Every frame of every clip, made once and shared by all listeners of a law.
#[derive(Debug)]
pub struct Index {
    law: Law,
    clips: Vec<(Sound, Arc<[u8]>)>,
    /// Where frames that are not silent occur: clip and frame.
    frames: HashMap<Frame, Vec<(u32, u32)>>,
}

type Frame = [u8; FRAME_SAMPLES];

#[derive(Debug, Clone, Copy)]
struct Guess {
    clip: u32,
    /// The frame expected next.
    next: u32,
    /// Matching frames that were not silent.
    matched: u32,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    clip: u32,
    next: u32,
    at: u64,
}

/// Matching frames that name a clip.
const MATCHES: u32 = 3;
/// Most places one frame is looked for; a frame that occurs everywhere tells nothing.
const PLACES_MAX: usize = 64;
/// After a loss, words are still the same words if they are found again this many frames from where they should be.
const SLIP_FRAMES: i64 = 10;
/// A frame whose mean magnitude is below this is silence: about −56 dBFS.
const SILENCE: i32 = 50;

impl Index {
    /// Every clip of a snapshot, as it sounds in a law.
    pub fn new(snapshot: &Snapshot, law: Law) -> Arc<Self> {
        let mut parts: Vec<&Part> = snapshot.parts().collect();
        parts.sort();
        let words = parts
            .into_iter()
            .filter_map(|part| Some((Sound::Began(part.clone()), snapshot.get(part, law)?)));
        let mut index = Self {
            law,
            clips: Vec::new(),
            frames: HashMap::new(),
        };
        for (sound, audio) in words.chain([(Sound::Beep, snapshot.beep(law))]) {
            // Two sentences that sound the same are heard as the first of them.
            if index.clips.iter().any(|(_, known)| *known == audio) {
                continue;
            }
            let clip = index.clips.len() as u32;
            for (at, frame) in audio.chunks(FRAME_SAMPLES).enumerate() {
                let frame = index.padded(frame);
                if !index.is_silent(&frame) {
                    index.frames.entry(frame).or_default().push((clip, at as u32));
                }
            }
            index.clips.push((sound, audio));
        }
        Arc::new(index)
    }

    fn padded(&self, bytes: &[u8]) -> Frame {
        let mut frame = [self.law.silence(); FRAME_SAMPLES];
        frame.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        frame
    }

    fn is_silent(&self, frame: &Frame) -> bool {
        let sum: i32 = frame.iter().map(|byte| i32::from(self.law.decode(*byte)).abs()).sum();
        sum < SILENCE * FRAME_SAMPLES as i32
    }

    fn frame(&self, clip: u32, at: u32) -> Option<Frame> {
        let (_, audio) = self.clips.get(clip as usize)?;
        audio
            .chunks(FRAME_SAMPLES)
            .nth(at as usize)
            .map(|bytes| self.padded(bytes))
    }

    fn sound(&self, clip: u32) -> Option<Sound> {
        self.clips.get(clip as usize).map(|(sound, _)| sound.clone())
    }
}

impl Listener {
    /// So many silent frames are quiet: 700 ms.
    pub const QUIET_FRAMES: u32 = 35;

    /// An ear for the clips of an index.
    pub fn new(index: &Arc<Index>) -> Self {
        Self {
            index: Arc::clone(index),
            guesses: Vec::new(),
            known: None,
            frame: 0,
            silent: 0,
            heard: false,
        }
    }

    /// The next 20 ms that arrived; what is noticed in it.
    pub fn hear(&mut self, frame: &Frame) -> Option<Sound> {
        self.frame += 1;
        let silent = self.index.is_silent(frame);
        self.silent = if silent { self.silent.saturating_add(1) } else { 0 };
        self.heard |= !silent;

        // The clip that is known goes on, or it was cut off.
        if let Some(known) = &mut self.known
            && known.at + 1 == self.frame
            && self.index.frame(known.clip, known.next).as_ref() == Some(frame)
        {
            known.next += 1;
            known.at = self.frame;
            self.guesses.clear();
            return None;
        }
        let began = if silent && self.guesses.is_empty() {
            None
        } else {
            self.guess(frame, silent)
        };
        if began.is_some() {
            return began;
        }
        if self.heard && self.silent >= Self::QUIET_FRAMES && self.guesses.is_empty() {
            self.heard = false;
            return Some(Sound::Quiet);
        }
        None
    }

    /// Goes on with the guesses this frame confirms; names a clip when one is sure.
    fn guess(&mut self, frame: &Frame, silent: bool) -> Option<Sound> {
        let mut ended = None;
        let mut kept = Vec::with_capacity(self.guesses.len());
        for guess in self.guesses.drain(..) {
            match self.index.frame(guess.clip, guess.next) {
                Some(expected) if expected == *frame => {
                    kept.push(Guess {
                        next: guess.next + 1,
                        matched: guess.matched + u32::from(!silent),
                        ..guess
                    });
                }
                // It was heard to its end while a longer clip that begins alike was still possible.
                None if guess.matched >= MATCHES => ended = ended.or(Some(guess)),
                _ => {}
            }
        }
        self.guesses = kept;
        if self.guesses.is_empty() {
            let places = if silent { None } else { self.index.frames.get(frame) };
            let places = places.map_or(&[][..], Vec::as_slice);
            self.guesses
                .extend(places.iter().take(PLACES_MAX).map(|(clip, at)| Guess {
                    clip: *clip,
                    next: at + 1,
                    matched: 1,
                }));
            if let Some(guess) = ended {
                return self.name(guess, self.frame - 1);
            }
        }
        let first = *self.guesses.first()?;
        let sure = first.matched >= MATCHES && self.guesses.iter().all(|guess| guess.clip == first.clip);
        if !sure {
            return None;
        }
        // A tone is alike all along: the place nearest its beginning is as good as any.
        self.guesses.clear();
        self.name(first, self.frame)
    }

    /// The clip is known; it is news unless it is the one we had lost for a moment.
    fn name(&mut self, guess: Guess, at: u64) -> Option<Sound> {
        let before = self.known.replace(Known {
            clip: guess.clip,
            next: guess.next,
            at,
        });
        if let Some(before) = before
            && before.clip == guess.clip
            && guess.next > before.next
        {
            let moved = i64::from(guess.next) - i64::from(before.next);
            let passed = i64::try_from(at - before.at).unwrap_or(i64::MAX);
            if (passed - moved).abs() <= SLIP_FRAMES {
                return None;
            }
        }
        self.index.sound(guess.clip)
    }
}

#[cfg(test)]
mod tests {
    use super::{Index, Listener, Sound};
    use crate::Library;
    use crate::engine::tests::engine;
    use flow::{Language, Part};
    use media::codec::{FRAME_SAMPLES, Law};
    use std::sync::{Arc, OnceLock};

    fn english(text: &str) -> Part {
        Part::new(text, Language::English)
    }

    fn texts() -> Vec<Part> {
        let digits = (0..10).flat_map(|digit| [format!("{digit}"), format!("{digit},")]);
        let others = [
            "Goodbye.",
            "Please stay on the line.",
            "Please stay on the line. I am trying the doctor.",
            "am",
            "by",
        ];
        digits
            .chain(others.map(str::to_owned))
            .map(|text| english(&text))
            .collect()
    }

    fn library() -> &'static Library {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        LIBRARY.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a folder");
            let mut library = Library::open(folder.path(), Some(engine()), &[]).expect("a cache");
            assert_eq!(library.prepare(&texts()), []);
            library
        })
    }

    fn frames(bytes: &[u8], law: Law) -> Vec<[u8; FRAME_SAMPLES]> {
        let pad = |chunk: &[u8]| {
            let mut frame = [law.silence(); FRAME_SAMPLES];
            frame[..chunk.len()].copy_from_slice(chunk);
            frame
        };
        bytes.chunks(FRAME_SAMPLES).map(pad).collect()
    }

    fn clip(text: &str, law: Law) -> Vec<[u8; FRAME_SAMPLES]> {
        frames(&library().get(&english(text), law).expect("prepared"), law)
    }

    fn silence(count: usize, law: Law) -> Vec<[u8; FRAME_SAMPLES]> {
        vec![[law.silence(); FRAME_SAMPLES]; count]
    }

    fn hears(listener: &mut Listener, frames: &[[u8; FRAME_SAMPLES]]) -> Vec<(usize, String)> {
        let name = |sound| match sound {
            Sound::Began(part) => part.text.to_string(),
            Sound::Beep => "(beep)".to_owned(),
            Sound::Quiet => "(quiet)".to_owned(),
        };
        frames
            .iter()
            .enumerate()
            .filter_map(|(at, frame)| Some((at, name(listener.hear(frame)?))))
            .collect()
    }

    fn listener(law: Law) -> Listener {
        Listener::new(&Index::new(&library().snapshot(), law))
    }

    fn only_names(heard: &[(usize, String)]) -> Vec<&str> {
        heard.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn words_are_named_soon_after_they_begin_and_quiet_after_they_end() {
        for law in [Law::Pcmu, Law::Pcma] {
            let mut line = silence(10, law);
            line.extend(clip("Goodbye.", law));
            let end = line.len();
            line.extend(silence(60, law));
            let heard = hears(&mut listener(law), &line);
            assert_eq!(only_names(&heard), ["Goodbye.", "(quiet)"]);
            assert!(heard[0].0 <= 10 + 3 + 8, "named at frame {}", heard[0].0);
            // The clip ends with at most 60 ms and a padded frame of silence of its own.
            assert!(
                (end + 28..=end + 35).contains(&heard[1].0),
                "quiet at {} after {end}",
                heard[1].0
            );
        }
    }

    #[test]
    fn a_number_read_digit_by_digit_is_heard_digit_by_digit() {
        let law = Law::Pcmu;
        let number = ["5", "1", "2,", "5", "5", "5,", "0", "1", "9", "9"];
        let mut line: Vec<_> = number.iter().flat_map(|digit| clip(digit, law)).collect();
        line.extend(silence(40, law));
        let heard = hears(&mut listener(law), &line);
        // "5" and "5," may sound alike, byte for byte; then the first of them is what is heard.
        let plain: String = only_names(&heard).join("").replace(',', "");
        assert_eq!(plain, "5125550199(quiet)");
    }

    #[test]
    fn the_beep_is_known_from_words() {
        let law = Law::Pcma;
        let mut line = clip("Please stay on the line.", law);
        line.extend(frames(&library().beep(law), law));
        line.extend(silence(40, law));
        assert_eq!(
            only_names(&hears(&mut listener(law), &line)),
            ["Please stay on the line.", "(beep)", "(quiet)"]
        );
    }

    #[test]
    fn words_cut_off_by_a_key_are_quiet_at_once_and_named_again_when_said_again() {
        let law = Law::Pcmu;
        let words = clip("Please stay on the line. I am trying the doctor.", law);
        let mut line = words[..25].to_vec();
        line.extend(silence(36, law));
        line.extend(words.clone());
        line.extend(words);
        let heard = hears(&mut listener(law), &line);
        let name = "Please stay on the line. I am trying the doctor.";
        assert_eq!(only_names(&heard), [name, "(quiet)", name, name]);
        assert!((58..=60).contains(&heard[1].0), "{heard:?}");
    }

    #[test]
    fn joining_in_the_middle_and_losing_a_few_frames_names_the_words_once() {
        let law = Law::Pcmu;
        let name = "Please stay on the line. I am trying the doctor.";
        let words = clip(name, law);
        let mut line = words[20..].to_vec();
        // Two frames are lost, one arrives damaged.
        line.drain(12..14);
        line[30] = [0x12; FRAME_SAMPLES];
        line.extend(silence(40, law));
        assert_eq!(only_names(&hears(&mut listener(law), &line)), [name, "(quiet)"]);
    }

    #[test]
    fn what_is_not_ours_is_nothing_but_still_a_sound() {
        let law = Law::Pcmu;
        let noise: Vec<u8> = (0..8_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut line = frames(&noise, law);
        line.extend(silence(100, law));
        assert_eq!(only_names(&hears(&mut listener(law), &line)), ["(quiet)"]);
        assert_eq!(hears(&mut listener(law), &silence(200, law)), []);
    }

    #[test]
    fn every_clip_is_heard_as_itself_or_as_one_that_sounds_the_same() {
        let law = Law::Pcmu;
        let index = Index::new(&library().snapshot(), law);
        for part in texts() {
            let mut listener = Listener::new(&index);
            let mut line = clip(&part.text, law);
            line.extend(silence(40, law));
            let heard = hears(&mut listener, &line);
            let [(_, name), (_, quiet)] = heard.as_slice() else {
                panic!("{part:?}: {heard:?}")
            };
            assert_eq!(quiet, "(quiet)");
            let audio = |text: &str| library().get(&english(text), law);
            assert_eq!(audio(name), audio(&part.text), "{part:?} heard as {name}");
        }
        assert!(Arc::strong_count(&index) >= 1);
    }
}
