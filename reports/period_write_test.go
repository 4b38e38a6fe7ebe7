package reports

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linkassay/linkassay/suites"
)

// hostileRecord has in every text what breaks terminals, pages, tables and spreadsheets.
func hostileRecord(minutes float64, s State) Record {
	const bad = "=HYPERLINK(\"http://127.0.0.1\")<script>alert(1)</script>|`x`\x1b[31m\u202e@everyone\r\n+1"
	r := sawAt(minutes, s)
	r.Version = bad
	l := &r.Links[0]
	l.Name = bad
	l.Config.Values = map[string]string{bad: bad + time.Duration(minutes).String()}
	l.Checks[bad] = CheckRecord{Status: suites.Failed, Severity: suites.Severity(bad), Revision: int(minutes)}
	l.Roots = []RootRecord{{
		Check: bad, Title: bad, Severity: suites.Severity(bad), Side: suites.Side(bad), Required: true, Reason: bad, Fix: bad,
		Facts: []suites.Fact{{Name: bad, Value: bad}},
	}}
	return r
}

func periodFiles(t *testing.T, p *PeriodReport) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	if err := WritePeriod(dir, p); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(b)
	}
	return files
}

func TestHostileNamesAndFactsInAPeriodReport(t *testing.T) {
	t.Parallel()
	p := periodOf(t, PeriodOptions{From: noon(0), To: noon(60)},
		hostileRecord(0, Up), hostileRecord(5, Down), hostileRecord(30, Up), sawAt(35, Down))
	p.Source = PeriodSource{Place: "<u>\x1b[1m", Head: "=1", Proof: "<i>", Problems: []string{"<script>alert(2)</script>"}}
	files := periodFiles(t, p)
	var table bytes.Buffer
	if err := PrintPeriod(&table, p, TableFormat, PrintOptions{}); err != nil {
		t.Fatal(err)
	}
	files["table"] = table.String()
	for _, name := range []string{"period.html", "period.md", "period.json", "availability.csv", "incidents.csv", "gaps.csv", "changes.csv", "controls.csv", "table"} {
		s, ok := files[name]
		if !ok {
			t.Errorf("no %s", name)
			continue
		}
		for _, r := range s {
			if r != '\n' && invisible(r) {
				t.Errorf("%s: holds %U", name, r)
				break
			}
		}
		if name == "period.html" || name == "period.md" {
			for _, bad := range []string{"<script", "<u>", "<i>", "](http"} {
				if strings.Contains(s, bad) {
					t.Errorf("%s holds %q", name, bad)
				}
			}
		}
		if !strings.HasSuffix(name, ".csv") {
			continue
		}
		rows, err := csv.NewReader(strings.NewReader(s)).ReadAll()
		if err != nil || len(rows) < 2 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("%s: a spreadsheet takes %q for a formula", name, cell)
				}
			}
		}
	}
	for line := range strings.Lines(files["period.md"]) {
		if strings.HasPrefix(line, "| =HYPER") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") < 5 {
			t.Errorf("a row of the table is torn: %s", line)
		}
	}
	if strings.Contains(files["period.html"], "ZgotmplZ") || !strings.Contains(files["period.html"], "DOES NOT VERIFY") {
		t.Error("the page hides something")
	}
}

func TestCellsOfSpreadsheets(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "a=b": "a=b", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", " =1": "' =1", "\t=1": "' =1", "\r=1": "' =1", "\tx": "' x", "＝1": "'＝1", "\u202e=1": "'\uFFFD=1", "12.5": "12.5", "'=1": "'=1",
	} {
		if got := csvCell(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPercentNeverRoundsUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		v     float64
		known bool
		want  string
	}{{1, true, "100 %"}, {0.9999999, true, "99.999 %"}, {0, true, "0.000 %"}, {5.0 / 6, true, "83.333 %"}, {0, false, "not known"}} {
		if got := percent(tt.v, tt.known); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.v, got, tt.want)
		}
	}
}

func TestPeriodReportSaysWhatItKnows(t *testing.T) {
	t.Parallel()
	down := sawAt(15, Down)
	down.Links[0].Roots[0].Fix = "add the record"
	p := periodOf(t, PeriodOptions{From: noon(0), To: noon(60)}, sawAt(0, Up), sawAt(5, Up), sawAt(10, Up), down, sawAt(20, Up), sawAt(40, Untold), sawAt(45, Up))
	p.Source = PeriodSource{Place: "runs", Entries: 7, Head: "7:abc", Proof: "none of entries 1 to 7 was removed, reordered or changed"}
	files := periodFiles(t, p)
	for name, wants := range map[string][]string{
		"period.html":      {"83.333 %", "15m0s", "none of entries 1 to 7", "dns.private-name-resolves", "add the record", "default-src &#39;none&#39;", "never as up"},
		"period.md":        {"| a | 83.333 % | 5m0s |", "Fix: add the record", "2026-09-01 12:15:00Z", "never as up"},
		"availability.csv": {"a,,,0.833333,1500,300,300,1500,5,1,1,0.833333,", "a,dns.private-name-resolves,critical,0.833333"},
		"incidents.csv":    {"a,2026-09-01T12:10:00Z,2026-09-01T12:15:00Z,2026-09-01T12:15:00Z,2026-09-01T12:20:00Z,300,0,600,1,false,dns.private-name-resolves,consumer,it resolves,,add the record"},
		"gaps.csv":         {"a,2026-09-01T12:20:00Z,2026-09-01T12:40:00Z,300,3"},
		"controls.csv":     {"not assessed"},
	} {
		for _, want := range wants {
			if name == "period.html" {
				want = strings.ReplaceAll(want, "&#39;", "'")
			}
			if !strings.Contains(files[name], want) {
				t.Errorf("%s does not say %q:\n%.3000s", name, want, files[name])
			}
		}
	}
	var got struct {
		Format string
		Runs   int
	}
	if err := json.Unmarshal([]byte(files["period.json"]), &got); err != nil || got.Format != "linkassay.period/v1" || got.Runs != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	if *keepPeriod != "" {
		if err := WritePeriod(*keepPeriod, p); err != nil {
			t.Fatal(err)
		}
	}
}

var keepPeriod = flag.String("keep-period", "", "a directory to keep a period report in, to look at")
