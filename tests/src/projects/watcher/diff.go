package main

import (
	"sort"
	"strings"
)

// Change is what happened to a file: a line per line, with + or - before it.
type Change struct {
	Path string   `json:"path"`
	Diff []string `json:"diff"`
}

// Compare returns what changed between two snapshots, by path.
func Compare(before, after Snapshot) []Change {
	paths := map[string]bool{}
	for path := range before {
		paths[path] = true
	}
	for path := range after {
		paths[path] = true
	}
	var changes []Change
	for path := range paths {
		if before[path] != after[path] {
			changes = append(changes, Change{Path: path, Diff: lines(before[path], after[path])})
		}
	}
	sort.Slice(changes, func(i, j int) bool { return changes[i].Path < changes[j].Path })
	return changes
}

// lines leaves out what both texts begin and end with.
func lines(before, after string) []string {
	a, b := split(before), split(after)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	var out []string
	for _, line := range a {
		out = append(out, "-"+line)
	}
	for _, line := range b {
		out = append(out, "+"+line)
	}
	return out
}

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
