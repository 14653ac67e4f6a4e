//! A door into the serving engine for whoever looks after the machine: a socket in `data/control`, a folder that only its owner
//! can enter.
//!
//! One line of JSON asks, lines of JSON answer. Who asks is named and logged. Nothing here can change what callers get: it
//! copies signalling.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::Failure;

/// The folder, and the socket in it. The folder is made closed before there is a socket, so that nobody slips in between.
const FOLDER: &str = "control";
const SOCKET: &str = "door";
/// A question is no longer.
const ASK_BYTES_MAX: u64 = 4 * 1024;
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
    },
}

impl Ask {
    fn actor(&self) -> &str {
        match self {
            Ask::Trace { actor, .. } => actor,
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
    /// It cannot be done.
    Refused {
        /// Why.
        why: String,
    },
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
    let guests = std::sync::Arc::new(tokio::sync::Semaphore::new(GUESTS_MAX));
    let (handle, traces) = (handle.clone(), data.join(TRACES));
    let task = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // The limit of files, for one; it passes.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(place) = guests.clone().try_acquire_owned() else {
                continue;
            };
            let (handle, traces) = (handle.clone(), traces.clone());
            tokio::spawn(async move {
                serve(stream, &handle, traces).await;
                drop(place);
            });
        }
    });
    Ok(Door { path, task })
}

async fn serve(stream: tokio::net::UnixStream, handle: &exchange::Handle, traces: PathBuf) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(reader.take(ASK_BYTES_MAX));
    let read = tokio::time::timeout(ASK_WITHIN, reader.read_line(&mut line)).await;
    if !matches!(read, Ok(Ok(1..))) {
        return;
    }
    let Ok(ask) = serde_json::from_str::<Ask>(&line) else {
        let why = "not a question this engine knows".to_owned();
        return say(&mut writer, &Answer::Refused { why }).await;
    };
    tracing::info!(actor = %one_line(ask.actor()), "somebody asks at the control door");
    match ask {
        Ask::Trace {
            for_s, numbers_shown, ..
        } => {
            if handle.traced().await.is_some() {
                let why = "a trace is running already".to_owned();
                return say(&mut writer, &Answer::Refused { why }).await;
            }
            let trace = exchange::Trace {
                numbers: if numbers_shown {
                    exchange::Numbers::Shown
                } else {
                    exchange::Numbers::Masked
                },
                ..exchange::Trace::new(traces)
            };
            if let Err(fault) = handle.trace(trace).await {
                let why = fault.to_string();
                return say(&mut writer, &Answer::Refused { why }).await;
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

async fn say(writer: &mut tokio::net::unix::OwnedWriteHalf, answer: &Answer) {
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    // Whoever asked may be gone.
    let _ = writer.write_all(&line).await;
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
        stream.write_all(&question).map_err(Failure::file(&path))?;
        Ok(Some(Self {
            reader: BufReader::new(stream),
            path,
        }))
    }

    /// The next line of answer.
    pub(crate) fn answer(&mut self) -> Result<Answer, Failure> {
        let mut line = Vec::new();
        let read = (&mut self.reader).take(ASK_BYTES_MAX).read_until(b'\n', &mut line);
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
        };
        let line = serde_json::to_string(&ask).expect("plain text");
        assert_eq!(
            line,
            r#"{"ask":"trace","actor":"ana","for_s":60,"numbers_shown":false}"#
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
