package lab

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// page cuts items by MaxResults and NextToken of an EC2 request and returns the token of the next
// page, "" on the last one. Without MaxResults all items come at once. Values above max count as
// max; below min they are refused.
func page[T any](c *call, items []T, min, max int) ([]T, string, error) {
	n, err := c.params.Int("MaxResults", 0)
	if err != nil {
		return nil, "", err
	}
	switch {
	case !c.params.Has("MaxResults"):
		n = len(items)
	case n < min:
		return nil, "", wire.Errorf(400, "InvalidParameterValue",
			"Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than or equal to %d.", n, min)
	case n > max:
		n = max
	}
	return cut(items, c, c.params.String("NextToken"), n,
		wire.Errorf(400, "InvalidPaginationToken", "The specified pagination token is invalid"))
}

// marked is page for ELBv2: PageSize and Marker.
func marked[T any](c *call, items []T) ([]T, string, error) {
	n, err := c.params.Int("PageSize", 400)
	if err != nil {
		return nil, "", err
	}
	if n < 1 || n > 400 {
		return nil, "", wire.Errorf(400, "ValidationError",
			"1 validation error detected: Value '%d' at 'pageSize' failed to satisfy constraint: Member must have value between 1 and 400, inclusive", n)
	}
	return cut(items, c, c.params.String("Marker"), n, wire.Errorf(400, "ValidationError", "Invalid marker"))
}

// cut takes n items from where the token points. Tokens are opaque to clients and belong to one
// operation of one account.
func cut[T any](items []T, c *call, token string, n int, bad *wire.Error) ([]T, string, error) {
	start := 0
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		owner, offset, ok := strings.Cut(string(raw), "#")
		start, _ = strconv.Atoi(offset)
		if err != nil || !ok || owner != c.account+"/"+c.action || start <= 0 {
			return nil, "", bad
		}
	}
	start = min(start, len(items)) // resources may have gone since
	end := min(start+n, len(items))
	next := ""
	if end < len(items) {
		next = base64.RawURLEncoding.EncodeToString([]byte(c.account + "/" + c.action + "#" + strconv.Itoa(end)))
	}
	return items[start:end], next, nil
}
