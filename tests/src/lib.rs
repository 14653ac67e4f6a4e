//! Whole calls, tried from outside: an engine on loopback ([`engine`]) and telephones that nobody wrote for it, SIPp
//! ([`sipp`]) and baresip ([`baresip`]). Where SIPp has no ears, [`phone`] lends it some: plain RTP, written apart from
//! the crate `media` on purpose, so that one mistake cannot be made on both sides. [`raw`] is SIP and RTP by hand, for the
//! conformance suite and the attacks; [`srtp`] seals the latter.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests have a clock, sockets, programs and one lock between a phone's thread and its test"
)]

pub mod baresip;
pub mod carriers;
pub mod engine;
pub mod linphone;
pub mod peers;
pub mod people;
pub mod phone;
pub mod planted;
pub mod raw;
pub mod sipp;
pub mod sound;
pub mod srtp;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Everything happens here.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Ports of one foreign phone: signalling, control, media.
pub const BLOCK: u16 = 16;

/// Beside what Linux hands out by itself (32768 to 60999) and engines use for audio, so that a port seen free stays free.
const PORTS: [std::ops::Range<u16>; 2] = [61_008..65_520, 30_000..32_752];
/// After so long, whoever was given a block has used it, or never will.
const UNUSED_FOR: Duration = Duration::from_secs(90);

/// The first of [`BLOCK`] neighbouring ports that are free now. No other test process on this machine gets them before this
/// one ends: a lock on a file stands for each block.
pub fn free_ports() -> u16 {
    static OURS: Mutex<BTreeMap<u16, (File, Instant)>> = Mutex::new(BTreeMap::new());
    let locks = std::env::temp_dir().join("nightdesk-test-ports");
    std::fs::create_dir_all(&locks).expect("room for temporary files");
    let mut ours = OURS.lock().expect("nobody panics with it");
    let blocks = PORTS.into_iter().flat_map(|range| range.step_by(usize::from(BLOCK)));
    for first in blocks {
        let locked = match ours.remove(&first) {
            Some((lock, since)) if since.elapsed() < UNUSED_FOR => {
                ours.insert(first, (lock, since));
                continue;
            }
            Some((lock, _)) => lock,
            None => {
                let lock = File::create(locks.join(first.to_string())).expect("room for temporary files");
                if lock.try_lock().is_err() {
                    continue;
                }
                lock
            }
        };
        let free = |port| UdpSocket::bind((LOOPBACK, port)).is_ok() && TcpListener::bind((LOOPBACK, port)).is_ok();
        let is_free = (first..first + BLOCK).all(free);
        ours.insert(first, (locked, Instant::now()));
        if is_free {
            return first;
        }
    }
    panic!("no {BLOCK} neighbouring ports are free on {LOOPBACK}");
}

/// Waits until `look` finds something; says `what` was waited for when it does not come.
pub fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < within, "waited {within:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until some program listens there. The kernel's own table is asked: whoever finds out by binding the address takes
/// it, for a moment, from the very program that is waited for, and some (dnsmasq) try only once.
pub fn listens(who: &str, address: SocketAddr, stream: bool, within: Duration) {
    wait_for(&format!("{who} at {address}"), within, || {
        is_bound(address, stream).then_some(())
    });
}

fn is_bound(address: SocketAddr, stream: bool) -> bool {
    let tables = if stream { ["tcp", "tcp6"] } else { ["udp", "udp6"] };
    tables.iter().any(|table| {
        let table = std::fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
        table
            .lines()
            .filter_map(|line| bound(line, stream))
            .any(|(ip, port)| port == address.port() && ip.is_none_or(|ip| ip.is_unspecified() || ip == address.ip()))
    })
}

/// The local address in a line of `/proc/net/udp` or `tcp` (proc_pid_net(5)); no IP when it is one of version 6.
fn bound(line: &str, stream: bool) -> Option<(Option<Ipv4Addr>, u16)> {
    const LISTENS: &str = "0A";
    let mut words = line.split_whitespace().skip(1);
    let (ip, port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    if stream && state != LISTENS {
        return None;
    }
    // The kernel prints the four bytes, which are in network order, as one number of this machine.
    let ip = (ip.len() == 8).then(|| u32::from_str_radix(ip, 16)).transpose().ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((ip.map(|ip| Ipv4Addr::from(ip.to_ne_bytes())), port))
}

/// The texts of a practice's folder, by file name.
pub fn texts(practice: &Path) -> BTreeMap<String, String> {
    let files = exchange::releases::draft(practice).expect("a practice");
    files.files
}

/// What tshark reads in a file of packets: of each SIP message its method, status and Call-ID, between tabs.
pub fn sip_in(file: &Path) -> String {
    let read = std::process::Command::new("tshark")
        .args(["-n", "-r"])
        .arg(file)
        .args(["-Y", "sip", "-T", "fields"])
        .args(["-e", "sip.Method", "-e", "sip.Status-Code", "-e", "sip.Call-ID"])
        .output()
        .expect("tshark is installed by `make setup`");
    String::from_utf8_lossy(&read.stdout).into_owned()
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The build folder, where spoken words are kept between runs.
pub fn target() -> PathBuf {
    let program = std::env::current_exe().expect("a test knows where it is");
    let target = program.ancestors().nth(3).expect("target/debug/deps/test");
    target.to_owned()
}

/// What a program printed into a file, for a failing test to show.
pub(crate) fn printed(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

/// How long a program gets to end by itself once it was asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A child process that does not outlive its test, nor do its own children.
pub(crate) struct Child(pub(crate) std::process::Child);

impl Child {
    /// Its exit status, once it has ended within the time.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<std::process::ExitStatus> {
        let began = Instant::now();
        loop {
            match self.0.try_wait().expect("our own child can be asked") {
                Some(status) => return Some(status),
                None if began.elapsed() > within => return None,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended(Duration::ZERO).is_some() {
            return;
        }
        let family = descendants(self.0.id());
        // A server takes its workers down with it when it is asked; whoever is left is not asked.
        let asked = |pid: u32, signal| {
            let pid = i32::try_from(pid).expect("Linux counts processes in 22 bits");
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        };
        if !family.is_empty() {
            asked(self.0.id(), nix::sys::signal::SIGTERM);
            self.ended(ENDS_WITHIN);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
        family.into_iter().for_each(|pid| asked(pid, nix::sys::signal::SIGKILL));
    }
}

/// The children of a process, theirs, and so on.
fn descendants(of: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let children: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    let below: Vec<u32> = children.iter().flat_map(|pid| descendants(*pid)).collect();
    children.into_iter().chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_who_listens_where() {
        let datagrams = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        let stream = TcpListener::bind((LOOPBACK, 0)).expect("a port");
        let (udp, tcp) = (
            datagrams.local_addr().expect("bound"),
            stream.local_addr().expect("bound"),
        );
        let other = |of: SocketAddr| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 9, 8, 7)), of.port());
        assert!(is_bound(udp, false) && is_bound(tcp, true));
        assert!(!is_bound(other(udp), false) && !is_bound(other(tcp), true));
        let connected = std::net::TcpStream::connect(tcp).expect("somebody listens");
        let connected = connected.local_addr().expect("connected");
        assert!(!is_bound(connected, true), "a caller's port is not listened on");
        drop(datagrams);
        assert!(!is_bound(udp, false));
    }
}
