package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Webhook posts changes to a URL.
type Webhook struct {
	URL    string
	Client *http.Client
}

// NewWebhook returns one with a time limit.
func NewWebhook(url string) *Webhook {
	return &Webhook{URL: url, Client: &http.Client{Timeout: 10 * time.Second}}
}

// Send posts changes as JSON.
func (w *Webhook) Send(changes []Change) error {
	body, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	response, err := w.Client.Post(w.URL, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("the webhook says %s", response.Status)
	}
	return nil
}
