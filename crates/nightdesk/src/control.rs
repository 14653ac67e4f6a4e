//! A door into the serving engine for whoever looks after the machine: a socket in `data/control`, a folder that only its owner
//! can enter.
//!
//! One line of JSON asks, lines of JSON answer. Who asks is named and logged. Nothing here can change what callers get: it
//! copies signalling, and tells how the trunks are. A guest who is slow, silent or talks nonsense costs one of a few places
//! for a few seconds.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use switchboard::TrunkStatus;
use switchboard::trunk::Registered;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use crate::Failure;

/// The folder, and the socket in it. The folder is made closed before there is a socket, so that nobody slips in between.
const FOLDER: &str = "control";
const SOCKET: &str = "door";
/// A question is no longer.
const ASK_BYTES_MAX: u64 = 4 * 1024;
/// Nor is a line of an answer than this.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Whoever asked and does not read is shown out.
const SAY_WITHIN: Duration = Duration::from_secs(5);
/// An engine that has said nothing for this long beyond what was agreed is not going to.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Reasons told of one trunk's refused calls, and its addresses: the table of faults and the pulses have fewer.
const LINES_MAX: usize = 64;
/// Faults told of a practice, and letters of one, so that all of them fit into a line of an answer.
const FAULTS_MAX: usize = 16;
const WORDS_MAX: usize = 512;
/// Alarms of the house.
const ALARMS_MAX: usize = 64;
/// Gaps in the shifts of a practice.
const GAPS_MAX: usize = 8;
/// Whoever opens the door and says nothing is shown out.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// People at the door at once.
const GUESTS_MAX: usize = 8;

/// The longest trace; whoever needs more asks again.
pub(crate) const TRACE_S_MAX: u64 = 24 * 60 * 60;
/// Where traces are written, in the data folder; old ones go when there are too many.
pub(crate) const TRACES: &str = "traces";

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Copy the signalling into files until the time is over, or whoever asked hangs up.
    Trace {
        /// Who asks.
        actor: String,
        /// For how many seconds.
        for_s: u64,
        /// Numbers and names as they are, not as tokens.
        numbers_shown: bool,
        /// Only what this trunk says and is told.
        #[serde(default)]
        trunk: Option<String>,
    },
    /// How the trunks are now.
    Trunks {
        /// Who asks.
        actor: String,
    },
    /// What callers of each practice hear now.
    Practices {
        /// Who asks.
        actor: String,
    },
}

impl Ask {
    fn actor(&self) -> &str {
        match self {
            Ask::Trace { actor, .. } | Ask::Trunks { actor } | Ask::Practices { actor } => actor,
        }
    }
}

/// What is answered, a line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The trace runs.
    Tracing,
    /// The trace is over, and on the disk.
    Traced {
        /// Messages in it.
        written: u64,
        /// Messages missing because the disk was slow or full.
        missing: u64,
    },
    /// One trunk; one line each, in the order of the configuration.
    Trunk(Box<Live>),
    /// That was every trunk.
    TrunksTold,
    /// One practice; one line each.
    Practice(LivePractice),
    /// Something in the house that somebody must see to; one line each.
    House {
        /// What.
        what: String,
    },
    /// That was every practice.
    PracticesTold,
    /// It cannot be done.
    Refused {
        /// Why.
        why: String,
    },
}

/// A practice as the serving engine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LivePractice {
    /// Its name.
    pub(crate) practice: String,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// What its callers hear.
    pub(crate) says: String,
    /// What keeps the last change from them.
    pub(crate) wrong: Vec<String>,
    /// When nobody is listed on call, or will not be soon.
    #[serde(default)]
    pub(crate) gaps: Vec<String>,
}

/// A trunk as the serving engine sees it. Times are lengths up to now, so that two clocks need not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    /// Its name.
    pub(crate) id: String,
    /// `up`, `down`, `unknown` or `not asked`.
    pub(crate) reach: String,
    /// For how many seconds.
    pub(crate) since_s: u64,
    /// What the fastest address took to answer OPTIONS the last time.
    pub(crate) round_trip_ms: Option<u64>,
    /// The addresses that OPTIONS are sent to.
    pub(crate) addresses: Vec<LiveAddress>,
    /// Registration.
    pub(crate) registered: LiveRegistration,
    /// Its callers who are here, and how many there may be.
    pub(crate) calls_in: (usize, usize),
    /// Our calls on it, and how many there may be.
    pub(crate) calls_out: (usize, usize),
    /// New calls a second, in and out, at most.
    pub(crate) per_second: (u32, u32),
    /// Calls refused since the start: status, why, how many.
    pub(crate) refused: Vec<(u16, String, u64)>,
}

/// One address of a trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LiveAddress {
    /// `udp 192.0.2.1:5060`
    pub(crate) at: String,
    /// Whether it is taken for one that answers.
    pub(crate) answers: bool,
    /// Seconds since its last answer, and its status.
    pub(crate) answered: Option<(u64, u16)>,
}

/// Whether the carrier knows where we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LiveRegistration {
    /// It does not want to be told.
    NotAsked,
    /// Not now.
    No,
    /// For so many seconds.
    ForSeconds(u64),
}

impl Live {
    fn of(status: &TrunkStatus) -> Self {
        let addresses = status.addresses.iter().take(LINES_MAX);
        let refused = status.refused.iter().take(LINES_MAX);
        Self {
            id: status.id.clone(),
            reach: status.reach.to_string(),
            since_s: status.since.as_secs(),
            round_trip_ms: status
                .round_trip
                .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            addresses: addresses
                .map(|address| LiveAddress {
                    at: format!(
                        "{} {}",
                        address.at.transport.name().to_ascii_lowercase(),
                        address.at.address
                    ),
                    answers: address.answers,
                    answered: address.answered.map(|(ago, status)| (ago.as_secs(), status)),
                })
                .collect(),
            registered: match status.registered {
                Registered::NotAsked => LiveRegistration::NotAsked,
                Registered::No => LiveRegistration::No,
                Registered::Until(left) => LiveRegistration::ForSeconds(left.as_secs()),
            },
            calls_in: (status.calls_in, status.limits.calls_in_max),
            calls_out: (status.calls_out, status.limits.calls_out_max),
            per_second: (status.limits.calls_in_per_s, status.limits.calls_out_per_s),
            refused: refused
                .map(|refused| (refused.status, refused.why.to_owned(), refused.calls))
                .collect(),
        }
    }
}

/// The open door; closing it takes the socket away.
pub(crate) struct Door {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        // Gone already when somebody tidied up; the next start takes a stale one away too.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the door. A socket left by a crash is taken away first; one that somebody answers at is an engine that runs.
pub(crate) fn open(data: &Path, handle: &exchange::Handle) -> Result<Door, Failure> {
    let folder = data.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).map_err(Failure::file(&folder))?;
    let path = folder.join(SOCKET);
    if UnixStream::connect(&path).is_ok() {
        return Err(Failure::new(
            format!("{} is answered by another engine", path.display()),
            "stop the other one first; two engines cannot share a data folder",
        ));
    }
    if path.exists() {
        std::fs::remove_file(&path).map_err(Failure::file(&path))?;
    }
    let listener = UnixListener::bind(&path).map_err(Failure::file(&path))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(Failure::file(&path))?;
    let guests = Arc::new(Semaphore::new(GUESTS_MAX));
    let one_trace = Arc::new(Semaphore::new(1));
    let (handle, traces) = (handle.clone(), data.join(TRACES));
    let task = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // The limit of files, for one; it passes.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(place) = guests.clone().try_acquire_owned() else {
                let why = format!("{GUESTS_MAX} others are asking already");
                // A short line goes into the socket's own buffer or nowhere: nobody waits for this guest.
                let _ = stream.try_write(&line_of(&Answer::Refused { why }));
                continue;
            };
            let (handle, traces, one_trace) = (handle.clone(), traces.clone(), one_trace.clone());
            tokio::spawn(async move {
                serve(stream, &handle, traces, &one_trace).await;
                drop(place);
            });
        }
    });
    Ok(Door { path, task })
}

async fn serve(stream: tokio::net::UnixStream, handle: &exchange::Handle, traces: PathBuf, one_trace: &Semaphore) {
    // The folder keeps others out already; the kernel knows who came all the same.
    let ours = rustix::process::geteuid().as_raw();
    if !stream.peer_cred().is_ok_and(|who| who.uid() == ours || who.uid() == 0) {
        return;
    }
    let (reader, mut writer) = stream.into_split();
    let mut line = Vec::new();
    let mut reader = tokio::io::BufReader::new(reader.take(ASK_BYTES_MAX));
    let read = tokio::time::timeout(ASK_WITHIN, reader.read_until(b'\n', &mut line)).await;
    if !matches!(read, Ok(Ok(1..))) {
        return;
    }
    let Ok(ask) = serde_json::from_slice::<Ask>(&line) else {
        let why = "not a question this engine knows".to_owned();
        say(&mut writer, &Answer::Refused { why }).await;
        return;
    };
    tracing::info!(actor = %one_line(ask.actor()), "somebody asks at the control door");
    match ask {
        Ask::Trunks { .. } => {
            for status in handle.trunks().await.unwrap_or_default() {
                if !say(&mut writer, &Answer::Trunk(Box::new(Live::of(&status)))).await {
                    return;
                }
            }
            say(&mut writer, &Answer::TrunksTold).await;
        }
        Ask::Practices { .. } => {
            for standing in handle.practices().iter() {
                let live = LivePractice {
                    practice: standing.practice.clone(),
                    folder: standing.folder.clone(),
                    says: standing.says.to_string(),
                    wrong: standing
                        .wrong
                        .iter()
                        .take(FAULTS_MAX)
                        .map(|what| what.chars().take(WORDS_MAX).collect())
                        .collect(),
                    gaps: standing
                        .gaps
                        .iter()
                        .take(GAPS_MAX)
                        .map(|what| what.chars().take(WORDS_MAX).collect())
                        .collect(),
                };
                if !say(&mut writer, &Answer::Practice(live)).await {
                    return;
                }
            }
            for what in handle.alarms().iter().take(ALARMS_MAX) {
                let what = what.chars().take(WORDS_MAX).collect();
                if !say(&mut writer, &Answer::House { what }).await {
                    return;
                }
            }
            say(&mut writer, &Answer::PracticesTold).await;
        }
        Ask::Trace {
            for_s,
            numbers_shown,
            trunk,
            ..
        } => {
            let mine = one_trace.try_acquire();
            if mine.is_err() || handle.traced().await.is_some() {
                let why = "a trace is running already".to_owned();
                say(&mut writer, &Answer::Refused { why }).await;
                return;
            }
            let trace = exchange::Trace {
                numbers: if numbers_shown {
                    exchange::Numbers::Shown
                } else {
                    exchange::Numbers::Masked
                },
                trunk,
                ..exchange::Trace::new(traces)
            };
            if let Err(fault) = handle.trace(trace).await {
                let why = fault.to_string();
                say(&mut writer, &Answer::Refused { why }).await;
                return;
            }
            say(&mut writer, &Answer::Tracing).await;
            let mut rest = [0; 1];
            // Whoever hangs up wants no more of it.
            let gone = reader.read(&mut rest);
            let _ = tokio::time::timeout(Duration::from_secs(for_s.min(TRACE_S_MAX)), gone).await;
            let figures = handle.end_trace().await.ok().flatten().unwrap_or_default();
            let traced = Answer::Traced {
                written: figures.written,
                missing: figures.dropped + figures.failed,
            };
            say(&mut writer, &traced).await;
        }
    }
}

/// False when whoever asked is gone, or does not listen.
async fn say(writer: &mut tokio::net::unix::OwnedWriteHalf, answer: &Answer) -> bool {
    let said = tokio::time::timeout(SAY_WITHIN, writer.write_all(&line_of(answer))).await;
    matches!(said, Ok(Ok(())))
}

fn line_of(answer: &Answer) -> Vec<u8> {
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A name somebody typed, fit for a log line.
fn one_line(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// A conversation with the engine that serves a data folder.
pub(crate) struct Caller {
    reader: BufReader<UnixStream>,
    path: PathBuf,
}

impl Caller {
    /// Knocks, and asks. `None`: no engine serves this folder.
    pub(crate) fn ask(data: &Path, ask: &Ask) -> Result<Option<Self>, Failure> {
        let path = data.join(FOLDER).join(SOCKET);
        let mut stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Failure::new(
                    format!("{} is not yours to open", path.display()),
                    "run this as the user the engine runs as",
                ));
            }
            Err(_) => return Ok(None),
        };
        let mut question = serde_json::to_vec(ask).unwrap_or_default();
        question.push(b'\n');
        let patience = match ask {
            Ask::Trace { for_s, .. } => Duration::from_secs(*for_s) + ANSWER_WITHIN,
            Ask::Trunks { .. } | Ask::Practices { .. } => ANSWER_WITHIN,
        };
        stream
            .set_read_timeout(Some(patience))
            .and_then(|()| stream.set_write_timeout(Some(ANSWER_WITHIN)))
            .map_err(Failure::file(&path))?;
        // A door that is full answers and closes without hearing the question; its answer is read all the same.
        if let Err(error) = stream.write_all(&question)
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            return Err(Failure::file(&path)(error));
        }
        Ok(Some(Self {
            reader: BufReader::new(stream),
            path,
        }))
    }

    /// The next line of answer.
    pub(crate) fn answer(&mut self) -> Result<Answer, Failure> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(Failure::file(&self.path))?;
        serde_json::from_slice(&line)
            .map_err(|_| Failure::new("the engine ended before it answered", "see its log, and ask again"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Ask, one_line};

    #[test]
    fn questions_and_answers_read_back_as_they_were_written() {
        let ask = Ask::Trace {
            actor: "ana".into(),
            for_s: 60,
            numbers_shown: false,
            trunk: None,
        };
        let line = serde_json::to_string(&ask).expect("plain text");
        assert_eq!(
            line,
            r#"{"ask":"trace","actor":"ana","for_s":60,"numbers_shown":false,"trunk":null}"#
        );
        assert_eq!(serde_json::from_str::<Ask>(&line).expect("what was written"), ask);
        let answer = Answer::Traced { written: 2, missing: 0 };
        let line = serde_json::to_string(&answer).expect("plain text");
        assert_eq!(serde_json::from_str::<Answer>(&line).expect("what was written"), answer);
    }

    #[test]
    fn a_name_is_one_line_of_the_log() {
        assert_eq!(one_line("ana\n{\"level\":\"ERROR\"}"), "ana{\"level\":\"ERROR\"}");
        assert_eq!(one_line(&"x".repeat(1_000)).len(), 64);
    }
}
