//! What is in the image: nothing that raises anybody's privileges but the one broker, no file of the policy
//! that others may write; and what its label, its health check and the list of its parts say.

use std::{fs, path::Path};

use probity_tests::{
    container::{IMAGE, Run, done, parts},
    machine::said,
    needs,
};
use serde_json::Value;

fn inspected() -> Value {
    let shown = done(["image", "inspect", IMAGE]).unwrap();
    serde_json::from_str::<Value>(&shown).unwrap()[0].take()
}

#[test]
fn it_starts_the_frontend_without_a_shell_as_uid_1000_and_is_looked_at_by_the_doctor() {
    if !needs::image() {
        return;
    }
    let image = inspected();
    let config = &image["Config"];
    assert_eq!(config["User"], "1000:1000");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/bin/probity"]));
    assert_eq!(
        image["Healthcheck"]["Test"],
        serde_json::json!(["CMD", "/usr/bin/probity", "doctor"])
    );
    let version = said(&Run::alone().output(&["--version"]).unwrap());
    let label = config["Labels"]["org.opencontainers.image.version"].as_str().unwrap();
    let revision = config["Labels"]["org.opencontainers.image.revision"].as_str().unwrap();
    assert_eq!(revision.len(), 40, "{revision}");
    // Programs that are built outside of the image name their commit, too.
    let (named, commit) = version.trim().split_once(" (").unwrap_or((version.trim(), ")"));
    assert_eq!(named, format!("probity {label}"));
    let commit = commit.strip_suffix(')').unwrap();
    assert!(revision.starts_with(commit.trim_end_matches("-modified")), "{version} {revision}");
}

#[test]
fn one_program_alone_may_raise_privileges_and_the_policy_is_roots() {
    if !needs::image() {
        return;
    }
    // As root, who sees everything; the programs that look are the base image's own.
    let look = |script: &str| {
        let run = Run::alone().with("--user 0:0 --entrypoint /bin/sh");
        let output = run.output(&["-c", script]).unwrap();
        assert!(output.status.success(), "{script}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(look("find / -xdev -type f -perm /6000"), "");
    let capable = look("/usr/sbin/getcap -r / 2>/dev/null || true");
    assert_eq!(capable.trim(), "/usr/lib/probity/probity-broker cap_net_raw=p");
    let others = "find /etc/probity /usr/bin/probity* /usr/lib/probity \\( ! -uid 0 -o ! -gid 0 -o -perm /022 \\)";
    assert_eq!(look(others), "");
    let folders = look(
        "stat -c '%n %a %u:%g' /run/probity /run/probity-broker /var/log/probity /var/lib/probity",
    );
    let expected = "/run/probity 2750 1001:1000\n/run/probity-broker 755 1001:1001\n\
                    /var/log/probity 700 1001:1001\n/var/lib/probity 700 1000:1000\n";
    assert_eq!(folders, expected);
}

#[test]
fn its_policy_is_the_shipped_one_and_sound() {
    if !needs::image() {
        return;
    }
    let run = Run::alone().with("--entrypoint /usr/bin/probity-policy");
    let check = run.output(&["check"]).unwrap();
    assert!(check.status.success(), "{}", said(&check));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/defaults");
    for file in ["policy.toml", "tools.d/ping.toml", "tools.d/nmap.toml"] {
        let run = Run::alone().with("--entrypoint /usr/bin/cat");
        let read = run.output(&[&format!("/etc/probity/{file}")]).unwrap();
        assert_eq!(read.stdout, fs::read(shipped.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn the_list_of_its_parts_has_each_crate_that_is_compiled_in_and_each_package() {
    if !needs::image() {
        return;
    }
    let list: Value = serde_json::from_slice(&fs::read(parts().unwrap()).unwrap()).unwrap();
    assert_eq!((&list["bomFormat"], &list["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    let components = list["components"].as_array().unwrap();
    let purls: Vec<&str> = components.iter().map(|it| it["purl"].as_str().unwrap()).collect();
    let has = |start: &str| purls.iter().any(|purl| purl.starts_with(start));
    for part in
        ["pkg:cargo/landlock@", "pkg:cargo/rmcp@", "pkg:deb/debian/nmap@", "pkg:deb/debian/libc6@"]
    {
        assert!(has(part), "{part}");
    }
    // Only tests and the making of it use these.
    for other in ["pkg:cargo/proptest@", "pkg:cargo/probity-tests@", "pkg:cargo/syn@"] {
        assert!(!has(other), "{other}");
    }
    let run = Run::alone().with("--entrypoint /usr/bin/dpkg-query");
    let packages = run.output(&["--show", "--showformat", "${Package} ${Version}\\n"]).unwrap();
    let packages = said(&packages);
    let of_debian = purls.iter().filter(|purl| purl.starts_with("pkg:deb/")).count();
    assert_eq!(of_debian, packages.lines().count());
    let locked = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    for purl in purls.iter().filter_map(|purl| purl.strip_prefix("pkg:cargo/")) {
        let (name, version) = purl.split_once('@').unwrap();
        let version = version.replace("%2B", "+");
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(locked.contains(&entry), "{purl} is not in Cargo.lock");
    }
}
