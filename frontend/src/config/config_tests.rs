use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::Path};

use super::{
    load::Loaded,
    settings::{Kind, PER_TOOL, SETTINGS, Setting},
    *,
};

/// What `--config` with a file of this name and text, and these variables, come to.
fn load_all(name: &str, text: &str, variables: &[(&str, &str)]) -> Result<Loaded, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    load(&Flags { config: Some(path), socket: None }, &environment(variables))
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

fn from_environment(variables: &[(&str, &str)]) -> Loaded {
    load(&Flags::default(), &environment(variables)).unwrap()
}

fn from_toml(text: &str) -> Loaded {
    load_all("probity.toml", text, &[]).unwrap()
}

/// Value and source of a setting, as they are shown.
fn shown(loaded: &Loaded, key: &str) -> (String, String) {
    let found = loaded.effective.iter().find(|effective| effective.setting.key == key).unwrap();
    (found.value.to_string(), found.source.clone())
}

/// The messages of the warnings.
fn warnings(loaded: &Loaded) -> Vec<String> {
    let warnings = loaded.notices.iter().filter(|notice| notice.is_warning());
    warnings.map(ToString::to_string).collect()
}

/// A value that is not the default, and how it is shown.
fn other_value(setting: &Setting) -> (String, String) {
    let same = |text: &str| (text.to_owned(), text.to_owned());
    match setting.kind {
        Kind::Whole { least, .. } => same(&least.to_string()),
        Kind::Seconds { least, .. } => same(&(least + 0.5).to_string()),
        Kind::PositiveSeconds => same("1.5"),
        Kind::Port => same("0"),
        Kind::Host => same("::1"),
        Kind::Path => same("/tmp/other.sock"),
        Kind::Url => same("http://127.0.0.1:4318"),
        Kind::Word(words) => (words[1].to_uppercase(), words[1].to_owned()),
        Kind::Level => ("warning".into(), "WARNING".into()),
        Kind::Names => same("ping"),
        Kind::Networks => same("10.0.0.0/8"),
        Kind::Secret => same("a-secret-of-one's-own"),
        Kind::Switch if setting.default == "false" => ("yes".into(), "true".into()),
        Kind::Switch => ("no".into(), "false".into()),
    }
}

/// How a list of one name is shown by the library.
fn plain(text: &str) -> String {
    text.replace(['"', ',', ' '], "")
}

#[test]
fn the_defaults_are_the_ones_promised() {
    let config = Config::default();
    assert_eq!(
        config.server,
        Server { transport: Transport::Stdio, host: "127.0.0.1".into(), port: 8080 }
    );
    assert_eq!(
        config.tools,
        Tools {
            include: vec![],
            exclude: vec![],
            max_args_bytes: 2048,
            default_timeout: Duration::from_secs(300),
            default_concurrency: 2,
            queue: 50,
        }
    );
    assert_eq!(
        config.limits,
        Limits {
            memory_bytes: 512 << 20,
            open_files: 256,
            stdout_bytes: 1_048_576,
            stderr_bytes: 262_144,
        }
    );
    let recovery_timeout = Duration::from_secs(60);
    assert_eq!(config.breaker, Thresholds { failures: 5, recovery: recovery_timeout });
    assert_eq!(config.security.allow_intrusive, None);
    assert_eq!(config.log, Log { level: None, format: LogFormat::Text });
    assert_eq!(config.broker.socket, Path::new("/run/probity/broker.sock"));
}

#[test]
fn no_default_is_out_of_its_own_range() {
    assert_eq!(from_environment(&[]).notices, []);
}

#[test]
fn each_variable_wins_over_the_file_and_the_file_over_the_default() {
    for setting in SETTINGS {
        let (section, key) = setting.key.split_once('.').unwrap();
        let (written, expected) = other_value(setting);
        let file = format!("[{section}]\n{key} = \"{written}\"\n");

        let loaded = from_toml(&file);
        let (value, source) = shown(&loaded, setting.key);
        assert_eq!(plain(&value), expected, "{}", setting.key);
        assert!(source.ends_with("probity.toml:2"), "{}: {source}", setting.key);

        let third = match setting.default {
            "" if setting.kind == Kind::Switch => "true",
            "" if setting.kind == Kind::Networks => "unix",
            "" if setting.kind == Kind::Url => "http://127.0.0.1:9091",
            "" => "nmap",
            default => default,
        };
        let loaded = load_all("probity.toml", &file, &[(setting.variable, third)]).unwrap();
        let (value, source) = shown(&loaded, setting.key);
        assert_eq!((plain(&value).as_str(), source.as_str()), (third, setting.variable));
        assert!(
            loaded.notices.iter().any(|notice| matches!(notice, Notice::Override { .. })),
            "{}",
            setting.key
        );
    }
}

#[test]
fn a_flag_wins_over_its_variable() {
    let flags = Flags { config: None, socket: Some("/flag.sock".into()) };
    let loaded = load(&flags, &environment(&[("PROBITY_SOCKET", "/variable.sock")])).unwrap();
    assert_eq!(loaded.config.broker.socket, Path::new("/flag.sock"));
    assert_eq!(shown(&loaded, "broker.socket").1, "--socket");
}

#[test]
fn the_flag_names_the_file_before_the_variable_does() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.toml"), folder.path().join("two.yaml"));
    fs::write(&one, "server.port = 1").unwrap();
    fs::write(&two, "server: { port: 2 }").unwrap();
    let environment = environment(&[("MCP_CONFIG_FILE", one.to_str().unwrap())]);
    let flags = Flags { config: Some(two), socket: None };
    assert_eq!(load(&flags, &environment).unwrap().config.server.port, 2);
    assert_eq!(load(&Flags::default(), &environment).unwrap().config.server.port, 1);
}

#[test]
fn each_invalid_variable_is_told_of_and_leaves_the_value_of_the_file() {
    for setting in SETTINGS {
        let bad = match setting.kind {
            Kind::Host => "no host",
            Kind::Path => "\u{1b}",
            // Any text is a list of names, and a secret: one that is too short refuses the start.
            Kind::Names | Kind::Secret => continue,
            _ => "x y",
        };
        let (section, key) = setting.key.split_once('.').unwrap();
        let (written, expected) = match setting.kind {
            // Fails closed, whatever the file says.
            Kind::Switch => ("true".into(), "false".into()),
            _ => other_value(setting),
        };
        let file = format!("[{section}]\n{key} = \"{written}\"\n");
        let loaded = load_all("probity.toml", &file, &[(setting.variable, bad)]).unwrap();
        assert_eq!(plain(&shown(&loaded, setting.key).0), expected, "{}", setting.key);
        let event = setting.key.replace('.', "_");
        assert!(
            loaded
                .notices
                .iter()
                .any(|notice| matches!(notice, Notice::Invalid { name, source, .. }
                if *name == event && source == setting.variable)),
            "{}: {:?}",
            setting.key,
            loaded.notices
        );
    }
}

#[test]
fn each_invalid_value_of_a_file_is_told_of_and_leaves_the_default() {
    for setting in SETTINGS {
        let (section, key) = setting.key.split_once('.').unwrap();
        for bad in ["{ a = 1 }", "[{ a = 1 }]"] {
            let loaded = from_toml(&format!("[{section}]\n{key} = {bad}\n"));
            let expected = match setting.kind {
                Kind::Switch => "false",
                Kind::Path | Kind::Secret | Kind::Url if setting.default.is_empty() => "nil",
                _ => setting.default,
            };
            assert_eq!(plain(&shown(&loaded, setting.key).0), expected, "{} = {bad}", setting.key);
            let warnings = warnings(&loaded);
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("probity.toml:2: "), "{warnings:?}");
        }
    }
}

#[test]
fn numbers_that_are_none_do_not_count() {
    for bad in ["", " ", "nan", "inf", "1e999", "5s", "0x10", "1,5", "⅕"] {
        let loaded = from_environment(&[
            ("MCP_DEFAULT_TIMEOUT_SEC", bad),
            ("MCP_DEFAULT_CONCURRENCY", bad),
            ("MCP_SERVER_PORT", bad),
        ]);
        assert_eq!(loaded.config.tools.default_timeout, Duration::from_secs(300), "{bad:?}");
        assert_eq!(loaded.config.tools.default_concurrency, 2, "{bad:?}");
        assert_eq!(loaded.config.server.port, 8080, "{bad:?}");
        assert_eq!(warnings(&loaded).len(), if bad.is_empty() { 0 } else { 3 }, "{bad:?}");
    }
    let loaded = from_environment(&[("MCP_SERVER_PORT", "65536"), ("MCP_MAX_ARGS_LEN", "1.5")]);
    assert_eq!((loaded.config.server.port, loaded.config.tools.max_args_bytes), (8080, 2048));
}

#[test]
fn each_number_out_of_range_is_moved_into_it_and_told_of() {
    for setting in SETTINGS.iter().filter(|setting| setting.kind.is_clamped()) {
        let (least, most) = match setting.kind {
            Kind::Whole { least, most } => (least.to_string(), most.to_string()),
            Kind::Seconds { least, most } => (least.to_string(), most.to_string()),
            _ => unreachable!(),
        };
        let outside = [("-1", &least), ("0", &least), ("99999999999", &most)];
        for (given, moved) in outside.into_iter().filter(|(given, moved)| given != moved) {
            let loaded = from_environment(&[(setting.variable, given)]);
            assert_eq!(shown(&loaded, setting.key).0, *moved, "{} = {given}", setting.key);
            let told = Notice::Clamped {
                key: setting.key.into(),
                old: given.into(),
                new: moved.clone(),
                source: setting.variable.into(),
            };
            assert!(loaded.notices.contains(&told), "{:?}", loaded.notices);
        }
        for inside in [&least, &most] {
            let loaded = from_environment(&[(setting.variable, inside)]);
            assert_eq!(warnings(&loaded), Vec::<String>::new(), "{} = {inside}", setting.key);
        }
    }
}

#[test]
fn the_ranges_of_the_guide_hold() {
    let set = |variable, value| from_environment(&[(variable, value)]).config.tools;
    assert_eq!(set("MCP_DEFAULT_TIMEOUT_SEC", "1").default_timeout.as_secs(), 60);
    assert_eq!(set("MCP_DEFAULT_TIMEOUT_SEC", "3601").default_timeout.as_secs(), 3600);
    assert_eq!(set("MCP_DEFAULT_TIMEOUT_SEC", "90.5").default_timeout.as_millis(), 90_500);
    assert_eq!(set("MCP_DEFAULT_CONCURRENCY", "0").default_concurrency, 1);
    assert_eq!(set("MCP_DEFAULT_CONCURRENCY", "6").default_concurrency, 5);
    assert_eq!(set("MCP_MAX_ARGS_LEN", "4096").max_args_bytes, 2048);
}

#[test]
fn a_value_that_is_not_looked_at_is_not_moved() {
    let file = "tool.default_timeout = 5";
    let loaded = load_all("f.toml", file, &[("MCP_DEFAULT_TIMEOUT_SEC", "100")]).unwrap();
    assert_eq!(warnings(&loaded), Vec::<String>::new());
}

#[test]
fn toml_and_yaml_say_the_same() {
    let toml = "\
        [server]\ntransport = \"http\"\nport = 9000\n\
        [tool]\ninclude = [\"ping\", \"NmapTool\"]\nexclude = \"scanner, traceroute\"\n\
        default_timeout = 90.5\n\
        [security]\nallow_intrusive = false\n[log]\nlevel = \"warning\"\n\
        [tools.nmap]\ntimeout = 20\nconcurrency = 9\n";
    let yaml = "\
        server:\n  transport: http\n  port: 9000\n\
        tool:\n  include:\n    - ping\n    - NmapTool\n  exclude: scanner, traceroute\n  \
        default_timeout: 90.5\n\
        security:\n  allow_intrusive: false\nlog: {level: warning}\n\
        tools:\n  nmap:\n    timeout: 20\n    concurrency: 9\n";
    let loaded = [("f.toml", toml), ("f.yaml", yaml), ("f.yml", yaml)]
        .map(|(name, text)| load_all(name, text, &[]).unwrap());
    for loaded in &loaded {
        let config = &loaded.config;
        assert_eq!((config.server.transport, config.server.port), (Transport::Http, 9000));
        assert_eq!(config.tools.include, ["ping", "NmapTool"], "as given, aliases too");
        assert_eq!(config.tools.exclude, ["scanner", "traceroute"]);
        assert_eq!(config.tools.default_timeout, Duration::from_millis(90_500));
        assert_eq!(config.security.allow_intrusive, Some(false));
        assert_eq!(config.log.level, Some(LevelFilter::WARN));
        let timeout = Some(Duration::from_secs(20));
        assert_eq!(own(config, "nmap", &[]), (timeout, Some(5)));
        assert_eq!(warnings(loaded).len(), 1, "the clamp: {:?}", loaded.notices);
    }
}

#[test]
fn the_line_of_a_key_is_known_in_both_formats() {
    let toml = "# first\n\n[server]\nhost = '''\n::1'''\nport = 1\n";
    let yaml = "# first\nlog:\n  format: text\nserver:\n  host: \"::1\"\n\n  port: 1\n";
    for (name, text, line) in [("f.toml", toml, 6), ("f.yaml", yaml, 7)] {
        let (_, source) = shown(&load_all(name, text, &[]).unwrap(), "server.port");
        assert!(source.ends_with(&format!("/{name}:{line}")), "{source}");
    }
    let (_, inline) = shown(&from_toml("\nserver = { port = 1 }"), "server.port");
    assert!(inline.ends_with(":2"), "{inline}");
}

#[test]
fn an_unknown_key_is_told_of_with_its_line_and_the_likely_one() {
    let loaded = from_toml(
        "[server]\nprot = 1\n[tool]\nport = 1\n[tools.nmap]\ntimeot = 1\n[secret]\ntoken = \"hush\"\n\
         [security.allow_intrusive]\nx = 1\n",
    );
    let warnings = warnings(&loaded);
    for expected in [
        "probity.toml:2: there is no key server.prot; did you mean server.port?",
        "probity.toml:4: there is no key tool.port; did you mean server.port?",
        "probity.toml:6: there is no key tools.nmap.timeot; did you mean tools.nmap.timeout?",
        "probity.toml:8: there is no key secret.token; did you mean server.token?",
    ] {
        assert!(warnings.iter().any(|text| text.ends_with(expected)), "{expected}: {warnings:#?}");
    }
    assert!(!format!("{loaded:?}").contains("hush"), "what is not known is not repeated");
    assert_eq!(loaded.config.security.allow_intrusive, Some(false), "a table is no permission");
}

#[test]
fn a_broken_file_keeps_everything_from_starting_and_says_where() {
    for (name, text, expected) in [
        ("f.toml", "[server]\nport = = 1\n", "f.toml:2:8: "),
        ("f.toml", "a = 1\na = 2\n", "f.toml:2:1: "),
        ("f.yaml", "server:\n  port: [1\nx: 1\n", "f.yaml:3:"),
        ("f.yaml", "a: 1\na: 2\n", "f.yaml:2:"),
        ("f.yaml", "- 1\n", "f.yaml: "),
        ("f.json", "{}", "is to end in .toml, .yaml or .yml"),
        ("f", "", "is to end in .toml, .yaml or .yml"),
    ] {
        let error = load_all(name, text, &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(error.contains("Mend it, or leave --config and MCP_CONFIG_FILE out"), "{error}");
    }
    let large = format!("# {}", "x".repeat(1024 * 1024));
    let error = load_all("f.toml", &large, &[]).unwrap_err().to_string();
    assert!(error.contains("larger than 1 MiB"), "{error}");
    let flags = Flags { config: Some("/nonexistent/f.toml".into()), socket: None };
    let error = load(&flags, &Environment::default()).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/f.toml: No such file"), "{error}");
}

#[test]
fn an_empty_file_is_a_file() {
    for name in ["f.toml", "f.yaml"] {
        let loaded = load_all(name, "", &[]).unwrap();
        assert!(matches!(loaded.notices.as_slice(), [Notice::Applied { .. }]), "{name}");
    }
}

#[test]
fn intrusive_use_is_allowed_by_yes_alone() {
    let allowed = |value| {
        let loaded = from_environment(&[("PROBITY_ALLOW_INTRUSIVE", value)]);
        loaded.config.security.allow_intrusive
    };
    assert_eq!((allowed(""), allowed("TRUE"), allowed("1")), (None, Some(true), Some(true)));
    for value in ["false", "0", "no", "maybe", "truee", "2", "null"] {
        assert_eq!(allowed(value), Some(false), "{value}");
    }
    let of_yaml = |text| load_all("f.yaml", text, &[]).unwrap().config.security.allow_intrusive;
    for text in ["security: {allow_intrusive: }", "security: {allow_intrusive: [true]}"] {
        assert_eq!(of_yaml(text), Some(false), "{text}");
    }
    assert_eq!(of_yaml("security: {allow_intrusive: true}"), Some(true));
}

/// Time and concurrency that are set for a tool.
fn own(config: &Config, name: &str, aliases: &[&str]) -> (Option<Duration>, Option<u32>) {
    let own = config.tool(name, aliases);
    (own.timeout.map(|set| set.value), own.concurrency.map(|set| set.value))
}

#[test]
fn a_tools_breaker_is_set_as_its_time_is() {
    let file = "[tools.nmap]\nfailure_threshold = 3\nrecovery_timeout = 500\n";
    let variables = [("NMAP_BREAKER_FAILURES", "0"), ("PING_BREAKER_RECOVERY_SEC", "90.5")];
    let config = load_all("f.toml", file, &variables).unwrap().config;
    let nmap = config.tool("nmap", &[]);
    assert_eq!(nmap.failure_threshold.unwrap().value, 1, "1 is the least");
    let recovery = nmap.recovery_timeout.unwrap();
    assert_eq!(recovery.value, Duration::from_secs(500));
    assert!(recovery.source.ends_with("f.toml:3"), "{}", recovery.source);
    let ping = config.tool("ping", &[]);
    let recovery = Some(Set {
        value: Duration::from_secs_f64(90.5),
        source: "PING_BREAKER_RECOVERY_SEC".into(),
    });
    assert_eq!(ping, ToolOverride { recovery_timeout: recovery, ..ToolOverride::default() });
    assert_eq!(config.tool("probity", &[]), ToolOverride::default());
}

#[test]
fn what_nobody_has_set_for_all_tools_caps_nothing() {
    assert_eq!(from_environment(&[]).config.for_all, ForAll::default());
    let bad = from_environment(&[("MCP_DEFAULT_TIMEOUT_SEC", "soon")]).config;
    assert_eq!(bad.for_all, ForAll::default(), "a value that is none is not set");
    let set = from_environment(&[
        ("MCP_DEFAULT_TIMEOUT_SEC", "300"),
        ("MCP_DEFAULT_CONCURRENCY", "9"),
        ("PROBITY_BREAKER_FAILURES", "5"),
        ("PROBITY_BREAKER_RECOVERY_SEC", "60"),
    ]);
    let ForAll { timeout, concurrency, failure_threshold, recovery_timeout } = set.config.for_all;
    let source = "MCP_DEFAULT_TIMEOUT_SEC".to_owned();
    assert_eq!(timeout, Some(Set { value: Duration::from_secs(300), source }), "the default, set");
    assert_eq!(concurrency.unwrap().value, 5, "moved into its range");
    assert_eq!(failure_threshold.unwrap().value, 5);
    assert_eq!(recovery_timeout.unwrap().value, Duration::from_secs(60));
}

#[test]
fn settings_of_a_tool_come_from_variables_then_the_file_by_name_then_alias() {
    let file = "[tools.nmap]\ntimeout = 10\nconcurrency = 2\n[tools.PingTool]\ntimeout = 7\n";
    let variables = [("NMAP_TIMEOUT", "0.5"), ("PORT_SCAN_CONCURRENCY", "9"), ("PING_TIMEOUT", "")];
    let config = load_all("f.toml", file, &variables).unwrap().config;
    let seconds = |seconds| Some(Duration::from_secs_f64(seconds));
    assert_eq!(own(&config, "nmap", &["NmapTool"]), (seconds(0.5), Some(2)));
    assert_eq!(own(&config, "ping", &["PingTool"]), (seconds(7.0), None));
    let scan = own(&config, "port-scan", &[]);
    assert_eq!(scan, (None, Some(5)), "- is _ in a variable, and 9 is too many");
    assert_eq!(config.tool("traceroute", &[]), ToolOverride::default());
}

#[test]
fn an_invalid_variable_of_a_tool_leaves_the_value_of_the_file() {
    for bad in ["0", "-5", "soon", "1e300", "1e-12"] {
        let file = "tools.nmap.timeout = 10";
        let config = load_all("f.toml", file, &[("NMAP_TIMEOUT", bad)]).unwrap().config;
        assert_eq!(own(&config, "nmap", &[]).0, Some(Duration::from_secs(10)), "{bad}");
    }
}

#[test]
fn a_variable_of_the_table_belongs_to_no_tool() {
    let config = from_environment(&[("MCP_DEFAULT_CONCURRENCY", "4")]).config;
    assert_eq!(config.tool("mcp-default", &[]), ToolOverride::default());
}

#[test]
fn what_is_repeated_is_short_and_steers_nothing() {
    let hostile = format!("\u{1b}[2J\n{}", "x".repeat(500));
    let loaded = from_environment(&[("MCP_SERVER_PORT", &hostile)]);
    let message = &warnings(&loaded)[0];
    assert!(message.len() < 200 && !message.contains(char::is_control), "{message:?}");
}

#[test]
fn a_value_that_is_not_text_does_not_count() {
    let bytes = OsString::from_vec(b"/run/\xff.sock".to_vec());
    let environment = Environment::new([("PROBITY_SOCKET".into(), bytes)]);
    let loaded = load(&Flags::default(), &environment).unwrap();
    assert_eq!(loaded.config.broker.socket, Config::default().broker.socket);
    assert_eq!(warnings(&loaded).len(), 1);
}

#[test]
fn tools_package_is_told_of_and_ignored() {
    let loaded = from_environment(&[("TOOLS_PACKAGE", "evil.tools")]);
    assert_eq!(loaded.notices, [Notice::ToolsPackage { value: "evil.tools".into() }]);
}

#[test]
fn the_documentation_has_every_setting_as_it_is() {
    let row = |setting: &Setting| {
        let value = match (setting.kind.is_clamped(), setting.kind.expected()) {
            (true, expected) => format!("{expected}, clamped"),
            (false, expected) => expected,
        };
        let default = match setting.default {
            "" => "–".into(),
            default => format!("`{default}`"),
        };
        let unit = match setting.unit {
            "" | "seconds" => String::new(),
            unit => format!(" ({unit})"),
        };
        let (key, variable, help) = (setting.key, setting.variable, setting.help);
        format!("| `{key}` | `{variable}` | {default} | {value}{unit} | {help} |\n")
    };
    let table: String = SETTINGS.iter().chain(PER_TOOL).map(row).collect();
    let page = include_str!("../../../docs/configuration.md");
    assert!(page.contains(&table), "docs/configuration.md is to have these rows:\n{table}");
}

#[test]
fn health_checks_come_from_either_kind_of_file() {
    let toml = r#"
        [[health.checks]]
        name = "backup"
        kind = "file_age"
        path = "/var/backups/last"
        max_age = 86400
        priority = "low"

        [[health.checks]]
        name = "collector"
        kind = "tcp"
        address = "[::1]:9090"
        timeout = 0.5
    "#;
    let yaml = "
health:
  checks:
    - {name: backup, kind: file_age, path: /var/backups/last, max_age: 86400, priority: LOW}
    - {name: collector, kind: tcp, address: '[::1]:9090', timeout: 0.5}
";
    let from_yaml = load_all("probity.yaml", yaml, &[]).unwrap();
    for loaded in [from_toml(toml), from_yaml] {
        assert_eq!(warnings(&loaded), Vec::<String>::new());
        let shown: Vec<_> = loaded.config.health.checks.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["file_age /var/backups/last 86400 s (LOW)", "tcp [::1]:9090 (MEDIUM)"]);
        let timeouts = loaded.config.health.checks.iter().map(|check| check.timeout.as_millis());
        assert_eq!(timeouts.collect::<Vec<_>>(), [2000, 500]);
    }
}

#[test]
fn a_health_check_that_is_none_is_told_of_and_left_out() {
    let ok = "name = 'ok'\nkind = 'command_present'\ncommand = 'sh'";
    for (written, key, expected) in [
        ("kind = 'tcp'\naddress = '127.0.0.1:1'", "name", "1 to 64 letters"),
        ("name = 'broker.reachable'\nkind = 'tcp'", "name", "1 to 64 letters"),
        ("name = 'x'\nkind = 'udp'", "kind", "file_age, tcp or command_present"),
        ("name = 'x'\nkind = 'tcp'", "address", "an IP address with a port"),
        ("name = 'x'\nkind = 'tcp'\naddress = 'localhost:80'", "address", "looked up"),
        ("name = 'x'\nkind = 'tcp'\naddress = '127.0.0.1'", "address", "an IP address with a port"),
        ("name = 'x'\nkind = 'file_age'\npath = 'a'\nmax_age = 1", "path", "an absolute path"),
        ("name = 'x'\nkind = 'file_age'\npath = '/a'\nmax_age = 0", "max_age", "above 0"),
        ("name = 'x'\nkind = 'file_age'\npath = '/a'", "max_age", "above 0"),
        ("name = 'x'\nkind = 'command_present'\ncommand = 'a/b'", "command", "an absolute path"),
        ("name = 'x'\nkind = 'command_present'\ncommand = ''", "command", "an absolute path"),
        (
            "name = 'x'\nkind = 'tcp'\naddress = '127.0.0.1:1'\npriority = 'urgent'",
            "priority",
            "critical",
        ),
        (
            "name = 'x'\nkind = 'tcp'\naddress = '127.0.0.1:1'\ntimeout = 31",
            "timeout",
            "30 at most",
        ),
        (
            "name = 'x'\nkind = 'tcp'\naddress = '127.0.0.1:1'\nadress = 1",
            "adress",
            "of its kind only",
        ),
        ("name = 'ok'\nkind = 'tcp'\naddress = '127.0.0.1:1'", "name", "a name for each check"),
    ] {
        let loaded = from_toml(&format!("[[health.checks]]\n{ok}\n[[health.checks]]\n{written}\n"));
        let warnings = warnings(&loaded);
        assert_eq!(warnings.len(), 1, "{written}: {warnings:?}");
        let told = format!("health.checks[1].{key}");
        assert!(warnings[0].contains(&told) && warnings[0].contains(expected), "{warnings:?}");
        let kept: Vec<_> = loaded.config.health.checks.iter().map(|check| &check.name).collect();
        assert_eq!(kept, ["ok"], "{written}");
    }
    let loaded = from_toml("[health]\nchecks = 5\n");
    assert!(warnings(&loaded)[0].contains("[[health.checks]]"), "{:?}", warnings(&loaded));
}

#[test]
fn counters_come_from_either_kind_of_file() {
    let toml = r#"
        [[metrics.counter]]
        name = "found_total"
        tool = "nmap"
        field = "open_ports"

        [[metrics.counter]]
        name = "answers_total"
        help = "Answers."
        tool = "PingTool"
        labels = ["status", "alive"]
        values = "true, false"
    "#;
    let yaml = "
metrics:
  counter:
    - {name: found_total, tool: nmap, field: open_ports}
    - {name: answers_total, help: Answers., tool: PingTool, labels: 'status,alive', values: [true, false]}
";
    let from_yaml = load_all("probity.yaml", yaml, &[]).unwrap();
    for loaded in [from_toml(toml), from_yaml] {
        assert_eq!(warnings(&loaded), Vec::<String>::new());
        let counters = &loaded.config.counters;
        let shown: Vec<_> = counters.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["open_ports of nmap", "results of PingTool by status, alive"]);
        assert_eq!(counters[0].help, "Sum of open_ports in results of nmap.");
        assert_eq!(counters[1].values, ["true", "false"]);
    }
}

#[test]
fn a_counter_that_is_none_is_told_of_and_left_out() {
    let many = |letter: char| (0..16).map(|n| format!("{letter}{n}")).collect::<Vec<_>>().join(",");
    let too_many =
        format!("tool = 'ping'\nname = 'x_total'\nlabels = ['a', 'b']\nvalues = '{}'", many('x'));
    let too_long =
        format!("tool = 'ping'\nname = 'x_total'\nvalues = '{},{},z'", many('x'), many('y'));
    for (written, key, expected) in [
        ("tool = 'ping'", "name", "_total"),
        ("tool = 'ping'\nname = 'x'", "name", "_total"),
        ("tool = 'ping'\nname = '1_total'", "name", "_total"),
        ("tool = 'ping'\nname = 'mcp_x_total'", "name", "not to begin with mcp_"),
        ("tool = 'ping'\nname = 'ok_total'", "name", "cannot be registered"),
        ("name = 'x_total'", "tool", "the name of a tool"),
        ("name = 'x_total'\ntool = '../ping'", "tool", "the name of a tool"),
        ("name = 'x_total'\ntool = 'ping'\nfield = 'a b'", "field", "a field of the typed result"),
        (
            "name = 'x_total'\ntool = 'ping'\nfield = 'a.b.c.d.e'",
            "field",
            "a field of the typed result",
        ),
        (
            "name = 'x_total'\ntool = 'ping'\nlabels = ['a', '']\nfeild = 'a'",
            "feild",
            "values only",
        ),
        ("name = 'x_total'\ntool = 'ping'\nlabels = ['a-b']", "labels", "tool, status, or fields"),
        ("name = 'x_total'\ntool = 'ping'\nlabels = ['a', 'a']", "name", "cannot be registered"),
        (&too_many, "values", "more than 256 series"),
        (&too_long, "values", "up to 32 values"),
    ] {
        let ok = "name = 'ok_total'\ntool = 'nmap'";
        let loaded =
            from_toml(&format!("[[metrics.counter]]\n{ok}\n[[metrics.counter]]\n{written}\n"));
        let warnings = warnings(&loaded);
        assert_eq!(warnings.len(), 1, "{written}: {warnings:?}");
        let told = format!("metrics.counter[1].{key}");
        assert!(warnings[0].contains(&told) && warnings[0].contains(expected), "{warnings:?}");
        let kept: Vec<_> = loaded.config.counters.iter().map(|counter| &counter.name).collect();
        assert_eq!(kept, ["ok_total"], "{written}");
    }
    let loaded = from_toml("[metrics]\ncounter = 5\n");
    assert!(warnings(&loaded)[0].contains("[[metrics.counter]]"), "{:?}", warnings(&loaded));
}

#[test]
fn a_number_or_a_switch_is_no_host_and_no_path() {
    for (name, text) in [
        ("f.toml", "[server]\nhost = 5\ntokens_file = true\n[broker]\nsocket = 1.5\n"),
        ("f.yaml", "server:\n  host: 5\n  tokens_file: true\nbroker:\n  socket: 1.5\n"),
    ] {
        let loaded = load_all(name, text, &[]).unwrap();
        let warnings = warnings(&loaded);
        for (key, said) in [
            ("server.host", "\"5\" does not count for server.host; give an address"),
            ("server.tokens_file", "\"true\" does not count for server.tokens_file; give a path"),
            ("broker.socket", "\"1.5\" does not count for broker.socket; give a path"),
        ] {
            assert_eq!(shown(&loaded, key).1, "default", "{name}: {key}");
            assert!(warnings.iter().any(|warning| warning.contains(said)), "{warnings:?}");
        }
    }
    assert_eq!(from_toml("server.host = \"5\"").config.server.host, "5");
}
