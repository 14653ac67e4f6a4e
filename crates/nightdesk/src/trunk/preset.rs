//! What is known of a carrier before anybody has called through it: defaults for a trunk, each with the page it was read on.
//!
//! A preset is a file of data, `presets/<name>.yaml`, compiled in. Its `trunk:` speaks the words of the configuration, one
//! value beside its source: `{is: …, page: …}` was read there, `{is: …, guess: …}` is what nobody could check and is shown with a
//! `~`. What a person writes in the configuration always wins.

use flow::Place;
use flow::source::{Kind, Node};

/// The presets there are: the word in the configuration, and the data.
const FILES: &[(&str, &str)] = &[
    ("twilio", include_str!("../../presets/twilio.yaml")),
    ("telnyx", include_str!("../../presets/telnyx.yaml")),
    ("bandwidth", include_str!("../../presets/bandwidth.yaml")),
    ("flowroute", include_str!("../../presets/flowroute.yaml")),
    ("voipms", include_str!("../../presets/voipms.yaml")),
    ("signalwire", include_str!("../../presets/signalwire.yaml")),
    ("plivo", include_str!("../../presets/plivo.yaml")),
];

/// One carrier's habits.
#[derive(Clone, Debug)]
pub(crate) struct Preset {
    key: &'static str,
    tree: Node,
}

/// Why a value is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// It was read on this page.
    Page(&'a str),
    /// Nobody could check it; this is what it rests on.
    Guess(&'a str),
}

impl Preset {
    /// The words that may stand after `preset:`.
    pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
        FILES.iter().map(|(key, _)| *key)
    }

    /// The preset of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (key, text) = FILES.iter().find(|(key, _)| *key == name)?;
        let tree = flow::source::read(&format!("preset {key}"), text).tree?;
        Some(Self { key, tree })
    }

    /// The same, for somebody who named it there: what is wrong with one of its defaults is shown in their file, at that word,
    /// and not at a place of ours that their file does not have.
    pub(crate) fn named_at(mut self, at: &Place) -> Self {
        move_to(&mut self.tree, at);
        self
    }

    /// Every preset.
    pub(crate) fn all() -> Vec<Self> {
        Self::keys().filter_map(Self::named).collect()
    }

    /// The word in the configuration.
    pub(crate) fn key(&self) -> &'static str {
        self.key
    }

    /// The carrier's name for itself.
    pub(crate) fn name(&self) -> &str {
        self.tree.entry("name").and_then(Node::text).unwrap_or(self.key)
    }

    /// What the carrier calls calls to us, and calls from us: its words are the other way round.
    pub(crate) fn words(&self) -> (&str, &str) {
        let word = |name| self.tree.entry(name).and_then(Node::text).unwrap_or_default();
        (word("inbound is called"), word("outbound is called"))
    }

    /// The default of a setting.
    pub(crate) fn value(&self, setting: &str) -> Option<&Node> {
        self.tree.entry("trunk")?.entry(setting)?.entry("is")
    }

    /// Every default with its source, in the order of the file; then what nobody sets, and we expect.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &Node, Source<'_>)> {
        let entries = |part| self.tree.entry(part).map(Node::entries).unwrap_or_default();
        let all = entries("trunk").iter().chain(entries("behaves"));
        all.filter_map(|(name, value)| {
            let source = match value.entry("page").and_then(Node::text) {
                Some(page) => Source::Page(self.page(page)?),
                None => Source::Guess(value.entry("guess")?.text()?),
            };
            Some((name.text.as_str(), value.entry("is")?, source))
        })
    }

    /// Why this carrier cannot have a setting, if it cannot.
    pub(crate) fn cannot(&self, setting: &str) -> Option<&str> {
        self.tree.entry("cannot")?.entry(setting)?.text()
    }

    /// What to do at the carrier.
    pub(crate) fn steps(&self) -> Vec<&str> {
        self.lines("steps")
    }

    /// What surprises people.
    pub(crate) fn oddities(&self) -> Vec<&str> {
        self.lines("oddities")
    }

    fn page(&self, name: &str) -> Option<&str> {
        self.tree.entry("pages")?.entry(name)?.text()
    }

    fn lines(&self, name: &str) -> Vec<&str> {
        let items = self.tree.entry(name).map(Node::items).unwrap_or_default();
        items.iter().filter_map(Node::text).collect()
    }
}

fn move_to(node: &mut Node, at: &Place) {
    node.at = at.clone();
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| move_to(item, at)),
        Kind::Map { entries, .. } => {
            for (name, value) in entries {
                name.at = at.clone();
                move_to(value, at);
            }
        }
        Kind::Nothing | Kind::Text(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use flow::source::Node;

    use super::{FILES, Preset, Source};
    use crate::config::IN_A_TRUNK;

    #[test]
    fn every_file_is_whole_yaml_without_a_finding() {
        for (key, text) in FILES {
            let read = flow::source::read(key, text);
            assert!(read.diagnostics.is_empty(), "{key}: {:?}", read.diagnostics);
            assert!(Preset::named(key).is_some(), "{key}");
        }
        assert_eq!(Preset::all().len(), 7, "issue 3 names seven");
    }

    #[test]
    fn every_value_is_a_setting_and_has_a_source() {
        for preset in Preset::all() {
            let entries = |part| preset.tree.entry(part).map(Node::entries).unwrap_or_default();
            let written = entries("trunk").len() + entries("behaves").len();
            assert_eq!(
                preset.values().count(),
                written,
                "{}: a value without source",
                preset.key()
            );
            for (name, _) in entries("trunk") {
                let name = name.text.as_str();
                assert!(IN_A_TRUNK.contains(&name), "{}: `{name}` is no setting", preset.key());
            }
            for (_, _, source) in preset.values() {
                match source {
                    Source::Page(page) => assert!(page.starts_with("https://"), "{}: {page}", preset.key()),
                    Source::Guess(why) => assert!(!why.is_empty()),
                }
            }
            assert!(
                !preset.steps().is_empty() && !preset.oddities().is_empty(),
                "{}",
                preset.key()
            );
            assert!(
                !preset.words().0.is_empty() && !preset.words().1.is_empty(),
                "{}",
                preset.key()
            );
        }
    }

    /// Integrations §1.2: whoever names a preset needs to add only what is the practice's own.
    #[test]
    fn every_preset_speaks_of_every_group_of_a_trunk() {
        let groups = [
            "country",
            "register",
            "encryption",
            "suites",
            "codecs",
            "number form",
            "show caller in",
            "keys by",
            "session timer",
            "refresh by",
            "options every",
            "down after",
            "up after",
            "verdict in",
        ];
        for preset in Preset::all() {
            for setting in groups {
                let spoken = preset.values().any(|(name, ..)| name == setting);
                assert!(spoken, "{}: `{setting}`", preset.key());
            }
        }
    }
}
