//! `#[derive(Message)]`: an annotated struct is the schema of a Kafka message, and the codec follows from it.
//!
//! In reading order: `attributes` (what is written above structs and fields), `fields` (a checked field), `codec` (the
//! methods of `wire::Wire`), `schema` (the constants). Above: `mainstem-protocol`, which defines every trait named in
//! the expansion and re-exports the macro.

mod attributes;
mod codec;
mod fields;
mod schema;

use attributes::Top;
use fields::Field;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Error, Ident, Result, spanned::Spanned};

/// Makes a struct a message, or a type nested in messages.
///
/// Writes `Default` (the values that absent fields stand for), the codec, and the schema. The struct itself derives
/// `Clone`, `Debug` and `PartialEq`. Fields stand in wire order.
///
/// On a top struct, one of
/// - `#[api(key = 8, side = "request", versions = 2..=10, flexible = 8)]`: a request or response. `side` is `"request"`
///   or `"response"`, and the name of the struct ends accordingly. Without `flexible` no version is.
/// - `#[record(topic = "__consumer_offsets", key = 2)]`: key of a record of type 2 in an internal topic.
/// - `#[record(topic = "__consumer_offsets", key = 2, versions = 0..=4, flexible = 4)]`: the value that goes with it.
/// - `#[record(versions = 0..=3)]`: a message inside a bytes field, a control record, a header.
///
/// None of them: a nested type, whose versions are those of the message around it.
///
/// On a field, `#[wire(..)]` with any of
/// - `since = n`, `until = n`: message versions, inclusive, in which the field is on the wire;
/// - `tag = n`: a tagged field, written only when it differs from its default;
/// - `nullable` or `nullable = n`: null is legal, from version n on. The type is an `Option`, or `Records`;
/// - `default = value`: what an absent field stands for, instead of zero, empty or none;
/// - `ignorable`: a value is dropped in versions without the field; otherwise encoding fails and names the field;
/// - `legacy`: lengths are not compact even in flexible versions;
/// - `name = "KafkaName"`: where Kafka's name is not the Rust name in camel case.
///
/// ```
/// use mainstem_protocol::{message::{Message, decode_versioned, encode_versioned}, wire::WireStr};
///
/// /// Where a parcel is, as its carrier writes it into a byte field.
/// #[derive(Clone, Debug, PartialEq, Message)]
/// #[record(versions = 0..=1, flexible = 1)]
/// struct Parcel {
///     /// Grams.
///     weight: i32,
///     /// Who took it in, if not the receiver.
///     #[wire(since = 1, nullable)]
///     neighbour: Option<WireStr>,
///     /// Tries so far; nearly always one, so written only otherwise.
///     #[wire(since = 1, tag = 0, default = 1, ignorable)]
///     tries: i8,
/// }
///
/// let parcel = Parcel { weight: 900, tries: 2, ..Parcel::default() };
/// let bytes = encode_versioned(&parcel, 1)?;
/// assert_eq!(bytes[..], [0, 1, /* weight */ 0, 0, 3, 132, /* no neighbour */ 0, /* one tag */ 1, 0, 1, 2]);
/// assert_eq!(decode_versioned::<Parcel>(bytes)?, parcel);
///
/// // Version 0 cannot say how many tries; it may lose them, but not the neighbour.
/// assert_eq!(encode_versioned(&parcel, 0)?[..], [0, 0, 0, 0, 3, 132]);
/// let taken_in = Parcel { neighbour: Some("Ada".into()), ..parcel };
/// assert_eq!(encode_versioned(&taken_in, 0).unwrap_err().path(), "Parcel.neighbour");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[proc_macro_derive(Message, attributes(api, record, wire))]
pub fn derive_message(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        return Err(Error::new(input.generics.span(), "a message has no type parameters"));
    }
    let syn::Data::Struct(syn::DataStruct { fields: syn::Fields::Named(named), .. }) = &input.data else {
        return Err(Error::new(name.span(), "a message is a struct with named fields"));
    };
    let top = attributes::top(input)?;
    let fields = named.named.iter().map(|field| Field::new(name, field)).collect::<Result<Vec<_>>>()?;
    fields::check_together(&fields, top.as_ref())?;

    let default = codec::default(name, &fields);
    let wire = codec::wire(name, &fields);
    let structure = schema::structure(name, &fields);
    let rest = match &top {
        Some(top) => message(name, top)?,
        None => codec::nullable(name),
    };
    Ok(quote! {
        #default
        #wire
        #structure
        #rest
    })
}

/// What a top struct has beyond a nested one.
fn message(name: &Ident, top: &Top) -> Result<TokenStream> {
    let message = schema::message(name, top);
    let marker = match top {
        Top::Request { key, .. } => {
            let response = format_ident!("{}Response", prefix(name, "Request")?, span = name.span());
            quote! {
                impl ::mainstem_protocol::message::Request for #name {
                    const KEY: ::mainstem_protocol::api::ApiKey = ::mainstem_protocol::api::ApiKey::new(#key);
                    type Response = #response;
                }
            }
        }
        Top::Response { key, .. } => {
            prefix(name, "Response")?;
            quote! {
                impl ::mainstem_protocol::message::Response for #name {
                    const KEY: ::mainstem_protocol::api::ApiKey = ::mainstem_protocol::api::ApiKey::new(#key);
                }
            }
        }
        Top::RecordKey { .. } | Top::RecordValue { .. } | Top::Data { .. } => TokenStream::new(),
    };
    Ok(quote! { #message #marker })
}

/// The name of the API: that of the struct without its ending.
fn prefix(name: &Ident, ending: &str) -> Result<String> {
    match name.to_string().strip_suffix(ending) {
        Some(prefix) => Ok(prefix.to_owned()),
        None => Err(Error::new(name.span(), format!("the name of this side ends in `{ending}`"))),
    }
}
