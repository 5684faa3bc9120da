//! The store by its public face.
//!
//! | module | promise |
//! |---|---|
//! | `keeping` | what is told is what is read, in the order of telling |
//! | `owners` | nobody sees a run of somebody else |
//! | `opening` | a file that is damaged, newer or foreign is refused, and left as it is |
//! | `processes` | several processes have one file; what a killed one left is interrupted |
//! | `kills` | no run is lost that was told to be kept, whenever the process is killed |
//! | `full` | a full disk is told, and the store goes on when there is room |
//! | `retention` | old runs go by themselves, those that go on stay |
//! | `page` | the queries of docs/history.md give what they say |
//! | `figures` | how fast it is; run by name |

mod figures;
mod full;
mod keeping;
mod kills;
mod opening;
mod owners;
mod page;
mod processes;
mod retention;
mod support;
