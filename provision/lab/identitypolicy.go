package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// identityPolicy is an IAM policy document attached to a user or a role: JSON as IAM takes it.
type identityPolicy struct{ statements []policyStatement }

// policyStatement is one Allow or Deny.
type policyStatement struct {
	deny         bool
	actions      []string
	notActions   []string
	resources    []string
	notResources []string
	conditions   []policyCondition
}

// policyCondition is one operator on one key.
type policyCondition struct {
	operator string // as in conditionOperators
	ifExists bool
	key      string // lower case: keys are compared without regard to case
	values   []string
}

// access is one action that a request needs, with what conditions may ask about it.
type access struct {
	action    string   // ec2:CreateVpcEndpoint
	resources []string // ARNs; none: *
	keys      map[string]string
}

// maxPolicy bounds a document in bytes; IAM's own bound for a managed policy is less.
const maxPolicy = 20_480

// conditionOperators are those that the lab knows, with whether they hold for a value; another one is
// refused, since a condition that is not understood must not be taken for one that holds.
func conditionOperators() map[string]func(want, is string) bool {
	equal := func(want, is string) bool { return want == is }
	return map[string]func(want, is string) bool{
		"StringEquals": equal, "StringEqualsIgnoreCase": strings.EqualFold, "StringLike": wildcard, "Bool": strings.EqualFold, "ArnLike": wildcard, "ArnEquals": wildcard,
	}
}

// parseIdentityPolicy reads a document. It is strict, as IAM is: what it does not know it refuses.
func parseIdentityPolicy(text string) (identityPolicy, error) {
	var p identityPolicy
	if len(text) > maxPolicy {
		return p, fmt.Errorf("the policy is longer than %d bytes", maxPolicy)
	}
	var doc struct {
		Version   string
		ID        string `json:"Id"`
		Statement oneOrMore[json.RawMessage]
	}
	if err := strictJSON([]byte(text), &doc); err != nil {
		return p, err
	}
	if doc.Version != "" && doc.Version != "2012-10-17" && doc.Version != "2008-10-17" {
		return p, fmt.Errorf("policy version %q: expected 2012-10-17", doc.Version)
	}
	if len(doc.Statement) == 0 {
		return p, errors.New("the policy has no Statement")
	}
	for i, raw := range doc.Statement {
		s, err := parseStatement(raw)
		if err != nil {
			return p, fmt.Errorf("statement %d: %w", i+1, err)
		}
		p.statements = append(p.statements, s)
	}
	return p, nil
}

func parseStatement(raw []byte) (policyStatement, error) {
	var in struct {
		Sid, Effect  string
		Action       oneOrMore[string]
		NotAction    oneOrMore[string]
		Resource     oneOrMore[string]
		NotResource  oneOrMore[string]
		Condition    map[string]map[string]oneOrMore[scalar]
		Principal    json.RawMessage
		NotPrincipal json.RawMessage
	}
	if err := strictJSON(raw, &in); err != nil {
		return policyStatement{}, err
	}
	s := policyStatement{deny: in.Effect == "Deny", actions: in.Action, notActions: in.NotAction, resources: in.Resource, notResources: in.NotResource}
	switch {
	case in.Effect != "Allow" && in.Effect != "Deny":
		return s, fmt.Errorf("effect %q: expected Allow or Deny", in.Effect)
	case (len(s.actions) == 0) == (len(s.notActions) == 0):
		return s, errors.New("expected either Action or NotAction")
	case (len(s.resources) == 0) == (len(s.notResources) == 0):
		return s, errors.New("expected either Resource or NotResource")
	case in.Principal != nil || in.NotPrincipal != nil:
		return s, errors.New("a policy of a user or role has no Principal")
	}
	for _, a := range slices.Concat(s.actions, s.notActions) {
		if a != "*" && !strings.Contains(a, ":") {
			return s, fmt.Errorf("action %q: expected * or SERVICE:ACTION", a)
		}
	}
	for operator, keys := range in.Condition {
		name, ifExists := strings.CutSuffix(operator, "IfExists")
		if conditionOperators()[strings.Replace(name, "Not", "", 1)] == nil {
			return s, fmt.Errorf("the lab does not know the condition operator %q", operator)
		}
		for key, values := range keys {
			c := policyCondition{operator: name, ifExists: ifExists, key: strings.ToLower(key)}
			for _, v := range values {
				c.values = append(c.values, string(v))
			}
			s.conditions = append(s.conditions, c)
		}
	}
	return s, nil
}

// decideAccess says what documents make of an access: an explicit Deny wins, and what nothing allows is
// denied. The second result is AWS's words for why.
func decideAccess(documents []identityPolicy, a access) (allowed bool, why string) {
	for _, p := range documents {
		for _, s := range p.statements {
			switch {
			case !s.matches(a):
			case s.deny:
				return false, "with an explicit deny in an identity-based policy"
			default:
				allowed = true
			}
		}
	}
	if !allowed {
		return false, "because no identity-based policy allows the " + a.action + " action"
	}
	return true, ""
}

// matches says whether the statement speaks of the access. An Allow must speak of every resource that
// the request touches, a Deny of one of them.
func (s policyStatement) matches(a access) bool {
	covers := func(patterns []string, is string, fold bool) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			if fold { // the names of actions are compared without regard to case
				return wildcard(strings.ToLower(p), strings.ToLower(is))
			}
			return wildcard(p, is)
		})
	}
	if len(s.actions) > 0 && !covers(s.actions, a.action, true) || covers(s.notActions, a.action, true) {
		return false
	}
	resources := a.resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	spoken := func(r string) bool {
		return (len(s.resources) == 0 || covers(s.resources, r, false)) && !covers(s.notResources, r, false)
	}
	if s.deny {
		if !slices.ContainsFunc(resources, spoken) {
			return false
		}
	} else if slices.ContainsFunc(resources, func(r string) bool { return !spoken(r) }) {
		return false
	}
	return !slices.ContainsFunc(s.conditions, func(c policyCondition) bool { return !c.holds(a.keys) })
}

// holds says whether the condition holds. A key that the request does not have makes an operator
// fail, and a negated one hold.
func (c policyCondition) holds(keys map[string]string) bool {
	is, has := keys[c.key]
	operator := strings.Replace(c.operator, "Not", "", 1)
	negated := operator != c.operator
	if !has {
		return c.ifExists || negated
	}
	test := conditionOperators()[operator]
	return slices.ContainsFunc(c.values, func(want string) bool { return test(want, is) }) != negated
}

// oneOrMore is a JSON value or a list of such: policies may have either.
type oneOrMore[T any] []T

// UnmarshalJSON reads a value or a list.
func (o *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return strictJSON(b, (*[]T)(o))
	}
	var one T
	if err := strictJSON(b, &one); err != nil {
		return err
	}
	*o = oneOrMore[T]{one}
	return nil
}

// scalar is a condition's value: a string, or true and numbers as text.
type scalar string

// UnmarshalJSON reads a string, a boolean or a number.
func (s *scalar) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		*s = scalar(v)
	case bool, float64:
		*s = scalar(strings.TrimSpace(string(b)))
	default:
		return fmt.Errorf("a condition's value is text, a number or a boolean, not %s", clip(string(b)))
	}
	return nil
}

// strictJSON decodes one JSON value and refuses fields that it does not know.
func strictJSON(b []byte, to any) error {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if d.More() {
		return errors.New("there is something after the JSON value")
	}
	return nil
}
