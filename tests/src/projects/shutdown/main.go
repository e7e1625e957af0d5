package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	queue := NewQueue(16)
	pool := NewPool(queue, 4, func(_ context.Context, task Task) {
		fmt.Printf("task %d: %s\n", task.ID, task.Payload)
	})
	pool.Start(ctx)
	for id := 1; id <= 10 && ctx.Err() == nil; id++ {
		if err := queue.Push(Task{ID: id, Payload: "hello"}); err != nil {
			fmt.Println(err)
		}
	}
	queue.Close()
	pool.Wait()
}
