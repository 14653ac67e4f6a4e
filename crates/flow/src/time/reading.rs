//! Times, durations and counts as people write them.

use std::time::Duration;

use jiff::civil::Time;

/// `8:00 am`, `noon`, `midnight`, `9 pm` as minutes after midnight. A bare `8:00` is refused: which one?
pub(crate) fn clock(text: &str) -> Option<u16> {
    let text = text.trim().to_lowercase();
    match text.as_str() {
        "noon" => return Some(720),
        "midnight" => return Some(0),
        _ => {}
    }
    let (digits, afternoon) = if let Some(digits) = text.strip_suffix("am") {
        (digits, 0)
    } else {
        (text.strip_suffix("pm")?, 720)
    };
    let digits = digits.trim();
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "00"));
    if minute.len() != 2 || hour.is_empty() || !hour.bytes().chain(minute.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
    ((1..=12).contains(&hour) && minute < 60).then_some(hour % 12 * 60 + minute + afternoon)
}

/// Minutes after midnight as a time of day.
pub(crate) fn time(minute: u16) -> Option<Time> {
    Time::new(i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?, 0, 0).ok()
}

/// `6 seconds`, `2 minutes`, `1 hour`, `14 days`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number = count(number)?;
    let seconds: u64 = match unit.trim() {
        "second" | "seconds" => 1,
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// `2`, `two`.
pub(crate) fn count(text: &str) -> Option<u64> {
    const WORDS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    ];
    let text = text.trim();
    if let Some(number) = WORDS.iter().position(|word| word.eq_ignore_ascii_case(text)) {
        return u64::try_from(number).ok();
    }
    // Seven digits are more seconds than any call has.
    (text.len() <= 7 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_read_as_written_and_never_guessed() {
        assert_eq!(clock("8:00 am"), Some(480));
        assert_eq!(clock("12 am"), Some(0));
        assert_eq!(clock("12:30 pm"), Some(750));
        assert_eq!(clock("noon"), Some(720));
        for wrong in [
            "8:00", "13 pm", "0 am", "8:60 am", "8:5 am", ":30 am", "am", "", "+8 am",
        ] {
            assert_eq!(clock(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("2 minutes"), Some(Duration::from_secs(120)));
        assert_eq!(duration("two hours"), Some(Duration::from_secs(7200)));
        for wrong in ["2", "2 fortnights", "-2 minutes", "99999999999 days", "minutes"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
