package main

import (
	"context"
	"sync"
)

// Pool runs workers on a queue until it is empty or the context is cancelled.
type Pool struct {
	queue   *Queue
	workers int
	handle  func(context.Context, Task)
	wait    sync.WaitGroup
}

// NewPool returns a pool that isn't running yet.
func NewPool(queue *Queue, workers int, handle func(context.Context, Task)) *Pool {
	return &Pool{queue: queue, workers: workers, handle: handle}
}

// Start runs the workers. After a cancellation each of them ends the task that it has and takes no other.
func (p *Pool) Start(ctx context.Context) {
	for i := 0; i < p.workers; i++ {
		p.wait.Add(1)
		go func() {
			defer p.wait.Done()
			for {
				select {
				case <-ctx.Done():
					return
				case task, open := <-p.queue.Tasks():
					if !open {
						return
					}
					p.handle(ctx, task)
				}
			}
		}()
	}
}

// Wait returns when all workers have ended.
func (p *Pool) Wait() {
	p.wait.Wait()
}
