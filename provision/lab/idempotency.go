package lab

import (
	"net/url"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// dryRun ends an EC2 operation that was sent with DryRun=true. Operations call it when they have
// checked everything and changed nothing.
func dryRun(c *call) error {
	dry, err := c.params.Bool("DryRun", false)
	if err != nil {
		return err
	}
	if dry {
		return wire.Errorf(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}

// clientTokenHit finds what an earlier request with the same ClientToken made. Other parameters
// than then are an IdempotentParameterMismatch.
func clientTokenHit(c *call) (id string, hit bool, err error) {
	token := c.params.String("ClientToken")
	if token == "" {
		return "", false, nil
	}
	if len(token) > 64 || strings.ContainsFunc(token, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return "", false, wire.Errorf(400, "InvalidParameterValue",
			"Value for parameter clientToken is invalid. The client token may have up to 64 ASCII characters.")
	}
	kept, ok := c.clientTokens[clientTokenKey(c)]
	if !ok {
		return "", false, nil
	}
	if kept.fingerprint != fingerprint(c.params.Values()) {
		return "", false, wire.Errorf(400, "IdempotentParameterMismatch",
			"Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	}
	return kept.result, true, nil
}

// clientTokenKeep remembers what this request made; without a ClientToken it does nothing.
func clientTokenKeep(c *call, id string) {
	if c.params.String("ClientToken") == "" {
		return
	}
	c.clientTokens[clientTokenKey(c)] = clientToken{fingerprint: fingerprint(c.params.Values()), result: id}
}

func clientTokenKey(c *call) string {
	return c.account + "/" + c.region + "/" + c.action + "/" + c.params.String("ClientToken")
}

// fingerprint is the request without what may differ between a call and its repetition.
func fingerprint(v url.Values) string {
	kept := url.Values{}
	for k, values := range v {
		switch k {
		case "ClientToken", "DryRun":
		default:
			kept[k] = values
		}
	}
	return kept.Encode() // sorted by key
}
