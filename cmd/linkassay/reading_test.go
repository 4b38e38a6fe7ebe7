package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// An interrupt while the link file is still being read ends the command at once: from a FIFO whose
// writer is slow, and from a pipe.
func TestInterruptWhileReadingTheLinkFile(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"verify": "verify -f FIFO", "apply": "apply -f FIFO", "destroy": "destroy -f FIFO", "validate": "validate -f FIFO",
		"verify standard input": "verify -f - <FIFO",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fifo := filepath.Join(t.TempDir(), "link.yaml")
			if err := syscall.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			l := &runningLab{env: os.Environ()}
			b := l.start(t, "sh", "-c", "exec "+binary+" "+strings.ReplaceAll(args, "FIFO", fifo))
			w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits for the reader
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			// More than a pipe holds: when it is written, linkassay has begun to read.
			if _, err := w.WriteString("#" + strings.Repeat(" ", 100_000)); err != nil {
				t.Fatal(err)
			}
			b.signal(t, syscall.SIGINT, 130)
			if want := "linkassay: interrupted while reading the link file"; !strings.Contains(b.stderr.String(), want) {
				t.Errorf("no %q in stderr: %s", want, b.stderr.String())
			}
		})
	}
}
