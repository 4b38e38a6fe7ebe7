package reports

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser is a headless Chromium that speaks the DevTools protocol over a pipe: no port is opened.
type browser struct {
	cmd    *exec.Cmd
	out    io.WriteCloser
	events chan event // of all pages; what nobody takes is kept

	mu      sync.Mutex
	last    int
	waiting map[int]chan event
	gone    error
}

type event struct {
	ID        int             `json:"id"`
	Method    string          `json:"method"`
	SessionID string          `json:"sessionId"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startBrowser starts Chromium for one test, and ends it with the test.
func startBrowser(t *testing.T) *browser {
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
	b := &browser{cmd: cmd, out: out, waiting: map[int]chan event{}, events: make(chan event, 4096)}
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
func (b *browser) read(in io.Reader) {
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
		var e event
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

func (b *browser) call(ctx context.Context, session, method string, params any) (json.RawMessage, error) {
	answer := make(chan event, 1)
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

// tab is one page of the browser.
type tab struct {
	t       *testing.T
	b       *browser
	session string
}

func (b *browser) open(t *testing.T) *tab {
	t.Helper()
	p := &tab{t: t, b: b}
	var made struct{ TargetID string }
	p.must("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	var attached struct{ SessionID string }
	p.must("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Network", "Log"} {
		p.must(domain+".enable", nil, nil)
	}
	return p
}

// must calls and fails the test with what was asked; result may be nil.
func (p *tab) must(method string, params, result any) {
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

// visit writes a page to a file, opens it, and returns what happened until it was loaded, and how long that took.
func (p *tab) visit(page []byte) (events []event, took time.Duration) {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "report.html")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		p.t.Fatal(err)
	}
	began := time.Now()
	p.must("Page.navigate", map[string]any{"url": "file://" + path}, nil)
	timeout := time.After(time.Minute)
	for {
		select {
		case e := <-p.b.events:
			if e.SessionID != p.session {
				continue
			}
			events = append(events, e)
			if e.Method == "Page.loadEventFired" {
				p.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))", nil) // it was painted
				return append(events, p.since()...), time.Since(began)
			}
		case <-timeout:
			p.t.Fatal("the page was not loaded within a minute")
		}
	}
}

// since returns the events that are there.
func (p *tab) since() (events []event) {
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

// evaluate runs an expression in the page, past its policy, and waits for a promise.
func (p *tab) evaluate(expression string, result any) {
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
	p.must("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	if x := answer.ExceptionDetails; x != nil {
		p.t.Fatalf("%.60s: %s %s", expression, x.Text, x.Exception.Description)
	}
	if result != nil {
		if err := json.Unmarshal(answer.Result.Value, result); err != nil {
			p.t.Fatalf("%.60s: %v", expression, err)
		}
	}
}

// processorTime is how long processors were at work for all processes of the browser.
func (b *browser) processorTime(t *testing.T) time.Duration {
	t.Helper()
	var answer struct {
		ProcessInfo []struct{ CPUTime float64 } // seconds
	}
	whole := &tab{t: t, b: b}
	whole.must("SystemInfo.getProcessInfo", nil, &answer)
	var sum float64
	for _, p := range answer.ProcessInfo {
		sum += p.CPUTime
	}
	return time.Duration(sum * float64(time.Second))
}

// looks sets the width in pixels, the colour scheme and the medium (screen or print).
func (p *tab) looks(width int, scheme, medium string) {
	p.t.Helper()
	p.must("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	p.must("Emulation.setEmulatedMedia", map[string]any{"media": medium, "features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// axe is the source of axe-core, which make browser fetches.
func axe(t *testing.T) string {
	t.Helper()
	path := os.Getenv("AXE")
	if path == "" {
		path = filepath.Join("..", ".tools", "node_modules", "axe-core", "axe.min.js")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("axe-core is not there (make browser fetches it): %v", err)
	}
	return string(b)
}

// names of the reasons for which a page is looked at, as a path element.
func slug(s string) string { return strings.ReplaceAll(s, " ", "-") }
