//! What this process's owner has configured. Everything here can only tighten what the policy allows.

use std::time::Duration;

/// The settings in effect.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Which tools are published, and with which defaults.
    pub tools: Tools,
    /// Limits asked for in each call.
    pub limits: Limits,
}

/// Which tools are published, and with which defaults.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Names or aliases; all tools where it is empty.
    pub include: Vec<String>,
    /// Names or aliases; wins over `include`.
    pub exclude: Vec<String>,
    /// Most bytes of `extra_args`.
    pub max_args_bytes: usize,
    /// Where a tool's file sets none.
    pub default_timeout: Duration,
    /// Where a tool's file sets none.
    pub default_concurrency: u32,
}

/// Limits asked for in each call; the broker takes the smaller of these and its own.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Address space of a tool.
    pub memory_bytes: u64,
    /// Open files of a tool.
    pub open_files: u64,
    /// Standard output kept.
    pub stdout_bytes: u64,
    /// Standard error kept.
    pub stderr_bytes: u64,
}

/// What is configured for one tool.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToolOverride {
    /// Its time limit.
    pub timeout: Option<Duration>,
    /// Runs at once.
    pub concurrency: Option<u32>,
}

impl Config {
    /// What is configured for a tool, by its name and aliases.
    #[must_use]
    pub fn tool(&self, _name: &str, _aliases: &[&str]) -> ToolOverride {
        ToolOverride::default()
    }
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            max_args_bytes: 2048,
            default_timeout: Duration::from_secs(300),
            default_concurrency: 2,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            open_files: 256,
            stdout_bytes: 1 << 20,
            stderr_bytes: 1 << 18,
        }
    }
}
