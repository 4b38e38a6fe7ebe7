package lab

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"time"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// stsOperations are STS's. They leave no trace that packets or names could notice.
func stsOperations() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity": {run: getCallerIdentity},
		"AssumeRole":        {run: assumeRole},
	}
}

func getCallerIdentity(c *call) (any, error) {
	return struct {
		ARN     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string `xml:"Account"`
	}{c.caller.arn, c.caller.userID, c.account}, nil
}

type assumedRole struct {
	Credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	AssumedRoleUser struct {
		AssumedRoleID string `xml:"AssumedRoleId"`
		ARN           string `xml:"Arn"`
	}
}

func assumeRole(c *call) (any, error) {
	roleARN, session := c.params.String("RoleArn"), c.params.String("RoleSessionName")
	duration, err := c.params.Int("DurationSeconds", 3600)
	if err != nil {
		return nil, err
	}
	isSession := c.caller.token != ""
	switch {
	case roleARN == "":
		return nil, constraint("", "roleArn", "Member must not be null")
	case session == "":
		return nil, constraint("", "roleSessionName", "Member must not be null")
	case len(session) < 2:
		return nil, constraint(session, "roleSessionName", "Member must have length greater than or equal to 2")
	case len(session) > 64:
		return nil, constraint(session, "roleSessionName", "Member must have length less than or equal to 64")
	case !isName(session):
		return nil, constraint(session, "roleSessionName", `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	case duration < 900:
		return nil, constraint(itoa(duration), "durationSeconds", "Member must have value greater than or equal to 900")
	case duration > 43200:
		return nil, constraint(itoa(duration), "durationSeconds", "Member must have value less than or equal to 43200")
	case isSession && duration > 3600:
		return nil, wire.Errorf(400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	account, path, name, ok := splitRoleARN(roleARN)
	if !ok {
		return nil, wire.Errorf(400, "ValidationError", "%s is invalid", roleARN)
	}
	// STS does not tell whether the role exists, whom it trusts, or that the external id was wrong.
	denied := wire.Errorf(403, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.caller.arn, roleARN)
	owner := c.accounts[account]
	if owner == nil {
		return nil, denied
	}
	r := owner.roles[name]
	if r == nil || r.path != path || !c.trusted(r) || r.externalID != "" && c.params.String("ExternalId") != r.externalID {
		return nil, denied
	}

	for id, k := range c.keys {
		// An hour after its end nobody needs to be told any more that a session is over.
		if !k.expires.IsZero() && c.now.Sub(k.expires) > time.Hour {
			delete(c.keys, id)
		}
	}
	k := &accessKey{
		id: "ASIALAB" + c.ids.upper(13), secret: c.mixed(40), token: "lab" + c.mixed(200), account: account,
		arn:     c.arn("sts", "", account, "assumed-role/"+name+"/"+session), // without the role's path
		userID:  roleID(account, name) + ":" + session,
		expires: c.now.Add(time.Duration(duration) * time.Second),
		grants:  r.grants,
	}
	c.keys[k.id] = k
	var out assumedRole
	out.Credentials.AccessKeyID, out.Credentials.SecretAccessKey, out.Credentials.SessionToken = k.id, k.secret, k.token
	out.Credentials.Expiration = k.expires.UTC().Format("2006-01-02T15:04:05Z")
	out.AssumedRoleUser.AssumedRoleID, out.AssumedRoleUser.ARN = k.userID, k.arn
	return out, nil
}

// constraint is the error for a parameter that does not fit the service's model.
func constraint(value, member, rule string) error {
	shown := "null"
	if value != "" {
		shown = "'" + value + "'"
	}
	return wire.Errorf(400, "ValidationError", "1 validation error detected: Value %s at '%s' failed to satisfy constraint: %s", shown, member, rule)
}

// trusted says whether the role's trust policy lets the caller in: by account, user, role or
// session. An empty policy trusts every account of the lab.
func (c *call) trusted(r *role) bool {
	if len(r.trusts) == 0 {
		return true
	}
	for _, t := range r.trusts {
		switch t {
		case c.account, c.arn("iam", "", c.account, "root"), c.caller.arn, "*":
			return true
		}
		if account, _, name, ok := splitRoleARN(t); ok && account == c.account &&
			strings.HasPrefix(c.caller.arn, c.arn("sts", "", account, "assumed-role/"+name+"/")) {
			return true
		}
	}
	return false
}

// splitRoleARN takes arn:aws:iam::ACCOUNT:role/PATH/NAME apart.
func splitRoleARN(s string) (account, path, name string, ok bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] != "aws" || parts[2] != "iam" || parts[3] != "" {
		return "", "", "", false
	}
	full, ok := strings.CutPrefix(parts[5], "role/")
	slash := strings.LastIndexByte("/"+full, '/')
	path, name = ("/" + full)[:slash+1], ("/" + full)[slash+1:]
	return parts[4], path, name, ok && isName(name)
}

// roleID is the unique id of a role, always the same for the same role.
func roleID(account, name string) string {
	sum := sha256.Sum256([]byte(account + "/" + name))
	return "AROA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}
