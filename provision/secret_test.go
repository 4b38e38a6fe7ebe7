package provision_test

import (
	"strings"
	"testing"

	"github.com/linkassay/linkassay/provision"
)

// An external id is a secret: what is wrong around it is told without it.
func TestErrorsHideTheExternalID(t *testing.T) {
	t.Parallel()
	const before = `apiVersion: linkassay/v1
links:
  - name: api
    region: ap-southeast-1
    provider:
      account: "111111111111"
      role: `
	const after = `
      serviceId: vpce-svc-0123456789abcdef0
    consumer: {account: "222222222222", endpointId: vpce-0123456789abcdef0}
    ports: [{port: 443}]
`
	for name, role := range map[string]string{
		"beside a wrong role": `{arn: bad, externalId: canary5551234}`,
		"a number":            `{arn: "arn:aws:iam::111111111111:role/r", externalId: 5551234}`,
		"a misspelt key":      `{arn: "arn:aws:iam::111111111111:role/r", extrenalId: canary5551234}`,
		"a line of its own":   "\n        arn: bad\n        \"externalId\": {canary: 5551234}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := provision.Load(strings.NewReader(before+role+after), "link.yaml")
			if err == nil {
				t.Fatal("the file was taken")
			}
			if strings.Contains(err.Error(), "5551234") || !strings.Contains(err.Error(), "link.yaml:") {
				t.Errorf("the error shows the external id, or no place:\n%v", err)
			}
		})
	}
}
