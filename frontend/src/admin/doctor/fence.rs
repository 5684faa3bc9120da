//! The egress fence: whether systemd lets the broker reach what the policy allows, and nothing else.
//!
//! It is made from the policy by an administrator, and nobody makes it again when the policy changes. An
//! older one fails calls that the broker approves of, or lets through what the policy has taken back.
//! What is in force is asked of systemd, which merges the files of the unit; what should be, of
//! `probity-policy systemd-dropin`. They are compared as sets of addresses, never as text. Rules of
//! nftables are root's to see, and are not looked at.

use std::{net::IpAddr, process::Stdio, time::Duration};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio::{process::Command, time::timeout};

use super::{
    policy::{self, PolicyFile},
    report::Check,
};

const NAME: &str = "fence";

/// Where systemd puts it. What `PATH` says is not asked for somebody else's.
const SYSTEMCTL: &str = "/usr/bin/systemctl";

const UNIT: &str = "probity-broker.service";

/// How long systemd may take. It takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// What it is asked for; anybody may.
const PROPERTIES: &str =
    "LoadState,ActiveState,IPAddressAllow,IPAddressDeny,IPAccounting,IPIngressBytes";

/// Networks that are named; the others are counted.
const NETWORKS_SHOWN: usize = 5;

/// As docs/install.md has it.
const MAKE: [&str; 2] = [
    "sudo probity-policy systemd-dropin -o \
     /etc/systemd/system/probity-broker.service.d/10-egress.conf",
    "sudo systemctl daemon-reload && sudo systemctl restart probity-broker",
];

/// The fence that is in force and the one that should be, each as text or why there is none.
#[derive(Debug, Clone)]
pub(super) struct Fences {
    /// What `systemctl show` prints of the unit.
    held: Result<String, String>,
    /// The drop-in of the policy as it is now.
    due: Result<String, String>,
}

/// What systemd holds the broker to.
struct Held {
    allowed: Vec<IpNet>,
    denied: Vec<IpNet>,
    /// systemd was told to count what passes, and has no figure: the kernel took no filter from it.
    is_void: bool,
}

impl Fences {
    pub(super) async fn look(file: &PolicyFile) -> Self {
        let (held, due) = tokio::join!(held(), due(file));
        Self { held, due }
    }
}

async fn held() -> Result<String, String> {
    let mut command = Command::new(SYSTEMCTL);
    command.args(["show", "--no-pager", "--property", PROPERTIES, UNIT]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("systemctl: {}", said.lines().next().unwrap_or("no answer")))
        }
        Ok(Err(error)) => Err(format!("{SYSTEMCTL}: {error}")),
        Err(_) => Err("systemctl took too long".into()),
    }
}

async fn due(file: &PolicyFile) -> Result<String, String> {
    let Some(path) = file.path() else { return Err("the policy is not known".into()) };
    let output = policy::ask(&["systemd-dropin", "--policy"], &path).await?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err("this user may not read the policy, or it has defects (see `policy`)".into()),
    }
}

/// Whether the fence is the policy's.
pub(super) fn check(fences: Fences) -> Check {
    let held = match fences.held.and_then(|shown| Held::parse(&shown)) {
        Ok(held) => held,
        Err(reason) => return Check::not_checked(NAME, reason),
    };
    if held.denied.is_empty() {
        return Check::ok(NAME, "there is none: the broker alone keeps to the policy's networks")
            .mend("To have the kernel keep to them too, whatever becomes of the broker:", MAKE);
    }
    if held.is_void {
        return void();
    }
    match fences.due.and_then(|dropin| due_networks(&dropin)) {
        Ok(due) => compared(&held.open(), &due),
        Err(reason) => Check::not_checked(NAME, format!("it cannot be compared: {reason}")),
    }
}

/// There is one on paper only.
fn void() -> Check {
    let found = "systemd has a fence for the broker, and the kernel does not hold it: it has no BPF \
                 for cgroups, or this machine may not use it";
    Check::warning(NAME, found).mend(
        "A kernel with CONFIG_CGROUP_BPF holds it; in a container, one that may use bpf(2). nftables \
         can hold the same:",
        [
            "sudo probity-policy systemd-dropin --nftables -o /etc/probity/egress.nft",
            "sudo nft -f /etc/probity/egress.nft",
        ],
    )
}

fn compared(open: &[IpNet], due: &[IpNet]) -> Check {
    let (closed, beyond) = (only_in(due, open), only_in(open, due));
    let closed_said = || {
        format!(
            "the policy allows {}, which the fence does not let through: calls to there fail, some \
             with \"Operation not permitted\"",
            listed(&closed)
        )
    };
    let beyond_said =
        || format!("the fence lets through {}, which the policy does not allow", listed(&beyond));
    let found = match (closed.is_empty(), beyond.is_empty()) {
        (true, true) => return Check::ok(NAME, format!("what the policy allows: {}", listed(due))),
        (false, true) => closed_said(),
        (true, false) => beyond_said(),
        (false, false) => format!("{}; and {}", closed_said(), beyond_said()),
    };
    let advice = match beyond.is_empty() {
        true => "It is older than the policy. Make it again:",
        false => {
            "Make it again from the policy. What it lets through even then is of another drop-in, \
             which `systemctl cat probity-broker` shows:"
        }
    };
    Check::warning(NAME, found).mend(advice, MAKE)
}

impl Held {
    fn parse(shown: &str) -> Result<Self, String> {
        let lines = || shown.lines().filter_map(|line| line.split_once('='));
        let value = |key: &str| lines().find(|line| line.0 == key).map(|line| line.1);
        if value("LoadState") != Some("loaded") {
            return Err(format!("systemd has not loaded {UNIT}"));
        }
        let (Some(allowed), Some(denied)) = (value("IPAddressAllow"), value("IPAddressDeny"))
        else {
            return Err(format!("systemd does not say what {UNIT} may reach"));
        };
        // `[no data]`, or the largest number there is.
        let is_counted = value("IPIngressBytes")
            .and_then(|bytes| bytes.parse().ok())
            .is_some_and(|bytes: u64| bytes != u64::MAX);
        let counts = value("IPAccounting") == Some("yes") && value("ActiveState") == Some("active");
        Ok(Self {
            allowed: networks(allowed.split_whitespace())?,
            denied: networks(denied.split_whitespace())?,
            is_void: counts && !is_counted,
        })
    }

    /// What it lets through: what is allowed, which systemd looks at first, and what is not denied.
    fn open(&self) -> Vec<IpNet> {
        let mut open = only_in(&everything(), &self.denied);
        open.extend(&self.allowed);
        IpNet::aggregate(&open)
    }
}

/// The networks of a drop-in, which denies all others.
fn due_networks(dropin: &str) -> Result<Vec<IpNet>, String> {
    let allowed = dropin.lines().filter_map(|line| line.strip_prefix("IPAddressAllow="));
    networks(allowed.filter(|network| !network.is_empty()))
}

fn networks<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vec<IpNet>, String> {
    let parsed = |word: &str| {
        let network = word.parse().or_else(|_| word.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| format!("{word} is no network"))
    };
    words.map(parsed).collect()
}

fn everything() -> [IpNet; 2] {
    [Ipv4Net::default().into(), Ipv6Net::default().into()]
}

/// The addresses of `these` that are not of `those`.
fn only_in(these: &[IpNet], those: &[IpNet]) -> Vec<IpNet> {
    let left = everything().into_iter().flat_map(|family| left(family, these, those));
    IpNet::aggregate(&left.collect())
}

/// The same within a network, which is halved until each half is of one side alone.
fn left(within: IpNet, these: &[IpNet], those: &[IpNet]) -> Vec<IpNet> {
    let near = |networks: &[IpNet]| -> Vec<IpNet> {
        let meets = |it: &&IpNet| it.contains(&within) || within.contains(*it);
        networks.iter().filter(meets).copied().collect()
    };
    let has_all = |networks: &[IpNet]| networks.iter().any(|it| it.contains(&within));
    let (these, those) = (near(these), near(those));
    if these.is_empty() || has_all(&those) {
        return Vec::new();
    }
    if those.is_empty() && has_all(&these) {
        return vec![within];
    }
    // A single address never comes here: who meets it has all of it.
    let halves = within.subnets(within.prefix_len() + 1).into_iter().flatten();
    halves.flat_map(|half| left(half, &these, &those)).collect()
}

/// The first few by name.
fn listed(networks: &[IpNet]) -> String {
    let shown: Vec<_> = networks.iter().take(NETWORKS_SHOWN).map(ToString::to_string).collect();
    match networks.len().saturating_sub(NETWORKS_SHOWN) {
        0 if shown.is_empty() => "nothing".into(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
#[path = "fence_tests.rs"]
mod tests;
