package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// API answers for /users and /users/{id}.
type API struct {
	store *Store
}

// Routes returns the handler of all paths.
func (a *API) Routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/users", a.users)
	mux.HandleFunc("/users/", a.user)
	return mux
}

func (a *API) users(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		reply(w, http.StatusOK, a.store.List())
	case http.MethodPost:
		var user User
		if err := json.NewDecoder(r.Body).Decode(&user); err != nil {
			fail(w, http.StatusBadRequest, err)
			return
		}
		reply(w, http.StatusCreated, a.store.Create(user))
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (a *API) user(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/users/"))
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	switch r.Method {
	case http.MethodGet:
		user, err := a.store.Get(id)
		answer(w, user, err)
	case http.MethodPut:
		var user User
		if err := json.NewDecoder(r.Body).Decode(&user); err != nil {
			fail(w, http.StatusBadRequest, err)
			return
		}
		user.ID = id
		answer(w, user, a.store.Update(user))
	case http.MethodPatch:
		var change struct {
			Name  *string `json:"name"`
			Email *string `json:"email"`
		}
		if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
			fail(w, http.StatusBadRequest, err)
			return
		}
		user, err := a.store.Patch(id, change.Name, change.Email)
		answer(w, user, err)
	case http.MethodDelete:
		if err := a.store.Delete(id); err != nil {
			answer(w, User{}, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func answer(w http.ResponseWriter, user User, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusInternalServerError, err)
	default:
		reply(w, http.StatusOK, user)
	}
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func fail(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}
