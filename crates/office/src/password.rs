//! What a password must be (NIST SP 800-63B §3.1.1): long enough, and none that everybody tries. No letters of certain kinds
//! are asked for, and nobody has to change theirs by the calendar.

/// Letters at least.
pub const LETTERS_MIN: usize = 12;
/// Letters at most.
pub const LETTERS_MAX: usize = 128;

/// What is wrong with a password somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Too short.
    #[error("it has fewer than {LETTERS_MIN} letters")]
    Short,
    /// Too long.
    #[error("it has more than {LETTERS_MAX} letters")]
    Long,
    /// Everybody tries it.
    #[error("it is one of those that everybody tries")]
    Common,
    /// A pattern.
    #[error("it is one letter, a row of letters or one word over and over")]
    Pattern,
    /// Made of the name.
    #[error("it is made of your own name or ours")]
    Named,
}

/// Words that passwords everybody tries are made of, whatever digits and signs are put around them.
const TRIED: &[&str] = &[
    "password",
    "passwort",
    "passphrase",
    "letmein",
    "welcome",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "asdfghjkl",
    "zxcvbnm",
    "iloveyou",
    "admin",
    "administrator",
    "changeme",
    "default",
    "secret",
    "football",
    "baseball",
    "basketball",
    "superman",
    "batman",
    "pokemon",
    "starwars",
    "princess",
    "sunshine",
    "monkey",
    "dragon",
    "master",
    "shadow",
    "trustno",
    "whatever",
    "michael",
    "jennifer",
    "jordan",
    "hello",
    "freedom",
    "computer",
    "internet",
    "samsung",
    "liverpool",
    "chelsea",
    "arsenal",
    "america",
    "summer",
    "winter",
    "spring",
    "autumn",
    "monday",
    "friday",
    "january",
    "december",
    "login",
    "access",
    "test",
    "guest",
    "user",
    "root",
    "doctor",
    "nurse",
    "hospital",
    "clinic",
    "medical",
    "patient",
    "healthcare",
    "frontdesk",
    "reception",
    "correcthorsebatterystaple",
];

/// Says what is wrong with a password, if anything is.
pub fn judge(password: &str, id: &str, name: &str) -> Result<(), Weak> {
    let letters: Vec<char> = password.chars().collect();
    if letters.len() < LETTERS_MIN {
        return Err(Weak::Short);
    }
    if letters.len() > LETTERS_MAX || password.len() > seal::PASSWORD_OCTETS_MAX {
        return Err(Weak::Long);
    }
    let plain: String = letters
        .iter()
        .flat_map(|letter| letter.to_lowercase())
        .map(|letter| match letter {
            '0' => 'o',
            '1' | '!' => 'i',
            '3' => 'e',
            '4' | '@' => 'a',
            '5' | '$' => 's',
            '7' => 't',
            other => other,
        })
        .collect();
    let lower = password.to_lowercase();
    if repeats(&lower) || runs(&lower) {
        return Err(Weak::Pattern);
    }
    let own = id.split(['.', '-', ' ']).chain(name.split(' ')).chain(["nightdesk"]);
    let own: Vec<String> = own.map(str::to_lowercase).filter(|word| word.len() > 2).collect();
    for text in [&lower, &plain] {
        if rest_of(text, TRIED.iter().copied()) < 4 {
            return Err(Weak::Common);
        }
        if rest_of(text, own.iter().map(String::as_str)) < 4 {
            return Err(Weak::Named);
        }
        if rest_of(text, TRIED.iter().copied().chain(own.iter().map(String::as_str))) < 4 {
            return Err(Weak::Common);
        }
    }
    Ok(())
}

/// Letters that are left of a text without these words, digits and signs.
fn rest_of<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> usize {
    let mut words: Vec<&str> = words.collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut text = text.to_owned();
    let mut found = false;
    for word in words {
        if text.contains(word) {
            found = true;
            text = text.replace(word, " ");
        }
    }
    if found {
        text.chars().filter(|letter| letter.is_alphabetic()).count()
    } else {
        usize::MAX
    }
}

/// `aaaaaaaaaaaa`, `abcabcabcabc`.
fn repeats(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    (1..=letters.len() / 3).any(|length| letters.iter().zip(letters.iter().skip(length)).all(|(a, b)| a == b))
}

/// `123456789012`, `abcdefghijkl`, and both backwards: nearly every letter follows the one before.
fn runs(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let steps = |by: i64| {
        let follows = letters.windows(2).filter(|pair| match pair {
            [a, b] => {
                let gap = i64::from(u32::from(*b)) - i64::from(u32::from(*a));
                gap == by || (a.is_ascii_digit() && b.is_ascii_digit() && gap.rem_euclid(10) == by.rem_euclid(10))
            }
            _ => false,
        });
        follows.count() + 3 >= letters.len()
    };
    steps(1) || steps(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_phrases_pass_and_what_everybody_tries_does_not() {
        let judged = |password: &str| judge(password, "marisol.vega", "Marisol Vega");
        for good in [
            "a fortnight of rain",
            "correct horse battery staple on toast",
            "Grünkohl mit Pinkel",
            "tu7-gha9-wex2",
        ] {
            assert_eq!(judged(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("short-one", Weak::Short),
            ("passwordpassword", Weak::Common),
            ("Password123456!", Weak::Common),
            ("P@ssw0rd2026!!", Weak::Common),
            ("aaaaaaaaaaaaaa", Weak::Pattern),
            ("abcabcabcabcabc", Weak::Pattern),
            ("123456789012", Weak::Pattern),
            ("abcdefghijklmn", Weak::Pattern),
            ("987654321098", Weak::Pattern),
            ("marisolvega2026", Weak::Named),
            ("nightdesk-2026", Weak::Named),
            ("WelcomeMarisol1", Weak::Common),
            ("correcthorsebatterystaple", Weak::Common),
        ] {
            assert_eq!(judged(bad), Err(why), "{bad}");
        }
        assert_eq!(judged(&"xy pq ".repeat(40)), Err(Weak::Long));
    }
}
