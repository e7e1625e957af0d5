//! `et trust FILE`: remembers a config file by its content, until it changes.

use std::path::Path;

use super::{Ended, print, print_json};
use crate::config;
use crate::context::Context;
use crate::exit::Problem;

pub(super) fn run(context: &Context, file: &Path) -> Ended {
    let path = context.cwd.join(file);
    let path = std::fs::canonicalize(&path)
        .map_err(|error| Problem::usage(format!("the config {} can't be trusted: {error}", path.display())))?;
    let text = config::read(&path)?;
    config::validate(&path, &text, &Context::var)?;
    config::trust::trust(&path, &text, &Context::var)?;
    if context.json {
        print_json(&serde_json::json!({ "trusted": path }));
    } else if !context.quiet {
        print(&format!("{} is trusted until it changes", path.display()));
    }
    Ok(0)
}
