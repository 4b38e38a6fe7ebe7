package lab

import (
	"strings"
	"testing"
)

func TestIdentityPolicyDecides(t *testing.T) {
	t.Parallel()
	const all = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
	endpoint := access{action: "ec2:CreateVpcEndpoint", resources: []string{"arn:aws:ec2:ap-southeast-1:2:vpc/vpc-1", "arn:aws:ec2:ap-southeast-1:2:subnet/subnet-1"}, keys: map[string]string{
		"ec2:vpceservicename": "com.amazonaws.vpce.x", "ec2:vpceserviceowner": "111111111111",
	}}
	statement := func(s string) string { return `{"Statement":[` + s + `]}` }
	for _, c := range []struct {
		name    string
		policy  []string
		access  access
		allowed bool
		why     string
	}{
		{"all", []string{all}, endpoint, true, ""},
		{"nothing", []string{statement(`{"Effect":"Allow","Action":["ec2:Describe*","sts:*"],"Resource":"*"}`)}, endpoint, false, "no identity-based policy allows the ec2:CreateVpcEndpoint action"},
		{"any case", []string{statement(`{"Effect":"Allow","Action":"EC2:createvpcendpoin?","Resource":"*"}`)}, endpoint, true, ""},
		{"a Deny wins, whatever the order", []string{statement(`{"Effect":"Deny","Action":"ec2:Create*","Resource":"*"}`), all}, endpoint, false, "explicit deny"},
		{"NotAction", []string{statement(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`)}, endpoint, true, ""},
		{"an Allow of one of two resources", []string{statement(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:ec2:*:*:vpc/*"}`)}, endpoint, false, "no identity-based policy"},
		{"an Allow of both", []string{statement(`{"Effect":"Allow","Action":"*","Resource":["arn:aws:ec2:*:*:vpc/*","arn:aws:ec2:*:*:subnet/*"]}`)}, endpoint, true, ""},
		{"a Deny of one of two resources", []string{all, statement(`{"Effect":"Deny","Action":"*","Resource":"*:subnet/subnet-1"}`)}, endpoint, false, "explicit deny"},
		{"NotResource", []string{all, statement(`{"Effect":"Deny","Action":"*","NotResource":"*"}`)}, endpoint, true, ""},
		{"a condition that holds", []string{all, statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"ec2:VpceServiceOwner":["amazon","111111111111"]}}}`)}, endpoint, false, "explicit deny"},
		{"one that does not", []string{all, statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"ec2:VpceServiceOwner":"amazon"}}}`)}, endpoint, true, ""},
		{"StringLike", []string{statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"ec2:VpceServiceName":"com.amazonaws.vpce.*"}}}`)}, endpoint, true, ""},
		{"StringNotLike", []string{all, statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotLike":{"ec2:vpceservicename":"com.amazonaws.vpce.*"}}}`)}, endpoint, true, ""},
		{"all conditions must hold", []string{all, statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"ec2:VpceServiceOwner":"111111111111","ec2:VpceServiceName":"other"}}}`)}, endpoint, true, ""},
		{"a missing key fails", []string{all, statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"ec2:VpceServicePrivateDnsName":"a"}}}`)}, endpoint, true, ""},
		{"a missing key makes a negated one hold", []string{all, statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"ec2:VpceServicePrivateDnsName":"a"}}}`)}, endpoint, false, "explicit deny"},
		{"IfExists", []string{statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqualsIfExists":{"ec2:VpceServicePrivateDnsName":"a"}}}`)}, endpoint, true, ""},
		{"Bool", []string{all, statement(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"ec2:VpceMultiRegion":true}}}`)}, access{action: "vpce:AllowMultiRegion", keys: map[string]string{"ec2:vpcemultiregion": "true"}}, false, "explicit deny"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, err := newGrants(c.policy, nil)
			if err != nil {
				t.Fatal(err)
			}
			allowed, why := decideAccess(g.documents, c.access)
			if allowed != c.allowed || !strings.Contains(why, c.why) {
				t.Errorf("allowed %t %q, want %t %q", allowed, why, c.allowed, c.why)
			}
		})
	}
}

func TestPoliciesThatAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                 "EOF",
		`{"Statement":[]}`: "no Statement",
		`{"Version":"1","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`:                             "version",
		`{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}`:                                           "Allow or Deny",
		`{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}`:                           "either Action",
		`{"Statement":{"Effect":"Allow","Action":"*"}}`:                                                          "either Resource",
		`{"Statement":{"Effect":"Allow","Action":"Describe","Resource":"*"}}`:                                    "SERVICE:ACTION",
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}}`:                           "no Principal",
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NumericLessThan":{"a":"1"}}}}`: "does not know the condition operator",
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Conditions":{}}}`:                           "unknown field",
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a":{}}}}}`:             "text, a number or a boolean",
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}} {}`:                                        "something after",
		`{"Statement":{"Effect":"Allow","Action":"*","Resource":"` + strings.Repeat("a", maxPolicy) + `"}}`:      "longer than",
	} {
		if _, err := parseIdentityPolicy(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.120s: %v, want %q", text, err, want)
		}
	}
}

func FuzzIdentityPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Deny","NotAction":["ec2:*"],"NotResource":"arn:*","Condition":{"StringNotLikeIfExists":{"k":["v*",true,1]}}}]}`)
	f.Add(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseIdentityPolicy(text)
		if err != nil {
			return
		}
		if len(p.statements) == 0 {
			t.Fatal("a policy without a statement was taken")
		}
		decideAccess([]identityPolicy{p}, access{action: "ec2:CreateVpcEndpoint", resources: []string{"a"}, keys: map[string]string{"k": "v"}})
	})
}
