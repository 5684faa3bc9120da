//! What `packaging/kubernetes` has: rendered by the programs that people render it with, held against
//! the API's schemas and the levels of Pod Security, and run. No cluster is asked, since none is to be had
//! here; a binary of its own, since it needs kubectl, helm and podman.
//!
//! | module | promise |
//! |---|---|
//! | [`agreement`] | the chart is the kustomize base, and with its values each component |
//! | [`schemas`] | the API takes every object |
//! | [`levels`] | the levels of Pod Security that the namespaces name, and no field beyond them |
//! | [`promises`] | what the manifests say of themselves: figures, order, networks, names |
//! | [`played`] | the pod runs: calls, a policy with a defect, a broker that is killed, the end |
//! | [`confined`] | what its processes may do |
//! | [`page`] | docs/deploy.md is as it is written |

mod agreement;
mod confined;
mod levels;
mod manifests;
mod page;
mod play;
mod played;
mod pod_security;
mod podman;
mod promises;
mod schemas;
