use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn parse(text: &str) -> Result<Tokens, TokensError> {
    Tokens::parse(Path::new("tokens.toml"), text)
}

#[test]
fn a_token_opens_by_its_text_and_is_kept_without_it() {
    let secret = Secret::random().unwrap();
    let token = NewToken::admin("ada").with(&secret);
    let entry = token.entry();
    assert!(!entry.contains(secret.reveal()), "{entry}");
    let tokens = parse(&entry).unwrap();
    assert_eq!(tokens.find(secret.reveal(), HERE).unwrap().name, "ada");
    for wrong in ["", "probity_", &secret.reveal()[1..], &format!("{} ", secret.reveal())] {
        assert!(tokens.find(wrong, HERE).is_none(), "{wrong:?}");
    }
    assert_eq!(format!("{secret:?}"), "Secret(…)");
}

#[test]
fn every_limit_of_a_token_survives_its_entry() {
    let new = NewToken {
        name: "grafana \"1\"".into(),
        role: Role::Viewer,
        networks: vec!["10.1.0.0/16".parse().unwrap(), "::1/128".parse().unwrap()],
        tools: vec!["ping".into()],
        no_intrusive: true,
    };
    let secret = Secret::random().unwrap();
    let entry = new.clone().with(&secret).entry();
    let tokens = parse(&entry).unwrap();
    assert!(tokens.find(secret.reveal(), HERE).is_none(), "not from there");
    let token = tokens.find(secret.reveal(), "10.1.2.3".parse().unwrap()).unwrap();
    assert_eq!((&token.name, token.role), (&new.name, new.role));
    assert_eq!((&token.tools, token.no_intrusive), (&new.tools, true));
    assert_eq!(token.entry(), entry);
}

#[test]
fn of_many_tokens_each_opens_for_its_own_holder() {
    let mut tokens = Tokens::default();
    let secrets: Vec<Secret> = (0..20).map(|_| Secret::random().unwrap()).collect();
    for (at, secret) in secrets.iter().enumerate() {
        tokens.add(NewToken::admin(&format!("t{at}")).with(secret));
    }
    for (at, secret) in secrets.iter().enumerate() {
        assert_eq!(tokens.find(secret.reveal(), HERE).unwrap().name, format!("t{at}"));
    }
}

#[test]
fn a_wrong_entry_is_refused_with_its_line() {
    let good = NewToken::admin("a").with(&Secret::random().unwrap()).entry();
    for (text, expected) in [
        (format!("{good}\n{good}"), "tokens.toml:6: there are two tokens named \"a\""),
        (
            format!("{good}networks = [\"10.0.0.1/8\"]\n"),
            "tokens.toml:5: 10.0.0.1/8 has bits of a host: write 10.0.0.0/8 for the network, or 10.0.0.1",
        ),
        (good.replace("sha256:", "md5:"), "tokens.toml:1: the hash of \"a\" is not sha256:"),
        (good.replace("admin", "root"), "tokens.toml:3: unknown variant `root`"),
        (good.replace("role", "rule"), "tokens.toml:3: unknown field `rule`"),
        (good.replace("\"a\"", "\"\\u001b\""), "tokens.toml:1: a token has a name"),
        (format!("{good}networks = [\"10.0.0/8\"]"), "tokens.toml:5:"),
    ] {
        let said = parse(&text).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn a_file_that_others_can_write_is_not_believed() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = tempfile::NamedTempFile::new().unwrap();
    let set = |mode| {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    set(0o640);
    assert!(Tokens::read(file.path()).is_ok());
    set(0o660);
    let said = Tokens::read(file.path()).unwrap_err().to_string();
    assert!(said.contains("chmod go-w"), "{said}");
}

#[test]
fn a_file_that_became_wrong_leaves_the_tokens_in_force() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (first, second) = (Secret::random().unwrap(), Secret::random().unwrap());
    let write = |text: &str| std::fs::write(file.path(), text).unwrap();
    write(&NewToken::admin("first").with(&first).entry());
    let store = TokenStore::open(Some(file.path().into()), None).unwrap();
    write("[[token]]\nname = 3\n");
    assert!(store.reload().is_err());
    assert!(store.find(first.reveal(), HERE).is_some());
    write(&NewToken::admin("second").with(&second).entry());
    assert_eq!(store.reload().unwrap(), 1);
    assert!(store.find(first.reveal(), HERE).is_none());
    assert!(store.find(second.reveal(), HERE).is_some());
}

#[test]
fn a_chosen_token_is_long_enough_to_be_one() {
    for weak in ["", "secret", "fifteen-letters", "sixteen letters!"] {
        assert!(Secret::chosen(weak).is_err(), "{weak:?}");
    }
    assert!(Secret::chosen("sixteen-letters!").is_ok());
}
