//! A calculator in C, with a Makefile: lexer, parser, evaluation, a program, and a test program.

use super::make::fault;
use crate::sim::project::{Fault, FaultKind, Part, Project, Tier, sources};

/// The project.
#[must_use]
pub fn project() -> Project {
    Project {
        name: "c_make",
        language: "C",
        task: "Write a calculator in C with a Makefile: expressions with variables and functions, one a line, and a test program",
        tools: &["gcc", "make"],
        check: None,
        shared: SHARED,
        conventions: &[
            "C11 with -Wall -Wextra -Werror, the standard library and libm only; sources in src/, tests in tests/, objects in build/",
            "make builds build/calc, make test builds and runs build/run_tests; tests find the headers by -Isrc",
            "No memory leaks: whoever gets an expression from parse frees it with expr_free",
            "Each file of tests has one function test_NAME without arguments, declared in tests/check.h; its checks have labels",
        ],
        parts: parts(),
        files: sources("c_make", "tree"),
        given: Vec::new(),
        faults: faults(),
    }
}

const SHARED: &str = r#"/* src/lexer.h */
#define NAME_LENGTH 31
enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_NAME,
    TOKEN_OPERATOR, /* one of + - * / ^ = */
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_BAD
};
struct token {
    enum token_kind kind;
    size_t at; /* where it begins in the text */
    double number;
    char name[NAME_LENGTH + 1];
    char op;
};

/* src/parser.h */
#define EXPR_ARGS 4
enum expr_kind {
    EXPR_NUMBER,
    EXPR_NAME,
    EXPR_NEGATE, /* args[0] */
    EXPR_BINARY, /* args[0] op args[1] */
    EXPR_ASSIGN, /* name = args[0] */
    EXPR_CALL    /* name(args...) */
};
struct expr {
    enum expr_kind kind;
    double number;
    char op;
    char name[NAME_LENGTH + 1];
    struct expr *args[EXPR_ARGS];
    size_t arg_count;
};
struct parse_error {
    size_t at; /* where in the text */
    char message[64];
};

/* src/eval.h */
enum eval_status {
    EVAL_OK,
    EVAL_UNKNOWN_NAME,
    EVAL_UNKNOWN_FUNCTION,
    EVAL_WRONG_ARGUMENTS,
    EVAL_DIVISION_BY_ZERO,
    EVAL_SCOPE_FULL
};
"#;

fn parts() -> Vec<Part> {
    vec![
        Part {
            id: "lexer",
            title: "Tokens of a text",
            instructions: "Write the lexer: numbers with decimals and exponents, names of letters, digits and underscores, the signs + - * / ^ = \
                           ( ) and the comma. A name that is too long, an unknown sign and a number that runs into a letter are TOKEN_BAD. \
                           token_kind_name calls the kinds: the end, a number, a name, an operator, (, ), a comma, something unknown.",
            owns: &["src/lexer.h", "src/lexer.c", "tests/test_lexer.c"],
            reads: &[],
            after: &[],
            provides: &[
                "void lexer_init(struct lexer *lexer, const char *text);",
                "struct token lexer_next(struct lexer *lexer);",
                "const char *token_kind_name(enum token_kind kind);",
                "void test_lexer(void);",
            ],
            requires: &[
                "void check_number(const char *file, int line, const char *label, double got, double want);",
                "void check_text(const char *file, int line, const char *label, const char *got, const char *want);",
            ],
        },
        Part {
            id: "parser",
            title: "Expressions of a text",
            instructions: "Write the parser: sums, products, signs, powers to the right that bind tighter than a sign, calls with at most four \
                           arguments, and an assignment to a name. A mistake says where it is and `expected X, found Y`. expr_print writes an \
                           expression with all its parentheses, cut like snprintf.",
            owns: &["src/parser.h", "src/parser.c", "tests/test_parser.c"],
            reads: &[],
            after: &[],
            provides: &[
                "struct expr *parse(const char *text, struct parse_error *error);",
                "void expr_free(struct expr *expr);",
                "size_t expr_print(const struct expr *expr, char *out, size_t size);",
                "void test_parser(void);",
            ],
            requires: &[
                "void lexer_init(struct lexer *lexer, const char *text);",
                "struct token lexer_next(struct lexer *lexer);",
                "const char *token_kind_name(enum token_kind kind);",
                "void check_number(const char *file, int line, const char *label, double got, double want);",
                "void check_text(const char *file, int line, const char *label, const char *got, const char *want);",
            ],
        },
        Part {
            id: "eval",
            title: "Values, variables and functions",
            instructions: "Write the evaluation: a scope of at most 64 variables that begins with pi, arithmetic, and the functions abs, floor, \
                           sqrt, min and max. Division by zero, unknown names and a wrong number of arguments are statuses with a message. A \
                           full scope still lets known variables change.",
            owns: &["src/eval.h", "src/eval.c", "tests/test_eval.c"],
            reads: &[],
            after: &[],
            provides: &[
                "void scope_init(struct scope *scope);",
                "bool scope_get(const struct scope *scope, const char *name, double *value);",
                "bool scope_set(struct scope *scope, const char *name, double value);",
                "enum eval_status eval(const struct expr *expr, struct scope *scope, double *result);",
                "const char *eval_message(enum eval_status status);",
                "void test_eval(void);",
            ],
            requires: &[
                "struct expr *parse(const char *text, struct parse_error *error);",
                "void expr_free(struct expr *expr);",
                "void check_number(const char *file, int line, const char *label, double got, double want);",
                "void check_text(const char *file, int line, const char *label, const char *got, const char *want);",
            ],
        },
        Part {
            id: "checks",
            title: "The test program",
            instructions: "Write check.h with CHECK_NUMBER and CHECK_TEXT, and test_main.c, which runs the tests of all parts. A check that fails \
                           says its place, its label, and what it got and wanted; the others still run. The program ends with 1 if any failed.",
            owns: &["tests/check.h", "tests/test_main.c"],
            reads: &[],
            after: &[],
            provides: &[
                "void check_number(const char *file, int line, const char *label, double got, double want);",
                "void check_text(const char *file, int line, const char *label, const char *got, const char *want);",
            ],
            requires: &["void test_lexer(void);", "void test_parser(void);", "void test_eval(void);"],
        },
        Part {
            id: "program",
            title: "The Makefile and the calculator",
            instructions: "Write the Makefile with all, test and clean, and main.c: it answers its arguments, or else the lines of standard input, \
                           with one scope for all. A mistake in an expression is shown with the place below it. The exit code is 1 if a line \
                           had no answer.",
            owns: &["Makefile", "src/main.c"],
            reads: &[],
            after: &[],
            provides: &[],
            requires: &[
                "struct expr *parse(const char *text, struct parse_error *error);",
                "void expr_free(struct expr *expr);",
                "void scope_init(struct scope *scope);",
                "enum eval_status eval(const struct expr *expr, struct scope *scope, double *result);",
                "const char *eval_message(enum eval_status status);",
            ],
        },
    ]
}

fn faults() -> Vec<Fault> {
    vec![
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "src/lexer.c",
            r#"    memcpy(token->name, begin, length);
    token->name[length] = '\0';"#,
            r#"    memcpy(token->name, begin, length)
    token->name[length] = '\0';"#,
            "expected .;. before .token.",
            None,
        ),
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "src/parser.c",
            r#"        if (expr->args[0] == NULL) {
            expr_free(expr);
            return NULL;
        }
    }"#,
            r#"        if (expr->args[0] == NULL) {
            expr_free(expr);
            return NULL;
    }"#,
            "expected declaration or statement at end of input",
            None,
        ),
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "src/eval.h",
            r#"    EVAL_SCOPE_FULL
};

struct variable {"#,
            r#"    EVAL_SCOPE_FULL
}

struct variable {"#,
            r#"expected .;., identifier or .\(. before .struct."#,
            None,
        ),
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "tests/test_eval.c",
            r#"    CHECK_TEXT("pi", value("pi", scope), "3.14159");"#,
            r#"    CHECK_TEXT("pi", value("pi", scope, "3.14159");"#,
            "unterminated argument list invoking macro",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "src/lexer.c",
            r#"#include "lexer.h"

#include <ctype.h>
#include <stdlib.h>"#,
            r#"#include "lexer.h"

#include <stdlib.h>"#,
            "implicit declaration of function .isalpha.",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "src/parser.c",
            r#"#include "parser.h"

#include <stdio.h>
#include <stdlib.h>"#,
            r#"#include "parser.h"

#include <stdlib.h>"#,
            "implicit declaration of function .snprintf.",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "src/eval.c",
            r#"#include "eval.h"

#include <math.h>
#include <stdio.h>"#,
            r#"#include "eval.h"

#include <stdio.h>"#,
            ".fabs. undeclared here",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "src/eval.h",
            r#"#define EVAL_H

#include <stdbool.h>
#include <stddef.h>"#,
            r#"#define EVAL_H

#include <stddef.h>"#,
            "unknown type name .bool.",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "tests/test_parser.c",
            r#"#include <stdio.h>

#include "check.h"
#include "parser.h""#,
            r#"#include <stdio.h>

#include "parser.h""#,
            "implicit declaration of function .CHECK_TEXT.",
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "src/main.c",
            r#"    fprintf(stderr, "calc: %s\n  %s\n  %*s^\n", message, line, (int)at, "");"#,
            r#"    fprintf(stderr, "calc: %s\n  %s\n  %*s^\n", message, line, at, "");"#,
            r#"field width specifier .\*. expects argument of type .int."#,
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "src/lexer.c",
            r#"        token->kind = strchr("+-*/^=", sign) ? TOKEN_OPERATOR : TOKEN_BAD;"#,
            r#"        token->kind = strchr("+-*/^=", &sign) ? TOKEN_OPERATOR : TOKEN_BAD;"#,
            "passing argument 2 of .strchr. makes integer from pointer",
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "src/parser.c",
            "    expr->op = op;",
            "    expr->op = &op;",
            r#"assignment to .char. from .char \*. makes integer from pointer"#,
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "src/eval.c",
            "        variable = &scope->variables[scope->count++];",
            "        variable = scope->variables[scope->count++];",
            r#"incompatible types when assigning to type .struct variable \*. from type .struct variable."#,
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Names,
            "src/parser.c",
            "        if (call->arg_count == EXPR_ARGS) {",
            "        if (call->arg_count == EXPR_MAX_ARGS) {",
            ".EXPR_MAX_ARGS. undeclared",
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Names,
            "src/eval.c",
            r#"    scope_set(scope, "pi", 3.14159265358979323846);"#,
            r#"    scope_set(scope, "pi", M_PI);"#,
            ".M_PI. undeclared",
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Names,
            "src/lexer.c",
            "    if (length > NAME_LENGTH) {",
            "    if (length > MAX_NAME_LENGTH) {",
            ".MAX_NAME_LENGTH. undeclared",
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Names,
            "tests/test_lexer.c",
            r#"    CHECK_NUMBER("position", (double)only("   abc").at, 3);"#,
            r#"    CHECK_NUMBER("position", (double)only("   abc").position, 3);"#,
            ".struct token. has no member named .position.",
            None,
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/parser.h",
            "struct expr *parse(const char *text, struct parse_error *error);",
            "struct expr *parse(const char *text);",
            "too many arguments to function .parse.|conflicting types for .parse.",
            Some(("src/main.c", "parse(line, &error)")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/lexer.c",
            r#"void lexer_init(struct lexer *lexer, const char *text)
{"#,
            r#"void lexer_init(const char *text, struct lexer *lexer)
{"#,
            "conflicting types for .lexer_init.",
            Some(("src/lexer.h", "void lexer_init(struct lexer *lexer, const char *text);")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/eval.c",
            "const char *eval_message(enum eval_status status)",
            "const char *eval_message(int status)",
            "conflicting types for .eval_message.",
            Some(("src/eval.h", "const char *eval_message(enum eval_status status);")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/eval.h",
            "enum eval_status eval(const struct expr *expr, struct scope *scope, double *result);",
            "double eval(const struct expr *expr, struct scope *scope, enum eval_status *status);",
            "passing argument 3 of .eval. from incompatible pointer type|conflicting types for .eval.",
            Some(("src/main.c", "struct expr *expr = parse(line, &error);")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/main.c",
            "    status = eval(expr, scope, &value);",
            "    value = eval(expr, scope);",
            "too few arguments to function .eval.",
            Some(("src/eval.h", "eval(const struct expr *expr, struct scope *scope,")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "src/parser.c",
            "    parser->token = lexer_next(&parser->lexer);",
            "    lexer_next(&parser->lexer, &parser->token);",
            "too many arguments to function .lexer_next.",
            Some(("src/lexer.h", "struct token lexer_next(struct lexer *lexer);")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "tests/test_parser.c",
            "    expr_print(expr, out, sizeof out);",
            "    expr_print(expr, out);",
            "too few arguments to function .expr_print.",
            Some(("src/parser.h", "size_t expr_print(const struct expr *expr, char *out, size_t size);")),
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "src/parser.h",
            r#"#include "lexer.h""#,
            r#"#include "token.h""#,
            r#"token\.h: No such file or directory"#,
            None,
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "src/main.c",
            r#"#include "eval.h""#,
            r#"#include "src/eval.h""#,
            r#"src/eval\.h: No such file or directory"#,
            None,
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "src/eval.h",
            r#"#include "parser.h""#,
            r#"#include "ast.h""#,
            r#"ast\.h: No such file or directory"#,
            None,
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "tests/test_lexer.c",
            r#"#include "lexer.h""#,
            r#"#include "../lexer.h""#,
            r#"\.\./lexer\.h: No such file or directory"#,
            None,
        ),
        fault(
            FaultKind::ManifestEntry,
            Tier::Link,
            "Makefile",
            "LDLIBS += -lm",
            "LDLIBS =",
            "undefined reference to .(pow|floor|sqrt|fmin|fmax).",
            Some(("src/eval.c", "#include <math.h>")),
        ),
        fault(
            FaultKind::ManifestEntry,
            Tier::Names,
            "Makefile",
            "CPPFLAGS += -Isrc -MMD -MP",
            "CPPFLAGS += -MMD -MP",
            r#"(lexer|parser|eval)\.h: No such file or directory"#,
            Some(("tests/test_eval.c", r#"#include "eval.h""#)),
        ),
        fault(
            FaultKind::ManifestEntry,
            Tier::Link,
            "Makefile",
            "LIBRARY = build/lexer.o build/parser.o build/eval.o",
            "LIBRARY = build/lexer.o build/eval.o",
            "undefined reference to .(parse|expr_free|expr_print).",
            Some(("src/main.c", "struct expr *expr = parse(line, &error);")),
        ),
        fault(
            FaultKind::ManifestEntry,
            Tier::Link,
            "Makefile",
            "TESTS = build/test_main.o build/test_lexer.o build/test_parser.o build/test_eval.o",
            "TESTS = build/test_main.o build/test_parser.o build/test_eval.o",
            "undefined reference to .test_lexer.",
            Some(("tests/test_main.c", "test_lexer();")),
        ),
        fault(
            FaultKind::Duplicate,
            Tier::Link,
            "tests/test_eval.c",
            r#"void test_eval(void)
{
    struct scope scope;"#,
            r#"int check_failures = 0;

void test_eval(void)
{
    struct scope scope;"#,
            "multiple definition of .check_failures.",
            Some(("tests/test_main.c", "int check_failures = 0;")),
        ),
        fault(
            FaultKind::Duplicate,
            Tier::Names,
            "src/eval.h",
            "struct scope {",
            r#"struct parse_error {
    size_t at;
    char message[64];
};

struct scope {"#,
            "redefinition of .struct parse_error.",
            Some(("src/parser.h", "struct parse_error {")),
        ),
        fault(
            FaultKind::Duplicate,
            Tier::Link,
            "src/main.c",
            "/* Answers each line that isn't empty. */",
            r#"const char *eval_message(enum eval_status status)
{
    return status == EVAL_DIVISION_BY_ZERO ? "division by zero" : "there is no such name";
}

/* Answers each line that isn't empty. */"#,
            "multiple definition of .eval_message.",
            Some(("src/eval.c", "static const char *const messages[] = {")),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/lexer.c",
            "    while (isalnum((unsigned char)begin[length]) || begin[length] == '_') {",
            "    while (isalpha((unsigned char)begin[length]) || begin[length] == '_') {",
            "(call|name with digits|room for a variable): got",
            Some(("tests/test_lexer.c", r#"CHECK_TEXT("call", kinds("max(a,_b2)"), "n(n,n).");"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/lexer.c",
            r#"        return "an operator";"#,
            r#"        return "operator";"#,
            "assigning to a number: got",
            Some(("tests/test_parser.c", "found an operator")),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/parser.c",
            "    return new_binary('^', base, parse_unary(parser));",
            "    return new_binary('^', base, parse_primary(parser));",
            "(powers to the right|negative exponent): got",
            Some(("tests/test_parser.c", r#"CHECK_TEXT("powers to the right", tree("2 ^ 3 ^ 2"), "(^ 2 (^ 3 2))");"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/parser.c",
            "        left = new_binary(op, left, parse_product(parser));",
            "        left = new_binary(op, left, parse_sum(parser));",
            "left to right: got|difference: got",
            Some(("tests/test_eval.c", r#"CHECK_TEXT("difference", value("8 - 4 - 2", scope), "2");"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/parser.c",
            "    parser->error->at = parser->token.at;",
            "    parser->error->at = parser->lexer.at;",
            "(two values|arguments without a comma|assigning to a number): got",
            Some(("tests/test_parser.c", r#""2: expected an operator or the end, found a number""#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/eval.c",
            "        if (right == 0.0) {",
            "        if (left == 0.0) {",
            "division by zero: got",
            Some(("tests/test_eval.c", r#"CHECK_TEXT("division by zero""#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "src/eval.c",
            r#"    if (variable == NULL) {
        if (scope->count == SCOPE_SIZE) {
            return false;
        }"#,
            r#"    if (scope->count == SCOPE_SIZE) {
        return false;
    }
    if (variable == NULL) {"#,
            "a known one: got",
            Some(("tests/test_eval.c", r#"CHECK_TEXT("a known one""#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "tests/test_main.c",
            "    if (strcmp(got, want) != 0) {",
            "    if (got != want) {",
            r#"nothing: got "\.", want "\.""#,
            Some(("tests/test_lexer.c", r#"CHECK_TEXT("nothing", kinds(""), ".");"#)),
        ),
        fault(
            FaultKind::Linker,
            Tier::Link,
            "src/parser.c",
            r#"void expr_free(struct expr *expr)
{"#,
            r#"void free_expr(struct expr *expr)
{"#,
            "undefined reference to .expr_free.",
            Some(("src/parser.h", "void expr_free(struct expr *expr);")),
        ),
        fault(
            FaultKind::Linker,
            Tier::Link,
            "src/lexer.c",
            "const char *token_kind_name(enum token_kind kind)",
            "const char *token_name(enum token_kind kind)",
            "undefined reference to .token_kind_name.",
            Some(("src/parser.c", "token_kind_name(parser->token.kind)")),
        ),
        fault(
            FaultKind::Linker,
            Tier::Link,
            "tests/test_parser.c",
            "void test_parser(void)",
            "void run_parser_tests(void)",
            "undefined reference to .test_parser.",
            Some(("tests/test_main.c", "test_parser();")),
        ),
    ]
}
