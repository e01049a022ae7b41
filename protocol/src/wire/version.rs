//! A message version together with the one bit that decides how lengths are written.

/// Version of the message being read or written.
///
/// Nested structs do not know when their message became flexible, so the bit travels with the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    number: i16,
    flexible: bool,
}

impl Version {
    /// Version `number` of a message that is flexible from `first_flexible` on (`i16::MAX` = never).
    pub const fn new(number: i16, first_flexible: i16) -> Self {
        Self { number, flexible: first_flexible != i16::MAX && number >= first_flexible }
    }

    /// The bare number.
    pub const fn number(self) -> i16 {
        self.number
    }

    /// Whether lengths are compact and structs end in a section of tagged fields.
    pub const fn is_flexible(self) -> bool {
        self.flexible
    }

    /// Whether this is version `first` or a later one.
    pub const fn since(self, first: i16) -> bool {
        self.number >= first
    }

    /// Whether this is version `last` or an earlier one.
    pub const fn until(self, last: i16) -> bool {
        self.number <= last
    }

    /// The same version for a field whose lengths were never made compact.
    #[must_use]
    pub const fn legacy(self) -> Self {
        Self { flexible: false, ..self }
    }
}
