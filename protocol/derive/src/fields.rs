//! A field with its attributes checked against each other and against its type.

use crate::attributes::{self, Nullable, Top};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Error, Expr, ExprLit, Ident, Lit, Result, Type, spanned::Spanned};

/// A checked field.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) since: i16,
    pub(crate) until: i16,
    pub(crate) tag: Option<(u32, Span)>,
    pub(crate) nullable_since: Option<i16>,
    pub(crate) default: Option<Expr>,
    pub(crate) ignorable: bool,
    pub(crate) legacy: bool,
    pub(crate) kafka_name: String,
    /// `Struct.field`, for errors.
    pub(crate) path: String,
    shape: Shape,
}

/// What the spelling of a type says about null.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Option,
    Records,
    Other,
}

impl Field {
    pub(crate) fn new(owner: &Ident, field: &syn::Field) -> Result<Self> {
        let attributes = attributes::wire(field)?;
        let ident = field.ident.clone().ok_or_else(|| Error::new(field.span(), "a field has a name"))?;
        let since = attributes.since.unwrap_or(0);
        let until = attributes.until.unwrap_or(i16::MAX);
        let shape = shape(&field.ty);
        if until < since {
            return Err(Error::new(ident.span(), "`until` is below `since`: the field is in no version"));
        }
        match (shape, attributes.nullable) {
            (Shape::Option, None) => {
                return Err(Error::new(field.ty.span(), "an `Option` needs `nullable`: when is null legal?"));
            }
            (Shape::Other, Some(_)) => {
                return Err(Error::new(field.ty.span(), "a `nullable` field is an `Option` (or `Records`)"));
            }
            (Shape::Option | Shape::Records, Some(_)) | (Shape::Records | Shape::Other, None) => {}
        }
        let nullable_since = attributes.nullable.map(|versions| match versions {
            Nullable::Throughout => since,
            Nullable::From(version) => version,
        });
        if nullable_since.is_some_and(|from| from < since || until < from) {
            return Err(Error::new(ident.span(), "`nullable` starts in a version without the field"));
        }
        let tag = match attributes.tag {
            Some(tag) => Some((tag.base10_parse()?, tag.span())),
            None => None,
        };
        Ok(Self {
            kafka_name: attributes.name.unwrap_or_else(|| camel_case(&ident.to_string())),
            path: format!("{owner}.{ident}"),
            ident,
            ty: field.ty.clone(),
            since,
            until,
            tag,
            nullable_since,
            default: attributes.default,
            ignorable: attributes.ignorable,
            legacy: attributes.legacy,
            shape,
        })
    }

    /// The condition that the field is in `version`; `None` if it is in all.
    pub(crate) fn is_in_version(&self) -> Option<TokenStream> {
        let (since, until) = (self.since, self.until);
        match (since, until) {
            (0, i16::MAX) => None,
            (_, i16::MAX) => Some(quote! { version.since(#since) }),
            (0, _) => Some(quote! { version.until(#until) }),
            (_, _) => Some(quote! { version.since(#since) && version.until(#until) }),
        }
    }

    /// The condition that null is illegal in `version`, for types that know null.
    pub(crate) fn refuses_null(&self) -> Option<TokenStream> {
        match (self.shape, self.nullable_since) {
            (Shape::Other, _) => None,
            (Shape::Option | Shape::Records, None) => Some(quote! { true }),
            (Shape::Option | Shape::Records, Some(from)) if from <= self.since => None,
            (Shape::Option | Shape::Records, Some(from)) => Some(quote! { !version.since(#from) }),
        }
    }

    /// The version to encode the field with.
    pub(crate) fn version(&self) -> TokenStream {
        if self.legacy {
            quote! { version.legacy() }
        } else {
            quote! { version }
        }
    }

    /// The value of an absent field.
    pub(crate) fn default_value(&self) -> TokenStream {
        match &self.default {
            None => quote! { ::core::default::Default::default() },
            Some(value) => {
                let value = match value {
                    Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => quote! { (#text).into() },
                    other => quote! { #other },
                };
                if self.shape == Shape::Option {
                    quote! { ::core::option::Option::Some(#value) }
                } else {
                    value
                }
            }
        }
    }

    /// The condition that the field has another value than an absent one.
    pub(crate) fn differs(&self) -> TokenStream {
        let ident = &self.ident;
        if self.default.is_some() {
            let default = self.default_value();
            quote! { self.#ident != #default }
        } else {
            quote! { !::mainstem_protocol::wire::is_default(&self.#ident) }
        }
    }
}

/// Checks fields against each other and against their message.
pub(crate) fn check_together(fields: &[Field], top: Option<&Top>) -> Result<()> {
    for (index, field) in fields.iter().enumerate() {
        let Some((tag, span)) = field.tag else { continue };
        if fields.iter().take(index).any(|other| other.tag.is_some_and(|(taken, _)| taken == tag)) {
            return Err(Error::new(span, "the tag is taken"));
        }
        if top.is_some_and(|top| top.versions().last < top.versions().flexible) {
            return Err(Error::new(span, "a tagged field needs a flexible version"));
        }
    }
    let Some(top) = top else { return Ok(()) };
    let versions = top.versions();
    for field in fields {
        if field.until < versions.first || versions.last < field.since {
            return Err(Error::new(field.ident.span(), "the field is in no version of the message"));
        }
    }
    Ok(())
}

fn shape(ty: &Type) -> Shape {
    let Type::Path(path) = ty else { return Shape::Other };
    match path.path.segments.last() {
        Some(last) if last.ident == "Option" => Shape::Option,
        Some(last) if last.ident == "Records" => Shape::Records,
        Some(_) | None => Shape::Other,
    }
}

/// `throttle_time_ms` -> `ThrottleTimeMs`
fn camel_case(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let mut camel = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}
