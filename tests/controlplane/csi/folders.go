// Volumes and snapshots on disk: a shelf is a folder that holds, for each of its things, the folder <id> with the
// bytes and the file <id>.json with what is known about it. The file is written last and removed first: without
// it, a thing is not there. Knows nothing of CSI.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type shelf struct {
	folder string
	prefix string     // of handles
	one    sync.Mutex // a call that is made again may meet the first one
}

// thing is what is known about a volume or a snapshot.
type thing struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Source string    `json:"source"` // of a snapshot its volume; of a volume the snapshot it began as, or nothing
	Size   int64     `json:"size"`
	Made   time.Time `json:"made"`
}

func newShelf(folder, prefix string) (*shelf, error) {
	return &shelf{folder: folder, prefix: prefix}, os.MkdirAll(folder, 0o755)
}

// handle is the same each time for one name, so that what is made twice is there once; and it is not the name,
// so that nobody mistakes the one for the other.
func (s *shelf) handle(name string) string {
	digest := sha256.Sum256([]byte(name))
	return s.prefix + "-" + hex.EncodeToString(digest[:])[:17]
}

func (s *shelf) path(id string) string { return filepath.Join(s.folder, filepath.Base(id)) }

// find is what is known about id, or nil when there is no such thing.
func (s *shelf) find(id string) (*thing, error) {
	content, err := os.ReadFile(s.path(id) + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found thing
	return &found, json.Unmarshal(content, &found)
}

// keep puts a thing on the shelf, with a copy of the bytes in the folder `from` if that is not empty, and returns
// what is known about it: of an earlier time, if it was there already.
func (s *shelf) keep(wanted thing, from string) (*thing, error) {
	s.one.Lock()
	defer s.one.Unlock()
	wanted.ID, wanted.Made = s.handle(wanted.Name), time.Now().UTC()
	if found, err := s.find(wanted.ID); found != nil || err != nil {
		return found, err
	}
	partial := s.path(".partial-" + wanted.ID)
	for _, leftover := range []string{partial, s.path(wanted.ID)} {
		if err := os.RemoveAll(leftover); err != nil {
			return nil, err
		}
	}
	if err := fill(partial, from); err != nil {
		return nil, err
	}
	if err := os.Rename(partial, s.path(wanted.ID)); err != nil {
		return nil, err
	}
	about, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(partial, about, 0o644); err != nil {
		return nil, err
	}
	return &wanted, os.Rename(partial, s.path(wanted.ID)+".json")
}

// remove is no error when there is no such thing.
func (s *shelf) remove(id string) error {
	if !strings.HasPrefix(id, s.prefix+"-") { // a handle of somebody's own making; `..` would be all we have
		return nil
	}
	s.one.Lock()
	defer s.one.Unlock()
	if err := os.Remove(s.path(id) + ".json"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(s.path(id))
}

// all is what is known about everything on the shelf, by handle.
func (s *shelf) all() ([]thing, error) {
	files, err := filepath.Glob(filepath.Join(s.folder, s.prefix+"-*.json"))
	if err != nil {
		return nil, err
	}
	var found []thing
	for _, file := range files {
		name := filepath.Base(file)
		one, err := s.find(name[:len(name)-len(".json")])
		if err != nil {
			return nil, err
		}
		if one != nil { // else it went meanwhile
			found = append(found, *one)
		}
	}
	return found, nil
}

func fill(folder, from string) error {
	if err := os.Mkdir(folder, 0o755); err != nil || from == "" {
		return err
	}
	return os.CopyFS(folder, os.DirFS(from))
}
