//! Plays stored words: clips already encoded, shared by all calls, copied a frame at a time.

use crate::codec::{FRAME_SAMPLES, Law};
use std::sync::Arc;

/// Most clips in one playing: a sentence is cut around its fill-ins, and even a read-back of digits stays far below.
pub const CLIPS_MAX: usize = 256;

/// What is being played, if anything.
#[derive(Debug, Default)]
pub struct Player {
    playing: Option<Playing>,
}

#[derive(Debug)]
struct Playing {
    id: u64,
    clips: Vec<Arc<[u8]>>,
    law: Law,
    barge_in: bool,
    clip: usize,
    at: usize,
}

/// What a tick gets from the player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Nothing is being played.
    Nothing,
    /// The frame is filled.
    Frame,
    /// It has all been heard; nothing was filled.
    Finished {
        /// What was played.
        id: u64,
    },
}

impl Player {
    /// Begins; gives the id of what this replaces.
    pub fn play(&mut self, id: u64, mut clips: Vec<Arc<[u8]>>, law: Law, barge_in: bool) -> Option<u64> {
        clips.truncate(CLIPS_MAX);
        let playing = Playing {
            id,
            clips,
            law,
            barge_in,
            clip: 0,
            at: 0,
        };
        self.playing.replace(playing).map(|before| before.id)
    }

    /// Stops; gives the id of what was cut off.
    pub fn hush(&mut self) -> Option<u64> {
        self.playing.take().map(|playing| playing.id)
    }

    /// A key was pressed: stops what may be stopped by one.
    pub fn barge_in(&mut self) -> Option<u64> {
        self.playing
            .take_if(|playing| playing.barge_in)
            .map(|playing| playing.id)
    }

    /// Whether words are being said.
    pub fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// Fills the next frame in `law`. Clips join without a seam; the last frame is padded with silence.
    pub fn fill(&mut self, law: Law, frame: &mut [u8; FRAME_SAMPLES]) -> Given {
        let Some(playing) = &mut self.playing else {
            return Given::Nothing;
        };
        let mut filled = 0;
        while let (Some(clip), Some(room)) = (playing.clips.get(playing.clip), frame.get_mut(filled..)) {
            let rest = clip.get(playing.at..).unwrap_or(&[]);
            let length = rest.len().min(room.len());
            if let (Some(from), Some(to)) = (rest.get(..length), room.get_mut(..length)) {
                to.copy_from_slice(from);
            }
            filled += length;
            playing.at += length;
            if filled == FRAME_SAMPLES {
                break;
            }
            playing.clip += 1;
            playing.at = 0;
        }
        if filled == 0 {
            let id = playing.id;
            self.playing = None;
            return Given::Finished { id };
        }
        if let Some(rest) = frame.get_mut(filled..) {
            rest.fill(playing.law.silence());
        }
        // The law may have changed under way by a re-INVITE; the words need not start over.
        playing.law.transcode(law, frame);
        Given::Frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(byte: u8, length: usize) -> Arc<[u8]> {
        vec![byte; length].into()
    }

    #[test]
    fn clips_join_and_the_last_frame_is_padded() {
        let mut player = Player::default();
        let mut frame = [0; FRAME_SAMPLES];
        assert_eq!(
            player.play(7, vec![clip(1, 100), clip(9, 0), clip(2, 100)], Law::Pcmu, false),
            None
        );
        assert_eq!(player.fill(Law::Pcmu, &mut frame), Given::Frame);
        assert_eq!((&frame[..100], &frame[100..]), (&[1; 100][..], &[2; 60][..]));
        assert_eq!(player.fill(Law::Pcmu, &mut frame), Given::Frame);
        assert_eq!((&frame[..40], &frame[40..]), (&[2; 40][..], &[0xFF; 120][..]));
        assert!(player.is_playing(), "its last frame has still to be heard");
        assert_eq!(player.fill(Law::Pcmu, &mut frame), Given::Finished { id: 7 });
        assert_eq!(player.fill(Law::Pcmu, &mut frame), Given::Nothing);
    }

    #[test]
    fn whole_frames_end_without_an_empty_one() {
        let mut player = Player::default();
        let mut frame = [0; FRAME_SAMPLES];
        player.play(1, vec![clip(3, 320)], Law::Pcma, false);
        assert_eq!(player.fill(Law::Pcma, &mut frame), Given::Frame);
        assert_eq!(player.fill(Law::Pcma, &mut frame), Given::Frame);
        assert_eq!(player.fill(Law::Pcma, &mut frame), Given::Finished { id: 1 });
        player.play(2, vec![], Law::Pcma, false);
        assert_eq!(player.fill(Law::Pcma, &mut frame), Given::Finished { id: 2 });
    }

    #[test]
    fn keys_stop_only_what_may_be_stopped() {
        let mut player = Player::default();
        player.play(1, vec![clip(3, 320)], Law::Pcma, false);
        assert_eq!(player.barge_in(), None);
        assert_eq!(player.play(2, vec![clip(3, 320)], Law::Pcma, true), Some(1));
        assert_eq!(player.barge_in(), Some(2));
        assert_eq!(player.hush(), None);
    }

    #[test]
    fn a_codec_change_under_way_is_transcoded() {
        let mut player = Player::default();
        let mut frame = [0; FRAME_SAMPLES];
        player.play(1, vec![clip(Law::Pcmu.encode(5000), 200)], Law::Pcmu, false);
        player.fill(Law::Pcma, &mut frame);
        let heard = Law::Pcma.decode(frame[0]);
        assert!((4800..5200).contains(&heard), "{heard}");
        player.fill(Law::Pcma, &mut frame);
        assert_eq!(frame[159], Law::Pcma.silence());
    }
}
