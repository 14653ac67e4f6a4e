//! Inputs: corpus entries with a few things done to them.

use crate::INPUT_BYTES_MAX;

/// xoshiro256**, seeded by splitmix64: fast, and the same everywhere.
pub struct Random([u64; 4]);

impl Random {
    /// The stream of one job of one target.
    pub fn new(seed: u64, job: u64, name: &str) -> Self {
        let name = name
            .bytes()
            .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut state = seed ^ job.rotate_left(32) ^ name.rotate_left(17);
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = state;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^ (word >> 31)
        }))
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `end`; 0 when that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 {
            0
        } else {
            ((u128::from(self.next()) * end as u128) >> 64) as usize
        }
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

/// Bytes that end, begin, escape or separate something in one format or another.
const SPECIAL: &[u8] = b"\0\t\n\r \"#%&'()*+,-./0:;<=>?@[\\]{|}~\x7f\x80\xff";

/// Numbers at the edge of a type or a limit.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "9",
    "99",
    "127",
    "128",
    "255",
    "256",
    "300",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "00000000000000000000000007",
    "1e9",
    "0x10",
];

/// Makes inputs.
pub struct Mutator {
    tokens: &'static [&'static str],
    scratch: Vec<u8>,
}

impl Mutator {
    /// With the words of the format.
    pub fn new(tokens: &'static [&'static str]) -> Self {
        Self {
            tokens,
            scratch: Vec::new(),
        }
    }

    /// The next input.
    pub fn make(&mut self, random: &mut Random, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
        input.clear();
        // One in sixty-four is noise from the start.
        if random.below(64) == 0 || corpus.is_empty() {
            let length = random.below(400);
            input.extend((0..length).map(|_| random.byte()));
            return;
        }
        input.extend_from_slice(&corpus[random.below(corpus.len())]);
        // Mostly few changes: an input with many rarely gets past the first check.
        let most = 1 << (1 + random.below(4));
        let changes = 1 + random.below(most);
        for _ in 0..changes {
            self.change(random, corpus, input);
        }
        input.truncate(INPUT_BYTES_MAX);
    }

    fn change(&mut self, random: &mut Random, corpus: &[Vec<u8>], input: &mut Vec<u8>) {
        let at = random.below(input.len() + 1);
        match random.below(16) {
            0 | 1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            2 => {
                let special = SPECIAL[random.below(SPECIAL.len())];
                if let Some(byte) = input.get_mut(at) {
                    *byte = special;
                }
            }
            3 => input.insert(at, SPECIAL[random.below(SPECIAL.len())]),
            4 => input.truncate(at),
            5 => {
                let end = at + random.below((input.len() - at).min(40) + 1);
                input.drain(at..end);
            }
            6 => {
                // A stretch of it again, here.
                let end = at + random.below((input.len() - at).min(200) + 1);
                self.scratch.clear();
                self.scratch.extend_from_slice(&input[at..end]);
                let times = if random.below(64) == 0 {
                    1 + random.below(300)
                } else {
                    1 + random.below(3)
                };
                let room = INPUT_BYTES_MAX.saturating_sub(input.len()) / self.scratch.len().max(1);
                let repeated = self.scratch.repeat(times.min(room));
                insert(input, at, &repeated);
            }
            7 | 8 => {
                // The rest, or a stretch, of another one.
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                if random.below(2) == 0 {
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                } else {
                    let end = from + random.below((other.len() - from).min(120) + 1);
                    insert(input, at, &other[from..end]);
                }
            }
            9..=11 if !self.tokens.is_empty() => {
                let token = self.tokens[random.below(self.tokens.len())].as_bytes();
                if random.below(2) == 0 {
                    insert(input, at, token);
                } else {
                    let end = (at + token.len()).min(input.len());
                    input.splice(at..end, token.iter().copied()).for_each(drop);
                }
            }
            12 => {
                // A number becomes one at an edge.
                let Some(start) = input
                    .iter()
                    .skip(at)
                    .position(u8::is_ascii_digit)
                    .map(|start| at + start)
                else {
                    return;
                };
                let length = input[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = NUMBERS[random.below(NUMBERS.len())].as_bytes();
                input
                    .splice(start..start + length, number.iter().copied())
                    .for_each(drop);
            }
            13 => {
                // A line changes its place, or is doubled: order and repetition are what headers are about.
                let start = input[..at]
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(0, |end| end + 1);
                let end = input[at..]
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .map_or(input.len(), |end| at + end + 1);
                self.scratch.clear();
                self.scratch.extend_from_slice(&input[start..end]);
                if random.below(2) == 0 {
                    input.drain(start..end);
                }
                let to = random.below(input.len() + 1);
                let to = input[..to]
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(0, |end| end + 1);
                let line = std::mem::take(&mut self.scratch);
                insert(input, to, &line);
                self.scratch = line;
            }
            14 => {
                let noise = [random.byte(), random.byte(), random.byte(), random.byte()];
                let length = 1 + random.below(4);
                insert(input, at, &noise[..length]);
            }
            _ => {
                // Two bytes change places.
                let other = random.below(input.len() + 1);
                if at < input.len() && other < input.len() {
                    input.swap(at, other);
                }
            }
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if input.len() + bytes.len() <= INPUT_BYTES_MAX {
        input.splice(at..at, bytes.iter().copied()).for_each(drop);
    }
}
