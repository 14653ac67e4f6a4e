//! `nightdesk flow simulate`: a call at the keyboard. Time is virtual: nobody waits for a telephone to ring out.
//!
//! The call is played again from its beginning after each line that is typed, with one turn more, and what is new is
//! printed: the flow is a function of what the caller does, so what was printed before never changes.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use flow::rehearse::solo::play_up_to_a_question;
use flow::rehearse::{Awaited, Phone, Rehearsed, Scenario, Suite, Turn};
use flow::{Practice, Words};
use media::Law;

use super::browser::Call;
use super::{Failure, out, paper, practice, source};

/// Lines of one session; a call has dozens.
const LINES_MAX: usize = 2_000;
/// What an empty line waits at least; the call goes on until it says something new.
const WAIT: Duration = Duration::from_secs(1);

/// Programs that play µ-law from their standard input, the first that is there.
const PLAYERS: [(&str, &[&str]); 3] = [
    (
        "aplay",
        &["-q", "-t", "raw", "-f", "MU_LAW", "-r", "8000", "-c", "1", "-"],
    ),
    ("paplay", &["--raw", "--format=ulaw", "--rate=8000", "--channels=1"]),
    (
        "ffplay",
        &[
            "-loglevel",
            "quiet",
            "-nodisp",
            "-autoexit",
            "-f",
            "mulaw",
            "-ar",
            "8000",
            "-i",
            "-",
        ],
    ),
];

/// `flow simulate`
#[derive(Args)]
#[command(
    after_help = "Type keys (1, 02091984, #), an empty line or `wait 90` to wait, what you would say after a tone, `hang up`.\nWhen a telephone rings: accepts, accepts unrecorded, declines, voicemail, screening, busy, or an empty line for no answer.\n`save NAME` prints the call as a scenario for your *.tests.yaml, `quit` ends.\nExample: nightdesk flow simulate practices/cedar --now \"Saturday 2026-11-21 11:40 pm\""
)]
pub(crate) struct Simulate {
    /// The practice's folder
    folder: PathBuf,
    /// Only the flow of this name or file
    #[arg(long)]
    flow: Option<String>,
    /// When the call comes in, on the practice's clock; now, unless said
    #[arg(long)]
    now: Option<String>,
    /// The caller's number, or `withheld`
    #[arg(long, default_value = "+1 512 555 0199")]
    caller: String,
    /// Who is on call, as role=person; may be repeated
    #[arg(long = "on-call", value_name = "ROLE=PERSON")]
    on_call: Vec<String>,
    /// What is broken: records, speech, database, internet, everything
    #[arg(long)]
    failing: Vec<String>,
    /// Hear it, through aplay, paplay or ffplay
    #[arg(long)]
    speak: bool,
    /// Serve the same telephone as a page of this machine too, with a keypad and sound, at this address
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8911")]
    browser: Option<std::net::SocketAddr>,
    /// Keep what was said in this WAV file
    #[arg(long)]
    wav: Option<PathBuf>,
    /// The speech program, if recorded words are not enough
    #[arg(long)]
    speech: Option<String>,
}

/// Holds a call with whoever types.
pub(crate) fn simulate(simulate: &Simulate) -> Result<(), Failure> {
    let source = source(&simulate.folder)?;
    let practice = practice(&source, &simulate.folder)?;
    let flow = match paper::chosen(&practice, simulate.flow.as_deref())?.as_slice() {
        [only] => only.clone(),
        several => {
            let names: Vec<&str> = several.iter().map(|flow| flow.file.as_str()).collect();
            return Err(Failure::new(
                format!("{} has {} flows", practice.name, several.len()),
                format!("name one with --flow: {}", names.join(", ")),
            ));
        }
    };
    let mut scenario = scenario(simulate, &practice, &flow.file)?;
    let mut voice = Voice::new(simulate, &practice)?;
    if let Some(address) = simulate.browser {
        let mut library = super::library(&simulate.folder, &practice, simulate.speech.as_deref())?;
        let _ = library.prepare(&practice.all_parts());
        super::browser::beside(Call::new(&practice, &flow, &scenario, library), address)?;
    }
    let mut shown = Shown::default();
    let people = std::io::stdin().is_terminal();
    out!("{} · {} · type `help` for what can be typed", practice.name, flow.name);
    let mut lines = std::io::stdin().lock().lines();
    for _ in 0..LINES_MAX {
        let rehearsed = play_up_to_a_question(&practice, &flow, &scenario);
        shown.show(&rehearsed);
        voice.say(rehearsed.spoken.get(shown.spoken..).unwrap_or_default());
        shown.spoken = rehearsed.spoken.len();
        let Some(awaited) = rehearsed.waits_for else { break };
        let line = loop {
            let question = match &awaited {
                Awaited::Keys => "keys".to_owned(),
                Awaited::Speech => "say".to_owned(),
                Awaited::Phone(person) => format!("{person}'s phone"),
            };
            if people {
                print!("{question}> ");
                // A prompt that cannot be shown is no reason to end the call.
                let _ = std::io::stdout().flush();
            }
            let Some(line) = lines.next() else { break None };
            let line = line.map_err(Failure::file(Path::new("standard input")))?;
            let line = line.trim().to_owned();
            match line.as_str() {
                "help" => out!("{}", HELP),
                save if save == "save" || save.starts_with("save ") => {
                    let mut saved = scenario.clone();
                    save.trim_start_matches("save").trim().clone_into(&mut saved.name);
                    if saved.name.is_empty() {
                        "Tried at the keyboard".clone_into(&mut saved.name);
                    }
                    let ended = flow::rehearse::solo::play(&practice, &flow, &scenario);
                    saved.expect.outcome = ended.observed.outcome.map(|outcome| outcome.to_string());
                    out!("{}", saved.to_yaml());
                }
                _ => match turn(&awaited, &line) {
                    Some(turn) => break Some(turn),
                    None if matches!(turn(&Awaited::Phone(String::new()), &line), Some(Typed::Phone(_))) => {
                        out!(
                            "no telephone rings just now; an empty line waits until something happens, `wait 90` so long"
                        );
                    }
                    None => out!("`{line}` means nothing here; type `help`"),
                },
            }
        };
        match line {
            Some(Typed::Quit) => break,
            Some(Typed::Turn(turn)) => scenario.conversation.push(turn),
            Some(Typed::Phone(phone)) => {
                if let Awaited::Phone(person) = awaited {
                    scenario.phones.entry(person).or_default().push(phone);
                }
            }
            None => {
                // Nobody types any more: the caller stays silent, and no other phone is answered, to the end.
                let rehearsed = flow::rehearse::solo::play(&practice, &flow, &scenario);
                shown.show(&rehearsed);
                voice.say(rehearsed.spoken.get(shown.spoken..).unwrap_or_default());
                break;
            }
        }
    }
    voice.keep()?;
    if simulate.browser.is_some() && people {
        out!("the page stays until Ctrl-C");
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

const HELP: &str = "keys as on a telephone (1, 02091984, #), typed at once · an empty line waits for the next words, `wait 90` so many seconds · after a tone, what you would say \
· hang up · save NAME · quit\nwhen a telephone rings: accepts, declines, voicemail, screening, busy, or an empty line for no answer";

enum Typed {
    Turn(Turn),
    Phone(Phone),
    Quit,
}

/// What a line means where the call stands.
fn turn(awaited: &Awaited, line: &str) -> Option<Typed> {
    Some(match (awaited, line) {
        (_, "quit") => Typed::Quit,
        (Awaited::Phone(_), "" | "no answer") => Typed::Phone(Phone::NoAnswer),
        (Awaited::Phone(_), "accepts") => Typed::Phone(Phone::Accepts),
        (Awaited::Phone(_), "accepts unrecorded") => Typed::Phone(Phone::AcceptsUnrecorded),
        (Awaited::Phone(_), "declines") => Typed::Phone(Phone::Declines),
        (Awaited::Phone(_), "voicemail") => Typed::Phone(Phone::Voicemail),
        (Awaited::Phone(_), "busy") => Typed::Phone(Phone::Busy),
        (Awaited::Phone(_), "screening") => Typed::Phone(Phone::Screening),
        (Awaited::Phone(_), _) => return None,
        (_, "") => Typed::Turn(Turn::Waits(WAIT)),
        (_, wait)
            if wait
                .strip_prefix("wait ")
                .is_some_and(|seconds| seconds.trim().parse::<u16>().is_ok()) =>
        {
            let seconds = wait
                .strip_prefix("wait ")
                .and_then(|seconds| seconds.trim().parse::<u16>().ok());
            Typed::Turn(Turn::Waits(Duration::from_secs(u64::from(seconds.unwrap_or(1)))))
        }
        (_, "hang up" | "hangs up") => Typed::Turn(Turn::HangsUp),
        (_, keys) if keys.chars().all(|key| key.is_ascii_digit() || matches!(key, '*' | '#')) => {
            Typed::Turn(Turn::Presses(keys.to_owned()))
        }
        (Awaited::Speech, words) => Typed::Turn(Turn::Says(words.to_owned())),
        (Awaited::Keys, _) => return None,
    })
}

/// The scenario before anything is typed. Its words are read by the reader of `*.tests.yaml`, so they mean the same here.
fn scenario(simulate: &Simulate, practice: &Practice, file: &str) -> Result<Scenario, Failure> {
    let now = match &simulate.now {
        Some(now) => now.clone(),
        None => {
            let now = jiff::Timestamp::now().to_zoned(practice.time_zone.clone());
            now.strftime("%A %Y-%m-%d %-I:%M %P").to_string()
        }
    };
    let mut on_call = BTreeMap::new();
    for pair in &simulate.on_call {
        let (role, person) = pair.split_once('=').ok_or_else(|| {
            Failure::new(
                format!("`{pair}` names no role and person"),
                "write --on-call \"primary=Dr. Okafor\"",
            )
        })?;
        on_call.insert(role.trim().to_owned(), person.trim().to_owned());
    }
    let text = format!(
        "tests for: {file}\ngiven: {{now: {now}}}\nscenarios:\n  - name: Tried at the keyboard\n    caller: {}\n    failing: [{}]\n    conversation: []\n    expect: {{outcome: ended}}\n",
        simulate.caller,
        simulate.failing.join(", ")
    );
    let (suite, found) = Suite::parse("the command line", &text);
    let scenario = suite.and_then(|mut suite| suite.scenarios.pop());
    let mut scenario = scenario.ok_or_else(|| {
        let first = found.first();
        Failure::new(
            first.map_or_else(|| "this call cannot be begun".to_owned(), |found| found.what.clone()),
            first.map_or_else(String::new, |found| found.fix.clone()),
        )
    })?;
    scenario.on_call = on_call;
    scenario.expect = flow::rehearse::Expectation::default();
    Ok(scenario)
}

/// How much of the call was printed.
#[derive(Default)]
struct Shown {
    lines: usize,
    spoken: usize,
}

impl Shown {
    fn show(&mut self, rehearsed: &Rehearsed) {
        for line in rehearsed.page.lines().skip(self.lines) {
            out!("{line}");
        }
        self.lines = rehearsed.page.lines().count();
    }
}

/// What is said, as sound.
struct Voice<'a> {
    library: Option<voice::Library>,
    player: Option<(&'static str, &'static [&'static str])>,
    wav: Option<&'a Path>,
    heard: Vec<u8>,
}

impl<'a> Voice<'a> {
    fn new(simulate: &'a Simulate, practice: &Arc<Practice>) -> Result<Self, Failure> {
        let wanted = simulate.speak || simulate.wav.is_some();
        let player = PLAYERS.into_iter().find(|(program, _)| on_the_path(program));
        if simulate.speak && player.is_none() {
            return Err(Failure::new(
                "no program here plays sound",
                "install one (apt-get install alsa-utils), or keep what is said with --wav FILE",
            ));
        }
        let library = if wanted {
            let mut library = super::library(&simulate.folder, practice, simulate.speech.as_deref())?;
            // What nobody speaks is silent here, and a fault in `flow check`.
            let _ = library.prepare(&practice.all_parts());
            Some(library)
        } else {
            None
        };
        Ok(Self {
            library,
            player: player.filter(|_| simulate.speak),
            wav: simulate.wav.as_deref(),
            heard: Vec::new(),
        })
    }

    fn say(&mut self, said: &[Words]) {
        let Some(library) = &self.library else { return };
        let parts = said.iter().flat_map(|words| &words.parts);
        let clips: Vec<u8> = parts
            .filter_map(|part| library.get(part, Law::Pcmu))
            .flat_map(|clip| clip.to_vec())
            .collect();
        if let Some(player) = self.player.filter(|_| !clips.is_empty())
            && let Err(why) = play(player, &clips)
        {
            // No sound is no reason to end the call: it is read on.
            out!(
                "{} cannot play here ({why}), so the call goes on in writing; `--wav FILE` keeps what is said",
                player.0
            );
            self.player = None;
        }
        self.heard.extend(clips);
    }

    fn keep(&self) -> Result<(), Failure> {
        match self.wav {
            Some(wav) => {
                crate::dial::write_wav(wav, &self.heard)?;
                out!("wrote {}", wav.display());
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Plays to the end, or says why not: there may be a program and no sound card.
fn play((program, arguments): (&str, &[&str]), clips: &[u8]) -> Result<(), String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|fault| fault.to_string())?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(clips));
    let ended = child.wait().map_err(|fault| fault.to_string())?;
    match written {
        Err(_) if ended.success() => Err("it stopped listening".to_owned()),
        _ if !ended.success() => Err(format!("{ended}; is there a sound card?")),
        _ => Ok(()),
    }
}

fn on_the_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
