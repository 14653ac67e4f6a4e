//! `choose language`, `ask permission to record`, `menu`, `ask yes or no`: one key, one road.

use jiff::Timestamp;

use super::ask::{Ask, Asked, Question};
use super::scene::Scene;
use super::{Asks, Chosen, Doing, Heard, LANGUAGE, Note, RECORDING, Turn, say};
use crate::library::Phrase;
use crate::model::{Choice, Menu, Recording, SectionId, Sentence};
use crate::words::{Language, Words};

/// Languages are asked for once more and then taken as the first: a silent caller must not wait here (§5, §18).
const LANGUAGE_ASKED_AGAIN: u8 = 1;

#[derive(Debug)]
pub(super) struct Choosing {
    ask: Ask,
    /// As choices are noted.
    name: String,
    about: About,
}

#[derive(Debug)]
enum About {
    Language,
    Permission,
    Menu {
        choices: Vec<Choice>,
        if_no_answer: Option<SectionId>,
    },
    YesOrNo {
        if_yes: SectionId,
        if_no: SectionId,
        if_no_answer: Option<SectionId>,
    },
}

/// One key per language, each said in its own language.
pub(super) fn language(scene: &mut Scene) -> Turn {
    let languages = scene.flow.languages.clone();
    if languages.len() < 2 {
        return Turn::Next;
    }
    let keyed: Vec<_> = languages.iter().copied().zip('1'..='9').collect();
    let parts = keyed
        .iter()
        .map(|(language, key)| Phrase::ChooseLanguage.with_key(*language, *key))
        .collect();
    let keys = keyed.iter().map(|(_, key)| *key).collect();
    let mut question = Question::new(scene, vec![Words { parts, private: false }], keys);
    question.ask_again = question.ask_again.min(LANGUAGE_ASKED_AGAIN);
    // In which language would it be said?
    question.apologises = false;
    go_on(question.ask(scene), LANGUAGE.to_owned(), About::Language, scene)
}

/// States it, asks; no answer is a no, and a no costs nothing (§10).
pub(super) fn permission(scene: &mut Scene) -> Turn {
    if scene.flow.recording == Recording::Never {
        return Turn::Next;
    }
    let mut question = Question::new(scene, vec![scene.phrase(Phrase::AskPermission)], vec!['1', '2']);
    question.ask_again = 0;
    // A yes to a question that was not heard is no permission.
    question.may_be_ahead = false;
    go_on(question.ask(scene), RECORDING.to_owned(), About::Permission, scene)
}

/// Spoken from the options, so that the words never promise a key that leads elsewhere (§2).
pub(super) fn menu(scene: &mut Scene, menu: &Menu) -> Turn {
    let asks = scene.sentence(&menu.question);
    let options = menu.choices.iter().fold(Words::default(), |said, choice| {
        said.then(scene.sentence(&choice.spoken))
    });
    let whole = asks.then(options.clone());
    let keys = menu.choices.iter().map(|choice| choice.key).collect();
    let question = Question::new(scene, vec![whole.clone(), whole, options], keys);
    go_on(
        question.ask(scene),
        menu.question.text(Language::English).to_owned(),
        About::Menu {
            choices: menu.choices.clone(),
            if_no_answer: menu.if_no_answer,
        },
        scene,
    )
}

pub(super) fn yes_or_no(
    scene: &mut Scene,
    asks: &Sentence,
    if_yes: SectionId,
    if_no: SectionId,
    if_no_answer: Option<SectionId>,
) -> Turn {
    let keys = scene.phrase(Phrase::YesOrNo);
    let whole = scene.sentence(asks).then(keys.clone());
    let question = Question::new(scene, vec![whole.clone(), whole, keys], vec!['1', '2']);
    go_on(
        question.ask(scene),
        asks.text(Language::English).to_owned(),
        About::YesOrNo {
            if_yes,
            if_no,
            if_no_answer,
        },
        scene,
    )
}

impl Choosing {
    pub(super) fn hear(self, scene: &mut Scene, heard: Heard) -> Turn {
        let asked = self.ask.hear(scene, &heard);
        go_on(asked, self.name, self.about, scene)
    }

    /// The question's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn due(&self) -> Timestamp {
        self.ask.due()
    }

    pub(super) fn asks(&self) -> Asks {
        Asks::Key {
            keys: self.ask.keys(),
            question: None,
        }
    }
}

fn go_on(asked: Asked, name: String, about: About, scene: &mut Scene) -> Turn {
    let (key, nothing) = match asked {
        Asked::Still(ask) => return Turn::Stay(Doing::Choosing(Choosing { ask, name, about })),
        Asked::Zero => {
            scene.chose(name, Chosen::Zero);
            return scene.flow.every_question.press_zero.map_or(Turn::Next, Turn::To);
        }
        Asked::Key(key) => (Some(key), Chosen::OtherKeys),
        Asked::Unanswered { silent } => (None, Chosen::nothing(silent)),
    };
    match about {
        About::Language => {
            let at = key.and_then(|key| key.to_digit(10)).unwrap_or(1).saturating_sub(1);
            let chosen = usize::try_from(at)
                .ok()
                .and_then(|at| scene.flow.languages.get(at).copied());
            scene.language = chosen.unwrap_or(scene.language);
            scene.note(Note::Language(scene.language));
            Turn::Next
        }
        About::Permission => {
            let given = key == Some('1');
            scene.permission = Some(given);
            scene.note(Note::Permission(given));
            if given {
                scene.start_recording();
            }
            // What is said is what is done, also when the disk is full.
            let recorded = given && !scene.recordings_down;
            say::phrase_then(
                scene,
                if recorded {
                    Phrase::WillRecord
                } else {
                    Phrase::WillNotRecord
                },
                None,
            )
        }
        About::Menu { choices, if_no_answer } => {
            let Some(choice) = key.and_then(|key| choices.into_iter().find(|choice| choice.key == key)) else {
                scene.chose(name, nothing);
                return Turn::To(scene.unanswered(if_no_answer));
            };
            scene.chose(name, Chosen::Option(choice.label.text(Language::English).to_owned()));
            if let Some((name, value)) = &choice.remember {
                scene.remember(name, value);
            }
            choice.go_to.map_or(Turn::Next, Turn::To)
        }
        About::YesOrNo {
            if_yes,
            if_no,
            if_no_answer,
        } => {
            let (choice, section) = match key {
                Some('1') => (Chosen::Yes, if_yes),
                Some(_) => (Chosen::No, if_no),
                None => (nothing, scene.unanswered(if_no_answer)),
            };
            scene.chose(name, choice);
            Turn::To(section)
        }
    }
}
