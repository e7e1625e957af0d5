package main

import (
	"errors"
	"sort"
	"sync"
)

// ErrNotFound says that there is no such user.
var ErrNotFound = errors.New("user not found")

// User is somebody.
type User struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Store keeps users in memory.
type Store struct {
	mu    sync.RWMutex
	users map[int]User
	next  int
}

// NewStore returns an empty one.
func NewStore() *Store {
	return &Store{users: map[int]User{}, next: 1}
}

// Create adds a user and gives it an id.
func (s *Store) Create(user User) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	user.ID = s.next
	s.next++
	s.users[user.ID] = user
	return user
}

// Get returns a user.
func (s *Store) Get(id int) (User, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	user, ok := s.users[id]
	if !ok {
		return User{}, ErrNotFound
	}
	return user, nil
}

// Update replaces a user.
func (s *Store) Update(user User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.users[user.ID]; !ok {
		return ErrNotFound
	}
	s.users[user.ID] = user
	return nil
}

// List returns all users by id.
func (s *Store) List() []User {
	s.mu.RLock()
	defer s.mu.RUnlock()
	users := make([]User, 0, len(s.users))
	for _, user := range s.users {
		users = append(users, user)
	}
	sort.Slice(users, func(i, j int) bool { return users[i].ID < users[j].ID })
	return users
}

// Delete removes a user.
func (s *Store) Delete(id int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.users[id]; !ok {
		return ErrNotFound
	}
	delete(s.users, id)
	return nil
}

// Patch changes what is given of a user.
func (s *Store) Patch(id int, name, email *string) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.users[id]
	if !ok {
		return User{}, ErrNotFound
	}
	if name != nil {
		user.Name = *name
	}
	if email != nil {
		user.Email = *email
	}
	s.users[id] = user
	return user, nil
}
