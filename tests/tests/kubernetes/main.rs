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
//! | [`page`] | docs/deploy.md is as it is written |

mod agreement;
mod levels;
mod manifests;
mod page;
mod pod_security;
mod promises;
mod schemas;
