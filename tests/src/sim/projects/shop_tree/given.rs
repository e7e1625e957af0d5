//! The shop before the change: a core that is written by hand, and fifty resources that are made from a table.

use crate::sim::project::sources;

/// Names and types.
type Fields = &'static [(&'static str, &'static str)];

/// Package, class, and the fields besides the id.
const RESOURCES: &[(&str, &str, Fields)] = &[
    ("addresses", "Address", &[("street", "str"), ("city", "str"), ("zip_code", "str"), ("country", "str")]),
    ("baskets", "Basket", &[("customer", "int"), ("currency", "str"), ("is_open", "bool")]),
    ("brands", "Brand", &[("name", "str"), ("country", "str"), ("founded", "int")]),
    ("bundles", "Bundle", &[("name", "str"), ("price", "int"), ("is_active", "bool")]),
    ("campaigns", "Campaign", &[("title", "str"), ("budget", "int"), ("channel", "str")]),
    ("carriers", "Carrier", &[("name", "str"), ("service", "str"), ("days", "int"), ("is_active", "bool")]),
    ("catalogs", "Catalog", &[("title", "str"), ("season", "str"), ("pages", "int")]),
    ("categories", "Category", &[("name", "str"), ("parent", "int"), ("position", "int")]),
    ("channels", "Channel", &[("name", "str"), ("locale", "str"), ("is_active", "bool")]),
    ("claims", "Claim", &[("order", "int"), ("reason", "str"), ("amount", "int")]),
    ("colors", "Color", &[("name", "str"), ("code", "str")]),
    ("comments", "Comment", &[("author", "str"), ("text", "str"), ("is_public", "bool")]),
    ("complaints", "Complaint", &[("order", "int"), ("text", "str"), ("severity", "int")]),
    ("contracts", "Contract", &[("supplier", "int"), ("title", "str"), ("months", "int")]),
    ("coupons", "Coupon", &[("code", "str"), ("percent", "int"), ("is_active", "bool"), ("uses", "int")]),
    ("currencies", "Currency", &[("code", "str"), ("name", "str"), ("digits", "int")]),
    ("deliveries", "Delivery", &[("order", "int"), ("carrier", "int"), ("state", "str")]),
    ("discounts", "Discount", &[("title", "str"), ("percent", "int"), ("category", "int")]),
    ("documents", "Document", &[("title", "str"), ("kind", "str"), ("pages", "int")]),
    ("events", "Event", &[("title", "str"), ("place", "str"), ("seats", "int")]),
    ("feeds", "Feed", &[("name", "str"), ("url", "str"), ("interval", "int")]),
    ("gifts", "Gift", &[("title", "str"), ("sender", "str"), ("message", "str")]),
    ("invoices", "Invoice", &[("order", "int"), ("number", "str"), ("amount", "int"), ("is_paid", "bool")]),
    ("labels", "Label", &[("text", "str"), ("color", "str")]),
    ("locations", "Location", &[("warehouse", "int"), ("aisle", "str"), ("shelf", "int")]),
    ("manuals", "Manual", &[("product", "int"), ("language", "str"), ("pages", "int")]),
    ("materials", "Material", &[("name", "str"), ("origin", "str"), ("is_recycled", "bool")]),
    ("notes", "Note", &[("title", "str"), ("text", "str")]),
    ("offers", "Offer", &[("title", "str"), ("price", "int"), ("days", "int")]),
    ("orders", "Order", &[("customer", "int"), ("state", "str"), ("total", "int"), ("is_gift", "bool")]),
    ("packages", "Package", &[("order", "int"), ("grams", "int"), ("code", "str")]),
    ("payments", "Payment", &[("invoice", "int"), ("means", "str"), ("amount", "int")]),
    ("pictures", "Picture", &[("product", "int"), ("url", "str"), ("position", "int")]),
    ("prices", "Price", &[("product", "int"), ("currency", "str"), ("amount", "int")]),
    ("products", "Product", &[("name", "str"), ("sku", "str"), ("price", "int"), ("is_active", "bool")]),
    ("purchases", "Purchase", &[("supplier", "int"), ("product", "int"), ("pieces", "int")]),
    ("questions", "Question", &[("product", "int"), ("text", "str"), ("is_answered", "bool")]),
    ("ratings", "Rating", &[("product", "int"), ("stars", "int"), ("author", "str")]),
    ("refunds", "Refund", &[("payment", "int"), ("amount", "int"), ("reason", "str")]),
    ("reminders", "Reminder", &[("invoice", "int"), ("level", "int"), ("text", "str")]),
    ("returns", "Return", &[("order", "int"), ("reason", "str"), ("state", "str")]),
    ("shifts", "Shift", &[("clerk", "str"), ("day", "str"), ("hours", "int")]),
    ("sizes", "Size", &[("name", "str"), ("position", "int")]),
    ("stocks", "Stock", &[("product", "int"), ("location", "int"), ("pieces", "int")]),
    ("suppliers", "Supplier", &[("name", "str"), ("country", "str"), ("rating", "int")]),
    ("taxes", "Tax", &[("name", "str"), ("percent", "int"), ("country", "str")]),
    ("vouchers", "Voucher", &[("code", "str"), ("amount", "int"), ("is_used", "bool")]),
    ("warehouses", "Warehouse", &[("name", "str"), ("city", "str"), ("pieces", "int")]),
];

/// The fields of users before the change.
const USER: Fields = &[("name", "str"), ("role", "str")];

/// The whole tree, sorted by path.
pub(super) fn files() -> Vec<(String, String)> {
    let mut files = sources("shop_tree", "given");
    for (index, &(package, class, fields)) in RESOURCES.iter().enumerate() {
        let fill = |template: &str| filled(template, package, class, fields);
        let path = |name: &str| format!("shop/{package}/{name}.py");
        // Trees that several people wrote aren't uniform.
        let store = if index % 9 == 4 { fill(STORE).replace('\n', "\r\n") } else { fill(STORE) };
        let serializer = if index % 11 == 3 { fill(SERIALIZER).trim_end().to_owned() } else { fill(SERIALIZER) };
        let routes = if index == 7 { fill(ROUTES).replace("    ", "\t") } else { fill(ROUTES) };
        files.extend([
            (path("__init__"), fill(PACKAGE)),
            (path("model"), fill(MODEL)),
            (path("store"), store),
            (path("serializer"), serializer),
            (path("routes"), routes),
            (format!("tests/test_{package}.py"), fill(TESTS)),
        ]);
    }
    files.push(("shop/schema.py".to_owned(), schema()));
    files.push(("shop/samples.py".to_owned(), samples()));
    files.sort();
    files
}

/// Puts a resource into a template: `PACKAGE`, `CLASS`, `THING`, and lines that are repeated per field, which hold `@FIELD`.
fn filled(template: &str, package: &str, class: &str, fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for line in template.lines() {
        if line.contains("@FIELD") {
            for (name, kind) in fields {
                let value = value(name, kind, 1);
                let other = value_of_change(name, kind);
                text.push_str(
                    &line
                        .replace("@FIELD", name)
                        .replace("KIND", kind)
                        .replace("VALUE", &value)
                        .replace("OTHER", &other),
                );
                text.push('\n');
            }
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    let names: Vec<String> = fields.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let (first, kind) = fields[0];
    text.replace("REQUIRED_NAMES", &names.join(", "))
        .replace("FIRST_OTHER", &value_of_change(first, kind))
        .replace("FIRST", first)
        .replace("PACKAGE", package)
        .replace("CLASS", class)
        .replace("THING", &class.to_lowercase())
}

fn value(name: &str, kind: &str, number: usize) -> String {
    match kind {
        "int" => format!("{}", name.len() * 10 + number),
        "bool" => if number.is_multiple_of(2) { "False" } else { "True" }.to_owned(),
        _ => format!("\"{name} {number}\""),
    }
}

fn value_of_change(name: &str, kind: &str) -> String {
    value(name, kind, 2)
}

/// Every field and every endpoint: more than nine hundred lines.
fn schema() -> String {
    let mut all: Vec<(&str, Fields, &[&str])> = RESOURCES
        .iter()
        .map(|&(package, _, fields)| (package, fields, ["GET", "POST", "GET", "PATCH", "DELETE"].as_slice()))
        .collect();
    all.push(("users", USER, &["GET", "POST", "GET", "DELETE"]));
    all.sort_unstable();
    let mut text = SCHEMA_HEAD.to_owned();
    for (package, fields, _) in &all {
        text.push_str(&format!("    \"{package}\": {{\n        \"id\": \"int\",\n"));
        for (name, kind) in *fields {
            text.push_str(&format!("        \"{name}\": \"{kind}\",\n"));
        }
        text.push_str("    },\n");
    }
    text.push_str("}\n\nENDPOINTS: list[Endpoint] = [\n");
    for (package, _, methods) in &all {
        for (index, method) in methods.iter().enumerate() {
            let (path, summary) = match (*method, index) {
                ("GET", 0) => (format!("/{package}"), format!("lists all {package}")),
                ("POST", _) => (format!("/{package}"), format!("adds one of the {package}")),
                ("GET", _) => (format!("/{package}/<id>"), format!("shows one of the {package}")),
                ("PATCH", _) => (format!("/{package}/<id>"), format!("changes one of the {package}")),
                _ => (format!("/{package}/<id>"), format!("removes one of the {package}")),
            };
            text.push_str(&format!(
                "    Endpoint(\n        method=\"{method}\",\n        path=\"{path}\",\n        summary=\"{summary}\",\n    ),\n"
            ));
        }
    }
    text.push_str("]\n");
    text
}

/// Bodies to try things out with.
fn samples() -> String {
    let mut text = "\"\"\"Bodies to try the routes with.\"\"\"\n\nSAMPLES: dict[str, list[dict]] = {\n".to_owned();
    for (package, _, fields) in RESOURCES {
        text.push_str(&format!("    \"{package}\": [\n"));
        for number in 1..4 {
            text.push_str("        {\n");
            for (name, kind) in *fields {
                text.push_str(&format!("            \"{name}\": {},\n", value(name, kind, number)));
            }
            text.push_str("        },\n");
        }
        text.push_str("    ],\n");
    }
    text.push_str("}\n");
    text
}

const SCHEMA_HEAD: &str = r#""""What the shop's API looks like: all fields and all endpoints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """A method and a path, and what it does."""

    method: str
    path: str
    summary: str


RESOURCES: dict[str, dict[str, str]] = {
"#;

const PACKAGE: &str = r#""""Everything about PACKAGE."""

from .model import CLASS
from .store import CLASSStore

__all__ = ["CLASS", "CLASSStore"]
"#;

const MODEL: &str = r#""""One of the PACKAGE."""

from dataclasses import dataclass

from ..errors import Invalid

FIELDS: dict[str, type] = {
    "@FIELD": KIND,
}

REQUIRED = (REQUIRED_NAMES,)


@dataclass(frozen=True)
class CLASS:
    """One of the PACKAGE of the shop."""

    id: int
    @FIELD: KIND


def check(data: dict) -> dict:
    """The data of a THING, if its values make sense."""
    for name, value in data.items():
        if isinstance(value, str) and not value.strip():
            raise Invalid(f"{name} is empty")
        if type(value) is int and value < 0:
            raise Invalid(f"{name} is below zero")
    return data
"#;

const STORE: &str = r#""""Keeps PACKAGE in memory."""

from dataclasses import replace

from ..errors import NotFound
from .model import CLASS


class CLASSStore:
    """All PACKAGE by their id; ids are never given twice."""

    def __init__(self) -> None:
        self._items: dict[int, CLASS] = {}
        self._next = 1

    def add(self, data: dict) -> CLASS:
        """Adds a THING with the next id."""
        item = CLASS(id=self._next, **data)
        self._items[item.id] = item
        self._next += 1
        return item

    def get(self, item_id: int) -> CLASS:
        """The THING, or NotFound."""
        if item_id not in self._items:
            raise NotFound(f"THING {item_id} isn't there")
        return self._items[item_id]

    def all(self) -> list[CLASS]:
        """All PACKAGE by id."""
        return [self._items[item_id] for item_id in sorted(self._items)]

    def update(self, item_id: int, changes: dict) -> CLASS:
        """Changes some fields of a THING, or raises NotFound."""
        item = replace(self.get(item_id), **changes)
        self._items[item_id] = item
        return item

    def remove(self, item_id: int) -> None:
        """Removes a THING, or raises NotFound."""
        self.get(item_id)
        del self._items[item_id]
"#;

const SERIALIZER: &str = r#""""PACKAGE as clients see them."""

from .model import CLASS


def to_json(item: CLASS) -> dict:
    """One THING."""
    return {
        "id": item.id,
        "@FIELD": item.@FIELD,
    }


def list_to_json(items: list[CLASS]) -> list[dict]:
    """Many PACKAGE."""
    return [to_json(item) for item in items]
"#;

const ROUTES: &str = r#""""Routes of PACKAGE."""

from ..http import Request, Response
from ..router import Router
from ..validate import fields_of, not_empty
from .model import FIELDS, REQUIRED, check
from .serializer import list_to_json, to_json
from .store import CLASSStore


def register(router: Router, store: CLASSStore | None = None) -> None:
    """Adds all routes of PACKAGE."""
    items = store or CLASSStore()

    def index(_: Request) -> Response:
        return Response(200, list_to_json(items.all()))

    def create(request: Request) -> Response:
        data = check(fields_of(request.body, FIELDS, REQUIRED))
        return Response(201, to_json(items.add(data)))

    def show(_: Request, item_id: int) -> Response:
        return Response(200, to_json(items.get(item_id)))

    def change(request: Request, item_id: int) -> Response:
        changes = check(not_empty(fields_of(request.body, FIELDS)))
        return Response(200, to_json(items.update(item_id, changes)))

    def remove(_: Request, item_id: int) -> Response:
        items.remove(item_id)
        return Response(204)

    router.add("GET", "/PACKAGE", index)
    router.add("POST", "/PACKAGE", create)
    router.add("GET", "/PACKAGE/<id>", show)
    router.add("PATCH", "/PACKAGE/<id>", change)
    router.add("DELETE", "/PACKAGE/<id>", remove)
"#;

const TESTS: &str = r#""""The PACKAGE API."""

import unittest

from shop.http import Request, Response
from shop.router import Router
from shop.PACKAGE.routes import register

BODY = {
    "@FIELD": VALUE,
}


class CLASSTest(unittest.TestCase):
    def setUp(self) -> None:
        self.router = Router()
        register(self.router)

    def send(self, method: str, path: str, **body: object) -> Response:
        return self.router.dispatch(Request(method, path, body))

    def test_add_and_show(self) -> None:
        added = self.send("POST", "/PACKAGE", **BODY)
        self.assertEqual(added, Response(201, {"id": 1, **BODY}))
        self.assertEqual(self.send("GET", "/PACKAGE/1").body, added.body)

    def test_change(self) -> None:
        self.send("POST", "/PACKAGE", **BODY)
        changed = self.send("PATCH", "/PACKAGE/1", FIRST=FIRST_OTHER)
        self.assertEqual(changed, Response(200, {"id": 1, **BODY, "FIRST": FIRST_OTHER}))
        self.assertEqual(self.send("PATCH", "/PACKAGE/1").status, 400)

    def test_remove(self) -> None:
        self.send("POST", "/PACKAGE", **BODY)
        self.assertEqual(self.send("DELETE", "/PACKAGE/1").status, 204)
        self.assertEqual(self.send("GET", "/PACKAGE").body, [])
"#;
