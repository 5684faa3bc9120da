//! Parts of published results, as they are read again by whoever compares or draws them.
//!
//! A result may be an older version's: what is missing is empty, and what is new is passed over. Which parts of a
//! report somebody needs is for each to say; these are those that more than one does.

pub(crate) mod capture;
pub(crate) mod dns;
pub(crate) mod nmap;
