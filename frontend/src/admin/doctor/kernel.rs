//! The kernel: its release, its Landlock and its seccomp. Tools are confined by both.
//!
//! The broker's word on Landlock counts for more than what this process finds, since it is the broker
//! that confines; it refuses to start with less than its policy asks for.

use std::{fs, thread};

use landlock::{
    ABI, Access as _, AccessFs, LandlockStatus, Ruleset, RulesetAttr as _, RulesetError,
};
use probity_protocol::SandboxFacts;

use super::report::Check;

/// What the shipped policy asks for (`sandbox.landlock_abi_min`), and the kernel that came with it.
const LEAST_ABI: u32 = 2;
const LEAST_RELEASE: (u32, u32) = (5, 19);

/// Where the kernel says what its filters can answer.
const SECCOMP_ACTIONS: &str = "/proc/sys/kernel/seccomp/actions_avail";

/// What a broker's filters answer.
const ACTIONS_NEEDED: [&str; 3] = ["kill_process", "errno", "allow"];

/// What an ABI below the number leaves open.
const OPEN_BELOW: [(u32, &str); 4] = [
    (3, "truncating files"),
    (4, "TCP connects and binds to other ports"),
    (5, "ioctl on devices"),
    (6, "signals to other processes and abstract sockets"),
];

const BEYOND: &str = "UDP and sockets in the file system are beyond Landlock; seccomp sees to them";

/// The kernel's Landlock, as this process finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landlock {
    /// This ABI.
    Abi(u32),
    /// It is built in, and not switched on.
    Off,
    /// It is not built in.
    Absent,
    /// The kernel did not say.
    Unknown,
}

impl Landlock {
    pub(super) fn look() -> Self {
        // The crate tells it of somebody who restricts himself: a thread, which ends with that.
        let restrict = || -> Result<_, RulesetError> {
            let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1))?;
            Ok(rules.create()?.restrict_self()?.landlock)
        };
        match thread::scope(|scope| scope.spawn(restrict).join()) {
            Ok(Ok(LandlockStatus::Available { effective_abi, kernel_abi })) => {
                let known = effective_abi as i32;
                u32::try_from(kernel_abi.unwrap_or(known)).map_or(Self::Unknown, Self::Abi)
            }
            Ok(Ok(LandlockStatus::NotEnabled)) => Self::Off,
            Ok(Ok(LandlockStatus::NotImplemented)) => Self::Absent,
            Ok(Err(_)) | Err(_) => Self::Unknown,
        }
    }
}

pub(super) fn checks(landlock: Landlock, broker: Option<&SandboxFacts>) -> [Check; 3] {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let broker = broker.map(|facts| facts.landlock_abi);
    let actions = fs::read_to_string(SECCOMP_ACTIONS).ok();
    [kernel(&release, landlock), confinement(landlock, broker), seccomp(actions.as_deref())]
}

/// Its age alone is no failure: distributions carry features back.
fn kernel(release: &str, landlock: Landlock) -> Check {
    const NAME: &str = "kernel";
    let shown = format!("Linux {release}");
    let (major, minor) = LEAST_RELEASE;
    let carried = matches!(landlock, Landlock::Abi(abi) if abi >= LEAST_ABI);
    match version(release) {
        Some(version) if version >= LEAST_RELEASE => Check::ok(NAME, shown),
        _ if carried => {
            Check::ok(NAME, format!("{shown}, whose distribution has carried Landlock back to it"))
        }
        Some(_) => Check::warning(
            NAME,
            format!("{shown} is older than {major}.{minor}, which the shipped policy asks for"),
        )
        .advise("Boot a newer kernel; Debian 12's is 6.1."),
        None => Check::not_checked(NAME, format!("{shown}: its number cannot be read")),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn confinement(own: Landlock, broker: Option<u32>) -> Check {
    const NAME: &str = "landlock";
    let landlock = broker.map_or(own, Landlock::Abi);
    match landlock {
        Landlock::Abi(abi) if broker.is_none() && abi < LEAST_ABI => Check::failed(
            NAME,
            format!("ABI {abi}: the shipped policy asks for {LEAST_ABI} at least"),
        )
        .advise(
            "Boot a kernel of 5.19 or later. Whoever has to live with this one says so in the policy, \
             `landlock_abi_min = 1` in [sandbox]; moving files between folders is then forbidden to \
             tools, and truncating is not.",
        ),
        Landlock::Abi(abi) => Check::ok(NAME, format!("ABI {abi}: {}. {BEYOND}.", open(abi))),
        Landlock::Off => Check::failed(
            NAME,
            "the kernel has Landlock, and it is not switched on: a broker refuses to start",
        )
        .mend(
            "Add landlock to the list of security modules that the kernel is booted with (lsm=, in \
             GRUB_CMDLINE_LINUX of /etc/default/grub, what is in the list now behind it), and boot:",
            [
                "cat /sys/kernel/security/lsm",
                "sudo editor /etc/default/grub",
                "sudo update-grub && sudo reboot",
            ],
        ),
        Landlock::Absent => Check::failed(
            NAME,
            "the kernel has no Landlock, or something keeps it from this process (a container's \
             seccomp profile): a broker refuses to start",
        )
        .mend(
            "On a machine of your own: boot a kernel that has it (CONFIG_SECURITY_LANDLOCK=y, 5.19 or \
             later). In a container: allow the calls landlock_create_ruleset, landlock_add_rule and \
             landlock_restrict_self.",
            ["grep LANDLOCK /boot/config-$(uname -r)"],
        ),
        Landlock::Unknown => Check::not_checked(NAME, "the kernel does not say what it has"),
    }
}

fn open(abi: u32) -> String {
    let open: Vec<_> =
        OPEN_BELOW.iter().filter(|(since, _)| abi < *since).map(|(_, what)| *what).collect();
    match open.as_slice() {
        [] => "files, TCP ports, signals and abstract sockets of tools are confined".into(),
        open => format!("files of tools are confined. It leaves open: {}", open.join("; ")),
    }
}

fn seccomp(actions: Option<&str>) -> Check {
    const NAME: &str = "seccomp";
    let Some(actions) = actions else {
        return Check::failed(
            NAME,
            format!("there is no {SECCOMP_ACTIONS}: the kernel filters no system calls"),
        )
        .mend(
            "Boot a kernel with CONFIG_SECCOMP_FILTER=y, which every distribution's has. In a \
             container, let /proc be mounted.",
            ["grep SECCOMP /boot/config-$(uname -r)"],
        );
    };
    let has = |action: &&str| actions.split_whitespace().any(|word| word == *action);
    let missing: Vec<_> = ACTIONS_NEEDED.into_iter().filter(|action| !has(action)).collect();
    match missing.is_empty() {
        true => Check::ok(NAME, "the kernel filters system calls"),
        false => Check::failed(NAME, format!("the kernel's filters lack {}", missing.join(", ")))
            .advise("Boot a kernel of 5.19 or later."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::doctor::CheckState;

    #[test]
    fn a_kernel_is_judged_by_its_number_and_what_was_carried_back_to_it() {
        for (release, landlock, state) in [
            ("6.18.44-fc", Landlock::Abi(7), CheckState::Ok),
            ("6.1.0-18-amd64", Landlock::Abi(2), CheckState::Ok),
            ("5.19.0", Landlock::Absent, CheckState::Ok),
            ("5.10.0-28-amd64", Landlock::Absent, CheckState::Warning),
            ("5.14.0-570.el9.x86_64", Landlock::Abi(6), CheckState::Ok),
            ("strange", Landlock::Absent, CheckState::NotChecked),
        ] {
            assert_eq!(kernel(release, landlock).state, state, "{release}");
        }
    }

    #[test]
    fn landlock_that_is_off_is_told_apart_from_landlock_that_is_not_there() {
        let off = confinement(Landlock::Off, None);
        assert_eq!(off.state, CheckState::Failed);
        assert!(off.remedy.unwrap().advice.contains("lsm="));
        let absent = confinement(Landlock::Absent, None);
        assert_eq!(absent.state, CheckState::Failed);
        assert!(absent.remedy.unwrap().advice.contains("CONFIG_SECURITY_LANDLOCK"));
        assert_eq!(confinement(Landlock::Unknown, None).state, CheckState::NotChecked);
    }

    #[test]
    fn what_an_abi_leaves_open_is_said() {
        for (abi, open, confined) in [
            (2, Some("truncating files"), None),
            (3, Some("TCP connects"), Some("truncating")),
            (4, Some("ioctl"), Some("TCP connects")),
            (5, Some("signals"), Some("ioctl")),
            (6, None, Some("leaves open")),
            (7, None, Some("leaves open")),
        ] {
            let check = confinement(Landlock::Abi(abi), None);
            assert_eq!(check.state, CheckState::Ok);
            assert!(open.is_none_or(|open| check.found.contains(open)), "{}", check.found);
            assert!(confined.is_none_or(|word| !check.found.contains(word)), "{}", check.found);
            assert!(check.found.contains("UDP"), "{}", check.found);
        }
    }

    #[test]
    fn an_abi_that_the_shipped_policy_refuses_is_a_failure_unless_the_broker_lives_with_it() {
        assert_eq!(confinement(Landlock::Abi(1), None).state, CheckState::Failed);
        let lived_with = confinement(Landlock::Abi(1), Some(1));
        assert_eq!(lived_with.state, CheckState::Ok);
        assert!(lived_with.found.contains("truncating files"), "{}", lived_with.found);
    }

    #[test]
    fn the_word_of_the_broker_counts_for_more_than_a_look_of_ones_own() {
        let check = confinement(Landlock::Absent, Some(3));
        assert_eq!(check.state, CheckState::Ok);
        assert!(check.found.starts_with("ABI 3"), "{}", check.found);
    }

    #[test]
    fn a_kernel_without_filters_of_system_calls_is_a_failure() {
        assert_eq!(seccomp(None).state, CheckState::Failed);
        assert_eq!(
            seccomp(Some("kill_thread trap errno trace log allow\n")).state,
            CheckState::Failed
        );
        let all = "kill_process kill_thread trap errno user_notif trace log allow\n";
        assert_eq!(seccomp(Some(all)).state, CheckState::Ok);
    }
}
