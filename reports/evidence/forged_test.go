package evidence

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/linkassay/linkassay/reports"
	"github.com/linkassay/linkassay/suites"
)

func TestFilesAddedAndDeleted(t *testing.T) {
	t.Parallel()
	seal, options := signed(t)
	dir := bundleOf(t, runOf(t, "identity", "provider-only"), seal)
	files := load(t, dir)
	for name := range files {
		other := maps.Clone(files)
		delete(other, name)
		want := name + " is missing"
		if name == SignatureFile {
			want = "it is not signed"
		}
		refused(t, other, options, want)
	}
	for _, name := range []string{"extra.txt", ".hidden", "SHA256SUMS.old", "run.json~", "allowed_signers"} {
		other := maps.Clone(files)
		other[name] = &fstest.MapFile{Mode: 0o644}
		refused(t, other, options, "is not listed in SHA256SUMS")
	}
	other := maps.Clone(files)
	other["sub/file"] = &fstest.MapFile{Mode: 0o644}
	refused(t, other, options, `"sub" is no plain file`)
	other = maps.Clone(files)
	other[IncompleteFile] = &fstest.MapFile{Data: []byte(incompleteText), Mode: 0o644}
	refused(t, other, options, "it holds the file INCOMPLETE")

	// The same file, by way of a link.
	run := filepath.Join(dir, "run.json")
	if err := errors.Join(os.Rename(run, dir+".run.json"), os.Symlink(dir+".run.json", run)); err != nil {
		t.Fatal(err)
	}
	r, err := VerifyDir(dir, options)
	if err != nil || r.Verified || !strings.Contains(r.Err().Error(), `"run.json" is no plain file`) {
		t.Errorf("a symbolic link: %+v, %v", r, err)
	}
	for _, path := range []string{t.TempDir(), filepath.Join(dir, "nowhere"), filepath.Join(dir, "SHA256SUMS")} {
		if _, err := VerifyDir(path, options); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s is no bundle: %v", path, err)
		}
	}
}

// Forms of SHA256SUMS that sha256sum takes, and this does not.
func TestSumsInOtherForms(t *testing.T) {
	t.Parallel()
	files := load(t, bundleOf(t, runOf(t, "identity", "provider-only"), SealOptions{}))
	good := string(files[SumsFile].Data)
	lines := slices.Collect(strings.Lines(good))
	digest := fmt.Sprintf("%x", sha256.Sum256(nil))
	reversed := slices.Clone(lines)
	slices.Reverse(reversed)
	for name, c := range map[string]struct{ text, want string }{
		"another order":      {strings.Join(reversed, ""), "canonical"},
		"CRLF":               {strings.ReplaceAll(good, "\n", "\r\n"), "is no name that a bundle may hold"},
		"a line twice":       {lines[0] + good, "twice"},
		"capitals":           {strings.ToUpper(lines[0][:64]) + lines[0][64:] + strings.Join(lines[1:], ""), "canonical"},
		"binary mode":        {strings.ReplaceAll(good, "  ", " *"), "is not a digest, two spaces and a name"},
		"a comment":          {"# by hand\n" + good, "is not a digest"},
		"no line end":        {strings.TrimSuffix(good, "\n"), "canonical"},
		"an empty line":      {good + "\n", "is not a digest"},
		"three spaces":       {strings.Replace(good, "  ", "   ", 1), "is no name"},
		"a name above":       {digest + "  ../run.json\n" + good, "is no name"},
		"an absolute name":   {digest + "  /etc/passwd\n" + good, "is no name"},
		"a name below":       {digest + "  sub/run.json\n" + good, "is no name"},
		"itself":             {good + digest + "  SHA256SUMS\n", "is no name"},
		"its own signature":  {good + digest + "  SHA256SUMS.sig\n", "is no name"},
		"a short digest":     {digest[:62] + "  x\n" + good, "is not a digest"},
		"a long digest":      {digest + "00  x\n" + good, "canonical"},
		"nothing":            {"", "empty"},
		"no run.json listed": {slices.Collect(strings.Lines(good))[0], "is not listed"},
		"endless":            {strings.Repeat(lines[0], maxSums+1), "twice"},
	} {
		other := maps.Clone(files)
		other[SumsFile] = &fstest.MapFile{Data: []byte(c.text), Mode: 0o644}
		t.Run(name, func(t *testing.T) { refused(t, other, Options{}, c.want) })
	}
}

// Whoever edits what was found, and makes all digests and the statement right again, is found out by the replay.
func TestForgedVerdicts(t *testing.T) {
	t.Parallel()
	genuine := runOf(t, "", "security-group-closed")
	failed := slices.IndexFunc(genuine.Links[0].Verdicts, func(v suites.Verdict) bool { return v.Status == suites.Failed })
	blocked := slices.IndexFunc(genuine.Links[0].Verdicts, func(v suites.Verdict) bool { return v.Status == suites.Blocked })
	fits := func(r *reports.Report) { // make the exit code fit
		r.ExitCode, r.ExitReasons = 0, nil
		if r.Summary().RequiredFailed > 0 {
			r.ExitCode = 1
		}
	}
	for name, c := range map[string]struct {
		edit func(r *reports.Report, v []suites.Verdict) []suites.Verdict
		want string
	}{
		"passed": {func(r *reports.Report, v []suites.Verdict) []suites.Verdict {
			for i := range v {
				if v[i].Status == suites.Failed || v[i].Status == suites.Blocked {
					v[i].Status, v[i].BlockedBy, v[i].Facts, v[i].Fix = suites.Passed, "", nil, nil
				}
			}
			fits(r)
			return v
		}, `recorded "passed", judged again it is "failed"`},
		"facts": {func(_ *reports.Report, v []suites.Verdict) []suites.Verdict {
			v[failed].Facts = slices.Clone(v[failed].Facts)
			v[failed].Facts[0].Value += "0"
			return v
		}, "the recorded facts are not those"},
		"blocker": {func(_ *reports.Report, v []suites.Verdict) []suites.Verdict {
			v[blocked].BlockedBy = "dns.vpc-attributes"
			return v
		}, "recorded as blocked by"},
		"severity": {func(r *reports.Report, v []suites.Verdict) []suites.Verdict {
			v[failed].Severity = suites.Advice
			fits(r)
			return v
		}, "another weight"},
		"accepted": {func(r *reports.Report, v []suites.Verdict) []suites.Verdict {
			v[failed].Accepted = &suites.Accepted{}
			fits(r)
			return v
		}, "another weight"},
		"left out": {func(r *reports.Report, v []suites.Verdict) []suites.Verdict {
			v = slices.DeleteFunc(v, func(v suites.Verdict) bool { return v.Status == suites.Failed || v.Status == suites.Blocked })
			fits(r)
			return v
		}, "is missing"},
		"twice": {func(_ *reports.Report, v []suites.Verdict) []suites.Verdict {
			return append(v, v[0])
		}, "two verdicts on"},
		"of an older revision": {func(r *reports.Report, v []suites.Verdict) []suites.Verdict {
			v[failed].Status, v[failed].Revision = suites.Passed, v[failed].Revision-1
			return v
		}, "and the catalogue that was recorded has"},
		"exit code": {func(r *reports.Report, v []suites.Verdict) []suites.Verdict {
			r.ExitCode, r.ExitReasons = 0, nil
			return v
		}, "a required check failed, and the exit code is recorded as 0"},
		"another link": {func(_ *reports.Report, v []suites.Verdict) []suites.Verdict {
			v[0].Link = "other"
			return v
		}, "a verdict on the link other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runOf(t, "", "security-group-closed")
			r.Links[0].Verdicts = c.edit(r, slices.Clone(r.Links[0].Verdicts))
			refused(t, forge(t, r), Options{}, c.want)
		})
	}
	t.Run("by a newer revision", func(t *testing.T) {
		t.Parallel()
		r := runOf(t, "", "security-group-closed")
		r.Links[0].Verdicts[failed].Revision += 100
		if _, err := Verify(forge(t, r), Options{}); !errors.Is(err, reports.ErrNewer) {
			t.Error(err)
		}
	})
}

// forge writes all the files of a bundle from a report, with digests that fit.
func forge(t testing.TB, r *reports.Report) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, f := range reports.Files(r) {
		var b bytes.Buffer
		if err := f.Write(&b); err != nil {
			t.Fatal(err)
		}
		files[f.Name] = &fstest.MapFile{Data: b.Bytes(), Mode: 0o644}
	}
	s, err := encodeStatement(r, []sum{{reports.RunFile, sha256.Sum256(files[reports.RunFile].Data)}})
	if err != nil {
		t.Fatal(err)
	}
	files[StatementFile] = &fstest.MapFile{Data: s, Mode: 0o644}
	files[InstructionsFile] = &fstest.MapFile{Mode: 0o644}
	return resummed(files)
}

// What run.json says beside its verdicts must follow from the rest, too.
func TestForgedFiles(t *testing.T) {
	t.Parallel()
	good := forge(t, runOf(t, "", "security-group-closed"))
	if r, err := Verify(good, Options{}); err != nil || !r.Verified {
		t.Fatalf("%+v, %v", r, err)
	}
	for name, c := range map[string]struct{ file, old, new, want string }{
		"summary":             {reports.RunFile, `"failed": 1,`, `"failed": 0,`, ".summary.failed"},
		"a field twice":       {reports.RunFile, `"tool": "linkassay",`, `"tool": "other", "tool": "linkassay",`, `"tool" stands there twice`},
		"a field in capitals": {reports.RunFile, `"tool": "linkassay",`, `"Tool": "linkassay",`, ".Tool"},
		"text after the end":  {reports.RunFile, "\n}\n", "\n}\n{}\n", "read run.json"},
		"another result":      {StatementFile, `"FAILED"`, `"PASSED"`, "statement.json does not say what run.json does"},
		"another predicate":   {StatementFile, "test-result/v0.1", "test-result/v0.2", "statement.json does not say"},
		"a message missing":   {"dns.txt", wireLine(good), "", "dns.txt lacks the message"},
		"a message changed":   {"dns.txt", wireLine(good), ";; wire: AAAA\n", "dns.txt"},
		"a certificate more":  {"certificates.pem", "by its sha256.\n", "by its sha256.\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificates.pem holds the certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := string(good[c.file].Data)
			other := maps.Clone(good)
			other[c.file] = &fstest.MapFile{Data: []byte(strings.Replace(text, c.old, c.new, 1)), Mode: 0o644}
			if string(other[c.file].Data) == text {
				t.Fatalf("%q is not in %s", c.old, c.file)
			}
			if c.file == reports.RunFile { // the statement fits too
				i := bytes.Index(other[StatementFile].Data, []byte(`"sha256": "`))
				s := bytes.Clone(other[StatementFile].Data)
				copy(s[i+len(`"sha256": "`):], fmt.Sprintf("%x", sha256.Sum256(other[c.file].Data)))
				other[StatementFile] = &fstest.MapFile{Data: s, Mode: 0o644}
			}
			refused(t, resummed(other), Options{}, c.want)
		})
	}
	for name, c := range map[string][2]string{
		"a newer format": {`"format": "linkassay.run/v1"`, `"format": "linkassay.run/v2"`},
		"a newer field":  {`"tool": "linkassay",`, `"tool": "linkassay", "novelty": 1,`},
	} {
		other := maps.Clone(good)
		other[reports.RunFile] = &fstest.MapFile{Data: []byte(strings.Replace(string(good[reports.RunFile].Data), c[0], c[1], 1)), Mode: 0o644}
		if r, err := Verify(resummed(other), Options{}); !errors.Is(err, reports.ErrNewer) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	// Another order and other spaces are the same values: another build may write them so.
	other := maps.Clone(good)
	text := string(good[reports.RunFile].Data)
	other[reports.RunFile] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "\n ", "\n  ")), Mode: 0o644}
	if _, err := reports.Decode(other[reports.RunFile].Data); err != nil {
		t.Error(err)
	}
}

func wireLine(files fstest.MapFS) string {
	for line := range strings.Lines(string(files["dns.txt"].Data)) {
		if strings.HasPrefix(line, ";; wire: ") {
			return line
		}
	}
	return ""
}

// A bundle that is not signed says so, and one that is signed by somebody else is refused.
func TestSignature(t *testing.T) {
	t.Parallel()
	seal, options := signed(t)
	_, strangers := signed(t)
	signedDir, unsignedDir := bundleOf(t, runOf(t, "identity", "provider-only"), seal), bundleOf(t, runOf(t, "identity", "provider-only"), SealOptions{})
	if r := verified(t, signedDir, options); r.Signature.Status != Allowed || !slices.Equal(r.Signature.Signers, []string{"ops@example.com"}) {
		t.Errorf("%+v", r.Signature)
	}
	if r := verified(t, signedDir, Options{}); r.Signature.Status != UnknownKey || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "nobody vouches for the key SHA256:") {
		t.Errorf("%+v %q", r.Signature, r.Notes)
	}
	for _, o := range []Options{{}, {AllowedSigners: options.AllowedSigners}} {
		if r := verified(t, unsignedDir, o); r.Signature.Status != Unsigned || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "against accident only") {
			t.Errorf("%+v %q", r.Signature, r.Notes)
		}
	}
	b, err := os.ReadFile(filepath.Join(unsignedDir, InstructionsFile))
	if err != nil || !strings.Contains(string(b), "against accident only") {
		t.Errorf("%s, %v", b, err)
	}
	refused(t, load(t, unsignedDir), options, "it is not signed")
	refused(t, load(t, unsignedDir), Options{RequireSignature: true}, "it is not signed")
	refused(t, load(t, signedDir), Options{RequireSignature: true}, "no list of allowed signers vouches for it")
	refused(t, load(t, signedDir), strangers, "is not in the list")
	other := options
	other.Principal = "mallory@example.com"
	refused(t, load(t, signedDir), other, "mallory@example.com")
	other.AllowedSigners = []byte("*")
	if _, err := VerifyDir(signedDir, other); !errors.Is(err, ErrAllowedSigners) {
		t.Error(err)
	}
	// Another bundle's signature.
	swapped := load(t, signedDir)
	swapped[SignatureFile] = load(t, bundleOf(t, runOf(t, "identity", "consumer-only"), seal))[SignatureFile]
	refused(t, swapped, options, "SHA256SUMS.sig")
	swapped = load(t, unsignedDir)
	swapped[SignatureFile] = &fstest.MapFile{Data: make([]byte, maxSmall+1)}
	if _, err := Verify(fs.FS(swapped), options); err == nil {
		t.Error("an endless signature is read")
	}
}
