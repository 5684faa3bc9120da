//! Probity from outside, as anybody: no root and no network namespace is needed. Servers have a broker of
//! their own (`--embedded`), by a policy that allows loopback alone. The few tests that do need root say
//! so and are skipped without it.
//!
//! | module | promise |
//! |---|---|
//! | [`cache`] | results that are given again, and never past the policy |
//! | [`http`] | `probity http` with a real broker: what runs, what is written down, what is left |
//! | [`http_proxy`] | the proxies of `docs/http.md` |
//! | [`http_schemathesis`] | no request that Schemathesis makes up is a fault |
//! | [`http_stream`] | runs and events over HTTP with a real broker |
//! | [`monitoring`] | `/metrics` and `/health`, of real runs |
//! | [`observability`] | Prometheus scrapes a server, and the shipped dashboard, rules and alerts work on it |
//! | [`openapi`] | `/openapi.json` is what the server does |
//! | [`policy_audit`] | `probity-policy audit`: verify, query, tail |
//! | [`policy_check`] | `probity-policy` check, show, explain: what is wrong with a policy is said in full |
//! | [`policy_diff`] | `probity-policy diff`: what a change of policy widens |
//! | [`pushed`] | metrics at a Pushgateway |
//! | [`restarts`] | brokers that end under a frontend, and frontends that end |
//! | [`traces`] | a span for each call, at a collector |
//! | [`units`] | the units as they are shipped, by systemd's own measure |

mod cache;
mod http;
mod http_proxy;
mod http_schemathesis;
mod http_stream;
mod monitoring;
mod observability;
mod openapi;
mod policy_audit;
mod policy_check;
mod policy_diff;
mod pushed;
mod restarts;
mod traces;
mod units;
