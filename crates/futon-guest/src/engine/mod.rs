//! The container engine, through its HTTP API on a Unix socket.

mod api;
mod carried;
mod companions;
mod container;
mod detour;
mod find;
mod journal;
mod logs;
mod mirror;
mod pull;
mod ready;
mod rehearsal;
mod up;
mod waits;

pub(crate) use api::Engine;
pub(crate) use companions::save_companions;
pub(crate) use container::{existing, report_image, report_state};
pub(crate) use find::{Way, find};
pub(crate) use journal::journal;
pub(crate) use logs::{cut_words, freeze, report_kill, stop, write_log};
pub(crate) use pull::{pull, pull_carried, settle};
pub(crate) use ready::wait_until_ready;
pub(crate) use rehearsal::forget;
pub(crate) use up::up;
pub(crate) use waits::waiting;
