//! The configuration file.

use std::path::Path;

use super::{about, verdict};
use crate::config as reader;

/// A file: settings without an error, or errors and no settings.
pub fn file(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let (settings, diagnostics) = reader::read(Path::new("/etc/nightdesk/nightdesk.yaml"), &text);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    for diagnostic in &diagnostics {
        assert!(diagnostic.span.end <= text.len());
    }
    assert!(settings.is_none() || errors == 0, "settings beside an error");
    assert!(settings.is_some() || errors > 0, "refused without a reason");
    let settings = settings.map(|settings| {
        assert!(settings.rtp_ports.start() < settings.rtp_ports.end());
        (
            about(settings.desk.signalling.len()),
            about(settings.desk.trunks.len()),
            about(settings.practices.len()),
            settings.media_threads > 0,
        )
    });
    let codes = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code)
        .collect::<std::collections::BTreeSet<_>>();
    verdict((settings, codes, about(errors)))
}

/// Files to begin with.
pub const FILES: &[&str] = &[
    include_str!("../../../flows/demonstration.yaml"),
    "listen: udp 0.0.0.0:5060\nexternal address: 203.0.113.7\nmedia address: 192.0.2.1\nrtp ports: 20000 to 29999\nmedia threads: 2\ntrunks:\n  carrier: {from: [192.0.2.0/24, '2001:db8::/32'], outbound: udp 192.0.2.10:5060, user: a, password: b}\npractices: [flows]\ndata: data\nkeys: certs\nspeech: /usr/bin/espeak-ng\nring before answering: 2 seconds\ncalls at most: 500\ndrain for: 1 hour\n",
    "listen: [tls 0.0.0.0:5061]\ntrunks:\n  us: {preset: twilio}\n  chicago: {preset: voipms}\n  main: {preset: telnyx}\n",
];

/// Words of the file.
pub const WORDS: &[&str] = &[
    "\n",
    "\n  ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    ", ",
    "listen",
    "udp ",
    "tcp ",
    "0.0.0.0:5060",
    "[::]:5060",
    "external address",
    "media address",
    "rtp ports",
    "20000 to 29999",
    "65535 to 65536",
    " to ",
    "media threads",
    "trunks",
    "from",
    "outbound",
    "user",
    "password",
    "192.0.2.0/24",
    "192.0.2.0/33",
    "::/129",
    "practices",
    "data",
    "keys",
    "speech",
    "calls at most",
    "ring before answering",
    "ladder speed",
    "drain for",
    "18446744073709551615 hours",
    "1 minute",
    "0 seconds",
    "&a ",
    "*a",
    "no",
];
