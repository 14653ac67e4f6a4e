//! A recovery key in three parts, any two of which make it again, and how a part looks on paper.
//!
//! Shamir's scheme over GF(256) with the polynomial of AES: for each octet a straight line through the secret at 0; the
//! parts are its points at 1, 2 and 3. One part alone says nothing, whatever is computed. Printed, a part is three rows of
//! letters and digits without those that look alike, each with a check of its own, so that a slip of the pen is
//! found with its row.
//!
//! ```text
//! 1  04HF 9K2M …  7Q
//! ```

use zeroize::Zeroizing;

use crate::{Entropy, Fault, hash};

/// How many parts there are; two of them are enough.
pub const PARTS: u8 = 3;

const ROWS: usize = 3;
const ROW_OCTETS: usize = 15;
/// What every part begins with: number, then the id of what it recovers.
const FACTS: usize = 9;
/// Without I, L, O and U.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// One part. Wiped when dropped.
pub struct Part {
    /// 1, 2 or 3.
    pub number: u8,
    /// Of which key; the same on all its parts.
    pub of: [u8; 8],
    octets: Zeroizing<[u8; 32]>,
}

/// Cuts a key into its three parts; `of` tells them from the parts of another key.
pub fn split(secret: &[u8; 32], of: [u8; 8], entropy: Entropy<'_>) -> [Part; PARTS as usize] {
    let mut slope = Zeroizing::new([0; 32]);
    entropy(slope.as_mut_slice());
    [1, 2, 3].map(|number| {
        let mut octets = Zeroizing::new([0; 32]);
        for ((octet, secret), slope) in octets.iter_mut().zip(secret).zip(slope.iter()) {
            *octet = secret ^ times(*slope, number);
        }
        Part { number, of, octets }
    })
}

/// The key, from two different parts of it.
pub fn combine(one: &Part, two: &Part) -> Result<Zeroizing<[u8; 32]>, Fault> {
    if one.of != two.of {
        return Err(Fault::MalformedPart("the two are parts of different keys"));
    }
    if one.number == two.number {
        return Err(Fault::MalformedPart("twice the same part; a second one is needed"));
    }
    // The line's value at 0: y1 · x2/(x1+x2) + y2 · x1/(x1+x2), where + and - are both exclusive or.
    let over = inverse(one.number ^ two.number);
    let (first, second) = (times(two.number, over), times(one.number, over));
    let mut secret = Zeroizing::new([0; 32]);
    for ((octet, a), b) in secret.iter_mut().zip(one.octets.iter()).zip(two.octets.iter()) {
        *octet = times(*a, first) ^ times(*b, second);
    }
    Ok(secret)
}

impl Part {
    /// As it is printed: three rows.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut octets = Zeroizing::new([0; ROWS * ROW_OCTETS]);
        let facts = std::iter::once(self.number)
            .chain(self.of)
            .chain(self.octets.iter().copied());
        for (to, from) in octets.iter_mut().zip(facts) {
            *to = from;
        }
        let check = hash(octets.split_at(FACTS + 32).0);
        for (to, from) in octets.iter_mut().skip(FACTS + 32).zip(check) {
            *to = from;
        }
        let mut text = Zeroizing::new(String::with_capacity(160));
        for (row, octets) in (1_u8..).zip(octets.as_chunks::<ROW_OCTETS>().0) {
            text.push(char::from(b'0' + row));
            text.push(' ');
            for (place, letter) in letters(octets).into_iter().enumerate() {
                if place % 4 == 0 {
                    text.push(' ');
                }
                text.push(letter);
            }
            text.push_str("  ");
            text.extend(row_check(row, octets));
            text.push('\n');
        }
        text
    }

    /// Reads what a person typed from the paper: in rows or in one, with or without spaces, in any case, 0 for O.
    pub fn from_text(text: &str) -> Result<Self, Fault> {
        const SLIPS: [Fault; ROWS] = [
            Fault::MalformedPart("row 1 is not as it was printed"),
            Fault::MalformedPart("row 2 is not as it was printed"),
            Fault::MalformedPart("row 3 is not as it was printed"),
        ];
        let mut octets = Zeroizing::new([0; ROWS * ROW_OCTETS]);
        let mut typed = text
            .chars()
            .filter(|letter| letter.is_ascii_alphanumeric())
            .map(|letter| letter.to_ascii_uppercase());
        let rows = octets.as_chunks_mut::<ROW_OCTETS>().0.iter_mut();
        for ((row, octets), slip) in (1_u8..).zip(rows).zip(SLIPS) {
            if typed.next() != Some(char::from(b'0' + row)) {
                return Err(slip);
            }
            let (mut gathered, mut bits, mut place) = (0_u32, 0, 0);
            for _ in 0..ROW_OCTETS * 8 / 5 {
                let value = typed.next().and_then(value).ok_or(slip)?;
                gathered = gathered << 5 | u32::from(value);
                bits += 5;
                if bits >= 8 {
                    bits -= 8;
                    if let Some(octet) = octets.get_mut(place) {
                        *octet = (gathered >> bits & 255) as u8;
                    }
                    place += 1;
                }
            }
            for expected in row_check(row, octets) {
                if typed.next().and_then(value) != value(expected) {
                    return Err(slip);
                }
            }
        }
        if typed.next().is_some() {
            return Err(Fault::MalformedPart("there is more than three rows"));
        }
        let (facts, check) = octets.split_at(FACTS + 32);
        let fits = check.iter().zip(hash(facts)).all(|(is, should)| *is == should);
        let (number, rest) = facts.split_first().ok_or(SLIPS[0])?;
        let (of, key) = rest.split_first_chunk::<8>().ok_or(SLIPS[0])?;
        if !fits || !(1..=PARTS).contains(number) {
            return Err(Fault::MalformedPart("the rows do not belong together"));
        }
        Ok(Self {
            number: *number,
            of: *of,
            octets: Zeroizing::new(*key.first_chunk().ok_or(SLIPS[0])?),
        })
    }
}

/// The product in GF(256) modulo x^8 + x^4 + x^3 + x + 1, in time that does not depend on the factors.
fn times(a: u8, b: u8) -> u8 {
    let (mut product, mut a) = (0, a);
    for bit in 0..8 {
        product ^= a & (b >> bit & 1).wrapping_neg();
        a = a << 1 ^ (0x1B & (a >> 7).wrapping_neg());
    }
    product
}

/// The inverse: the 254th power.
fn inverse(a: u8) -> u8 {
    let mut power = 1;
    for _ in 0..254 {
        power = times(power, a);
    }
    power
}

fn letters(octets: &[u8; ROW_OCTETS]) -> Zeroizing<[char; ROW_OCTETS * 8 / 5]> {
    let mut out = Zeroizing::new(['0'; ROW_OCTETS * 8 / 5]);
    let (mut gathered, mut bits) = (0_u32, 0);
    let mut places = out.iter_mut();
    for octet in octets {
        gathered = gathered << 8 | u32::from(*octet);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            if let Some(place) = places.next() {
                *place = letter(gathered >> bits);
            }
        }
    }
    out
}

fn row_check(row: u8, octets: &[u8; ROW_OCTETS]) -> [char; 2] {
    let [a, b, ..] = hash(&[[row].as_slice(), octets].concat());
    [letter(u32::from(a)), letter(u32::from(b))]
}

fn letter(five_bits: u32) -> char {
    LETTERS
        .get(five_bits as usize & 31)
        .map_or('0', |letter| char::from(*letter))
}

fn value(letter: char) -> Option<u8> {
    let letter = match letter {
        'O' => '0',
        'I' | 'L' => '1',
        letter => letter,
    };
    LETTERS
        .iter()
        .position(|known| char::from(*known) == letter)
        .and_then(|place| u8::try_from(place).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// FIPS 197 §4.2 and §4.2.1: {57} · {83} = {c1}, {57} · {13} = {fe}; and every inverse.
    #[test]
    fn the_field_is_that_of_aes() {
        assert_eq!((times(0x57, 0x83), times(0x57, 0x13)), (0xC1, 0xFE));
        for a in 1..=255 {
            assert_eq!(times(a, inverse(a)), 1);
        }
    }

    /// A line by hand: secret 5, slope 3: 5^3, 5^6, 5^5 at 1, 2 and 3.
    #[test]
    fn a_line_drawn_by_hand() {
        let parts = split(&[5; 32], [0; 8], &mut |out| out.fill(3));
        assert_eq!(parts.each_ref().map(|part| part.octets[0]), [6, 3, 0]);
    }

    #[test]
    fn a_slip_is_found_with_its_row() {
        let [part, other, _] = split(&[7; 32], [1; 8], &mut |out| out.fill(9));
        let text = part.to_text();
        assert_eq!(text.lines().count(), 3);
        for (place, letter) in text.char_indices().filter(|(_, letter)| letter.is_ascii_alphanumeric()) {
            let mut slipped = text.to_string();
            let wrong = if letter == 'X' { "Y" } else { "X" };
            slipped.replace_range(place..=place, wrong);
            let row = text[..place].matches('\n').count();
            let said = Part::from_text(&slipped).err().expect("found").to_string();
            assert!(said.contains(&format!("row {}", row + 1)), "{place}: {said}");
        }
        assert!(Part::from_text(&text[..100]).is_err() && Part::from_text("").is_err());
        let other = other.to_text();
        let mixed = text.lines().zip(other.lines()).enumerate();
        let mixed: String = mixed
            .map(|(row, (a, b))| format!("{}\n", if row == 1 { b } else { a }))
            .collect();
        assert!(Part::from_text(&mixed).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_two_of_three_make_the_key(secret in any::<[u8; 32]>(), slope in any::<[u8; 32]>(), of in any::<[u8; 8]>()) {
            let parts = split(&secret, of, &mut |out| out.copy_from_slice(&slope));
            for (a, b) in [(0, 1), (0, 2), (1, 2), (1, 0), (2, 0), (2, 1)] {
                // By way of paper, in a careless hand.
                let read = |part: &Part| Part::from_text(&part.to_text().to_lowercase().replace('0', "o").replace('\n', " "));
                let (a, b) = (read(&parts[a]).expect("as printed"), read(&parts[b]).expect("as printed"));
                prop_assert_eq!(*combine(&a, &b).expect("two parts"), secret);
                prop_assert!(combine(&a, &a).is_err());
            }
            let foreign = split(&secret, of.map(|octet| !octet), &mut |out| out.copy_from_slice(&slope));
            prop_assert!(combine(&parts[0], &foreign[1]).is_err());
        }

        /// What one part shows fits every secret equally well: for any other secret there is a slope that gives this very part.
        #[test]
        fn one_part_says_nothing(secret in any::<u8>(), slope in any::<u8>(), other in any::<u8>(), number in 1..=3_u8) {
            let seen = secret ^ times(slope, number);
            let fitting = times(seen ^ other, inverse(number));
            prop_assert_eq!(other ^ times(fitting, number), seen);
        }

        #[test]
        fn no_text_panics_the_reader(text in "[ 0-9A-Za-z\n-]{0,200}") {
            prop_assert!(Part::from_text(&text).is_err());
        }
    }
}
