//! dxgk
fn main() {}
