//! What is heard and said: SDP, RTP and SRTP, codecs, keys, playing, bridging. Pure: packets and `now` in, packets and
//! events out.
//!
//! Start at [`Leg`], one party's audio. It is driven by whoever owns the socket and the clock (`exchange`), and told
//! what to do by whoever owns the call (`switchboard`), who also made its [`sdp::Stream`] by offer and answer.
//!
//! # Recipe: a media thread
//!
//! Per leg, with `out: [u8; 256]` reused for all of them:
//!
//! 1. **A datagram** on the leg's RTP port: `leg.receive(now, source, &mut bytes)`. On its RTCP port:
//!    `leg.receive_rtcp(..)`. Encrypted ones are opened in place, and `bytes` then holds what they say.
//!    Both refuse strangers by themselves, from the first packet. Multiplexed RTCP (RFC 5761) may go to `receive`.
//! 2. **If the leg is bridged** to `other` and the verdict is [`Verdict::Audio`]`(audio)`: pass it on at once,
//!    `let n = other.relay_now(now, &audio, bytes, &mut out)`, and send `out[..n]` to `other.target()` when `n > 0`.
//!    This is what keeps a bridge under a tick of delay. Zero means "not this way" and needs nothing of you.
//! 3. **Every 20 ms**: `let n = leg.tick(now, &mut out)`; send `out[..n]` to `leg.target()` when `n > 0`, and
//!    after it what `leg.tick_rest(&mut out)` writes, if anything. Then
//!    - `leg.take_frame()`: what was heard in these 20 ms, in order, mended. For the recorder's tap, and, when bridged,
//!      **always** for `other.relay(&frame)`: `other` uses it only where step 2 found packets of another length,
//!      so that nothing is said twice: call both.
//!    - `leg.take_sent()`: what was said (words, tones, silence, or the frame relayed since the last tick), for the tap
//!      of a call with one leg. To have every relayed frame, ask after each `relay_now` too.
//!    - `leg.poll_event()` until `None`.
//!    - if `leg.rtcp_due(now, &mut out) > 0`, send that to `leg.rtcp_target()`.
//! 4. **At the end**: `leg.rtcp_bye(&mut out)` to `leg.rtcp_target()`, and keep `leg.quality()`.
//!
//! Steps 1–3 allocate nothing (`tests/no_alloc.rs`), except that an RTCP report every five seconds does, and `rtc-srtp`
//! for every packet of an encrypted leg. If the socket
//! is `connect`ed to `leg.target()`, do it after [`LegEvent::FirstPacket`] and again after [`LegEvent::SourceMoved`].
//!
//! # Recipe: add a codec
//!
//! A variant of [`Codec`], its file in `codec/`, its place in `codec/edge.rs`, its rtpmap in `sdp/negotiate.rs`; frames
//! inside the house stay 20 ms of G.711 ([`Law`]), so it decodes and encodes at the leg's edge.

pub mod activity;
pub mod codec;
mod comfort;
pub mod conceal;
pub mod dtmf;
pub mod jitter;
mod leg;
pub mod player;
mod relay;
pub mod rtp;
pub mod sdp;
pub mod srtp;

pub use activity::Voice;
pub use codec::{Codec, FRAME_MS, FRAME_SAMPLES, Law};
pub use dtmf::{Digit, DigitWay};
pub use leg::{Audio, Frame, FrameKind, LOST_AFTER, Leg, LegEvent, LegStart, PACKET_OUT_BYTES, Quality, Verdict};
