package main

import "fmt"

func main() {
	queue := NewQueue(16)
	pool := NewPool(queue, 4, func(task Task) {
		fmt.Printf("task %d: %s\n", task.ID, task.Payload)
	})
	pool.Start()
	for id := 1; id <= 10; id++ {
		if err := queue.Push(Task{ID: id, Payload: "hello"}); err != nil {
			fmt.Println(err)
		}
	}
	queue.Close()
	pool.Wait()
}
