//! Servers good and bad, and a machine that uses them.

mod another_server;
mod edu;
mod lies;
#[path = "../../examples/edu/model.rs"]
mod model;
mod support;
