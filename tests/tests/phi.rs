//! `Phi` has no way out but by name: each trait by which a log, a format, a serializer, a metric, a notice, a title or a panic
//! takes what it writes is one that it lacks. This file does not compile once one is added.

use std::fmt::Display;

use phi::Phi;

/// Two implementations fit when the type has the trait, and then the compiler cannot choose.
macro_rules! lacks {
    ($type:ty: $($bound:path),+ $(,)?) => {$(
        const _: fn() = || {
            trait Either<T> {
                fn choose() {}
            }
            impl<T: ?Sized> Either<()> for T {}
            struct Has;
            impl<T: ?Sized + $bound> Either<Has> for T {}
            let _ = <$type as Either<_>>::choose;
        };
    )+};
}

// Formatted: printed, put into a panic's or an error's text, into a notice.
lacks!(Phi<String>: Display, std::fmt::LowerHex, std::fmt::UpperHex, std::fmt::Pointer, std::string::ToString, std::error::Error);
lacks!(Phi<char>: Display, std::string::ToString);
lacks!(Phi<u64>: Display, std::fmt::LowerHex, std::fmt::Binary, std::string::ToString);
// Taken for text or octets: titles, labels of metrics, file names, what is written to a file or a socket.
lacks!(
    Phi<String>: AsRef<str>, AsRef<[u8]>, AsRef<std::ffi::OsStr>, AsRef<std::path::Path>, std::borrow::Borrow<str>,
    Into<String>, Into<Vec<u8>>, Into<Box<str>>, Into<std::borrow::Cow<'static, str>>, std::ops::Deref,
    std::net::ToSocketAddrs, IntoIterator, std::io::Read,
);
lacks!(Phi<&'static str>: AsRef<str>, AsRef<[u8]>, Into<String>, Into<&'static str>, Into<Box<dyn std::error::Error>>, std::ops::Deref);
lacks!(Phi<char>: Into<String>, Into<u32>, Into<char>);
lacks!(Phi<u64>: Into<f64>, Into<u64>, Into<i128>);
// Serialized, or a value of a structured log.
lacks!(Phi<String>: serde::Serialize, Into<serde_json::Value>, tracing::Value);
lacks!(Phi<u64>: serde::Serialize, Into<serde_json::Value>, tracing::Value);

/// Proves SEC-13: what is left, `{:?}`, tells nothing, and the macro above does tell one type from another.
#[test]
fn the_one_way_to_text_is_redacted() {
    lacks!(Vec<u8>: Display);
    let name = Phi::new(String::from("Ana Rivera"));
    assert_eq!(format!("{name:?} {name:#?}"), "‹redacted› ‹redacted›");
    let shown: &dyn std::fmt::Debug = &name;
    assert_eq!(format!("{shown:>30?}"), "‹redacted›");
    assert_eq!(name.expose(), "Ana Rivera");
}
