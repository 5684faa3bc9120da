//! The container image, as people run it: two containers by `packaging/container/compose.yaml`, or one that an
//! assistant starts. podman runs them in a lab's network or in none. A binary of its own, since it needs the
//! image (`make image-here`).
//!
//! | module | promise |
//! |---|---|
//! | [`compose`] | both forms of the compose file: calls and a refusal; what the kernel says inside, and the page |
//! | [`embedded`] | one container for an assistant, over standard input and output |
//! | [`image`] | what is in the image, and in the list of its parts |
//! | [`surroundings`] | where something is missing around it: it runs all the same, or says what to add |

mod compose;
mod embedded;
mod image;
mod surroundings;
