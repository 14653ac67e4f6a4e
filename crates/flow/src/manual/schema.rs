//! The table as JSON Schema (2020-12), for editors that know no other way: hover text, completion, a red line under a slip.
//!
//! A step is judged verb first, by `if` and `then`: of a `oneOf` over verbs editors only say that nothing fits.

use serde_json::{Map, Value, json};

use super::{Entry, Holds, Kind, Name, Takes, VERBS, Verb, verbs::IF};
use crate::model::Field;

/// The schema of one kind of file.
pub fn schema(title: &str, entries: &[Entry]) -> Value {
    let mut all = map(entries, "");
    if let Value::Object(all) = &mut all {
        all.remove("description");
        all.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        all.insert("title".into(), json!(title));
        all.insert("$defs".into(), json!({"step": step()}));
    }
    all
}

fn map(entries: &[Entry], means: &str) -> Value {
    let (mut properties, mut patterns, mut needed) = (Map::new(), Map::new(), Vec::new());
    let mut others = json!(false);
    for entry in entries {
        let holds = holds(&entry.holds, entry.means);
        match entry.name {
            Name::Is(name) => {
                properties.insert(name.into(), holds);
                if entry.needed {
                    needed.push(name);
                }
            }
            Name::Key(before) => {
                patterns.insert(format!("^{before}[0-9#]$"), holds);
            }
            Name::Own(_) => others = holds,
        }
    }
    json!({
        "type": "object", "description": means, "properties": properties, "patternProperties": patterns,
        "additionalProperties": others, "required": needed,
    })
}

fn holds(holds: &Holds, means: &str) -> Value {
    match holds {
        Holds::One(takes) => value(*takes, means),
        Holds::List(takes) => {
            let one = value(*takes, "");
            json!({"description": means, "anyOf": [one, {"type": "array", "items": one}]})
        }
        Holds::Map(entries) => map(entries, means),
        Holds::Maps(entries) => json!({"type": "array", "description": means, "items": map(entries, "")}),
        Holds::Either(takes, entries) => json!({"description": means, "anyOf": [value(*takes, ""), map(entries, "")]}),
        Holds::Eithers(takes, entries) => {
            json!({"type": "array", "description": means, "items": {"anyOf": [value(*takes, ""), map(entries, "")]}})
        }
        Holds::Steps => json!({"type": "array", "description": means, "items": {"$ref": "#/$defs/step"}}),
    }
}

fn value(takes: Takes, means: &str) -> Value {
    // YAML reads `1`, `yes` and a date as something else than words; the engine does not mind.
    let any = json!(["string", "number", "boolean"]);
    match takes {
        Takes::Words(example) => json!({"type": any, "description": means, "examples": [example]}),
        Takes::OneOf(these) => {
            let mut these: Vec<Value> = these.iter().map(|one| json!(one)).collect();
            if these.contains(&json!("yes")) {
                these.extend([json!(true), json!(false)]);
            }
            json!({"description": means, "enum": these})
        }
        Takes::Named(Kind::Field) => {
            json!({"description": means, "enum": Field::ALL.map(|field| field.name())})
        }
        Takes::Named(_) | Takes::ContinueOrSection | Takes::Condition => json!({"type": any, "description": means}),
    }
}

fn step() -> Value {
    let bare: Vec<&str> = VERBS.iter().filter(|verb| verb.bare).map(|verb| verb.name).collect();
    let settled: Vec<Value> = VERBS
        .iter()
        .map(|verb| json!({"if": {"required": [verb.name]}, "then": with_settings(verb)}))
        .collect();
    let offered: Map<String, Value> = VERBS
        .iter()
        .map(|verb| (verb.name.to_owned(), json!({"description": verb.does})))
        .collect();
    let begins: Vec<Value> = VERBS.iter().map(|verb| json!({"required": [verb.name]})).collect();
    json!({
        "if": {"type": "string"}, "then": {"enum": bare},
        "else": {"type": "object", "properties": offered, "anyOf": begins, "allOf": settled},
    })
}

fn with_settings(verb: &Verb) -> Value {
    let mut all = map(verb.beside, verb.does);
    let after = verb
        .after
        .map_or_else(|| json!({"type": "null"}), |after| holds(&after, verb.does));
    if let Some(properties) = all.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(verb.name.to_owned(), after);
        properties.insert("if".to_owned(), holds(&IF.holds, IF.means));
    }
    all
}
