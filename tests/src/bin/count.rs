//! `make count`: the boundary and the whole privileged process in lines of code, by purpose, with what
//! else is trusted with them.

use std::{env, error::Error, fs, path::Path, process::Command};

use probity_tests::count::{Counted, PURPOSES, Purpose, privileged};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let files = privileged(&root)?;
    let lines = |wanted: &dyn Fn(Purpose) -> bool| -> usize {
        let of = files.iter().filter(|file| file.purpose.is_some_and(wanted));
        of.map(|file| file.lines).sum()
    };
    println!("lines of code (no blanks, comments or tests)\n");
    for (purpose, name) in PURPOSES {
        println!("{:>7}  {name}", lines(&|each| each == purpose));
        if purpose == Purpose::Privileges {
            println!("{:>7}  = the boundary\n", lines(&Purpose::is_boundary));
        }
    }
    println!("{:>7}  = the privileged process", files.iter().map(|file| file.lines).sum::<usize>());
    for Counted { file, lines, purpose, .. } in &files {
        if purpose.is_none() {
            println!("         {file} ({lines}) stands in no row of tests/src/count.rs");
        }
    }

    println!();
    println!("{:>7}  crates that the broker names", crates(&root, &["--depth", "1"])?);
    println!("{:>7}  crates in all", crates(&root, &[])?);
    println!("{:>7}  unsafe blocks", files.iter().map(|file| file.unsafe_blocks).sum::<usize>());
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    match fs::metadata(target.join("release/probity-broker")) {
        Ok(built) => println!("{:>7}  KiB, the broker's release binary", built.len() >> 10),
        Err(_) => println!("         the broker's release binary is not built: make build"),
    }
    Ok(())
}

/// How many crates the broker is built of, itself not counted.
fn crates(root: &Path, arguments: &[&str]) -> Result<usize, Box<dyn Error>> {
    let tree = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "tree",
            "--locked",
            "--package",
            "probity-broker",
            "--edges",
            "normal",
            "--prefix",
            "none",
        ])
        .args(["--format", "{p}"])
        .args(arguments)
        .current_dir(root)
        .output()?;
    if !tree.status.success() {
        return Err(String::from_utf8_lossy(&tree.stderr).into());
    }
    let tree = String::from_utf8(tree.stdout)?;
    let mut names: Vec<_> = tree.lines().filter_map(|line| line.split(" (").next()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.len() - 1)
}
