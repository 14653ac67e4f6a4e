//! Programs that stand between telephones and us in the field: Kamailio as the proxy in front, rtpengine for the audio,
//! socat for the TLS that SIPp from Debian lacks, dnsmasq for the names a carrier is found by, OpenSSL for certificates.
//!
//! One thing to know: each is Debian's own package with a configuration that is written here for one test, listens on
//! loopback only, and ends with the value that stands for it.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{BLOCK, Child, LOOPBACK, free_ports, listens, printed};

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
        listens(self.name, address, stream, STARTS_WITHIN);
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

    /// TLS.
    pub fn tls(self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.first + 1)
    }
}

impl Kamailio {
    /// Starts it; `audio` sends the audio through an rtpengine, and speaks SRTP with the engine.
    pub fn start(front: Front, way: &Way, certificates: Option<&Certificates>, audio: Option<&Rtpengine>) -> Self {
        let address = front.address();
        let program = Program::start("kamailio", |command, folder| {
            let config = folder.join("kamailio.cfg");
            fs::write(&config, kamailio_config(front, way, certificates, audio)).expect("room");
            if let Some(certificates) = certificates {
                fs::write(folder.join("tls.cfg"), tls_config(certificates)).expect("room");
            }
            command.arg("-f").arg(config).args(["-DD", "-E", "-m", "32", "-M", "8"]);
            command
                .arg("-w")
                .arg(folder)
                .arg("-Y")
                .arg(folder)
                .arg("-P")
                .arg(folder.join("pid"));
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

fn kamailio_config(front: Front, way: &Way, certificates: Option<&Certificates>, audio: Option<&Rtpengine>) -> String {
    let modules = [
        "/usr/lib/x86_64-linux-gnu/kamailio/modules",
        "/usr/lib/aarch64-linux-gnu/kamailio/modules",
    ];
    let modules = modules.iter().find(|folder| Path::new(folder).is_dir());
    let modules = modules.expect("kamailio is installed by `make setup`");
    let (address, tls) = (front.address(), front.tls());
    let (load_tls, listen_tls) = if certificates.is_some() {
        (
            "loadmodule \"tls.so\"\nmodparam(\"tls\", \"config\", \"tls.cfg\")\n".to_owned(),
            format!("enable_tls=yes\nlisten=tls:{tls}\n"),
        )
    } else {
        Default::default()
    };
    let (load_audio, offer, answer) = match audio {
        None => Default::default(),
        Some(rtpengine) => {
            let rest = "replace-origin replace-session-connection ICE=remove DTLS=off";
            (
                format!(
                    "loadmodule \"rtpengine.so\"\nmodparam(\"rtpengine\", \"rtpengine_sock\", \"udp:{}\")\n",
                    rtpengine.control
                ),
                format!(
                    "  if ($var(engine) == 1) rtpengine_manage(\"RTP/SAVP {rest} $hdr(X-Srtp)\"); \
                     else rtpengine_manage(\"RTP/AVP {rest}\");\n"
                ),
                format!(
                    "  if (has_body(\"application/sdp\")) {{\n    xlog(\"L_ERR\", \"answers: $rb\\n\");\n    \
                     rtpengine_manage(\"{rest}\");\n  }}\n"
                ),
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
{listen_tls}listen=udp:{address}
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
{load_tls}{load_audio}modparam("rr", "enable_double_rr", 1)
modparam("tm", "fr_timer", 8000)

request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  $var(engine) = 0;
  if (is_method("INVITE|UPDATE")) add_contact_alias();
  if (has_totag()) {{
    if (loose_route()) {{
      handle_ruri_alias();
      if (check_route_param("way=in") && is_direction("downstream")) $var(engine) = 1;
      if (check_route_param("way=out") && is_direction("upstream")) $var(engine) = 1;
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
  if ($rU =~ "{numbers}") {{
    $var(engine) = 1;
    add_rr_param(";way=in");
    $du = "sip:{engine}";
  }} else {{
    add_rr_param(";way=out");
    $du = "sip:{telephone}";
  }}
  route(RELAY);
}}

route[RELAY] {{
{offer}  t_on_reply("BACK");
  if (!t_relay()) sl_reply_error();
  exit;
}}

onreply_route[BACK] {{
  if (is_method("INVITE|UPDATE")) add_contact_alias();
{answer}}}
"#
    )
}

fn tls_config(certificates: &Certificates) -> String {
    let (certificate, key, authority) = (
        certificates.server.0.display(),
        certificates.server.1.display(),
        certificates.authority.display(),
    );
    let (client, client_key) = (certificates.client.0.display(), certificates.client.1.display());
    format!(
        "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n\
         certificate = {certificate}\nprivate_key = {key}\n\n\
         [client:default]\nmethod = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\n\
         certificate = {client}\nprivate_key = {client_key}\nca_list = {authority}\n"
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
                // Its ports are few, and the next call needs those of the last.
                .args(["--num-threads=1", "--delete-delay=0"])
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

/// An authority of this test's own, a server's certificate for loopback, and a client's by the name of a trunk.
pub struct Certificates {
    _folder: TempDir,
    /// Whom both sides trust.
    pub authority: PathBuf,
    /// The server's chain and key.
    pub server: (PathBuf, PathBuf),
    /// Both in one file, as socat and baresip want them.
    pub both: PathBuf,
    /// The client's chain and key.
    pub client: (PathBuf, PathBuf),
}

/// The name in the client's certificate.
pub const CLIENT_NAME: &str = "edge.carrier.example.com";

impl Certificates {
    /// Makes them with OpenSSL: P-256, valid for a day.
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let openssl = |arguments: &[&str]| {
            let made = Command::new("openssl")
                .current_dir(folder.path())
                .args(arguments)
                .output();
            let made = made.unwrap_or_else(|fault| panic!("openssl is installed by `make setup`: {fault}"));
            assert!(
                made.status.success(),
                "openssl {arguments:?}: {}",
                String::from_utf8_lossy(&made.stderr)
            );
        };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let authority = ["req", "-x509", "-days", "1", "-subj", "/CN=Nightdesk test authority"];
        openssl(&[&authority[..], &key[..], &["-keyout", "ca.key", "-out", "ca.pem"]].concat());
        for (name, subject, names) in [
            (
                "server",
                "/CN=localhost",
                format!("subjectAltName=DNS:localhost,IP:{LOOPBACK},DNS:sip.example.com"),
            ),
            (
                "client",
                "/CN=edge",
                format!("subjectAltName=DNS:{CLIENT_NAME},URI:sip:{CLIENT_NAME}"),
            ),
        ] {
            let (keyout, request, out) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
            let extensions = format!("{names}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n");
            fs::write(at(&format!("{name}.ext")), extensions).expect("room");
            openssl(
                &[
                    &["req", "-subj", subject, "-keyout", &keyout, "-out", &request],
                    &key[..],
                ]
                .concat(),
            );
            openssl(&[
                "x509",
                "-req",
                "-days",
                "1",
                "-in",
                &request,
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-extfile",
                &format!("{name}.ext"),
                "-out",
                &out,
            ]);
        }
        let both = ["server.pem", "server.key"].map(|name| fs::read_to_string(at(name)).expect("just made"));
        fs::write(at("both.pem"), both.concat()).expect("room");
        Self {
            authority: at("ca.pem"),
            server: (at("server.pem"), at("server.key")),
            both: at("both.pem"),
            client: (at("client.pem"), at("client.key")),
            _folder: folder,
        }
    }
}

/// TLS for a program that has none: socat, with OpenSSL's TLS.
pub struct Tunnel {
    program: Program,
    address: SocketAddr,
    edge: SocketAddr,
}

impl Tunnel {
    /// Plain TCP here becomes TLS to `server`, whose certificate must be the one made here, from an address of `edge`. One
    /// connection.
    pub fn to(server: SocketAddr, edge: IpAddr, certificates: &Certificates) -> Self {
        let first = free_ports();
        let (address, edge) = (SocketAddr::new(LOOPBACK, first), SocketAddr::new(edge, first + 1));
        let way = format!(
            "OPENSSL:{server},bind={edge},reuseaddr,cafile={},verify=1,commonname=localhost",
            certificates.authority.display()
        );
        let here = format!("TCP-LISTEN:{},bind={LOOPBACK},reuseaddr", address.port());
        Self::start(address, edge, &here, &way)
    }

    /// TLS at `edge` becomes plain TCP to `server`.
    pub fn from(edge: SocketAddr, server: SocketAddr, certificates: &Certificates) -> Self {
        let here = format!(
            "OPENSSL-LISTEN:{},bind={LOOPBACK},fork,reuseaddr,verify=0,cert={}",
            edge.port(),
            certificates.both.display()
        );
        Self::start(edge, edge, &here, &format!("TCP:{server}"))
    }

    fn start(address: SocketAddr, edge: SocketAddr, here: &str, there: &str) -> Self {
        let program = Program::start("socat", |command, _| {
            command.args(["-d", "-d", here, there]);
        });
        program.listens(address, true);
        Self { program, address, edge }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that whoever speaks TLS sees.
    pub fn edge(&self) -> SocketAddr {
        self.edge
    }

    /// What it wrote down: the version and cipher of each connection among it.
    pub fn printed(&self) -> String {
        self.program.printed()
    }
}

/// dnsmasq as the name server of a carrier: only what it is told, to nobody but loopback.
pub struct Names {
    _program: Program,
    address: SocketAddr,
}

/// An SRV record: the service's name, target, port, priority and weight.
pub type Service<'a> = (&'a str, &'a str, u16, u16, u16);

impl Names {
    /// Starts it with these SRV records and addresses.
    pub fn start(services: &[Service<'_>], hosts: &[(&str, IpAddr)]) -> Self {
        let address = SocketAddr::new(LOOPBACK, free_ports());
        let program = Program::start("dnsmasq", |command, _| {
            command.args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
                "--no-daemon",
            ]);
            command.args([
                "--bind-interfaces",
                "--pid-file",
                "--cache-size=0",
                "--local=/example.com/",
            ]);
            command.args([
                format!("--listen-address={LOOPBACK}"),
                format!("--port={}", address.port()),
            ]);
            for (name, target, port, priority, weight) in services {
                command.arg(format!("--srv-host={name},{target},{port},{priority},{weight}"));
            }
            for (name, host) in hosts {
                command.arg(format!("--host-record={name},{host}"));
            }
        });
        program.listens(address, false);
        Self {
            _program: program,
            address,
        }
    }

    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
