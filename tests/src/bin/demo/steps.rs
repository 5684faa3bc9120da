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
    ) -> io::Result<()> {
        self.show.title(title);
        self.show.request(&format!("tools/call {tool} {arguments}"));
        let started = Instant::now();
        let result = self.session.call(tool, arguments.clone())?;
        let text = result["content"][0]["text"].as_str().unwrap_or("(no text)").to_owned();
        self.show.answer(&text);
        self.show.line(&format!("    ({:.1} s)", started.elapsed().as_secs_f64()));
        self.check(expected(&result));
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
        )
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
