#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may")]

use proptest::prelude::*;

use super::*;

/// `number|text` a line.
fn shown(path: &str, text: &str) -> String {
    outline(path, text).iter().map(|line| format!("{}|{}\n", line.line, line.text)).collect()
}

/// Compares with what is expected, whose first line is empty.
fn check(path: &str, text: &str, expected: &str) {
    assert_eq!(shown(path, text.trim_start_matches('\n')), expected.trim_start_matches('\n'), "{path}");
}

#[test]
fn go() {
    check(
        "internal/store.go",
        r#"
// Package store keeps users.
package store

import (
	"errors"
	"fmt"
)

const (
	// Max is the most.
	Max = 100
	name = "a{b"
)

var ErrNotFound = errors.New("not found")

type User struct {
	ID   int64  `json:"id"`
	Name string // func x() {
	tags map[string]struct{}
}

type Store interface {
	Get(id int64) (*User, error)
	All(opts ...func(*User)) []User
}

type (
	ID    int
	Point struct {
		X, Y int
	}
)

func New(
	path string,
	log func(string, ...interface{}),
) (*Memory, error) {
	f := func() { fmt.Println("}") }
	f()
	return nil, nil
}

func (m *Memory) Get(id int64) interface{} {
	if id == 0 {
		return `raw } string`
	}
	return nil
}

func after() {}
"#,
        r#"
11|Max = 100
12|name = "a{b"
15|var ErrNotFound = errors.New("not found")
17|type User struct
18|  ID   int64  `json:"id"`
19|  Name string
20|  tags map[string]struct{}
23|type Store interface
24|  Get(id int64) (*User, error)
25|  All(opts ...func(*User)) []User
29|ID    int
30|Point struct
31|  X, Y int
35|func New(path string, log func(string, ...interface{})) (*Memory, error)
44|func (m *Memory) Get(id int64) interface{}
51|func after()
"#,
    );
}

#[test]
fn rust() {
    check(
        "src/lib.rs",
        r##"
//! Docs with a { brace.
use std::fmt;
pub use inner::Thing;

#[derive(Debug, Clone)]
pub struct User<'a> {
    /// The name.
    pub name: &'a str,
    tags: HashMap<String, u32>,
}

pub(crate) struct Id(u64);

pub enum Error {
    NotFound,
    Io { path: String, why: String },
    Other(String),
}

pub const MAX: usize = 3;
static NAME: &str = r#"a "quoted" { brace"#;

impl<'a> fmt::Display for User<'a> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = '{';
        write!(f, "{}", self.name)
    }
}

pub trait Store {
    type Key;
    fn get(&self, id: u64) -> Option<User<'_>>;
    async fn put<T>(&mut self, key: T) -> Result<(), Error>
    where
        T: Into<String>,
    {
        todo()
    }
}

macro_rules! square {
    ($x:expr) => { $x * $x };
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn hidden() {}
}
"##,
        r##"
3|pub use inner::Thing
6|pub struct User<'a>
8|  pub name: &'a str
9|  tags: HashMap<String, u32>
12|pub(crate) struct Id(u64)
14|pub enum Error
15|  NotFound
16|  Io
17|  Other(String)
20|pub const MAX: usize = 3
21|static NAME: &str = r#"a "quoted" { brace"#
23|impl<'a> fmt::Display for User<'a>
24|  fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result
30|pub trait Store
31|  type Key
32|  fn get(&self, id: u64) -> Option<User<'_>>
33|  async fn put<T>(&mut self, key: T) -> Result<(), Error> where T: Into<String>
41|macro_rules! square
46|mod tests
"##,
    );
}

#[test]
fn typescript_and_javascript() {
    check(
        "src/users.ts",
        r#"
import { Router } from 'express';
import type { Db } from './db';

export interface User {
  id: number;
  name: string
  address?: { street: string };
}

export type Id = number | string;
export type Options = {
  limit: number,
  sort?: 'asc' | 'desc',
};

export enum Role { Admin, Guest }

export const LIMITS = {
  max: 5,
};

const router = Router();

export const find = async (
  db: Db,
  id: Id,
): Promise<User | undefined> => {
  const re = /[{(]/;
  return db.get(`users/${id}`);
};

router.get('/users/:id', async (req, res) => {
  res.json({});
});

export default class UserService extends Base {
  private readonly db: Db;
  static count = 0;

  constructor(db: Db) {
    super();
  }

  @Get('/users')
  async list(limit?: number): Promise<User[]> {
    if (limit) { return []; }
    return [];
  }
}

export function plain(a: string): void {
  return;
}
module.exports = { plain };
"#,
        r#"
4|export interface User
5|  id: number
6|  name: string
7|  address?:
10|export type Id = number | string
11|export type Options
12|  limit: number
13|  sort?: 'asc' | 'desc'
16|export enum Role
18|export const LIMITS
24|export const find = async (db: Db, id: Id): Promise<User | undefined> =>
36|export default class UserService extends Base
37|  private readonly db: Db
38|  static count = 0
40|  constructor(db: Db)
44|  @Get('/users')
45|  async list(limit?: number): Promise<User[]>
51|export function plain(a: string): void
54|module.exports
"#,
    );
}

#[test]
fn python() {
    check(
        "app/users.py",
        r#"
"""Users.

def not_a_function():
"""
from dataclasses import dataclass

MAX_USERS = 10
Alias: TypeAlias = dict[str, int]
cache = {}


@dataclass(frozen=True)
class User:
    """class Fake:"""

    id: int
    name: str = "x"

    @property
    def title(self) -> str:
        def inner():
            pass
        return self.name

    async def save(
        self,
        db: "Db",
        *,
        retries: int = 3,
    ) -> None:
        await db.save(self)


@router.patch("/users/{id}")
def patch(id: int): return None


def last():
    try:
        x = 1
    else: x = 2
"#,
        r#"
7|MAX_USERS = 10
8|Alias: TypeAlias = dict[str, int]
12|@dataclass(frozen=True)
13|class User
16|  id: int
17|  name: str = "x"
19|  @property
20|  def title(self) -> str
25|  async def save(self, db: "Db", *, retries: int = 3) -> None
34|@router.patch("/users/{id}")
35|def patch(id: int): return None
38|def last()
"#,
    );
}

#[test]
fn java() {
    check(
        "src/main/java/a/Users.java",
        r#"
package a;

import java.util.List;

/** Users { */
@Service
public class Users extends Base implements Store {
    private static final int MAX = 5;
    private final List<User> all = new ArrayList<>();

    static {
        System.out.println("{");
    }

    public Users(List<User> all) {
        this.all.addAll(all);
    }

    @Override
    @PatchMapping("/users/{id}")
    public Optional<User> find(
            @PathVariable long id,
            String name) throws IOException {
        for (User user : all) { if (user.id() == id) return Optional.of(user); }
        return Optional.empty();
    }

    @Override public String toString() { return ""; }

    public record User(long id, String name) {}

    enum Role { ADMIN, GUEST; }

    interface Inner {
        void run();
    }
}
"#,
        r#"
7|public class Users extends Base implements Store
8|  private static final int MAX = 5
9|  private final List<User> all = new ArrayList<>()
15|  public Users(List<User> all)
20|  @PatchMapping("/users/{id}")
21|  public Optional<User> find(@PathVariable long id, String name) throws IOException
28|  @Override public String toString()
30|  public record User(long id, String name)
32|  enum Role
34|  interface Inner
35|    void run()
"#,
    );
}

#[test]
fn c_and_cpp() {
    check(
        "include/list.h",
        r#"
#ifndef LIST_H
#define LIST_H
#include <stddef.h>
#define LIST_MAX 16
#define EACH(x) \
    for (;;) {

struct list {
    struct node *head;
    size_t len; /* { */
};

typedef struct {
    int x;
} point;

typedef int (*visit)(void *item);
enum color { RED, BLUE };
extern int errors;

int list_add(struct list *list,
             const char *text);
static inline int max(int a, int b)
{
    if (a > b) { return a; }
    return b;
}
#endif
"#,
        r#"
4|#define LIST_MAX 16
5|#define EACH(x)
8|struct list
9|  struct node *head
10|  size_t len
13|typedef struct
14|  int x
17|typedef int (*visit)(void *item)
18|enum color
19|extern int errors
21|int list_add(struct list *list, const char *text)
23|static inline int max(int a, int b)
"#,
    );
    check(
        "src/shape.cpp",
        r#"
#include "shape.h"
using namespace std;

namespace geo {

template <typename T>
class Shape : public Base<T> {
public:
    explicit Shape(T x) : x_(x) {}
    virtual double area() const = 0;
private:
    T x_;
};

double Circle::area() const {
    return '{' * 2;
}

}  // namespace geo

int main(int argc, char **argv) { return 0; }
"#,
        r#"
2|using namespace std
4|namespace geo
6|  template <typename T> class Shape : public Base<T>
9|    explicit Shape(T x) : x_(x)
10|    virtual double area() const = 0
12|    T x_
15|  double Circle::area() const
21|int main(int argc, char **argv)
"#,
    );
}

#[test]
fn the_rest() {
    check(
        "Users.kt",
        "package a\n\ndata class User(val id: Int)\nclass Repo {\n    val size = 3\n    fun find(id: Int): User? {\n        return null\n    }\n}\nfun main() = run()\n",
        "3|data class User(val id: Int)\n4|class Repo\n5|  val size = 3\n6|  fun find(id: Int): User?\n10|fun main() = run()\n",
    );
    check(
        "Users.cs",
        "namespace A\n{\n    public class User\n    {\n        public int Id { get; set; }\n\n        [HttpGet]\n        public object Find(int id)\n        {\n            return null;\n        }\n    }\n}\n",
        "1|namespace A\n3|  public class User\n5|    public int Id\n8|    public object Find(int id)\n",
    );
    check(
        "user.rb",
        "module App\n  class User < Base\n    def name(first, last)\n      @name\n    end\n  end\nend\n",
        "1|module App\n2|  class User < Base\n3|    def name(first, last)\n",
    );
    check("run.sh", "set -e\nbuild() {\n  make\n}\nbuild\n", "2|build()\n");
    check(
        "schema.sql",
        "-- users;\nCREATE TABLE users (\n  id INT PRIMARY KEY,\n  name TEXT DEFAULT ';'\n);\nINSERT INTO users VALUES (1);\nalter table users add email text;\n",
        "2|CREATE TABLE users (id INT PRIMARY KEY, name TEXT DEFAULT ';')\n7|alter table users add email text\n",
    );
    check("README.md", "# Shop\n\ntext\n```sh\n# no heading\n```\n## Use\n#hash\n", "1|# Shop\n7|## Use\n");
    for path in ["package.json", "data.csv", "LICENSE", "go.mod", "notes.txt"] {
        check(path, "function x() {\nclass A {\n", "");
    }
}

#[test]
fn a_line_is_short() {
    let text = format!("pub fn long({}) -> u32 {{\n}}\n", "argument: Vec<HashMap<String, u64>>, ".repeat(20));
    let found = outline("a.rs", &text);
    assert_eq!(found.len(), 1);
    assert!(found[0].text.len() <= LONG && found[0].text.ends_with('…'), "{}", found[0].text);
}

#[test]
fn the_body_around_a_line() {
    let go = "package a\n\n// F is\n// a function.\nfunc F() {\n\tif x {\n\t\ty()\n\t}\n}\n\nvar a = 1\nvar b = 2\n\nfunc G() {}\n";
    let python = "import a\n\nclass A:\n    x: int\n\n    @property\n    def f(self):\n        return 1\n\n    def g(self):\n        pass\n\nz = 1\n";
    let rust = "struct A {\n    x: u32,\n}\n\nimpl A {\n    /// Says.\n    #[inline]\n    fn f(\n        &self,\n    ) -> u32 {\n        self.x\n    }\n}\n";
    let ruby = "class A\n  def f\n    1\n  end\n\n  def g\n    2\n  end\nend\n";
    let table = [
        ("a.go", go, 7, 3..10),
        ("a.go", go, 5, 3..10),
        ("a.go", go, 9, 3..10),
        ("a.go", go, 12, 11..13),
        ("a.go", go, 14, 14..15),
        ("a.py", python, 8, 6..9),
        ("a.py", python, 6, 6..9),
        ("a.py", python, 11, 10..12),
        ("a.py", python, 4, 3..12),
        ("a.py", python, 13, 13..14),
        ("a.rs", rust, 11, 6..13),
        ("a.rs", rust, 2, 1..4),
        ("a.rb", ruby, 3, 2..5),
        ("a.txt", "a\nb\n\nc\n", 2, 1..3),
        ("a.txt", "a\nb\n\nc\n", 9, 9..9),
        ("a.txt", "", 1, 1..1),
        ("a.txt", "a", 0, 0..0),
    ];
    for (path, text, line, expected) in table {
        assert_eq!(enclosing(path, text, line), expected, "{path}:{line}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        text in "(func |fn |class |def |type |struct |\\{|\\}|\\(|\\)|\\[|\"|'|`|/\\*|\\*/|//|#|r#|=|;|,|:|@|\\\\|é|x|\n|\n  |\r\n|\t| ){0,80}",
        name in "(go|rs|ts|py|java|cpp|kt|rb|sql|md)",
        line in 0_u32..40,
    ) {
        let path = format!("a.{name}");
        let count = text.lines().count() as u32;
        let mut last = 0;
        for one in outline(&path, &text) {
            prop_assert!(one.line >= last, "{one:?}");
            prop_assert!(one.line >= 1 && one.line <= count && one.text.len() <= LONG);
            last = one.line;
        }
        let range = enclosing(&path, &text, line);
        prop_assert!(range.is_empty() || range.contains(&line) && range.end <= count + 1);
    }
}

#[test]
fn functions_are_told_from_types() {
    let table = [
        ("a.c", "struct token next(struct lexer *lexer)\n{\n    return lexer->token;\n}\n", "next", true),
        ("a.c", "static void skip(struct lexer *lexer)\n{\n    lexer->at++;\n}\n", "skip", true),
        ("a.c", "struct lexer {\n    size_t at;\n};\n", "lexer", false),
        ("a.h", "#define SIZE 31\n", "SIZE", false),
        ("a.h", "#define CHECK(got, want) check(got, want)\n", "CHECK", false),
        ("a.rs", "fn show(one: impl Display) {\n    print(one);\n}\n", "show", true),
        ("a.rs", "pub struct Id(u64);\n", "Id", false),
        ("A.java", "record Point(int x, int y) {\n}\n", "Point", false),
        (
            "A.java",
            "class A {\n    static List<Token> tokens(String text) {\n        return null;\n    }\n}\n",
            "tokens",
            true,
        ),
        (
            "A.java",
            "class A {\n    public <T extends A> Map<String, Set<T>> index(T one) {\n        return null;\n    }\n}\n",
            "index",
            true,
        ),
        ("a.cpp", "std::vector<int> all(std::map<int, int> of)\n{\n    return {};\n}\n", "all", true),
        ("a.rs", "fn first<T: Ord>(of: &[T]) -> Option<&T> {\n    of.first()\n}\n", "first", true),
        ("a.rs", "impl<T> Display for Money<T> {\n}\n", "Money", false),
    ];
    for (path, text, name, does) in table {
        let (found, _) = bodies(path, text);
        assert!(found.iter().any(|one| (one.name.as_str(), one.does) == (name, does)), "{text}: {found:?}");
    }
}
