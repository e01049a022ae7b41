//! What is known of one configuration key: its name, type, default, bounds, class and scope.
//!
//! Pure data, built in constant tables by the files beside this one. Above: `config::names` and the loader.

/// Type of a value, as DescribeConfigs reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// Floating point number.
    Double,
    /// Words separated by commas.
    List,
    /// Name of a Java class.
    Class,
    /// Text that is never shown.
    Password,
}

impl ValueType {
    /// The number that stands for this type in a DescribeConfigs answer.
    pub const fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// The name of this type for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Int => "int",
            Self::Short => "short",
            Self::Long => "long",
            Self::Double => "double",
            Self::List => "list",
            Self::Class => "class",
            Self::Password => "password",
        }
    }

    /// The name of this type in Kafka's messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// What a value must satisfy beyond its type. Bounds are inclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Check {
    /// Nothing.
    Any,
    /// An integer not below.
    AtLeast(i64),
    /// An integer within.
    Between(i64, i64),
    /// A number within.
    Within(f64, f64),
    /// A count of replicas: at least 1, or -1 for "as many as is safe".
    Replicas,
    /// A level of gzip: 1 to 9, or -1.
    GzipLevel,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of these words, not empty.
    EachOf(&'static [&'static str]),
    /// A list that is not empty.
    NonEmpty,
    /// `host:port` of an HTTP server, or empty for none.
    SocketAddress,
}

/// What happens with a key that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It takes effect.
    Honoured,
    /// It is accepted so that an existing file loads, and changes nothing, for this reason.
    NoEffect(&'static str),
    /// Any value but the default stops the start: ignoring it would lose data or open a door.
    Refused(&'static str),
}

/// Where a key may be set after the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Nowhere: only before the start.
    Static,
    /// For all brokers together, or for one.
    ClusterWide,
    /// For all brokers together only: brokers that differ would decide differently.
    AllBrokers,
    /// For one broker only.
    PerBroker,
}

/// One configuration key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// Name, as in a properties file.
    pub name: &'static str,
    /// Type of its value.
    pub value_type: ValueType,
    /// Default as text, `None` where nothing stands for it.
    pub default: Option<&'static str>,
    /// What a value must satisfy.
    pub check: Check,
    /// What happens when it is set.
    pub class: Class,
    /// Where it may be set after the start.
    pub scope: Scope,
    /// What it is for, in a sentence or two.
    pub doc: &'static str,
}

impl Key {
    const fn new(value_type: ValueType, name: &'static str, default: Option<&'static str>) -> Self {
        Self {
            name,
            value_type,
            default,
            check: Check::Any,
            class: Class::Honoured,
            scope: Scope::Static,
            doc: "",
        }
    }

    /// A key without a default.
    pub(super) const fn unset(value_type: ValueType, name: &'static str) -> Self {
        Self::new(value_type, name, None)
    }

    pub(super) const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    pub(super) const fn check(mut self, check: Check) -> Self {
        self.check = check;
        self
    }

    pub(super) const fn no_effect(mut self, reason: &'static str) -> Self {
        self.class = Class::NoEffect(reason);
        self
    }

    pub(super) const fn refused(mut self, reason: &'static str) -> Self {
        self.class = Class::Refused(reason);
        self
    }

    pub(super) const fn cluster_wide(mut self) -> Self {
        self.scope = Scope::ClusterWide;
        self
    }

    pub(super) const fn all_brokers(mut self) -> Self {
        self.scope = Scope::AllBrokers;
        self
    }

    pub(super) const fn per_broker(mut self) -> Self {
        self.scope = Scope::PerBroker;
        self
    }

    /// Whether the value must never be shown.
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.value_type, ValueType::Password)
    }

    /// Whether only a restart changes the value.
    pub const fn is_read_only(&self) -> bool {
        matches!(self.scope, Scope::Static)
    }
}

pub(super) const fn boolean(name: &'static str, default: &'static str) -> Key {
    Key::new(ValueType::Boolean, name, Some(default))
}

pub(super) const fn string(name: &'static str, default: &'static str) -> Key {
    Key::new(ValueType::String, name, Some(default))
}

pub(super) const fn int(name: &'static str, default: &'static str) -> Key {
    Key::new(ValueType::Int, name, Some(default))
}

pub(super) const fn short(name: &'static str, default: &'static str) -> Key {
    Key::new(ValueType::Short, name, Some(default))
}

pub(super) const fn long(name: &'static str, default: &'static str) -> Key {
    Key::new(ValueType::Long, name, Some(default))
}

pub(super) const fn double(name: &'static str, default: &'static str) -> Key {
    Key::new(ValueType::Double, name, Some(default))
}

pub(super) const fn list(name: &'static str, default: &'static str) -> Key {
    Key::new(ValueType::List, name, Some(default))
}

pub(super) const fn class(name: &'static str, default: &'static str) -> Key {
    Key::new(ValueType::Class, name, Some(default))
}
