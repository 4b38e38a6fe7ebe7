package bundles

import (
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

// policy of what is served: files of a bundle hold what remote ends said. The report has its style within.
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"

// ServeHTTP serves NAME/FILE, read only. It is to be mounted with http.StripPrefix and asked with GET or HEAD alone.
func (b *Bundles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, file, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !isName(name) || !isFile(file) {
		http.NotFound(w, r)
		return
	}
	full := name + "/" + file
	info, err := b.root.Lstat(full) // no link to elsewhere
	if err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	f, err := b.root.Open(full)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", contentType(file))
	if !shown(file) {
		h.Set("Content-Disposition", `attachment; filename="`+name+"-"+file+`"`)
	}
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// Files are the files of a bundle, by name; nil when it is not there.
func (b *Bundles) Files(name string) []string {
	if !b.Has(name) {
		return nil
	}
	entries, err := fs.ReadDir(b.root.FS(), name)
	if err != nil {
		return nil
	}
	var files []string
	for _, e := range entries {
		if e.Type().IsRegular() && isFile(e.Name()) {
			files = append(files, e.Name())
		}
	}
	slices.Sort(files)
	return files
}

// isFile says whether a bundle may have a file of that name.
func isFile(s string) bool {
	if s == "" || len(s) > 100 || s[0] == '.' {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-'
	})
}

// contentType is what a browser takes a file for: nothing but the report is more than text.
func contentType(file string) string {
	switch path.Ext(file) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".json":
		return "application/json"
	case ".csv":
		return "text/csv; charset=utf-8"
	case ".txt", ".md", ".xml":
		return "text/plain; charset=utf-8"
	case "":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// shown says whether a browser shows a file rather than keeping it.
func shown(file string) bool {
	return slices.Contains([]string{".html", ".json", ".txt", ".md", ".xml", ""}, path.Ext(file))
}
