// Package chromium drives a headless Chromium in tests of pages.
package chromium

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Browser is a headless Chromium that speaks the DevTools protocol over a pipe: no port is opened.
type Browser struct {
	cmd    *exec.Cmd
	out    io.WriteCloser
	events chan Event // of all pages; what nobody takes is kept

	mu      sync.Mutex
	last    int
	waiting map[int]chan Event
	gone    error
}

// Event is something that the browser tells.
type Event struct {
	ID        int             `json:"id"`
	Method    string          `json:"method"`
	SessionID string          `json:"sessionId"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Start starts Chromium for one test, and ends it with the test.
func Start(t *testing.T) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not on PATH")
	}
	if testing.Short() {
		t.Skip("-short has no time for a browser")
	}
	theirIn, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + t.TempDir(), "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--disable-extensions", "--hide-scrollbars",
	}
	if os.Getuid() == 0 {
		args = append(args, "--no-sandbox") // it refuses root otherwise
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, append(args, "about:blank")...)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4, as the flag has it
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	b := &Browser{cmd: cmd, out: out, waiting: map[int]chan Event{}, events: make(chan Event, 4096)}
	read := make(chan struct{})
	go func() { defer close(read); b.read(in) }()
	t.Cleanup(func() {
		closing, stop := context.WithTimeout(context.Background(), 10*time.Second)
		_, _ = b.call(closing, "", "Browser.close", nil)
		stop()
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		select {
		case <-exited:
			cancel()
		case <-time.After(10 * time.Second):
			cancel()
			<-exited
		}
		_, _ = out.Close(), in.Close()
		<-read
	})
	return b
}

// read hands answers to who waits for them and keeps events.
func (b *Browser) read(in io.Reader) {
	r := bufio.NewReader(in)
	for {
		raw, err := r.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			b.gone = fmt.Errorf("the browser is gone: %w", err)
			for _, c := range b.waiting {
				close(c)
			}
			b.waiting = nil
			b.mu.Unlock()
			return
		}
		var e Event
		if json.Unmarshal(raw[:len(raw)-1], &e) != nil {
			continue
		}
		if e.ID == 0 {
			select {
			case b.events <- e:
			default: // nobody asks for so many
			}
			continue
		}
		b.mu.Lock()
		c := b.waiting[e.ID]
		delete(b.waiting, e.ID)
		b.mu.Unlock()
		if c != nil {
			c <- e
		}
	}
}

func (b *Browser) call(ctx context.Context, session, method string, params any) (json.RawMessage, error) {
	answer := make(chan Event, 1)
	b.mu.Lock()
	if b.gone != nil || b.waiting == nil {
		b.mu.Unlock()
		return nil, b.gone
	}
	b.last++
	id := b.last
	b.waiting[id] = answer
	message := map[string]any{"id": id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if session != "" {
		message["sessionId"] = session
	}
	raw, err := json.Marshal(message)
	if err == nil {
		_, err = b.out.Write(append(raw, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	select {
	case e, ok := <-answer:
		switch {
		case !ok:
			return nil, errors.New(method + ": the browser is gone")
		case e.Error != nil:
			return nil, fmt.Errorf("%s: %s", method, e.Error.Message)
		}
		return e.Result, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no answer: %w", method, ctx.Err())
	}
}

// Browser is the tab's browser.
func (p *Tab) Browser() *Browser { return p.b }

// Tab is one page of the browser.
type Tab struct {
	t       *testing.T
	b       *Browser
	session string
}

// Open opens a tab.
func (b *Browser) Open(t *testing.T) *Tab {
	t.Helper()
	p := &Tab{t: t, b: b}
	var made struct{ TargetID string }
	p.Must("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	var attached struct{ SessionID string }
	p.Must("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		p.Must(domain+".enable", nil, nil)
	}
	return p
}

// Must calls and fails the test with what was asked; result may be nil.
func (p *Tab) Must(method string, params, result any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	raw, err := p.b.call(ctx, p.session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(raw, result)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// Visit writes a page to a file, opens it, and returns what happened until it was loaded, and how long that took.
func (p *Tab) Visit(page []byte) (events []Event, took time.Duration) {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "report.html")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return p.Go("file://" + path)
}

// Go opens an address, and returns what happened until it was loaded, and how long that took.
func (p *Tab) Go(address string) (events []Event, took time.Duration) {
	p.t.Helper()
	began := time.Now()
	p.Must("Page.navigate", map[string]any{"url": address}, nil)
	timeout := time.After(time.Minute)
	for {
		select {
		case e := <-p.b.events:
			if e.SessionID != p.session {
				continue
			}
			events = append(events, e)
			if e.Method == "Page.loadEventFired" {
				p.Evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))", nil) // it was painted
				return append(events, p.Since()...), time.Since(began)
			}
		case <-timeout:
			p.t.Fatal("the page was not loaded within a minute")
		}
	}
}

// Since returns the events that are there.
func (p *Tab) Since() (events []Event) {
	for {
		select {
		case e := <-p.b.events:
			if e.SessionID == p.session {
				events = append(events, e)
			}
		default:
			return events
		}
	}
}

// Evaluate runs an expression in the page, past its policy, and waits for a promise.
func (p *Tab) Evaluate(expression string, result any) {
	p.t.Helper()
	var answer struct {
		Result struct {
			Value json.RawMessage
		}
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.Must("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if x := answer.ExceptionDetails; x != nil {
		p.t.Fatalf("%.60s: %s %s", expression, x.Text, x.Exception.Description)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result.Value, result); err != nil {
			p.t.Fatalf("%.60s: %v", expression, err)
		}
	}
}

// ProcessorTime is how long processors were at work for all processes of the browser.
func (b *Browser) ProcessorTime(t *testing.T) time.Duration {
	t.Helper()
	var answer struct {
		ProcessInfo []struct{ CPUTime float64 } // seconds
	}
	whole := &Tab{t: t, b: b}
	whole.Must("SystemInfo.getProcessInfo", nil, &answer)
	var sum float64
	for _, p := range answer.ProcessInfo {
		sum += p.CPUTime
	}
	return time.Duration(sum * float64(time.Second))
}

// Looks sets the width in pixels, the colour scheme and the medium (screen or print).
func (p *Tab) Looks(width int, scheme, medium string) {
	p.t.Helper()
	p.Must("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	p.Must("Emulation.setEmulatedMedia", map[string]any{"media": medium, "features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// Axe is the source of axe-core, which make browser fetches.
func Axe(t *testing.T) string {
	t.Helper()
	path := os.Getenv("AXE")
	for up := ".."; path == "" && len(up) < 20; up = filepath.Join(up, "..") { // beside go.mod
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			path = filepath.Join(up, ".tools", "node_modules", "axe-core", "axe.min.js")
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("axe-core is not there (make browser fetches it): %v", err)
	}
	return string(b)
}

// Picture takes a picture of the top of the page.
func (p *Tab) Picture(width, height int) []byte {
	p.t.Helper()
	var shot struct{ Data string }
	p.Must("Page.captureScreenshot", map[string]any{"captureBeyondViewport": true, "clip": map[string]any{"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}, &shot)
	b, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// Keep keeps a picture to be looked at, in the folder that PICTURES names; without one it does nothing.
func Keep(t *testing.T, name string, b []byte) {
	t.Helper()
	if dir := os.Getenv("PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
