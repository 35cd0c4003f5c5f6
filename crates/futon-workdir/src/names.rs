//! Names of files in a working directory.

/// Declared calls as the guest's client sends them; empty where there are none.
pub(super) const CALLS: &str = "calls.bin";
/// The same calls with their expectations; only on the host.
pub(super) const SHEET: &str = "calls.json";
/// The replies of a load, as the guest uploads them.
pub const LOAD: &str = "load.bin";
/// The replies of declared calls, as the guest uploads them.
pub const REPLIES: &str = "replies.bin";
/// Archive of the registry that a guest without a network carries.
pub(super) const REGISTRY: &str = "registry.tar";
/// Archive of the lean guest's containers.
pub(super) const BUNDLE: &str = "bundle.tar";
/// What it was made from.
pub(super) const RECIPE: &str = "bundle.json";
/// Archive of the host's files that a service needs.
pub(super) const HANDOVER: &str = "files.tar";
/// The run's cell.
pub(super) const CELL: &str = "cell.json";
