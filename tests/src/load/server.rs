//! The engine under load as a process: started on its own core, looked at through `/proc`, told to stop by SIGTERM.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ::tests::people::People;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// RTP of the server; the kernel gives our own sockets ports above 32767.
pub(crate) const RTP_PORTS: std::ops::RangeInclusive<u16> = 20_000..=31_999;

/// The kernel counts processor time in hundredths of a second for user space (`USER_HZ`, fixed on Linux).
const TICKS_PER_SECOND: f64 = 100.0;

/// How the server is set up.
pub(crate) struct Setup {
    /// The repository.
    pub(crate) root: PathBuf,
    /// The release binary.
    pub(crate) binary: PathBuf,
    /// Where configuration, data, keys and logs go.
    pub(crate) folder: PathBuf,
    /// The core it is pinned to; `None` leaves it free.
    pub(crate) core: Option<usize>,
    /// Its SIP port.
    pub(crate) port: u16,
    /// Where it rings doctors.
    pub(crate) doctors_port: u16,
    /// Seconds of ringing before it answers.
    pub(crate) ring_s: u32,
    /// How much faster than in life ladders are climbed.
    pub(crate) ladder_speed: u32,
    /// Where the trunk signals from.
    pub(crate) from: &'static str,
    /// Whether it listens for streams too.
    pub(crate) streams: bool,
}

/// Every address of this machine.
pub(crate) const ANYWHERE: &str = "127.0.0.0/8";

/// A running server.
pub(crate) struct Server {
    child: Child,
    config: PathBuf,
    binary: PathBuf,
    /// Whoever asks it; made when something is asked first.
    people: std::cell::OnceCell<People>,
    lines: Receiver<String>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// Who asks it.
const OWNER: &str = "marisol";

/// What it has used and holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time, user and system, seconds.
    pub(crate) cpu_s: f64,
    /// The same by name of thread.
    pub(crate) by_thread: Vec<(String, f64)>,
    /// Resident memory, KiB.
    pub(crate) rss_kib: u64,
    /// Open file descriptors.
    pub(crate) fds: usize,
    /// Threads.
    pub(crate) threads: usize,
    /// Its UDP sockets bound to [`RTP_PORTS`].
    pub(crate) rtp_sockets: usize,
    /// The inodes of all its sockets.
    pub(crate) sockets: HashSet<String>,
}

impl Server {
    /// Starts it with empty data; speech that an earlier run has cached is kept.
    pub(crate) fn start(setup: &Setup) -> io::Result<Self> {
        let data = setup.folder.join("data");
        for part in ["book", "index", "recordings", "readers", "office", "sessions"] {
            let _ = fs::remove_dir_all(data.join(part));
        }
        fs::create_dir_all(&data)?;
        let keys = setup.folder.join("keys");
        let made = Command::new(&setup.binary)
            .args(["keys", "make"])
            .arg(&keys)
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            return Err(io::Error::other("no keys could be made"));
        }
        let practices = setup.root.join("tests/bench/practices");
        let ring = if setup.ring_s > 0 {
            format!("ring before answering: {} seconds\n", setup.ring_s)
        } else {
            String::new()
        };
        let listen = if setup.streams {
            // RFC 3261 §19.1.2: TLS listens one above.
            let (chain, key) = (setup.folder.join("tls.pem"), setup.folder.join("tls.key"));
            let made =
                rcgen::generate_simple_self_signed(vec!["sip.example.com".to_owned()]).map_err(io::Error::other)?;
            fs::write(&chain, made.cert.pem())?;
            fs::write(&key, made.signing_key.serialize_pem())?;
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
            format!(
                "udp 127.0.0.1:{0}, tcp 127.0.0.1:{0}, tls 127.0.0.1:{1}]\ncertificate: {{chain: {2}, key: {3}}}",
                setup.port,
                setup.port + 1,
                chain.display(),
                key.display()
            )
        } else {
            format!("udp 127.0.0.1:{}]", setup.port)
        };
        let text = format!(
            "# Written by the load generator.\nlisten: [{listen}\nrtp ports: {} to {}\nmedia threads: 1\ntrunks:\n  load:\n    from: [{}]\n    \
             outbound: udp 127.0.0.1:{}\npractices: [{}]\nlab practices: [{}]\ndata: {}\nkeys: {}\ncalls at most: 5000\nladder speed: {}\n{ring}drain for: 90 seconds\n",
            RTP_PORTS.start(),
            RTP_PORTS.end(),
            setup.from,
            setup.doctors_port,
            practices.display(),
            practices.display(),
            data.display(),
            keys.display(),
            setup.ladder_speed,
        );
        let config = setup.folder.join("config.yaml");
        fs::write(&config, text)?;
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(setup.folder.join("server.log"))?;
        let mut command = match setup.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(core.to_string()).arg(&setup.binary);
                command
            }
            None => Command::new(&setup.binary),
        };
        command
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn()?;
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            std::thread::Builder::new()
                .name("server's words".into())
                .spawn(move || {
                    for line in BufReader::new(out).lines().map_while(Result::ok) {
                        if sender.send(line).is_err() {
                            return;
                        }
                    }
                })?;
        }
        let mut server = Self {
            child,
            config,
            binary: setup.binary.clone(),
            people: std::cell::OnceCell::new(),
            lines,
            address: SocketAddr::from(([127, 0, 0, 1], setup.port)),
        };
        // The first start speaks every sentence.
        match server.await_line("listening on", Duration::from_secs(180)) {
            Ok(()) => Ok(server),
            Err(said) => {
                server.kill();
                Err(io::Error::other(format!(
                    "the server does not listen; see {}/server.log\n{said}",
                    setup.folder.display()
                )))
            }
        }
    }

    /// Waits for a line; gives everything else it said when it does not come.
    fn await_line(&self, start: &str, longest: Duration) -> Result<(), String> {
        let (end, mut said) = (Instant::now() + longest, String::new());
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if line.starts_with(start) {
                return Ok(());
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(said)
    }

    /// Its process.
    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it uses and holds now.
    pub(crate) fn usage(&self) -> Usage {
        usage(self.pid())
    }

    /// SIGTERM; true when it ended by itself, with success, within the time.
    pub(crate) fn drain(&mut self, longest: Duration, mut meanwhile: impl FnMut()) -> bool {
        if let Ok(pid) = i32::try_from(self.pid()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let end = Instant::now() + longest;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) => meanwhile(),
                Err(_) => break,
            }
        }
        self.kill();
        false
    }

    /// Runs the binary with the same configuration, as its owner, and gives what it printed.
    pub(crate) fn ask(&self, words: &[&str]) -> io::Result<String> {
        let people = self.people.get_or_init(|| {
            let people = People::of(&self.binary, &self.config, &self.config.with_file_name("people"));
            people.owner(OWNER);
            people
        });
        let output = people.run(OWNER, words, &[]);
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill();
        }
    }
}

/// What a process uses and holds; zero where `/proc` says nothing.
fn usage(pid: u32) -> Usage {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let mut by_thread: Vec<(String, f64)> = Vec::new();
    for task in fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
        if let Some((name, seconds)) = stat(&task.path()) {
            match by_thread.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum += seconds,
                None => by_thread.push((name, seconds)),
            }
        }
    }
    let inodes: Vec<String> = fs::read_dir(folder.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| {
            fs::read_link(entry.path())
                .map(|link| link.to_string_lossy().into_owned())
                .unwrap_or_default()
        })
        .collect();
    let sockets: HashSet<String> = inodes
        .iter()
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    Usage {
        cpu_s: stat(&folder).map_or(0.0, |(_, seconds)| seconds),
        by_thread,
        rss_kib: number("VmRSS:").unwrap_or(0),
        fds: inodes.len(),
        threads: usize::try_from(number("Threads:").unwrap_or(0)).unwrap_or(0),
        rtp_sockets: udp_ports()
            .iter()
            .filter(|(port, inode)| RTP_PORTS.contains(port) && sockets.contains(inode))
            .count(),
        sockets,
    }
}

/// Every audio port that somebody on this machine has bound.
pub(crate) fn rtp_ports() -> Vec<u16> {
    let ports = udp_ports().into_iter().map(|(port, _)| port);
    ports.filter(|port| RTP_PORTS.contains(port)).collect()
}

/// How many of these sockets (by inode) still stand in the kernel's table.
pub(crate) fn still_bound(inodes: &HashSet<String>) -> usize {
    udp_ports().iter().filter(|(_, inode)| inodes.contains(inode)).count()
}

/// Local port and inode of every UDP socket.
fn udp_ports() -> Vec<(u16, String)> {
    let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace();
        let port = u16::from_str_radix(columns.nth(1)?.rsplit(':').next()?, 16).ok()?;
        Some((port, columns.nth(7)?.to_owned()))
    });
    rows.collect()
}

/// Name and processor time of a process or thread (proc(5): `stat`, fields 2, 14 and 15).
fn stat(folder: &Path) -> Option<(String, f64)> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    let (head, tail) = text.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let mut fields = tail.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((name.to_owned(), (user + system) as f64 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn our_own_process_is_read() {
        let before = usage(std::process::id());
        assert!(
            before.rss_kib > 100 && before.threads >= 1 && before.fds >= 3,
            "{before:?}"
        );
        let held = (20_000..20_100)
            .find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok())
            .unwrap();
        let with = usage(std::process::id());
        assert!(with.rtp_sockets > before.rtp_sockets, "{with:?}");
        assert!(still_bound(&with.sockets) > still_bound(&before.sockets));
        drop(held);
        assert_eq!(still_bound(&with.sockets), still_bound(&before.sockets));
        let busy = Instant::now();
        while busy.elapsed() < Duration::from_millis(300) {
            std::hint::spin_loop();
        }
        assert!(usage(std::process::id()).cpu_s > before.cpu_s);
    }
}
