//! `nightdesk retention`: what goes when and why, what is held, and what is destroyed for good, with a certificate.
//!
//! A month's class of a practice goes with its keys: recordings, clips and rows under them can be opened no more, here and in
//! every backup of the data. One recording goes with its share. Keys and shares are never on the data disk, and their own
//! backups end within 30 days (design/controls.md §1.4). The engine destroys what is due once a day by itself, unless its
//! configuration asks for a person.

mod destroyed;
mod plan;
mod store;
pub(crate) mod tenant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use flow::Practice;
use jiff::Timestamp;
use ledger::Certificate;
use seal::{Month, Place, Retention as Class, Tenant};
use switchboard::CallId;

use crate::config::Settings;
use crate::gate::{self, About, Gate};
use crate::views::Views;
use crate::{Failure, Who, flows, keys, out, serve};
pub(crate) use destroyed::{Destroyed, Done};
use plan::{Held, Item, Kept};
use store::{Hold, Order, Over, Store, What};

/// Objects that one row of the book names. An order has more rows then; a certificate names the files by one hash.
const OBJECTS_IN_ROW_MAX: usize = 1500;

/// What a month goes by.
const MONTH_METHOD: &str = "cryptographic erase (NIST SP 800-88 Rev. 1): the month's wrapped keys and its files' shares were overwritten, \
     synced and unlinked, the sealed files removed; backups of keys end within 30 days";
/// What a practice goes by.
const TENANT_METHOD: &str = "cryptographic erase (NIST SP 800-88 Rev. 1): the wrapped keys of every month, past and to come, and the shares of \
     its files were overwritten, synced and unlinked, the sealed files removed; backups of keys end within 30 days; who did what is kept six \
     years (45 CFR 164.316) and holds nothing of a patient";
/// What one recording goes by.
const ITEM_METHOD: &str = "cryptographic erase (NIST SP 800-88 Rev. 1): the file's share of its key was overwritten, synced and unlinked, the \
     sealed file removed; backups of shares end within 30 days";

/// `nightdesk retention`
#[derive(Subcommand)]
pub(crate) enum Retention {
    /// What goes when, and why; destroys nothing
    Plan {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Named legal holds: what is held is destroyed by nobody
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Destroy what is due, or one month or recording; there is no way back, and a certificate
    #[command(
        after_help = "Examples: nightdesk retention destroy --due --config nightdesk.yaml --reason \"its time is over\"\n\
                      nightdesk retention destroy --recording 3f… --config nightdesk.yaml --reason \"patient's wish, letter of May 3\""
    )]
    Destroy {
        /// Everything whose time is over
        #[arg(long)]
        due: bool,
        /// One recording or clip
        #[arg(long, conflicts_with = "due")]
        recording: Option<String>,
        /// One practice's month
        #[arg(long, requires_all = ["month", "class"], conflicts_with_all = ["due", "recording"])]
        practice: Option<String>,
        /// Which month, 2026-11
        #[arg(long)]
        month: Option<Month>,
        /// Which class: audio, messages, keys, calls, audit
        #[arg(long)]
        class: Option<String>,
        /// Also before its time
        #[arg(long)]
        early: bool,
        #[command(flatten)]
        who: Who,
    },
    /// Print a certificate; `nightdesk-verify` checks it with the public key alone
    Certificate {
        /// Its id
        id: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

/// `nightdesk retention hold`
#[derive(Subcommand)]
pub(crate) enum HoldCommand {
    /// Hold a call, everything of one caller, a practice, or a span of months
    #[command(
        after_help = "Example: nightdesk retention hold add \"Doe v. Cedar\" --caller +15125550199 --config nightdesk.yaml --reason \"letter of counsel\""
    )]
    Add {
        /// Its name
        name: String,
        /// One call
        #[arg(long)]
        call: Option<String>,
        /// Everything of whoever calls from this number, also what is still to come
        #[arg(long)]
        caller: Option<String>,
        /// Everything of this practice; with months, those months of it
        #[arg(long)]
        practice: Option<String>,
        /// From this month
        #[arg(long, requires = "through")]
        from: Option<Month>,
        /// Through this month
        #[arg(long, requires = "from")]
        through: Option<Month>,
        #[command(flatten)]
        who: Who,
    },
    /// End a hold
    Lift {
        /// Its name
        name: String,
        #[command(flatten)]
        who: Who,
    },
    /// Every hold in force
    List {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

pub(crate) fn retention(command: &Retention) -> Result<(), Failure> {
    match command {
        Retention::Plan { config } => see(config, "retention plan")?.plan(),
        Retention::Hold(HoldCommand::List { config }) => {
            for hold in see(config, "retention hold list")?.store.holds.values() {
                out!(
                    "{:.10}  {}  {}  by {}: {}",
                    hold.at,
                    hold.name,
                    hold.over,
                    hold.by,
                    hold.reason
                );
            }
            Ok(())
        }
        Retention::Hold(HoldCommand::Add {
            name,
            call,
            caller,
            practice,
            from,
            through,
            who,
        }) => {
            let (mut room, by) = change(who, "retention hold add", practice.as_deref())?;
            let over = room.over(
                call.as_deref(),
                caller.as_deref(),
                practice.as_deref(),
                from.zip(*through),
            )?;
            if room.store.holds.contains_key(name) {
                return Err(Failure::new(
                    format!("there is a hold “{name}” already"),
                    "give this one another name, or lift the other first",
                ));
            }
            let hold = Hold {
                name: name.clone(),
                over,
                by: by.actor,
                reason: by.reason,
                at: Timestamp::now().to_string(),
            };
            room.store.hold(&hold)?;
            out!(
                "held: {}; nothing of it is destroyed until the hold is lifted",
                hold.over
            );
            Ok(())
        }
        Retention::Hold(HoldCommand::Lift { name, who }) => {
            let (mut room, by) = change(who, "retention hold lift", None)?;
            if !room.store.holds.contains_key(name) {
                return Err(Failure::new(
                    format!("there is no hold “{name}”"),
                    "see `nightdesk retention hold list`",
                ));
            }
            room.store.lift(name, &by.actor, &by.reason)?;
            out!("lifted; what is due goes with the next destruction");
            Ok(())
        }
        Retention::Destroy {
            due,
            recording,
            practice,
            month,
            class,
            early,
            who,
        } => {
            let (mut room, by) = change(who, "retention destroy", practice.as_deref())?;
            room.finish_what_began()?;
            if *due {
                return room.destroy_due(&by).map(drop);
            }
            let what = match (recording, practice, month, class) {
                (Some(recording), ..) => room.recording(recording)?,
                (None, Some(practice), Some(month), Some(class)) => room.month(practice, *month, class, *early)?,
                _ => {
                    return Err(Failure::new(
                        "nothing was named",
                        "name --due, --recording ID, or --practice NAME --month 2026-11 --class audio",
                    ));
                }
            };
            room.destroy(what, &by)
        }
        Retention::Certificate { id, config } => {
            let room = see(config, "retention certificate")?;
            let certificate = room.store.certificates.get(id).ok_or_else(|| {
                Failure::new(
                    format!("there is no certificate {id}"),
                    "copy the id from what `nightdesk retention destroy` said, or from the engine's log",
                )
            })?;
            out!("{certificate}");
            Ok(())
        }
    }
}

/// Who destroys or holds, and why.
pub(crate) struct By {
    actor: String,
    reason: String,
}

/// For whoever may see what is kept.
fn see(config: &Path, command: &str) -> Result<Room, Failure> {
    let settings = serve::settings(config)?;
    let allowed = Gate::new(&settings).pass(command, &About::default(), "")?;
    if !allowed.sees(None) {
        return Err(crate::audit::of_every_practice());
    }
    Room::of(settings)
}

/// For whoever may change what is kept; without a practice it is everybody's.
fn change(who: &Who, command: &str, practice: Option<&str>) -> Result<(Room, By), Failure> {
    let settings = serve::settings(&who.config)?;
    let about = About {
        practice,
        ..About::default()
    };
    let allowed = gate::pass(&settings, command, &about, who)?;
    if practice.is_none() && !allowed.sees(None) {
        return Err(crate::audit::of_every_practice());
    }
    let by = By {
        actor: allowed.person,
        reason: who.reason.clone(),
    };
    Ok((Room::of(settings)?, by))
}

/// What the engine does once a day, and as it starts: completes what a crash interrupted, and destroys what is due unless a
/// person has to. Gives the certificates' names.
pub(crate) fn daily(settings: Settings, by_itself: bool) -> Result<Vec<String>, Failure> {
    let mut room = Room::of(settings)?;
    let mut done = room.finish_what_began()?;
    if by_itself {
        let engine = By {
            actor: "the engine".into(),
            reason: "its time is over".into(),
        };
        done.extend(room.destroy_due(&engine)?);
    }
    Ok(done)
}

/// Everything that is needed to plan and to destroy.
struct Room {
    settings: Settings,
    kept: BTreeMap<Tenant, Kept>,
    store: Store,
}

impl Room {
    fn of(settings: Settings) -> Result<Self, Failure> {
        let mut kept = BTreeMap::from([(Tenant::HOUSE, Kept::otherwise("the house"))]);
        let standing = keyring::Keyring::at(&settings.keys).standing().map_err(keyring_fault)?;
        for holding in standing.practices {
            kept.entry(holding.tenant)
                .or_insert_with(|| Kept::otherwise(&holding.name));
        }
        for folder in folders(&settings.practices) {
            // A practice that does not compile is kept as long as one that says nothing.
            if let Ok(source) = flows::source(&folder)
                && let Ok(practice) = flows::practice(&source, &folder)
            {
                kept.insert(Tenant::named(&practice.name), periods(&practice));
            }
        }
        let store = Store::open(settings.data.clone(), settings.keys.clone())?;
        Ok(Self { settings, kept, store })
    }

    fn views(&self) -> Result<Views, Failure> {
        crate::archive::Archive::new(&self.settings).views()
    }

    fn vault(&self) -> Result<vault::Vault, Failure> {
        crate::archive::Archive::new(&self.settings).vault()
    }

    /// Every place there are keys for.
    fn places(&self) -> Result<Vec<Place>, Failure> {
        let ring = keys::rows(&self.settings.keys)?.now();
        let mut places: Vec<Place> = ring.iter().map(|(_, place, _)| place).collect();
        places.extend(keys::recipient_places(&self.settings.keys)?);
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    fn items(&self) -> Result<Vec<Item>, Failure> {
        Ok(plan::plan(self.places()?, &self.kept, &self.held()?))
    }

    fn plan(&self) -> Result<(), Failure> {
        let today = plan::today(Timestamp::now());
        self.shorter().iter().for_each(|note| out!("{note}"));
        let items = self.items()?;
        let this_month = Month::of_unix_ms(Timestamp::now().as_millisecond());
        for item in items.iter().filter(|item| item.place.month <= this_month) {
            let why = if item.held.is_empty() {
                format!("kept for {} days", item.days)
            } else {
                format!("HELD by {}", item.held.join(", "))
            };
            let due = if item.is_due(today) { "due" } else { "   " };
            out!(
                "{}  {due}  {} {}  {}  {why}",
                item.on,
                item.place.month,
                item.place.class,
                item.practice
            );
        }
        let due = items.iter().filter(|item| item.is_due(today)).count();
        out!(
            "{due} of {} months and classes are due; nothing was destroyed",
            items.len()
        );
        for order in self.store.unfinished() {
            out!(
                "began and not finished: {}; the next destruction completes it",
                order.what
            );
        }
        if items.is_empty() {
            out!(
                "no month has keys of its own: `nightdesk keys provision` makes them, and only what is written after that can go"
            );
        }
        Ok(())
    }

    /// What is kept for less than six years, and by whom.
    fn shorter(&self) -> Vec<String> {
        let of = |kept: &Kept| {
            let shorter = kept.days.iter().filter(|(_, days)| **days < plan::SIX_YEARS_DAYS);
            let note = |(class, days): (&Class, &u32)| {
                format!(
                    "note: {} keeps {class} for {days} days; less than six years is for the practice to answer (RET-01)",
                    kept.name
                )
            };
            shorter.map(note).collect::<Vec<_>>()
        };
        self.kept.values().flat_map(of).collect()
    }

    /// Holds, as months of practices.
    fn held(&self) -> Result<Vec<Held>, Failure> {
        let (first, last) = (Month::of_unix_ms(0), Month::of_unix_ms(i64::MAX));
        let mut views = None;
        let mut held = Vec::new();
        for hold in self.store.holds.values() {
            let mut keep = |tenant, from, through| {
                held.push(Held {
                    hold: hold.name.clone(),
                    tenant,
                    from,
                    through,
                });
            };
            match &hold.over {
                Over::Practice(practice) => keep(Some(Tenant::named(practice)), first, last),
                Over::Months {
                    practice,
                    from,
                    through,
                } => keep(
                    practice.as_deref().map(Tenant::named),
                    from.parse().unwrap_or(first),
                    through.parse().unwrap_or(last),
                ),
                Over::Call(_) | Over::Caller(_) => {
                    let views = match &mut views {
                        Some(views) => views,
                        none => none.insert(self.views()?),
                    };
                    let calls = match &hold.over {
                        Over::Caller(number) => views.calls_from(number)?,
                        Over::Call(call) => CallId::parse(call).into_iter().collect(),
                        Over::Practice(_) | Over::Months { .. } => Vec::new(),
                    };
                    for call in calls {
                        match whose(views, call)? {
                            Some((tenant, from, through)) => keep(Some(tenant), from, through),
                            // Nobody can say any more where it lies: then nothing goes.
                            None => keep(None, first, last),
                        }
                    }
                }
            }
        }
        Ok(held)
    }

    /// What a hold is to keep.
    fn over(
        &self,
        call: Option<&str>,
        caller: Option<&str>,
        practice: Option<&str>,
        months: Option<(Month, Month)>,
    ) -> Result<Over, Failure> {
        if let Some(practice) = practice {
            self.known(practice)?;
        }
        match (call, caller, practice, months) {
            (Some(call), None, None, None) => {
                let id = crate::calls::id(call)?;
                if whose(&self.views()?, id)?.is_none() {
                    return Err(Failure::new(
                        format!("the book knows no call {call}"),
                        "copy the id from `nightdesk calls list`",
                    ));
                }
                Ok(Over::Call(call.to_owned()))
            }
            (None, Some(caller), None, None) => {
                let number = sip::number::e164_of(caller, sip::number::Country::US)
                    .ok_or_else(|| Failure::new("that is no telephone number", "write it as +1 and ten digits"))?;
                Ok(Over::Caller(number.expose().to_string()))
            }
            (None, None, Some(practice), None) => Ok(Over::Practice(practice.to_owned())),
            (None, None, practice, Some((from, through))) if from <= through => Ok(Over::Months {
                practice: practice.map(str::to_owned),
                from: from.to_string(),
                through: through.to_string(),
            }),
            _ => Err(Failure::new(
                "a hold is over one thing",
                "name --call, --caller, --practice, or --from and --through (with --practice, of that one)",
            )),
        }
    }

    fn known(&self, practice: &str) -> Result<Tenant, Failure> {
        let tenant = Tenant::named(practice);
        if !self.kept.contains_key(&tenant) {
            let names: Vec<&str> = self.kept.values().map(|kept| kept.name.as_str()).collect();
            return Err(Failure::new(
                format!("there is no practice “{practice}”"),
                format!("write its name as its file does: {}", names.join(", ")),
            ));
        }
        Ok(tenant)
    }

    /// A month's class of a practice, when it may go.
    fn month(&self, practice: &str, month: Month, class: &str, early: bool) -> Result<What, Failure> {
        let tenant = self.known(practice)?;
        let class = Class::named(class).ok_or_else(|| {
            let names = Class::ALL.map(Class::name).join(", ");
            Failure::new(format!("there is no class “{class}”"), format!("write one of {names}"))
        })?;
        let place = Place { tenant, class, month };
        let items = self.items()?;
        let Some(item) = items.into_iter().find(|item| item.place == place) else {
            return Err(Failure::new(
                format!("there is no key for {class} of {practice}, {month}"),
                "it was destroyed, or never made: see `nightdesk retention plan`",
            ));
        };
        refuse_held(&item.held)?;
        if !item.is_due(plan::today(Timestamp::now())) && !early {
            return Err(Failure::new(
                format!("{class} of {practice}, {month} has to be kept until {}", item.on),
                "wait, or say --early with a reason that stands in the certificate",
            ));
        }
        if early && class == Class::Audit {
            return Err(Failure::new(
                "who did what is kept for six years, whoever asks (45 CFR 164.316)",
                "leave it to its time",
            ));
        }
        Ok(of_month(&item))
    }

    /// One recording, when it may go.
    fn recording(&self, text: &str) -> Result<What, Failure> {
        let id: vault::FileId = text
            .parse()
            .map_err(|fault| Failure::new(format!("{fault}"), "copy the id from `nightdesk recordings list`"))?;
        if let Some(done) = Destroyed::of(&self.settings)?.file(&id.0) {
            return Err(crate::recordings::gone(id, done));
        }
        let found = self.vault()?.find(id).map_err(Failure::vault)?;
        let month = Month::of_unix_ms(found.fixed.start_ms);
        let holds = self.held()?;
        let mut held = plan::holding(&holds, Tenant(found.fixed.tenant), month);
        let whose = whose(&self.views()?, CallId(found.fixed.call))?;
        if let Some((tenant, ..)) = whose {
            held.extend(plan::holding(&holds, tenant, month));
        }
        refuse_held(&held)?;
        let shares = keyring::Keyring::at(&self.settings.keys).shares();
        if shares.find(month, &id.0).map_err(keyring_fault)?.is_none() {
            return Err(Failure::new(
                "this recording has no share of its own: it was destroyed already, or sealed before there were shares",
                "destroy its month when that is due",
            ));
        }
        Ok(What::Recording {
            recording: seal::keys::hex(&id.0),
            month: month.to_string(),
        })
    }

    fn destroy_due(&mut self, by: &By) -> Result<Vec<String>, Failure> {
        let today = plan::today(Timestamp::now());
        let due: Vec<Item> = self.items()?.into_iter().filter(|item| item.is_due(today)).collect();
        let mut done = Vec::new();
        for item in &due {
            let order = self.order(of_month(item), by)?;
            done.push(self.carry_out(&order)?);
        }
        if due.is_empty() {
            out!("nothing is due");
        }
        Ok(done)
    }

    fn destroy(&mut self, what: What, by: &By) -> Result<(), Failure> {
        let order = self.order(what, by)?;
        self.carry_out(&order).map(drop)
    }

    /// Makes an order durable, with everything its certificate will say; only then anything is destroyed.
    fn order(&mut self, what: What, by: &By) -> Result<Order, Failure> {
        let mut objects = Vec::new();
        for found in self.files_of(&what)? {
            let octets = std::fs::read(&found.path).map_err(Failure::file(&found.path))?;
            objects.push((
                destroyed::file(&found.id.0),
                Some(seal::keys::hex(&seal::hash(&octets))),
            ));
        }
        // Whoever meets a row under one of these keys is told how it went.
        let places = self.places_of(&what)?;
        let ring = keys::rows(&self.settings.keys)?.now();
        let rows = ring.iter().filter(|(_, of, _)| places.contains(of));
        objects.extend(rows.map(|(id, ..)| (destroyed::rows(&id), None)));
        let order = Order {
            id: seal::keys::hex(&keys::draw()()),
            what,
            by: by.actor.clone(),
            reason: by.reason.clone(),
            objects,
        };
        self.store.order(&order)?;
        Ok(order)
    }

    /// The places of keys an order takes away, as far as they are still there.
    fn places_of(&self, what: &What) -> Result<Vec<Place>, Failure> {
        let mut places = self.places()?;
        places.retain(|place| match (what.place(), what.tenant()) {
            (Some(one), _) => *place == one,
            // Who did what is kept for six years, whoever asks (45 CFR 164.316(b)(2)(i)).
            (None, Some(tenant)) => place.tenant == tenant && place.class != Class::Audit,
            (None, None) => false,
        });
        Ok(places)
    }

    /// The sealed files an order takes away.
    fn files_of(&self, what: &What) -> Result<Vec<vault::Listed>, Failure> {
        let (all, _) = self.vault()?.list().map_err(Failure::vault)?;
        let (place, whose) = (what.place(), what.tenant());
        let one = what.recording();
        let meant = |found: &vault::Listed| {
            let class = match found.kind {
                vault::Kind::Call => Class::Audio,
                vault::Kind::Clip => Class::Messages,
            };
            let of = Place {
                tenant: Tenant(found.fixed.tenant),
                class,
                month: Month::of_unix_ms(found.fixed.start_ms),
            };
            place == Some(of) || whose == Some(of.tenant) || one.is_some_and(|(id, _)| id == found.id.0)
        };
        Ok(all.into_iter().filter(meant).collect())
    }

    /// Completes what a crash interrupted: whatever is gone already stays gone, and the certificate is written.
    fn finish_what_began(&mut self) -> Result<Vec<String>, Failure> {
        let unfinished = self.store.unfinished();
        unfinished.iter().map(|order| self.carry_out(order)).collect()
    }

    /// Destroys, makes sure of it, certifies.
    fn carry_out(&mut self, order: &Order) -> Result<String, Failure> {
        let keyring = keyring::Keyring::at(&self.settings.keys);
        let shares = keyring.shares();
        // The keys first: from then on whatever is left is ciphertext.
        let places = self.places_of(&order.what)?;
        for place in &places {
            keyring.destroy(*place).map_err(keyring_fault)?;
            keys::forget(&self.settings.keys, *place)?;
        }
        let method = match (&order.what, order.what.recording()) {
            (What::Month { .. }, _) => MONTH_METHOD,
            (What::Tenant { .. }, _) => TENANT_METHOD,
            (What::Recording { .. }, Some((id, month))) => {
                shares.wipe(month, &id).map_err(keyring_fault)?;
                ITEM_METHOD
            }
            (What::Recording { .. }, None) => {
                return Err(Failure::new(
                    format!("order {} is not understood", order.id),
                    "finish it with the version that gave it",
                ));
            }
        };
        for found in self.files_of(&order.what)? {
            let month = Month::of_unix_ms(found.fixed.start_ms);
            shares.wipe(month, &found.id.0).map_err(keyring_fault)?;
            // Its waveform goes with it.
            for path in [found.path.with_extension("ndpeaks"), found.path] {
                match std::fs::remove_file(&path) {
                    Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Failure::file(&path)(fault));
                    }
                    _ => {}
                }
            }
        }
        if !self.places_of(&order.what)?.is_empty() {
            return Err(Failure::new(
                format!("a key of {} is still there", order.what),
                "look for another process that provisions, and destroy again",
            ));
        }
        let certificate = Certificate {
            id: order.id.clone(),
            destroyed: order.what.to_string(),
            by: order.by.clone(),
            reason: order.reason.clone(),
            at: Timestamp::now().to_string(),
            method: method.to_owned(),
            objects: certified(&order.objects),
        };
        let signed = certificate.sign(&keys::for_book(&self.settings.keys)?.sign);
        self.store.certify(&signed)?;
        out!("destroyed: {}; certificate {}", order.what, order.id);
        Ok(order.id.clone())
    }
}

/// Whose a call was, and the months its rows and recordings lie in; none when nothing of it can be read.
fn whose(views: &Views, call: CallId) -> Result<Option<(Tenant, Month, Month)>, Failure> {
    let facts = views.facts_of(call)?;
    let months = facts
        .iter()
        .map(|stamped| Month::of_unix_ms(stamped.at.as_millisecond()));
    let span = months.clone().min().zip(months.max());
    let practice = facts.iter().find_map(|stamped| match &stamped.fact {
        switchboard::Fact::CallBegan { practice, .. } => Some(Tenant::named(practice)),
        _ => None,
    });
    Ok(practice
        .zip(span)
        .map(|(tenant, (from, through))| (tenant, from, through)))
}

/// What a certificate names: everything, or one hash over the files where they are too many for a row. Keys are few.
fn certified(objects: &[(String, Option<String>)]) -> Vec<(String, Option<String>)> {
    if objects.len() <= OBJECTS_IN_ROW_MAX {
        return objects.to_vec();
    }
    let is_file = |(_, hash): &&(String, Option<String>)| hash.is_some();
    let files = objects.iter().filter(is_file);
    let list: String = files.clone().map(|(id, hash)| format!("{id} {hash:?}\n")).collect();
    let all = seal::keys::hex(&seal::hash(list.as_bytes()));
    let rest = objects.iter().filter(|(_, hash)| hash.is_none()).cloned();
    std::iter::once((format!("all-{}", files.count()), Some(all)))
        .chain(rest)
        .collect()
}

fn of_month(item: &Item) -> What {
    What::Month {
        practice: item.practice.clone(),
        tenant: item.place.tenant.to_string(),
        month: item.place.month.to_string(),
        class: item.place.class.to_string(),
    }
}

fn refuse_held(held: &[String]) -> Result<(), Failure> {
    if held.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        format!("it is held: {}", held.join(", ")),
        "a hold beats everything; whoever may lift it does so with `nightdesk retention hold lift`",
    ))
}

/// Folders of practices, also those that are in a named folder.
fn folders(named: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in named {
        if folder.join("practice.yaml").is_file() {
            folders.push(folder.clone());
        } else if let Ok(entries) = std::fs::read_dir(folder) {
            let below = entries.flatten().map(|entry| entry.path());
            folders.extend(below.filter(|path| path.join("practice.yaml").is_file()));
        }
    }
    folders
}

fn periods(practice: &Practice) -> Kept {
    let keep = &practice.keep;
    Kept {
        name: practice.name.clone(),
        days: BTreeMap::from([
            (Class::Audio, keep.recordings.days()),
            (Class::Messages, keep.messages.days()),
            (Class::Keys, keep.keys.days()),
            (Class::Calls, keep.calls.days()),
            (Class::Audit, keep.audit.days()),
        ]),
        grace: keep.grace.days(),
    }
}

fn keyring_fault(fault: keyring::Fault) -> Failure {
    Failure::new(
        format!("the keys: {fault}"),
        "check the key folder and its owner; nothing else was touched",
    )
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Over::Call(call) => write!(f, "call {call}"),
            Over::Caller(number) => write!(f, "everything of {}", switchboard::masked(number)),
            Over::Practice(practice) => write!(f, "everything of {practice}"),
            Over::Months {
                practice,
                from,
                through,
            } => {
                let whose = practice.as_deref().unwrap_or("every practice");
                write!(f, "{from} to {through} of {whose}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use ledger::{Book, Entry, SignedCertificate};
    use ring::rand::{SecureRandom, SystemRandom};
    use zeroize::Zeroizing;

    use super::*;

    const CEDAR: &str = "Cedar Family Medicine";
    /// Long enough ago for everything but an audit of ours to be due.
    const LONG_AGO: &str = "2015-03";

    fn entropy() -> impl FnMut(&mut [u8]) {
        let random = SystemRandom::new();
        move |out| random.fill(out).expect("the kernel gives random numbers")
    }

    /// A house with keys for two old months and this one, and rows of each class in the older.
    struct House {
        folder: tempfile::TempDir,
    }

    impl House {
        fn new() -> Self {
            let house = Self {
                folder: tempfile::tempdir().expect("a folder"),
            };
            let keys = house.path("keys");
            keys::make(&keys, &[], 1).expect("a folder");
            let mut no_answer = |_: &keyring::Question| Ok::<_, io::Error>(Zeroizing::new(String::new()));
            // The ceremony may have been held by `keys make` already.
            let keyring = keyring::Keyring::at(&keys);
            let mut unlocked = match keyring.root().expect("readable") {
                Some(_) => keyring.unlock(&mut no_answer),
                None => keyring.create(&keyring::Kept::Plain, &mut no_answer, &mut entropy()),
            }
            .expect("a root");
            for (tenant, name) in [(Tenant::named(CEDAR), CEDAR), (Tenant::HOUSE, "the house")] {
                unlocked
                    .provision(tenant, name, month(LONG_AGO), 2, 1, &mut entropy())
                    .expect("a good disk");
            }
            let engine = fs::read(keys.join("engine.secret")).expect("made");
            let engine = seal::RecipientSecret::from_engine_bytes(&engine).expect("a key");
            unlocked
                .provision_engine(&engine.public(), &mut entropy())
                .expect("a good disk");
            let mut book = Book::open(
                house.path("data/book"),
                keys::for_book(&keys).expect("keys"),
                keys::draw(),
            )
            .expect("a folder")
            .with(keys::rows(&keys).expect("a bundle"));
            let began = switchboard::Fact::CallBegan {
                practice: CEDAR.into(),
                line: "main line".into(),
                trunk: "t".into(),
                caller: phi::Phi::new(Some("+15125550199".into())),
                release: String::new(),
                nobody_on_call: None,
                called_lately: None,
            };
            let pressed = switchboard::Fact::Choice {
                question: "Is it urgent?".into(),
                choice: "yes".into(),
            };
            let at: Timestamp = "2015-03-09T12:00:00Z".parse().expect("a time");
            let rows: Vec<Entry> = [began, pressed]
                .into_iter()
                .map(|fact| switchboard::Stamped {
                    call: Some(CallId([7; 16])),
                    at,
                    fact,
                })
                .map(|stamped| Entry {
                    kind: stamped.fact.kind().into(),
                    call: Some([7; 16]),
                    at_ms: at.as_millisecond(),
                    body: stamped.encode(),
                    tenant: Tenant::named(CEDAR),
                    keep: stamped.fact.keep(),
                })
                .collect();
            book.append(&rows).expect("a good disk");
            book.close().expect("a good disk");
            fs::create_dir_all(house.path("data/recordings")).expect("room");
            house
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn room(&self) -> Room {
            let text = format!(
                "listen: [udp 127.0.0.1:5060]\nrtp ports: 20000 to 20099\ntrunks:\n  load:\n    from: [127.0.0.1]\n    outbound: udp 127.0.0.1:5070\n\
                 practices: [{}]\ndata: {}\nkeys: {}\n",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../../flows/cedar-family-medicine"),
                self.path("data").display(),
                self.path("keys").display(),
            );
            let (settings, diagnostics) = crate::config::read(&self.path("nightdesk.yaml"), &text);
            Room::of(settings.unwrap_or_else(|| panic!("{diagnostics:?}"))).expect("a house")
        }

        /// What of the call can still be read, by somebody with a copy of the data and today's keys.
        fn readable(&self, data: &Path) -> Vec<String> {
            let keys = self.path("keys");
            let read = ledger::ReadKeys::from(keys::book_key(&keys).expect("a key"))
                .with(keys::rows(&keys).expect("a bundle"));
            let rows = ledger::Reader::open(&data.join("book"), read, 0).expect("readable");
            rows.map(|row| row.expect("as written").kind).collect()
        }
    }

    fn month(text: &str) -> Month {
        text.parse().expect("a month")
    }

    fn by() -> By {
        By {
            actor: "priya".into(),
            reason: "its time is over".into(),
        }
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).expect("room");
        for entry in fs::read_dir(from).expect("a folder").flatten() {
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).expect("room");
            }
        }
    }

    /// Proves RET-02, RET-06: what is due is destroyed by the month and class, a byte-identical backup of the data included; the
    /// book still verifies, and so does the certificate, with the public key alone.
    #[test]
    fn a_backup_of_what_was_destroyed_cannot_be_opened() {
        let house = House::new();
        let yesterday = house.path("yesterday");
        copy(&house.path("data"), &yesterday);
        assert_eq!(house.readable(&yesterday), ["call began", "choice"]);
        let mut room = house.room();
        let keys_of_march = room.month(CEDAR, month(LONG_AGO), "keys", false).expect("long due");
        room.destroy(keys_of_march, &by()).expect("a good disk");
        for data in [house.path("data"), yesterday] {
            assert_eq!(house.readable(&data), ["call began", ledger::KIND_LOST]);
        }
        let public = fs::read(house.path("keys/book.public")).expect("a key");
        let public = seal::Verifier::from_bytes(&public).expect("a key");
        let judged = ledger::judge(&house.path("data"), &public, &[]).expect("readable");
        assert!(judged.is_clean(), "{judged}");
        let (_, signed) = house.room().store.certificates.pop_first().expect("one");
        let printed = SignedCertificate::parse(&signed.to_string()).expect("its own text");
        assert!(printed.is_signed_by(&public));
        assert_eq!(printed.certificate.destroyed, "keys of Cedar Family Medicine, 2015-03");
        assert_eq!(printed.certificate.objects.len(), 1, "the key of its rows: {printed}");
        // A second time there is nothing to destroy.
        assert!(house.room().month(CEDAR, month(LONG_AGO), "keys", false).is_err());
    }

    /// Proves RET-03: what is held is refused, by name and by the call it is about, and goes once the hold is lifted.
    #[test]
    fn what_is_held_is_destroyed_by_nobody() {
        let house = House::new();
        let overs = [
            Over::Call(CallId([7; 16]).to_string()),
            Over::Caller("+15125550199".into()),
            Over::Practice(CEDAR.into()),
            Over::Months {
                practice: None,
                from: "2015-01".into(),
                through: LONG_AGO.into(),
            },
        ];
        for over in overs {
            let mut room = house.room();
            let hold = Hold {
                name: "Doe v. Cedar".into(),
                over,
                by: "priya".into(),
                reason: "letter of counsel".into(),
                at: Timestamp::now().to_string(),
            };
            room.store.hold(&hold).expect("a good disk");
            let refused = house.room().month(CEDAR, month(LONG_AGO), "messages", true);
            let refused = refused.err().map(|failure| failure.to_string()).unwrap_or_default();
            assert!(refused.contains("it is held: Doe v. Cedar"), "{refused}");
            let mut room = house.room();
            let before = room.places().expect("readable");
            room.destroy_due(&by()).expect("a good disk");
            let left = room.places().expect("readable");
            let cedars = |places: &[Place]| {
                let march = |place: &&Place| place.tenant == Tenant::named(CEDAR) && place.month == month(LONG_AGO);
                places.iter().filter(march).count()
            };
            assert_eq!(cedars(&left), cedars(&before), "{}", hold.over);
            room.store
                .lift("Doe v. Cedar", "priya", "settled")
                .expect("a good disk");
        }
        let mut room = house.room();
        assert!(!room.destroy_due(&by()).expect("a good disk").is_empty());
        // What the house was provisioned with just now is not due.
        let now = Month::of_unix_ms(Timestamp::now().as_millisecond());
        let left = room.places().expect("readable");
        assert!(left.iter().all(|place| place.month == now), "{left:?}");
        assert_eq!(
            house.readable(&house.path("data")),
            [ledger::KIND_LOST, ledger::KIND_LOST]
        );
    }

    /// Proves RET-02: killed between the order and its certificate, before or after the keys are gone, it is completed and
    /// certified at the next start.
    #[test]
    fn a_destruction_that_was_interrupted_is_completed_and_certified() {
        for keys_are_gone in [false, true] {
            let house = House::new();
            let mut room = house.room();
            let what = room.month(CEDAR, month(LONG_AGO), "calls", false).expect("long due");
            let order = room.order(what, &by()).expect("a good disk");
            if keys_are_gone {
                let place = order.what.place().expect("a month");
                keyring::Keyring::at(house.path("keys"))
                    .destroy(place)
                    .expect("a good disk");
            }
            drop(room);
            assert_eq!(house.room().store.unfinished(), std::slice::from_ref(&order));
            let done = daily(house.room().settings, false).expect("a good disk");
            assert_eq!(done, std::slice::from_ref(&order.id));
            let room = house.room();
            assert!(room.store.unfinished().is_empty() && room.store.certificates.contains_key(&order.id));
            assert_eq!(house.readable(&house.path("data")), [ledger::KIND_LOST, "choice"]);
        }
    }

    /// Proves RET-01, RET-03: six years unless somebody says otherwise, a note where less; nothing goes before its time by itself.
    #[test]
    fn nothing_goes_before_its_time_by_itself() {
        let house = House::new();
        let keys = house.path("keys");
        let mut unlocked = keyring::Keyring::at(&keys)
            .unlock(&mut |_| Ok(Zeroizing::new(String::new())))
            .expect("a plain root");
        let now = Month::of_unix_ms(Timestamp::now().as_millisecond());
        let cedar = Tenant::named(CEDAR);
        unlocked
            .provision(cedar, CEDAR, now, 1, 1, &mut entropy())
            .expect("a good disk");
        let engine = seal::RecipientSecret::from_engine_bytes(&fs::read(keys.join("engine.secret")).expect("a key"))
            .expect("a key");
        unlocked
            .provision_engine(&engine.public(), &mut entropy())
            .expect("a good disk");
        let mut room = house.room();
        // Cedar keeps recordings for 90 days, and everything else for the six years nobody has to ask for.
        let notes = room.shorter();
        assert!(
            notes.len() == 1 && notes.concat().contains("Cedar Family Medicine keeps audio for 90 days"),
            "{notes:?}"
        );
        let said = |what: Result<What, Failure>| what.err().map(|failure| failure.to_string()).unwrap_or_default();
        assert!(said(room.month(CEDAR, now, "messages", false)).contains("has to be kept until"));
        assert!(said(room.month(CEDAR, now, "audit", true)).contains("six years, whoever asks"));
        assert!(room.month(CEDAR, now, "messages", true).is_ok());
        room.destroy_due(&by()).expect("a good disk");
        let mut left: Vec<Place> = room.places().expect("readable").into_iter().collect();
        assert!(left.iter().all(|place| place.month == now), "{left:?}");
        left.retain(|place| place.tenant == cedar);
        assert_eq!(left.len(), Class::ALL.len(), "{left:?}");
        assert!(left.iter().all(|place| place.month == now));
    }
}
