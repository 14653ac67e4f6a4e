//! Offer/answer (RFC 3264) with our one audio stream.

use super::crypto::Crypto;
use super::parse::{Connection, Description, Media};
use super::{
    Codec, Direction, Local, Malformed, MasterKey, NothingInCommon, Offering, OpusWishes, SdpFault, Security, Srtp,
    Stream,
};
use crate::rtp::COMFORT_NOISE;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// The dynamic payload type our offers give telephone-events: what most trunks use themselves.
const TELEPHONE_EVENT: u8 = 101;

/// The same for telephone-events that count with Opus's clock (RFC 4733 §2.1 asks for the audio's own).
const TELEPHONE_EVENT_48000: u8 = 110;

/// The packet time we send and ask for.
const PTIME_MS: u8 = 20;

/// What we send where they can take no more than that.
const PTIME_SHORT_MS: u8 = 10;

/// An offer of one audio stream and telephone-events. With [`Security::Preferred`] it asks for encryption like
/// [`Security::Required`]: who cannot says 488, and is asked again with [`Offering::in_clear`]. `draw` makes the keys.
pub fn offer(local: &Local, offering: &Offering, draw: &mut dyn FnMut() -> [u8; 16]) -> Vec<u8> {
    let profile = match offering.security {
        Security::Off => Profile::Avp,
        Security::Preferred | Security::Required => Profile::Savp,
    };
    offer_over(profile, local, offering, draw)
}

/// An offer that nobody can refuse and be asked again: the one in our 200 to an INVITE without one.
/// [`Security::Preferred`] then offers keys beside RTP/AVP, and is content without.
pub fn late_offer(local: &Local, offering: &Offering, draw: &mut dyn FnMut() -> [u8; 16]) -> Vec<u8> {
    let profile = match offering.security {
        Security::Off | Security::Preferred => Profile::Avp,
        Security::Required => Profile::Savp,
    };
    offer_over(profile, local, offering, draw)
}

fn offer_over(profile: Profile, local: &Local, offering: &Offering, draw: &mut dyn FnMut() -> [u8; 16]) -> Vec<u8> {
    let mut formats: Vec<Format> = offering
        .codecs
        .iter()
        .map(|codec| Format {
            payload_type: codec.payload_type(),
            kind: Kind::Audio(*codec),
        })
        .collect();
    for (payload_type, clock_rate) in [(TELEPHONE_EVENT, 8000), (TELEPHONE_EVENT_48000, 48_000)] {
        if offering.codecs.iter().any(|codec| codec.clock_rate() == clock_rate) {
            formats.push(Format {
                payload_type,
                kind: Kind::Events {
                    flash: true,
                    clock_rate,
                },
            });
        }
    }
    // RFC 4568 §5.1.1: each line has a key of its own.
    let crypto: Vec<Crypto> = match offering.security {
        Security::Off => Vec::new(),
        Security::Preferred | Security::Required => (1..)
            .zip(&offering.suites)
            .map(|(tag, suite)| Crypto {
                tag,
                key: MasterKey::drawn(*suite, draw),
            })
            .collect(),
    };
    let ours = Ours {
        profile,
        formats: &formats,
        direction: Direction::SendRecv,
        rtcp_mux: true,
        crypto: &crypto,
    };
    let mut text = header(local);
    write_audio(&mut text, local.port, &ours);
    text.into_bytes()
}

/// Our answer to `offer`, and what it agrees on. Media we do not take are declined in their place. `draw` makes our
/// key, when there is to be one.
pub fn answer(
    offer: &[u8],
    local: &Local,
    offering: &Offering,
    draw: &mut dyn FnMut() -> [u8; 16],
) -> Result<(Vec<u8>, Stream), SdpFault> {
    let offer = Description::parse(offer).map_err(SdpFault::Malformed)?;
    let agreement = agree(&offer, local, offering, Direction::SendRecv, &[], draw)?;
    Ok((write_answer(&offer, local, &agreement), agreement.stream))
}

/// Our answer to a later offer of theirs (hold, resume, codec change, new keys, or a mere refresh), given what we said
/// last.
///
/// `want` is what we would have if it were ours alone: [`Direction::SendRecv`], or [`Direction::SendOnly`] while we
/// hold them. Our key stays while the suite does: a refresh shall not look like a change. The `o=` version counts on
/// only when the answer differs from `previous`.
pub fn answer_again(
    previous: &[u8],
    offer: &[u8],
    offering: &Offering,
    want: Direction,
    draw: &mut dyn FnMut() -> [u8; 16],
) -> Result<(Vec<u8>, Stream), SdpFault> {
    let before = Description::parse(previous).map_err(SdpFault::Malformed)?;
    let (mut local, audio) = said(&before)?;
    let offer = Description::parse(offer).map_err(SdpFault::Malformed)?;
    let agreement = agree(&offer, &local, offering, want, &audio.crypto, draw)?;
    let same_version = write_answer(&offer, &local, &agreement);
    if same_version == previous {
        return Ok((same_version, agreement.stream));
    }
    local.version = local.version.wrapping_add(1);
    Ok((write_answer(&offer, &local, &agreement), agreement.stream))
}

/// A new offer from our side that changes only the direction: [`Direction::SendOnly`] or [`Direction::Inactive`] to
/// hold, [`Direction::SendRecv`] to resume. `previous` is what we said last, offer or answer; keys stay as they were.
pub fn reoffer(previous: &[u8], direction: Direction) -> Result<Vec<u8>, SdpFault> {
    let description = Description::parse(previous).map_err(SdpFault::Malformed)?;
    let (mut local, _) = said(&description)?;
    let build = |local: &Local| {
        let mut text = header(local);
        for media in &description.media {
            if media.port == 0 {
                decline(&mut text, media);
                continue;
            }
            let formats: Vec<Format> = media.formats.iter().filter_map(|format| known(media, format)).collect();
            let ours = Ours {
                profile: Profile::of(media).unwrap_or(Profile::Avp),
                formats: &formats,
                direction,
                rtcp_mux: media.rtcp_mux,
                crypto: &media.crypto,
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
    let profile = Profile::of(theirs).ok_or(SdpFault::NothingInCommon(NothingInCommon::Profile))?;
    let security = accepted_keys(ours, theirs);
    if security.is_none() {
        if Profile::of(ours).is_some_and(Profile::is_secure) {
            // We asked for encryption and for nothing else.
            return Err(SdpFault::NothingInCommon(NothingInCommon::Security));
        }
        if profile.is_secure() {
            return Err(SdpFault::NothingInCommon(NothingInCommon::Profile));
        }
    }
    let offered: Vec<Format> = ours.formats.iter().filter_map(|format| known(ours, format)).collect();
    // RFC 3264 §6.1: the answer's numbers are theirs and need not equal ours; without an rtpmap ours still explain them.
    let answered: Vec<Format> = theirs
        .formats
        .iter()
        .filter_map(|format| known(theirs, format).or_else(|| known(ours, format)))
        .collect();
    let (codec, send, receive) = answered
        .iter()
        .find_map(|send| {
            let codec = send.kind.codec()?;
            let receive = offered.iter().find(|receive| receive.kind.codec() == Some(codec))?;
            Some((codec, send.payload_type, receive.payload_type))
        })
        .ok_or(SdpFault::NothingInCommon(NothingInCommon::Codec))?;
    let events = event_clocks(codec)
        .into_iter()
        .find_map(|clock| Some((clock, events(&answered, clock)?, events(&offered, clock)?)));
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
        codec,
        payload_type: send,
        receive_payload_type: receive,
        telephone_event: events.map(|(_, sent, _)| sent),
        receive_telephone_event: events.map(|(_, _, received)| received),
        event_clock_rate: events.map_or(codec.clock_rate(), |(clock, _, _)| clock),
        remote,
        remote_rtcp: rtcp_address(theirs, remote, mux),
        rtcp_mux: mux,
        direction,
        ptime_ms: packet_time(theirs),
        packet_ms: sent_packet_time(theirs),
        opus: opus_wishes(theirs, send),
        security,
    })
}

/// RFC 4568 §5.1.3: the answer repeats the tag and the suite of the line it took, with the answerer's key.
fn accepted_keys(ours: &Media, theirs: &Media) -> Option<Srtp> {
    theirs.crypto.iter().find_map(|answered| {
        let offered = ours
            .crypto
            .iter()
            .find(|offered| offered.tag == answered.tag && offered.suite() == answered.suite())?;
        Some(Srtp {
            suite: offered.suite(),
            send: offered.key.clone(),
            receive: answered.key.clone(),
        })
    })
}

/// What we will say to an offer, but for the version of our `o=` line.
struct Agreement {
    place: usize,
    profile: Profile,
    formats: Vec<Format>,
    crypto: Option<Crypto>,
    stream: Stream,
}

/// What an offer comes to. `our_keys` are those of our last words.
fn agree(
    offer: &Description,
    local: &Local,
    offering: &Offering,
    want: Direction,
    our_keys: &[Crypto],
    draw: &mut dyn FnMut() -> [u8; 16],
) -> Result<Agreement, SdpFault> {
    let mut refused = NothingInCommon::Audio;
    let mut chosen: Option<(usize, &Media, Choice<'_>, SocketAddr, bool)> = None;
    for (place, media) in offer.media.iter().enumerate() {
        if media.port == 0 || !is_audio(media) {
            continue;
        }
        match choose(media, offering).and_then(|choice| Ok((choice, address(media)?))) {
            Ok((choice, (remote, silent))) if remote.is_ipv4() == local.address.is_ipv4() => {
                // The first usable line, or the first encrypted one: some offer both and let us choose.
                let better = chosen
                    .as_ref()
                    .is_none_or(|(_, _, before, _, _)| before.crypto.is_none() && choice.crypto.is_some());
                if better {
                    chosen = Some((place, media, choice, remote, silent));
                }
            }
            Ok(_) => refused = NothingInCommon::Address,
            Err(SdpFault::NothingInCommon(why)) => refused = why,
            Err(fault) => return Err(fault),
        }
    }
    let (place, media, choice, remote, silent) = chosen.ok_or(SdpFault::NothingInCommon(refused))?;
    let mut direction = media.direction.reversed().and(want);
    if silent {
        // RFC 3264 §8.4: 0.0.0.0 is hold as RFC 2543 knew it; they will not hear us, and we may still hear them.
        direction = direction.and(Direction::RecvOnly);
    }
    let crypto = choice.crypto.map(|theirs| Crypto {
        tag: theirs.tag,
        key: our_keys
            .iter()
            .find(|ours| ours.suite() == theirs.suite())
            .map_or_else(|| MasterKey::drawn(theirs.suite(), draw), |ours| ours.key.clone()),
    });
    let security = crypto.as_ref().zip(choice.crypto).map(|(ours, theirs)| Srtp {
        suite: theirs.suite(),
        send: ours.key.clone(),
        receive: theirs.key.clone(),
    });
    let (codec, payload_type) = choice.audio;
    let event_type = choice.events.map(|events| events.payload_type);
    let stream = Stream {
        codec,
        payload_type,
        receive_payload_type: payload_type,
        telephone_event: event_type,
        receive_telephone_event: event_type,
        event_clock_rate: choice
            .events
            .map_or(codec.clock_rate(), |events| events.kind.clock_rate()),
        remote,
        remote_rtcp: rtcp_address(media, remote, media.rtcp_mux),
        rtcp_mux: media.rtcp_mux,
        direction,
        ptime_ms: packet_time(media),
        packet_ms: sent_packet_time(media),
        opus: opus_wishes(media, payload_type),
        security,
    };
    let audio = Format {
        payload_type,
        kind: Kind::Audio(codec),
    };
    Ok(Agreement {
        place,
        profile: choice.profile,
        formats: std::iter::once(audio)
            .chain(choice.events)
            .chain(choice.comfort)
            .collect(),
        crypto,
        stream,
    })
}

fn write_answer(offer: &Description, local: &Local, agreement: &Agreement) -> Vec<u8> {
    let mut text = header(local);
    for (place, media) in offer.media.iter().enumerate() {
        if place == agreement.place {
            let ours = Ours {
                profile: agreement.profile,
                formats: &agreement.formats,
                direction: agreement.stream.direction,
                rtcp_mux: media.rtcp_mux,
                crypto: agreement.crypto.as_slice(),
            };
            write_audio(&mut text, local.port, &ours);
        } else {
            decline(&mut text, media);
        }
    }
    text.into_bytes()
}

/// The profiles of an `m=` line that we speak. Feedback (RFC 4585, RFC 5124) is nothing we send, and nothing that
/// keeps us from the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Avp,
    Avpf,
    Savp,
    Savpf,
}

impl Profile {
    const ALL: [Self; 4] = [Self::Avp, Self::Avpf, Self::Savp, Self::Savpf];

    fn of(media: &Media) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|profile| media.protocol.eq_ignore_ascii_case(profile.name()))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Avp => "RTP/AVP",
            Self::Avpf => "RTP/AVPF",
            Self::Savp => "RTP/SAVP",
            Self::Savpf => "RTP/SAVPF",
        }
    }

    fn is_secure(self) -> bool {
        matches!(self, Self::Savp | Self::Savpf)
    }
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
        clock_rate: u32,
    },
    /// Comfort noise of 8 kHz, under its static number (RFC 3389 §5).
    Comfort,
}

impl Kind {
    fn codec(self) -> Option<Codec> {
        match self {
            Self::Audio(codec) => Some(codec),
            Self::Events { .. } | Self::Comfort => None,
        }
    }

    fn clock_rate(self) -> u32 {
        match self {
            Self::Audio(codec) => codec.clock_rate(),
            Self::Events { clock_rate, .. } => clock_rate,
            Self::Comfort => crate::codec::CLOCK_RATE,
        }
    }
}

/// The clocks telephone-events may count with beside this codec, the right one first.
fn event_clocks(codec: Codec) -> [u32; 2] {
    [codec.clock_rate(), crate::codec::CLOCK_RATE]
}

/// The payload type of telephone-events with this clock.
fn events(formats: &[Format], clock: u32) -> Option<u8> {
    formats
        .iter()
        .find(|format| matches!(format.kind, Kind::Events { clock_rate, .. } if clock_rate == clock))
        .map(|format| format.payload_type)
}

/// Our side of one audio line.
struct Ours<'a> {
    profile: Profile,
    formats: &'a [Format],
    direction: Direction,
    rtcp_mux: bool,
    crypto: &'a [Crypto],
}

/// What we would answer a line of theirs with.
struct Choice<'a> {
    profile: Profile,
    audio: (Codec, u8),
    events: Option<Format>,
    /// They would send comfort noise instead of silence.
    comfort: Option<Format>,
    /// Their line, when the audio is to be encrypted.
    crypto: Option<&'a Crypto>,
}

/// The codec, the telephone-events and the keys we answer a line of theirs with: their order decides (RFC 3264 §6.1,
/// RFC 4568 §5.1.2), and one codec only, so that nobody switches in mid-call.
fn choose<'a>(media: &'a Media, offering: &Offering) -> Result<Choice<'a>, SdpFault> {
    let refused = |why| Err(SdpFault::NothingInCommon(why));
    let Some(profile) = Profile::of(media) else {
        return refused(NothingInCommon::Profile);
    };
    let keys = media.crypto.iter().find(|line| offering.suites.contains(&line.suite()));
    // Keys beside RTP/AVP are no standard, and a way many have of offering both at once.
    let crypto = match (offering.security, profile.is_secure(), keys) {
        (Security::Off, true, _) => return refused(NothingInCommon::Profile),
        (Security::Off, false, _) => None,
        (Security::Preferred, true, None) | (Security::Required, _, None) => {
            return refused(NothingInCommon::Security);
        }
        (Security::Preferred | Security::Required, _, keys) => keys,
    };
    let offered: Vec<Format> = media.formats.iter().filter_map(|format| known(media, format)).collect();
    let audio = offered
        .iter()
        .filter_map(|format| Some((format.kind.codec()?, format.payload_type)))
        .find(|(codec, _)| offering.codecs.contains(codec));
    let Some(audio) = audio else {
        return refused(NothingInCommon::Codec);
    };
    let events = event_clocks(audio.0).into_iter().find_map(|clock| {
        let wanted = events(&offered, clock)?;
        offered.iter().find(|format| format.payload_type == wanted).copied()
    });
    // RFC 3389 §5: for codecs that have no comfort noise of their own, with their clock.
    let comfort = offered
        .iter()
        .find(|format| format.kind == Kind::Comfort && audio.0.clock_rate() == format.kind.clock_rate());
    Ok(Choice {
        profile,
        audio,
        events,
        comfort: comfort.copied(),
        crypto,
    })
}

/// What a format of an audio line means, if it is one of ours.
fn known(media: &Media, format: &str) -> Option<Format> {
    let payload_type: u8 = format.parse().ok().filter(|payload_type| *payload_type < 128)?;
    let Some(map) = media.maps.iter().find(|map| map.payload_type == payload_type) else {
        if payload_type == COMFORT_NOISE {
            return Some(Format {
                payload_type,
                kind: Kind::Comfort,
            });
        }
        return Codec::ALL
            .into_iter()
            .find(|codec| codec.static_payload_type() == Some(payload_type))
            .map(|codec| Format {
                payload_type,
                kind: Kind::Audio(codec),
            });
    };
    if map.encoding.eq_ignore_ascii_case("telephone-event") {
        if !matches!((map.clock_rate, map.channels), (8000 | 48_000, 1)) {
            return None;
        }
        // RFC 4733 §2.4.1: without a list, 0-15.
        let listed = parameters(media, payload_type);
        let events = listed.map_or(EVENTS_BY_DEFAULT, event_bits);
        return (events & ALL_KEYS == ALL_KEYS).then_some(Format {
            payload_type,
            kind: Kind::Events {
                flash: events & FLASH != 0,
                clock_rate: map.clock_rate,
            },
        });
    }
    if map.encoding.eq_ignore_ascii_case("CN") {
        let is_ours = (payload_type, map.clock_rate, map.channels) == (COMFORT_NOISE, 8000, 1);
        return is_ours.then_some(Format {
            payload_type,
            kind: Kind::Comfort,
        });
    }
    let codec = Codec::from_name(&map.encoding)?;
    let as_written = match codec {
        // Some write the rate it samples at; its clock counts 8000 all the same (RFC 3551 §4.5.2).
        Codec::G722 => matches!((map.clock_rate, map.channels), (8000 | 16_000, 1)),
        // RFC 7587 §7 wants two channels named; some name one or none.
        Codec::Opus => matches!((map.clock_rate, map.channels), (48_000, 1 | 2)),
        Codec::Pcmu | Codec::Pcma => (map.clock_rate, map.channels) == (codec.clock_rate(), codec.channels()),
    };
    as_written.then_some(Format {
        payload_type,
        kind: Kind::Audio(codec),
    })
}

fn parameters(media: &Media, payload_type: u8) -> Option<&str> {
    let (_, parameters) = media.parameters.iter().find(|(format, _)| *format == payload_type)?;
    Some(parameters)
}

/// RFC 7587 §6.1, as far as it concerns a narrow-band speaker.
fn opus_wishes(media: &Media, payload_type: u8) -> OpusWishes {
    let mut wishes = OpusWishes::default();
    for parameter in parameters(media, payload_type).unwrap_or("").split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name.trim().to_ascii_lowercase().as_str(), value.trim().parse::<u32>()) {
            // §6.1: 6000 to 510000; a lower one is a mistake, and no voice.
            ("maxaveragebitrate", Ok(bits)) => {
                wishes.bits_per_second_max = bits.clamp(OPUS_BITS_LEAST, wishes.bits_per_second_max);
            }
            ("useinbandfec", Ok(wanted)) => wishes.forward_error_correction = wanted == 1,
            _ => {}
        }
    }
    wishes
}

const OPUS_BITS_LEAST: u32 = 6000;

/// One bit per event: 0–9, `*`, `#`.
const ALL_KEYS: u32 = 0x0FFF;
const FLASH: u32 = 1 << 16;
const EVENTS_BY_DEFAULT: u32 = 0xFFFF;

/// `0-15`, `0-16`, `0-11,16`, `events=0-15`: the events below 32, a bit each.
fn event_bits(list: &str) -> u32 {
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

/// What we send per packet: their wish is none of our concern, their limit is.
fn sent_packet_time(media: &Media) -> u8 {
    if media.maxptime_ms.is_some_and(|most| most < PTIME_MS) {
        PTIME_SHORT_MS
    } else {
        PTIME_MS
    }
}

/// Our own end, as we described it before, and its audio line.
fn said(description: &Description) -> Result<(Local, &Media), SdpFault> {
    let origin = description.origin.ok_or(SdpFault::Malformed(Malformed::Origin))?;
    let audio = description
        .media
        .iter()
        .find(|media| media.port != 0 && is_audio(media))
        .ok_or(SdpFault::Malformed(Malformed::NoMedia))?;
    let (address, _) = address(audio)?;
    let local = Local {
        address: address.ip(),
        port: address.port(),
        session: origin.session,
        version: origin.version,
    };
    Ok((local, audio))
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
    let _ = write!(text, "m=audio {port} {}", ours.profile.name());
    for Format { payload_type, kind } in ours.formats {
        let _ = write!(text, " {payload_type}");
        let _ = match kind {
            // What we hear ends at 4 kHz (RFC 7587 §6.1): nobody needs to send more.
            Kind::Audio(Codec::Opus) => write!(
                attributes,
                "a=rtpmap:{payload_type} opus/48000/2\r\n\
                 a=fmtp:{payload_type} maxplaybackrate=8000;sprop-maxcapturerate=8000;useinbandfec=1\r\n"
            ),
            Kind::Audio(codec) => write!(
                attributes,
                "a=rtpmap:{payload_type} {}/{}\r\n",
                codec.name(),
                codec.clock_rate()
            ),
            Kind::Events { flash, clock_rate } => write!(
                attributes,
                "a=rtpmap:{payload_type} telephone-event/{clock_rate}\r\na=fmtp:{payload_type} {}\r\n",
                if *flash { "0-16" } else { "0-15" }
            ),
            Kind::Comfort => write!(attributes, "a=rtpmap:{payload_type} CN/8000\r\n"),
        };
    }
    let _ = write!(text, "\r\n{attributes}");
    for line in ours.crypto {
        line.write(text);
    }
    let _ = write!(text, "a=ptime:{PTIME_MS}\r\n");
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
