//! A Python shop of about three hundred files that is to be refined: users get an email and a PATCH endpoint.

mod faults;
mod given;

use crate::sim::project::{Part, Project, sources};

/// The project with all that may go wrong in it.
#[must_use]
pub fn project() -> Project {
    Project {
        name: "shop_tree",
        language: "Python",
        task: "The users API is missing a PATCH endpoint, and users have no email field. Add both.",
        tools: &["python3"],
        check: None,
        shared: SHARED,
        conventions: &[
            "Python, standard library only; a resource is a package below shop/ with model.py, store.py, serializer.py and routes.py",
            "An email is required, has a name, an @ and a host with a dot, and belongs to one user whatever its case; else 400 or 409",
            "PATCH works as that of the other resources: 200 with the whole user, 400 for an empty or wrong body, 404 for no such user",
            "Every route and field stands in shop/schema.py too; line ends of a file stay as they are",
        ],
        parts: parts(),
        files: finished(),
        given: given::files(),
        faults: faults::faults(),
    }
}

const SHARED: &str = r#"# shop/users/model.py
FIELDS: dict[str, type] = {"name": str, "email": str, "role": str}
REQUIRED = ("name", "email")

@dataclass(frozen=True)
class User:
    id: int
    name: str
    email: str
    role: str = "customer"

def check(data: dict) -> dict: ...  # Invalid("email is wrong")

# shop/users/serializer.py
def to_json(user: User) -> dict: ...  # {"id", "name", "email", "role"}

# shop/users/store.py
class UserStore:
    def add(self, data: dict) -> User: ...  # Conflict if somebody has the email
    def get(self, user_id: int) -> User: ...
    def all(self) -> list[User]: ...
    def update(self, user_id: int, changes: dict) -> User: ...  # NotFound, Conflict
    def remove(self, user_id: int) -> None: ...

# shop/validate.py, as it is
def fields_of(body: dict, fields: dict[str, type], required: tuple[str, ...] = ()) -> dict: ...
def not_empty(data: dict) -> dict: ...

# shop/users/routes.py
# PATCH /users/<id> -> 200 with the whole user
"#;

fn parts() -> Vec<Part> {
    vec![
        Part {
            id: "model",
            title: "The email of a user",
            instructions: r#"Give users a required email between name and role, in the dataclass, in FIELDS and REQUIRED, and in what clients see. `check` refuses what is no email with Invalid("email is wrong"). Nothing else of the two files changes."#,
            owns: &["shop/users/model.py", "shop/users/serializer.py"],
            reads: &["shop/errors.py"],
            after: &[],
            provides: &[
                r#"class User: id: int, name: str, email: str, role: str = "customer""#,
                "def check(data: dict) -> dict",
                "def to_json(user: User) -> dict",
            ],
            requires: &[],
        },
        Part {
            id: "store",
            title: "Changing users",
            instructions: "Add `update`, as other stores have it, and see to it that an email belongs to one user whatever its case: adding or changing raises Conflict if somebody else has it. The own email may be set again.",
            owns: &["shop/users/store.py"],
            reads: &["shop/errors.py", "shop/products/store.py"],
            after: &[],
            provides: &["def update(self, user_id: int, changes: dict) -> User"],
            requires: &[r#"class User: id: int, name: str, email: str, role: str = "customer""#],
        },
        Part {
            id: "routes",
            title: "The PATCH endpoint, and the schema",
            instructions: "Add PATCH /users/<id> to the routes as the other resources have it. In shop/schema.py add the email to the fields of users and the endpoint to theirs; the file is long, and all else in it stays.",
            owns: &["shop/users/routes.py", "shop/schema.py"],
            reads: &["shop/validate.py", "shop/products/routes.py", "tests/test_schema.py"],
            after: &[],
            provides: &["PATCH /users/<id>"],
            requires: &[
                "def update(self, user_id: int, changes: dict) -> User",
                "def check(data: dict) -> dict",
                "def to_json(user: User) -> dict",
            ],
        },
        Part {
            id: "tests",
            title: "Tests and README of the users API",
            instructions: "Extend the tests of the users API: an email everywhere, changes of one field, emails that somebody has, the own email again, wrong changes. Add the email and the endpoint to the table in the README.",
            owns: &["tests/test_users.py", "README.md"],
            reads: &["shop/validate.py", "shop/router.py"],
            after: &[],
            provides: &[],
            requires: &["PATCH /users/<id>"],
        },
    ]
}

/// The files that change, as they are afterwards.
fn finished() -> Vec<(String, String)> {
    let mut files = sources("shop_tree", "tree");
    let schema = given::files().into_iter().find(|(path, _)| path == SCHEMA).map(|(_, text)| text).unwrap_or_default();
    files.push((
        SCHEMA.to_owned(),
        schema.replacen(USER_FIELDS.0, USER_FIELDS.1, 1).replacen(ENDPOINT.0, ENDPOINT.1, 1),
    ));
    files.sort();
    files
}

const SCHEMA: &str = "shop/schema.py";

/// The first place of the schema that changes: before and after.
const USER_FIELDS: (&str, &str) = (
    r#"    "users": {
        "id": "int",
        "name": "str",
"#,
    r#"    "users": {
        "id": "int",
        "name": "str",
        "email": "str",
"#,
);

/// The second one.
const ENDPOINT: (&str, &str) = (
    r#"    Endpoint(
        method="DELETE",
        path="/users/<id>",
"#,
    r#"    Endpoint(
        method="PATCH",
        path="/users/<id>",
        summary="changes one of the users",
    ),
    Endpoint(
        method="DELETE",
        path="/users/<id>",
"#,
);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn only_what_the_parts_own_differs_and_line_ends_stay() {
        let project = project();
        let given: BTreeMap<&str, &str> =
            project.given.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        assert_eq!(given.len(), project.given.len());
        assert!((280..=330).contains(&given.len()), "{} files", given.len());
        let owned: BTreeSet<&str> = project.parts.iter().flat_map(|part| part.owns.iter().copied()).collect();
        let changed: BTreeSet<&str> = project.files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(owned, changed);
        let bare = |text: &str| text.matches('\n').count() - text.matches("\r\n").count();
        for (path, text) in &project.files {
            let before = given[path.as_str()];
            assert_ne!(before, text, "{path}");
            assert_eq!(before.contains("\r\n"), text.contains("\r\n"), "{path}");
            assert_eq!(bare(before) == 0, bare(text) == 0, "{path}");
            assert_eq!(before.ends_with('\n'), text.ends_with('\n'), "{path}");
        }
        let ends = |path: &str| (given[path].contains("\r\n"), given[path].ends_with('\n'));
        assert_eq!(ends("shop/users/store.py"), (true, true));
        assert_eq!(ends("shop/users/serializer.py"), (false, false));
    }

    #[test]
    fn the_tree_is_not_uniform() {
        let files = given::files();
        let count = |test: fn(&str) -> bool| files.iter().filter(|(_, text)| test(text)).count();
        assert!(count(|text| text.contains("\r\n")) > 3);
        assert!(count(|text| !text.ends_with('\n')) > 3);
        assert_eq!(count(|text| text.contains('\t')), 1);
        assert!(count(|text| text.lines().count() > 900) >= 1);
        assert_eq!(files, given::files());
    }
}
