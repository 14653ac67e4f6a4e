//! A tolerant reader of SDP: CRLF or LF, unknown lines and attributes skipped, Latin-1 in the texts nobody reads, and a
//! limit on everything. It keeps what offer/answer needs and nothing else.

use super::crypto::Crypto;
use super::{Direction, Malformed};
use std::net::IpAddr;

/// Longest description read, in bytes.
pub const SDP_BYTES_MAX: usize = 16 * 1024;
/// Most lines read.
pub const LINES_MAX: usize = 512;
/// Most `m=` lines.
pub const MEDIA_MAX: usize = 16;
/// Most formats on one `m=` line.
pub const FORMATS_MAX: usize = 64;
/// Most `rtpmap` and `fmtp` attributes kept for one medium.
pub const ATTRIBUTES_MAX: usize = 128;
/// Most usable `a=crypto` lines kept for one medium; more are passed over.
pub const CRYPTO_MAX: usize = 16;
/// Longest address, host name included.
pub const ADDRESS_BYTES_MAX: usize = 255;
/// Shortest packet time we note.
pub const PTIME_MS_MIN: u8 = 10;
/// Longest packet time we note.
pub const PTIME_MS_MAX: u8 = 60;

/// A description, as far as it concerns us.
#[derive(Debug, Default)]
pub(super) struct Description {
    pub(super) origin: Option<Origin>,
    pub(super) media: Vec<Media>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) session: u64,
    pub(super) version: u64,
}

/// One `m=` line with what belongs to it; session-level values are already folded in.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) kind: String,
    pub(super) port: u16,
    pub(super) protocol: String,
    pub(super) formats: Vec<String>,
    pub(super) connection: Option<Connection>,
    pub(super) direction: Direction,
    pub(super) maps: Vec<Map>,
    pub(super) parameters: Vec<(u8, String)>,
    pub(super) ptime_ms: Option<u8>,
    pub(super) maxptime_ms: Option<u8>,
    pub(super) rtcp: Option<(u16, Option<IpAddr>)>,
    pub(super) rtcp_mux: bool,
    /// In their order.
    pub(super) crypto: Vec<Crypto>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    Address(IpAddr),
    /// A host name: right by the grammar, but nobody here asks a resolver.
    Name,
}

/// `a=rtpmap`.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) payload_type: u8,
    pub(super) encoding: String,
    pub(super) clock_rate: u32,
    pub(super) channels: u32,
}

impl Description {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > SDP_BYTES_MAX {
            return Err(Malformed::TooLong);
        }
        let mut description = Self::default();
        let mut session = Section::default();
        let mut lines = 0;
        for raw in bytes.split(|byte| *byte == b'\n') {
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            if raw.is_empty() {
                continue;
            }
            lines += 1;
            if lines > LINES_MAX {
                return Err(Malformed::TooManyLines);
            }
            let (kind, value) = match raw {
                [kind, b'=', value @ ..] => (*kind, text(value)),
                _ => return Err(Malformed::Line),
            };
            if lines == 1 {
                if (kind, value.trim()) != (b'v', "0") {
                    return Err(Malformed::NoVersion);
                }
                continue;
            }
            match kind {
                b'o' => description.origin = origin(value),
                b'm' => {
                    if description.media.len() == MEDIA_MAX {
                        return Err(Malformed::TooManyMedia);
                    }
                    description.media.push(media(value, &session)?);
                }
                b'c' => {
                    let connection = connection(value)?;
                    match description.media.last_mut() {
                        Some(media) => media.connection = Some(connection),
                        None => session.connection = Some(connection),
                    }
                }
                b'a' => match description.media.last_mut() {
                    Some(media) => media.attribute(value)?,
                    None => {
                        if let Some(direction) = direction(value) {
                            session.direction = direction;
                        }
                    }
                },
                // RFC 8866 §5: a parser ignores what it does not know; b=, t=, i=, k=, … do not concern us.
                _ => {}
            }
        }
        if lines == 0 {
            return Err(Malformed::NoVersion);
        }
        if description.media.is_empty() {
            return Err(Malformed::NoMedia);
        }
        Ok(description)
    }
}

impl Media {
    fn attribute(&mut self, value: &str) -> Result<(), Malformed> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        let name = name.trim();
        if let Some(direction) = direction(name) {
            self.direction = direction;
            return Ok(());
        }
        match name.to_ascii_lowercase().as_str() {
            "rtpmap" => {
                if self.maps.len() == ATTRIBUTES_MAX {
                    return Err(Malformed::TooManyAttributes);
                }
                self.maps.extend(map(value));
            }
            "fmtp" => {
                if self.parameters.len() == ATTRIBUTES_MAX {
                    return Err(Malformed::TooManyAttributes);
                }
                let (format, parameters) = value
                    .trim()
                    .split_once(char::is_whitespace)
                    .unwrap_or((value.trim(), ""));
                if let Ok(format) = format.parse() {
                    self.parameters.push((format, parameters.trim().to_owned()));
                }
            }
            "ptime" => self.ptime_ms = packet_time(value),
            "maxptime" => self.maxptime_ms = packet_time(value),
            "rtcp-mux" => self.rtcp_mux = true,
            "rtcp" => self.rtcp = rtcp(value),
            "crypto" if self.crypto.len() < CRYPTO_MAX => self.crypto.extend(Crypto::parse(value)),
            _ => {}
        }
        Ok(())
    }
}

#[derive(Default)]
struct Section {
    connection: Option<Connection>,
    direction: Direction,
}

/// Everything that matters is ASCII; a value in another encoding (a session name, say) reads as empty.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("")
}

/// `o=<username> <sess-id> <sess-version> <nettype> <addrtype> <unicast-address>`; needed only from ourselves.
fn origin(value: &str) -> Option<Origin> {
    let mut fields = value.split_ascii_whitespace().skip(1);
    Some(Origin {
        session: fields.next()?.parse().ok()?,
        version: fields.next()?.parse().ok()?,
    })
}

/// `m=<media> <port>[/<number of ports>] <proto> <fmt> …`
fn media(value: &str, session: &Section) -> Result<Media, Malformed> {
    let mut fields = value.split_ascii_whitespace();
    let kind = fields.next().ok_or(Malformed::Media)?;
    let port = fields.next().ok_or(Malformed::Media)?;
    let protocol = fields.next().ok_or(Malformed::Media)?;
    let port = port
        .split('/')
        .next()
        .and_then(|port| port.parse().ok())
        .ok_or(Malformed::Media)?;
    let mut formats = Vec::new();
    for format in fields {
        if formats.len() == FORMATS_MAX {
            return Err(Malformed::TooManyFormats);
        }
        formats.push(format.to_owned());
    }
    Ok(Media {
        kind: kind.to_owned(),
        port,
        protocol: protocol.to_owned(),
        formats,
        connection: session.connection,
        direction: session.direction,
        maps: Vec::new(),
        parameters: Vec::new(),
        ptime_ms: None,
        maxptime_ms: None,
        rtcp: None,
        rtcp_mux: false,
        crypto: Vec::new(),
    })
}

/// `c=IN IP4 <address>[/<ttl>]`
fn connection(value: &str) -> Result<Connection, Malformed> {
    let mut fields = value.split_ascii_whitespace();
    let (network, family, address) = (
        fields.next(),
        fields.next(),
        fields.next().ok_or(Malformed::Connection)?,
    );
    if !network.is_some_and(|network| network.eq_ignore_ascii_case("IN")) || address.len() > ADDRESS_BYTES_MAX {
        return Err(Malformed::Connection);
    }
    let address = address.split('/').next().unwrap_or(address);
    let ip: Result<IpAddr, _> = address.parse();
    match (family.map(str::to_ascii_uppercase).as_deref(), ip) {
        (Some("IP4"), Ok(ip @ IpAddr::V4(_))) | (Some("IP6"), Ok(ip @ IpAddr::V6(_))) => Ok(Connection::Address(ip)),
        (Some("IP4" | "IP6"), Err(_)) if address.bytes().any(|byte| byte.is_ascii_alphabetic()) => Ok(Connection::Name),
        _ => Err(Malformed::Connection),
    }
}

fn direction(name: &str) -> Option<Direction> {
    [
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ]
    .into_iter()
    .find(|direction| name.trim().eq_ignore_ascii_case(direction.attribute()))
}

/// `a=rtpmap:<payload type> <encoding>/<clock rate>[/<channels>]`; one we cannot read is one we do not know.
fn map(value: &str) -> Option<Map> {
    let (payload_type, encoding) = value.trim().split_once(char::is_whitespace)?;
    let payload_type: u8 = payload_type.parse().ok().filter(|payload_type| *payload_type < 128)?;
    let mut parts = encoding.trim().split('/');
    Some(Map {
        payload_type,
        encoding: parts.next()?.to_owned(),
        clock_rate: parts.next()?.trim().parse().ok()?,
        channels: parts.next().map_or(Some(1), |channels| channels.trim().parse().ok())?,
    })
}

/// Only what a phone could mean is kept: pjsip once multiplied whatever stood here (CVE-2026-41416).
fn packet_time(value: &str) -> Option<u8> {
    // Some send `20.0`.
    let whole = value.trim().split('.').next()?;
    let ms: u32 = whole.parse().ok()?;
    u8::try_from(ms)
        .ok()
        .filter(|ms| (PTIME_MS_MIN..=PTIME_MS_MAX).contains(ms))
}

/// RFC 3605: `a=rtcp:<port> [IN IP4 <address>]`.
fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut fields = value.split_ascii_whitespace();
    let port = fields.next()?.parse().ok().filter(|port| *port != 0)?;
    Some((port, fields.nth(2).and_then(|address| address.parse().ok())))
}
