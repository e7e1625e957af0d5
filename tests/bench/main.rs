//! `make bench`: measures what the README promises and prints one table.
//!
//! It drives the real `et` and `etd` against servers in this process. Nothing is asserted about time: it fails only if something doesn't
//! work. A result is that of a busy machine if the machine is busy, so the load stands in the first line.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]

mod beyond;
mod kept;
mod memory;
mod replay;
mod startup;
mod stream;
mod table;
mod ticker;

fn main() {
    type Measure = fn(&mut table::Table);
    let measures: [(&str, Measure); 6] = [
        ("beyond", beyond::measure),
        ("startup", startup::measure),
        ("stream", stream::measure),
        ("memory", memory::measure),
        ("replay", replay::measure),
        ("kept", kept::measure),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let mut table = table::Table::default();
    println!("{}", table::machine());
    for (name, measure) in measures {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            eprintln!("measuring: {name}");
            measure(&mut table);
        }
    }
    print!("\n{table}");
}
