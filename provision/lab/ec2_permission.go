package lab

import (
	"regexp"
	"slices"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// Kinds of principals, as EC2 writes them.
const (
	principalAll     = "All"
	principalAccount = "Account"
	principalRole    = "Role"
	principalUser    = "User"
	principalService = "Service"
	principalUnit    = "OrganizationUnit"
)

// principal is who may discover a service and ask for a connection.
type principal struct {
	kind    string
	account string // of an account, role or user
	name    string // of a role or user
}

var (
	accountID        = regexp.MustCompile(`^[0-9]{12}$`)
	principalName    = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{1,64}$`)
	servicePrincipal = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,100}[a-z0-9])?\.amazonaws\.com$`)
	partition        = regexp.MustCompile(`^aws(-[a-z]{1,12}){0,2}$`)
	organizationUnit = regexp.MustCompile(`^ou/o-[a-z0-9]{10,32}/ou-[a-z0-9-]{6,68}$`)
)

// parsePrincipal reads an allowed principal: *, an account's root, a role or user without a path
// (AWS does not support paths here), a service or an organizational unit.
func parsePrincipal(s string) (principal, error) {
	if s == "*" {
		return principal{kind: principalAll}, nil
	}
	if servicePrincipal.MatchString(s) {
		return principal{kind: principalService}, nil
	}
	// An STS session's ARN, or one with a path, is refused in these words. (For paths UNSOURCED.)
	bad := wire.Errorf(400, "InvalidPrincipal", "Invalid Principal: '%s'", shown(s))
	part := strings.SplitN(s, ":", 6)
	if len(part) != 6 || part[0] != "arn" || !partition.MatchString(part[1]) || part[3] != "" || !accountID.MatchString(part[4]) {
		return principal{}, bad
	}
	service, account, resource := part[2], part[4], part[5]
	kind, name, _ := strings.Cut(resource, "/")
	switch {
	case service == "organizations" && organizationUnit.MatchString(resource):
		return principal{kind: principalUnit}, nil
	case service != "iam":
	case resource == "root":
		return principal{kind: principalAccount, account: account}, nil
	case kind == "role" && principalName.MatchString(name):
		return principal{kind: principalRole, account: account, name: name}, nil
	case kind == "user" && principalName.MatchString(name):
		return principal{kind: principalUser, account: account, name: name}, nil
	}
	return principal{}, bad
}

// principalCovers says whether an allowed principal covers the caller. The lab has no organizations
// and no callers that are AWS services, so those principals cover nobody in it.
func principalCovers(allowed string, caller *accessKey) bool {
	p, err := parsePrincipal(allowed)
	if err != nil {
		return false
	}
	switch p.kind {
	case principalAll:
		return true
	case principalAccount:
		return p.account == caller.account
	}
	part := strings.SplitN(caller.arn, ":", 6)
	if len(part) != 6 || part[4] != p.account {
		return false
	}
	name := strings.Split(part[5], "/")
	switch p.kind {
	case principalRole:
		// arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION: it has lost the role's path, as the
		// principal has.
		return part[2] == "sts" && name[0] == "assumed-role" && len(name) == 3 && name[1] == p.name
	case principalUser:
		return part[2] == "iam" && name[0] == "user" && len(name) >= 2 && name[len(name)-1] == p.name
	}
	return false
}

type addedPrincipalItem struct {
	Kind      string `xml:"principalType"`
	Principal string `xml:"principal"`
	ID        string `xml:"servicePermissionId"`
	ServiceID string `xml:"serviceId"`
}

type modifyServicePermissionsResponse struct {
	Added  *wire.Set[addedPrincipalItem] `xml:"addedPrincipalSet"`
	Return bool                          `xml:"return"`
}

// modifyServicePermissions is ModifyVpcEndpointServicePermissions. What is added is effective a
// moment later; what is removed no longer counts at once, and leaves existing connections alone.
func modifyServicePermissions(c *call) (any, error) {
	s, err := c.ownService(c.params.String("ServiceId"))
	if err != nil {
		return nil, err
	}
	add := unique(c.params.List("AddAllowedPrincipals"))
	remove := unique(c.params.List("RemoveAllowedPrincipals"))
	if len(add)+len(remove) == 0 {
		// UNSOURCED code and text.
		return nil, wire.Errorf(400, "InvalidParameterCombination", "Either AddAllowedPrincipals or RemoveAllowedPrincipals must be given")
	}
	var adding []permission
	for _, a := range add {
		p, err := parsePrincipal(a)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(s.permissions, func(old permission) bool { return old.principal == a }) {
			adding = append(adding, permission{principal: a, kind: p.kind, from: c.now.Add(c.timing.Permission), tags: tags{}})
		}
	}
	for _, r := range remove {
		if _, err := parsePrincipal(r); err != nil {
			return nil, err
		}
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}

	answer := &modifyServicePermissionsResponse{Return: true}
	s.permissions = slices.DeleteFunc(s.permissions, func(p permission) bool { return slices.Contains(remove, p.principal) })
	for _, p := range adding {
		p.id = c.newID("vpce-svc-perm")
		s.permissions = append(s.permissions, p)
		if answer.Added == nil {
			answer.Added = &wire.Set[addedPrincipalItem]{}
		}
		answer.Added.Items = append(answer.Added.Items, addedPrincipalItem{Kind: p.kind, Principal: p.principal, ID: p.id, ServiceID: s.id})
	}
	return answer, nil
}

type allowedPrincipalItem struct {
	Kind      string             `xml:"principalType"`
	Principal string             `xml:"principal"`
	ID        string             `xml:"servicePermissionId"`
	ServiceID string             `xml:"serviceId"`
	Tags      *wire.Set[tagItem] `xml:"tagSet"`
}

type describeServicePermissionsResponse struct {
	Allowed   *wire.Set[allowedPrincipalItem] `xml:"allowedPrincipals"`
	NextToken string                          `xml:"nextToken,omitempty"`
}

// describeServicePermissions is DescribeVpcEndpointServicePermissions.
func describeServicePermissions(c *call) (any, error) {
	s, err := c.ownService(c.params.String("ServiceId"))
	if err != nil {
		return nil, err
	}
	filters, err := filtersFrom(c, "principal", "principal-type")
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(slices.Clone(s.permissions), func(p permission) bool {
		return !filters.match(func(name string) []string {
			switch name {
			case "principal":
				return []string{p.principal}
			case "principal-type":
				return []string{p.kind}
			}
			return p.tags.filter(name)
		})
	})
	found, next, err := page(c, found, 5, 1000)
	if err != nil {
		return nil, err
	}
	if err := dryRun(c); err != nil {
		return nil, err
	}
	items := make([]allowedPrincipalItem, 0, len(found))
	for _, p := range found {
		items = append(items, allowedPrincipalItem{Kind: p.kind, Principal: p.principal, ID: p.id, ServiceID: s.id, Tags: tagSet(p.tags)})
	}
	return &describeServicePermissionsResponse{Allowed: wire.SetOf(items), NextToken: next}, nil
}
