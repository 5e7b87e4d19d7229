// Switches: files under <root>/switches that make the driver misbehave. They are read at each call, so that a
// test turns the driver bad and good again while it runs. `fail` concerns every call, `fail.<handle>` only those
// about that volume or snapshot; so with all of them. What misbehaving means for a call is the driver's to know.

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const switchPoll = 50 * time.Millisecond

type switches struct{ folder string }

// obey fails as `fail` says, or waits while there is `hang`.
func (s switches) obey(ctx context.Context, handles ...string) error {
	if message, on := s.read("fail", handles...); on {
		return status.Error(codes.Internal, message)
	}
	for {
		if _, on := s.read("hang", handles...); !on {
			return nil
		}
		select {
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-time.After(switchPoll):
		}
	}
}

// ready is whether a snapshot may be used: not while there is `never-ready`, nor sooner after it was taken than
// `slow-ready` says, as in `2s`.
func (s switches) ready(snapshot thing) bool {
	if _, on := s.read("never-ready", snapshot.ID, snapshot.Source); on {
		return false
	}
	slow, on := s.read("slow-ready", snapshot.ID, snapshot.Source)
	if !on {
		return true
	}
	wait, err := time.ParseDuration(slow)
	return err == nil && time.Since(snapshot.Made) >= wait
}

// read is the text of the switch, and whether there is one: for all, or for one of the handles.
func (s switches) read(name string, handles ...string) (string, bool) {
	files := []string{name}
	for _, handle := range handles {
		files = append(files, name+"."+filepath.Base(handle))
	}
	for _, file := range files {
		if text, err := os.ReadFile(filepath.Join(s.folder, file)); err == nil {
			return strings.TrimSpace(string(text)), true
		}
	}
	return "", false
}
