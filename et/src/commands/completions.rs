//! `et completions SHELL`.

use std::io::Write;

use super::Ended;

pub(super) fn run(shell: clap_complete::Shell) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::args::command(), "et", &mut script);
    // A broken pipe is no error.
    let _ = std::io::stdout().write_all(&script);
    Ok(0)
}
