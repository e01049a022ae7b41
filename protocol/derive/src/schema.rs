//! The constants that describe a struct and a message.

use crate::{attributes::Top, codec::by_tag, fields::Field};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, Ident, Lit};

/// `Struct`: the fields in wire order, tagged ones last.
pub(crate) fn structure(name: &Ident, fields: &[Field]) -> TokenStream {
    let text = name.to_string();
    let plain = fields.iter().filter(|field| field.tag.is_none());
    let tagged = by_tag(fields).into_iter().map(|(_, field)| field);
    let fields = plain.chain(tagged).map(field);
    quote! {
        #[automatically_derived]
        impl ::mainstem_protocol::message::Struct for #name {
            const STRUCT: &'static ::mainstem_protocol::schema::StructSchema =
                &::mainstem_protocol::schema::StructSchema { name: #text, fields: &[#(#fields,)*] };
        }
    }
}

fn field(field: &Field) -> TokenStream {
    let (name, ty, since, until) = (&field.kafka_name, &field.ty, field.since, field.until);
    let rust_name = field.ident.to_string();
    let tag = option(field.tag.map(|(tag, _)| tag));
    let nullable_since = option(field.nullable_since);
    let default = default(field.default.as_ref());
    let (ignorable, legacy) = (field.ignorable, field.legacy);
    quote! {
        ::mainstem_protocol::schema::FieldSchema {
            name: #name,
            rust_name: #rust_name,
            ty: <#ty as ::mainstem_protocol::wire::Wire>::TYPE,
            since: #since,
            until: #until,
            tag: #tag,
            nullable_since: #nullable_since,
            default: #default,
            ignorable: #ignorable,
            legacy: #legacy,
        }
    }
}

fn default(value: Option<&Expr>) -> TokenStream {
    match value {
        None => quote! { ::mainstem_protocol::schema::DefaultValue::Zero },
        Some(Expr::Lit(ExprLit { lit: Lit::Bool(value), .. })) => {
            quote! { ::mainstem_protocol::schema::DefaultValue::Bool(#value) }
        }
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            quote! { ::mainstem_protocol::schema::DefaultValue::Text(#text) }
        }
        // Constants such as `i32::MIN` have a type of their own, hence the cast; it never narrows.
        Some(number) => quote! {
            ::mainstem_protocol::schema::DefaultValue::Int({
                #[allow(trivial_numeric_casts, clippy::pedantic, reason = "written by derive(Message)")]
                { (#number) as i64 }
            })
        },
    }
}

/// `Message`: the constants of a top struct.
pub(crate) fn message(name: &Ident, top: &Top) -> TokenStream {
    let text = name.to_string();
    let versions = top.versions();
    let (first, last, flexible) = (versions.first, versions.last, versions.flexible);
    let role = match top {
        Top::Request { key, .. } => quote! { Request(::mainstem_protocol::api::ApiKey::new(#key)) },
        Top::Response { key, .. } => quote! { Response(::mainstem_protocol::api::ApiKey::new(#key)) },
        Top::RecordKey { topic, record_type } => {
            quote! { RecordKey { topic: #topic, record_type: #record_type } }
        }
        Top::RecordValue { topic, record_type, .. } => {
            quote! { RecordValue { topic: #topic, record_type: #record_type } }
        }
        Top::Data { .. } => quote! { Data },
    };
    quote! {
        #[automatically_derived]
        impl ::mainstem_protocol::message::Message for #name {
            const SCHEMA: &'static ::mainstem_protocol::schema::MessageSchema =
                &::mainstem_protocol::schema::MessageSchema {
                    name: #text,
                    role: ::mainstem_protocol::schema::Role::#role,
                    first_version: #first,
                    last_version: #last,
                    first_flexible: #flexible,
                    body: <Self as ::mainstem_protocol::message::Struct>::STRUCT,
                };
        }
    }
}

fn option<T: quote::ToTokens>(value: Option<T>) -> TokenStream {
    value.map_or_else(
        || quote! { ::core::option::Option::None },
        |value| quote! { ::core::option::Option::Some(#value) },
    )
}
