//! Requests, their answers, and whether those are what they should be.

use std::{io, time::Instant};

use probity_tests::mcp::Session;
use serde_json::{Value, json};

use super::show::Show;

/// Asks one thing after the other, and counts what is not as it should be.
pub struct Steps<'a> {
    show: &'a Show,
    session: &'a mut Session,
    wrong: usize,
}

/// Expects an answer without an error whose parsed part is as it should be.
pub fn answers(parsed: impl Fn(&Value) -> bool) -> impl Fn(&Value) -> bool {
    move |result| result["isError"] != json!(true) && parsed(&result["structuredContent"]["parsed"])
}

/// Expects a refusal with this code.
fn refused(code: &str) -> impl Fn(&Value) -> bool + '_ {
    move |result| {
        result["isError"] == json!(true)
            && result["structuredContent"]["error_details"]["code"] == json!(code)
    }
}

impl<'a> Steps<'a> {
    pub fn new(show: &'a Show, session: &'a mut Session) -> Self {
        Self { show, session, wrong: 0 }
    }

    pub fn wrong(&self) -> usize {
        self.wrong
    }

    /// Lists the tools, and expects these.
    pub fn list_tools(&mut self, expected: &[&str]) -> io::Result<()> {
        self.show.title("What can this user do?");
        self.show.request("tools/list");
        let answer = self.session.request("tools/list", json!({}))?;
        let tools = answer["result"]["tools"].as_array().cloned().unwrap_or_default();
        let lines: Vec<String> = tools
            .iter()
            .map(|tool| {
                let text = |key: &str| tool[key].as_str().unwrap_or_default();
                let first = text("description").lines().next().unwrap_or_default();
                format!("{:<11} {first}", text("name"))
            })
            .collect();
        self.show.answer(&lines.join("\n"));
        let names: Vec<_> = tools.iter().filter_map(|t| t["name"].as_str()).collect();
        self.check(names == expected);
        Ok(())
    }

    /// Calls a tool, shows what came back, and checks it.
    pub fn call(
        &mut self,
        title: &str,
        tool: &str,
        arguments: &Value,
        expected: impl Fn(&Value) -> bool,
    ) -> io::Result<Value> {
        self.show.title(title);
        self.show.request(&format!("tools/call {tool} {arguments}"));
        let started = Instant::now();
        let result = self.session.call(tool, arguments.clone())?;
        let text = result["content"][0]["text"].as_str().unwrap_or("(no text)").to_owned();
        self.show.answer(&text);
        self.show.line(&format!("    ({:.1} s)", started.elapsed().as_secs_f64()));
        self.check(expected(&result));
        Ok(result)
    }

    /// Reads a resource, shows its first lines, and expects something in it.
    pub fn read(&mut self, title: &str, uri: &str, expected: &str) -> io::Result<()> {
        const SHOWN: usize = 8;
        self.show.title(title);
        self.show.request(&format!("resources/read {uri}"));
        let answer = self.session.request("resources/read", json!({"uri": uri}))?;
        let text = answer["result"]["contents"][0]["text"].as_str().unwrap_or("(no text)");
        let first: Vec<&str> = text.lines().take(SHOWN).collect();
        self.show.answer(&format!("{}\n…", first.join("\n")));
        self.check(text.contains(expected));
        Ok(())
    }

    /// A slip that models make, and the request that the refusal suggests, as it stands.
    pub fn second_try(&mut self, target: &str) -> io::Result<()> {
        let slip = json!({"target": target, "count": "two"});
        let is_named = |result: &Value| {
            let error = result["structuredContent"]["error"].as_str().unwrap_or_default();
            error.starts_with("count: ") && refused("OPTION_VALUE")(result)
        };
        let refused = self.call("A slip", "ping", &slip, is_named)?;
        let details = &refused["structuredContent"]["error_details"];
        let suggested = &details["metadata"]["suggested_request"];
        let tool = suggested["tool"].as_str().unwrap_or_default().to_owned();
        let arguments = suggested["arguments"].clone();
        self.call("The request that would pass", &tool, &arguments, |result| {
            result["isError"] != json!(true)
        })?;
        Ok(())
    }

    /// Why does https://name:port not work? From its name to its certificate, and the cause at the end.
    pub fn broken_web_service(&mut self, name: &str, server: &str, port: u16) -> io::Result<()> {
        self.show.title(&format!("\"https://{name}:{port} does not work\""));
        self.call(
            "Does its name resolve?",
            "dns",
            &json!({"target": server, "name": name}),
            answers(|parsed| parsed["status"] == "NOERROR"),
        )?;
        self.call(
            "Does it listen?",
            "port",
            &json!({"target": name, "ports": [port]}),
            answers(|parsed| parsed["open_ports"] == 1),
        )?;
        self.call(
            "What does a browser get?",
            "http",
            &json!({"target": name, "scheme": "https", "port": port}),
            // curl ends with a status of its own where it does not believe the certificate.
            |result| !result["structuredContent"]["parsed"]["error"].is_null(),
        )?;
        let shown = self.call(
            "And its certificate?",
            "tls",
            &json!({"target": name, "port": port}),
            answers(|parsed| parsed["chain_holds"] == false && parsed["name_matches"] == true),
        )?;
        let parsed = &shown["structuredContent"]["parsed"];
        let days = parsed["days_left"].as_i64().unwrap_or_default();
        let issuer = parsed["chain"][0]["issuer"].as_str().unwrap_or("nobody").to_owned();
        self.show.line(&format!(
            "\n    The cause: name, network and server are in order. The certificate ended {} days ago;\n    \
             whoever runs the server has it renewed by {issuer}.",
            -days
        ));
        Ok(())
    }

    /// More than there is time for: what was found until then is kept.
    pub fn out_of_time(&mut self, target: &str) -> io::Result<()> {
        let endless = json!({"target": target, "count": 100, "timeout_sec": 1});
        self.call("Out of time", "ping", &endless, |result| {
            let content = &result["structuredContent"];
            content["timed_out"] == true && content["parsed"]["received"].as_u64() > Some(0)
        })?;
        Ok(())
    }

    /// Two requests that every other server of this kind would carry out.
    pub fn refusals(&mut self, allowed: &str) -> io::Result<()> {
        self.call(
            "A public address",
            "ping",
            &json!({"target": "8.8.8.8"}),
            refused("TARGET_NOT_ALLOWED"),
        )?;
        self.call(
            "A script of the attacker's",
            "nmap",
            &json!({"target": allowed, "extra_args": "--script=/tmp/evil.nse"}),
            refused("OPTION_VALUE"),
        )?;
        Ok(())
    }

    fn check(&mut self, right: bool) {
        if right {
            self.show.good("    ✓ as it should be");
        } else {
            self.wrong += 1;
            self.show.bad("    ✗ not as it should be");
        }
    }
}
