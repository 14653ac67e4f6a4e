//! `nightdesk dial`: a real test phone on our own stack. It places a call or awaits calls, presses keys by RFC 4733, INFO
//! or in-band tones, plays a WAV or speech, follows a scenario, writes what it heard, and prints the ladder as it goes.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use exchange::handset::{Act, Doctor, Handset, Keys, News, Party, Scripted, Setup};
use flow::Part;
use flow::rehearse::{Scenario, Turn};
use jiff::Timestamp;
use media::sdp::{Offering, Security};
use media::{Codec, Law};
use switchboard::phone::Answering;

use crate::{Failure, flows, out, serve};

/// A test phone.
#[derive(Args)]
pub(crate) struct Dial {
    /// The number to dial; leave it out to await calls
    number: Option<String>,
    /// Where: the engine, or any SIP user agent
    #[arg(long, default_value = "127.0.0.1:5060")]
    to: SocketAddr,
    /// Our own signalling address
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The number we call from; none is anonymous
    #[arg(long)]
    from: Option<String>,
    /// Keys and pauses, played one quiet moment after another: `1 1 4 wait5 1`
    #[arg(long)]
    press: Option<String>,
    /// How keys are sent
    #[arg(long, value_enum, default_value = "events")]
    keys: Way,
    /// What to speak, best first: pcmu, pcma, g722, opus
    #[arg(long, value_delimiter = ',', default_value = "pcmu,pcma", value_parser = codec)]
    codec: Vec<Codec>,
    /// Encrypt the audio by keys in the SDP; `--srtp` alone means required
    #[arg(long, value_enum, default_value = "off", num_args = 0..=1, default_missing_value = "required")]
    srtp: Srtp,
    /// What to say when a tone asks, or once connected: a WAV file, or words
    #[arg(long)]
    say: Option<String>,
    /// Follow a scenario of this file
    #[arg(long)]
    scenario: Option<PathBuf>,
    /// Which scenario: part of its name
    #[arg(long, default_value = "")]
    only: String,
    /// The practice whose words the phone knows by ear (needed for scenarios)
    #[arg(long)]
    practice: Option<PathBuf>,
    /// Awaiting calls: how each number answers, such as `+15125550141=voicemail,no answer`
    #[arg(long)]
    answer: Vec<String>,
    /// Awaiting calls: how other numbers answer
    #[arg(long, default_value = "accepts")]
    otherwise: String,
    /// Awaiting calls: seconds to ring before picking up
    #[arg(long, default_value_t = 2)]
    ring: u64,
    /// Write what was heard to this WAV file (line number is added when awaiting calls)
    #[arg(long)]
    wav: Option<PathBuf>,
    /// End after this many seconds
    #[arg(long, default_value_t = 600)]
    within: u64,
}

/// How keys are sent.
#[derive(Clone, Copy, ValueEnum)]
enum Way {
    /// RFC 4733
    Events,
    /// SIP INFO
    Info,
    /// In-band
    Tones,
}

/// Whether audio is encrypted.
#[derive(Clone, Copy, ValueEnum)]
enum Srtp {
    /// RTP/AVP
    Off,
    /// RTP/AVP with keys beside it, for those who take them
    Preferred,
    /// RTP/SAVP, or no call
    Required,
}

fn codec(name: &str) -> Result<Codec, String> {
    Codec::from_name(name).ok_or_else(|| "use pcmu, pcma, g722 or opus".to_owned())
}

/// Runs the phone until its call is over, or the time is.
pub(crate) fn dial(dial: &Dial) -> Result<(), Failure> {
    let scenario = dial
        .scenario
        .as_deref()
        .map(|file| scenario(file, &dial.only))
        .transpose()?;
    let voices = Voices::prepare(dial, scenario.as_ref())?;
    let say = dial.say.as_deref().map(|say| voices.sound(say)).transpose()?;
    let handset = {
        let say = say.clone();
        Handset::start(Setup {
            address: dial.listen,
            media: dial.listen.ip(),
            ear: Some(voices.ear()),
            pick_up: Duration::from_secs(dial.ring),
            keys: match dial.keys {
                Way::Events => Keys::Events,
                Way::Info => Keys::Info,
                Way::Tones => Keys::Tones,
            },
            offering: Offering {
                security: match dial.srtp {
                    Srtp::Off => Security::Off,
                    Srtp::Preferred => Security::Preferred,
                    Srtp::Required => Security::Required,
                },
                ..Offering::clear(&dial.codec)
            },
            answers: Box::new(move |_, answering| doctor(answering, say.clone())),
        })
        .map_err(Failure::file(Path::new("the phone's socket")))?
    };
    out!("phone at udp {}", handset.address());
    match &dial.number {
        Some(number) => {
            let party: Box<dyn Party> = match &scenario {
                Some(scenario) => Box::new(Scripted::new(scenario, voices.mouth(scenario))),
                None => Box::new(Hand::new(dial.press.as_deref().unwrap_or_default(), say)?),
            };
            let from = dial
                .from
                .as_deref()
                .or(scenario.as_ref().and_then(|scenario| scenario.caller.as_deref()));
            handset.call(1, dial.to, number, from, party);
        }
        None => {
            for plan in &dial.answer {
                let (number, answers) = plan.split_once('=').ok_or_else(|| {
                    Failure::new(
                        format!("`{plan}` is not number=answers"),
                        "write `--answer \"+15125550141=voicemail,accepts\"`",
                    )
                })?;
                handset.plan(number, answers.split(',').map(answering).collect::<Result<_, _>>()?);
            }
            handset.otherwise(answering(&dial.otherwise)?);
        }
    }
    ladder(
        &handset,
        dial.number.is_some(),
        Instant::now() + Duration::from_secs(dial.within),
        dial.wav.as_deref(),
    )
}

/// How someone who is rung behaves.
pub(crate) fn doctor(answering: Answering, says: Option<Arc<[u8]>>) -> Box<dyn Party> {
    let (before, key) = keys(answering, '1');
    Box::new(Doctor::new(key, says, Duration::from_secs(12)).pressing_first(before))
}

/// What somebody who behaves like this presses, where this key accepts: before the other, and to answer.
pub(crate) fn keys(answering: Answering, accept: char) -> (Option<char>, Option<char>) {
    match answering {
        Answering::Accepts => (None, Some(accept)),
        Answering::AcceptsUnrecorded => (Some(switchboard::unrecorded_with(accept)), Some(accept)),
        Answering::PassesOn => (None, Some('2')),
        _ => (None, None),
    }
}

fn answering(words: &str) -> Result<Answering, Failure> {
    words.parse().map_err(|fault: switchboard::phone::UnknownAnswering| {
        Failure::new(fault.to_string(), "use one of those words")
    })
}

/// Prints what happens until the call is over or the time is.
fn ladder(handset: &Handset, one_call: bool, deadline: Instant, wav: Option<&Path>) -> Result<(), Failure> {
    let began = Instant::now();
    while Instant::now() < deadline {
        let Some((at, news)) = handset.news(Duration::from_millis(200)) else {
            continue;
        };
        let seconds = at.saturating_duration_since(began).as_secs_f64();
        out!("{seconds:8.3}  {}", describe(&news));
        match news {
            News::Ended { line, heard } => {
                if let Some(wav) = wav {
                    let wav = if one_call {
                        wav.to_owned()
                    } else {
                        wav.with_extension(format!("{}.wav", line & 0xffff))
                    };
                    write_wav(&wav, &heard)?;
                    out!(
                        "          heard {:.1} s, written to {}",
                        heard.len() as f64 / 8000.0,
                        wav.display()
                    );
                }
                if one_call {
                    return Ok(());
                }
            }
            News::Refused { status, .. } if one_call => {
                return Err(Failure::new(
                    format!("the call was refused with {status}"),
                    "see the table of response codes in README",
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// One line of the phone's own ladder.
pub(crate) fn describe(news: &News) -> String {
    match news {
        News::Rings { .. } => "◀── INVITE    rings".into(),
        News::Connected {
            number: None, audio, ..
        } => format!("◀── 200       connected: {audio}"),
        News::Connected {
            number: Some(_), audio, ..
        } => format!("── 200 ──▶    picked up: {audio}"),
        News::Heard { words, .. } => format!("  “{words}”"),
        News::Pressed { key, .. } => format!("··· {key} ···▶"),
        News::Refused { status, .. } => format!("◀── {status}"),
        News::Undone { turn, .. } => format!("    the call is over before `{turn}`"),
        News::Ended { .. } => "    BYE       over".into(),
    }
}

/// What was heard, as a WAV file.
pub(crate) fn write_wav(path: &Path, heard: &[u8]) -> Result<(), Failure> {
    let failed = |why: &str| Failure::new(format!("{}: {why}", path.display()), "check the folder and the disk");
    let bytes = wav(heard).ok_or_else(|| failed("too long for a WAV file"))?;
    std::fs::write(path, bytes).map_err(|error| failed(&error.to_string()))
}

/// µ-law as the octets of a WAV file: 16 bit, one channel.
pub(crate) fn wav(heard: &[u8]) -> Option<Vec<u8>> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut file = hound::WavWriter::new(&mut bytes, spec).ok()?;
    for octet in heard {
        file.write_sample(Law::Pcmu.decode(*octet)).ok()?;
    }
    file.finalize().ok()?;
    Some(bytes.into_inner())
}

/// A scenario of a file, by part of its name.
pub(crate) fn scenario(file: &Path, only: &str) -> Result<Scenario, Failure> {
    let text = std::fs::read_to_string(file).map_err(Failure::file(file))?;
    let (suite, diagnostics) = flow::rehearse::Suite::parse(&file.display().to_string(), &text);
    diagnostics.iter().for_each(|diagnostic| flows::show(diagnostic, &text));
    suite
        .and_then(|suite| {
            suite
                .scenarios
                .into_iter()
                .find(|scenario| scenario.name.contains(only))
        })
        .ok_or_else(|| {
            Failure::new(
                format!("{} has no scenario named like “{only}”", file.display()),
                "give part of its name with --only",
            )
        })
}

/// What a phone knows by ear, and how its own sentences sound.
pub(crate) struct Voices {
    words: voice::Snapshot,
}

impl Voices {
    fn prepare(dial: &Dial, scenario: Option<&Scenario>) -> Result<Self, Failure> {
        let mut parts = Vec::new();
        let mut whose = None;
        if let Some(folder) = &dial.practice {
            let practice = flows::practice(&flows::source(folder)?, folder)?;
            parts = practice.all_parts();
            whose = Some((folder.as_path(), practice));
        }
        parts.extend(
            scenario
                .iter()
                .flat_map(|scenario| &scenario.conversation)
                .filter_map(|turn| match turn {
                    Turn::Says(words) => Some(said(words)),
                    _ => None,
                }),
        );
        parts.extend(
            dial.say
                .iter()
                .filter(|say| !say.ends_with(".wav"))
                .map(|say| said(say)),
        );
        Self::of(
            &parts,
            whose.as_ref().map(|(folder, practice)| (*folder, practice.as_ref())),
        )
    }

    /// Prepares these sentences in this user's cache, as this practice in its folder has recorded them.
    pub(crate) fn of(parts: &[Part], whose: Option<(&Path, &flow::Practice)>) -> Result<Self, Failure> {
        let engine = serve::speech(None)?;
        let fault = |fault: voice::VoiceFault| Failure::new(fault.to_string(), "check the cache folder");
        let mut library = match whose {
            Some((folder, practice)) => flows::recorded_in(folder, practice, engine)?,
            None => voice::Library::open(flows::cache()?, engine, &[]).map_err(fault)?,
        };
        if let Some(missing) = library.prepare(parts).first() {
            let what = format!("cannot be heard: “{}”: {}", missing.part.text, missing.why);
            return Err(Failure::new(
                what,
                "install a speech program: apt-get install espeak-ng",
            ));
        }
        Ok(Self {
            words: library.snapshot(),
        })
    }

    /// Knows every word prepared. A phone that was told of no practice still hears the tone, and when the line is quiet.
    pub(crate) fn ear(&self) -> Arc<voice::listen::Index> {
        voice::listen::Index::new(&self.words, Law::Pcmu)
    }

    /// How each sentence of a scenario's caller sounds.
    pub(crate) fn mouth(&self, scenario: &Scenario) -> HashMap<String, Arc<[u8]>> {
        let spoken = scenario.conversation.iter().filter_map(|turn| match turn {
            Turn::Says(words) => Some(words),
            _ => None,
        });
        spoken
            .filter_map(|words| Some((words.clone(), self.words.get(&said(words), Law::Pcmu)?)))
            .collect()
    }

    /// A WAV file (8 kHz, 16 bit, mono), or words.
    pub(crate) fn sound(&self, say: &str) -> Result<Arc<[u8]>, Failure> {
        if !say.ends_with(".wav") {
            return self
                .words
                .get(&said(say), Law::Pcmu)
                .ok_or_else(|| Failure::new(format!("“{say}” cannot be heard"), "use a WAV file"));
        }
        let failed = |error: hound::Error| {
            Failure::new(
                format!("{say}: {error}"),
                "use an 8 kHz, 16-bit, mono WAV: sox in.wav -r 8000 -b 16 -c 1 out.wav",
            )
        };
        let mut wav = hound::WavReader::open(say).map_err(failed)?;
        let spec = wav.spec();
        if spec.sample_rate != 8_000 || spec.channels != 1 || spec.bits_per_sample != 16 {
            return Err(Failure::new(
                format!("{say} is not 8 kHz, 16 bit, mono"),
                "convert it: sox in.wav -r 8000 -b 16 -c 1 out.wav",
            ));
        }
        let samples: Result<Vec<u8>, hound::Error> = wav
            .samples::<i16>()
            .map(|sample| sample.map(|sample| Law::Pcmu.encode(sample)))
            .collect();
        Ok(samples.map_err(failed)?.into())
    }
}

/// A sentence of a caller or doctor.
pub(crate) fn said(words: &str) -> Part {
    Part {
        text: words.into(),
        language: flow::Language::English,
    }
}

/// A person with a list of keys: one each time the line falls quiet; speaks when a tone asks.
struct Hand {
    turns: VecDeque<HandTurn>,
    says: Option<Arc<[u8]>>,
    asked: bool,
    wait_until: Option<Timestamp>,
    out: VecDeque<Act>,
}

enum HandTurn {
    Press(String),
    Wait(Duration),
}

impl Hand {
    fn new(press: &str, says: Option<Arc<[u8]>>) -> Result<Self, Failure> {
        let turn = |word: &str| match word.strip_prefix("wait") {
            Some(seconds) => seconds
                .parse()
                .ok()
                .map(|seconds| HandTurn::Wait(Duration::from_secs(seconds))),
            None => word
                .chars()
                .all(|c| media::Digit::from_char(c).is_some())
                .then(|| HandTurn::Press(word.to_owned())),
        };
        let turns: Option<VecDeque<HandTurn>> = press.split_whitespace().map(turn).collect();
        let turns = turns.ok_or_else(|| {
            Failure::new(
                format!("`{press}` holds something that is no key"),
                "write keys and pauses: `1 1 4 wait5 1`",
            )
        })?;
        Ok(Self {
            turns,
            says,
            asked: false,
            wait_until: None,
            out: VecDeque::new(),
        })
    }
}

impl Party for Hand {
    fn hears(&mut self, _words: &str) {}

    fn tone(&mut self) {
        self.asked = true;
    }

    fn quiet(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.asked)
            && let Some(says) = &self.says
        {
            self.out.push_back(Act::Speak(says.clone()));
            return;
        }
        if self.wait_until.is_some() {
            return;
        }
        match self.turns.pop_front() {
            Some(HandTurn::Press(keys)) => self.out.extend(keys.chars().map(Act::Press)),
            Some(HandTurn::Wait(long)) => {
                self.wait_until = jiff::SignedDuration::try_from(long)
                    .ok()
                    .and_then(|long| now.checked_add(long).ok());
            }
            None => {}
        }
    }

    fn time(&mut self, now: Timestamp) {
        if self.wait_until.is_some_and(|until| until <= now) {
            self.wait_until = None;
            self.quiet(now);
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.out.pop_front()
    }
}
