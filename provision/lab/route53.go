package lab

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// globalRegion is where Route 53 is, wherever its requests are signed for.
const globalRegion = "us-east-1"

// route is a Route 53 operation: a method, and a path in which * stands for an id.
type route struct {
	method, path, name string
	mutates            bool
	status             int // 0: 200
	run                func(c *call, r *restRequest) (any, error)
}

// restRequest is what an operation gets from its HTTP request.
type restRequest struct {
	ids   []string // for the *s of the path
	query url.Values
	body  []byte
}

// located is a result that has a Location header.
type located interface{ location() string }

func route53Routes() []route {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return []route{
		{post, "hostedzone", "CreateHostedZone", true, http.StatusCreated, createHostedZone},
		{get, "hostedzone", "ListHostedZones", false, 0, listHostedZones},
		{get, "hostedzone/*", "GetHostedZone", false, 0, getHostedZone},
		{del, "hostedzone/*", "DeleteHostedZone", true, 0, deleteHostedZone},
		{post, "hostedzone/*/rrset", "ChangeResourceRecordSets", true, 0, changeResourceRecordSets},
		{get, "hostedzone/*/rrset", "ListResourceRecordSets", false, 0, listResourceRecordSets},
		{post, "hostedzone/*/associatevpc", "AssociateVPCWithHostedZone", true, 0, associateVPC},
		{post, "hostedzone/*/disassociatevpc", "DisassociateVPCFromHostedZone", true, 0, disassociateVPC},
		{get, "hostedzonesbyname", "ListHostedZonesByName", false, 0, listHostedZonesByName},
		{get, "hostedzonesbyvpc", "ListHostedZonesByVPC", false, 0, listHostedZonesByVPC},
		{get, "change/*", "GetChange", false, 0, getChange},
		{get, "testdnsanswer", "TestDNSAnswer", false, 0, testDNSAnswer},
		{post, "tags/*/*", "ChangeTagsForResource", true, 0, changeTagsForResource},
		{get, "tags/*/*", "ListTagsForResource", false, 0, listTagsForResource},
		{post, "tags/*", "ListTagsForResources", false, 0, listTagsForResources},
	}
}

// rest runs a Route 53 operation.
func (s *server) rest(r *http.Request, c *call, body []byte, record *Request, out reply) (reply, error) {
	c.region, record.Region = globalRegion, globalRegion
	segments := restSegments(r.URL, out.service.Version)
	var op *route
	request := &restRequest{query: r.URL.Query(), body: body}
	for i := range s.routes {
		if ids, ok := matchRoute(s.routes[i].path, segments); ok && s.routes[i].method == r.Method {
			op, request.ids = &s.routes[i], ids
			break
		}
	}
	if op != nil {
		c.action, record.Action, record.Write = op.name, op.name, op.mutates
	}
	if !s.throttle.allow(c.account, c.service, record.Time) {
		return out, throttled(out.service)
	}
	if op == nil {
		s.log.Warn("the lab does not have this operation", "service", c.service, "method", clip(r.Method), "path", clip(r.URL.Path))
		return out, wire.Errorf(http.StatusNotFound, "UnknownOperationException", "The lab does not have the operation %s %s", clip(r.Method), clip(r.URL.Path))
	}
	encoded, err := s.run(c, op.mutates, func() ([]byte, error) {
		result, err := op.run(c, request)
		if err != nil {
			return nil, err
		}
		if l, ok := result.(located); ok {
			out.location = l.location()
		}
		return out.service.Response(op.name, c.id, result)
	})
	if err != nil {
		return out, err
	}
	out.body = encoded
	if op.status != 0 {
		out.status = op.status
	}
	return out, nil
}

// restSegments splits a path below the API version. Some clients leave /hostedzone/ or /change/ in
// front of the id, escaped or not, and some end a path with a slash.
func restSegments(u *url.URL, version string) []string {
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/"+version+"/")
	if !ok {
		return nil
	}
	for _, kind := range []string{"hostedzone/", "change/"} {
		rest = strings.Replace(rest, kind+"/"+kind, kind, 1)
	}
	segments := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil {
			segments[i] = plain
		}
	}
	return segments
}

func matchRoute(path string, segments []string) (ids []string, ok bool) {
	want := strings.Split(path, "/")
	if len(want) != len(segments) {
		return nil, false
	}
	for i, w := range want {
		switch {
		case w == "*" && segments[i] != "":
			ids = append(ids, segments[i])
		case w != segments[i]:
			return nil, false
		}
	}
	return ids, true
}

// plainID takes the prefix off an id that carries one, such as /hostedzone/Z….
func plainID(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// invalidInput is Route 53's error for most of what is wrong with a request.
func invalidInput(format string, args ...any) *wire.Error {
	return wire.Errorf(400, "InvalidInput", format, args...)
}

// maxItems reads maxitems: limit when it is not sent or larger.
func (r *restRequest) maxItems(limit int) (int, error) {
	s := r.query.Get("maxitems")
	if s == "" {
		return limit, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, invalidInput("Invalid value '%s' for maxitems: expected a number of at least 1", s)
	}
	return min(n, limit), nil
}

// zone finds a hosted zone of the caller.
func (c *call) hostedZone(id string) (*hostedZone, error) {
	id = plainID(id)
	if z := c.hostedZones[id]; z != nil && z.account == c.account {
		return z, nil
	}
	return nil, wire.Errorf(404, "NoSuchHostedZone", "No hosted zone found with ID: %s", id)
}
