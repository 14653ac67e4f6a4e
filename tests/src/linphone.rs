//! linphonec 5.1 as a doctor's telephone: answers by itself, a WAV is its microphone, what it hears is written to a WAV,
//! and what is typed into it is pressed.
//!
//! One thing to know: its record of a call is complete once it has quit.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::baresip::{read_wav, write_wav};
use crate::{Child, LOOPBACK, free_ports, listens, printed, wait_for};

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A running linphonec; dropping it ends it and, in a failing test, prints what it printed.
pub struct Linphone {
    child: Child,
    orders: ChildStdin,
    address: SocketAddr,
    folder: TempDir,
}

impl Linphone {
    /// Starts it and waits until it can be called. Its microphone hears this from the moment a call is up, again and again.
    pub fn start(number: &str, microphone: &[i16]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = free_ports();
        let address = SocketAddr::new(LOOPBACK, first);
        write_wav(&folder.path().join("microphone.wav"), microphone);
        let config = format!(
            "[sip]\nsip_port={first}\nsip_tcp_port=0\nsip_tls_port=0\nguess_hostname=0\ncontact=sip:{number}@{LOOPBACK}\n\
             use_rfc2833=1\nuse_info=0\nregister_only_when_network_is_up=0\n\
             [rtp]\naudio_rtp_port={}\n[sound]\nechocancellation=0\nagc=0\n[misc]\nversion_check_url_root=\n",
            first + 4
        );
        std::fs::write(folder.path().join("linphonerc"), config).expect("room");
        // Without a place for its database it takes orders and no calls.
        std::fs::create_dir_all(folder.path().join(".local/share/linphone")).expect("room");
        let out = std::fs::File::create(folder.path().join("printed")).expect("room");
        let mut child = Command::new("linphonec")
            .args(["-c", "linphonerc", "-a"])
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(out.try_clone().expect("a file can be shared"))
            .stderr(out)
            .spawn()
            .expect("linphonec is installed by `make setup`");
        let orders = child.stdin.take().expect("it was asked for");
        let mut linphone = Self {
            child: Child(child),
            orders,
            address,
            folder,
        };
        linphone.order("soundcard use files");
        linphone.order("play microphone.wav");
        linphone.order("record heard.wav");
        linphone.tells("Using wav files", STARTS_WITHIN);
        listens("linphonec", address, false, STARTS_WITHIN);
        linphone
    }

    /// Where it can be called.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Presses a key.
    pub fn press(&mut self, key: char) {
        self.order(&key.to_string());
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.order("terminate");
    }

    /// Waits until it printed this.
    pub fn tells(&self, words: &str, within: Duration) {
        wait_for(&format!("“{words}” from linphonec"), within, || {
            self.printed().contains(words).then_some(())
        });
    }

    /// Ends it in order, and gives what it heard.
    pub fn quits(mut self) -> Vec<i16> {
        self.order("quit");
        let ended = self.child.ended(Duration::from_secs(10));
        assert!(ended.is_some(), "linphonec ends when told to");
        read_wav(&self.folder.path().join("heard.wav"))
    }

    fn printed(&self) -> String {
        printed(&self.folder.path().join("printed"))
    }

    fn order(&mut self, words: &str) {
        let sent = writeln!(self.orders, "{words}").and_then(|()| self.orders.flush());
        sent.unwrap_or_else(|fault| panic!("linphonec takes no orders: {fault}"));
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- linphonec\n{}", self.printed());
        }
    }
}
