//! Mistakes that fit the calculator.

use crate::sim::project::{Fault, FaultKind, Tier};
use crate::sim::projects::make::fault;

pub(super) fn faults() -> Vec<Fault> {
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
            r#"(?:^|[^/])(lexer|parser|eval)\.h: No such file or directory"#,
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
