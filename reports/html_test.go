package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/html"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/suites"
)

// pageOf is the report's page.
func pageOf(t testing.TB, r *Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteHTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// elements are the elements of a page in their order.
func elements(t testing.TB, page []byte) []*html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var all []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// pages are reports of every kind: each recording alone, all of them together, and what should not happen.
func pages(t *testing.T) map[string]*Report {
	t.Helper()
	recordings, err := filepath.Glob(filepath.Join("..", "suites", "testdata", "*.verdicts.json"))
	if err != nil || len(recordings) < 10 {
		t.Fatal(len(recordings), err)
	}
	all := map[string]*Report{"no link": report(t), "hostile": hostile()}
	fleet := report(t)
	for _, path := range recordings {
		name := strings.TrimSuffix(filepath.Base(path), ".verdicts.json")
		o := recording(t, name)
		l := LinkReport{Observation: o, Verdicts: suites.Judge(o, suites.Catalogue(), nil)}
		r := report(t)
		r.Links = []LinkReport{l}
		all[name] = r
		fleet.Links = append(fleet.Links, l)
	}
	all["fleet"] = fleet
	settled := report(t, "healthy")
	l := &settled.Links[0]
	l.Rounds = []suites.Round{
		{Number: 1, Roots: suites.Roots(report(t, "listener-missing").Links[0].Verdicts), Observation: recording(t, "listener-missing")},
		{Number: 2, Good: true, Observation: l.Observation},
	}
	l.Observation.Timeline = []probes.StateChange{{At: l.Observation.Started, What: "consumer.endpoint.state", State: "pending"}, {At: l.Observation.Finished, What: "consumer.endpoint.state", State: "available"}}
	all["settled"] = settled
	bare := report(t)
	bare.Links = []LinkReport{{Observation: &probes.Observation{Interrupted: true}}}
	all["nothing seen"] = bare
	return all
}

// The page is whole in itself: no script, no style but its own, nothing from elsewhere.
func TestPageLoadsAndRunsNothing(t *testing.T) {
	t.Parallel()
	for name, r := range pages(t) {
		policy, style := "", ""
		for _, n := range elements(t, pageOf(t, r)) {
			switch n.Data {
			case "script", "iframe", "object", "embed", "base", "link", "form", "img", "audio", "video", "foreignobject", "animate", "set":
				t.Errorf("%s: an element %s", name, n.Data)
			case "meta":
				if attribute(n, "http-equiv") == "Content-Security-Policy" {
					policy = attribute(n, "content")
				}
			case "style":
				style += textOf(n)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "srcset" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: %s has %s=%q", name, n.Data, a.Key, a.Val)
				}
			}
		}
		hash := sha256.Sum256([]byte(style))
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; base-uri 'none'; form-action 'none'"
		if policy != want || style == "" {
			t.Errorf("%s: the policy is %q, want %q", name, policy, want)
		}
		if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
			t.Errorf("%s: the style loads something", name)
		}
	}
}

// What reads the page aloud or walks through it with keys finds its way.
func TestPageIsWellFormed(t *testing.T) {
	t.Parallel()
	for name, r := range pages(t) {
		all := elements(t, pageOf(t, r))
		ids := map[string]bool{}
		for _, n := range all {
			if id := attribute(n, "id"); id != "" && ids[id] {
				t.Errorf("%s: the id %s is there twice", name, id)
			} else if id != "" {
				ids[id] = true
			}
		}
		last := byte('0')
		count := map[string]int{}
		for _, n := range all {
			count[n.Data]++
			if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
				if n.Data[1] > last+1 {
					t.Errorf("%s: a heading %s after h%c: %q", name, n.Data, last, textOf(n))
				}
				last = n.Data[1]
			}
			for _, key := range []string{"href", "aria-labelledby"} {
				for _, to := range strings.Fields(attribute(n, key)) {
					if !ids[strings.TrimPrefix(to, "#")] {
						t.Errorf("%s: %s of %s leads nowhere: %q", name, key, n.Data, to)
					}
				}
			}
			switch n.Data {
			case "th":
				if attribute(n, "scope") == "" {
					t.Errorf("%s: a heading of a table without scope: %q", name, textOf(n))
				}
			case "table":
				if n.FirstChild.Data != "caption" || strings.TrimSpace(textOf(n.FirstChild)) == "" {
					t.Errorf("%s: a table without caption", name)
				}
			}
		}
		for _, once := range []string{"h1", "main", "title", "style"} {
			if once != "title" && count[once] != 1 {
				t.Errorf("%s: %d of %s", name, count[once], once)
			}
		}
	}
}

// What a reader needs first stands first, and nothing that decided is missing.
func TestPageSays(t *testing.T) {
	t.Parallel()
	said := func(name string) string {
		var b strings.Builder
		for _, n := range elements(t, pageOf(t, report(t, name))) {
			if n.Data == "main" {
				b.WriteString(strings.Join(strings.Fields(textOf(n)), " "))
			}
		}
		return b.String()
	}
	for name, want := range map[string][]string{
		"security-group-closed": {
			"orders BROKEN", "1 failed, 10 blocked", "2026-09-01 08:30:00 UTC", "internet (must not get through)", "exit 1: a required check failed", "Cause 1 connection.endpoint-security-group",
			"port 80no rule admits it", "aws ec2 authorize-security-group-ingress --group-id sg-0e", "The path", "80, 443: timed out", "must not get through", "Blocked by connection.endpoint-security-group", "NIST SP 800-53 Rev. 5",
		},
		"consumer-only":    {"WORKS", "not asked: no access", "Not verified 18 checks: no access to the provider side", "answers on 80, 443", "no access to it"},
		"one-zone-down":    {"BROKEN", "80, 443: timed out", "answers on 80, 443"},
		"listener-missing": {"no listener on 443"},
		"healthy":          {"WORKS", "2 of 2 healthy", "tcp ok, tls ok, http 200", "arn:aws:sts::111111111111:assumed-role/Ops/ci in account 111111111111", "digests"},
	} {
		got, rest := said(name), 0
		for _, w := range want {
			i := strings.Index(got[rest:], w)
			if i < 0 {
				t.Errorf("%s: %q is not there, or not in its place", name, w)
				break
			}
			if name == "security-group-closed" { // in this order
				rest += i
			}
		}
	}
}

// Broken links stand first, in the index and below it.
func TestPageOfManyLinks(t *testing.T) {
	t.Parallel()
	r := report(t, "healthy", "consumer-only", "security-group-closed")
	for i, l := range r.Links {
		l.Observation.Link.Name = fmt.Sprintf("link-%d", i)
	}
	var order []string
	for _, n := range elements(t, pageOf(t, r)) {
		if n.Data == "h2" && strings.HasPrefix(attribute(n, "id"), "link-") {
			order = append(order, attribute(n, "id"))
		}
	}
	if want := []string{"link-link-2", "link-link-0", "link-link-1"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
	if page := string(pageOf(t, r)); !strings.Contains(page, "3 links: 1 broken, 2 working") {
		t.Error("the sum is missing")
	}
}

func TestPageReturnsWriteErrors(t *testing.T) {
	t.Parallel()
	if err := WriteHTML(&full{left: 5000, err: syscall.ENOSPC}, report(t, "healthy")); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Error(err)
	}
}
