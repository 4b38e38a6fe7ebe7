package live

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/linkassay/linkassay/reports"
)

//go:embed status
var statusFiles embed.FS

// refreshEvery is how often pages are looked at again: with the script without losing the place, else by loading again.
const refreshEvery = 15 * time.Second

// statusPages parses the pages once; they never change.
var statusPages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("status").Funcs(template.FuncMap{
		"clean":   func(v any) string { return reports.Clean(fmt.Sprint(v)) },
		"class":   class,
		"ago":     func(now, t time.Time) string { return span(now.Sub(t)) },
		"span":    span,
		"ms":      short,
		"utc":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" },
		"rfc":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"link":    func(name string) string { return "/links/" + url.PathEscape(name) },
		"file":    func(name, file string) string { return "/bundles/" + url.PathEscape(name) + "/" + url.PathEscape(file) },
		"number":  thousands,
		"state":   stateOf,
		"from":    fromTo,
		"anchor":  anchor,
		"refresh": func() int { return int(refreshEvery.Seconds()) },
		"plural": func(n int, one, many string) string {
			return thousands(n) + " " + map[bool]string{true: one, false: many}[n == 1]
		},
	}).ParseFS(statusFiles, "status/*.html"))
})

// asset is a file that pages load, named by its digest so that a new build's is not the old one's.
type asset struct {
	body, kind, tag string
}

var statusAssets = sync.OnceValue(func() map[string]asset {
	all := map[string]asset{}
	for name, kind := range map[string]string{"style.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8"} {
		b, err := statusFiles.ReadFile("status/" + name)
		if err != nil {
			panic(err) // it is built in
		}
		sum := sha256.Sum256(b)
		all["/"+name] = asset{string(b), kind, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	}
	return all
})

// policy lets a page load its own style and script, ask this server again, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP serves "/", "/incidents", "/links/NAME", "/bundles/NAME/FILE", style and script. It is to be asked with GET or HEAD alone.
func (s *Status) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if a, ok := statusAssets()[r.URL.Path]; ok {
		h.Set("Content-Type", a.kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("Etag", a.tag)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(a.body))
		return
	}
	q := r.URL.Query()
	area, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/":
		render(w, r, "fleet", s.fleet(fleetQuery(q)))
	case r.URL.Path == "/incidents":
		render(w, r, "incidents", s.incidents(r.Context(), q.Get("since")))
	case area == "links":
		page, ok := s.link(r.Context(), rest, q.Get("span"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		render(w, r, "link", page)
	case area == "bundles":
		s.bundle(w, r, rest)
	default:
		http.NotFound(w, r)
	}
}

// bundle serves a bundle's file, or the list of them.
func (s *Status) bundle(w http.ResponseWriter, r *http.Request, rest string) {
	s.mu.Lock()
	e := s.evidence
	s.mu.Unlock()
	name, file, _ := strings.Cut(rest, "/")
	if e == nil {
		http.NotFound(w, r)
		return
	}
	if file != "" {
		http.StripPrefix("/bundles", e).ServeHTTP(w, r)
		return
	}
	files := e.Files(name)
	if files == nil {
		http.NotFound(w, r)
		return
	}
	render(w, r, "bundle", bundlePage{Head: Head{Title: name, Now: s.now()}, Name: name, Files: files})
}

type bundlePage struct {
	Head  Head
	Name  string
	Files []string
}

// Head is what each page begins with.
type Head struct {
	Title string
	Now   time.Time
	Still bool // it does not refresh itself
}

func render(w http.ResponseWriter, r *http.Request, name string, page any) {
	var b strings.Builder
	if err := statusPages().ExecuteTemplate(&b, name, page); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(b.String()))
	}
}

// anchor is the id of an incident's place in a page.
func anchor(key string) string {
	f := fnv.New64a()
	_, _ = f.Write([]byte(key))
	return strconv.FormatUint(f.Sum64(), 36)
}

// fromTo tells two times, with the day of the second one where it is another.
func fromTo(a, b time.Time) string {
	a, b = a.UTC(), b.UTC()
	end := b.Format("15:04:05")
	if a.YearDay() != b.YearDay() || a.Year() != b.Year() {
		end = b.Format("2006-01-02 15:04:05")
	}
	return a.Format("2006-01-02 15:04:05") + " to " + end
}

// class is the class of a state in the style.
func class(state string) string {
	if !slices.Contains(states(), state) {
		return ""
	}
	return "s-" + strings.ReplaceAll(state, " ", "-")
}

// span tells a time as a person does.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// short tells a latency.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// thousands writes 12345 as 12,345.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
