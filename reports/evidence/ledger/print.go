package ledger

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/linkassay/linkassay/reports"
)

// Refused says whether something is wrong with the ledger.
func (r *Result) Refused() bool { return len(r.Problems) > 0 }

// Newer says whether all that is wrong is that a newer linkassay wrote some of it.
func (r *Result) Newer() bool {
	for _, p := range r.Problems {
		if p.Kind != Newer {
			return false
		}
	}
	return len(r.Problems) > 0
}

// Proof says how far the result reaches, in a sentence.
func (r *Result) Proof() string {
	switch {
	case r.Refused():
		return "nothing is proved"
	case r.Proved == 0:
		return "the entries hang together; without a known head (--head) the newest runs may be missing, and all of them may have been written anew"
	case r.Proved < r.Head.Seq:
		return fmt.Sprintf("none of entries 1 to %d was removed, reordered or changed; of entries after %d, the newest known head, some may be missing", r.Proved, r.Proved)
	}
	return fmt.Sprintf("none of entries 1 to %d was removed, reordered or changed", r.Proved)
}

// Print prints the result, in the format table or json.
func (r *Result) Print(w io.Writer, place, format string) error {
	if format == reports.JSONFormat {
		return reports.PrintJSON(w, struct {
			Ledger   string        `json:"ledger"`
			Verified bool          `json:"verified"`
			Entries  uint64        `json:"entries"`
			Head     string        `json:"head"`
			Proved   uint64        `json:"proved"` // entries up to here are proved to be all there, and unchanged
			Proof    string        `json:"proof"`
			Problems []Problem     `json:"problems"`
			Gaps     []reports.Gap `json:"gaps"`
		}{place, !r.Refused(), r.Entries, r.Head.String(), r.Proved, r.Proof(), append([]Problem{}, r.Problems...), append([]reports.Gap{}, r.Gaps...)})
	}
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", label, fmt.Sprintf(format, args...))
	}
	if r.Refused() {
		line("REFUSED", "%s", reports.Clean(place))
	} else {
		line("VERIFIED", "%s", reports.Clean(place))
	}
	for _, p := range r.Problems {
		line("  because", "%s", reports.Clean(p.String()))
	}
	line("ledger", "made %s by %s", stamp(r.Genesis.Created), reports.Clean(r.Genesis.Tool))
	if r.Entries > 0 {
		line("entries", "%d, of runs that ended from %s to %s", r.Entries, stamp(r.First), stamp(r.Last))
	} else {
		line("entries", "none")
	}
	line("head", "%s", r.Head)
	line("proof", "%s", r.Proof())
	for _, g := range r.Gaps {
		line("gap", "%s", gapWords(g))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func gapWords(g reports.Gap) string {
	to := "now"
	if !g.To.IsZero() {
		to = stamp(g.To)
	}
	return fmt.Sprintf("%s: no run from %s to %s, and one was due every %s (%d missed)", reports.Clean(g.Link), stamp(g.From), to, g.Every, g.Missed)
}

// PrintEntry prints an entry as a line, or as JSON.
func PrintEntry(w io.Writer, e *Entry, format string) error {
	if format == reports.JSONFormat {
		return reports.PrintJSON(w, e)
	}
	var links []string
	for _, l := range e.Record.Links {
		s := l.Name + " " + string(l.State)
		for _, root := range l.Roots {
			if root.Required {
				s += " (" + root.Check + ")"
				break
			}
		}
		links = append(links, s)
	}
	const most = 5
	if n := len(links) - most; n > 0 {
		links = append(links[:most], fmt.Sprintf("and %d more", n))
	}
	_, err := fmt.Fprintf(w, "%6d  %s  exit %d  %s\n", e.Seq, stamp(e.Record.Finished), e.Record.ExitCode, reports.Clean(strings.Join(links, ", ")))
	return err
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
