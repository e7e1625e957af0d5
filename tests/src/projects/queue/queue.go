package main

import (
	"errors"
	"sync"
)

// ErrClosed says that the queue takes no more tasks.
var ErrClosed = errors.New("the queue is closed")

// Task is a piece of work.
type Task struct {
	ID      int
	Payload string
}

// Queue hands tasks to workers, first come, first served.
type Queue struct {
	mu     sync.Mutex
	closed bool
	tasks  chan Task
}

// NewQueue returns one with room for size tasks.
func NewQueue(size int) *Queue {
	return &Queue{tasks: make(chan Task, size)}
}

// Push adds a task; it waits while there is no room.
func (q *Queue) Push(task Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	q.tasks <- task
	return nil
}

// Tasks is where workers take from.
func (q *Queue) Tasks() <-chan Task {
	return q.tasks
}

// Close lets workers end once all tasks are taken.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.tasks)
	}
}
