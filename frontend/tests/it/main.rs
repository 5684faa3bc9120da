//! The program `probity` as its users see it, against a scripted broker: no root, no network and no real
//! broker is needed. Suites that want a real one are in the tests crate.
//!
//! | module | promise |
//! |---|---|
//! | [`client_config`] | what `probity client-config` prints, and that `--write` does no more than was asked for |
//! | [`command_line`] | `probity call` in a pipe: exit statuses, what is printed where, wrong usage |
//! | [`configuration`] | each layer of the settings, files that do not parse, `probity config` |
//! | [`doctor`] | `probity doctor` at sockets where something is wrong |
//! | [`ends`] | how `probity stdio` ends, and how it gets by without its broker for a moment |
//! | [`http_access`] | who may come in over HTTP: listening, tokens, their limits, proxies |
//! | [`http_calls`] | what calls over HTTP are answered, and how they end |
//! | [`http_events`] | `/events`: what its readers are told |
//! | [`http_hostile`] | requests that no library would write, of which the broker hears nothing |
//! | [`http_limits`] | how often a client may ask |
//! | [`http_mcp`] | MCP over HTTP, in both eras |
//! | [`http_page`] | the page for people: who comes in, what they are shown, what its forms come to |
//! | [`http_probe`] | `/probe`, as Prometheus asks it |
//! | [`http_requests`] | what is taken for a request: Host, Origin, paths, bodies, connections |
//! | [`http_runs`] | runs that one comes back to over HTTP: in the background, kept, watched, ended, compared, and whose they are |
//! | [`http_service`] | `probity http` as a service of systemd's |
//! | [`http_stream`] | runs that are watched over HTTP |
//! | [`http_withdrawn`] | what a token has open when it is taken back |
//! | [`log`] | what a server logs, and a log that nobody reads |
//! | [`runs`] | the same over MCP on standard input, and at the terminal |
//! | [`session`] | what it takes to upset an MCP session |
//! | [`stdio`] | MCP over standard input and output, in both eras |
//! | [`terminal`] | the command line on a terminal: colours, tables, progress, Ctrl-C |
//! | [`tools`] | `probity tools` in a pipe |
//!
//! [`support`] is what they stand on: the scripted broker, and clients of every way in.

mod client_config;
mod command_line;
mod configuration;
mod doctor;
mod ends;
mod http_access;
mod http_calls;
mod http_events;
mod http_hostile;
mod http_limits;
mod http_mcp;
mod http_page;
mod http_probe;
mod http_requests;
mod http_runs;
mod http_service;
mod http_stream;
mod http_withdrawn;
mod log;
mod runs;
mod session;
mod stdio;
mod support;
mod terminal;
mod tools;
mod watches;
