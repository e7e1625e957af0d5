//! `et version`.

use super::{Ended, print};
use crate::context::Context;

pub(super) fn run(context: &Context) -> Ended {
    if context.json {
        print(&serde_json::json!({ "version": proto::BUILD, "protocol": proto::PROTOCOL_VERSION }).to_string());
    } else {
        print(&format!("et {} (protocol {})", proto::BUILD, proto::PROTOCOL_VERSION));
    }
    Ok(0)
}
