package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Fetcher downloads a URL and tries again when that may help.
type Fetcher struct {
	Client  *http.Client
	Retries int
	Backoff time.Duration
}

// Fetch writes the body at url to out and returns its length. Progress is told to report, which may be nil.
func (f *Fetcher) Fetch(ctx context.Context, url string, out io.Writer, report func(done, total int64)) (int64, error) {
	var last error
	for try := 0; try <= f.Retries; try++ {
		if try > 0 {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(f.Backoff << (try - 1)):
			}
		}
		written, again, err := f.once(ctx, url, out, report)
		if err == nil || !again {
			return written, err
		}
		last = err
	}
	return 0, fmt.Errorf("gave up after %d tries: %w", f.Retries+1, last)
}

func (f *Fetcher) once(ctx context.Context, url string, out io.Writer, report func(done, total int64)) (int64, bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, false, err
	}
	response, err := f.Client.Do(request)
	if err != nil {
		return 0, true, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, response.StatusCode >= 500, fmt.Errorf("the server says %s", response.Status)
	}
	body := NewProgress(response.Body, response.ContentLength, report)
	written, err := io.Copy(out, body)
	// What was written can't be taken back, so a broken body ends it.
	return written, written == 0, err
}
