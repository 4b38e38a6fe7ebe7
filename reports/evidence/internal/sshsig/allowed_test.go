package sshsig_test

import (
	"crypto/elliptic"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports/evidence/internal/sshsig"
)

func authorized(k ssh.PublicKey) string {
	return strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(k)), "\n")
}

func TestAllows(t *testing.T) {
	t.Parallel()
	k, other := newEd25519(t).PublicKey(), newECDSA(t, elliptic.P256()).PublicKey()
	K := authorized(k)
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	east := time.FixedZone("east", 2*60*60)
	for name, c := range map[string]struct {
		list      string
		principal string
		local     *time.Location
		who       []string // nil = refused with why
		why       string
	}{
		"plain":                     {list: "ci@example.com " + K, who: []string{"ci@example.com"}},
		"named":                     {list: "ci@example.com " + K, principal: "ci@example.com", who: []string{"ci@example.com"}},
		"comment and blank lines":   {list: "# who\n\n\t\n  ci@example.com\t" + K + " made in 2026 \"x\n", who: []string{"ci@example.com"}},
		"CRLF":                      {list: "# who\r\nci@example.com " + K + "\r\n", who: []string{"ci@example.com"}},
		"several":                   {list: "a@example.com,b@example.com " + K, who: []string{"a@example.com", "b@example.com"}},
		"several lines":             {list: "a " + K + "\nb " + K + "\na " + K, who: []string{"a", "b"}},
		"quoted":                    {list: `"Ci Runner,b" ` + K, principal: "Ci Runner", who: []string{"Ci Runner"}},
		"pattern":                   {list: "*@example.com " + K, principal: "ci@example.com", who: []string{"ci@example.com"}},
		"pattern, unnamed":          {list: "*@example.com,!x@example.com " + K, who: []string{"*@example.com"}},
		"one letter":                {list: "c?@example.com " + K, principal: "ci@example.com", who: []string{"ci@example.com"}},
		"negated":                   {list: "*@example.com,!ci@* " + K, principal: "ci@example.com", why: "line 1 is for"},
		"other principal":           {list: "ci@example.com " + K, principal: "dev@example.com", why: `not "dev@example.com"`},
		"case of principals":        {list: "ci@example.com " + K, principal: "CI@example.com", why: "line 1 is for"},
		"other key":                 {list: "ci@example.com " + authorized(other), why: "not in the list"},
		"empty":                     {list: "", why: "not in the list"},
		"namespace":                 {list: `ci namespaces="linkassay-evidence" ` + K, who: []string{"ci"}},
		"namespace pattern":         {list: `ci namespaces="file,linkassay-*" ` + K, who: []string{"ci"}},
		"options in any case":       {list: `ci NameSpaces="linkassay-evidence" ` + K, who: []string{"ci"}},
		"other namespace":           {list: `ci namespaces="file,git" ` + K, why: `line 1 allows the namespaces "file,git"`},
		"negated namespace":         {list: `ci namespaces="*,!linkassay-evidence" ` + K, why: "allows the namespaces"},
		"not yet":                   {list: `ci valid-after="20260601120001Z" ` + K, why: "valid after 2026-06-01T12:00:01Z"},
		"just valid":                {list: `ci valid-after="20260601120000Z",valid-before="202606011200Z" ` + K, who: []string{"ci"}},
		"no more":                   {list: `ci valid-before="20260601115959Z" ` + K, why: "valid before"},
		"day":                       {list: `ci valid-after="20260601Z",valid-before="20260602Z" ` + K, who: []string{"ci"}},
		"local, valid":              {list: `ci valid-after="202606011400" ` + K, local: east, who: []string{"ci"}},
		"local, not yet":            {list: `ci valid-after="202606011401" ` + K, local: east, why: "valid after 2026-06-01T12:01:00Z"},
		"another line":              {list: `ci namespaces="file" ` + K + "\nci2 " + K, who: []string{"ci2"}},
		"first expired":             {list: `ci valid-before="20250101" ` + K + "\nci " + K, principal: "ci", who: []string{"ci"}},
		"all lines tell why":        {list: `ci namespaces="file" ` + K + "\n" + `ci valid-before="20250101Z" ` + K, why: "line 2 was valid"},
		"no escape to the terminal": {list: `ci namespaces="a" ` + K, principal: "\x1b[2J", why: `"\x1b[2J"`},
	} {
		local := c.local
		if local == nil {
			local = time.UTC
		}
		list, err := sshsig.ParseAllowedSigners([]byte(c.list), local)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		who, err := list.Allows(c.principal, k, sshsig.Namespace, at)
		switch {
		case !slices.Equal(who, c.who):
			t.Errorf("%s: got %q (%v), want %q", name, who, err, c.who)
		case c.who == nil && (!errors.Is(err, sshsig.ErrNotAllowed) || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%s: got %v, want %q", name, err, c.why)
		case c.who != nil && err != nil:
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllowedSignersRefused(t *testing.T) {
	t.Parallel()
	k := newEd25519(t).PublicKey()
	K := authorized(k)
	blob := strings.TrimPrefix(K, "ssh-ed25519 ")
	for name, c := range map[string]struct{ line, want string }{
		"principal alone":     {"ci@example.com", "no key after the principals"},
		"key alone":           {K, "unknown option"}, // its type is taken for the principals
		"key type alone":      {"ci ssh-ed25519", "there is no key"},
		"certificates":        {"*@example.com cert-authority " + K, "cert-authority"},
		"among other options": {`ci namespaces="file",cert-authority ` + K, "cert-authority"},
		"unknown option":      {"ci no-touch-required " + K, `unknown option "no-touch-required"`},
		"twice":               {`ci namespaces="a",namespaces="b" ` + K, "twice"},
		"no quotes":           {"ci namespaces=file " + K, "in quotes"},
		"open quote":          {`ci namespaces="file ` + K, "not closed"},
		"open principals":     {`"ci ` + K, "not closed"},
		"quote in principals": {`ci"x" ` + K, "quote inside"},
		"empty value":         {`ci namespaces="" ` + K, "empty"},
		"empty principal":     {"ci,,dev " + K, "empty pattern"},
		"no comma":            {`ci namespaces="a"valid-after="20260101" ` + K, "comma"},
		"last comma":          {`ci namespaces="a", ` + K, "comma"},
		"no such day":         {`ci valid-after="20260231" ` + K, "calendar"},
		"no such hour":        {`ci valid-after="202601012560" ` + K, "calendar"},
		"other time":          {`ci valid-before="2026-01-01" ` + K, "YYYYMMDD"},
		"signs in time":       {`ci valid-before="+2026011" ` + K, "YYYYMMDD"},
		"window inside out":   {`ci valid-after="20260102",valid-before="20260101" ` + K, "earlier"},
		"no base64":           {"ci ssh-ed25519 %%%", "base64"},
		"cut key":             {"ci ssh-ed25519 " + blob[:40], "key"},
		"other type":          {"ci ssh-rsa " + blob, "of type"},
		"unknown type":        {"ci ssh-xmss@openssh.com AAAA", "key"},
		"escape":              {"ci\x1b[2J " + K, "cannot be printed"},
		"no UTF-8":            {"ci\xff " + K, "cannot be printed"},
		"zero byte":           {"ci\x00 " + K, "cannot be printed"},
		"long":                {strings.Repeat("x", 40<<10) + " " + K, "bytes"},
	} {
		_, err := sshsig.ParseAllowedSigners([]byte("# list\n\nok "+K+"\n"+c.line+"\n"), time.UTC)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "line 4") {
			t.Errorf("%s: got %v, want line 4 and %q", name, err, c.want)
		}
	}
	if _, err := sshsig.ParseAllowedSigners(make([]byte, 2<<20), time.UTC); err == nil {
		t.Error("a list of 2 MiB is read")
	}
}

func FuzzParseAllowedSigners(f *testing.F) {
	k := newEd25519(f).PublicKey()
	f.Add("ci@example.com " + authorized(k))
	f.Add(`"a b,!c*" namespaces="x,\"y",valid-after="20260101",valid-before="20270101120000Z" ` + authorized(k) + " comment")
	f.Add("# x\n\nci cert-authority " + authorized(k))
	f.Fuzz(func(t *testing.T, text string) {
		list, err := sshsig.ParseAllowedSigners([]byte(text), time.UTC)
		if err != nil {
			return
		}
		lines := strings.Count(text, "\n") + 1
		for _, s := range list {
			if s.Key == nil || s.Principals == "" || s.Line < 1 || s.Line > lines {
				t.Fatalf("accepted %+v", s)
			}
		}
		_, _ = list.Allows("", k, sshsig.Namespace, time.Unix(0, 0))
		_, _ = list.Allows("a@example.com", k, sshsig.Namespace, time.Unix(0, 0))
	})
}
