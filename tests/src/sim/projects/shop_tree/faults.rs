//! What may go wrong in it.

use crate::sim::project::FaultKind::{FailingTest, MissingImport, Signature, Syntax, WrongType};
use crate::sim::project::{Fault, Tier};
use crate::sim::projects::make::fault;

/// All mistakes, by kind.
pub(super) fn faults() -> Vec<Fault> {
    vec![
        fault(
            Syntax,
            Tier::Syntax,
            "shop/users/model.py",
            r#"    if "email" in data and not _is_email(data["email"]):"#,
            r#"    if "email" in data and not _is_email(data["email"]:"#,
            r"SyntaxError: closing parenthesis|SyntaxError: '\(' was never closed|SyntaxError: invalid syntax",
            None,
        ),
        fault(
            Syntax,
            Tier::Syntax,
            "tests/test_users.py",
            r#"        self.send("PATCH", "/users/2", email="robert@shop.example")"#,
            r#"        self.send("PATCH", "/users/2", email="robert@shop.example)"#,
            "SyntaxError: unterminated string literal",
            None,
        ),
        fault(
            MissingImport,
            Tier::Tests,
            "shop/users/store.py",
            "from ..errors import Conflict, NotFound\r\nfrom .model import User\r",
            "from ..errors import NotFound\r\nfrom .model import User\r",
            "name 'Conflict' is not defined",
            None,
        ),
        fault(
            MissingImport,
            Tier::Tests,
            "shop/users/routes.py",
            r"from ..validate import fields_of, not_empty
from .model import FIELDS, REQUIRED, check",
            r"from ..validate import fields_of
from .model import FIELDS, REQUIRED, check",
            "name 'not_empty' is not defined",
            None,
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "shop/users/serializer.py",
            r#"        "email": user.email,"#,
            r#"        "email": user.name,"#,
            "'email': 'Ada'",
            Some(("tests/test_users.py", r#""email": "ada@shop.example", "role": "admin"})"#)),
        ),
        fault(
            Signature,
            Tier::Tests,
            "shop/users/routes.py",
            "        user = users.update(user_id, changes)",
            "        user = users.update(user_id, **changes)",
            r"update\(\) got an unexpected keyword argument '(?:email|role|name)'",
            Some(("shop/users/store.py", "    def update(self, user_id: int, changes: dict) -> User:")),
        ),
        fault(
            WrongType,
            Tier::Tests,
            "shop/users/routes.py",
            "        return Response(200, to_json(user))",
            "        return to_json(user)",
            "'dict' object has no attribute 'status'",
            None,
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "shop/schema.py",
            r#"        method="PATCH",
        path="/users/<id>","#,
            r#"        method="PUT",
        path="/users/<id>","#,
            "PATCH /users/<id> isn't in the schema",
            Some(("shop/users/routes.py", r#"    router.add("PATCH", "/users/<id>", change)"#)),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "shop/users/store.py",
            "            if user.email.lower() == email.lower() and user.id != user_id:\r",
            "            if user.email.lower() == email.lower():\r",
            r"Ada@shop\.example belongs to somebody else",
            Some(("tests/test_users.py", "    def test_the_own_email_may_be_set_again(self) -> None:")),
        ),
        fault(
            FailingTest,
            Tier::Tests,
            "shop/users/model.py",
            r#"    return bool(name and sign) and "." in host.strip(".") and not any(letter.isspace() for letter in text)"#,
            "    return bool(name and sign and host)",
            r"!= \{'error': 'email is wrong'\}",
            Some(("tests/test_users.py", r#""ada@shop", "a da@shop.example""#)),
        ),
    ]
}
