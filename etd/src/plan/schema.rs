//! The plan's JSON schema, for providers that can enforce one.

use serde_json::{Value, json};

/// The schema of a plan, contract first, in the subset that strict modes accept: every property required, no others allowed.
#[must_use]
pub fn schema() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let object = |names: &[&str], properties: Value| json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false});
    let contract = object(
        &["language", "layout", "shared", "conventions"],
        json!({"language": text, "layout": texts, "shared": text, "conventions": texts}),
    );
    let subtask = object(
        &["id", "title", "instructions", "owns", "reads", "after", "provides", "requires", "specialist"],
        json!({
            "id": text, "title": text, "instructions": text, "owns": texts, "reads": texts, "after": texts, "provides": texts,
            "requires": texts, "specialist": {"type": ["string", "null"]},
        }),
    );
    let check = object(&["build", "test"], json!({"build": texts, "test": texts}));
    object(
        &["contract", "subtasks", "check"],
        json!({"contract": contract, "subtasks": {"type": "array", "items": subtask}, "check": check}),
    )
}
