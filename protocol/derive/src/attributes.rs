//! What is written above structs and fields, parsed but for relations between attributes.

use syn::{
    Attribute, DeriveInput, Error, Expr, ExprRange, Lit, LitInt, LitStr, RangeLimits, Result,
    meta::ParseNestedMeta, spanned::Spanned,
};

/// `#[api(..)]` or `#[record(..)]`.
pub(crate) enum Top {
    Request { key: i16, versions: Versions },
    Response { key: i16, versions: Versions },
    RecordKey { topic: String, record_type: i16 },
    RecordValue { topic: String, record_type: i16, versions: Versions },
    Data { versions: Versions },
}

/// Versions of a message, inclusive; `i16::MAX` = never flexible.
#[derive(Clone, Copy)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: i16,
    pub(crate) flexible: i16,
}

impl Top {
    pub(crate) fn versions(&self) -> Versions {
        match self {
            Self::Request { versions, .. }
            | Self::Response { versions, .. }
            | Self::RecordValue { versions, .. }
            | Self::Data { versions } => *versions,
            Self::RecordKey { .. } => Versions { first: 0, last: 0, flexible: i16::MAX },
        }
    }
}

/// `#[wire(..)]`, as written.
#[derive(Default)]
pub(crate) struct WireAttributes {
    pub(crate) since: Option<i16>,
    pub(crate) until: Option<i16>,
    pub(crate) tag: Option<LitInt>,
    pub(crate) nullable: Option<Nullable>,
    pub(crate) default: Option<Expr>,
    pub(crate) ignorable: bool,
    pub(crate) legacy: bool,
    pub(crate) name: Option<String>,
}

/// In which versions null is legal.
#[derive(Clone, Copy)]
pub(crate) enum Nullable {
    /// In all that have the field.
    Throughout,
    /// From this one on.
    From(i16),
}

/// The attribute of a top struct; `None` for a nested type.
pub(crate) fn top(input: &DeriveInput) -> Result<Option<Top>> {
    let mut tops = input.attrs.iter().filter(|a| a.path().is_ident("api") || a.path().is_ident("record"));
    let Some(attribute) = tops.next() else { return Ok(None) };
    if let Some(second) = tops.next() {
        return Err(Error::new(second.path().span(), "a message has one `api` or `record` attribute"));
    }
    let parsed = if attribute.path().is_ident("api") { api(attribute)? } else { record(attribute)? };
    Ok(Some(parsed))
}

fn api(attribute: &Attribute) -> Result<Top> {
    let (mut key, mut side, mut versions, mut flexible) = (None, None, None, None);
    attribute.parse_nested_meta(|meta| match name_of(&meta).as_str() {
        "key" => set(&mut key, number(&meta)?, &meta),
        "side" => set(&mut side, meta.value()?.parse::<LitStr>()?, &meta),
        "versions" => set(&mut versions, range(&meta)?, &meta),
        "flexible" => set(&mut flexible, number(&meta)?, &meta),
        _ => Err(meta.error("expected `key`, `side`, `versions` or `flexible`")),
    })?;
    let missing = |what| Error::new(attribute.path().span(), format!("`{what}` is missing"));
    let key = key.ok_or_else(|| missing("key"))?;
    let side = side.ok_or_else(|| missing("side"))?;
    let (first, last) = versions.ok_or_else(|| missing("versions"))?;
    let versions = Versions { first, last, flexible: flexible.unwrap_or(i16::MAX) };
    match side.value().as_str() {
        "request" => Ok(Top::Request { key, versions }),
        "response" => Ok(Top::Response { key, versions }),
        _ => Err(Error::new(side.span(), "`side` is \"request\" or \"response\"")),
    }
}

fn record(attribute: &Attribute) -> Result<Top> {
    let (mut topic, mut key, mut versions, mut flexible) = (None, None, None, None);
    attribute.parse_nested_meta(|meta| match name_of(&meta).as_str() {
        "topic" => set(&mut topic, meta.value()?.parse::<LitStr>()?.value(), &meta),
        "key" => set(&mut key, number(&meta)?, &meta),
        "versions" => set(&mut versions, range(&meta)?, &meta),
        "flexible" => set(&mut flexible, number(&meta)?, &meta),
        _ => Err(meta.error("expected `topic`, `key`, `versions` or `flexible`")),
    })?;
    let versions =
        versions.map(|(first, last)| Versions { first, last, flexible: flexible.unwrap_or(i16::MAX) });
    match (topic, key, versions) {
        (Some(_), Some(_), None) if flexible.is_some() => {
            Err(Error::new(attribute.path().span(), "a record key is never flexible; a value has `versions`"))
        }
        (Some(topic), Some(record_type), None) => Ok(Top::RecordKey { topic, record_type }),
        (Some(topic), Some(record_type), Some(versions)) => {
            Ok(Top::RecordValue { topic, record_type, versions })
        }
        (None, None, Some(versions)) => Ok(Top::Data { versions }),
        (Some(_), None, _) => {
            Err(Error::new(attribute.path().span(), "`key` is missing: the type of the record"))
        }
        (None, Some(_), _) => Err(Error::new(attribute.path().span(), "`topic` is missing")),
        (None, None, None) => Err(Error::new(attribute.path().span(), "`versions` is missing")),
    }
}

/// The attributes of a field.
pub(crate) fn wire(field: &syn::Field) -> Result<WireAttributes> {
    let mut found = WireAttributes::default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("wire")) {
        attribute.parse_nested_meta(|meta| match name_of(&meta).as_str() {
            "since" => set(&mut found.since, number(&meta)?, &meta),
            "until" => set(&mut found.until, number(&meta)?, &meta),
            "tag" => set(&mut found.tag, meta.value()?.parse()?, &meta),
            "nullable" => {
                let versions = if meta.input.peek(syn::Token![=]) {
                    Nullable::From(number(&meta)?)
                } else {
                    Nullable::Throughout
                };
                set(&mut found.nullable, versions, &meta)
            }
            "default" => set(&mut found.default, meta.value()?.parse()?, &meta),
            "ignorable" => set_flag(&mut found.ignorable, &meta),
            "legacy" => set_flag(&mut found.legacy, &meta),
            "name" => set(&mut found.name, meta.value()?.parse::<LitStr>()?.value(), &meta),
            _ => Err(meta.error(
                "expected `since`, `until`, `tag`, `nullable`, `default`, `ignorable`, `legacy` or `name`",
            )),
        })?;
    }
    Ok(found)
}

fn name_of(meta: &ParseNestedMeta<'_>) -> String {
    meta.path.get_ident().map(ToString::to_string).unwrap_or_default()
}

fn set<T>(slot: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if slot.replace(value).is_some() { Err(meta.error("given twice")) } else { Ok(()) }
}

fn set_flag(slot: &mut bool, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if std::mem::replace(slot, true) { Err(meta.error("given twice")) } else { Ok(()) }
}

fn number(meta: &ParseNestedMeta<'_>) -> Result<i16> {
    meta.value()?.parse::<LitInt>()?.base10_parse()
}

/// `2..=10`
fn range(meta: &ParseNestedMeta<'_>) -> Result<(i16, i16)> {
    let range: ExprRange = meta.value()?.parse()?;
    let wrong = || Error::new(range.span(), "expected a range of versions like `2..=10`");
    let (Some(first), RangeLimits::Closed(_), Some(last)) = (&range.start, &range.limits, &range.end) else {
        return Err(wrong());
    };
    let (first, last) = (literal(first).ok_or_else(wrong)??, literal(last).ok_or_else(wrong)??);
    if last < first { Err(Error::new(range.span(), "the range is empty")) } else { Ok((first, last)) }
}

fn literal(expr: &Expr) -> Option<Result<i16>> {
    match expr {
        Expr::Lit(syn::ExprLit { lit: Lit::Int(number), .. }) => Some(number.base10_parse()),
        _ => None,
    }
}
