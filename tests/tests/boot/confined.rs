//! What the docs promise of the processes, by the kernel's word; and what happens when one is killed.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use probity_tests::{
    lab::{CLIENT, HOST},
    machine::{Kind, Machine, said},
    procs::{ProcStatus, children, wait_until},
};
use serde_json::Value;

use super::{installed, installed_on, let_ada_in};

/// `CAP_NET_RAW`, as a bit.
const NET_RAW: u64 = 1 << 13;

/// The namespaces of a process: kind and number.
fn namespace(pid: u32, kind: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap().display().to_string()
}

fn uid_of(machine: &Machine, user: &str) -> u32 {
    machine.done(&format!("id -u {user}")).unwrap().trim().parse().unwrap()
}

/// A run that lasts, and the process that it is.
fn long_ping(machine: &Machine) -> (std::process::Child, u32) {
    let mut command = machine.command("runuser");
    command.args(["-u", "ada", "--", "probity", "call", "ping"]).arg(HOST.to_string());
    command.args(["--timeout", "25", "--", "-c", "50", "-i", "0.4"]);
    let client = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let client = client.spawn().unwrap();
    let broker = machine.main_process("probity-broker").unwrap();
    let mut tool = None;
    let is_ping = |pid: &u32| ProcStatus::read(*pid).is_ok_and(|status| status.name == "ping");
    assert!(wait_until(Duration::from_secs(20), || {
        tool = children(broker).into_iter().find(is_ping);
        tool.is_some()
    }));
    (client, tool.unwrap())
}

#[test]
fn the_broker_holds_cap_net_raw_alone_and_the_frontend_nothing() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    machine
        .done("systemctl start probity.socket && curl -sSf http://127.0.0.1:8080/livez")
        .unwrap();
    let (mut client, tool) = long_ping(&machine);
    let broker = machine.main_process("probity-broker").unwrap();
    let frontend = machine.main_process("probity").unwrap();

    let of_broker = ProcStatus::read(broker).unwrap();
    assert_eq!(of_broker.uids, [uid_of(&machine, "probity-broker"); 4]);
    assert_eq!([of_broker.cap_eff, of_broker.cap_prm, of_broker.cap_bnd], [NET_RAW; 3]);
    assert_eq!(of_broker.cap_amb, 0, "none is handed on but by a plan");
    // Only its own group: it is no member of the one that may ask it.
    assert!(of_broker.groups.iter().all(|gid| *gid == of_broker.gid), "{of_broker:?}");

    let of_frontend = ProcStatus::read(frontend).unwrap();
    let sets = [of_frontend.cap_inh, of_frontend.cap_prm, of_frontend.cap_eff];
    assert_eq!(sets, [0; 3]);
    assert_eq!([of_frontend.cap_bnd, of_frontend.cap_amb], [0; 2]);
    assert_eq!(of_frontend.uids, [uid_of(&machine, "probity"); 4]);

    // The plan of a ping has the capability; nothing else has, and no other.
    let of_tool = ProcStatus::read(tool).unwrap();
    // (Debian's ping has given it up once its socket is there.)
    assert_eq!(of_tool.cap_bnd, NET_RAW);
    assert_eq!(
        (of_tool.cap_eff | of_tool.cap_prm | of_tool.cap_inh | of_tool.cap_amb) & !NET_RAW,
        0
    );
    assert_eq!(of_tool.uids, of_broker.uids);

    for (status, more) in
        [(&of_broker, 0), (&of_frontend, 0), (&of_tool, of_broker.seccomp_filters)]
    {
        assert!(status.no_new_privs, "{status:?}");
        assert_eq!(status.seccomp, 2, "{status:?}");
        // The tool has its own filters above those of the unit.
        assert!(status.seccomp_filters > more, "{status:?}");
    }

    let init = machine.outside("1").err();
    assert!(init.is_some(), "the leader itself is not among what it started");
    let (all_of_it, own) = (["mnt", "uts"], ["mnt", "uts", "user"]);
    let leader = of_parent(broker);
    for kind in all_of_it {
        assert_ne!(namespace(broker, kind), namespace(leader, kind), "{kind}");
        // A tool shares the unit's.
        assert_eq!(namespace(tool, kind), namespace(broker, kind), "{kind}");
    }
    for kind in own {
        assert_ne!(namespace(frontend, kind), namespace(leader, kind), "{kind}");
        assert_ne!(namespace(frontend, kind), namespace(broker, kind), "{kind}");
    }
    // The capability is worth something on the machine's network only in its own user namespace.
    assert_eq!(namespace(broker, "user"), namespace(leader, "user"));
    client.kill().unwrap();
    client.wait().unwrap();
}

fn of_parent(pid: u32) -> u32 {
    ProcStatus::read(pid).unwrap().ppid
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let Some(machine) = installed() else { return };
    let units = "probity-broker.service probity-broker.socket probity.service probity.socket";
    let output = machine.run(&format!("systemd-analyze verify {units}")).unwrap();
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), ""));
}

#[test]
fn the_frontends_unit_executes_nothing_and_reads_no_secrets() {
    let Some(machine) = installed() else { return };
    machine
        .done("systemctl start probity.socket && curl -sSf http://127.0.0.1:8080/livez")
        .unwrap();
    // A process put under the unit's settings, but for what is executed at the start.
    let under = |command: &str| {
        let properties = "systemctl show probity --property=NoExecPaths,ExecPaths,ProtectSystem";
        let properties = machine.done(properties).unwrap();
        assert!(properties.contains("NoExecPaths=/"), "{properties}");
        let pid = machine.done("systemctl show --property=MainPID --value probity").unwrap();
        // In its mount namespace: what a program there would find.
        machine.run(&format!("nsenter --target {} --mount -- /usr/bin/probity --version; nsenter --target {} --mount -- {command}", pid.trim(), pid.trim())).unwrap()
    };
    for program in [
        "/usr/bin/true",
        "/usr/bin/sh -c true",
        "/usr/bin/probity-broker --version",
        "/usr/bin/ping -V",
    ] {
        let output = under(program);
        assert!(!output.status.success(), "{program}: {}", said(&output));
        assert!(said(&output).contains("Permission denied"), "{program}: {}", said(&output));
    }
}

#[test]
fn a_broker_that_is_killed_leaves_nothing_and_is_back_for_the_next_call() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    let (client, tool) = long_ping(&machine);
    let broker = machine.main_process("probity-broker").unwrap();
    let began = Instant::now();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(broker).unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    // Its client is told, long before the run would have ended.
    let output = client.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(15), "{}", said(&output));
    assert!(!output.status.success());
    assert!(said(&output).contains("broker"), "{}", said(&output));
    assert!(wait_until(Duration::from_secs(10), || ProcStatus::read(tool).is_err()));
    // Nothing of the unit's user is left but what systemd started again.
    let of_user = "ps -o pid= -u probity-broker | wc -l";
    let serves = || {
        machine.run("systemctl is-active --quiet probity-broker").unwrap().status.success()
            && machine.main_process("probity-broker").is_ok_and(|pid| pid != broker)
    };
    assert!(wait_until(Duration::from_secs(20), serves));
    assert_eq!(machine.done(of_user).unwrap().trim(), "1");
    let next = machine.run_as("ada", &format!("probity call ping {HOST} -- -c 1")).unwrap();
    assert!(next.status.success(), "{}", said(&next));
    // The folder of the run that was killed went with the unit's.
    assert_eq!(machine.done("ls /run/probity-broker/runs | wc -l").unwrap().trim(), "0");
}

/// What `probity doctor` says of the fence, to ada.
fn fence(machine: &Machine) -> Value {
    let output = machine.run_as("ada", "probity doctor --json").unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == "fence").cloned().unwrap_or(report)
}

#[test]
fn the_fence_holds_what_the_policy_lets_through_until_it_is_made_anew() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    let shipped = fence(&machine);
    assert_eq!(shipped["state"], "ok", "{shipped}");
    // A network that RFC 1918 has not, on the lab's own host.
    machine.lab().host().shell("ip link set lo up && ip addr add 198.51.100.2/32 dev lo").unwrap();
    machine.lab().router().shell(&format!("ip route add 198.51.100.2/32 via {HOST}")).unwrap();
    let set_networks = |networks: &str| {
        let line = format!("s|^networks .*|networks = [{networks}]|");
        let change = format!("sed -i '{line}' /etc/probity/policy.toml");
        machine.done(&format!("{change} && systemctl reload probity-broker")).unwrap();
    };
    set_networks("\"10.0.0.0/8\", \"198.51.100.0/24\"");
    let ping = |target: &str| {
        machine.run_as("ada", &format!("probity call ping {target} -- -c 1 -W 1")).unwrap()
    };
    assert!(wait_until(Duration::from_secs(10), || ping("198.51.100.2").status.code() != Some(3)));
    // The policy allows it, and not one packet goes out.
    let fenced = ping("198.51.100.2");
    assert!(!fenced.status.success(), "{}", said(&fenced));
    assert!(ping(&HOST.to_string()).status.success());

    // The doctor says so, and what it says mends it.
    let old = fence(&machine);
    assert_eq!(old["state"], "warning", "{old}");
    let found = old["found"].as_str().unwrap();
    assert!(found.contains("the policy allows 198.51.100.0/24, "), "{found}");
    assert!(found.contains("lets through 172.16.0.0/12, 192.168.0.0/16, "), "{found}");
    let commands = old["remedy"]["commands"].as_array().unwrap();
    let commands: Vec<_> = commands.iter().map(|command| command.as_str().unwrap()).collect();
    let page = machine.done("zcat -f /usr/share/doc/probity/docs/install.md*").unwrap();
    assert!(page.contains(&commands.join("\n")), "{commands:?}");
    let mend = || machine.done(&commands.join(" && ").replace("sudo ", "")).unwrap();
    mend();
    let is_open = || ping("198.51.100.2").status.success();
    assert!(wait_until(Duration::from_secs(10), is_open), "{}", said(&ping("198.51.100.2")));
    let new = fence(&machine);
    assert_eq!(new["state"], "ok", "{new}");

    // The frontend's own fence is as it was: it sends nothing to anybody but private networks.
    let allowed = machine.done("systemctl show --property=IPAddressAllow --value probity").unwrap();
    assert!(allowed.contains("10.0.0.0/8") && !allowed.contains("198.51.100"), "{allowed}");

    // What is denied since is let through still.
    set_networks("\"10.0.0.0/8\"");
    let wide = fence(&machine);
    assert_eq!(wide["state"], "warning", "{wide}");
    assert!(wide["found"].as_str().unwrap().contains("lets through 198.51.100.0/24, "), "{wide}");
    mend();
    assert_eq!(fence(&machine)["state"], "ok");
}

#[test]
fn a_fence_that_the_kernel_cannot_hold_is_told_of() {
    let Some(machine) = installed_on(Kind { without_bpf: true, ..Kind::default() }) else { return };
    let_ada_in(&machine);
    assert_eq!(machine.done("systemctl is-active probity-broker").unwrap().trim(), "active");
    let void = fence(&machine);
    assert_eq!(void["state"], "warning", "{void}");
    assert!(void["found"].as_str().unwrap().contains("no BPF for cgroups"), "{void}");
    assert!(void["remedy"].to_string().contains("--nftables"), "{void}");
}

#[test]
fn a_router_outside_the_fence_is_still_seen_in_a_trace() {
    let Some(machine) = installed() else { return };
    let_ada_in(&machine);
    // It answers with an address that RFC 1918 has not, as a provider's would.
    let outside = "198.51.100.1";
    let answer = format!(
        "ip addr add {outside}/32 dev lo && \
         ip route change 10.66.1.0/24 dev $(ip -o route get {CLIENT} | grep -o 'dev [^ ]*' | cut -c5-) \
         src {outside}"
    );
    machine.lab().router().shell(&answer).unwrap();
    let trace = machine.run_as("ada", &format!("probity call traceroute {HOST} --json")).unwrap();
    assert!(trace.status.success(), "{}", said(&trace));
    let trace: Value = serde_json::from_slice(&trace.stdout).unwrap();
    let hops = ["/parsed/hops/0", "/parsed/hops/1"]
        .map(|hop| trace.pointer(&format!("{hop}/probes/0/address")).cloned());
    assert_eq!(hops, [Some(outside.into()), Some(HOST.to_string().into())], "{trace}");
    // It is an error of the kernel's own, and no packet that a tool was sent: pinging it is fenced off.
    machine.done("sed -i 's|^networks .*|networks = [\"10.0.0.0/8\", \"198.51.100.0/24\"]|' /etc/probity/policy.toml && systemctl reload probity-broker").unwrap();
    let ping =
        || machine.run_as("ada", &format!("probity call ping {outside} -- -c 1 -W 1")).unwrap();
    assert!(wait_until(Duration::from_secs(10), || ping().status.code() != Some(3)));
    assert!(!ping().status.success(), "{}", said(&ping()));
}

#[test]
fn a_frontend_without_a_network_of_its_own_still_serves() {
    let Some(machine) = installed() else { return };
    let dropin = "/etc/systemd/system/probity.service.d/private-network.conf";
    machine
        .done(&format!(
            "mkdir -p $(dirname {dropin}) && printf '[Service]\\nPrivateNetwork=yes\\n' >{dropin} \
             && systemctl daemon-reload && systemctl start probity.socket"
        ))
        .unwrap();
    let made = "probity token new --name ci --role operator --file /etc/probity/tokens.toml";
    let made = machine.done(made).unwrap();
    let token = made.split_whitespace().find(|word| word.starts_with("probity_")).unwrap();
    let run = format!(
        "curl -sSf -H 'Authorization: Bearer {token}' --json '{{\"target\": \"{HOST}\"}}' \
         http://127.0.0.1:8080/tools/ping/execute"
    );
    assert!(machine.done(&run).unwrap().contains("\"alive\":true"));
    let (frontend, broker) = ("probity", "probity-broker");
    let net = |unit| namespace(machine.main_process(unit).unwrap(), "net");
    assert_ne!(net(frontend), net(broker));
}
