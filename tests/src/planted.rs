//! What a test plants in calls, and the search for it in every form it might be written down in.

use std::collections::{BTreeSet, HashMap};

use media::Law;
use phi::Phi;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    /// Words or digits.
    Text(String),
    /// The clip of this number: µ-law, A-law or samples, alone or beside another channel.
    Audio(usize),
}

/// What is planted.
pub struct Markers<'a> {
    /// Telephone numbers, ten digits.
    pub numbers: &'a [&'a str],
    /// Dates as they are keyed: month, day and year in eight digits.
    pub dates: &'a [&'a str],
    /// Words that nobody says by chance, in lower case.
    pub words: &'a [&'a str],
    /// What is said, in µ-law.
    pub clips: &'a [&'a [u8]],
}

/// Everything that was planted, in every form it might have.
pub struct Planted {
    texts: Vec<Vec<u8>>,
    /// The first octets of pieces of audio, with the rest of the piece and the clip's number.
    audio: HashMap<[u8; HEAD], Vec<(Vec<u8>, usize)>>,
}

/// Octets by which a piece of audio is looked up.
const HEAD: usize = 8;
/// Samples of a piece: 5 ms.
const PIECE: usize = 40;

impl Planted {
    /// In every form that comes to mind.
    pub fn new(markers: &Markers<'_>) -> Self {
        let mut texts = BTreeSet::new();
        for number in markers.numbers {
            let (area, rest) = number.split_at(3);
            let (office, last) = rest.split_at(3);
            texts.extend([
                (*number).to_owned(),
                format!("{area}-{office}-{last}"),
                format!("{area} {office} {last}"),
                format!("({area}) {office}"),
                format!("{area}.{office}.{last}"),
                format!("{office}-{last}"),
                format!("{office}{last}"),
                flow::words::number(&Phi::new(format!("+1{number}")), flow::Language::English).text(),
            ]);
            texts.extend(listed(number));
        }
        for date in markers.dates {
            texts.extend(dated(date));
        }
        texts.extend(markers.words.iter().map(|word| (*word).to_owned()));
        let texts = texts.into_iter().map(|text| text.to_lowercase().into_bytes()).collect();
        let mut audio: HashMap<[u8; HEAD], Vec<(Vec<u8>, usize)>> = HashMap::new();
        for (number, clip) in markers.clips.iter().enumerate() {
            for piece in clip.chunks_exact(PIECE) {
                // Near silence is the same in every clip.
                if piece.iter().collect::<BTreeSet<_>>().len() < PIECE / 3 {
                    continue;
                }
                for bytes in shapes(piece) {
                    let head = *bytes.first_chunk::<HEAD>().expect("a piece is longer");
                    audio.entry(head).or_default().push((bytes, number));
                }
            }
        }
        Self { texts, audio }
    }

    /// Every text that is looked for, in lower case.
    pub fn texts(&self) -> &[Vec<u8>] {
        &self.texts
    }

    /// Everything planted that is in these bytes.
    pub fn search(&self, bytes: &[u8]) -> BTreeSet<Found> {
        let lower = bytes.to_ascii_lowercase();
        let mut found: BTreeSet<Found> = self
            .texts
            .iter()
            .filter(|text| contains(&lower, text))
            .map(|text| Found::Text(String::from_utf8_lossy(text).into_owned()))
            .collect();
        if self.audio.is_empty() {
            return found;
        }
        // As it stands; and every second octet or pair of octets, which is one channel of two.
        let channel = |size: usize, first: usize| -> Vec<u8> {
            let units = bytes.get(first..).unwrap_or_default().chunks_exact(size).step_by(2);
            units.flatten().copied().collect()
        };
        let mut views = vec![bytes.to_vec()];
        // Text holds no channels.
        if std::str::from_utf8(bytes).is_err() {
            views.extend([
                channel(1, 0),
                channel(1, 1),
                channel(2, 0),
                channel(2, 1),
                channel(2, 2),
                channel(2, 3),
            ]);
        }
        for bytes in views {
            for (at, head) in bytes.windows(HEAD).enumerate() {
                let head: &[u8; HEAD] = head.try_into().expect("windows of this size");
                for (piece, number) in self.audio.get(head).into_iter().flatten() {
                    if bytes[at..].starts_with(piece) {
                        found.insert(Found::Audio(*number));
                    }
                }
            }
        }
        found
    }
}

/// Digits as a list of characters, of numbers and of ASCII codes, as `{:?}` writes them; and in hexadecimal.
fn listed(digits: &str) -> [String; 4] {
    let join = |each: fn(char) -> String, between: &str| digits.chars().map(each).collect::<Vec<_>>().join(between);
    [
        join(|digit| format!("'{digit}'"), ", "),
        join(|digit| digit.to_string(), ", "),
        join(|digit| u32::from(digit).to_string(), ", "),
        join(|digit| format!("{:02x}", u32::from(digit)), ""),
    ]
}

/// A date that is keyed as eight digits, as people and programs write it.
fn dated(keyed: &str) -> Vec<String> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    const ONES: [&str; 20] = [
        "",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    let number = |digits: &str| digits.parse::<usize>().expect("digits");
    let (month, rest) = keyed.split_at(2);
    let (day, year) = rest.split_at(2);
    let (month_number, day_number) = (number(month), number(day));
    let name = MONTHS[month_number - 1];
    let spelled = match day_number {
        0..20 => ONES[day_number].to_owned(),
        20 => "twenty".to_owned(),
        30 => "thirty".to_owned(),
        21..30 => format!("twenty {}", ONES[day_number - 20]),
        _ => format!("thirty {}", ONES[day_number - 30]),
    };
    let turned = format!("{year}{month}{day}");
    let mut forms = vec![
        format!("{year}-{month}-{day}"),
        format!("{month}/{day}/{year}"),
        format!("{month_number}/{day_number}/{year}"),
        format!("{name} {day_number}"),
        format!("{name} {spelled}"),
        format!("{day_number} {} {year}", &name[..3]),
    ];
    for digits in [keyed, &turned] {
        forms.push(digits.to_owned());
        forms.extend(listed(digits));
    }
    forms
}

/// A piece of µ-law as it is, in the other law, and as samples of either byte order.
fn shapes(piece: &[u8]) -> [Vec<u8>; 4] {
    let samples = || piece.iter().map(|octet| Law::Pcmu.decode(*octet));
    [
        piece.to_vec(),
        samples().map(|sample| Law::Pcma.encode(sample)).collect(),
        samples().flat_map(i16::to_le_bytes).collect(),
        samples().flat_map(i16::to_be_bytes).collect(),
    ]
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    let Some(first) = what.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(what) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
