package suites

import (
	"testing"

	"github.com/linkassay/linkassay/provision"
)

// Where the link file builds what is broken, building it again is the first fix.
func TestFixesNameApply(t *testing.T) {
	t.Parallel()
	const command = "linkassay apply -f 'my link.yaml' --link api"
	for name, tc := range map[string]struct {
		change func(*provision.Link)
		want   string
	}{
		"both sides are built": {func(*provision.Link) {}, command},
		"an existing endpoint": {func(l *provision.Link) { l.Consumer.Build = nil }, ""},
		"another's service":    {func(l *provision.Link) { l.Provider.Build, l.Provider.Access = nil, provision.AccessNone }, ""},
		"no link file":         {func(l *provision.Link) { l.File = "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := healthy()
			o.Link.Name, o.Link.File = "api", "my link.yaml"
			o.Link.Provider.Build, o.Link.Consumer.Build = &provision.ProviderBuild{}, &provision.ConsumerBuild{}
			tc.change(&o.Link)
			if got := applyCommand(o, "connection.accepted"); got != tc.want {
				t.Errorf("apply: %q, want %q", got, tc.want)
			}
		})
	}
	for _, id := range []string{
		"connection.service-exists", "connection.principal-allowed", "connection.targets-registered", "verification.txt-published",
		"verification.state", "connection.endpoint-exists", "dns.private-dns-enabled", "connection.accepted",
	} {
		if _, ok := Find(Catalogue(), id); !ok || len(rebuilt(id)) == 0 {
			t.Errorf("%s: in the catalogue %t", id, ok)
		}
	}
}

// The verdict carries it, next to the AWS command.
func TestAFailedVerdictNamesApply(t *testing.T) {
	t.Parallel()
	o := healthy()
	o.Link.File, o.Link.Consumer.Build = "link.yaml", &provision.ConsumerBuild{}
	o.Consumer.Endpoint.Value.Found = false
	for _, v := range Judge(o, Catalogue(), nil) {
		if v.Check == "connection.endpoint-exists" {
			if v.Status != Failed || v.Fix == nil || v.Fix.Apply != "linkassay apply -f link.yaml --link "+o.Link.Name || v.Fix.Command == "" {
				t.Errorf("%s: fix %+v", v.Status, v.Fix)
			}
		}
	}
}
