//! Reading a container: a secret key opens the header, then any chunk by its number.
//!
//! Whatever the file has become, what comes out is what was written at that place, or a fault. A file without its
//! final chunk is an authentic prefix and says so ([`Ending::Interrupted`]).

use zeroize::Zeroizing;

use crate::container::{
    CHUNK, CHUNK_SEALED, FINAL_FACTS, FINAL_SEALED_MAX, FINAL_SEALED_MIN, HEADER, Header, KIND_AUDIO, KIND_FINAL,
    KIND_PEAKS, MAC_AT, TAG,
};
use crate::record::scrub;
use crate::seal::{FileKeys, file_id, head, mac_key, wrap_info};
use crate::{Entropy, Fault, Fixed, Hasher, ItemShare, RecipientPublic, RecipientSecret, hmac_is};

/// So many chunks may be on their way to the disk when the power goes: a writer further behind says so.
pub const TORN_CHUNKS_MAX: usize = 8;

/// Opens one recording.
pub struct Opener {
    fixed: Fixed,
    keys: FileKeys,
}

/// What a final chunk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Final {
    /// Octets of audio in the final chunk itself; they are its first.
    pub remainder: usize,
    /// Samples per channel in the whole recording.
    pub frames: u64,
    /// When it ended, Unix milliseconds.
    pub end_ms: i64,
    /// SHA-256 over the tags of all chunks before.
    pub tags: [u8; 32],
}

/// How a payload ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an authentic final chunk that fits everything before it.
    Complete {
        /// Whole chunks before the final one.
        chunks: u32,
        /// Samples per channel.
        frames: u64,
        /// When it ended, Unix milliseconds.
        end_ms: i64,
    },
    /// Without one: the recorder was stopped, or the end is gone. What came before is authentic.
    Interrupted {
        /// Whole chunks, all authentic.
        chunks: u32,
        /// Octets after them that are none: the start of one, or what a loss of power left of the last few.
        torn: u32,
    },
}

impl Opener {
    /// Unwraps the file key with `secret`, and `share` if the file asks for one, and checks the header's MAC.
    pub fn new(header: &Header, secret: &RecipientSecret, share: Option<&ItemShare>) -> Result<Self, Fault> {
        let opened = Self::unwrap(header, secret, share);
        scrub();
        opened
    }

    #[inline(never)]
    fn unwrap(header: &Header, secret: &RecipientSecret, share: Option<&ItemShare>) -> Result<Self, Fault> {
        let fixed = header.fixed_bytes();
        let file_key = file_key(header, secret, share)?;
        Ok(Self {
            fixed: header.fixed.clone(),
            keys: FileKeys::derive(&file_key, fixed),
        })
    }

    /// The facts of the recording, authentic now.
    pub fn fixed(&self) -> &Fixed {
        &self.fixed
    }

    /// Opens audio chunk `index` in place and gives its [`CHUNK`] octets.
    pub fn chunk<'a>(&self, index: u32, sealed: &'a mut [u8; CHUNK_SEALED]) -> Result<&'a [u8], Fault> {
        self.keys.open(index, KIND_AUDIO, sealed).map(|audio| &*audio)
    }

    /// Opens the final chunk, which comes after `index` audio chunks, in place.
    pub fn last<'a>(&self, index: u32, sealed: &'a mut [u8]) -> Result<(&'a [u8], Final), Fault> {
        if !(FINAL_SEALED_MIN..=FINAL_SEALED_MAX).contains(&sealed.len()) {
            return Err(Fault::RefusedChunk { index });
        }
        let opened: &'a [u8] = self.keys.open(index, KIND_FINAL, sealed)?;
        let short = Fault::RefusedChunk { index };
        let (audio, facts) = opened.split_last_chunk::<FINAL_FACTS>().ok_or(short)?;
        let (frames, facts) = facts.split_first_chunk::<8>().ok_or(short)?;
        let (end_ms, tags) = facts.split_first_chunk::<8>().ok_or(short)?;
        Ok((
            audio,
            Final {
                remainder: audio.len(),
                frames: u64::from_be_bytes(*frames),
                end_ms: i64::from_be_bytes(*end_ms),
                tags: *tags.first_chunk().ok_or(short)?,
            },
        ))
    }

    /// Opens what [`Sealer::peaks`](crate::Sealer::peaks) made, in place.
    pub fn peaks<'a>(&self, sealed: &'a mut [u8]) -> Result<&'a [u8], Fault> {
        self.keys.open(0, KIND_PEAKS, sealed).map(|peaks| &*peaks)
    }

    /// A reading of the whole payload from its start.
    pub fn reading(&self) -> Reading<'_> {
        Reading {
            opener: self,
            next: 0,
            tags: Hasher::new(),
        }
    }

    /// Opens a payload held in memory and hands every authentic octet of audio to `sink`, in order. Audio handed over
    /// before a fault is authentic too. Where nothing stands after the last whole chunk, the last few may be what a loss of
    /// power left of them ([`TORN_CHUNKS_MAX`]): the recording ends before the first that is not authentic.
    pub fn read(&self, payload: &mut [u8], mut sink: impl FnMut(&[u8])) -> Result<Ending, Fault> {
        let mut reading = self.reading();
        let length = payload.len();
        let (chunks, tail) = payload.as_chunks_mut::<CHUNK_SEALED>();
        let whole = chunks.len();
        for (place, sealed) in chunks.iter_mut().enumerate() {
            match reading.chunk(sealed) {
                Ok(audio) => sink(audio),
                Err(fault) => {
                    // Recovery leaves whole chunks behind: where anything stands after them, it was the end.
                    if whole - place > TORN_CHUNKS_MAX || !tail.is_empty() {
                        return Err(fault);
                    }
                    let torn = length - place * CHUNK_SEALED;
                    return Ok(Ending::Interrupted {
                        chunks: reading.next,
                        torn: u32::try_from(torn).map_err(|_| fault)?,
                    });
                }
            }
        }
        let (audio, ending) = reading.end(tail)?;
        sink(audio);
        Ok(ending)
    }
}

/// A payload being read from front to back, so that a final chunk can be held against what came before it.
pub struct Reading<'a> {
    opener: &'a Opener,
    next: u32,
    tags: Hasher,
}

impl Reading<'_> {
    /// The next whole chunk.
    pub fn chunk<'a>(&mut self, sealed: &'a mut [u8; CHUNK_SEALED]) -> Result<&'a [u8], Fault> {
        let tag: [u8; TAG] = *sealed.last_chunk().expect("a sealed chunk is longer than its tag");
        let index = self.next;
        let next = index.checked_add(1).ok_or(Fault::ExhaustedChunks)?;
        let audio = self.opener.chunk(index, sealed)?;
        self.tags.update(&tag);
        self.next = next;
        Ok(audio)
    }

    /// What stands after the last whole chunk: nothing, a final chunk, or the torn start of something.
    pub fn end(self, tail: &mut [u8]) -> Result<(&[u8], Ending), Fault> {
        let chunks = self.next;
        let torn = u32::try_from(tail.len()).map_err(|_| Fault::RefusedChunk { index: chunks })?;
        let Ok((audio, said)) = self.opener.last(chunks, tail) else {
            return Ok((&[], Ending::Interrupted { chunks, torn }));
        };
        if said.tags != self.tags.finish() {
            return Err(Fault::RefusedFinal);
        }
        // The frames that are there: all of them, or up to a chunk fewer when the last chunk was padded with silence.
        let channels = u64::from(self.opener.fixed.channels);
        let whole = u64::from(chunks) * CHUNK as u64;
        let octets = said.frames.checked_mul(channels).ok_or(Fault::RefusedFinal)?;
        let fits = if audio.is_empty() {
            octets <= whole && whole - octets < CHUNK as u64
        } else {
            octets == whole + audio.len() as u64
        };
        if !fits {
            return Err(Fault::RefusedFinal);
        }
        Ok((
            audio,
            Ending::Complete {
                chunks,
                frames: said.frames,
                end_ms: said.end_ms,
            },
        ))
    }
}

/// The header of the same file for other recipients, or with another share: facts and payload stay as they are.
pub fn rewrap(
    header: &Header,
    secret: &RecipientSecret,
    share: Option<&ItemShare>,
    recipients: &[RecipientPublic],
    new_share: Option<&ItemShare>,
    entropy: Entropy<'_>,
) -> Result<[u8; HEADER], Fault> {
    let key = file_key(header, secret, share)?;
    head(header.fixed_bytes(), &key, recipients, new_share, entropy)
}

/// The file key, once the header was found to be what its writer made.
fn file_key(
    header: &Header,
    secret: &RecipientSecret,
    share: Option<&ItemShare>,
) -> Result<Zeroizing<[u8; 32]>, Fault> {
    let fixed = header.fixed_bytes();
    let id = secret.public().id();
    let slot = header
        .slots
        .iter()
        .find(|slot| slot.key_id == id)
        .ok_or(Fault::RefusedKey)?;
    let file_key = secret.unwrap(slot, &wrap_info(fixed), &file_id(fixed), share)?;
    let (before, mac) = header.bytes.split_at(MAC_AT);
    if !hmac_is(mac_key(&file_key, fixed).as_slice(), before, mac) {
        return Err(Fault::RefusedHeader);
    }
    Ok(file_key)
}

/// Opens a whole file held in memory.
pub fn open_file(
    file: &mut [u8],
    secret: &RecipientSecret,
    share: Option<&ItemShare>,
    sink: impl FnMut(&[u8]),
) -> Result<(Header, Ending), Fault> {
    let header = Header::parse(file)?;
    let opener = Opener::new(&header, secret, share)?;
    let (_, payload) = file
        .split_at_mut_checked(HEADER)
        .ok_or(Fault::MalformedHeader("shorter than a header"))?;
    let ending = opener.read(payload, sink)?;
    Ok((header, ending))
}
