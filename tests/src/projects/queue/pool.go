package main

import "sync"

// Pool runs workers on a queue.
type Pool struct {
	queue   *Queue
	workers int
	handle  func(Task)
	wait    sync.WaitGroup
}

// NewPool returns a pool that isn't running yet.
func NewPool(queue *Queue, workers int, handle func(Task)) *Pool {
	return &Pool{queue: queue, workers: workers, handle: handle}
}

// Start runs the workers.
func (p *Pool) Start() {
	for i := 0; i < p.workers; i++ {
		p.wait.Add(1)
		go func() {
			defer p.wait.Done()
			for task := range p.queue.Tasks() {
				p.handle(task)
			}
		}()
	}
}

// Wait returns when the queue is closed and empty.
func (p *Pool) Wait() {
	p.wait.Wait()
}
