package main

import (
	"flag"
	"log"
	"net/http"
)

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	api := &API{store: NewStore()}
	log.Printf("listening on %s", *address)
	log.Fatal(http.ListenAndServe(*address, api.Routes()))
}
