//! A tool's output while it comes. What it says at its end is the crate `probity-output`'s.

pub mod progress;
