//! Correct replies: for a function and the value it was sent, the correct texts.
#![warn(missing_docs)]

mod aes;
mod auth;
mod catalog;
mod decimal;
mod expectation;
mod fibonacci;
mod python;

pub use catalog::{Function, Language, Service, Unknown, check_method, find, names};
pub use expectation::Expectation;

/// What `function` must reply to `input`.
pub fn expected(function: &Function, input: &str) -> Expectation {
    match function.service {
        // What vSwarm's helloworld servers add to the name is not known for sure: a weaker check.
        Service::HelloWorld => Expectation::contains(input),
        Service::Fibonacci => fibonacci::expected(function.language, input),
        Service::Aes => aes::expected(function.language, input),
        Service::Auth => auth::expected(function.language, input),
    }
}

/// Says why replies for `input` could not be verified at all.
///
/// # Errors
/// A Fibonacci number too large to be computed here.
pub fn check_input(function: &Function, input: &str) -> Result<(), String> {
    match function.service {
        Service::Fibonacci => fibonacci::check_input(input),
        _ => Ok(()),
    }
}
