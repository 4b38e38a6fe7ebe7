package live

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// AlertFormat names the layout of an alert. It changes when a reader of the old one would misread it.
const AlertFormat = "linkassay.alert/v1"

// Alert is what a person is told of an incident: that it was opened, spread, flaps, or was cleared.
type Alert struct {
	Format   string            `json:"format"`
	Kind     canary.ChangeKind `json:"kind"` // opened, spread, flapping or cleared
	At       time.Time         `json:"at"`
	Key      string            `json:"key"` // the same for all alerts of an incident
	Cause    canary.Cause      `json:"cause"`
	Title    string            `json:"title"`
	Severity suites.Severity   `json:"severity"`
	Since    time.Time         `json:"since"`
	Ended    time.Time         `json:"ended,omitzero"`
	Why      string            `json:"why,omitempty"` // it ended
	Reason   string            `json:"reason,omitempty"`
	Facts    []suites.Fact     `json:"facts,omitempty"`
	Fix      *suites.Fix       `json:"fix,omitempty"`
	Links    []canary.Affected `json:"links"`
	LeftOut  int               `json:"linksLeftOut,omitempty"` // links that there was no room for
	Explain  string            `json:"explain"`                // the command that tells more
	Bundle   string            `json:"bundle,omitempty"`       // evidence of the round that opened it, by name; see package bundles
	Runbook  string            `json:"runbook,omitempty"`      // address of what to do; see Runbooks
}

// alertOf is what is told of a change; of those that are no alerts too.
func alertOf(c canary.Change) Alert {
	i := c.Incident
	return Alert{
		Format: AlertFormat, Kind: c.Kind, At: c.At, Key: i.Key, Cause: i.Cause, Title: i.Title, Severity: i.Severity, Since: i.Since,
		Ended: i.Ended, Why: i.Why, Reason: i.Reason, Facts: i.Facts, Fix: i.Fix, Links: i.Links, Explain: "linkassay explain " + i.Cause.Check,
		Bundle: i.Bundle, Runbook: i.Runbook,
	}
}

// encodeAlert writes an alert; nil when the change is none.
func encodeAlert(c canary.Change) ([]byte, error) {
	if !c.Alerts() {
		return nil, nil
	}
	return alertOf(c).encode()
}

func (a Alert) encode() ([]byte, error) {
	var b bytes.Buffer
	err := reports.PrintJSON(&b, a)
	return b.Bytes(), err
}

// fitted writes the alert in at most so many bytes: with as many of its links as there is room for, or without
// what else may be long.
func (a Alert) fitted(most int) ([]byte, error) {
	whole, err := a.encode()
	if err != nil || len(whole) <= most {
		return whole, err
	}
	links := a.Links
	with := func(n int) []byte {
		a.Links, a.LeftOut = links[:n], len(links)-n
		var b []byte
		b, err = a.encode()
		return b
	}
	if len(with(0)) > most {
		a.Facts, a.Fix, a.Reason = nil, nil, strings.ToValidUTF8(a.Reason[:min(len(a.Reason), 1000)], "")
	}
	n := sort.Search(len(links), func(n int) bool { return len(with(n+1)) > most })
	if b := with(n); err != nil || len(b) <= most {
		return b, err
	}
	return nil, fmt.Errorf("the alert has more than %d bytes without its links", most)
}

// How alerts are delivered.
const (
	alertTime  = 10 * time.Second // one try
	alertTries = 4
	alertPause = time.Second // after the first try, twice as long after each
)

// Command tells alerts to a program: each one starts it, with the alert as JSON on its standard input.
type Command struct {
	ctx  context.Context
	path string
}

// NewCommand runs the program at path, with no arguments and no shell, until ctx ends.
func NewCommand(ctx context.Context, path string) *Command { return &Command{ctx, path} }

// Round is nothing to a command.
func (a *Command) Round(canary.Round) error { return nil }

// Change runs the command, if a person should be told.
func (a *Command) Change(c canary.Change) error {
	body, err := encodeAlert(c)
	if err != nil || body == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, alertTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, a.path)
	cmd.Stdin = bytes.NewReader(body)
	cmd.WaitDelay = time.Second
	var said bounded
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("alert %s of %s by %s: %w: %s", c.Kind, c.Incident.Key, a.path, err, reports.Clean(said.String()))
	}
	return nil
}

// bounded keeps the beginning of what is written.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	const most = 500
	if room := most - b.Len(); room > 0 {
		b.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// SignatureHeader holds "t=SECONDS,v1=HEX": the HMAC-SHA256, by the shared secret, of SECONDS, a full stop and the body.
// A receiver refuses seconds that are too old, so that an alert can't be sent again by others.
const SignatureHeader = "X-Linkassay-Signature"

// Webhook posts alerts to a URL, signed.
type Webhook struct {
	ctx    context.Context
	url    *url.URL
	secret []byte
	client *http.Client
	pause  time.Duration
}

// NewWebhook posts to address until ctx ends. It must be https, or http on this host; secret must not be empty.
func NewWebhook(ctx context.Context, address string, secret []byte) (*Webhook, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("not a URL") // which may be a secret itself
	case u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" && u.Hostname() != "::1"):
		return nil, fmt.Errorf("%s://%s: expected https", u.Scheme, u.Host)
	case len(secret) == 0:
		return nil, errors.New("there is no secret to sign with")
	}
	return &Webhook{ctx: ctx, url: u, secret: secret, pause: alertPause, client: &http.Client{
		Timeout:       alertTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Round is nothing to a webhook.
func (a *Webhook) Round(canary.Round) error { return nil }

// Change posts the alert, if a person should be told: again where there was no answer, or one that says to try later.
func (a *Webhook) Change(c canary.Change) error {
	body, err := encodeAlert(c)
	if err != nil || body == nil {
		return err
	}
	pause := a.pause
	for try := 1; ; try++ {
		again, err := a.post(body)
		if err == nil {
			return nil
		}
		if !again || try == alertTries || a.ctx.Err() != nil {
			return fmt.Errorf("alert %s of %s to %s, %d tries: %w", c.Kind, c.Incident.Key, a.url.Host, try, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-a.ctx.Done():
			timer.Stop()
		}
		pause *= 2
	}
}

// post tries once. Its error names no more of the URL than the host.
func (a *Webhook) post(body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(a.ctx, http.MethodPost, a.url.String(), bytes.NewReader(body))
	if err != nil {
		return false, errors.New("not a URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(SignatureHeader, Sign(a.secret, time.Now(), body))
	resp, err := a.client.Do(req)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return true, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return false, nil
	}
	return resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, fmt.Errorf("it answered %d", resp.StatusCode)
}

// Sign makes the value of SignatureHeader.
func Sign(secret []byte, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}
