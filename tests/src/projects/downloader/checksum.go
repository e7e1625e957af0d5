package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// Checksum is a writer that remembers the SHA-256 of what went through it.
type Checksum struct {
	hash hash.Hash
}

// NewChecksum starts with nothing.
func NewChecksum() *Checksum {
	return &Checksum{hash: sha256.New()}
}

func (c *Checksum) Write(data []byte) (int, error) {
	return c.hash.Write(data)
}

// Verify fails if the sum isn't the one that is wanted, in hexadecimal.
func (c *Checksum) Verify(want string) error {
	got := hex.EncodeToString(c.hash.Sum(nil))
	if !strings.EqualFold(got, strings.TrimSpace(want)) {
		return fmt.Errorf("checksum is %s, not %s", got, want)
	}
	return nil
}
