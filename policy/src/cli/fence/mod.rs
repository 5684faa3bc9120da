//! `systemd-dropin`: the policy's networks as a fence that the kernel keeps, whatever becomes of the
//! broker and the tools.
//!
//! Two forms: a drop-in for the broker's unit (`dropin.rs`) and a ruleset for nftables
//! (`nftables.rs`). Either is only printed; what a machine does with it is its administrator's. The
//! text says itself what it holds and what it does not, since it is read where this page is not.

mod dropin;
mod nftables;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use ipnet::IpNet;

use super::{CliError, Which, show::capability};
use crate::{
    Policy, SocketFamily,
    diff::without,
    source::printable,
    tool::{CapabilityRule, Tool},
};

/// Print the policy's networks as an egress fence for the broker's systemd unit
///
/// The broker and its tools then reach no address that the policy does not allow, whatever becomes of
/// them. A drop-in holds IP sockets, raw ones too. A tool with packet sockets (nmap's raw scans) sends
/// frames past it; --nftables with --device holds those as well. docs/policy.md compares both.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy systemd-dropin -o /etc/systemd/system/probity-broker.service.d/10-egress.conf
  systemctl daemon-reload && systemctl restart probity-broker.service
                                     the fence of the installed policy, and in force
  probity-policy systemd-dropin --nftables --device eth0 --device lo -o /etc/probity/egress.nft
  nft -f /etc/probity/egress.nft     the same for nftables, frames of packet sockets included

Make it again whenever the policy's networks change: `probity doctor` tells when the drop-in is due.
Exit status: 0, or 2 for a policy with defects."))]
pub(super) struct Args {
    /// A ruleset for nftables instead
    #[arg(long)]
    nftables: bool,
    /// A network device, at which packet sockets' frames are held too; once for each device
    #[arg(long = "device", value_name = "NAME", requires = "nftables", value_parser = device)]
    devices: Vec<String>,
    /// The user that the broker runs as, by name or number
    #[arg(
        long,
        value_name = "USER",
        requires = "nftables",
        default_value = "probity-broker",
        value_parser = user
    )]
    user: String,
    /// Write a file, in place of the one that is there; nothing changes where there is no fence
    ///
    /// `> FILE` empties it first: a defect in the policy would leave a file that fences nothing.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let (_, policy) = which.read()?;
    let fence = Fence::of(&policy, which);
    let text = match args.nftables {
        true => nftables::text(&fence, &args.devices, &args.user),
        false => dropin::text(&fence),
    };
    match &args.output {
        // As it is: what is printed is a file.
        None => io::stdout().write_all(text.as_bytes())?,
        Some(path) => {
            replace(path, &text).map_err(|error| CliError::File { path: path.clone(), error })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a file in place as a whole, and makes its folder.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    // systemd reads what ends in .conf, and nft what it is given.
    beside.push(".new");
    let beside = Path::new(&beside);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // What an earlier attempt left, or a link that somebody put there, is not written to.
    let _ = fs::remove_file(beside);
    let mut file = File::create_new(beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)
}

/// What either form says.
struct Fence {
    /// The file that the policy was read from, as a comment may name it.
    policy: String,
    digest: String,
    /// The words that make the one of a changed policy, for a command line.
    again: String,
    allowed: Vec<IpNet>,
    /// What the policy denies inside of what it allows.
    denied: Vec<IpNet>,
    /// What is allowed and not denied.
    open: Vec<IpNet>,
    /// Tools that can have packet sockets, and when they are given the capability for these.
    packet_tools: Vec<String>,
}

impl Fence {
    fn of(policy: &Policy, which: &Which) -> Self {
        let targets = &policy.targets;
        let denied = targets.denied.networks().iter().copied();
        let (name, option) = match &which.policy {
            Some(path) => {
                // It is read elsewhere than it is made.
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                let path = path.display().to_string();
                (path.clone(), format!(" --policy {}", quoted(&path)))
            }
            // Whoever changes the shipped policy has one of his own.
            None if which.shipped => ("the shipped policy".to_owned(), String::new()),
            None => (super::SYSTEM_POLICY.to_owned(), String::new()),
        };
        Self {
            policy: printable(&name),
            digest: policy.digest().to_string(),
            again: format!("probity-policy systemd-dropin{}", printable(&option)),
            allowed: targets.allowed.networks().to_vec(),
            denied: denied.filter(|network| targets.allowed.overlaps(*network)).collect(),
            open: without(&targets.allowed, &targets.denied),
            packet_tools: policy.tools().iter().filter_map(|tool| packet_sockets(tool)).collect(),
        }
    }
}

/// A tool that can have packet sockets, with when; `None` for any other.
fn packet_sockets(tool: &Tool) -> Option<String> {
    let sandbox = &tool.sandbox;
    let listed = sandbox.profile.sockets.iter().any(|rule| rule.family == SocketFamily::Packet);
    // They take the capability too.
    let can = listed && sandbox.net_raw != CapabilityRule::Never;
    can.then(|| printable(&format!("{}: CAP_NET_RAW {}", tool.name, capability(tool))))
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    shlex::try_quote(path).map_or_else(|_| path.to_owned(), |quoted| quoted.into_owned())
}

/// Text as comment lines, wrapped as far as words allow.
/// What no fence around the broker can hold.
const FOR_EVERYBODY: &str = "It is one fence for all grants together: how far one of them reaches, the broker's \
                              decision and the fence of each run hold.";

fn comment(text: &str) -> String {
    const WIDTH: usize = 98;
    let mut out = String::new();
    for paragraph in text.lines() {
        let mut line = "#".to_owned();
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            if line.len() + 1 + word.len() > WIDTH && line != "#" {
                out.push_str(&line);
                out.push('\n');
                line = "#".to_owned();
            }
            line.push(' ');
            line.push_str(word);
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Commands and lists in a comment: indented, one on each line, as they are.
fn listed(lines: &[impl AsRef<str>]) -> String {
    lines.iter().map(|line| format!("#   {}\n", line.as_ref())).collect()
}

/// What the kernel takes as the name of a device, and nothing that means more in a ruleset.
fn device(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-@:".contains(c);
    let is_name = !name.is_empty() && name.len() < 16 && name.chars().all(fits);
    let reason = "a device is named with up to 15 letters, digits and ._-@: as `ip link` shows it";
    if is_name { Ok(name.to_owned()) } else { Err(reason.to_owned()) }
}

fn user(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let is_name = !name.is_empty() && !name.starts_with('-') && name.chars().all(fits);
    let reason = "a user is named with letters, digits and ._- or by number";
    if is_name { Ok(name.to_owned()) } else { Err(reason.to_owned()) }
}
