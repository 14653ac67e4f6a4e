//! SIPp 3.6 as a telephone: a scenario of `tests/sipp`, told what to do next by cues.
//!
//! One thing to know: a cue is a MESSAGE with the call's Call-ID that this process sends to SIPp, past the engine. SIPp's
//! own stack does all the rest, so the test decides *when* and SIPp decides *how*. Another: SIPp's scenarios cannot include
//! one another, so what many of them share stands in `parts.txt` beside them and is put in before SIPp reads them
//! ([`filled`]).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use jiff::civil;
use jiff::tz::TimeZone;
use tempfile::TempDir;

use crate::{BLOCK, Child, LOOPBACK, free_ports, listens, printed, root, wait_for};

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
    /// What `{{name}}` stands for in the scenario, besides the parts in the file beside it.
    pub words: &'a [(&'a str, String)],
    /// So many calls, all at once.
    pub calls: u32,
    /// Repeats what is not answered, and its last message whenever the other side repeats one: SIPp does not tell a
    /// repetition it lost from one it asked for.
    pub repeats: bool,
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
            words: &[],
            calls: 1,
            repeats: true,
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
            words: &[],
            calls: 1,
            repeats: true,
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
        std::fs::write(folder.path().join("scenario.xml"), scenario(&setup)).expect("room");
        let mut command = Command::new("sipp");
        command
            // The log has local times; UTC has no summer.
            .env("TZ", "UTC")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file can be shared"))
            .stderr(out)
            .args(["-sf", "scenario.xml"])
            .args(["-i", &setup.from.to_string(), "-p", &line.first.to_string()])
            .args(["-ci", &LOOPBACK.to_string(), "-cp", &(line.first + 1).to_string()])
            .args(["-mi", &LOOPBACK.to_string()])
            .args(["-mp", &(line.media_port() - MEDIA_OFFSET).to_string()])
            .args(["-t", if setup.tcp { "t1" } else { "u1" }])
            .args(["-m", &setup.calls.to_string(), "-r", "1000", "-nostdin"])
            .args(["-trace_msg", "-message_file", "messages"])
            .args([
                "-trace_err",
                "-error_file",
                "errors",
                "-timeout",
                "200s",
                "-timeout_error",
            ])
            .args(["-s", setup.number]);
        if !setup.repeats {
            command.arg("-nr");
        }
        // Without this it sends from wherever the kernel likes, whatever its address is said to be.
        command.arg("-bind_local");
        if let Some(engine) = setup.engine {
            command.arg(engine.to_string());
        }
        let child = command.spawn().expect("SIPp is installed by `make setup`");
        let sipp = Self {
            scenario: setup.scenario.to_owned(),
            child: Child(child),
            line,
            folder,
            cues: Cell::new(0),
        };
        if setup.engine.is_none() {
            // Once its socket is bound, it is ready to be called.
            listens("SIPp", sipp.line.address(), setup.tcp, Duration::from_secs(10));
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

/// The scenario of a file in `tests/sipp`, whole.
fn scenario(setup: &Setup<'_>) -> String {
    let path = root().join("tests/sipp").join(setup.scenario).with_extension("xml");
    let read = |path: &Path| std::fs::read_to_string(path);
    let text = read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    // A scenario that shares nothing needs no parts.
    let shared = read(&path.with_file_name("parts.txt")).unwrap_or_default();
    let mut words: BTreeMap<&str, &str> = parts(&shared);
    words.insert("contact", "[local_ip]:[local_port]");
    words.insert("transport", if setup.tcp { "TCP" } else { "UDP" });
    words.extend(setup.words.iter().map(|(name, word)| (*name, word.as_str())));
    filled(&text, &words)
}

/// The parts of a `parts.txt`: a line `== name`, and what follows it.
fn parts(text: &str) -> BTreeMap<&str, &str> {
    let sections = text.split("\n== ").skip(1);
    sections
        .filter_map(|section| section.split_once('\n'))
        .map(|(name, lines)| (name.trim(), lines.trim_end()))
        .collect()
}

/// Puts in what `{{name}}` and `{{name:word}}` stand for, the innermost first. A line that holds nothing but names of
/// nothing goes away: within a SIP message an empty line would be the end of its headers.
fn filled(text: &str, words: &BTreeMap<&str, &str>) -> String {
    text.lines().fold(String::new(), |mut whole, line| {
        let Some(end) = line.find("}}") else {
            whole.push_str(line);
            whole.push('\n');
            return whole;
        };
        let begin = line[..end]
            .rfind("{{")
            .unwrap_or_else(|| panic!("no beginning of a name in: {line}"));
        let (name, word) = line[begin + 2..end]
            .split_once(':')
            .unwrap_or((&line[begin + 2..end], ""));
        let part = words
            .get(name)
            .unwrap_or_else(|| panic!("nobody says what `{name}` is in: {line}"));
        let line = format!(
            "{}{}{}",
            &line[..begin],
            part.replace("{{word}}", word),
            &line[end + 2..]
        );
        if !line.trim().is_empty() {
            whole.push_str(&filled(&line, words));
        }
        whole
    })
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
    use super::{filled, messages, parts};

    #[test]
    fn parts_are_put_in_and_empty_ones_leave_no_line() {
        let parts = parts("What this is.\n\n== via\nVia: {{word}}{{transport}}\n{{more}}\nTo: b\n\nv=0\n\n== more\n\n");
        let words = parts.into_iter().chain([("transport", "UDP")]).collect();
        assert_eq!(
            filled("a\n\n{{via:x}}\n{{more}}\nb", &words),
            "a\n\nVia: xUDP\nTo: b\n\nv=0\nb\n"
        );
    }

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
