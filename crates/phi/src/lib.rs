//! `Phi<T>`: a number, name, digit or date that prints as `‹redacted›`.
//!
//! Everything that could tell who a caller is, or what they said, is wrapped in [`Phi`] where it enters the program
//! and unwrapped only where it must be used: written to a sealed record, sent to the party it belongs to, compared.
//! It cannot be formatted into a log, a metric or a panic message, and it has no `Display` and no `serde` impl on
//! purpose; a room that may write it sealed says so at the line that calls [`Phi::expose`].
//!
//! 45 CFR 164.312(a)(1), 164.502(b); requirements SEC-13, O5.

use std::fmt;

/// A value that identifies or concerns a patient; printing it yields `‹redacted›`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Wraps a value where it enters the program.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one use that needs it. Every call is a line a privacy reviewer reads.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Gives the value up for good.
    pub fn into_exposed(self) -> T {
        self.0
    }

    /// A value computed from this one, no less private than it.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Phi<U> {
        Phi(f(self.0))
    }

    /// A view of the value that stays wrapped.
    pub const fn as_ref(&self) -> Phi<&T> {
        Phi(&self.0)
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹redacted›")
    }
}

/// What must not compile, each beside what does. A log, a metric's label, a notice, a title and a panic all want text, and there
/// is no way to text but [`Phi::expose`]. `tests/tests/phi.rs` says the same of each trait, in every test run.
///
/// ```
/// let name = phi::Phi::new(String::from("Ana Rivera"));
/// println!("{name:?}, {}", name.expose());
/// ```
/// Formatted, and so printed, logged or put into an error's text:
/// ```compile_fail,E0277
/// let name = phi::Phi::new(String::from("Ana Rivera"));
/// println!("{name}");
/// ```
/// In a panic's message:
/// ```compile_fail,E0277
/// let name = phi::Phi::new(String::from("Ana Rivera"));
/// panic!("no such patient: {name}");
/// ```
/// As text for a notice or a title:
/// ```compile_fail,E0277
/// fn title(of: impl Into<String>) -> String { of.into() }
/// title(phi::Phi::new(String::from("Ana Rivera")));
/// ```
/// As a label of a metric:
/// ```compile_fail,E0308
/// fn count(label: &str) {}
/// count(&phi::Phi::new(String::from("Ana Rivera")));
/// ```
/// Put behind another text:
/// ```compile_fail,E0308
/// let name = phi::Phi::new(String::from("Ana Rivera"));
/// let notice = String::from("a call from ") + &name;
/// ```
/// Written as octets:
/// ```compile_fail,E0277
/// std::fs::write("/tmp/note", phi::Phi::new(String::from("Ana Rivera")));
/// ```
#[cfg(doctest)]
struct CannotBeWritten;

#[cfg(test)]
mod tests {
    use super::Phi;

    #[test]
    fn prints_as_redacted_even_inside_other_types() {
        assert_eq!(format!("{:?}", Some(Phi::new("Ana Rivera"))), "Some(‹redacted›)");
        assert_eq!(format!("{:#?}", [Phi::new(5125550199_u64)]), "[\n    ‹redacted›,\n]");
    }
}
