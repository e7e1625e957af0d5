//! `et version`.

use super::{Ended, print, print_json};
use crate::context::Context;

pub(super) fn run(context: &Context) -> Ended {
    if context.json {
        print_json(&serde_json::json!({ "version": proto::BUILD, "protocol": proto::PROTOCOL_VERSION }));
    } else {
        print(&format!("et {} (protocol {})", proto::BUILD, proto::PROTOCOL_VERSION));
    }
    Ok(0)
}
