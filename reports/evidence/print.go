package evidence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/linkassay/linkassay/reports"
)

// PrintResult prints what came of verifying a bundle, in the format table or json.
func PrintResult(w io.Writer, r *Result, format string) error {
	if format == reports.JSONFormat {
		return printJSON(w, r)
	}
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", label, reports.Clean(fmt.Sprintf(format, args...)))
	}
	if r.Verified {
		line("VERIFIED", "%s", r.Dir)
	} else {
		line("REFUSED", "%s", r.Dir)
	}
	for _, p := range r.Problems {
		line("  because", "%s", p)
	}
	if r.Run != nil {
		line("run", "%s %s, %s to %s UTC, exit code %d", r.Run.Tool, r.Run.Version, r.Run.Started.UTC().Format("2006-01-02 15:04:05"),
			r.Run.Finished.UTC().Format("15:04:05"), r.Run.ExitCode)
		line("links", "%s", strings.Join(r.Run.Links, ", "))
		s := r.Run.Summary
		line("recorded", "%d passed, %d failed, %d blocked, %d skipped, %d could not be told", s.Passed, s.Failed, s.Blocked, s.Skipped, s.Untold)
	}
	if r.Signature != nil {
		line("signed", "%s", r.Signature.words())
	}
	if r.Timestamp != nil {
		line("stamped", "%s by %s", r.Timestamp.Time.UTC().Format("2006-01-02 15:04:05 UTC"), r.Timestamp.Authority)
	}
	if r.Files > 0 {
		line("digests", "%d files, as they were written", r.Files)
	}
	if r.Replay != nil {
		line("replay", "%s", r.Replay.words())
	}
	if len(r.Pages) > 0 {
		line("pages", "%d files say what run.json does: %s", len(r.Pages), strings.Join(r.Pages, ", "))
	}
	for _, n := range r.Notes {
		line("note", "%s", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// PrintDiff prints what changed between two runs, in the format table or json.
func PrintDiff(w io.Writer, d *Diff, format string) error {
	if format == reports.JSONFormat {
		return printJSON(w, d)
	}
	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, "%s\n", reports.Clean(fmt.Sprintf(format, args...)))
	}
	for _, x := range []struct {
		sign string
		run  Run
	}{{"-", d.A}, {"+", d.B}} {
		line("%s %s %s, %s UTC, exit code %d", x.sign, x.run.Tool, x.run.Version, x.run.Started.UTC().Format("2006-01-02 15:04:05"), x.run.ExitCode)
	}
	if d.Same {
		line("no changes")
	}
	link := ""
	for i, c := range d.Changes {
		if i == 0 || c.Link != link {
			link = c.Link
			line("")
			line("%s", cmp.Or(link, "the run"))
		}
		line("  %-13s  %s", c.Kind, c.What)
		if c.Was != "" {
			line("               - %s", c.Was)
		}
		if c.Is != "" {
			line("               + %s", c.Is)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Replay) words() string {
	s := fmt.Sprintf("%d verdicts judged again", r.Checks)
	if r.Rounds > 0 {
		s += fmt.Sprintf(", and %d rounds", r.Rounds)
	}
	for _, x := range []struct {
		n    int
		what string
	}{{len(r.Revised), "in another revision since"}, {len(r.Retired), "asked no more"}, {len(r.New), "not asked then"}} {
		if x.n > 0 {
			s += fmt.Sprintf("; %d %s", x.n, x.what)
		}
	}
	return s
}

func printJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}
