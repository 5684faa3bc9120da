use super::*;
use crate::admin::doctor::CheckState;

const ANY: &str = "0.0.0.0/0 ::/0";

/// What systemd 252 prints, in its order of the day.
fn shown(allow: &str, deny: &str) -> String {
    format!(
        "IPIngressBytes=84\nIPAccounting=yes\nIPAddressAllow={allow}\nIPAddressDeny={deny}\n\
         LoadState=loaded\nActiveState=active\n"
    )
}

/// What `probity-policy systemd-dropin` prints.
fn dropin(networks: &[&str]) -> String {
    let allowed: String = networks.iter().map(|it| format!("IPAddressAllow={it}\n")).collect();
    format!(
        "# Made from /etc/probity/policy.toml\n\n[Service]\nIPAddressAllow=\nIPAddressDeny=\n\
         IPAddressDeny=any\n# The networks of [targets].\n{allowed}"
    )
}

fn of(held: String, due: &[&str]) -> Check {
    check(Fences { held: Ok(held), due: Ok(dropin(due)) })
}

fn commands(check: &Check) -> &[String] {
    check.remedy.as_ref().map_or(&[], |remedy| &remedy.commands)
}

#[test]
fn a_fence_is_held_against_the_policy_by_its_addresses() {
    let cases: [(&str, &[&str], CheckState, &[&str]); 12] = [
        (
            "172.16.0.0/12 10.0.0.0/8",
            &["10.0.0.0/8", "172.16.0.0/12"],
            CheckState::Ok,
            &["10.0.0.0/8"],
        ),
        // Other words for the same.
        ("10.128.0.0/9 10.0.0.0/9", &["10.0.0.0/8"], CheckState::Ok, &[]),
        ("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9", "10.1.0.0/16"], CheckState::Ok, &[]),
        ("198.51.100.7", &["198.51.100.7/32"], CheckState::Ok, &[]),
        ("", &[], CheckState::Ok, &["nothing"]),
        // The policy has a network more, of either family.
        (
            "10.0.0.0/8",
            &["10.0.0.0/8", "198.51.100.0/24"],
            CheckState::Warning,
            &["the policy allows 198.51.100.0/24, which the fence does not let through"],
        ),
        ("10.0.0.0/8", &["10.0.0.0/8", "fd00::/8"], CheckState::Warning, &["allows fd00::/8, "]),
        // Loopback is a network as any other: sockets of the unit are held there too.
        (
            "10.0.0.0/8",
            &["10.0.0.0/8", "127.0.0.0/8"],
            CheckState::Warning,
            &["allows 127.0.0.0/8, "],
        ),
        (
            "10.0.0.0/8 127.0.0.0/8 ::1/128",
            &["10.0.0.0/8"],
            CheckState::Warning,
            &["the fence lets through 127.0.0.0/8, ::1/128, which the policy does not allow"],
        ),
        // An address that the policy denies since.
        ("10.0.0.0/30", &["10.0.0.0/32", "10.0.0.2/31"], CheckState::Warning, &["10.0.0.1/32, "]),
        (
            "10.0.0.0/8 192.168.0.0/16",
            &["10.0.0.0/8", "198.51.100.0/24"],
            CheckState::Warning,
            &["allows 198.51.100.0/24, ", "; and the fence lets through 192.168.0.0/16, "],
        ),
        ("0.0.0.0/0", &["0.0.0.0/1", "128.0.0.0/2"], CheckState::Warning, &["192.0.0.0/2, "]),
    ];
    for (allow, due, state, says) in cases {
        let check = of(shown(allow, ANY), due);
        assert_eq!(check.state, state, "{allow} {due:?}: {}", check.found);
        assert!(says.iter().all(|said| check.found.contains(said)), "{}", check.found);
        let mends: &[&str] = if state == CheckState::Ok { &[] } else { &MAKE };
        assert_eq!(commands(&check), mends, "{allow} {due:?}");
    }
}

#[test]
fn what_is_not_denied_passes_too() {
    // Somebody took one network out, and let everything else through.
    let check = of(shown("", "128.0.0.0/1 ::/0"), &["0.0.0.0/2"]);
    assert_eq!(check.state, CheckState::Warning);
    assert!(check.found.contains("lets through 64.0.0.0/2, "), "{}", check.found);
    // systemd allows before it denies.
    let check = of(shown("10.0.0.0/8", &format!("10.1.0.0/16 {ANY}")), &["10.0.0.0/8"]);
    assert_eq!(check.state, CheckState::Ok, "{}", check.found);
}

#[test]
fn many_networks_are_cut_and_counted() {
    let many: Vec<String> = (0..9).map(|n| format!("10.{}.0.0/16", 2 * n)).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let check = of(shown("", ANY), &many);
    assert!(check.found.contains("10.0.0.0/16, "), "{}", check.found);
    assert!(check.found.contains("10.8.0.0/16 and 4 more, which"), "{}", check.found);
}

#[test]
fn lists_of_a_thousand_are_compared_as_well() {
    // One address in each /24 is denied: eight lines each.
    let open = |denied: u32| -> Vec<String> {
        let all: Vec<IpNet> = vec!["10.0.0.0/12".parse().unwrap()];
        let denied: Vec<IpNet> = (0..denied)
            .map(|n| IpAddr::from((0x0a00_0007 + (n << 8)).to_be_bytes()).into())
            .collect();
        only_in(&all, &denied).iter().map(ToString::to_string).collect()
    };
    let (before, now) = (open(1000), open(1001));
    assert!(before.len() > 5000, "{}", before.len());
    let now: Vec<&str> = now.iter().map(String::as_str).collect();
    let check = of(shown(&before.join(" "), ANY), &now);
    assert!(check.found.contains("lets through 10.3.232.7/32, which"), "{}", check.found);
}

#[test]
fn a_machine_without_a_fence_is_told_how_to_make_one_and_works() {
    let check = check(Fences { held: Ok(shown("", "")), due: Err("no word".into()) });
    assert_eq!(check.state, CheckState::Ok);
    assert!(check.found.starts_with("there is none"), "{}", check.found);
    assert_eq!(commands(&check), MAKE);
}

#[test]
fn a_fence_that_the_kernel_does_not_hold_is_none() {
    let whole = shown("10.0.0.0/8", ANY);
    for (was, is, state) in [
        ("IPIngressBytes=84", "IPIngressBytes=[no data]", CheckState::Warning),
        ("IPIngressBytes=84", "IPIngressBytes=18446744073709551615", CheckState::Warning),
        ("IPIngressBytes=84", "IPIngressBytes=0", CheckState::Ok),
    ] {
        let check = of(whole.replace(was, is), &["10.0.0.0/8"]);
        assert_eq!(check.state, state, "{is}: {}", check.found);
        assert_eq!(check.found.contains("no BPF"), state == CheckState::Warning, "{}", check.found);
    }
    // What is not counted, or does not run, tells nothing of the kernel.
    let uncounted = whole.replace("IPIngressBytes=84", "IPIngressBytes=[no data]");
    for (was, is) in
        [("IPAccounting=yes", "IPAccounting=no"), ("ActiveState=active", "ActiveState=failed")]
    {
        let check = of(uncounted.replace(was, is), &["10.0.0.0/8"]);
        assert_eq!(check.state, CheckState::Ok, "{is}: {}", check.found);
    }
}

#[test]
fn what_cannot_be_compared_is_said_and_fails_nothing() {
    let sound = || shown("10.0.0.0/8", ANY);
    let error = |reason: &str| Err(reason.to_owned());
    for (held, due, says) in [
        (error("systemctl took too long"), Ok(dropin(&[])), "took too long"),
        (Ok(sound().replace("=loaded", "=not-found")), Ok(dropin(&[])), "has not loaded"),
        (Ok("LoadState=loaded\n".into()), Ok(dropin(&[])), "does not say"),
        (Ok(shown("10.0.0.0/33", ANY)), Ok(dropin(&[])), "10.0.0.0/33 is no network"),
        (Ok(sound()), Ok(dropin(&["localhost"])), "localhost is no network"),
        (Ok(sound()), error("this user may not read the policy"), "may not read the policy"),
    ] {
        let check = check(Fences { held, due });
        assert_eq!(check.state, CheckState::NotChecked, "{}", check.found);
        assert!(check.found.contains(says), "{}", check.found);
    }
}
