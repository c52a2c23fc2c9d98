//! Mixing up address spaces must not compile.

#[test]
fn physical_and_logical_addresses_do_not_mix() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
