//! For whoever runs this server: what works here, and what clients' files have to say.

pub mod client_config;
pub mod doctor;
