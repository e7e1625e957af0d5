//! A REST API in Go: users with create, read, update and delete, in six packages.

use crate::sim::project::{Part, Project, sources};

mod faults;

/// The project.
#[must_use]
pub fn project() -> Project {
    Project {
        name: "go_api",
        language: "Go",
        task: "Build a REST API server in Go with CRUD endpoints for users",
        tools: &["go"],
        check: None,
        shared: SHARED,
        conventions: &[
            "The module is example.com/users, for go 1.22; packages stand below internal/, and only the standard library is used",
            "Handlers use the patterns of http.ServeMux with methods and {id}; bodies are JSON, ids are int64 from 1",
            "Errors are told apart by errors.Is and errors.As: model.ErrNotFound, model.ErrEmailTaken, model.FieldErrors",
            "Tests stand beside their package as _test.go, use httptest recorders and open no port",
        ],
        parts: parts(),
        files: sources("go_api", "tree"),
        given: Vec::new(),
        faults: faults::faults(),
    }
}

const SHARED: &str = r#"// package model (internal/model)

var (
	ErrNotFound   = errors.New("no such user")
	ErrEmailTaken = errors.New("email is taken")
)

type User struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Age       int       `json:"age"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Input is what a client says of a user.
type Input struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Age   int    `json:"age"`
}

// Patch changes the fields that aren't nil.
type Patch struct {
	Name  *string `json:"name"`
	Email *string `json:"email"`
	Age   *int    `json:"age"`
}

// Query chooses users of a list. A limit of 0 means all.
type Query struct {
	Search string
	Offset int
	Limit  int
}

// FieldErrors says per field what is wrong with it.
type FieldErrors map[string]string

// package httpapi (internal/httpapi)

// Users is the store as the API needs it.
type Users interface {
	Create(in model.Input) (model.User, error)
	Get(id int64) (model.User, error)
	List(query model.Query) ([]model.User, int)
	Update(id int64, in model.Input) (model.User, error)
	Delete(id int64) error
}

func New(users Users, maxPage int) *API

// package store (internal/store)

func New(now func() time.Time) *Store
"#;

fn parts() -> Vec<Part> {
    vec![
        Part {
            id: "model",
            title: "Users, their rules, and the errors of a store",
            instructions: "Write package model: User, Input, Patch, Query, FieldErrors and the errors of a store. Normalize joins the words of a \
                           name with single blanks and lowers the email; Validate returns FieldErrors for an empty name or one of more than 80 \
                           characters, for what isn't a bare address, and for an age outside 0 to 150. Test all rules at their limits.",
            owns: &["internal/model/user.go", "internal/model/user_test.go"],
            reads: &[],
            after: &[],
            provides: &[
                "func (in Input) Normalize() Input",
                "func (in Input) Validate() error",
                "func (p Patch) Apply(user User) Input",
                "func (u User) Matches(text string) bool",
                "func (e FieldErrors) Error() string",
            ],
            requires: &[],
        },
        Part {
            id: "store",
            title: "Users in memory",
            instructions: "Write package store: a Store that is safe for concurrent use, gives ids from 1 upwards and never twice, and keeps emails \
                           unique. Lists are sorted by id, are never nil, and say how many users match without offset and limit. Update keeps \
                           CreatedAt and frees the old email, Delete frees the email too.",
            owns: &["internal/store/store.go", "internal/store/store_test.go"],
            reads: &[],
            after: &[],
            provides: &[
                "func New(now func() time.Time) *Store",
                "func (s *Store) Create(in model.Input) (model.User, error)",
                "func (s *Store) Get(id int64) (model.User, error)",
                "func (s *Store) List(query model.Query) ([]model.User, int)",
                "func (s *Store) Update(id int64, in model.Input) (model.User, error)",
                "func (s *Store) Delete(id int64) error",
            ],
            requires: &[
                "func (in Input) Normalize() Input",
                "func (in Input) Validate() error",
                "func (u User) Matches(text string) bool",
            ],
        },
        Part {
            id: "respond",
            title: "Reading and writing JSON bodies",
            instructions: "Write respond.go of package httpapi: the helpers that read a body of at most 64 KiB without unknown fields, and that \
                           answer with JSON. writeError chooses the status: 404 and 409 for the errors of a store, 422 with the fields for \
                           FieldErrors, 400 for badRequest, 413 for a body that is too large, else 500 without details.",
            owns: &["internal/httpapi/respond.go"],
            reads: &[],
            after: &[],
            provides: &[
                "func decodeJSON(w http.ResponseWriter, r *http.Request, into any) error",
                "func writeJSON(w http.ResponseWriter, status int, value any)",
                "func writeError(w http.ResponseWriter, err error)",
                "type badRequest struct { reason string }",
                "type errorBody struct { Error string; Fields model.FieldErrors }",
                "const maxBody = 64 << 10",
            ],
            requires: &[],
        },
        Part {
            id: "handlers",
            title: "The endpoints",
            instructions: "Write the handlers of package httpapi on the interface Users: GET and POST /users, GET, PUT, PATCH and DELETE \
                           /users/{id}, GET /healthz. A list takes q, offset and limit, and holds at most maxPage users beside the total. \
                           Test the whole API with recorders and a real store, refusals too.",
            owns: &["internal/httpapi/handlers.go", "internal/httpapi/handlers_test.go"],
            reads: &[],
            after: &[],
            provides: &["func New(users Users, maxPage int) *API", "func (a *API) Routes() http.Handler"],
            requires: &[
                "func decodeJSON(w http.ResponseWriter, r *http.Request, into any) error",
                "func writeJSON(w http.ResponseWriter, status int, value any)",
                "func writeError(w http.ResponseWriter, err error)",
                "type badRequest struct { reason string }",
                "type errorBody struct { Error string; Fields model.FieldErrors }",
                "const maxBody = 64 << 10",
                "func (p Patch) Apply(user User) Input",
                "func New(now func() time.Time) *Store",
            ],
        },
        Part {
            id: "middleware",
            title: "Request ids, logging, recovery, token",
            instructions: "Write package middleware: Chain, and wrappers that give a request an id, log a line with its status, answer 500 after \
                           a panic, and demand a bearer token of requests that change something. The first wrapper of a chain sees a request \
                           first. Tokens are compared in constant time.",
            owns: &["internal/middleware/middleware.go", "internal/middleware/middleware_test.go"],
            reads: &[],
            after: &[],
            provides: &[
                "func Chain(handler http.Handler, wrappers ...Middleware) http.Handler",
                "func RequestID() Middleware",
                "func Logging(logger *slog.Logger) Middleware",
                "func Recover(logger *slog.Logger) Middleware",
                "func RequireToken(token string) Middleware",
            ],
            requires: &[],
        },
        Part {
            id: "config",
            title: "Settings from the environment",
            instructions: "Write package config: Default, and Load, which reads USERS_ADDR, USERS_TOKEN, USERS_MAX_PAGE, USERS_READ_TIMEOUT and \
                           USERS_GRACE through a function like os.Getenv. An error names its setting. Numbers below 1 and times that aren't \
                           positive are refused.",
            owns: &["internal/config/config.go", "internal/config/config_test.go"],
            reads: &[],
            after: &[],
            provides: &[
                "type Config struct { Addr string; Token string; MaxPage int; ReadTimeout time.Duration; Grace time.Duration }",
                "func Load(getenv func(string) string) (Config, error)",
            ],
            requires: &[],
        },
        Part {
            id: "server",
            title: "The module and the program",
            instructions: "Write go.mod and main.go: load the settings, put store, API and middleware together, and serve until SIGINT or SIGTERM. \
                           Then give open requests the grace time. An error goes to stderr, with exit code 1.",
            owns: &["go.mod", "main.go"],
            reads: &[],
            after: &["config"],
            provides: &[],
            requires: &[
                "type Config struct { Addr string; Token string; MaxPage int; ReadTimeout time.Duration; Grace time.Duration }",
                "func Load(getenv func(string) string) (Config, error)",
                "func New(now func() time.Time) *Store",
                "func New(users Users, maxPage int) *API",
                "func (a *API) Routes() http.Handler",
                "func Chain(handler http.Handler, wrappers ...Middleware) http.Handler",
                "func RequestID() Middleware",
                "func Logging(logger *slog.Logger) Middleware",
                "func Recover(logger *slog.Logger) Middleware",
                "func RequireToken(token string) Middleware",
            ],
        },
    ]
}
