//! Mistakes that fit the REST API.

use crate::sim::project::{Fault, FaultKind, Tier};
use crate::sim::projects::make::fault;

pub(super) fn faults() -> Vec<Fault> {
    vec![
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "internal/model/user.go",
            r#"	if len(wrong) > 0 {
		return wrong
	}
	return nil"#,
            r#"	if len(wrong) > 0 {
		return wrong
	return nil"#,
            "syntax error: unexpected name User in argument list",
            None,
        ),
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "internal/middleware/middleware.go",
            r#"				"took", time.Since(began),
			)"#,
            r#"				"took", time.Since(began)
			)"#,
            "syntax error: unexpected newline in argument list",
            None,
        ),
        fault(
            FaultKind::Syntax,
            Tier::Syntax,
            "internal/httpapi/handlers_test.go",
            r#"		{"/users?q=nobody", 0, 0},
	}"#,
            r#"		{"/users?q=nobody", 0, 0}
	}"#,
            "unexpected newline in composite literal|missing ',' before newline in composite literal",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "main.go",
            r#"	"os/signal"
	"syscall"
	"time""#,
            r#"	"os/signal"
	"time""#,
            "undefined: syscall",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "internal/config/config.go",
            r#"	"fmt"
	"strconv"
	"time""#,
            r#"	"fmt"
	"time""#,
            "undefined: strconv",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "internal/httpapi/respond.go",
            r#"	"fmt"
	"io"
	"net/http""#,
            r#"	"fmt"
	"net/http""#,
            "undefined: io",
            None,
        ),
        fault(
            FaultKind::MissingImport,
            Tier::Names,
            "internal/store/store_test.go",
            r#"import (
	"errors"
	"fmt""#,
            r#"import (
	"fmt""#,
            "undefined: errors",
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "internal/store/store.go",
            r#"	byEmail map[string]int64
	last    int64"#,
            r#"	byEmail map[string]int
	last    int64"#,
            r#"cannot use .*map\[string\]int64.* as map\[string\]int value"#,
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "internal/httpapi/handlers.go",
            r#"	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)"#,
            r#"	id, err := strconv.Atoi(r.PathValue("id"))"#,
            r#"cannot use id \(variable of type int\) as int64 value"#,
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "internal/config/config.go",
            r#"	value, err := time.ParseDuration(text)"#,
            r#"	value, err := strconv.ParseInt(text, 10, 64)"#,
            r#"cannot use value \(variable of type int64\) as time\.Duration value"#,
            None,
        ),
        fault(
            FaultKind::WrongType,
            Tier::Types,
            "internal/middleware/middleware.go",
            r#"	return hex.EncodeToString(raw[:])"#,
            r#"	return hex.EncodeToString(raw)"#,
            r#"cannot use raw \(variable of type \[8\]byte\) as \[\]byte value"#,
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Names,
            "internal/model/user.go",
            r#"	case utf8.RuneCountInString(in.Name) > MaxName:"#,
            r#"	case utf8.RuneCountInString(in.Name) > maxNameLength:"#,
            "undefined: maxNameLength",
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Names,
            "internal/httpapi/handlers_test.go",
            r#"	if got := send(newAPI(), "GET", "/healthz", ""); got.Code != http.StatusOK {"#,
            r#"	if got := send(newTestAPI(), "GET", "/healthz", ""); got.Code != http.StatusOK {"#,
            "undefined: newTestAPI",
            None,
        ),
        fault(
            FaultKind::UndefinedSymbol,
            Tier::Names,
            "internal/httpapi/respond.go",
            r#"	if status == http.StatusInternalServerError {"#,
            r#"	if status == http.StatusServerError {"#,
            r#"undefined: http\.StatusServerError"#,
            None,
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "internal/store/store.go",
            r#"func New(now func() time.Time) *Store {
	return &Store{
		now:     now,"#,
            r#"func New() *Store {
	return &Store{
		now:     time.Now,"#,
            r#"too many arguments in call to (store\.)?New"#,
            Some(("main.go", "users := store.New(time.Now)")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "internal/store/store.go",
            r#"func (s *Store) Delete(id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.users[id]
	if !ok {
		return model.ErrNotFound
	}
	delete(s.byEmail, user.Email)
	delete(s.users, id)
	return nil"#,
            r#"func (s *Store) Delete(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.users[id]
	if !ok {
		return false
	}
	delete(s.byEmail, user.Email)
	delete(s.users, id)
	return true"#,
            "wrong type for method Delete",
            Some(("internal/httpapi/handlers.go", "Delete(id int64) error")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "internal/httpapi/respond.go",
            r#"func decodeJSON(w http.ResponseWriter, r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))"#,
            r#"func decodeJSON(r *http.Request, into any) error {
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxBody))"#,
            "too many arguments in call to decodeJSON",
            Some(("internal/httpapi/handlers.go", "decodeJSON(w, r, &in)")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "main.go",
            r#"	api := httpapi.New(users, cfg.MaxPage)"#,
            r#"	api := httpapi.New(users)"#,
            r#"not enough arguments in call to httpapi\.New"#,
            Some(("internal/httpapi/handlers.go", "func New(users Users, maxPage int) *API {")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "internal/httpapi/handlers.go",
            r#"	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})"#,
            r#"	writeJSON(w, map[string]string{"status": "ok"}, http.StatusOK)"#,
            r#"cannot use map\[string\]string.* as int value in argument to writeJSON"#,
            Some(("internal/httpapi/respond.go", "func writeJSON(w http.ResponseWriter, status int, value any) {")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "internal/httpapi/handlers.go",
            r#"		return a.users.Update(id, change.Apply(user))"#,
            r#"		return a.users.Update(id, change.Apply(&user))"#,
            r#"cannot use &user \(value of type \*model\.User\) as model\.User value"#,
            Some(("internal/model/user.go", "func (p Patch) Apply(user User) Input {")),
        ),
        fault(
            FaultKind::Signature,
            Tier::Types,
            "main.go",
            r#"		middleware.Recover(logger),"#,
            r#"		middleware.Recover(),"#,
            r#"not enough arguments in call to middleware\.Recover"#,
            Some(("internal/middleware/middleware.go", "func Recover(logger *slog.Logger) Middleware {")),
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "internal/store/store.go",
            r#"	"example.com/users/internal/model""#,
            r#"	"example.com/users/model""#,
            r#"(cannot find module providing|no required module provides) package example\.com/users/model"#,
            None,
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "main.go",
            r#"	"example.com/users/internal/httpapi""#,
            r#"	"example.com/users/internal/api""#,
            r#"(cannot find module providing|no required module provides) package example\.com/users/internal/api"#,
            None,
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "internal/httpapi/handlers_test.go",
            r#"	"example.com/users/internal/store""#,
            r#"	"example.com/users/pkg/store""#,
            r#"(cannot find module providing|no required module provides) package example\.com/users/pkg/store"#,
            None,
        ),
        fault(
            FaultKind::ManifestEntry,
            Tier::Names,
            "go.mod",
            "go 1.22",
            "go 1.20",
            r#"requires go1\.2[12] or later"#,
            Some(("internal/store/store.go", "found = found[min(query.Offset, total):]")),
        ),
        fault(
            FaultKind::ModulePath,
            Tier::Names,
            "go.mod",
            "module example.com/users",
            "module github.com/example/users",
            r#"(cannot find module providing|no required module provides) package example\.com/users/internal/"#,
            Some(("main.go", r#""example.com/users/internal/config""#)),
        ),
        fault(
            FaultKind::Duplicate,
            Tier::Names,
            "internal/httpapi/handlers.go",
            "func pathID(r *http.Request) (int64, error) {",
            r#"func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
}

func pathID(r *http.Request) (int64, error) {"#,
            "writeJSON redeclared in this block",
            Some(("internal/httpapi/respond.go", "func writeJSON(w http.ResponseWriter, status int, value any) {")),
        ),
        fault(
            FaultKind::Duplicate,
            Tier::Names,
            "internal/httpapi/respond.go",
            "// errorBody is the JSON of an answer that says no.",
            r#"// page is one page of a list.
type page struct {
	Users []model.User `json:"users"`
	Total int          `json:"total"`
}

// errorBody is the JSON of an answer that says no."#,
            "page redeclared in this block",
            Some(("internal/httpapi/handlers.go", "type page struct {")),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "internal/model/user.go",
            r#"	in.Email = strings.ToLower(strings.TrimSpace(in.Email))"#,
            r#"	in.Email = strings.TrimSpace(in.Email)"#,
            "normalized to",
            Some(("internal/model/user_test.go", r#"Email: "ada@example.com", Age: 36}"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "internal/store/store.go",
            r#"	delete(s.byEmail, user.Email)
	user.Name, user.Email, user.Age = in.Name, in.Email, in.Age"#,
            r#"	user.Name, user.Email, user.Age = in.Name, in.Email, in.Age
	delete(s.byEmail, user.Email)"#,
            "the old email isn't free",
            Some(("internal/store/store_test.go", "the old email isn't free")),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "internal/store/store.go",
            r#"	sort.Slice(found, func(i, j int) bool { return found[i].ID < found[j].ID })"#,
            r#"	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })"#,
            r#"got ids \["#,
            Some(("internal/store/store_test.go", r#"{model.Query{Limit: 2}, "[1 2]", 4}"#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "internal/store/store.go",
            r#"	found := make([]model.User, 0, len(s.users))"#,
            r#"	var found []model.User"#,
            r#"an empty list must be \[\], not null"#,
            Some(("internal/httpapi/handlers_test.go", "an empty list must be [], not null")),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "internal/httpapi/respond.go",
            r#"	case errors.Is(err, model.ErrEmailTaken):
		return http.StatusConflict"#,
            r#"	case errors.Is(err, model.ErrEmailTaken):
		return http.StatusBadRequest"#,
            "taken email: status 400, want 409",
            Some((
                "internal/httpapi/handlers_test.go",
                r#"{"taken email", "POST", "/users", ada, http.StatusConflict}"#,
            )),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "internal/httpapi/respond.go",
            r#"	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)"#,
            r#"	w.WriteHeader(status)
	w.Header().Set("Content-Type", "application/json")"#,
            r#"content type ""#,
            Some(("internal/httpapi/handlers_test.go", r#"kind != "application/json""#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "internal/config/config.go",
            r#"	cfg.Token = getenv("USERS_TOKEN")"#,
            r#"	cfg.Token = getenv("USERS_API_TOKEN")"#,
            "got settings",
            Some(("internal/config/config_test.go", r#""USERS_TOKEN":        "secret""#)),
        ),
        fault(
            FaultKind::FailingTest,
            Tier::Tests,
            "internal/middleware/middleware.go",
            r#"	for i := len(wrappers) - 1; i >= 0; i-- {"#,
            r#"	for i := range wrappers {"#,
            "order of the chain: second first",
            Some(("internal/middleware/middleware_test.go", r#"got != "first second""#)),
        ),
    ]
}
