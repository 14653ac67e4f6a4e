//! A sentence as a speech program must be given it to say it as people do.
//!
//! One thing to know: "911" is read as "nine hundred eleven" by every program tried, and a caller in trouble must not
//! have to think about that. Only what is *spoken* changes; what is shown and hashed stays as the practice wrote it.

use flow::Language;

/// The same sentence, spelled for the ear.
pub(crate) fn spell(sentence: &str, language: Language) -> String {
    // espeak-ng reads [[...]] as phonemes; no sentence may reach that door.
    let clean: String = sentence
        .chars()
        .map(|c| {
            if matches!(c, '[' | ']' | '\u{0}'..='\u{1f}') {
                ' '
            } else {
                c
            }
        })
        .collect();
    let words: Vec<&str> = clean.split_whitespace().collect();
    if let ([year], Language::English) = (words.as_slice(), language)
        && let Some(digit) = year.strip_prefix('0').filter(|rest| rest.len() == 1)
    {
        return format!("oh {digit}");
    }
    let mut said = Vec::new();
    let mut rest = words.as_slice();
    while let Some((word, tail)) = rest.split_first() {
        let length = phone_number(rest);
        if let Some((number, after)) = (length > 0).then(|| rest.split_at_checked(length)).flatten() {
            said.push(digits(number));
            rest = after;
            continue;
        }
        said.push(one(word, language));
        rest = tail;
    }
    said.join(" ")
}

/// How many of the words in front make up a telephone number; nought when they do not.
fn phone_number(words: &[&str]) -> usize {
    let mut count = 0;
    let mut total = 0;
    let mut parted = false;
    for word in words {
        let (core, end) = core(word);
        let numeric = core
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '-' | '(' | ')' | '+' | '.'));
        let digits = core.chars().filter(char::is_ascii_digit).count();
        if !numeric || digits == 0 {
            break;
        }
        count += 1;
        total += digits;
        parted |= count > 1 || core.contains('-');
        if !end.is_empty() {
            break;
        }
    }
    let whole = matches!(total, 10 | 11) || (total == 7 && parted);
    if whole { count } else { 0 }
}

/// Digits one by one, with a pause where the writer put one and the mark the last word ended with.
fn digits(words: &[&str]) -> String {
    let joined = words.join(" ");
    let (number, end) = core(&joined);
    let groups = number
        .split(|c: char| !c.is_ascii_digit())
        .filter(|group| !group.is_empty());
    groups.map(spaced).collect::<Vec<_>>().join(", ") + end
}

fn one(word: &str, language: Language) -> String {
    let (core, end) = core(word);
    let said = match core {
        // 911, 988, and the other services of three digits (211, 311, 711 …).
        "988" => spaced(core),
        service if service.len() == 3 && service.ends_with("11") && service.bytes().all(|b| b.is_ascii_digit()) => {
            spaced(service)
        }
        "24/7" => match language {
            Language::English => "24 7".to_owned(),
            Language::Spanish => "24 horas, 7 días".to_owned(),
        },
        // The full stop of a title is taken for the end of a sentence.
        "Dr" if end == "." => {
            return if language == Language::English {
                "Doctor"
            } else {
                "doctor"
            }
            .to_owned();
        }
        "Dra" if end == "." => return "doctora".to_owned(),
        time => match time.strip_suffix(":00") {
            Some(hour) if !hour.is_empty() && hour.bytes().all(|b| b.is_ascii_digit()) => hour.to_owned(),
            _ => time.to_owned(),
        },
    };
    said + end
}

/// A word and the marks it ends with.
fn core(word: &str) -> (&str, &str) {
    let length = word
        .trim_end_matches(['.', ',', ';', ':', '!', '?', '"', '”', '’'])
        .len();
    word.split_at_checked(length).unwrap_or((word, ""))
}

fn spaced(digits: &str) -> String {
    digits.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::spell;
    use flow::Language::{English, Spanish};

    #[test]
    fn numbers_are_said_as_people_say_them() {
        let said = [
            ("Hang up and dial 911.", "Hang up and dial 9 1 1."),
            ("call or text 988 at any time", "call or text 9 8 8 at any time"),
            ("Call 911! Now.", "Call 9 1 1! Now."),
            (
                "Is it 100.4 or higher, or over 103?",
                "Is it 100.4 or higher, or over 103?",
            ),
            ("Call 1-800-222-1222 now.", "Call 1, 8 0 0, 2 2 2, 1 2 2 2 now."),
            ("at (512) 555-0100, press 1", "at 5 1 2, 5 5 5, 0 1 0 0, press 1"),
            ("at +1 512 555 0100.", "at 1, 5 1 2, 5 5 5, 0 1 0 0."),
            ("Press 1 for yes, or 2 for no.", "Press 1 for yes, or 2 for no."),
            ("by 8:00 am", "by 8 am"),
            ("11:15 pm", "11:15 pm"),
            ("Dr. Okafor is on call.", "Doctor Okafor is on call."),
            ("05", "oh 5"),
            ("84", "84"),
            ("5,", "5,"),
            ("2005", "2005"),
            ("[[h@'loU]] there", "h@'loU there"),
            ("", ""),
        ];
        for (written, spoken) in said {
            assert_eq!(spell(written, English), spoken);
        }
        assert_eq!(spell("cuelgue y marque el 911.", Spanish), "cuelgue y marque el 9 1 1.");
        assert_eq!(
            spell("La Dra. Vega y el Dr. Okafor", Spanish),
            "La doctora Vega y el doctor Okafor"
        );
        assert_eq!(spell("05", Spanish), "05");
    }
}
