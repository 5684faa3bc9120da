//! Probity as an administrator installs it, tried by root: brokers that become a user of their own, tools
//! under the real sandbox, and networks of the lab. Without root each of these tests is skipped, and says
//! so. All traffic stays on loopback or inside namespaces that the tests made.
//!
//! | module | promise |
//! |---|---|
//! | [`adding_a_tool`] | `docs/adding-a-tool.md` works as it is written |
//! | [`answers`] | what a remote host says reaches nobody's terminal as it was sent |
//! | [`approvals`] | what needs another person runs only when that person approves it |
//! | [`audit`] | a line for each decision and each exit, and no call without its line |
//! | [`claude_code`] | Claude Code connects (`--ignored`: `make test-long` fetches it) |
//! | [`client_config`] | `docs/clients.md` and what `probity client-config` prints work |
//! | [`clients`] | each official MCP client over standard input and output |
//! | [`clones`] | threads and helpers: what is started, and that it moves no address |
//! | [`comes_back`] | runs that one comes back to: in the background, ended, found again and compared |
//! | [`doctor`] | `probity doctor` on this machine |
//! | [`end_to_end`] | the whole way with nothing faked |
//! | [`faults`] | whatever goes wrong during a call, the call is answered |
//! | [`fence`] | the egress fence that `probity-policy systemd-dropin` prints |
//! | [`first_run`] | the first run after `cargo install` |
//! | [`first_try`] | what a model gets right at the first try, and at the second |
//! | [`http_clients`] | each official MCP client over HTTP |
//! | [`lab`] | the lab itself |
//! | [`lifecycle`] | a run's life is its connection's life |
//! | [`notify`] | what systemd is told |
//! | [`page`] | the page for people, in Chromium |
//! | [`privileges`] | what the kernel says of the broker and of its tools |
//! | [`probed`] | Prometheus has hosts probed as by blackbox_exporter |
//! | [`progress`] | what a run that does not come to its end leaves |
//! | [`queue`] | the broker's line |
//! | [`reach`] | a run reaches its own target alone |
//! | [`reload`] | SIGHUP changes what is decided by, as a whole or not at all |
//! | [`sandbox`] | the sandbox, tried from inside |
//! | [`startup`] | a broker starts as its administrator meant it or not at all |
//! | [`supervision`] | a broker that is killed leaves nothing |
//! | [`tools`] | the shipped tools, each by every way in |
//! | [`wire`] | the broker's socket, as a hostile frontend uses it |

mod adding_a_tool;
mod answers;
mod approvals;
mod audit;
mod claude_code;
mod client_config;
mod clients;
mod clones;
mod comes_back;
mod doctor;
mod end_to_end;
mod faults;
mod fence;
mod first_run;
mod first_try;
mod http_clients;
mod lab;
mod lifecycle;
mod notify;
mod page;
mod privileges;
mod probed;
mod progress;
mod queue;
mod reach;
mod reload;
mod sandbox;
mod startup;
mod supervision;
mod tools;
mod wire;
