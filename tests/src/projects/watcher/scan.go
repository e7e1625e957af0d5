package main

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Snapshot is the content of each file by its path.
type Snapshot map[string]string

// Scan reads a directory and all below it.
func Scan(root string) (Snapshot, error) {
	files := Snapshot{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(data)
		return err
	})
	return files, err
}
