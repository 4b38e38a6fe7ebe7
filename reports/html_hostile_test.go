package reports

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/linkassay/linkassay/reports/internal/chromium"
	"github.com/linkassay/linkassay/suites"
)

// payload is what a remote end would send to get out of the place that its text has on the page.
const payload = `"><script>pwned=1</script>'><img src=http://127.0.0.1:9/x onerror=pwned=1></style><style>*{background:url(http://127.0.0.1:9/y)}` +
	"</style></svg><svg onload=pwned=1></title></details></table>--><script>pwned=1</script>javascript:pwned=1`{{.}}${pwned=1}" +
	"\x1b[2J\x1b]0;t\x07\u202egnp\u2066\u200b\x00\x7f\u2028\ufeff\xff"

// harmless stands where the payload stood.
const harmless = "-harmless"

// planted is a copy of the report with text added to every string that pick names; fields are named by their
// type and name, such as "Lookup.Outcome".
func planted(t *testing.T, r *Report, text string, pick func(field string) bool) *Report {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var out Report
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	plant(reflect.ValueOf(&out), "", func(field, s string) string {
		if pick(field) {
			return s + text
		}
		return s
	})
	return &out
}

// plant replaces every string below v.
func plant(v reflect.Value, field string, with func(field, s string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			plant(v.Elem(), field, with)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				name := v.Type().Name() + "." + f.Name
				if strings.HasPrefix(v.Type().Name(), "Item[") {
					name = field
				}
				plant(v.Field(i), name, with)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			plant(v.Index(i), field, with)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if k.Kind() != reflect.String || v.Type().Elem().Kind() != reflect.String {
				continue
			}
			value := v.MapIndex(k)
			v.SetMapIndex(k, reflect.Value{})
			v.SetMapIndex(reflect.ValueOf(with(field, k.String())).Convert(k.Type()), reflect.ValueOf(with(field, value.String())).Convert(value.Type()))
		}
	case reflect.String:
		v.SetString(with(field, v.String()))
	}
}

// allOf is a report in which as much as possible is set.
func allOf(t *testing.T) *Report {
	t.Helper()
	all := pages(t)
	r := report(t)
	for _, name := range []string{"settled", "security-group-closed", "consumer-only", "hostile"} {
		r.Links = append(r.Links, all[name].Links...)
	}
	r.ExitCode, r.ExitReasons, r.Notes = 1, []string{"a reason"}, []string{"a note"}
	r.Links[1].Verdicts[0].Accepted = &suites.Accepted{Reason: "known", Expires: "2026-12-31"}
	return r
}

// fieldsOf are the names of all string fields that the report has values in.
func fieldsOf(t *testing.T, r *Report) []string {
	t.Helper()
	fields := map[string]bool{}
	planted(t, r, "", func(field string) bool { fields[field] = true; return false })
	return slices.Sorted(maps.Keys(fields))
}

// skeleton is the page without its texts: elements, the names of their attributes, and classes.
func skeleton(t *testing.T, page []byte) string {
	t.Helper()
	var b strings.Builder
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			b.WriteByte('<')
			b.Write(name)
			for more {
				var key, value []byte
				key, value, more = z.TagAttr()
				b.WriteByte(' ')
				b.Write(key)
				if string(key) == "class" {
					b.WriteByte('=')
					b.Write(value)
				}
			}
			b.WriteByte('\n')
		case html.EndTagToken:
			name, _ := z.TagName()
			b.WriteString("</")
			b.Write(name)
			b.WriteByte('\n')
		}
	}
}

// Whatever text stands in whatever field, the page has the same elements as with a harmless one.
func TestHostileTextDoesNotChangeThePage(t *testing.T) {
	t.Parallel()
	r := allOf(t)
	fields := fieldsOf(t, r)
	if len(fields) < 150 {
		t.Fatalf("%d fields: %v", len(fields), fields)
	}
	compare := func(what string, pick func(string) bool) {
		bad, good := pageOf(t, planted(t, r, payload, pick)), pageOf(t, planted(t, r, harmless, pick))
		if a, b := skeleton(t, bad), skeleton(t, good); a != b {
			t.Errorf("%s: the page's elements are others", what)
		}
		if i := bytes.IndexFunc(bad, invisible); i >= 0 {
			t.Errorf("%s: an invisible character: %q", what, bad[max(i-60, 0):min(i+20, len(bad))])
		}
	}
	compare("every field", func(string) bool { return true })
	compare("every field but what is compared", harmlessly)
	const together = 6 // fields at a time, else it takes a minute
	for some := range slices.Chunk(fields, together) {
		compare(strings.Join(some, ", "), func(field string) bool { return slices.Contains(some, field) })
	}
}

// harmlessly says whether nothing is decided by a field's exact value, so that all parts of the page are there.
func harmlessly(field string) bool {
	for _, word := range []string{"Status", "Severity", "Kind", "Type", "Outcome", "State", "Expect", "Access", "Side", "Absent", "Vantage", "Name", "Check", "BlockedBy", "ZoneID", "ARN"} {
		if strings.Contains(field[strings.IndexByte(field, '.')+1:], word) {
			return false
		}
	}
	return true
}

func TestHugeTextIsCut(t *testing.T) {
	t.Parallel()
	huge := strings.Repeat("wide世界 ", 20_000)
	page := pageOf(t, planted(t, allOf(t), huge, func(field string) bool {
		return strings.HasPrefix(field, "Verdict.") || strings.HasPrefix(field, "Fix.") || strings.HasPrefix(field, "Interface.")
	}))
	if len(page) > 16<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// Chromium runs and loads nothing of it.
func TestBrowserRunsNothingHostile(t *testing.T) {
	p := chromium.Start(t).Open(t)
	r := allOf(t)
	for what, pick := range map[string]func(string) bool{
		"every field": func(string) bool { return true }, "every field but what is compared": harmlessly, "verdicts": func(f string) bool { return strings.HasPrefix(f, "Verdict.") && harmlessly(f) },
	} {
		events, _ := p.Visit(pageOf(t, planted(t, r, payload, pick)))
		requests := 0
		for _, e := range events {
			switch e.Method {
			case "Network.requestWillBeSent":
				if requests++; requests > 1 {
					t.Errorf("%s: the page asks for something: %.300s", what, e.Params)
				}
			case "Page.javascriptDialogOpening", "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown":
				t.Errorf("%s: %s: %.300s", what, e.Method, e.Params)
			}
		}
		if requests != 1 {
			t.Errorf("%s: %d requests were seen, want the page's own", what, requests)
		}
		var found string
		p.Evaluate("typeof pwned + document.querySelectorAll('script, img, iframe, [onload], [onerror]').length", &found)
		if found != "undefined0" {
			t.Errorf("%s: %s", what, found)
		}
	}
}

// The test above would see it: a page with a script that runs is told apart.
func TestBrowserSeesWhatRuns(t *testing.T) {
	p := chromium.Start(t).Open(t)
	events, _ := p.Visit([]byte("<!DOCTYPE html><title>x</title><script>pwned=1</script><img src=missing.png>"))
	var found string
	p.Evaluate("typeof pwned", &found)
	requests := 0
	for _, e := range events {
		if e.Method == "Network.requestWillBeSent" {
			requests++
		}
	}
	if found != "number" || requests != 2 {
		t.Errorf("pwned is %s after %d requests", found, requests)
	}
}
