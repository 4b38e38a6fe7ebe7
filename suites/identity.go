package suites

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/onsi/gomega"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
)

// identityChecks: both sides can be asked, with credentials of the accounts that the link file names.
// With the wrong ones every other answer would be about another account.
func identityChecks() []Check {
	checks := []Check{clockCheck()}
	for _, s := range []Side{ProviderSide, ConsumerSide} {
		checks = append(checks, credentialsCheck(s))
	}
	for _, s := range []Side{ProviderSide, ConsumerSide} {
		checks = append(checks, accountCheck(s))
	}
	for _, s := range []Side{ProviderSide, ConsumerSide} {
		checks = append(checks, throttledCheck(s), mayReadCheck(s))
	}
	return checks
}

// partyOf is a side's part of the link file.
func partyOf(l provision.Link, s Side) provision.Party {
	if s == ConsumerSide {
		return l.Consumer.Party
	}
	return l.Provider.Party
}

// identityOf, apiOf and dryRunsOf are a side's items.
func identityOf(o *probes.Observation, s Side) *probes.Item[probes.Identity] {
	if s == ConsumerSide {
		return o.Consumer.Identity
	}
	return o.Provider.Identity
}

func apiOf(o *probes.Observation, s Side) *probes.Item[probes.API] {
	if s == ConsumerSide {
		return o.Consumer.API
	}
	return o.Provider.API
}

func dryRunsOf(o *probes.Observation, s Side) *probes.Item[[]probes.DryRun] {
	if s == ConsumerSide {
		return o.Consumer.DryRuns
	}
	return o.Provider.DryRuns
}

// itemsOf are the names of all items that a side's API answers. They are not to be changed.
func itemsOf(s Side) []string { return itemsOfSides()[s] }

var itemsOfSides = sync.OnceValue(func() map[Side][]string {
	items := map[Side][]string{}
	for _, name := range probes.ItemNames() {
		if !strings.HasPrefix(name, "dns.") && !strings.HasPrefix(name, "reach.") {
			items[sideOf(name)] = append(items[sideOf(name)], name)
		}
	}
	return items
})

// maxClockOffset is how far this host's clock may be off. AWS refuses signatures that are 15 minutes old
// or ahead; some services allow five.
const maxClockOffset = 5 * time.Minute

func clockCheck() Check {
	return check("identity.clock-right", "this host's clock agrees with the API's",
		revision(1), severity(Critical), side(Network),
		explains(probes.FailCredentials), wants("provider.api", "consumer.api"), rows("PL-CRED-004"),
		asserts("the Date header of the API's answers is within 5 minutes of this host's clock"),
		why("requests are signed with the time: AWS refuses those that are too old or ahead, as RequestExpired, AuthFailure or SignatureDoesNotMatch"),
		source("EC2 API reference, error codes RequestExpired and AuthFailure; IAM guide, Signature Version 4"),
		fix(func(o *probes.Observation) Fix {
			return Fix{Text: "set this host's clock (chronyc makestep, or what else keeps its time), and run again"}
		}),
		body(func(c *C, o *probes.Observation) {
			asked := false
			for _, s := range []Side{ProviderSide, ConsumerSide} {
				api, known := value(apiOf(o, s))
				if !known || !api.ClockKnown {
					continue
				}
				asked = true
				offset := api.ClockOffset.Round(time.Second)
				if offset.Abs() > maxClockOffset {
					c.Wrong(string(s)+" API", "its clock is %s from this host's", offset)
				} else {
					c.Fact(string(s)+" API", "its clock is %s from this host's", offset)
				}
			}
			if !asked {
				c.Skip("no API was asked that says what time it is")
			}
		}),
	)
}

// failures are the operations of a side whose answers are lacking in the class, each once, with what was
// said.
func failures(o *probes.Observation, s Side, class probes.FailureClass) (operations []string, said map[string]string) {
	said = map[string]string{}
	for _, item := range itemsOf(s) {
		m, _ := o.Meta(item)
		if f := m.Error; f != nil && f.Class == class {
			text := strings.TrimSpace(f.Code + " " + f.Message)
			if old, ok := said[f.Operation]; !ok {
				operations = append(operations, f.Operation)
				said[f.Operation] = text
			} else if strings.Contains(old, "not asked: ") {
				said[f.Operation] = text
			}
		}
	}
	slices.Sort(operations)
	return operations, said
}

// wereAsked ends the check where nothing of the side was asked.
func wereAsked(c *C, o *probes.Observation, s Side) {
	var why probes.Absence
	for _, item := range itemsOf(s) {
		m, ok := o.Meta(item)
		switch {
		case !ok || m.Absent == notRecorded:
		case m.Absent == "":
			return
		case why == "" || why == probes.NotConfigured:
			why = m.Absent
		}
	}
	switch why {
	case probes.NoProviderAccess, probes.NoConsumerAccess:
		c.Skip("%s", why)
	case probes.NotReached:
		c.Untold("interrupted")
	}
	c.Untold("nothing of the %s side was asked", s)
}

// asking declares a check that tells of failed questions of one class on a side.
func asking(id, title string, s Side, class probes.FailureClass, options ...option) Check {
	return check(id, title, append([]option{
		revision(1), severity(Critical), side(s), explains(class), wants(itemsOf(s)...),
		body(func(c *C, o *probes.Observation) {
			wereAsked(c, o, s)
			operations, said := failures(o, s, class)
			for _, op := range operations {
				c.Wrong(op, "%s", or(said[op], string(class)))
			}
			if len(operations) == 0 {
				c.Fact(string(class), "no call")
			}
		}),
	}, options...)...)
}

func credentialsCheck(s Side) Check {
	return asking("identity."+string(s)+"-credentials", "the "+string(s)+" side's credentials are valid", s, probes.FailCredentials,
		because("identity.clock-right"), rows("PL-CRED-001", "PL-CRED-004"),
		asserts("no call of the "+string(s)+" side fails for want of valid credentials: the profile is there, the role can be assumed, nothing has expired"),
		why("without them nothing can be asked of the "+string(s)+"'s account"),
		source("EC2 API reference, error codes AuthFailure, RequestExpired; STS API reference, AssumeRole, GetCallerIdentity"),
		fix(func(o *probes.Observation) Fix {
			f := Fix{
				Text:     "renew the credentials of account " + partyOf(o.Link, s).Account,
				Command:  command(o.Link, s, "sts", "get-caller-identity"),
				LinkFile: string(s) + ": a profile whose credentials work",
			}
			if role := partyOf(o.Link, s).Role; role != nil {
				f.Text = "let the profile's identity assume the role: its trust policy, the external id, and sts:AssumeRole"
				f.Command = command(o.Link, s, "sts", "assume-role", "--role-arn", role.ARN, "--role-session-name", "linkassay")
				f.LinkFile = string(s) + ".role: the arn and externalId that its trust policy asks for"
			}
			return f
		}),
	)
}

func throttledCheck(s Side) Check {
	return asking("identity."+string(s)+"-api-not-throttled", "the "+string(s)+"'s API keeps up with the calls", s, probes.FailThrottled,
		after("identity."+string(s)+"-credentials"), rows("PL-API-001"),
		asserts("no call of the "+string(s)+" side is still refused as one too many after all its repetitions (RequestLimitExceeded, EC2ThrottledException, Throttling)"),
		why("a throttled call has no answer: what rests on it can't be told"),
		source("PrivateLink guide, quotas: PrivateLink also throttles per organization; EC2 API reference, error code RequestLimitExceeded"),
		fix(func(o *probes.Observation) Fix {
			return Fix{
				Text:     "find what else calls the API in the account or its organization, and run again; give each call more time for repetitions",
				Command:  command(o.Link, s, "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventSource,AttributeValue=ec2.amazonaws.com"),
				LinkFile: "timeouts.api: more than " + o.Link.Timeouts.API.Or(provision.DefaultAPITimeout).String(),
			}
		}),
	)
}

func mayReadCheck(s Side) Check {
	return asking("identity."+string(s)+"-may-read", "the "+string(s)+" side's identity may read the link", s, probes.FailDenied,
		after("identity."+string(s)+"-credentials"), rows("PL-CRED-002"),
		asserts("no call that reads the "+string(s)+" side is refused by IAM (UnauthorizedOperation, AccessDenied)"),
		why("a refused call has no answer: what rests on it can't be told"),
		source("EC2 API reference, error code UnauthorizedOperation; IAM guide, policy evaluation logic"),
		fix(func(o *probes.Observation) Fix {
			operations, _ := failures(o, s, probes.FailDenied)
			for i, op := range operations {
				operations[i] = iamAction(op)
			}
			if len(operations) == 0 {
				operations = []string{"ec2:DescribeVpcEndpoints"}
			}
			return grant(o, s, "ReadLink", operations)
		}),
	)
}

// iamAction is the action that an operation needs: their names differ where a side could not even be
// found out about.
func iamAction(operation string) string {
	if strings.HasPrefix(operation, "open account ") {
		return "ec2:DescribeVpcEndpoint*"
	}
	return operation
}

// grant is the fix that lets a side's identity do the actions.
func grant(o *probes.Observation, s Side, name string, actions []string) Fix {
	if len(actions) > 5 { // a command is bounded: the reads of each service instead
		for i, a := range actions {
			service, _, _ := strings.Cut(a, ":")
			actions[i] = service + ":Describe*"
		}
	}
	document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + strings.Join(sorted(actions), `","`) + `"],"Resource":"*"}]}`
	arn := maybe(identityOf(o, s)).ARN
	kind, who := "user", "USER"
	switch role := roleOf(arn); {
	case role != "":
		kind, who = "role", role[strings.LastIndexByte(role, '/')+1:]
	case partyOf(o.Link, s).Role != nil:
		full := partyOf(o.Link, s).Role.ARN
		kind, who = "role", full[strings.LastIndexByte(full, '/')+1:]
	case strings.Contains(arn, ":user/"):
		who = arn[strings.LastIndexByte(arn, '/')+1:]
	}
	return Fix{
		Text: "allow the actions in the identity's policies, and look for a Deny in them, in its permissions boundary and in the organization's policies",
		Command: command(o.Link, s, "iam", "put-"+kind+"-policy", "--"+kind+"-name", who,
			"--policy-name", "Linkassay"+name, "--policy-document", document),
	}
}

func accountCheck(s Side) Check {
	item := string(s) + ".identity"
	return check("connection."+string(s)+"-account", "the "+string(s)+" credentials are the "+string(s)+"'s",
		revision(1), severity(Critical), side(s), needs(item), rows("PL-CRED-001"),
		asserts("sts:GetCallerIdentity Account equals "+string(s)+".account of the link file"),
		why("with credentials of another account its resources are described, and the link's own seem not to exist"),
		source("STS API reference, GetCallerIdentity"),
		fix(func(o *probes.Observation) Fix {
			want := partyOf(o.Link, s).Account
			return Fix{
				Text:     "use credentials of account " + want + ", or correct the account",
				Command:  command(o.Link, s, "sts", "get-caller-identity"),
				LinkFile: string(s) + ": set profile or role to one of account " + want + ", or account to the one meant",
			}
		}),
		body(func(c *C, o *probes.Observation) {
			is, _ := value(identityOf(o, s))
			want := partyOf(o.Link, s).Account
			c.Fact("caller", "%s", is.ARN)
			c.Expect(is.Account).To(gomega.Equal(want), "the %s side's credentials belong to account %s, not %s", s, is.Account, want)
		}),
	)
}
