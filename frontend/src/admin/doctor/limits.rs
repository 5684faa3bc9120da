//! The hard limits that the broker is held to: nobody raises one, so a run has the smaller of them and the
//! policy's.

use std::{fs, os::unix::net::UnixStream, path::Path};

use rustix::net::sockopt::socket_peercred;

use super::report::{Check, Mode};

const NAME: &str = "limits";

/// A limit by its name in /proc, what sets it, and below which it takes something from a run by the shipped
/// policy, or from the broker.
const LIMITS: [(&str, &str, u64); 5] = [
    ("Max open files", "-n", 256),
    ("Max address space", "-v", 512 << 20),
    ("Max processes", "-u", 64),
    // Whatever is written or computed for long comes to the end of these.
    ("Max file size", "-f", u64::MAX),
    ("Max cpu time", "-t", u64::MAX),
];

/// The kernel's account of the limits of the broker that is asked: an installed one's, or those that this
/// process hands on to its own.
pub(super) fn look(mode: Mode, socket: &Path) -> Option<String> {
    let pid = match mode {
        Mode::Installed => {
            let broker = UnixStream::connect(socket).ok()?;
            // Whoever called listen: the broker itself.
            socket_peercred(&broker).ok()?.pid.as_raw_nonzero().to_string()
        }
        Mode::Embedded | Mode::NothingInstalled => "self".to_owned(),
    };
    fs::read_to_string(format!("/proc/{pid}/limits")).ok()
}

pub(super) fn check(limits: Option<&str>) -> Check {
    let Some(limits) = limits else {
        return Check::not_checked(NAME, "the kernel does not show what the broker is held to");
    };
    let low: Vec<_> = LIMITS.iter().filter_map(|limit| too_low(limits, limit)).collect();
    if low.is_empty() {
        return Check::ok(NAME, "the broker's own leave a run what a policy usually gives");
    }
    Check::warning(
        NAME,
        format!(
            "the broker is held to less than a policy usually gives ({}): a run has the smaller of both, \
             and a log that may not grow refuses calls",
            low.join(", ")
        ),
    )
    .advise(
        "Raise the hard limits where the broker is started: `ulimit` of the shell or container that starts \
         it, /etc/security/limits.conf, LimitNOFILE= and its kin of a unit.",
    )
}

fn too_low(limits: &str, (name, option, least): &(&str, &str, u64)) -> Option<String> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    // The soft one comes first; "unlimited" is no number.
    let hard: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    (hard < *least).then(|| format!("ulimit {option}: {hard}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::doctor::CheckState;

    const USUAL: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max file size             unlimited            unlimited            bytes
Max processes             63442                63442                processes
Max open files            100                  524288               files
Max address space         unlimited            unlimited            bytes
";

    #[test]
    fn a_hard_limit_below_what_a_policy_gives_is_named_and_a_soft_one_is_not() {
        assert_eq!(check(Some(USUAL)).state, CheckState::Ok);
        let low =
            USUAL.replace("524288", "255   ").replacen("unlimited            unlimited", "5 9", 1);
        let check_of_low = check(Some(&low));
        assert_eq!(check_of_low.state, CheckState::Warning);
        for named in ["ulimit -n: 255", "ulimit -t: 9"] {
            assert!(check_of_low.found.contains(named), "{}", check_of_low.found);
        }
        assert_eq!(check(None).state, CheckState::NotChecked);
        assert_eq!(check(Some("nothing of the kind")).state, CheckState::Ok);
    }
}
