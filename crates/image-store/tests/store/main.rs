//! The store as other processes leave it: killed at any step, and several of them at once.

mod child;
mod interrupted;
mod together;
