package main

import (
	"flag"
	"log"
	"time"
)

func main() {
	dir := flag.String("dir", ".", "directory to watch")
	url := flag.String("webhook", "", "where to post changes")
	every := flag.Duration("every", time.Second, "how often to look")
	flag.Parse()
	if *url == "" {
		log.Fatal("-webhook is missing")
	}
	hook := NewWebhook(*url)
	before, err := Scan(*dir)
	if err != nil {
		log.Fatal(err)
	}
	for range time.Tick(*every) {
		after, err := Scan(*dir)
		if err != nil {
			log.Print(err)
			continue
		}
		if changes := Compare(before, after); len(changes) > 0 {
			if err := hook.Send(changes); err != nil {
				log.Print(err)
				continue
			}
		}
		before = after
	}
}
