//! Offer/answer (RFC 3264) with our one audio stream.

use super::parse::{Connection, Description, Media};
use super::{Codec, Direction, Local, Malformed, NothingInCommon, SdpFault, Stream};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// The dynamic payload type our offers give telephone-events: what most trunks use themselves.
const TELEPHONE_EVENT: u8 = 101;

/// The packet time we send and ask for.
const PTIME_MS: u8 = 20;

/// An offer of one audio stream with these codecs, best first, and telephone-events.
pub fn offer(local: &Local, codecs: &[Codec]) -> Vec<u8> {
    let mut formats: Vec<Format> = codecs
        .iter()
        .map(|codec| Format {
            payload_type: codec.static_payload_type(),
            kind: Kind::Audio(*codec),
        })
        .collect();
    formats.push(Format {
        payload_type: TELEPHONE_EVENT,
        kind: Kind::Events { flash: true },
    });
    let ours = Ours {
        formats: &formats,
        direction: Direction::SendRecv,
        rtcp_mux: true,
    };
    let mut text = header(local);
    write_audio(&mut text, local.port, &ours);
    text.into_bytes()
}

/// Our answer to `offer`, and what it agrees on. Media we do not take are declined in their place.
pub fn answer(offer: &[u8], local: &Local, codecs: &[Codec]) -> Result<(Vec<u8>, Stream), SdpFault> {
    answer_wanting(offer, local, codecs, Direction::SendRecv)
}

/// Our answer to a later offer of theirs (hold, resume, codec change, or a mere refresh), given what we said last.
///
/// `want` is what we would have if it were ours alone: [`Direction::SendRecv`], or [`Direction::SendOnly`] while we
/// hold them. The `o=` version counts on only when the answer differs from `previous`.
pub fn answer_again(
    previous: &[u8],
    offer: &[u8],
    codecs: &[Codec],
    want: Direction,
) -> Result<(Vec<u8>, Stream), SdpFault> {
    let mut local = said(previous)?;
    let (same_version, stream) = answer_wanting(offer, &local, codecs, want)?;
    if same_version == previous {
        return Ok((same_version, stream));
    }
    local.version = local.version.wrapping_add(1);
    answer_wanting(offer, &local, codecs, want)
}

/// A new offer from our side that changes only the direction: [`Direction::SendOnly`] or [`Direction::Inactive`] to
/// hold, [`Direction::SendRecv`] to resume. `previous` is what we said last, offer or answer.
pub fn reoffer(previous: &[u8], direction: Direction) -> Result<Vec<u8>, SdpFault> {
    let mut local = said(previous)?;
    let description = Description::parse(previous).map_err(SdpFault::Malformed)?;
    let build = |local: &Local| {
        let mut text = header(local);
        for media in &description.media {
            if media.port == 0 {
                decline(&mut text, media);
                continue;
            }
            let formats: Vec<Format> = media.formats.iter().filter_map(|format| known(media, format)).collect();
            let ours = Ours {
                formats: &formats,
                direction,
                rtcp_mux: media.rtcp_mux,
            };
            write_audio(&mut text, local.port, &ours);
        }
        text.into_bytes()
    };
    let same_version = build(&local);
    if same_version == previous {
        return Ok(same_version);
    }
    local.version = local.version.wrapping_add(1);
    Ok(build(&local))
}

/// What our offer and their answer agreed on.
pub fn accept(our_offer: &[u8], answer: &[u8]) -> Result<Stream, SdpFault> {
    let ours = Description::parse(our_offer).map_err(SdpFault::Malformed)?;
    let theirs = Description::parse(answer).map_err(SdpFault::Malformed)?;
    let place = ours
        .media
        .iter()
        .position(|media| media.port != 0 && is_audio(media))
        .ok_or(SdpFault::Malformed(Malformed::AnswerMismatch))?;
    let (our_media, their_media) = (ours.media.get(place), theirs.media.get(place));
    let (Some(ours), Some(theirs)) = (our_media, their_media) else {
        return Err(SdpFault::Malformed(Malformed::AnswerMismatch));
    };
    if !is_audio(theirs) {
        return Err(SdpFault::Malformed(Malformed::AnswerMismatch));
    }
    if theirs.port == 0 {
        return Err(SdpFault::NothingInCommon(NothingInCommon::Audio));
    }
    if !speaks_our_profile(theirs) {
        return Err(SdpFault::NothingInCommon(NothingInCommon::Profile));
    }
    let offered: Vec<Format> = ours.formats.iter().filter_map(|format| known(ours, format)).collect();
    // RFC 3264 §6.1: the answer's numbers are theirs and need not equal ours; without an rtpmap ours still explain them.
    let answered: Vec<Format> = theirs
        .formats
        .iter()
        .filter_map(|format| known(theirs, format).or_else(|| known(ours, format)))
        .collect();
    let (send, receive) = answered
        .iter()
        .find_map(|send| {
            let Kind::Audio(codec) = send.kind else { return None };
            let receive = offered.iter().find(|receive| receive.kind == Kind::Audio(codec))?;
            Some(((codec, send.payload_type), receive.payload_type))
        })
        .ok_or(SdpFault::NothingInCommon(NothingInCommon::Codec))?;
    let events_sent = answered.iter().find(|format| format.kind.is_events());
    let events_received = offered.iter().find(|format| format.kind.is_events());
    let agreed = events_sent.zip(events_received);
    let (remote, silent) = address(theirs)?;
    let (us, _) = address(ours)?;
    if remote.is_ipv4() != us.is_ipv4() {
        return Err(SdpFault::NothingInCommon(NothingInCommon::Address));
    }
    let mux = ours.rtcp_mux && theirs.rtcp_mux;
    let mut direction = theirs.direction.reversed().and(ours.direction);
    if silent {
        direction = direction.and(Direction::RecvOnly);
    }
    Ok(Stream {
        codec: send.0,
        payload_type: send.1,
        receive_payload_type: receive,
        telephone_event: agreed.map(|(sent, _)| sent.payload_type),
        receive_telephone_event: agreed.map(|(_, received)| received.payload_type),
        remote,
        remote_rtcp: rtcp_address(theirs, remote, mux),
        rtcp_mux: mux,
        direction,
        ptime_ms: packet_time(theirs),
    })
}

fn answer_wanting(
    offer: &[u8],
    local: &Local,
    codecs: &[Codec],
    want: Direction,
) -> Result<(Vec<u8>, Stream), SdpFault> {
    let offer = Description::parse(offer).map_err(SdpFault::Malformed)?;
    let mut refused = NothingInCommon::Audio;
    let mut chosen = None;
    for (place, media) in offer.media.iter().enumerate() {
        if media.port == 0 || !is_audio(media) {
            continue;
        }
        match choose(media, codecs).and_then(|choice| Ok((choice, address(media)?))) {
            Ok((choice, (remote, silent))) if remote.is_ipv4() == local.address.is_ipv4() => {
                chosen = Some((place, media, choice, remote, silent));
                break;
            }
            Ok(_) => refused = NothingInCommon::Address,
            Err(SdpFault::NothingInCommon(why)) => refused = why,
            Err(fault) => return Err(fault),
        }
    }
    let (place, media, formats, remote, silent) = chosen.ok_or(SdpFault::NothingInCommon(refused))?;
    let mut direction = media.direction.reversed().and(want);
    if silent {
        // RFC 3264 §8.4: 0.0.0.0 is hold as RFC 2543 knew it; they will not hear us, and we may still hear them.
        direction = direction.and(Direction::RecvOnly);
    }
    let mut text = header(local);
    for (other, media) in offer.media.iter().enumerate() {
        if other == place {
            let ours = Ours {
                formats: &formats,
                direction,
                rtcp_mux: media.rtcp_mux,
            };
            write_audio(&mut text, local.port, &ours);
        } else {
            decline(&mut text, media);
        }
    }
    // `choose` puts the codec first and the events, if any, second.
    let (codec, payload_type) = formats
        .iter()
        .find_map(|format| match format.kind {
            Kind::Audio(codec) => Some((codec, format.payload_type)),
            Kind::Events { .. } => None,
        })
        .ok_or(SdpFault::NothingInCommon(NothingInCommon::Codec))?;
    let events = formats
        .iter()
        .find(|format| format.kind.is_events())
        .map(|format| format.payload_type);
    let stream = Stream {
        codec,
        payload_type,
        receive_payload_type: payload_type,
        telephone_event: events,
        receive_telephone_event: events,
        remote,
        remote_rtcp: rtcp_address(media, remote, media.rtcp_mux),
        rtcp_mux: media.rtcp_mux,
        direction,
        ptime_ms: packet_time(media),
    };
    Ok((text.into_bytes(), stream))
}

/// A payload type and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    payload_type: u8,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audio(Codec),
    /// Telephone-events that include all keys; `flash`: event 16 too.
    Events {
        flash: bool,
    },
}

impl Kind {
    fn is_events(self) -> bool {
        matches!(self, Self::Events { .. })
    }
}

/// Our side of one audio line.
struct Ours<'a> {
    formats: &'a [Format],
    direction: Direction,
    rtcp_mux: bool,
}

/// The codec and the telephone-events we answer a line of theirs with: their order decides (RFC 3264 §6.1), and one
/// codec only, so that nobody switches in mid-call.
fn choose(media: &Media, codecs: &[Codec]) -> Result<Vec<Format>, SdpFault> {
    if !speaks_our_profile(media) {
        return Err(SdpFault::NothingInCommon(NothingInCommon::Profile));
    }
    let offered: Vec<Format> = media.formats.iter().filter_map(|format| known(media, format)).collect();
    let audio = offered
        .iter()
        .find(|format| matches!(format.kind, Kind::Audio(codec) if codecs.contains(&codec)))
        .ok_or(SdpFault::NothingInCommon(NothingInCommon::Codec))?;
    let events = offered.iter().find(|format| format.kind.is_events());
    Ok(std::iter::once(audio).chain(events).copied().collect())
}

/// What a format of an audio line means, if it is one of ours.
fn known(media: &Media, format: &str) -> Option<Format> {
    let payload_type: u8 = format.parse().ok().filter(|payload_type| *payload_type < 128)?;
    let Some(map) = media.maps.iter().find(|map| map.payload_type == payload_type) else {
        return [Codec::Pcmu, Codec::Pcma]
            .into_iter()
            .find(|codec| codec.static_payload_type() == payload_type)
            .map(|codec| Format {
                payload_type,
                kind: Kind::Audio(codec),
            });
    };
    if map.clock_rate != crate::codec::CLOCK_RATE || map.channels != 1 {
        return None;
    }
    if map.encoding.eq_ignore_ascii_case("telephone-event") {
        // RFC 4733 §2.4.1: without a list, 0-15.
        let listed = media.parameters.iter().find(|(format, _)| *format == payload_type);
        let events = listed.map_or(EVENTS_BY_DEFAULT, |(_, list)| events(list));
        return (events & ALL_KEYS == ALL_KEYS).then_some(Format {
            payload_type,
            kind: Kind::Events {
                flash: events & FLASH != 0,
            },
        });
    }
    [Codec::Pcmu, Codec::Pcma]
        .into_iter()
        .find(|codec| map.encoding.eq_ignore_ascii_case(codec.name()))
        .map(|codec| Format {
            payload_type,
            kind: Kind::Audio(codec),
        })
}

/// One bit per event: 0–9, `*`, `#`.
const ALL_KEYS: u32 = 0x0FFF;
const FLASH: u32 = 1 << 16;
const EVENTS_BY_DEFAULT: u32 = 0xFFFF;

/// `0-15`, `0-16`, `0-11,16`, `events=0-15`: the events below 32, a bit each.
fn events(list: &str) -> u32 {
    let list = list.trim().trim_start_matches("events=");
    let mut bits = 0_u32;
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
            for event in first..=last.min(31) {
                bits |= 1 << event;
            }
        }
    }
    if list.is_empty() { EVENTS_BY_DEFAULT } else { bits }
}

fn is_audio(media: &Media) -> bool {
    media.kind.eq_ignore_ascii_case("audio")
}

fn speaks_our_profile(media: &Media) -> bool {
    media.protocol.eq_ignore_ascii_case("RTP/AVP")
}

/// Where a line of theirs wants RTP; `true` when that is nowhere.
fn address(media: &Media) -> Result<(SocketAddr, bool), SdpFault> {
    match media.connection {
        None => Err(SdpFault::Malformed(Malformed::NoConnection)),
        Some(Connection::Name) => Err(SdpFault::NothingInCommon(NothingInCommon::Address)),
        Some(Connection::Address(ip)) if ip.is_multicast() || is_broadcast(ip) => {
            Err(SdpFault::NothingInCommon(NothingInCommon::Address))
        }
        Some(Connection::Address(ip)) => Ok((SocketAddr::new(ip, media.port), ip.is_unspecified())),
    }
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
}

fn rtcp_address(media: &Media, rtp: SocketAddr, mux: bool) -> SocketAddr {
    if mux {
        return rtp;
    }
    match media.rtcp {
        Some((port, ip)) => {
            let same_family = ip.filter(|ip| ip.is_ipv4() == rtp.is_ipv4());
            SocketAddr::new(same_family.unwrap_or(rtp.ip()), port)
        }
        // RFC 3550 §11: the next higher port. There is none above 65535; RTCP then has nowhere to go but the same one.
        None => SocketAddr::new(rtp.ip(), rtp.port().checked_add(1).unwrap_or(rtp.port())),
    }
}

fn packet_time(media: &Media) -> u8 {
    let wished = media.ptime_ms.unwrap_or(PTIME_MS);
    media.maxptime_ms.map_or(wished, |most| wished.min(most))
}

/// Our own end, as we described it before.
fn said(previous: &[u8]) -> Result<Local, SdpFault> {
    let description = Description::parse(previous).map_err(SdpFault::Malformed)?;
    let origin = description.origin.ok_or(SdpFault::Malformed(Malformed::Origin))?;
    let audio = description
        .media
        .iter()
        .find(|media| media.port != 0 && is_audio(media))
        .ok_or(SdpFault::Malformed(Malformed::NoMedia))?;
    let (address, _) = address(audio)?;
    Ok(Local {
        address: address.ip(),
        port: address.port(),
        session: origin.session,
        version: origin.version,
    })
}

fn header(local: &Local) -> String {
    let family = if local.address.is_ipv4() { "IP4" } else { "IP6" };
    // RFC 8866 §5.2, §5.3: no user name to tell, no session name to give.
    format!(
        "v=0\r\no=- {} {} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n",
        local.session,
        local.version,
        address = local.address,
    )
}

fn write_audio(text: &mut String, port: u16, ours: &Ours<'_>) {
    let mut attributes = String::new();
    // `write!` to a String cannot fail; its Result has nothing to say.
    let _ = write!(text, "m=audio {port} RTP/AVP");
    for Format { payload_type, kind } in ours.formats {
        let _ = write!(text, " {payload_type}");
        let _ = match kind {
            Kind::Audio(codec) => write!(attributes, "a=rtpmap:{payload_type} {}/8000\r\n", codec.name()),
            Kind::Events { flash } => write!(
                attributes,
                "a=rtpmap:{payload_type} telephone-event/8000\r\na=fmtp:{payload_type} {}\r\n",
                if *flash { "0-16" } else { "0-15" }
            ),
        };
    }
    let _ = write!(text, "\r\n{attributes}a=ptime:{PTIME_MS}\r\n");
    if ours.rtcp_mux {
        text.push_str("a=rtcp-mux\r\n");
    }
    let _ = write!(text, "a={}\r\n", ours.direction.attribute());
}

/// RFC 3264 §6: a declined medium keeps its place, its profile and its formats, with port 0.
fn decline(text: &mut String, media: &Media) {
    let _ = write!(text, "m={} 0 {}", media.kind, media.protocol);
    for format in &media.formats {
        let _ = write!(text, " {format}");
    }
    // RFC 8866 §9: at least one format; some offers have none.
    text.push_str(if media.formats.is_empty() { " 0\r\n" } else { "\r\n" });
}
