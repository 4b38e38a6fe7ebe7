package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/linkassay/linkassay/provision"
)

func TestLinksOfOneAccessShareClients(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token is expired</Message></Error></ErrorResponse>"))
	}))
	defer refusing.Close()
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("[profile a]\naws_access_key_id=AKIDLAB\naws_secret_access_key=secret\nendpoint_url="+refusing.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", config)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", config)
	link := provision.Link{Name: "one", Region: "ap-southeast-1"}
	link.Consumer.Party = provision.Party{Account: "222222222222", Profile: "a"}
	link.Provider.Access = provision.AccessNone

	f := newFleetClients()
	defer f.close()
	lend := func(region string) (*lease, *loan) {
		t.Helper()
		var to loan
		if _, err := to.opener(f, &link)(t.Context(), link.Consumer.Party, region); err != nil {
			t.Fatal(err)
		}
		return to.all[0], &to
	}
	a, first := lend("ap-southeast-1")
	b, second := lend("ap-southeast-1")
	other, third := lend("eu-west-1")
	if a != b || a == other || a.users != 2 {
		t.Errorf("the same access: %v and %v, another Region: %v", a, b, other)
	}
	first.giveBack(f)
	f.watch([]provision.Link{link})
	if c, again := lend("ap-southeast-1"); c != a {
		t.Error("clients that a link still uses were dropped")
	} else {
		again.giveBack(f)
	}
	f.watch(nil)
	if a.users != 1 || !a.gone || len(f.open) != 0 {
		t.Errorf("nobody's any more: %d users, gone %v, %d are open", a.users, a.gone, len(f.open))
	}
	second.giveBack(f)
	third.giveBack(f)

	// Credentials that AWS refuses may have been replaced: they are read again, now and then.
	c, loan := lend("ap-southeast-1")
	defer loan.giveBack(f)
	if _, err := c.STS.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err == nil || !c.Refused() {
		t.Fatalf("refused: %v, %v", c.Refused(), err)
	}
	soon, loan2 := lend("ap-southeast-1")
	defer loan2.giveBack(f)
	c.opened = time.Now().Add(-2 * reopenEvery)
	later, loan3 := lend("ap-southeast-1")
	defer loan3.giveBack(f)
	if soon != c || later == c || !c.gone {
		t.Error("refused credentials are to be read again after a while")
	}
}
