//! A principal as one node hands it to another when it forwards a request.

use crate::{message::Message, wire::WireStr};

/// Who made the request.
#[derive(Clone, Debug, PartialEq, Eq, Message)]
#[record(versions = 0..=0, flexible = 0)]
pub struct DefaultPrincipalData {
    /// Kind of principal, as `User`.
    #[wire(name = "Type")]
    pub principal_type: WireStr,
    /// Name of the principal.
    pub name: WireStr,
    /// Whether it logged in by a delegation token.
    pub token_authenticated: bool,
}
