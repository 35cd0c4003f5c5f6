//! gem5 as a machine: the same plan, events and verdict as on QEMU, on simulated cores.
//!
//! A run is one to three gem5 processes (`phases`): boot the guest to its parked checkpoint, set the function up, invoke it on the
//! measured core. `binary` finds gem5, `script` brings the configuration, `args` builds command lines, `session` runs one process
//! under guard and watchdogs, `channel` reads what the guest writes, `checkpoint` keeps checkpoints, `results` makes rows.

mod args;
mod binary;
mod channel;
mod checkpoint;
mod diagnose;
mod event;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod machine;
mod payload;
mod phases;
mod results;
mod root;
mod script;
mod seed;
mod session;
mod settings;
mod stage;
mod stalled;
mod state;
mod watchdog;
mod wrong;

pub use args::{Phase, Restore, Start, gem5_arguments, kernel_command_line};
pub use binary::{Gem5, find_gem5, probe_gem5};
pub use checkpoint::{CheckpointStore, Ingredients, Stored};
pub use event::{SimEvent, parse_event};
pub use machine::Gem5Machine;
pub use root::{MemoryRoot, memory_root};
pub use script::{ConfigScript, FILES as CONFIG_FILES};
pub use seed::Seed;
pub use settings::{BootCore, Gem5Settings, Goal, Watchdogs};
pub use stage::staging_is_tried_with;
pub use state::{CoreState, FlushList};

#[cfg(test)]
#[path = "../../futon-model/tests/sample/mod.rs"]
mod sample;
