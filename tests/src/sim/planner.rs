//! Plans: as JSON in the keys of the prompt's example, or as a list in prose.

use serde_json::json;

use super::project::Project;

/// The plan as JSON.
pub(crate) fn json(project: &Project) -> String {
    let layout: Vec<&str> = if project.given.is_empty() {
        project.files.iter().map(|(path, _)| path.as_str()).collect()
    } else {
        project.parts.iter().flat_map(|part| part.owns).copied().collect()
    };
    let subtasks: Vec<_> = project
        .parts
        .iter()
        .map(|part| {
            json!({
                "id": part.id, "title": part.title, "instructions": part.instructions, "owns": part.owns, "reads": part.reads,
                "after": part.after, "provides": part.provides, "requires": part.requires, "specialist": null,
            })
        })
        .collect();
    let plan = json!({
        "contract": {
            "language": project.language, "layout": layout, "shared": project.shared, "conventions": project.conventions,
        },
        "subtasks": subtasks,
        "check": { "build": [], "test": [] },
    });
    serde_json::to_string_pretty(&plan).expect("a plan is JSON")
}

/// The plan as a numbered list.
pub(crate) fn prose(project: &Project) -> String {
    let place = |id: &str| project.parts.iter().position(|part| part.id == id).map(|at| (at + 1).to_string());
    let mut out = String::from("Here is how I would split the work.\n\n");
    for (index, part) in project.parts.iter().enumerate() {
        let owns: Vec<String> = part.owns.iter().map(|path| format!("`{path}`")).collect();
        let after: Vec<String> = part.after.iter().filter_map(|id| place(id)).collect();
        let depends = if after.is_empty() { String::new() } else { format!(" [depends: {}]", after.join(",")) };
        out.push_str(&format!(
            "{}. **{}** ({}){depends}\n   {}\n",
            index + 1,
            part.title,
            owns.join(", "),
            part.instructions
        ));
    }
    out + "\nThe parts fit together as described.\n"
}
