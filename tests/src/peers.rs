//! Programs that stand between telephones and us in the field: Kamailio as the proxy in front, rtpengine for the audio.
//!
//! One thing to know: each is Debian's own package with a configuration that is written here for one test, listens on
//! loopback only, and ends with the value that stands for it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{BLOCK, Child, LOOPBACK, free_ports, printed, wait_for};

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A running program; dropping it ends it and, in a failing test, prints what it printed.
struct Program {
    name: &'static str,
    /// Ends before its folder goes away.
    _child: Child,
    folder: TempDir,
}

impl Program {
    /// `arguments` is given the folder that goes away with the program.
    fn start(name: &'static str, arguments: impl FnOnce(&mut Command, &Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = File::create(folder.path().join("printed")).expect("room");
        let mut command = Command::new(program(name));
        command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(out.try_clone().expect("a file can be shared"))
            .stderr(out);
        arguments(&mut command, folder.path());
        let child = command
            .spawn()
            .unwrap_or_else(|fault| panic!("{name} is installed by `make setup`: {fault}"));
        Self {
            name,
            _child: Child(child),
            folder,
        }
    }

    fn printed(&self) -> String {
        printed(&self.folder.path().join("printed"))
    }

    /// Waits until somebody listens there.
    fn listens(&self, address: SocketAddr, stream: bool) {
        wait_for(&format!("{} at {address}", self.name), STARTS_WITHIN, || {
            if stream {
                TcpListener::bind(address).err().map(drop)
            } else {
                UdpSocket::bind(address).err().map(drop)
            }
        });
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.name, self.printed());
        }
    }
}

/// Servers live where an ordinary user's PATH may not look.
fn program(name: &str) -> PathBuf {
    let superuser = Path::new("/usr/sbin").join(name);
    if superuser.is_file() { superuser } else { name.into() }
}

/// Where Kamailio sends what begins a dialog; within one, the Route decides.
#[derive(Debug, Clone)]
pub struct Way {
    /// Calls to these numbers, as a regular expression, are the engine's.
    pub numbers: String,
    /// The engine: `127.0.0.1:5060;transport=tcp`.
    pub engine: String,
    /// All other calls.
    pub telephone: SocketAddr,
}

/// Kamailio 5.6 as the proxy of a carrier: Record-Route on both sides, private Contacts behind an alias.
pub struct Kamailio {
    program: Program,
    address: SocketAddr,
}

/// Where a Kamailio will listen, known before it is started.
#[derive(Debug, Clone, Copy)]
pub struct Front {
    first: u16,
}

impl Front {
    /// Free ports for one Kamailio.
    pub fn free() -> Self {
        Self { first: free_ports() }
    }

    /// UDP and TCP.
    pub fn address(self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.first)
    }
}

impl Kamailio {
    /// Starts it; with `audio` that stands between the two in their session descriptions.
    pub fn start(front: Front, way: &Way, audio: Option<&Rtpengine>) -> Self {
        let address = front.address();
        let program = Program::start("kamailio", |command, folder| {
            let config = folder.join("kamailio.cfg");
            fs::write(&config, kamailio_config(front, way, audio)).expect("room");
            command.arg("-f").arg(config).args(["-DD", "-E", "-m", "32", "-M", "8"]);
            command.arg("-w").arg(folder).arg("-Y").arg(folder);
            command.arg("-P").arg(folder.join("pid"));
        });
        program.listens(address, false);
        program.listens(address, true);
        Self { program, address }
    }

    /// Where it is called.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it wrote down: a line for each request, `way: METHOD request-URI from source`.
    pub fn printed(&self) -> String {
        self.program.printed()
    }
}

fn kamailio_config(front: Front, way: &Way, audio: Option<&Rtpengine>) -> String {
    let modules = [
        "/usr/lib/x86_64-linux-gnu/kamailio/modules",
        "/usr/lib/aarch64-linux-gnu/kamailio/modules",
    ];
    let modules = modules.iter().find(|folder| Path::new(folder).is_dir());
    let modules = modules.expect("kamailio is installed by `make setup`");
    let address = front.address();
    let (load_audio, audio_there, audio_back) = match audio {
        None => Default::default(),
        Some(rtpengine) => {
            let manage = "rtpengine_manage(\"replace-origin replace-session-connection ICE=remove DTLS=off\");\n";
            (
                format!(
                    "loadmodule \"rtpengine.so\"\nmodparam(\"rtpengine\", \"rtpengine_sock\", \"udp:{}\")\n",
                    rtpengine.control
                ),
                format!("  {manage}"),
                format!("  if (has_body(\"application/sdp\")) {manage}"),
            )
        }
    };
    let Way {
        numbers,
        engine,
        telephone,
    } = way;
    format!(
        r#"#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=2
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
listen=udp:{address}
listen=tcp:{address}
mpath="{modules}/"
loadmodule "pv.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "nathelper.so"
loadmodule "xlog.so"
{load_audio}modparam("rr", "enable_double_rr", 1)
modparam("tm", "fr_timer", 8000)

request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("INVITE|UPDATE")) add_contact_alias();
  if (has_totag()) {{
    if (loose_route()) {{
      handle_ruri_alias();
      xlog("L_ERR", "within: $rm $ru from $si:$sp\n");
      route(RELAY);
    }}
    if (is_method("ACK") && t_check_trans()) {{ t_relay(); exit; }}
    xlog("L_ERR", "lost: $rm $ru from $si:$sp\n");
    if (!is_method("ACK")) sl_send_reply("404", "No Route here");
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  t_check_trans();
  xlog("L_ERR", "begins: $rm $ru from $si:$sp\n");
  if (is_method("INVITE")) record_route();
  if ($rU =~ "{numbers}") $du = "sip:{engine}"; else $du = "sip:{telephone}";
  route(RELAY);
}}

route[RELAY] {{
{audio_there}  t_on_reply("BACK");
  if (!t_relay()) sl_reply_error();
  exit;
}}

onreply_route[BACK] {{
  if (is_method("INVITE|UPDATE")) add_contact_alias();
{audio_back}}}
"#
    )
}

/// rtpengine 10.5 between two parties, in user space: the kernel module is for those with a million calls.
pub struct Rtpengine {
    program: Program,
    control: SocketAddr,
}

impl Rtpengine {
    /// Starts it.
    pub fn start() -> Self {
        let first = free_ports();
        let control = SocketAddr::new(LOOPBACK, first);
        let program = Program::start("rtpengine", |command, folder| {
            command
                .args([
                    "--config-file=none",
                    "--table=-1",
                    "--foreground",
                    "--log-stderr",
                    "--log-level=6",
                ])
                .arg(format!("--interface={LOOPBACK}"))
                .arg(format!("--listen-ng={control}"))
                .args([
                    format!("--port-min={}", first + 2),
                    format!("--port-max={}", first + BLOCK - 1),
                ])
                .arg("--num-threads=1")
                .arg(format!("--pidfile={}", folder.join("pid").display()));
        });
        program.listens(control, false);
        Self { program, control }
    }

    /// What it wrote down.
    pub fn printed(&self) -> String {
        self.program.printed()
    }
}
