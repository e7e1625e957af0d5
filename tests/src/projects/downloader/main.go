package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	sum := flag.String("sha256", "", "expected checksum in hexadecimal")
	out := flag.String("o", "download.bin", "where to write")
	retries := flag.Int("retries", 3, "how often to try again")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: downloader [flags] URL")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *out, *sum, *retries); err != nil {
		fmt.Fprintln(os.Stderr, "downloader:", err)
		os.Exit(1)
	}
}

func run(url, out, want string, retries int) error {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := NewChecksum()
	fetcher := &Fetcher{Client: &http.Client{Timeout: time.Minute}, Retries: retries, Backoff: 200 * time.Millisecond}
	report := func(done, total int64) { fmt.Fprintf(os.Stderr, "\r%d of %d bytes", done, total) }
	if _, err := fetcher.Fetch(context.Background(), url, io.MultiWriter(file, sum), report); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr)
	if want == "" {
		return nil
	}
	return sum.Verify(want)
}
