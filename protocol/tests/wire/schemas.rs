//! Our schemas against Kafka's: key, versions, flexible start, and for each version the ordered fields with type, tag,
//! nullability, default and what happens to a value without a place.

use crate::{data, registry};
use mainstem_protocol::{
    error::ErrorCode,
    schema::{DefaultValue, FieldSchema, FieldType, MessageSchema, Role, StructSchema},
};
use serde_json::{Map, Value};
use std::{fmt::Write, path::Path};

/// Versions of Kafka's that we leave out on purpose.
const LEFT_OUT: &[(&str, i16, &str)] = &[
    ("InitProducerIdRequest", 6, "unstable: two-phase commit (KIP-939)"),
    ("InitProducerIdResponse", 6, "unstable: two-phase commit (KIP-939)"),
];

#[test]
fn messages_have_kafkas_schemas() {
    check("messages.json");
}

#[test]
fn internal_records_have_kafkas_schemas() {
    check("records.json");
}

#[test]
fn error_codes_are_kafkas() {
    for row in data::json("error-codes.json").as_array().unwrap() {
        let code = i16::try_from(row["code"].as_i64().unwrap()).unwrap();
        let ours = ErrorCode::from_code(code).unwrap();
        assert_eq!(ours.name(), row["name"], "{code}");
        assert_eq!(ours.is_retriable(), row["retriable"], "{code}");
    }
}

/// No message is forgotten: every struct with an `api` or `record` attribute below `src` is in the list.
#[test]
fn every_message_of_the_sources_is_listed() {
    let mut missing = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for below in text.split("\n#[api(").skip(1).chain(text.split("\n#[record(").skip(1)) {
                let name = below.split("pub struct ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
                if registry::find(name).is_none() {
                    missing.push(format!("{name} ({})", path.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

fn check(file: &str) {
    let mut wrong = Vec::new();
    for (name, kafkas) in data::json(file).as_object().unwrap() {
        let Some(codec) = registry::find(name) else { continue };
        compare(name, codec.schema, kafkas, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(name: &str, ours: &MessageSchema, kafkas: &Value, wrong: &mut Vec<String>) {
    let mut differs = |what: &str, ours: &dyn std::fmt::Debug, kafkas: &dyn std::fmt::Debug| {
        wrong.push(format!("{name}: {what} is {ours:?}, Kafka has {kafkas:?}"));
    };
    let key = kafkas["apiKey"].as_i64();
    let our_key = match ours.role {
        Role::Request(key) | Role::Response(key) => Some(i64::from(key.code())),
        Role::RecordKey { record_type, .. } | Role::RecordValue { record_type, .. } => {
            Some(i64::from(record_type))
        }
        Role::Data => None,
    };
    if our_key != key {
        differs("key", &our_key, &key);
    }
    let topic = kafkas["in"].as_str();
    if let Role::RecordKey { topic: our_topic, .. } | Role::RecordValue { topic: our_topic, .. } = ours.role {
        if Some(our_topic) != topic {
            differs("topic", &our_topic, &topic);
        }
    }
    let (first, mut last) = range(&kafkas["validVersions"]);
    if let Some((.., version, _)) = LEFT_OUT.iter().find(|(message, ..)| *message == name) {
        last = version - 1;
    }
    if (ours.first_version, ours.last_version) != (first, last) {
        differs("versions", &(ours.first_version, ours.last_version), &(first, last));
    }
    let flexible = kafkas["flexibleVersions"].as_str().map_or(i16::MAX, |text| range(&text.into()).0);
    if ours.first_flexible != flexible {
        differs("first flexible version", &ours.first_flexible, &flexible);
    }
    let shared = shared_structs(kafkas);
    for version in first.max(ours.first_version)..=last.min(ours.last_version) {
        let scope = Scope { version, shared: &shared };
        let whole = Around { path: String::new(), first, last, is_tagged: false };
        let (ours, kafkas) = (scope.ours(ours.body, &whole), scope.kafkas(&kafkas["fields"], &whole));
        if ours != kafkas {
            let only = |these: &[String], those: &[String]| -> Vec<String> {
                these.iter().filter(|line| !those.contains(line)).cloned().collect()
            };
            let (only_ours, only_kafkas) = (only(&ours, &kafkas), only(&kafkas, &ours));
            if only_ours.is_empty() && only_kafkas.is_empty() {
                differs(&format!("order of fields in version {version}"), &ours, &kafkas);
            } else {
                differs(&format!("part of version {version}"), &only_ours, &only_kafkas);
            }
        }
    }
}

type Shared<'a> = Map<String, Value>;

fn shared_structs(message: &Value) -> Shared<'_> {
    let structs = message["commonStructs"].as_array().into_iter().flatten();
    structs.map(|one| (one["name"].as_str().unwrap().to_owned(), one["fields"].clone())).collect()
}

struct Scope<'a> {
    version: i16,
    shared: &'a Shared<'a>,
}

/// What is around a struct: the way to it, and in which versions it is there.
struct Around {
    path: String,
    first: i16,
    last: i16,
    is_tagged: bool,
}

impl Around {
    fn below(&self, field: &str, (since, until): (i16, i16), tag: Option<u32>) -> Self {
        Self {
            path: format!("{}{field}.", self.path),
            first: self.first.max(since),
            last: self.last.min(until),
            is_tagged: tag.is_some(),
        }
    }

    /// Whether some version has the struct without the field, so that a value may be lost.
    fn may_lack(&self, (since, until): (i16, i16)) -> bool {
        self.first < since || until < self.last
    }

    /// Whether the default matters on the wire: the field may be absent, or is compared with it to leave a tag out.
    fn needs_default(&self, versions: (i16, i16), tag: Option<u32>) -> bool {
        tag.is_some() || self.is_tagged || self.may_lack(versions)
    }
}

impl Scope<'_> {
    /// One line a field, nested ones below it; tagged fields last, by tag.
    fn ours(&self, schema: &StructSchema, around: &Around) -> Vec<String> {
        let mut lines = Vec::new();
        for field in schema.fields.iter().filter(|field| field.is_in(self.version)) {
            let versions = (field.since, field.until);
            let default = around.needs_default(versions, field.tag).then(|| our_default(field));
            lines.push(describe(
                &around.path,
                field.name,
                &type_name(&field.ty),
                field.tag,
                field.is_nullable_in(self.version),
                default,
                around.may_lack(versions).then_some(field.ignorable),
            ));
            if let Some(nested) = nested(&field.ty) {
                lines.extend(self.ours(nested, &around.below(field.name, versions, field.tag)));
            }
        }
        lines
    }

    fn kafkas(&self, fields: &Value, around: &Around) -> Vec<String> {
        let in_version = |field: &&Value| {
            let (since, until) = versions_of(field);
            since <= self.version && self.version <= until
        };
        let mut fields: Vec<&Value> = fields.as_array().unwrap().iter().filter(in_version).collect();
        fields.sort_by_key(|field| field["tag"].as_i64().map_or(-1, |tag| tag));
        let mut lines = Vec::new();
        for field in fields {
            let versions = versions_of(field);
            let tag = field["tag"].as_u64().map(|tag| u32::try_from(tag).unwrap());
            let nullable = field["nullableVersions"].as_str().is_some_and(|text| {
                let (from, to) = range(&text.into());
                from <= self.version && self.version <= to
            });
            let kafka_name = field["name"].as_str().unwrap();
            let kafka_name = kafka_name[..1].to_uppercase() + &kafka_name[1..];
            let ty = field["type"].as_str().unwrap();
            let element = ty.trim_start_matches("[]");
            let is_struct = element.starts_with(|first: char| first.is_uppercase());
            let shown = if is_struct { ty.replace(element, "struct") } else { ty.to_owned() };
            let default = around.needs_default(versions, tag).then(|| kafkas_default(field));
            let ignorable = around.may_lack(versions).then(|| field["ignorable"].as_bool().unwrap_or(false));
            lines.push(describe(&around.path, &kafka_name, &shown, tag, nullable, default, ignorable));
            if is_struct {
                let nested =
                    if field.get("fields").is_some() { &field["fields"] } else { &self.shared[element] };
                lines.extend(self.kafkas(nested, &around.below(&kafka_name, versions, tag)));
            }
        }
        lines
    }
}

fn describe(
    path: &str,
    name: &str,
    ty: &str,
    tag: Option<u32>,
    nullable: bool,
    default: Option<String>,
    ignorable: Option<bool>,
) -> String {
    let mut line = format!("{path}{name}: {ty}");
    if let Some(tag) = tag {
        write!(line, ", tag {tag}").unwrap();
    }
    if nullable {
        line += ", nullable";
    }
    if let Some(default) = default {
        write!(line, ", default {default}").unwrap();
    }
    if ignorable == Some(true) {
        line += ", ignorable";
    }
    line
}

/// Zero, false, empty and null count as one: which of them a missing field stands for is not seen on the wire, as long
/// as the field is not tagged; tagged ones are pinned by the vectors.
fn our_default(field: &FieldSchema) -> String {
    match field.default {
        DefaultValue::Zero | DefaultValue::Int(0) | DefaultValue::Bool(false) | DefaultValue::Text("") => {
            "none".to_owned()
        }
        DefaultValue::Int(value) => value.to_string(),
        DefaultValue::Bool(value) => value.to_string(),
        DefaultValue::Text(text) => text.to_owned(),
    }
}

fn kafkas_default(field: &Value) -> String {
    let text = match &field["default"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.as_str() {
        "null" | "0" | "false" | "" => "none".to_owned(),
        "0x7fffffff" => i32::MAX.to_string(),
        _ => text,
    }
}

fn type_name(ty: &FieldType) -> String {
    match ty {
        FieldType::Bool => "bool".to_owned(),
        FieldType::Int8 => "int8".to_owned(),
        FieldType::Int16 => "int16".to_owned(),
        FieldType::Uint16 => "uint16".to_owned(),
        FieldType::Int32 => "int32".to_owned(),
        FieldType::Uint32 => "uint32".to_owned(),
        FieldType::Int64 => "int64".to_owned(),
        FieldType::Float64 => "float64".to_owned(),
        FieldType::String => "string".to_owned(),
        FieldType::Bytes => "bytes".to_owned(),
        FieldType::Records => "records".to_owned(),
        FieldType::Uuid => "uuid".to_owned(),
        FieldType::Array(element) => format!("[]{}", type_name(element)),
        FieldType::Struct(_) => "struct".to_owned(),
    }
}

fn nested(ty: &FieldType) -> Option<&'static StructSchema> {
    match ty {
        FieldType::Struct(schema) => Some(schema),
        FieldType::Array(element) => nested(element),
        _ => None,
    }
}

fn versions_of(field: &Value) -> (i16, i16) {
    range(field.get("versions").unwrap_or(&field["taggedVersions"]))
}

/// `3`, `3+`, `3-5` or `none`.
fn range(text: &Value) -> (i16, i16) {
    let text = text.as_str().unwrap();
    if text == "none" {
        return (i16::MAX, i16::MAX);
    }
    if let Some(first) = text.strip_suffix('+') {
        return (first.parse().unwrap(), i16::MAX);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    (first.parse().unwrap(), last.parse().unwrap())
}
