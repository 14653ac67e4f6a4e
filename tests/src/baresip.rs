//! baresip 1.0 as a telephone: a WAV is its microphone, what it hears is written to a WAV, and it is told what to do
//! through its control socket.
//!
//! With certificates it speaks TLS one port above the plain one, and its audio is SRTP with keys from the session
//! description (RFC 4568) and nothing else.
//!
//! One thing to know: `net_interface` is given the loopback *address*; given an interface, or nothing, baresip offers
//! the address of another network card in its SDP, and cannot be used on a machine that has none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;

use crate::peers::Certificates;
use crate::{BLOCK, Child, LOOPBACK, free_ports, printed, wait_for};

/// Where Debian keeps its modules, by release.
const MODULES: [&str; 2] = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
const RATE: u32 = 8_000;

/// How a baresip is started.
pub struct Setup<'a> {
    /// Its user, or telephone number.
    pub user: &'a str,
    /// Picks up by itself.
    pub picks_up: bool,
    /// What its microphone hears from the moment a call is up; silence after that.
    pub microphone: &'a [i16],
    /// Its codecs, in its order.
    pub codecs: &'a str,
    /// TLS and SRTP, or neither.
    pub certificates: Option<&'a Certificates>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self {
            user: "",
            picks_up: false,
            microphone: &[],
            codecs: "PCMU/8000/1,PCMA/8000/1",
            certificates: None,
        }
    }
}

/// A running baresip; dropping it ends it and, in a failing test, prints what it printed.
pub struct Baresip {
    user: String,
    child: Child,
    address: SocketAddr,
    transport: &'static str,
    control: TcpStream,
    events: Receiver<String>,
    seen: Vec<String>,
    folder: TempDir,
}

impl Baresip {
    /// Starts it and waits until it takes orders.
    pub fn start(setup: Setup<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = free_ports();
        let address = SocketAddr::new(LOOPBACK, first);
        // One above the signalling port is taken too, for TLS.
        let control = SocketAddr::new(LOOPBACK, first + 2);
        // baresip's own way from 8 to 16 kHz bends what it should only stretch.
        let rate = if setup.codecs.contains("/16000") {
            2 * RATE
        } else {
            RATE
        };
        let microphone: Vec<f32> = setup.microphone.iter().map(|sample| f32::from(*sample)).collect();
        let microphone = voice::resample(&microphone, RATE, rate);
        let microphone: Vec<i16> = microphone.into_iter().map(|sample| sample as i16).collect();
        write_wav_at(rate, &folder.path().join("microphone.wav"), &microphone);
        let here = folder.path().display();
        let modules = MODULES.iter().find(|folder| Path::new(folder).is_dir());
        let modules = modules.expect("baresip is installed by `make setup`");
        let (secure, transport, encryption) = match setup.certificates {
            None => Default::default(),
            Some(certificates) => {
                let both = &certificates.both;
                let authority = certificates.authority.display();
                (
                    format!(
                        "sip_certificate {}\nsip_cafile {authority}\nmodule srtp.so\n",
                        both.display()
                    ),
                    ";transport=tls",
                    ";mediaenc=srtp-mand",
                )
            }
        };
        let config = format!(
            "poll_method epoll\nsip_listen {address}\nnet_interface {LOOPBACK}\nrtp_ports {from}-{to}\n\
             call_local_timeout 120\ncall_max_calls 2\nstatmode_default off\n\
             audio_source aufile,{here}/microphone.wav\naudio_player aubridge,ear\naudio_alert aubridge,alert\n\
             ausrc_srate {rate}\nauplay_srate {rate}\nausrc_channels 1\nauplay_channels 1\naudio_txmode thread\n\
             audio_buffer 20-160\njitter_buffer_delay 2-10\nsnd_path {here}\n\
             module_path {modules}\n{secure}module g711.so\nmodule g722.so\nmodule opus.so\nmodule sndfile.so\nmodule aufile.so\nmodule aubridge.so\n\
             module_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen {control}\n",
            from = first + 4,
            to = first + BLOCK - 1,
        );
        let mode = if setup.picks_up { "auto" } else { "manual" };
        let account = format!(
            "<sip:{}@{LOOPBACK}{transport}>;regint=0;answermode={mode};audio_codecs={}{encryption}\n",
            setup.user, setup.codecs
        );
        for (name, text) in [
            ("config", config.as_str()),
            ("accounts", account.as_str()),
            ("contacts", ""),
        ] {
            std::fs::write(folder.path().join(name), text).expect("room");
        }
        let out = std::fs::File::create(folder.path().join("printed")).expect("room");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(folder.path())
            .args(["-s", "-v"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file can be shared"))
            .stderr(out)
            .spawn()
            .expect("baresip is installed by `make setup`");
        let child = Child(child);
        let control = wait_for("baresip's control socket", Duration::from_secs(15), || {
            TcpStream::connect(control).ok()
        });
        let (sender, events) = channel();
        let mut ears = control.try_clone().expect("a socket can be shared");
        std::thread::spawn(move || {
            while let Some(event) = netstring(&mut ears) {
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self {
            user: setup.user.to_owned(),
            child,
            address,
            transport,
            control,
            events,
            seen: Vec::new(),
            folder,
        }
    }

    /// Where it can be called: by TLS one port above.
    pub fn address(&self) -> SocketAddr {
        let above = u16::from(!self.transport.is_empty());
        SocketAddr::new(self.address.ip(), self.address.port() + above)
    }

    /// Calls a number at an engine.
    pub fn dial(&mut self, number: &str, engine: SocketAddr) {
        self.order("dial", &format!("sip:{number}@{engine}{}", self.transport));
    }

    /// Presses a key.
    pub fn press(&mut self, key: char) {
        self.order("sndcode", &key.to_string());
    }

    /// Holds the call.
    pub fn hold(&mut self) {
        self.order("hold", "");
    }

    /// Takes it back.
    pub fn resume(&mut self) {
        self.order("resume", "");
    }

    /// The SIP that came from there so far, message by message.
    pub fn received(&self, from: SocketAddr) -> Vec<String> {
        let theirs = format!(" {from} -> ");
        let printed = printed(&self.folder.path().join("printed"));
        // Each message stands between a line `#` and an escape of the terminal, below `UDP from -> to`.
        let messages = printed.split("#\n").skip(1).filter_map(|entry| {
            let (way, text) = entry.split_once('\n')?;
            let text = text.split('\u{1b}').next().unwrap_or_default();
            way.contains(&theirs).then(|| text.replace("\r\n", "\n"))
        });
        messages.collect()
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.order("hangup", "");
    }

    /// Waits for an event of this type, for instance `CALL_ESTABLISHED`, since the start.
    pub fn tells(&mut self, kind: &str, within: Duration) -> String {
        let wanted = format!("\"type\":\"{kind}\"");
        wait_for(&format!("{kind} from baresip {}", self.user), within, || {
            self.seen.extend(self.events.try_iter());
            self.seen.iter().find(|event| event.contains(&wanted)).cloned()
        })
    }

    /// Every event of this type since the start.
    pub fn told(&mut self, kind: &str) -> Vec<String> {
        let wanted = format!("\"type\":\"{kind}\"");
        self.seen.extend(self.events.try_iter());
        let events = self.seen.iter().filter(|event| event.contains(&wanted));
        events.cloned().collect()
    }

    /// What it heard so far at 8 kHz, in every call one after the other.
    pub fn heard(&self) -> Vec<i16> {
        let mut files: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("its folder")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        files.iter().flat_map(|path| read_wav(path)).collect()
    }

    /// Ends it in order, so that what it heard is whole on the disk.
    pub fn quits(&mut self) {
        self.order("quit", "");
        let ended = self.child.ended(Duration::from_secs(10));
        assert!(ended.is_some(), "baresip {} ends when told to", self.user);
    }

    fn order(&mut self, command: &str, parameters: &str) {
        let json = format!("{{\"command\":\"{command}\",\"params\":\"{parameters}\",\"token\":\"test\"}}");
        let sent = write!(self.control, "{}:{json},", json.len()).and_then(|()| self.control.flush());
        sent.unwrap_or_else(|fault| panic!("baresip {} takes no orders: {fault}", self.user));
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- baresip {}\n{}",
                self.user,
                printed(&self.folder.path().join("printed"))
            );
        }
    }
}

/// `5:hello,`: the length, what has that length, a comma.
fn netstring(from: &mut impl Read) -> Option<String> {
    let mut length = 0_usize;
    let mut octet = [0];
    loop {
        from.read_exact(&mut octet).ok()?;
        match octet {
            [digit @ b'0'..=b'9'] => length = length.checked_mul(10)?.checked_add(usize::from(digit - b'0'))?,
            [b':'] => break,
            _ => return None,
        }
    }
    let mut text = vec![0; length.min(1 << 20)];
    from.read_exact(&mut text).ok()?;
    from.read_exact(&mut octet).ok()?;
    String::from_utf8(text).ok()
}

pub(crate) fn write_wav(path: &Path, samples: &[i16]) {
    write_wav_at(RATE, path, samples);
}

fn write_wav_at(rate: u32, path: &Path, samples: &[i16]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("room");
    samples
        .iter()
        .for_each(|sample| writer.write_sample(*sample).expect("room"));
    writer.finalize().expect("room");
}

/// The samples of a WAV that is perhaps still being written, whose header may say that it is empty: one channel, and at
/// the rate of a telephone whatever the codec's was.
pub(crate) fn read_wav(path: &Path) -> Vec<i16> {
    const CHANNELS: usize = 22;
    const RATE_AT: usize = 24;
    let bytes = std::fs::read(path).unwrap_or_default();
    let Some(at) = bytes.windows(4).position(|window| window == b"data") else {
        return Vec::new();
    };
    let channels = usize::from(u16::from_le_bytes([bytes[CHANNELS], bytes[CHANNELS + 1]]));
    let rate = [0, 1, 2, 3].map(|octet| bytes[RATE_AT + octet]);
    let samples = bytes.get(at + 8..).unwrap_or_default();
    let left: Vec<f32> = samples
        .chunks_exact(2 * channels.max(1))
        .map(|frame| f32::from(i16::from_le_bytes([frame[0], frame[1]])))
        .collect();
    let heard = voice::resample(&left, u32::from_le_bytes(rate), RATE);
    heard.into_iter().map(|sample| sample as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::netstring;

    #[test]
    fn events_come_one_by_one() {
        let mut bytes: &[u8] = b"5:hello,2:{},9:cut";
        assert_eq!(netstring(&mut bytes).as_deref(), Some("hello"));
        assert_eq!(netstring(&mut bytes).as_deref(), Some("{}"));
        assert_eq!(netstring(&mut bytes), None);
    }
}
