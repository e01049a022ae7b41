//! What the compiler says when a message is described wrongly: each error names the attribute or field at fault.
//!
//! `TRYBUILD=overwrite cargo test -p mainstem-protocol-derive` writes the expected texts anew.

#[test]
fn errors_point_at_the_attribute() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
