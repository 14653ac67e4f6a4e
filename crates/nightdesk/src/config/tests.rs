//! Wrong configurations and what is said of each; right ones and what becomes of them.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flow::Severity;

use super::{Settings, read};
use crate::trunk::preset::Preset;

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/config")
        .join(kind);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("fixtures")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    files
}

/// Reads under a name without the way to it, so that messages are the same on every machine.
fn read_file(path: &Path) -> (Option<Settings>, Vec<flow::Diagnostic>) {
    let text = std::fs::read_to_string(path).expect("a fixture");
    read(Path::new(path.file_name().expect("a name")), &text)
}

/// Proves ADM-03: a service that would be told callers' numbers and names no agreement is refused when the configuration is
/// read, with the fix.
#[test]
fn wrong_configurations_are_told_what_is_wrong() {
    let mut said = String::new();
    let mut codes = std::collections::BTreeSet::new();
    for path in fixtures("bad") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let (settings, diagnostics) = read_file(&path);
        assert!(settings.is_none(), "{name} was taken");
        let length = std::fs::read(&path).expect("a fixture").len();
        let _ = writeln!(said, "# {name}");
        for finding in diagnostics {
            codes.insert(finding.code);
            let _ = writeln!(
                said,
                "{}:{} {} {}\n    so: {}\n    fix: {}",
                finding.severity.letter(),
                finding.line,
                finding.code,
                finding.what,
                finding.suffers,
                finding.fix
            );
            assert!(!finding.what.contains("opensesame"), "a password is repeated");
            let is_here = finding.file == name && finding.span.end <= length;
            assert!(is_here, "{name}: `{}` points somewhere else", finding.what);
        }
        said.push('\n');
    }
    insta::assert_snapshot!(said);
    let every = [
        "N001", "N002", "N003", "N004", "N005", "N006", "N007", "N008", "N010", "N011", "N012", "N013", "N014", "N017",
        "N018",
    ];
    for code in every {
        assert!(codes.contains(code), "no fixture shows {code}");
    }
}

#[test]
fn right_configurations_are_taken() {
    for path in fixtures("good") {
        let (settings, diagnostics) = read_file(&path);
        let findings: Vec<String> = diagnostics
            .iter()
            .filter(|finding| finding.severity != Severity::Advice)
            .map(|finding| format!("{} {}", finding.code, finding.what))
            .collect();
        assert!(findings.is_empty(), "{}: {findings:?}", path.display());
        assert!(settings.is_some(), "{}", path.display());
    }
}

#[test]
fn an_origin_is_kept_as_browsers_write_it() {
    for (written, kept) in [
        ("https://phones.example.com", Some("https://phones.example.com")),
        ("HTTPS://Phones.Example.com:443", Some("https://phones.example.com")),
        ("http://192.0.2.7:80", Some("http://192.0.2.7")),
        ("https://[2001:db8::7]:8443", Some("https://[2001:db8::7]:8443")),
        ("http://[2001:db8::7]", Some("http://[2001:db8::7]")),
        ("https://phones.example.com/", None),
        ("https://phones.example.com:0", None),
        ("https://", None),
        ("wss://phones.example.com", None),
        ("phones.example.com", None),
        ("null", None),
        ("*", None),
    ] {
        assert_eq!(super::origin(written).as_deref(), kept, "{written}");
    }
}

/// What a person wrote wins; the rest is the preset's.
#[test]
fn a_preset_fills_what_nobody_wrote() {
    let text = |more: &str| {
        format!(
            "listen: [udp 0.0.0.0:5060]\ntrunks:\n  t:\n    preset: flowroute\n    from: [192.0.2.0/24]\n{more}practices: [f]\ndata: d\nkeys: k\n"
        )
    };
    let trunk = |more: &str| {
        let (settings, diagnostics) = read(Path::new("c.yaml"), &text(more));
        let settings = settings.unwrap_or_else(|| panic!("{diagnostics:?}"));
        settings.trunks.into_iter().next().expect("a trunk").trunk
    };
    let usual = trunk("");
    let outbound = usual.outbound.expect("the preset knows a host");
    assert_eq!(
        outbound
            .targets
            .first()
            .map(|target| target.host.to_string())
            .as_deref(),
        Some("us-west-or.sip.flowroute.com")
    );
    assert_eq!(usual.ping.map(|ping| ping.every.as_secs()), Some(30));
    let changed = trunk("    outbound: none\n    options every: off\n    session timer: 2 minutes\n");
    assert!(changed.outbound.is_none() && changed.ping.is_none());
    assert_eq!(changed.session_timer.map(|timer| timer.expires_s), Some(120));
}

/// Each of the seven needs only what is the practice's own.
#[test]
fn every_preset_becomes_a_trunk() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["secret", "chain.pem", "key.pem"] {
        let file = folder.path().join(name);
        std::fs::write(&file, "opensesame\n").expect("a file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("permissions");
    }
    for preset in Preset::keys() {
        let from = if Preset::named(preset).is_some_and(|preset| preset.value("from").is_some()) {
            ""
        } else {
            "    from: [192.0.2.0/24]\n"
        };
        let text = format!(
            "listen: [udp 0.0.0.0:5060, tls 0.0.0.0:5061]\ncertificate: {{chain: chain.pem, key: key.pem}}\ntrunks:\n  \
             carrier:\n    preset: {preset}\n{from}    outbound: tls sip.example.com\n    user: cedar\n    password file: \
             secret\n    baa: conduit\npractices: [f]\ndata: d\nkeys: k\n"
        );
        let (settings, diagnostics) = read(&folder.path().join("c.yaml"), &text);
        let worse: Vec<_> = diagnostics.iter().filter(|d| d.severity != Severity::Advice).collect();
        assert!(worse.is_empty(), "{preset}: {worse:?}");
        let record = settings.expect("no error").trunks.into_iter().next().expect("a trunk");
        assert_eq!(record.preset, Some(preset));
        assert!(!record.trunk.codecs.is_empty() && record.trunk.credentials.is_some());
    }
}

#[test]
fn a_secret_that_others_can_read_is_pointed_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "opensesame\n").expect("a file");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("permissions");
    let text = "listen: [udp 0.0.0.0:5060]\ntrunks:\n  c: {from: [192.0.2.7], user: cedar, password file: secret}\n\
                practices: [f]\ndata: d\nkeys: k\n";
    let (settings, diagnostics) = read(&folder.path().join("c.yaml"), text);
    assert!(settings.is_some(), "{diagnostics:?}");
    let codes: Vec<&str> = diagnostics.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["N009"]);
}
