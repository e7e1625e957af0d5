//! A calculator in C, with a Makefile: lexer, parser, evaluation, a program, and a test program.

use crate::sim::project::{Part, Project, sources};

mod faults;

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
        faults: faults::faults(),
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
