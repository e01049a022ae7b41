//! The codec of a struct: one statement a field, in wire order, then the tagged section.

use crate::fields::Field;
use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

/// `Default`: every field has the value that its absence stands for.
pub(crate) fn default(name: &Ident, fields: &[Field]) -> TokenStream {
    let values = fields.iter().map(|field| {
        let (ident, value) = (&field.ident, field.default_value());
        quote! { #ident: #value }
    });
    quote! {
        #[automatically_derived]
        impl ::core::default::Default for #name {
            fn default() -> Self {
                Self { #(#values,)* }
            }
        }
    }
}

/// The codec itself.
pub(crate) fn wire(name: &Ident, fields: &[Field]) -> TokenStream {
    let plain: Vec<&Field> = fields.iter().filter(|field| field.tag.is_none()).collect();
    let tagged = by_tag(fields);
    let min_wire_len = min_wire_len(&plain);
    let read = read(&plain, &tagged);
    let measure = measure(&plain, &tagged);
    let write = write(&plain, &tagged);
    let error_codes = error_codes(fields);
    quote! {
        #[automatically_derived]
        #[allow(unused_variables, unused_mut, clippy::all, clippy::pedantic, reason = "written by derive(Message)")]
        impl ::mainstem_protocol::wire::Wire for #name {
            const TYPE: ::mainstem_protocol::schema::FieldType =
                ::mainstem_protocol::schema::FieldType::Struct(<Self as ::mainstem_protocol::message::Struct>::STRUCT);

            fn min_len(version: ::mainstem_protocol::wire::Version) -> usize {
                #min_wire_len
            }

            fn read(
                reader: &mut ::mainstem_protocol::wire::Reader,
                version: ::mainstem_protocol::wire::Version,
            ) -> ::core::result::Result<Self, ::mainstem_protocol::wire::DecodeError> {
                #read
            }

            fn measure(
                &self,
                version: ::mainstem_protocol::wire::Version,
            ) -> ::core::result::Result<usize, ::mainstem_protocol::wire::EncodeError> {
                #measure
            }

            fn write(
                &self,
                writer: &mut ::mainstem_protocol::wire::Writer,
                version: ::mainstem_protocol::wire::Version,
            ) -> ::core::result::Result<(), ::mainstem_protocol::wire::EncodeError> {
                #write
            }

            fn error_codes(&self, visit: &mut dyn ::core::ops::FnMut(i16)) {
                #error_codes
            }
        }
    }
}

/// Tagged fields, by rising tag.
pub(crate) fn by_tag(fields: &[Field]) -> Vec<(u32, &Field)> {
    let mut tagged: Vec<(u32, &Field)> =
        fields.iter().filter_map(|field| field.tag.map(|(tag, _)| (tag, field))).collect();
    tagged.sort_by_key(|(tag, _)| *tag);
    tagged
}

fn min_wire_len(plain: &[&Field]) -> TokenStream {
    let statements = plain.iter().map(|field| {
        let (ty, version) = (&field.ty, field.version());
        let add = quote! { len += <#ty as ::mainstem_protocol::wire::Wire>::min_len(#version); };
        only_if(field.is_in_version(), &add)
    });
    quote! {
        let mut len = if version.is_flexible() { 1 } else { 0 };
        #(#statements)*
        len
    }
}

fn read(plain: &[&Field], tagged: &[(u32, &Field)]) -> TokenStream {
    let statements = plain.iter().map(|field| only_if(field.is_in_version(), &read_field(field)));
    let arms = tagged.iter().map(|(tag, field)| {
        let guard = field.is_in_version().map(|condition| quote! { if #condition });
        let read = read_field(field);
        quote! { #tag #guard => { #read } }
    });
    quote! {
        let mut message = Self::default();
        #(#statements)*
        if version.is_flexible() {
            reader.tagged_fields(|reader, tag| {
                match tag {
                    #(#arms)*
                    _ => return ::core::result::Result::Ok(false),
                }
                #[allow(unreachable_code, reason = "a struct may know no tag")]
                ::core::result::Result::Ok(true)
            })?;
        }
        ::core::result::Result::Ok(message)
    }
}

fn read_field(field: &Field) -> TokenStream {
    let (ident, ty, path, version) = (&field.ident, &field.ty, &field.path, field.version());
    let refuse_null = field.refuses_null().map(|refused| {
        quote! {
            if #refused && ::mainstem_protocol::wire::Wire::is_null(&message.#ident) {
                return ::core::result::Result::Err(
                    reader.error(::mainstem_protocol::wire::DecodeErrorKind::UnexpectedNull).at(#path),
                );
            }
        }
    });
    let read = if field.tag.is_some() {
        quote! { read_tagged }
    } else {
        quote! { read }
    };
    quote! {
        message.#ident = <#ty as ::mainstem_protocol::wire::Wire>::#read(reader, #version).map_err(|e| e.at(#path))?;
        #refuse_null
    }
}

fn measure(plain: &[&Field], tagged: &[(u32, &Field)]) -> TokenStream {
    let statements = plain.iter().map(|field| {
        let (refuse_null, measured) = (refuse_null(field), measured(field));
        let add = quote! {
            #refuse_null
            len += #measured;
        };
        match field.is_in_version() {
            Some(condition) => {
                let otherwise = refuse_loss(field).map(|refuse| quote! { else #refuse });
                quote! { if #condition { #add } #otherwise }
            }
            None => add,
        }
    });
    let tagged_statements = tagged.iter().map(|(tag, field)| {
        let (refuse_null, measured, written) = (refuse_null(field), measured(field), is_written(field));
        let path = &field.path;
        let otherwise = refuse_loss(field).map(|refuse| quote! { else #refuse });
        quote! {
            if #written {
                #refuse_null
                let size = #measured;
                tags.add(#tag, size, version).map_err(|e| e.at(#path))?;
            } #otherwise
        }
    });
    quote! {
        let mut len = 0;
        #(#statements)*
        let mut tags = ::mainstem_protocol::wire::TagSection::default();
        #(#tagged_statements)*
        if version.is_flexible() {
            len += tags.len();
        }
        ::core::result::Result::Ok(len)
    }
}

fn write(plain: &[&Field], tagged: &[(u32, &Field)]) -> TokenStream {
    let statements = plain.iter().map(|field| {
        let (ident, path, version) = (&field.ident, &field.path, field.version());
        let put = quote! {
            ::mainstem_protocol::wire::Wire::write(&self.#ident, writer, #version).map_err(|e| e.at(#path))?;
        };
        only_if(field.is_in_version(), &put)
    });
    let conditions = tagged.iter().map(|(_, field)| is_written(field));
    let tagged_statements = tagged.iter().map(|(tag, field)| {
        let (ident, path, version) = (&field.ident, &field.path, field.version());
        let (measured, written) = (measured(field), is_written(field));
        quote! {
            if #written {
                let size = #measured;
                writer.put_tag(#tag, size, version).map_err(|e| e.at(#path))?;
                ::mainstem_protocol::wire::Wire::write_tagged(&self.#ident, writer, #version).map_err(|e| e.at(#path))?;
            }
        }
    });
    quote! {
        #(#statements)*
        if version.is_flexible() {
            let count = 0_u32 #(+ u32::from(#conditions))*;
            writer.put_uvarint(count);
            #(#tagged_statements)*
        }
        ::core::result::Result::Ok(())
    }
}

/// One statement a field: its own code, or those in what it holds.
fn error_codes(fields: &[Field]) -> TokenStream {
    let statements = fields.iter().map(|field| {
        let ident = &field.ident;
        if ident == "error_code" {
            quote! { visit(self.#ident); }
        } else {
            quote! { ::mainstem_protocol::wire::Wire::error_codes(&self.#ident, visit); }
        }
    });
    quote! { #(#statements)* }
}

fn measured(field: &Field) -> TokenStream {
    let (ident, path, version) = (&field.ident, &field.path, field.version());
    quote! { ::mainstem_protocol::wire::Wire::measure(&self.#ident, #version).map_err(|e| e.at(#path))? }
}

/// Whether a tagged field goes out.
fn is_written(field: &Field) -> TokenStream {
    let differs = field.differs();
    let condition = field.is_in_version().map(|condition| quote! { && #condition });
    quote! { (version.is_flexible() #condition && #differs) }
}

fn refuse_null(field: &Field) -> Option<TokenStream> {
    let (refused, ident, path) = (field.refuses_null()?, &field.ident, &field.path);
    Some(quote! {
        if #refused && ::mainstem_protocol::wire::Wire::is_null(&self.#ident) {
            return ::core::result::Result::Err(::mainstem_protocol::wire::EncodeError::new(
                ::mainstem_protocol::wire::EncodeErrorKind::UnexpectedNull,
                version.number(),
            ).at(#path));
        }
    })
}

/// `if` the field has a value that matters, refuse to write a version without it.
fn refuse_loss(field: &Field) -> Option<TokenStream> {
    if field.ignorable {
        return None;
    }
    let (differs, path) = (field.differs(), &field.path);
    Some(quote! {
        if #differs {
            return ::core::result::Result::Err(::mainstem_protocol::wire::EncodeError::new(
                ::mainstem_protocol::wire::EncodeErrorKind::NotInVersion,
                version.number(),
            ).at(#path));
        }
    })
}

/// A nested struct may be null: announced by one byte, which is signed in its place and unsigned behind a tag.
pub(crate) fn nullable(name: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl ::mainstem_protocol::wire::Nullable for #name {
            const PRESENCE_LEN: usize = 1;

            fn read_nullable(
                reader: &mut ::mainstem_protocol::wire::Reader,
                version: ::mainstem_protocol::wire::Version,
            ) -> ::core::result::Result<::core::option::Option<Self>, ::mainstem_protocol::wire::DecodeError> {
                if reader.i8()? < 0 {
                    return ::core::result::Result::Ok(::core::option::Option::None);
                }
                <Self as ::mainstem_protocol::wire::Wire>::read(reader, version).map(::core::option::Option::Some)
            }

            fn null_len(_: ::mainstem_protocol::wire::Version) -> usize {
                1
            }

            fn write_null(
                writer: &mut ::mainstem_protocol::wire::Writer,
                _: ::mainstem_protocol::wire::Version,
            ) -> ::core::result::Result<(), ::mainstem_protocol::wire::EncodeError> {
                writer.put_i8(-1);
                ::core::result::Result::Ok(())
            }

            fn write_presence(writer: &mut ::mainstem_protocol::wire::Writer) {
                writer.put_i8(1);
            }

            fn read_nullable_tagged(
                reader: &mut ::mainstem_protocol::wire::Reader,
                version: ::mainstem_protocol::wire::Version,
            ) -> ::core::result::Result<::core::option::Option<Self>, ::mainstem_protocol::wire::DecodeError> {
                if reader.uvarint()? == 0 {
                    return ::core::result::Result::Ok(::core::option::Option::None);
                }
                <Self as ::mainstem_protocol::wire::Wire>::read(reader, version).map(::core::option::Option::Some)
            }

            fn write_null_tagged(
                writer: &mut ::mainstem_protocol::wire::Writer,
                _: ::mainstem_protocol::wire::Version,
            ) -> ::core::result::Result<(), ::mainstem_protocol::wire::EncodeError> {
                writer.put_uvarint(0);
                ::core::result::Result::Ok(())
            }
        }
    }
}

fn only_if(condition: Option<TokenStream>, then: &TokenStream) -> TokenStream {
    match condition {
        Some(condition) => quote! { if #condition { #then } },
        None => then.clone(),
    }
}
