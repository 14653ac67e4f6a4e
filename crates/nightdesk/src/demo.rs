//! `nightdesk demo`: what `make run` shows. The engine on loopback, one urgent call in front of you, then it keeps serving.
//!
//! A scripted caller has a fever; the first rung's phone answers like a voicemail and never presses the key; the second
//! rung's doctor does. Everything is the real thing, on real sockets; only the ladder's spacing is shorter.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use exchange::handset::{Act, Cue, Cued, Handset, Keys, News, Setup};
use switchboard::{CallId, Fact, ladder, rehearse};

use crate::archive::Archive;
use crate::config::Settings;
use crate::dial::{Voices, describe, doctor, said, scenario};
use crate::gate::{self, About, Gate};
use crate::{Failure, flows, out, serve};

/// The demonstration.
#[derive(Args)]
pub(crate) struct Demo {
    /// Configuration file
    #[arg(long)]
    config: PathBuf,
    /// The practice whose scenario is played
    #[arg(long)]
    practice: PathBuf,
    /// Which scenario: part of its name
    #[arg(long, default_value = "A fever reaches the doctor")]
    scenario: String,
    /// Where the decrypted recording is written; keep it off the data folder
    #[arg(long, default_value = "target/demonstration.wav")]
    wav: PathBuf,
    /// Stop after the demonstration instead of serving on
    #[arg(long)]
    once: bool,
}

/// A demonstration that lasts longer is stuck.
const DEMO_MAX: Duration = Duration::from_secs(180);
/// A caller who knows the way: what is waited for, and what is done a moment later. `say …` speaks, then presses pound.
const FEVER: &[(&str, &str)] = &[
    ("For English", "1"),
    ("May we record", "1"),
    ("For a medical question", "1"),
    ("chest pain", "2"),
    ("sudden weakness", "2"),
    ("passed out", "2"),
    ("bleeding that will not stop", "2"),
    ("suicide", "2"),
    ("fever over 103", "1"),
    ("To be called back at", "1"),
    ("tone", "say Ana Rivera"),
    ("date of birth", "02091984"),
    ("If that is right", "1"),
    ("tone", "say Fever since this morning"),
];
const DOCTOR_SAYS: &str = "This is Doctor Lindqvist. I am listening.";

/// Serves, shows one call, serves on.
pub(crate) fn demo(demo: &Demo) -> Result<(), Failure> {
    let settings = serve::settings(&demo.config)?;
    let own = serve::settings(&demo.config)?;
    let archive = Archive::new(&settings);
    let Some(phone_address) = settings
        .desk
        .trunks
        .iter()
        .find_map(|trunk| trunk.outbound.as_ref()?.targets.first())
        .and_then(|target| Some(SocketAddr::new(target.host.ip()?, target.port?)))
    else {
        return Err(Failure::new(
            "the configuration names no outbound target",
            "give the trunk `outbound: udp 127.0.0.1:5070`",
        ));
    };
    let person = Person::of(&own)?;
    let config = serve::exchange_config(settings)?;
    let runtime = serve::runtime()?;
    out!("preparing the practice's words; the first time this takes a minute");
    let running = runtime.block_on(serve::start(config))?;
    let handle = running.handle();
    let desk = handle
        .listeners()
        .first()
        .map(|listener| listener.local)
        .unwrap_or(phone_address);
    let file = demo.practice.join("after-hours.tests.yaml");
    let shown = show(demo, &file, desk, phone_address, &archive, &own);
    match &shown {
        Ok(number) if !demo.once => {
            out!("");
            out!("Nightdesk keeps serving at udp {desk}. Dial it with any softphone: sip:{number}@{desk}");
            out!("or with ours:  target/release/nightdesk dial {number} --to {desk} --press \"1 1 1 1\"");
            person.tell(&demo.config);
            out!("Ctrl-C ends it.");
        }
        Err(_) if !demo.once => out!("the demonstration failed; the engine is stopped"),
        _ => {}
    }
    if shown.is_ok() && !demo.once {
        runtime.block_on(async {
            serve::Told::listen()?.ends_at_last(&handle, || {}).await;
            Ok(())
        })?;
        out!("draining");
    }
    drop(handle);
    runtime.block_on(serve::drain(running))?;
    shown.map(|_| ())
}

fn show(
    demo: &Demo,
    file: &Path,
    desk: SocketAddr,
    phone: SocketAddr,
    archive: &Archive,
    settings: &Settings,
) -> Result<String, Failure> {
    let source = flows::source(&demo.practice)?;
    let practice = flows::practice(&source, &demo.practice)?;
    let scenario = scenario(file, &demo.scenario)?;
    let mut parts = practice.all_parts();
    parts.push(said(DOCTOR_SAYS));
    parts.extend(FEVER.iter().filter_map(|(_, what)| what.strip_prefix("say ")).map(said));
    let voices = Voices::of(&parts, Some((&demo.practice, &practice)))?;
    let says = voices.sound(DOCTOR_SAYS)?;
    let handset = Handset::start(Setup {
        address: phone,
        media: phone.ip(),
        ear: Some(voices.ear()),
        pick_up: Duration::from_secs(1),
        keys: Keys::Events,
        offering: media::sdp::Offering::default(),
        answers: Box::new(move |_, answering| doctor(answering, Some(says.clone()))),
    })
    .map_err(Failure::file(Path::new("the telephones' socket")))?;
    for (person, answers) in &scenario.phones {
        if let Some(known) = practice.people.get(person) {
            handset.plan(
                known.call.expose(),
                answers.iter().copied().map(rehearse::answering).collect(),
            );
        }
    }
    let number = practice.lines.values().next().cloned().unwrap_or_default();
    let known: Vec<CallId> = archive.calls()?.into_iter().map(|(call, _)| call).collect();

    out!("");
    out!("“{}”: what the telephones see", scenario.name);
    handset.call(1, desk, &number, scenario.caller.as_deref(), Box::new(caller(&voices)?));
    let began = Instant::now();
    let heard = loop {
        if began.elapsed() > DEMO_MAX {
            return Err(Failure::new(
                "the demonstration did not come to its end",
                "run it again with NIGHTDESK_LOG=debug",
            ));
        }
        let Some((at, news)) = handset.news(Duration::from_millis(200)) else {
            continue;
        };
        let who = match &news {
            News::Rings { number }
            | News::Connected {
                number: Some(number), ..
            } => person(&practice, number),
            News::Connected { line, .. }
            | News::Heard { line, .. }
            | News::Pressed { line, .. }
            | News::Undone { line, .. }
            | News::Ended { line, .. }
            | News::Refused { line, .. } => {
                if *line == 1 {
                    "caller".to_owned()
                } else {
                    "phone".to_owned()
                }
            }
        };
        out!(
            "{:8.3}  {who:14} {}",
            at.saturating_duration_since(began).as_secs_f64(),
            describe(&news)
        );
        match news {
            News::Ended { line: 1, heard } => break heard,
            News::Refused { line: 1, status } => {
                return Err(Failure::new(
                    format!("the call was refused with {status}"),
                    "is another engine on these ports?",
                ));
            }
            _ => {}
        }
    };
    drop(handset);
    drop(heard);
    time_line(archive, &Person::of(settings)?, settings, &known, &demo.wav)?;
    Ok(number)
}

/// The scripted caller of [`FEVER`].
fn caller(voices: &Voices) -> Result<Cued, Failure> {
    let mut turns = Vec::new();
    for (cue, what) in FEVER {
        let cue = if *cue == "tone" {
            Cue::Tone
        } else {
            Cue::Words((*cue).to_owned())
        };
        let acts = match what.strip_prefix("say ") {
            Some(words) => vec![Act::Speak(voices.sound(words)?), Act::Press('#')],
            None => what.chars().map(Act::Press).collect(),
        };
        turns.push((cue, acts));
    }
    Ok(Cued::new(turns))
}

/// Prints the new call's time line, and exports its recording.
fn time_line(
    archive: &Archive,
    person: &Person,
    settings: &Settings,
    known: &[CallId],
    wav: &Path,
) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let (call, facts) = loop {
        let new = archive.calls()?.into_iter().find(|(call, facts)| {
            let sealed = facts
                .iter()
                .any(|stamped| matches!(stamped.fact, Fact::RecordingSealed { .. }));
            let ended = facts
                .iter()
                .any(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }));
            !known.contains(call) && sealed && ended
        });
        match new {
            Some(new) => break new,
            None if Instant::now() > deadline => {
                return Err(Failure::new(
                    "the book does not show the end of the call",
                    "see `nightdesk calls list`",
                ));
            }
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let gate = Gate::with(settings, person.log_in(settings)?);
    let about = |object| About {
        practice: Archive::practice_of(&facts),
        object,
        call: Some(call.0),
        ..About::default()
    };
    let why = "shown to whoever ran make run";
    let _allowed = gate.pass("calls show", &about(call.0), why)?;
    out!("");
    out!("The same call in the book (nightdesk calls show {call}):");
    out!("{}", ladder::time_line(&facts).trim_end());
    let recording = facts.iter().find_map(|stamped| match stamped.fact {
        Fact::RecordingSealed { recording, .. } => Some(recording),
        _ => None,
    });
    if let Some(recording) = recording {
        let id = vault::FileId(recording.0);
        let vault = archive.vault()?;
        let found = vault.find(id).map_err(Failure::vault)?;
        let allowed = gate.pass("recordings export", &about(id.0), why)?;
        let wav = wav.to_owned();
        let audio = vault
            .export_wav(id, &allowed.receipt, &archive.listener().key(&found)?, &wav)
            .map_err(Failure::vault)?;
        out!("");
        out!("Sealed recording   {}  ({} octets)", found.path.display(), found.bytes);
        out!(
            "Decrypted from it  {}  ({:.1} s, caller left, Nightdesk and doctor right)",
            wav.display(),
            audio.frames() as f64 / 8000.0
        );
    }
    Ok(())
}

/// The person of the demonstration. Their password and their authenticator's secret lie in files of whoever ran it, so that
/// the house can be tried without a telephone; the house itself knows and asks no less than any other.
struct Person {
    password: String,
    authenticator: seal::Authenticator,
}

/// What they log in as.
const CASEY: &str = "casey";
/// Where their password and secret lie, beside the demonstration's other leavings: off the data folder.
const PASSWORD: &str = "target/demonstration.password";
const SECRET: &str = "target/demonstration.authenticator";

impl Person {
    /// Made at the first demonstration, found again at the next.
    fn of(settings: &Settings) -> Result<Self, Failure> {
        let files = (Path::new(PASSWORD), Path::new(SECRET));
        let mut office = gate::open(settings)?;
        let found = office.state().people.is_empty();
        if !found {
            office.close().map_err(Failure::office)?;
            let read = |path: &Path| std::fs::read_to_string(path).map_err(Failure::file(path));
            let secret = seal::Authenticator::from_base32(read(files.1)?.trim());
            return match (read(files.0), secret) {
                (Ok(password), Some(authenticator)) => Ok(Self {
                    password: password.trim().to_owned(),
                    authenticator,
                }),
                _ => Err(Failure::new(
                    format!("{PASSWORD} and {SECRET} are not those of an earlier demonstration"),
                    "take the folder `data` away and begin again; the demonstration has no patients",
                )),
            };
        }
        let mut draw = crate::keys::draw();
        let password: Vec<String> = draw().chunks(4).map(seal::keys::hex).collect();
        let password = password.join("-");
        let now = jiff::Timestamp::now();
        let made = office.first(CASEY, "Casey Demo", &password, now);
        let authenticator = made.map_err(Failure::office)?;
        office.close().map_err(Failure::office)?;
        for (path, text) in [(files.0, &password), (files.1, &authenticator.to_base32())] {
            private(path, text)?;
        }
        let person = Self {
            password,
            authenticator,
        };
        // Nobody sees a patient untrained, not even a made-up one.
        let token = person.log_in(settings)?;
        let gate = Gate::with(settings, token);
        let (allowed, mut office) = gate.enter("people trained", &About::default(), "")?;
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let trained = office.train(&allowed, CASEY, today, "the demonstration", None, now);
        office.close().map_err(Failure::office)?;
        trained.map_err(Failure::office)?;
        Ok(person)
    }

    /// Logs in as anybody would, with the next code that was not used yet.
    fn log_in(&self, settings: &Settings) -> Result<office::Token, Failure> {
        let mut wait = Duration::from_secs(2 * u64::try_from(seal::STEP_S).unwrap_or(30));
        loop {
            let now = jiff::Timestamp::now();
            let code = format!("{:06}", self.authenticator.code(now.as_second()));
            let mut office = gate::open(settings)?;
            let tried = office.log_in(CASEY, &self.password, &code, now);
            office.close().map_err(Failure::office)?;
            match tried {
                Ok((token, _)) => return Ok(token),
                // The code of this half minute was used by an earlier log-in.
                Err(office::Fault::RefusedLogIn) if !wait.is_zero() => {
                    let pause = Duration::from_secs(15).min(wait);
                    wait -= pause;
                    std::thread::sleep(pause);
                }
                Err(fault) => return Err(Failure::office(fault)),
            }
        }
    }

    fn tell(&self, config: &Path) {
        out!("");
        out!(
            "Look at calls and recordings as its owner would: log in as {CASEY}, password {}",
            self.password
        );
        out!("  target/release/nightdesk login {CASEY} --config {}", config.display());
        out!(
            "  the code: target/release/nightdesk authenticator {SECRET}  (or put the secret in it into your telephone)"
        );
    }
}

/// A file that only its owner reads.
fn private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    }
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Failure::file(path))?;
    writeln!(file, "{text}").map_err(Failure::file(path))
}

fn person(practice: &flow::Practice, number: &str) -> String {
    let same = |known: &flow::Person| known.call.expose().ends_with(number.trim_start_matches('+'));
    practice
        .people
        .iter()
        .find(|(_, known)| same(known))
        .map_or_else(|| "phone".to_owned(), |(name, _)| name.clone())
}
