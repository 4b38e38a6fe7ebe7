package lab

import (
	"strings"
	"testing"
)

func TestPrincipalCovers(t *testing.T) {
	t.Parallel()
	const (
		user        = "arn:aws:iam::222222222222:user/lab"
		pathUser    = "arn:aws:iam::222222222222:user/team/lab"
		session     = "arn:aws:sts::222222222222:assumed-role/Deployer/run-1"
		rootSession = "arn:aws:iam::222222222222:root"
	)
	for _, c := range []struct {
		name, allowed, caller string
		want                  bool
	}{
		{"everybody", "*", user, true},
		{"root covers a user", "arn:aws:iam::222222222222:root", user, true},
		{"root covers a role's session", "arn:aws:iam::222222222222:root", session, true},
		{"root of another account", "arn:aws:iam::333333333333:root", user, false},
		{"the role of a session", "arn:aws:iam::222222222222:role/Deployer", session, true},
		{"another role of the account", "arn:aws:iam::222222222222:role/Other", session, false},
		{"a role does not cover a user", "arn:aws:iam::222222222222:role/Deployer", user, false},
		{"a role's name of another account", "arn:aws:iam::333333333333:role/Deployer", session, false},
		{"a role called as the session is", "arn:aws:iam::222222222222:role/run-1", session, false},
		{"the user", "arn:aws:iam::222222222222:user/lab", user, true},
		{"the user, whose path is not given", "arn:aws:iam::222222222222:user/lab", pathUser, true},
		{"the path is not the user", "arn:aws:iam::222222222222:user/team", pathUser, false},
		{"a user does not cover a session", "arn:aws:iam::222222222222:user/Deployer", session, false},
		{"a user does not cover the root user", "arn:aws:iam::222222222222:user/root", rootSession, false},
		{"names are case-sensitive", "arn:aws:iam::222222222222:role/deployer", session, false},
		{"a path covers nobody", "arn:aws:iam::222222222222:role/team/Deployer", session, false},
		{"a service covers nobody here", "ec2.amazonaws.com", user, false},
		{"an organizational unit covers nobody here", "arn:aws:organizations::222222222222:ou/o-a1b2c3d4e5/ou-ab12-cdefghij", user, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := principalCovers(c.allowed, &accessKey{account: "222222222222", arn: c.caller}); got != c.want {
				t.Errorf("principalCovers(%q, %q) = %t, want %t", c.allowed, c.caller, got, c.want)
			}
		})
	}
}

func TestParsePrincipal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, kind string }{
		{"*", principalAll},
		{"arn:aws:iam::222222222222:root", principalAccount},
		{"arn:aws-cn:iam::222222222222:root", principalAccount},
		{"arn:aws-us-gov:iam::222222222222:role/R", principalRole},
		{"arn:aws:iam::222222222222:role/R", principalRole},
		{"arn:aws:iam::222222222222:user/a.b@c", principalUser},
		{"lambda.amazonaws.com", principalService},
		{"arn:aws:organizations::222222222222:ou/o-a1b2c3d4e5/ou-ab12-cdefghij", principalUnit},
		{"", ""},
		{"222222222222", ""},
		{"**", ""},
		{"arn:aws:iam::22222222222:root", ""},
		{"arn:aws:iam::222222222222:role/team/R", ""},
		{"arn:aws:iam::222222222222:user/team/U", ""},
		{"arn:aws:iam::222222222222:role/", ""},
		{"arn:aws:iam::222222222222:group/G", ""},
		{"arn:aws:iam::222222222222:*", ""},
		{"arn:aws:iam:eu-west-1:222222222222:root", ""},
		{"arn:aws:sts::222222222222:assumed-role/R/s", ""},
		{"arn:aws:s3::222222222222:root", ""},
		{"arn:aws:iam::222222222222:root\n", ""},
	} {
		t.Run(c.in, func(t *testing.T) {
			t.Parallel()
			p, err := parsePrincipal(c.in)
			if (err == nil) != (c.kind != "") || p.kind != c.kind {
				t.Errorf("parsePrincipal(%q) = %+v, %v; want kind %q", c.in, p, err, c.kind)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "InvalidPrincipal: Invalid Principal: '") {
				t.Errorf("parsePrincipal(%q) says %q", c.in, err)
			}
		})
	}
}

// A principal never covers somebody of another account, unless it is everybody, whatever it and the
// caller's ARN look like.
func FuzzPrincipalCovers(f *testing.F) {
	for _, allowed := range []string{"*", "arn:aws:iam::222222222222:root", "arn:aws:iam::333333333333:role/R", "arn:aws:iam::333333333333:user/a/b", "x.amazonaws.com", "arn:aws:iam::333333333333:role/\x1b[31m"} {
		f.Add(allowed, "arn:aws:sts::222222222222:assumed-role/R/s")
		f.Add(allowed, "arn:aws:iam::222222222222:user/a/b")
	}
	f.Fuzz(func(t *testing.T, allowed, arn string) {
		p, err := parsePrincipal(allowed)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\n\r") || len(err.Error()) > 2000 {
				t.Errorf("the message about %q is not fit to print: %q", allowed, err)
			}
		}
		parts := strings.SplitN(arn, ":", 6)
		if len(parts) != 6 || len(parts[4]) != 12 {
			return
		}
		caller := &accessKey{account: parts[4], arn: arn}
		if principalCovers(allowed, caller) && (err != nil || p.kind != principalAll && p.account != caller.account) {
			t.Errorf("principal %q covers %q", allowed, arn)
		}
	})
}
