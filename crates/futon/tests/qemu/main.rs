//! The main job, in real virtual machines. `make test` sets `FUTON_TEST_QEMU=1` and builds what is needed; without it
//! each test says that it was skipped.

mod faults;
mod host;
mod passes;
mod real;
