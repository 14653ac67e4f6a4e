//! `nightdesk keys`: the ceremony, the months ahead, rotation, recovery, backup and what there is.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use keyring::{Kept, Keyring, Token};
use seal::{Month, Part, Place, Tenant};

use super::{MONTHS_AHEAD, THE_HOUSE, ask, entropy, failed};
use crate::config::Settings;
use crate::gate::{About, Gate};
use crate::{Failure, flows, out, serve};

/// A backup of keys is older than its use after so many days: what was destroyed shall not live on in it.
const BACKUP_DAYS: i64 = 30;
const MANIFEST: &str = "manifest";

/// Keys of this machine.
#[derive(Subcommand)]
pub(crate) enum Keys {
    /// Development keys: make every key that is missing; the root lies there as it is
    Make {
        /// The folder, not on the data disk
        folder: PathBuf,
        /// The configuration whose practices get keys of their own
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Make a practice's keys, once: the root, three parts of a recovery key to write down, the months ahead
    #[command(after_help = "Example: nightdesk keys ceremony --config nightdesk.yaml")]
    Ceremony {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        keeper: Keeper,
    },
    /// Make the keys of the months ahead, and the bundle the engine is started with
    Provision {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
        /// How many months from this one on
        #[arg(long, default_value_t = MONTHS_AHEAD, value_parser = clap::value_parser!(u16).range(1..=120))]
        months: u16,
    },
    /// Replace keys: --root, --practice NAME, --months-from 2026-11; recordings get new headers, their sound is not touched
    Rotate {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
        /// A new root
        #[arg(long)]
        root: bool,
        /// A new key for the practice of this name
        #[arg(long)]
        practice: Option<String>,
        /// New keys for this month and those after it; recordings are wrapped anew for them
        #[arg(long)]
        months_from: Option<String>,
        #[command(flatten)]
        keeper: Keeper,
    },
    /// Open the root with two of the three parts of its recovery key, and give it a new passphrase
    Recover {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
        /// A file with a part as it was printed, twice; without it the parts are read from standard input
        #[arg(long)]
        part: Vec<PathBuf>,
        /// Only say whether the two open it
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        keeper: Keeper,
    },
    /// Copy the keys into a folder of their own; copies older than 30 days are wiped
    Backup {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
        /// Where backups of keys lie; never beside a backup of the data
        to: PathBuf,
    },
    /// Bring keys back from a backup into an empty folder
    Restore {
        /// One backup, a folder with a manifest
        from: PathBuf,
        /// The folder of keys, empty or not there
        folder: PathBuf,
    },
    /// What there is: which root and who keeps it, until when each practice is provisioned
    Status {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Make the key of a person who approves releases; its public half goes into the engine's keys
    #[command(after_help = "Example: nightdesk keys approver \"Adaeze Okafor MD\" ~/keys")]
    Approver {
        /// Their name, as the approval in the protocol has it
        name: String,
        /// A folder of their own
        folder: PathBuf,
    },
}

/// Who keeps a root; a passphrase when nothing is said.
#[derive(clap::Args)]
pub(crate) struct Keeper {
    /// A systemd credential of this name keeps the root
    #[arg(long, requires = "root_to", conflicts_with_all = ["environment", "token"])]
    credential: Option<String>,
    /// An environment variable of this name keeps the root
    #[arg(long, requires = "root_to", conflicts_with = "token")]
    environment: Option<String>,
    /// Where to write the root for the credential or variable; take it from there and wipe the file
    #[arg(long)]
    root_to: Option<PathBuf>,
    /// The security token of this label keeps the root
    #[arg(long, requires = "module")]
    token: Option<String>,
    /// The token's PKCS#11 library
    #[arg(long)]
    module: Option<PathBuf>,
    /// The label of the token's wrapping key, made if it is not there
    #[arg(long, default_value = "nightdesk")]
    token_key: String,
}

impl Keeper {
    fn kept(&self) -> Kept {
        if let Some(name) = &self.credential {
            return Kept::Credential(name.clone());
        }
        if let Some(name) = &self.environment {
            return Kept::Environment(name.clone());
        }
        match self.token.clone().zip(self.module.clone()) {
            Some((label, module)) => Kept::Token(Token {
                module,
                label,
                key: self.token_key.clone(),
            }),
            None => Kept::Passphrase,
        }
    }

    /// Puts the root where whoever keeps it takes it from.
    fn hand_over(&self, unlocked: &keyring::Unlocked) -> Result<(), Failure> {
        let Some(path) = &self.root_to else { return Ok(()) };
        super::write_to(path, &unlocked.root_file())?;
        if let Some(name) = &self.credential {
            out!(
                "   now: systemd-creds encrypt --name={name} {0} /etc/credstore.encrypted/{name} && shred -u {0}",
                path.display()
            );
        } else {
            out!(
                "   now: give {} to whatever sets the variable, then shred -u it",
                path.display()
            );
        }
        Ok(())
    }
}

/// `nightdesk keys …`
pub(crate) fn keys(command: Keys) -> Result<(), Failure> {
    match command {
        Keys::Make { folder, config } => {
            let practices = match config {
                Some(config) => names(&serve::settings(&config)?),
                None => Vec::new(),
            };
            let made = super::make(&folder, &practices, MONTHS_AHEAD)?;
            out!(
                "{}",
                if made.is_empty() {
                    "every key is there".to_owned()
                } else {
                    format!("made {}", made.join(", "))
                }
            );
            Ok(())
        }
        Keys::Ceremony { config, keeper } => ceremony(&serve::settings(&config)?, &config, &keeper),
        Keys::Provision { config, months } => provision(&serve::settings(&config)?, months),
        Keys::Rotate {
            config,
            root,
            practice,
            months_from,
            keeper,
        } => rotate(
            &serve::settings(&config)?,
            root,
            practice.as_deref(),
            months_from.as_deref(),
            &keeper,
        ),
        Keys::Recover {
            config,
            part,
            dry_run,
            keeper,
        } => recover(&serve::settings(&config)?, &part, dry_run, &keeper),
        Keys::Backup { config, to } => backup(&serve::settings(&config)?.keys, &to),
        Keys::Restore { from, folder } => restore(&from, &folder),
        Keys::Status { config } => status(&serve::settings(&config)?),
        Keys::Approver { name, folder } => {
            let public = super::make_approver(&name, &folder)?;
            out!(
                "made the key of {name}; copy {} into {}/ of the engine's key folder, and keep the secret half to yourself",
                public.display(),
                super::APPROVERS
            );
            Ok(())
        }
    }
}

/// Keys and data may not lie in one another: a backup or a thief would have both.
pub(crate) fn are_apart(settings: &Settings) -> Result<(), Failure> {
    let served = exchange::practices_in(&settings.practices);
    if served.iter().all(|practice| exchange::is_lab(&settings.labs, practice)) {
        return Ok(());
    }
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (keys, data) = (whole(&settings.keys), whole(&settings.data));
    if keys.starts_with(&data) || data.starts_with(&keys) {
        return Err(Failure::new(
            format!(
                "the keys ({}) and the data ({}) lie in one another: whoever copies one has both",
                keys.display(),
                data.display()
            ),
            "move the keys to another disk, and name it with `keys:` in the configuration; nothing was started",
        ));
    }
    Ok(())
}

fn ceremony(settings: &Settings, config: &Path, keeper: &Keeper) -> Result<(), Failure> {
    are_apart(settings)?;
    let (folder, config) = (&settings.keys, config.display());
    let keyring = Keyring::at(folder);
    if keyring.root().map_err(failed)?.is_some() {
        return Err(failed(keyring::Fault::RefusedRootIsThere(folder.clone())));
    }
    let kept = keeper.kept();
    out!(
        "Keys for {}. Have paper, three envelopes and three people ready.",
        folder.display()
    );
    out!("");
    let mut unlocked = keyring
        .create(&kept, &mut ask::person(), &mut entropy())
        .map_err(failed)?;
    let root = seal::keys::hex(&unlocked.root_id());
    out!("1. The root {root} is made. It is kept by {kept}.");
    keeper.hand_over(&unlocked)?;
    out!("");
    out!(
        "2. The recovery key. Write each part on paper of its own (do not print or photograph it), put it into an envelope"
    );
    out!(
        "   with the words \"Nightdesk root {root}\", and give each to another person, who keeps it outside of this office."
    );
    out!("   Any two bring the keys back when the passphrase or token is lost; one alone is worth nothing.");
    let parts = unlocked.make_recovery(&mut entropy()).map_err(failed)?;
    for part in &parts {
        out!("");
        out!(
            "   part {} of 3, recovery key {}",
            part.number,
            seal::keys::hex(&part.of)
        );
        for row in part.to_text().lines() {
            out!("      {row}");
        }
    }
    out!("");
    let made = super::make_book(folder)?;
    let names = names(settings);
    let keys = super::provision(folder, &mut unlocked, &names, MONTHS_AHEAD)?;
    out!(
        "3. Keys of the book and the engine are made ({}), and {keys} keys of the next {MONTHS_AHEAD} months for",
        made.join(", ")
    );
    out!(
        "   {}.",
        std::iter::once(THE_HOUSE.to_owned())
            .chain(names)
            .collect::<Vec<_>>()
            .join(", ")
    );
    out!("");
    out!("4. Have two people read their parts back: nightdesk keys recover --dry-run --config {config}");
    out!(
        "5. Put a copy away: nightdesk keys backup --config {config} FOLDER-ON-ANOTHER-DISK, and try a restore there."
    );
    out!("6. Clear this screen. In {MONTHS_AHEAD} months at the latest: nightdesk keys provision --config {config}");
    Ok(())
}

fn provision(settings: &Settings, months: u16) -> Result<(), Failure> {
    are_apart(settings)?;
    let _allowed = Gate::new(settings).pass("keys provision", &About::default(), "")?;
    let mut unlocked = super::unlock(&settings.keys)?;
    super::make_book(&settings.keys)?;
    let names = names(settings);
    let made = super::provision(&settings.keys, &mut unlocked, &names, months)?;
    let until = this_month().plus(months - 1);
    out!(
        "{made} keys made; {} practices and the house are provisioned until {until}",
        names.len()
    );
    out!("a running engine takes them by itself within seconds");
    Ok(())
}

fn rotate(
    settings: &Settings,
    root: bool,
    practice: Option<&str>,
    months_from: Option<&str>,
    keeper: &Keeper,
) -> Result<(), Failure> {
    let folder = &settings.keys;
    if !root && practice.is_none() && months_from.is_none() {
        return Err(Failure::new(
            "nothing was named to be replaced",
            "add --root, --practice \"Cedar Family Medicine\" or --months-from 2026-11",
        ));
    }
    let from = months_from
        .map(|text| text.parse::<Month>())
        .transpose()
        .map_err(|fault| Failure::new(fault.to_string(), "write it like 2026-11"))?;
    let _allowed = Gate::new(settings).pass("keys rotate", &About::default(), "")?;
    let mut unlocked = super::unlock(folder)?;
    let left = unlocked.tidy().map_err(failed)?;
    if left > 0 {
        out!("an earlier rotation was interrupted; {left} files it left are gone");
    }
    if let Some(name) = practice {
        let tenant = if name == THE_HOUSE {
            Tenant::HOUSE
        } else {
            Tenant::named(name)
        };
        let done = unlocked.rotate_practice(tenant, &mut entropy()).map_err(failed)?;
        out!(
            "{name} has a new key; {} keys of months are wrapped under it",
            done.wrapped
        );
    }
    if root {
        let kept = keeper.kept();
        let done = unlocked
            .rotate_root(&kept, &mut ask::person(), &mut entropy())
            .map_err(failed)?;
        keeper.hand_over(&unlocked)?;
        out!(
            "the root is {} now, kept by {kept}; {} practices hang on it, and the parts of the recovery key stay good",
            seal::keys::hex(&unlocked.root_id()),
            done.wrapped
        );
    }
    if let Some(from) = from {
        let months = this_month().plus(MONTHS_AHEAD).since(from);
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let tenants: Vec<Tenant> = unlocked.practices().map(|(tenant, _)| tenant).collect();
        for tenant in tenants {
            unlocked
                .renew_months(tenant, from, months, now_ms, &mut entropy())
                .map_err(failed)?;
        }
        super::provision(folder, &mut unlocked, &[], 1)?;
        let engine = super::read(folder, "engine.public", seal::RecipientPublic::from_engine_bytes)?;
        unlocked.provision_engine(&engine, &mut entropy()).map_err(failed)?;
        let done = rewrap(settings, &unlocked)?;
        out!(
            "every month from {from} on has new keys; {} recordings have new headers, {} needed none",
            done.wrapped,
            done.left
        );
        out!(
            "a running engine takes them by itself within seconds; what it recorded until then opens all the same, and is wrapped for \
             the new keys by the same command again"
        );
    }
    Ok(())
}

/// New headers for every recording whose month has a newer recipient than the one it was sealed for.
fn rewrap(settings: &Settings, unlocked: &keyring::Unlocked) -> Result<vault::Rewrapped, Failure> {
    let folder = settings.data.join("recordings");
    let vault = vault::Vault::open(folder, vault::Locks::default(), super::draw()).map_err(Failure::vault)?;
    let shares = Keyring::at(&settings.keys).shares();
    let mut trouble = None;
    let done = vault.rewrap(|header| {
        let anew = || -> Result<Option<[u8; seal::HEADER]>, keyring::Fault> {
            let Some(slot) = header.slots.first() else {
                return Ok(None);
            };
            let Some((month, class)) = Month::of_generation(slot.epoch) else {
                return Ok(None);
            };
            let mut newest = None;
            for tenant in [Tenant(header.fixed.tenant), Tenant::HOUSE] {
                newest = newest.or(unlocked.newest(Place { tenant, month, class })?);
            }
            let Some(newest) = newest.filter(|newest| newest.id() != slot.key_id) else {
                return Ok(None);
            };
            let secret = unlocked.recipient(header)?;
            let share = shares.find(Month::of_unix_ms(header.fixed.start_ms), &header.fixed.file)?;
            if header.asks_for_share() && share.is_none() {
                // Destroyed: nobody needs a new header for it.
                return Ok(None);
            }
            let share = share.filter(|_| header.asks_for_share());
            let to = [newest];
            Ok(Some(seal::rewrap(
                header,
                &secret,
                share.as_ref(),
                &to,
                share.as_ref(),
                &mut entropy(),
            )?))
        };
        match anew() {
            Ok(new) => Ok(new),
            // Whose key was destroyed stays as it is.
            Err(keyring::Fault::RefusedGone(_)) => Ok(None),
            Err(fault) => {
                trouble = Some(fault);
                Err(vault::Fault::Seal(seal::Fault::RefusedKey))
            }
        }
    });
    match (done, trouble) {
        (_, Some(fault)) => Err(failed(fault)),
        (done, None) => done.map_err(Failure::vault),
    }
}

fn recover(settings: &Settings, files: &[PathBuf], dry_run: bool, keeper: &Keeper) -> Result<(), Failure> {
    let keyring = Keyring::at(&settings.keys);
    let parts = if files.is_empty() {
        out!("type two parts, three rows each, as they stand on paper; then Ctrl-D");
        let mut typed = zeroize::Zeroizing::new(String::new());
        let limit = 4096;
        std::io::stdin()
            .take(limit)
            .read_to_string(&mut typed)
            .map_err(Failure::file(Path::new("standard input")))?;
        let rows: Vec<&str> = typed.lines().filter(|row| !row.trim().is_empty()).collect();
        rows.chunks(3).map(|rows| rows.join("\n")).collect()
    } else {
        let read = |path: &PathBuf| fs::read_to_string(path).map_err(Failure::file(path));
        files.iter().map(read).collect::<Result<Vec<_>, _>>()?
    };
    let [one, two] = parts.as_slice() else {
        return Err(Failure::new(
            format!("{} parts were given", parts.len()),
            "give two of the three, each as it stands on its paper",
        ));
    };
    let part = |text: &String| {
        Part::from_text(text)
            .map_err(|fault| Failure::new(fault.to_string(), "compare that row with the paper, letter by letter"))
    };
    let unlocked = keyring.recover(&part(one)?, &part(two)?).map_err(failed)?;
    out!("the two parts open the root {}", seal::keys::hex(&unlocked.root_id()));
    if dry_run {
        return Ok(());
    }
    let kept = keeper.kept();
    unlocked
        .keep_by(&kept, &mut ask::person(), &mut entropy())
        .map_err(failed)?;
    keeper.hand_over(&unlocked)?;
    out!("from now on it is kept by {kept}; nothing that was sealed has changed");
    Ok(())
}

/// Copies every file of keys, names each with its hash, and wipes copies that are too old.
fn backup(folder: &Path, to: &Path) -> Result<(), Failure> {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    super::private_folder(to)?;
    if whole(to).starts_with(whole(folder)) {
        return Err(Failure::new(
            format!("{} lies in the folder of keys itself", to.display()),
            "name a folder on another disk",
        ));
    }
    let now = jiff::Timestamp::now();
    let copy = to.join(format!("keys-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    super::private_folder(&copy)?;
    let mut manifest = format!("nightdesk-keys-backup 1\nmade {}\n", now.as_second());
    let mut count = 0;
    for path in files(folder)? {
        let inside = path.strip_prefix(folder).unwrap_or(&path);
        if path.extension().is_some_and(|ending| ending == "new") {
            continue;
        }
        let bytes = zeroize::Zeroizing::new(fs::read(&path).map_err(Failure::file(&path))?);
        let beside = copy.join(inside);
        if let Some(above) = beside.parent() {
            super::private_folder(above)?;
        }
        super::write_to(&beside, &bytes)?;
        manifest.push_str(&format!(
            "{} {}\n",
            seal::keys::hex(&seal::hash(&bytes)),
            inside.display()
        ));
        count += 1;
    }
    // Last: a copy without its manifest is none.
    super::write_to(&copy.join(MANIFEST), manifest.as_bytes())?;
    out!("{count} files of keys are in {}", copy.display());
    out!(
        "what is kept by a passphrase, token or credential still needs it; the rest opens with this copy: lock it away"
    );
    let mut wiped = 0;
    for entry in fs::read_dir(to).map_err(Failure::file(to))? {
        let path = entry.map_err(Failure::file(to))?.path();
        let made = fs::read_to_string(path.join(MANIFEST)).ok().and_then(|text| {
            let made = text.lines().find_map(|line| line.strip_prefix("made "))?;
            made.parse::<i64>().ok()
        });
        if made.is_some_and(|made| now.as_second() - made > BACKUP_DAYS * 24 * 3600) {
            for file in files(&path)? {
                let length = fs::metadata(&file).map_err(Failure::file(&file))?.len();
                let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
                fs::write(&file, zeros).map_err(Failure::file(&file))?;
            }
            fs::remove_dir_all(&path).map_err(Failure::file(&path))?;
            wiped += 1;
        }
    }
    if wiped > 0 {
        out!("{wiped} copies older than {BACKUP_DAYS} days are wiped: what was destroyed since is gone with them");
    }
    Ok(())
}

fn restore(from: &Path, folder: &Path) -> Result<(), Failure> {
    if files(folder)?.iter().any(|path| path.is_file()) {
        return Err(Failure::new(
            format!("{} is not empty", folder.display()),
            "restore into an empty folder, look at it with `nightdesk keys status`, then put it in the old one's place",
        ));
    }
    let manifest = fs::read_to_string(from.join(MANIFEST)).map_err(Failure::file(&from.join(MANIFEST)))?;
    let mut lines = manifest.lines();
    if lines.next() != Some("nightdesk-keys-backup 1") {
        return Err(Failure::new(
            format!("{} is no backup of keys", from.display()),
            "name the folder keys-… that `nightdesk keys backup` made",
        ));
    }
    let damaged = |name: &str| {
        Failure::new(
            format!("{name} in {} is not what was backed up", from.display()),
            "take another backup; nothing of this one is in force",
        )
    };
    // All of it is judged before any of it is written.
    let mut found = Vec::new();
    for line in lines.filter(|line| !line.starts_with("made ")) {
        let (hash, name) = line.split_once(' ').ok_or_else(|| damaged(MANIFEST))?;
        let inside = Path::new(name);
        let plain = inside
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !plain {
            return Err(damaged(MANIFEST));
        }
        let path = from.join(inside);
        let bytes = zeroize::Zeroizing::new(fs::read(&path).map_err(Failure::file(&path))?);
        if seal::keys::hex(&seal::hash(&bytes)) != hash {
            return Err(damaged(name));
        }
        found.push((folder.join(inside), bytes));
    }
    for (path, bytes) in &found {
        if let Some(above) = path.parent() {
            super::private_folder(above)?;
        }
        super::write_to(path, bytes)?;
    }
    out!("{} files of keys are back in {}", found.len(), folder.display());
    show(folder)
}

fn status(settings: &Settings) -> Result<(), Failure> {
    show(&settings.keys)?;
    if let Err(failure) = are_apart(settings) {
        out!("{failure}");
    }
    let holdings = Keyring::at(&settings.keys).standing().map_err(failed)?.practices;
    for name in names(settings) {
        if !holdings.iter().any(|holding| holding.tenant == Tenant::named(&name)) {
            out!(
                "{name} has no keys of its own: its recordings are sealed for {THE_HOUSE} until `nightdesk keys provision`"
            );
        }
    }
    Ok(())
}

fn show(folder: &Path) -> Result<(), Failure> {
    let standing = Keyring::at(folder).standing().map_err(failed)?;
    match &standing.root {
        None => out!("no root: run `nightdesk keys ceremony`, or `nightdesk keys make` for development"),
        Some(root) => {
            out!("root {}  kept by {}", seal::keys::hex(&root.id), root.kept);
            match root.recovery {
                Some(of) => out!(
                    "recovery key {}  two of its three parts open the root",
                    seal::keys::hex(&of)
                ),
                None => out!("no recovery key: whoever loses the root loses every recording"),
            }
        }
    }
    for holding in &standing.practices {
        let months = match holding.months {
            Some((first, last)) => format!("{first} to {last}"),
            None => "no month".to_owned(),
        };
        out!("{:<32}  {months}  {} keys", holding.name, holding.keys);
    }
    let shares: usize = standing.shares.iter().map(|(_, count)| count).sum();
    out!("{shares} shares of recordings");
    match super::engine_keys(folder) {
        Ok(Some(keys)) => {
            let until = keys
                .until
                .map_or_else(|| "no month".to_owned(), |until| until.to_string());
            out!("the engine's bundle reaches to {until}");
        }
        Ok(None) => out!("no bundle for the engine: run `nightdesk keys provision`"),
        Err(failure) => out!("the engine's bundle cannot be opened from here: {failure}"),
    }
    Ok(())
}

/// The names of the practices an engine serves, as far as their files can be read.
fn names(settings: &Settings) -> Vec<String> {
    let mut names = Vec::new();
    for folder in exchange::practices_in(&settings.practices) {
        match flows::source(&folder).and_then(|source| flows::practice(&source, &folder)) {
            Ok(practice) => names.push(practice.name.clone()),
            Err(failure) => out!("{}: {failure}", folder.display()),
        }
    }
    names
}

fn this_month() -> Month {
    Month::of_unix_ms(jiff::Timestamp::now().as_millisecond())
}

/// Every file below a folder, by name; none where there is no folder.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::file(&next)(error)),
        };
        for entry in entries {
            let path = entry.map_err(Failure::file(&next))?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
