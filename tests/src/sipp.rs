//! SIPp 3.6 as a telephone: a scenario of `tests/sipp`, told what to do next by cues.
//!
//! One thing to know: a cue is a MESSAGE with the call's Call-ID that this process sends to SIPp, past the engine. SIPp's
//! own stack does all the rest, so the test decides *when* and SIPp decides *how*.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use jiff::civil;
use jiff::tz::TimeZone;
use tempfile::TempDir;

use crate::{BLOCK, Child, LOOPBACK, free_ports, printed, root, wait_for};

/// The first end packet in the captures: there the key is up.
pub const KEY_LASTS: Duration = Duration::from_millis(140);
/// From one key to the next: SIPp plays one capture at a time.
pub const BETWEEN_KEYS: Duration = Duration::from_millis(350);
/// Where the scenario's SDP says that audio is heard: so far above the port SIPp binds for itself.
const MEDIA_OFFSET: u16 = 4;

/// A key in Debian's captures of telephone-events.
pub fn capture(key: char) -> PathBuf {
    let name = match key {
        '*' => "star".to_owned(),
        '#' => "pound".to_owned(),
        digit => digit.to_string(),
    };
    PathBuf::from(format!("/usr/share/sip-tester/dtmf_2833_{name}.pcap"))
}

/// Whether SIPp may play captures: it sends them through a raw socket, which needs root or CAP_NET_RAW.
pub fn may_play_captures() -> bool {
    use socket2::{Domain, Protocol, Socket, Type};
    Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).is_ok()
}

/// How a SIPp is started.
pub struct Setup<'a> {
    /// The file in `tests/sipp`, without its ending.
    pub scenario: &'a str,
    /// The engine; `None`: SIPp waits to be called.
    pub engine: Option<SocketAddr>,
    /// The number called.
    pub number: &'a str,
    /// Its own address.
    pub from: IpAddr,
    /// TCP instead of UDP.
    pub tcp: bool,
}

impl<'a> Setup<'a> {
    /// A caller at an engine's UDP port.
    pub fn caller(scenario: &'a str, engine: SocketAddr) -> Self {
        Self {
            scenario,
            engine: Some(engine),
            number: crate::engine::NUMBER,
            from: LOOPBACK,
            tcp: false,
        }
    }

    /// A telephone that is called.
    pub fn called(scenario: &'a str) -> Self {
        Self {
            scenario,
            engine: None,
            number: crate::engine::DOCTOR,
            from: LOOPBACK,
            tcp: false,
        }
    }
}

/// Where a SIPp will listen, known before it is started.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    first: u16,
}

impl Line {
    /// Free ports for one SIPp and its ears.
    pub fn free() -> Self {
        Self { first: free_ports() }
    }

    /// Signalling.
    pub fn address(self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.first)
    }

    /// Where its SDP says that audio is heard: bind a [`crate::phone::Phone`] there.
    pub fn media_port(self) -> u16 {
        self.first + BLOCK / 2 + MEDIA_OFFSET
    }
}

/// One SIP message in SIPp's log.
#[derive(Debug, Clone)]
pub struct Message {
    /// When.
    pub at: SystemTime,
    /// By SIPp, rather than to it.
    pub sent: bool,
    /// The message.
    pub text: String,
}

impl Message {
    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// Whether it is a request of this method.
    pub fn is(&self, method: &str) -> bool {
        self.text.strip_prefix(method).is_some_and(|rest| rest.starts_with(' '))
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| {
            line.split_once(':')
                .is_some_and(|(left, _)| left.eq_ignore_ascii_case(name))
        };
        let line = self
            .text
            .lines()
            .take_while(|line| !line.is_empty())
            .find(|line| named(line))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

/// A running SIPp; dropping it ends it and, in a failing test, prints what it printed.
pub struct Sipp {
    scenario: String,
    child: Child,
    line: Line,
    folder: TempDir,
    cues: Cell<u32>,
}

impl Sipp {
    /// Starts one call, or waits for one.
    pub fn start(line: Line, setup: Setup<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = std::fs::File::create(folder.path().join("printed")).expect("room");
        let mut command = Command::new("sipp");
        command
            // The log has local times; UTC has no summer.
            .env("TZ", "UTC")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file can be shared"))
            .stderr(out)
            .arg("-sf")
            .arg(root().join("tests/sipp").join(setup.scenario).with_extension("xml"))
            .args(["-i", &setup.from.to_string(), "-p", &line.first.to_string()])
            .args(["-ci", &LOOPBACK.to_string(), "-cp", &(line.first + 1).to_string()])
            .args([
                "-mi",
                &setup.from.to_string(),
                "-mp",
                &(line.media_port() - MEDIA_OFFSET).to_string(),
            ])
            .args(["-t", if setup.tcp { "t1" } else { "u1" }])
            .args(["-m", "1", "-nostdin", "-trace_msg", "-message_file", "messages"])
            .args([
                "-trace_err",
                "-error_file",
                "errors",
                "-timeout",
                "200s",
                "-timeout_error",
            ])
            .args(["-s", setup.number]);
        if setup.from == LOOPBACK {
            command.arg("-bind_local");
        }
        if let Some(engine) = setup.engine {
            command.arg(engine.to_string());
        }
        let child = command.spawn().expect("SIPp is installed: apt-get install sip-tester");
        let sipp = Self {
            scenario: setup.scenario.to_owned(),
            child: Child(child),
            line,
            folder,
            cues: Cell::new(0),
        };
        if setup.engine.is_none() {
            // Once its socket is bound, it is ready to be called.
            wait_for("SIPp to listen", Duration::from_secs(10), || {
                UdpSocket::bind(sipp.line.address()).err()
            });
        }
        sipp
    }

    /// Presses a key, now: from SIPp, or from its ears where SIPp may not.
    pub fn presses(&self, key: char, phone: &crate::phone::Phone) -> Instant {
        phone.yields(BETWEEN_KEYS);
        let at = Instant::now();
        let at = if may_play_captures() {
            self.cue(&format!("press {key}"));
            self.cued()
        } else {
            phone.plays(&capture(key));
            at
        };
        std::thread::sleep((at + KEY_LASTS).saturating_duration_since(Instant::now()));
        at
    }

    /// Tells it what to do next: `press 4`, `info 4`, `both 4`, `hold`, `old hold`, `resume`, `bye`.
    pub fn cue(&self, what: &str) -> Instant {
        let call = wait_for("SIPp's call", Duration::from_secs(10), || self.call_id());
        let (what, key) = what.strip_prefix("info ").map_or((what, "0"), |key| ("info", key));
        let count = self.cues.get() + 1;
        self.cues.set(count);
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        let us = socket.local_addr().expect("bound");
        let message = format!(
            "MESSAGE sip:sipp@{them} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKcue{count}\r\nMax-Forwards: 70\r\n\
             From: <sip:cue@{us}>;tag=cue\r\nTo: <sip:sipp@{them}>\r\nCall-ID: {call}\r\nCSeq: {count} MESSAGE\r\n\
             Cue: {what}\r\nKey: {key}\r\nContent-Length: 0\r\n\r\n",
            them = self.line.address(),
        );
        let at = Instant::now();
        socket
            .send_to(message.as_bytes(), self.line.address())
            .expect("loopback");
        at
    }

    /// When the last cue reached it, by this process's clock.
    pub fn cued(&self) -> Instant {
        let cseq = format!("{} MESSAGE", self.cues.get());
        let cue = self.receives("the last cue", Duration::from_secs(5), |message| {
            message.is("MESSAGE") && message.header("CSeq") == Some(&cseq)
        });
        let ago = SystemTime::now().duration_since(cue.at).unwrap_or_default();
        Instant::now().checked_sub(ago).expect("moments ago")
    }

    /// Every message so far, cues included.
    pub fn messages(&self) -> Vec<Message> {
        messages(&printed(&self.file("messages")))
    }

    /// Waits for a message the other side sent.
    pub fn receives(&self, what: &str, within: Duration, is: impl Fn(&Message) -> bool) -> Message {
        wait_for(&format!("{what} at SIPp"), within, || {
            self.messages().into_iter().find(|m| !m.sent && is(m))
        })
    }

    /// Waits for the end of its scenario, and that it went as written.
    pub fn succeeds(&mut self, within: Duration) {
        let ended = self.child.ended(within);
        assert!(
            ended.is_some_and(|status| status.success()),
            "SIPp's scenario {}: {ended:?}",
            self.scenario
        );
    }

    fn call_id(&self) -> Option<String> {
        let invite = self.messages().into_iter().find(|message| message.is("INVITE"))?;
        invite.header("Call-ID").map(str::to_owned)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["printed", "errors", "messages"] {
                eprintln!("--- SIPp {}, {name}\n{}", self.scenario, printed(&self.file(name)));
            }
        }
    }
}

/// Reads SIPp's message log: a rule with the time, a line that says which way, an empty one, the message.
fn messages(log: &str) -> Vec<Message> {
    const RULE: &str = "-----------------------------------------------";
    let read = |entry: &str| {
        let (time, rest) = entry.split_once('\n')?;
        let (way, text) = rest.split_once('\n')?;
        let time: civil::DateTime = time.trim().parse().ok()?;
        let at = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let text = text.trim_start().replace("\r\n", "\n");
        Some(Message {
            at: at.into(),
            sent: way.contains("sent"),
            text,
        })
    };
    log.split(RULE).filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::messages;

    #[test]
    fn a_log_is_read_as_it_was_written() {
        let log = "----------------------------------------------- 2026-11-21 08:09:16.371490\n\
                   UDP message sent (513 bytes):\n\nINVITE sip:a SIP/2.0\r\nCall-ID: abc\r\n\r\n\
                   ----------------------------------------------- 2026-11-21 08:09:16.389803\n\
                   UDP message received [388] bytes :\n\nSIP/2.0 486 Busy Here\r\ncall-id: abc\r\n\r\n";
        let [invite, busy] = messages(log).try_into().expect("two messages");
        assert!(invite.sent && invite.is("INVITE") && !invite.is("INV") && invite.status().is_none());
        assert_eq!(
            (busy.sent, busy.status(), busy.header("Call-ID")),
            (false, Some(486), Some("abc"))
        );
        let apart = busy.at.duration_since(invite.at).expect("in order");
        assert_eq!(apart.as_micros(), 18_313);
    }
}
