//! Every limit of the wire codec, by name. What exceeds one is a named malformation, never a panic and never growth.
//!
//! A value is scanned once from left to right; the only thing that nests is a multipart body, and its depth is bounded.

/// Bytes of one message, start line to body: what one UDP datagram can carry, and the same on a stream.
pub const MESSAGE_BYTES_MAX: usize = 65_535;
/// Bytes of the start line.
pub const START_LINE_BYTES_MAX: usize = 4_096;
/// Header fields in one message, counted after several values on one line have been split (RFC 3261 §7.3.1).
pub const HEADERS_MAX: usize = 256;
/// Bytes of one header field's name.
pub const HEADER_NAME_BYTES_MAX: usize = 256;
/// Bytes of one header field's value, folds included.
pub const HEADER_VALUE_BYTES_MAX: usize = 16_384;
/// Continuation lines of one folded header field.
pub const FOLDS_MAX: usize = 64;
/// Bytes of one URI; a longer Request-URI is answered 414.
pub const URI_BYTES_MAX: usize = 2_048;
/// Parameters of one URI, address or Via.
pub const PARAMS_MAX: usize = 64;
/// Headers carried in one URI (`?Replaces=…&Subject=…`).
pub const URI_HEADERS_MAX: usize = 32;
/// Values in one comma list.
pub const ELEMENTS_MAX: usize = 128;
/// Bytes of a method's name.
pub const METHOD_BYTES_MAX: usize = 64;
/// Bytes of a Call-ID, which keys tables.
pub const CALL_ID_BYTES_MAX: usize = 512;
/// Parts looked at in one multipart body.
pub const PARTS_MAX: usize = 16;
/// Multipart bodies within multipart bodies.
pub const MULTIPART_DEPTH_MAX: usize = 3;
