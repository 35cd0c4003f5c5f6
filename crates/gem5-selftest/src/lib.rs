//! placeholder

pub mod work;


