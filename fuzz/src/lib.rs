//! Fuzz targets: hostile input for everything in futon that reads what others wrote.
//!
//! Each target is a function of bytes that panics when a promise is broken. libFuzzer drives them (`fuzz_targets/`); `make fuzz`
//! first runs each over its seeds and over what was found before (`corpus/`).

mod archives;
mod calls;
mod compose;
mod events;
mod exchange;
mod http;
mod layers;
mod records;
mod references;
mod rootfs;
mod scratch;
pub mod seeds;
mod staged;
mod stats;

pub use archives::{archive, layout};
pub use calls::calls;
pub use compose::compose;
pub use events::{console, guest_events};
pub use exchange::{multipart, names, range};
pub use http::{http, registry};
pub use records::records;
pub use references::references;
pub use rootfs::rootfs;
pub use staged::staged;
pub use stats::stats;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its folder in `corpus/`, too.
pub const TARGETS: [(&str, Target); 16] = [
    ("archive", archive),
    ("calls", calls),
    ("compose", compose),
    ("console", console),
    ("guest_events", guest_events),
    ("http", http),
    ("layout", layout),
    ("multipart", multipart),
    ("names", names),
    ("range", range),
    ("records", records),
    ("references", references),
    ("registry", registry),
    ("rootfs", rootfs),
    ("staged", staged),
    ("stats", stats),
];
