//! The house itself: what its files promise to whoever reads them.
//!
//! | module | promise |
//! |---|---|
//! | `order` | imports run one way, between rooms and between files |

mod order;
