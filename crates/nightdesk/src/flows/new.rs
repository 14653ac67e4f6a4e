//! `nightdesk flow new`: a whole practice to begin with.

use std::path::PathBuf;

use clap::Args;
use flow::template::Template;

use super::{Failure, out};

/// `flow new`
#[derive(Args)]
#[command(
    after_help = "Kinds: primary-care, pediatrics, behavioral-health, ob-gyn, hospital, group-practice, outpatient-clinic, urgent-care, home-health.\nExample: nightdesk flow new practices/north --template primary-care --name \"North Clinic\""
)]
pub(crate) struct New {
    /// The folder to make; one called by the practice's name, here, unless said
    folder: Option<PathBuf>,
    /// The kind of organisation
    #[arg(long)]
    template: String,
    /// The practice's name, as callers hear it
    #[arg(long)]
    name: Option<String>,
}

/// Writes the files; never over anything.
pub(crate) fn new(new: &New) -> Result<(), Failure> {
    let template = Template::named(&new.template).ok_or_else(|| {
        let kinds: Vec<String> = Template::ALL
            .iter()
            .map(|known| format!("{} ({})", known.kind, known.about))
            .collect();
        Failure::new(
            format!("there is no template `{}`", new.template),
            format!("write one of: {}", kinds.join("; ")),
        )
    })?;
    let Some(said) = &new.name else {
        return Err(Failure::new(
            "callers would not know whom they have reached: the practice has no name yet",
            format!(
                "add its name as callers shall hear it: nightdesk flow new --template {} --name \"North Clinic\"",
                new.template
            ),
        ));
    };
    let name = said.trim();
    // The first letter of a plain word of YAML may be none of the others.
    let begins = name.starts_with(char::is_alphanumeric);
    if !begins || !name.chars().all(|c| c.is_alphanumeric() || " -'.&".contains(c)) {
        return Err(Failure::new(
            format!("`{said}` cannot be said as the name of a practice"),
            "write letters, digits, spaces and - ' . &, as callers know it",
        ));
    }
    let folder = new.folder.clone().unwrap_or_else(|| called_by(name));
    if std::fs::read_dir(&folder).is_ok_and(|mut inside| inside.next().is_some()) {
        return Err(Failure::new(
            format!("{} is not empty", folder.display()),
            "name a folder that is not there yet; nothing is ever written over",
        ));
    }
    std::fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    for (file, text) in template.files(name, super::today()) {
        let path = folder.join(file);
        std::fs::write(&path, text).map_err(Failure::file(&path))?;
        out!("wrote {}", path.display());
    }
    out!(
        "next: put in your people, hours and numbers, then `nightdesk flow check {0}`, `nightdesk flow simulate {0}`; to call it before \
         it is signed, name {0} in `lab practices` of an engine without patients",
        folder.display()
    );
    Ok(())
}

/// `north-clinic`, for North Clinic.
fn called_by(name: &str) -> PathBuf {
    let name = name.to_lowercase().replace(['\'', '.', '&'], "");
    let words: Vec<&str> = name.split([' ', '-']).filter(|word| !word.is_empty()).collect();
    PathBuf::from(words.join("-"))
}
