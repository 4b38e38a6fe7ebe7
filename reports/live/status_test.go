package live

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites"
	"github.com/linkassay/linkassay/suites/canary"
)

// fetch asks a page for a path.
func fetch(t *testing.T, s *Status, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") {
		t.Errorf("%s: policy %q", path, csp)
	}
	return w.Code, w.Body.String()
}

func status() *Status { return NewStatus(func() time.Time { return noon.Add(time.Minute) }) }

func TestStatusShowsWhatFailsFirst(t *testing.T) {
	t.Parallel()
	s := status()
	s.Watch([]string{"a-good", "b-untold", "c-new", "orders"})
	good, untold := round(canary.Good), round(canary.Untold)
	good.Link, untold.Link, untold.Reason = "a-good", "b-untold", "the API is throttled"
	bad := round(canary.Bad)
	bad.Roots[0].Facts = []suites.Fact{{Name: "port 443", Value: "no healthy target"}}
	bad.Roots[0].Fix = &suites.Fix{Text: "mend the targets", Command: "aws elbv2 describe-target-health"}
	tell(t, s, good, untold, bad, canary.Change{Kind: canary.Opened, At: noon, Incident: incident("billing", "orders")})
	code, page := fetch(t, s, "/")
	rows := page[strings.Index(page, "<tbody>"):]
	last := -1
	for _, name := range []string{"orders", "b-untold", "c-new", "a-good"} {
		at := strings.Index(rows, ">"+name+"</a>")
		if at <= last {
			t.Errorf("%s is at %d, expected after %d", name, at, last)
		}
		last = at
	}
	for _, want := range []string{"1 failing", "1 could not tell", "the API is throttled", "connection.healthy-target", "2 links since", "59s ago", `<meta http-equiv="refresh"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if code != http.StatusOK || t.Failed() {
		t.Fatalf("%d\n%s", code, page)
	}
	_, only := fetch(t, s, "/?q=or&state=failing")
	if strings.Contains(only, ">a-good</a>") || !strings.Contains(only, ">orders</a>") || !strings.Contains(only, `value="or"`) {
		t.Error("the filter does not filter")
	}
	code, page = fetch(t, s, "/links/orders")
	for _, want := range []string{"<h1>orders: ", "no healthy target", "mend the targets", "aws elbv2 describe-target-health", "Incident <code>k</code>", "any zone", "20ms", "90ms", "2026-11-27 12:00:01Z"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the link's page", want)
		}
	}
	if code != http.StatusOK || t.Failed() {
		t.Fatalf("%d\n%s", code, page)
	}
	s.Watch([]string{"a-good"})
	tell(t, s, bad) // late
	if code, _ := fetch(t, s, "/links/orders"); code != http.StatusNotFound {
		t.Errorf("a link that is not watched any more: %d", code)
	}
}

func TestStatusIsNoScriptOfOthers(t *testing.T) {
	t.Parallel()
	s := status()
	const evil = "<script>alert(1)</script>\x1b[31m\u202e\"'"
	s.Watch([]string{evil, "../../x"})
	r := round(canary.Bad)
	r.Link, r.Maintenance, r.Reason = evil, evil, evil
	r.Roots[0].Reason, r.Roots[0].Facts, r.Roots[0].Fix = evil, []suites.Fact{{Name: evil, Value: evil}}, &suites.Fix{Text: evil, Command: evil, Apply: evil}
	r.Roots[0].Cause.ID, r.Roots[0].Cause.Check = evil, evil
	i := incident(evil)
	i.Key, i.Reason, i.Cause = evil, evil, r.Roots[0].Cause
	tell(t, s, r, canary.Change{Kind: canary.Opened, At: noon, Incident: i})
	for _, path := range []string{"/", "/links/" + url.PathEscape(evil), "/?q=" + url.QueryEscape(evil) + "&state=" + url.QueryEscape(evil)} {
		code, page := fetch(t, s, path)
		if code != http.StatusOK || strings.Contains(page, "<script") || strings.ContainsAny(page, "\x1b\u202e") {
			t.Errorf("%s: %d\n%s", path, code, page)
		}
	}
}

func TestStatusOfAFleetIsBounded(t *testing.T) {
	t.Parallel()
	s := status()
	var names []string
	for i := range 5000 {
		names = append(names, fmt.Sprintf("link-%04d", i))
	}
	s.Watch(names)
	r := round(canary.Good)
	for _, n := range names {
		r.Link = n
		tell(t, s, r)
	}
	r.Link = names[4999]
	r.Outcome = canary.Bad
	for range 3 * historyRounds {
		tell(t, s, r)
	}
	tell(t, s, canary.Change{Kind: canary.Opened, At: noon, Incident: incident(names[:300]...)})
	for _, n := range names[:120] {
		i := incident(n)
		i.Key = n
		tell(t, s, canary.Change{Kind: canary.Opened, At: noon, Incident: i})
	}
	_, page := fetch(t, s, "/")
	if n := strings.Count(page, "<tr>"); n != shownLinks+1 || len(page) > 1<<20 {
		t.Errorf("%d rows, %d bytes", n, len(page))
	}
	if !strings.Contains(page, "4500 more are not shown") || !strings.Contains(page, "and 250 more") || !strings.Contains(page, "And 21 more") || !strings.Contains(page, ">link-4999</a>") {
		t.Error("what is left out is not told, or the failing link is")
	}
	if _, page = fetch(t, s, "/links/link-4999"); strings.Count(page, "<tr><td>") != historyRounds {
		t.Errorf("%d rounds, expected %d", strings.Count(page, "<tr><td>"), historyRounds)
	}
	if _, page = fetch(t, s, "/?q=4321"); !strings.Contains(page, ">link-4321</a>") || strings.Count(page, "<tr>") != 2 {
		t.Error("the filter does not find a link that there was no room for")
	}
}
