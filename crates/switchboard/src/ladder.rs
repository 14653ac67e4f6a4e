//! A call's facts as one time line: the ladder that golden pages are compared with, and what `nightdesk calls show` prints.
//!
//! Seconds since the first fact, then who and what. Nothing here is private: what a caller said or keyed is in `Phi`, and
//! `Phi` has no place in this text.

use std::fmt::Write;

use crate::fact::{Fact, FieldValue, Stamped};

/// Draws the facts of one call in the order given.
pub fn time_line(facts: &[Stamped]) -> String {
    let Some(first) = facts.first() else {
        return String::new();
    };
    let mut text = String::new();
    // Where a ladder stands is a bookmark for restarts; its attempts tell the story.
    let told = facts
        .iter()
        .filter(|stamped| !matches!(stamped.fact, Fact::Climbed { .. }));
    for stamped in told {
        let seconds = stamped.at.duration_since(first.at).as_secs_f64();
        let _ = writeln!(text, "{seconds:9.3}  {}", line(&stamped.fact));
    }
    text
}

/// One fact in one line.
pub fn line(fact: &Fact) -> String {
    match fact {
        Fact::CallBegan {
            practice,
            line,
            trunk,
            release,
            ..
        } => {
            format!(
                "call for {practice}, {line}, by trunk {trunk}, release {}",
                release.get(..12).unwrap_or(release)
            )
        }
        Fact::CallRefused { trunk, status, why } => format!("trunk {trunk} ◀── {status} ── desk   {why}"),
        Fact::TurnedAway { practice, line, trunk } => {
            format!("turned away: {practice}, {line}, by trunk {trunk}: not in service without an agreement")
        }
        Fact::CallMerged { trunk } => {
            format!("trunk {trunk} ◀── 482 ── desk   a call that is already here, by another edge")
        }
        Fact::Verdict { verdict, attestation } => format!("caller's number: {verdict}, attestation {attestation}"),
        Fact::TrunkUp { trunk } => format!("trunk {trunk} is up"),
        Fact::TrunkDown { trunk } => format!("trunk {trunk} is down"),
        Fact::Registered { trunk } => format!("registered with trunk {trunk}"),
        Fact::Unregistered { trunk, why } => format!("not registered with trunk {trunk}: {why}"),
        Fact::Alarm { trunk, what } => format!("ALARM, trunk {trunk}: {what}"),
        Fact::WentElsewhere {
            party,
            trunk,
            why,
            next,
        } => format!("           {party} not by {trunk}: {why}; now by {next}"),
        Fact::ReportCard {
            id,
            trunk,
            seconds,
            card,
        } => {
            use crate::card::Grade::{Fail, NotTried, Pass};
            format!(
                "report card {id} of trunk {trunk}, {seconds} s: {} passed, {} failed, {} not tried",
                card.count(Pass),
                card.count(Fail),
                card.count(NotTried)
            )
        }
        Fact::NeverDialled { party, why } => format!("           {party} is not called: {why}"),
        Fact::Joined {
            party,
            trunk,
            codec,
            signalling_protected,
            audio_protected,
        } => format!(
            "{}{party} by trunk {trunk}: {codec}, {}",
            if party == "caller" { "" } else { "           " },
            carried(*signalling_protected, *audio_protected)
        ),
        Fact::Signal {
            party,
            ours: false,
            what,
        } if party == "caller" => format!("caller ── {what} ──▶ desk"),
        Fact::Signal {
            party,
            ours: true,
            what,
        } if party == "caller" => format!("caller ◀── {what} ── desk"),
        Fact::Signal {
            party,
            ours: true,
            what,
        } => format!("           desk ── {what} ──▶ {party}"),
        Fact::Signal { party, what, .. } => format!("           desk ◀── {what} ── {party}"),
        Fact::Answered {
            codec,
            encrypted,
            signalling_protected,
        } => format!("answered: {codec}, {}", carried(*signalling_protected, *encrypted)),
        Fact::Section { name } => format!("section {name}"),
        Fact::Said { words } => format!("  “{words}”"),
        Fact::Pressed { class } => format!("caller ··· {class} ···▶ desk"),
        Fact::Language { language } => format!("language {language}"),
        Fact::Permission { given, .. } => format!("recording {}", if *given { "permitted" } else { "not permitted" }),
        Fact::PartyPermission { person, given, asked } => match (given, asked) {
            (true, _) => format!("{person} was told of the recording"),
            (false, true) => format!("{person} does not want to be recorded"),
            (false, false) => format!("{person} cannot be asked: the recording ends"),
        },
        Fact::RecordingBegan { recording } => format!("recording {recording} begins"),
        Fact::RecordingSealed {
            recording,
            milliseconds,
            gaps,
            ..
        } => {
            let gaps = if *gaps == 0 {
                String::new()
            } else {
                format!(", {gaps} frames lost to the disk")
            };
            format!(
                "recording {recording} sealed, {:.1} s{gaps}",
                *milliseconds as f64 / 1000.0
            )
        }
        Fact::RecordingFailed { recording } => format!("recording {recording} could not be written"),
        Fact::RecordingInterrupted { recording, chunks, .. } => {
            format!("recording {recording} interrupted, {chunks} chunks kept")
        }
        Fact::ClipKept {
            recording,
            field,
            milliseconds,
        } => {
            format!(
                "clip for {field} sealed as {recording}, {:.1} s",
                *milliseconds as f64 / 1000.0
            )
        }
        Fact::TriageAnswer { question, class } => format!("triage {question}: {class}"),
        Fact::Choice { question, choice } => format!("choice “{question}”: {choice}"),
        Fact::CallerLeft { during } => format!("caller leaves during “{during}”"),
        Fact::Disposition { level, question } => match question {
            Some(question) => format!("disposition {level}, by {question}"),
            None => format!("disposition {level}"),
        },
        Fact::RecordsAsked { what, purpose } => format!("records: {what} ({purpose})"),
        Fact::RecordsAnswered { what, result } => format!("records: {what}: {result}"),
        Fact::Told911 => "told to call 911".into(),
        Fact::MessageKept(message) => {
            let fields: Vec<String> = message
                .fields
                .iter()
                .map(|(field, value)| format!("{field} {}", class(value)))
                .collect();
            let cut_off = if message.cut_off { ", cut off" } else { "" };
            let marks = if message.marks.is_empty() {
                String::new()
            } else {
                format!(", {}", message.marks.join(", "))
            };
            format!(
                "message {} for {}: {}{cut_off}{marks}",
                message.kind,
                message.goes_to,
                fields.join(", ")
            )
        }
        Fact::EscalationBegan(open) => format!("ladder {} begins", open.ladder),
        Fact::Climbed { ladder, reached } => match reached.page {
            Some((round, _)) => format!("ladder {ladder}: page {round}"),
            None => format!(
                "ladder {ladder}: rung {}, try {}",
                reached.rung + 1,
                reached.attempt + 1
            ),
        },
        Fact::Attempt {
            person,
            number,
            result,
            seconds,
            ..
        } => format!("           {person} {number}: {result} after {seconds} s"),
        Fact::Accepted { person, .. } => format!("           {person} pressed the accept key"),
        Fact::Bridged { person } => format!("caller ◀═════▶ {person}"),
        Fact::NumberGiven { person } => format!("           {person} was given the number to call back"),
        Fact::Exhausted { ladder } => format!("ladder {ladder}: everyone was tried; paging goes on"),
        Fact::EscalationEnded { ladder, why } => format!("ladder {ladder} ends: {why}"),
        Fact::Notified { target, words } => format!("notice to {target}: “{words}”"),
        Fact::SafetyNet { reason } => format!("safety net: {reason}"),
        Fact::Quality {
            party,
            sent,
            received,
            lost,
            jitter_ms,
            strangers,
        } => {
            format!(
                "audio of {party}: sent {sent}, received {received}, lost {lost}, jitter {jitter_ms} ms, strangers {strangers}"
            )
        }
        Fact::CallEnded {
            outcome,
            ended_by,
            seconds,
        } => format!("outcome: {outcome} (ended by {ended_by} after {seconds} s)"),
        Fact::Started { version } => format!("engine {version} started"),
        Fact::Stopped => "engine stopped".into(),
        Fact::Released { practice, says } => format!("callers of {practice} hear {says}"),
        Fact::PracticeAlarm { practice, what } => format!("ALARM, practice {practice}: {what}"),
        Fact::HouseAlarm { what } => format!("ALARM: {what}"),
        Fact::TraceBegan {
            into,
            numbers_shown,
            trunk,
        } => {
            let numbers = if *numbers_shown { "shown" } else { "masked" };
            let whose = trunk
                .as_ref()
                .map_or_else(String::new, |trunk| format!(" of trunk {trunk}"));
            format!("trace{whose} into {into} began, numbers {numbers}")
        }
        Fact::TraceEnded { written, missing } => format!("trace ended: {written} messages, {missing} missing"),
    }
}

/// How a leg is carried on the wire (SEC-03).
fn carried(signalling: bool, audio: bool) -> &'static str {
    match (signalling, audio) {
        (true, true) => "signalling and audio encrypted",
        (true, false) => "signalling encrypted, audio in the clear",
        (false, true) => "audio encrypted, signalling in the clear",
        (false, false) => "in the clear",
    }
}

/// What kind of answer a field has, without the answer.
fn class(value: &FieldValue) -> &'static str {
    match value {
        FieldValue::Number(_) => "number",
        FieldValue::Date(_) => "date",
        FieldValue::Clip(_) => "clip",
        FieldValue::Years(_) => "age",
        FieldValue::YesNo(_) => "answered",
        FieldValue::Unknown => "missing",
    }
}
