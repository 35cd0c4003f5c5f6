//! From flags, settings and a compose file to what a run needs: the project, plans and working directories, the prepared machine, and the
//! places of all that is read and written. It starts no machine but to make a warm base.
#![warn(missing_docs)]

pub mod calls;
pub mod cell;
pub mod described;
pub mod flags;
pub mod gem5;
pub mod given;
pub mod image;
mod in_turn;
mod lean;
pub mod machine;
pub mod packages;
pub mod places;
pub mod prepared;
pub mod project;
pub mod remembered;
pub mod room;
pub mod rundir;
pub mod settings;
pub mod suite;
pub mod thresholds;
pub mod warm;
