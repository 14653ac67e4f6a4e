//! A scenario as text again: what was tried at the keyboard, or found by the machine, becomes a line of `*.tests.yaml`.

use std::fmt::Write as _;

use jiff::civil::DateTime;

use super::paper::{OnPaper, PaperVisit};
use super::suite::{Scenario, Turn};

impl Scenario {
    /// This scenario as an entry of `scenarios:`, two spaces deep.
    pub fn to_yaml(&self) -> String {
        let mut out = format!("  - name: {}\n    now: {}\n", quoted(&self.name), moment(self.now));
        let mut lines: Vec<(&str, String)> = Vec::new();
        let mut line = |name: &'static str, value: String| lines.push((name, value));
        match &self.caller {
            Some(number) => line("caller", spaced(number)),
            None => line("caller", "withheld".to_owned()),
        }
        if let Some(called) = &self.line_called {
            line("line", quoted(called));
        }
        if !self.on_call.is_empty() {
            let roles = self
                .on_call
                .iter()
                .map(|(role, who)| format!("{}: {}", quoted(role), quoted(who)));
            line("on call", format!("{{{}}}", roles.collect::<Vec<_>>().join(", ")));
        }
        if !self.phones.is_empty() {
            let phones = self.phones.iter().map(|(who, does)| {
                let does: Vec<&str> = does.iter().map(|phone| phone.name()).collect();
                format!("{}: [{}]", quoted(who), does.join(", "))
            });
            line("phones", format!("{{{}}}", phones.collect::<Vec<_>>().join(", ")));
        }
        if let Some(records) = &self.records {
            line("records", on_paper(records));
        }
        if !self.failing.is_empty() {
            let failing: Vec<&str> = self.failing.iter().map(|failing| failing.name()).collect();
            line("failing", format!("[{}]", failing.join(", ")));
        }
        for (name, value) in lines {
            let _ = writeln!(out, "    {name}: {value}");
        }
        if self.conversation.is_empty() {
            out.push_str("    conversation: [stays silent]\n");
        } else {
            out.push_str("    conversation:\n");
        }
        for turn in &self.conversation {
            let _ = writeln!(out, "      - {}", said(turn));
        }
        out.push_str("    expect:\n");
        let expect = &self.expect;
        let mut line = |name: &str, value: String| {
            let _ = writeln!(out, "      {name}: {value}");
        };
        if let Some(outcome) = &expect.outcome {
            line("outcome", quoted(outcome));
        }
        if let Some(within) = expect.within {
            line("within", format!("{} seconds", within.as_secs()));
        }
        if let Some(tried) = &expect.tried {
            let tried: Vec<String> = tried.iter().map(|who| quoted(who)).collect();
            line("tried", format!("[{}]", tried.join(", ")));
        }
        for (name, words) in [
            ("notices never include", &expect.notices_never_include),
            ("never hears", &expect.never_hears),
        ] {
            if !words.is_empty() {
                let words: Vec<String> = words.iter().map(|words| quoted(words)).collect();
                line(name, format!("[{}]", words.join(", ")));
            }
        }
        if let Some(on) = expect.call_recording {
            line("call recording", if on { "on" } else { "off" }.to_owned());
        }
        out
    }
}

fn said(turn: &Turn) -> String {
    match turn {
        Turn::Hears(words) => format!("hears: {}", quoted(words)),
        Turn::Presses(keys) => format!("presses: \"{keys}\""),
        Turn::Says(words) => format!("says: {}", quoted(words)),
        Turn::StaysSilent => "stays silent".to_owned(),
        Turn::Waits(time) => format!("waits: {} seconds", time.as_secs().max(1)),
        Turn::HangsUp => "hangs up".to_owned(),
    }
}

/// `records:` on one line.
fn on_paper(records: &OnPaper) -> String {
    let visit = |visit: &PaperVisit| {
        let mut out = format!("{{type: {}, at: {}", quoted(&visit.visit_type), moment(visit.at));
        for (name, value) in [("with", &visit.with), ("place", &visit.place)] {
            if let Some(value) = value {
                let _ = write!(out, ", {name}: {}", quoted(value));
            }
        }
        out + "}"
    };
    let visits = |visits: &[PaperVisit]| format!("[{}]", visits.iter().map(visit).collect::<Vec<_>>().join(", "));
    let patients = records.patients.iter().map(|patient| {
        let mut lines = Vec::new();
        lines.extend(
            patient
                .number
                .iter()
                .map(|number| format!("number: {}", spaced(number))),
        );
        lines.extend(patient.born.iter().map(|born| format!("date of birth: {born}")));
        lines.extend(
            patient
                .record
                .iter()
                .map(|record| format!("medical record number: \"{record}\"")),
        );
        lines.extend(patient.gone.then(|| "no longer here: yes".to_owned()));
        lines.push(format!("appointments: {}", visits(&patient.appointments)));
        format!("{{{}}}", lines.join(", "))
    });
    let mut lines = vec![
        format!("patients: [{}]", patients.collect::<Vec<_>>().join(", ")),
        format!("open times: {}", visits(&records.open_times)),
    ];
    if !records.taken.is_empty() {
        let taken: Vec<String> = records.taken.iter().map(|at| moment(*at)).collect();
        lines.push(format!("taken: [{}]", taken.join(", ")));
    }
    lines.extend(records.cancels_nothing.then(|| "cancels nothing: yes".to_owned()));
    let after = records.answers_after.map(|time| time.as_secs());
    lines.extend(after.map(|seconds| format!("answers after: {seconds} seconds")));
    let down = records.down_after;
    lines.extend(down.map(|answers| format!("down after: {answers} answers")));
    format!("{{{}}}", lines.join(", "))
}

fn moment(now: DateTime) -> String {
    let hour = now.hour();
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let half = if hour < 12 { "am" } else { "pm" };
    format!(
        "{} {} {twelve}:{:02} {half}",
        now.strftime("%A"),
        now.date(),
        now.minute()
    )
}

/// `+15125550199` → `+1 512 555 0199`.
fn spaced(number: &str) -> String {
    match (number.get(..2), number.get(2..5), number.get(5..8), number.get(8..)) {
        (Some("+1"), Some(area), Some(office), Some(rest)) if rest.len() == 4 => format!("+1 {area} {office} {rest}"),
        _ => number.to_owned(),
    }
}

/// Words as YAML reads them back: in quotation marks when a sign in them means something.
fn quoted(words: &str) -> String {
    let plain = words.chars().next().is_some_and(char::is_alphabetic)
        && words
            .chars()
            .all(|c| c.is_alphanumeric() || " .'’()?!áéíóúñ-".contains(c))
        && !words.ends_with(' ');
    if plain {
        words.to_owned()
    } else {
        format!("\"{}\"", words.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

#[cfg(test)]
mod tests {
    use crate::rehearse::Suite;

    #[test]
    fn every_shipped_scenario_reads_back_as_it_was() {
        let text = include_str!("../../../../flows/cedar-family-medicine/after-hours.tests.yaml");
        let (suite, _) = Suite::parse("a", text);
        let suite = suite.unwrap();
        let written: String = suite.scenarios.iter().map(super::Scenario::to_yaml).collect();
        let (again, found) = Suite::parse("a", &format!("tests for: {}\nscenarios:\n{written}", suite.tests_for));
        assert_eq!(found, [], "{written}");
        for (was, is) in suite.scenarios.iter().zip(&again.unwrap().scenarios) {
            let mut was = was.clone();
            was.line = is.line;
            // What a message must carry is the author's to write.
            was.expect.message = None;
            assert_eq!(&was, is);
        }
    }
}
