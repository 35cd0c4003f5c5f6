//! The exchange as guests meet it: a real listener on loopback, real curl, real skopeo.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod events;
mod files;
mod images;
mod patience;
mod script;
mod support;
mod uploads;
