package lab

import (
	"cmp"
	"maps"
	"slices"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

// changeInfo is a change in answers.
type changeInfo struct {
	ID          string `xml:"Id"`
	Status      string
	SubmittedAt string
	Comment     string `xml:",omitempty"`
}

// changeResult is the answer of operations that only make a change.
type changeResult struct {
	Info changeInfo `xml:"ChangeInfo"`
}

func (ch *change) info() changeInfo {
	return changeInfo{"/change/" + ch.id, ch.status, timestamp(ch.submitted), ch.comment}
}

// submit makes a change to a zone that is INSYNC after Timing.Change. Only then do the name
// servers have the given record sets; nil ones are gone from them.
func (c *call) submit(z *hostedZone, comment string, sets map[recordKey]*recordSet) *change {
	ch := &change{id: "C" + c.ids.upper(20), status: "PENDING", submitted: c.now, comment: comment}
	c.changes[changeKey(c.account, ch.id)] = ch
	c.after(c.timing.Change, "Route 53 change "+ch.id, func() {
		if z.published == nil {
			z.published = map[recordKey]*recordSet{}
		}
		for key, set := range sets {
			if set == nil {
				delete(z.published, key)
			} else {
				z.published[key] = set
			}
		}
		ch.status = "INSYNC"
	})
	return ch
}

// changeKey keeps an account from seeing another's changes.
func changeKey(account, id string) string { return account + "/" + id }

func getChange(c *call, r *restRequest) (any, error) {
	id := plainID(r.ids[0])
	ch := c.changes[changeKey(c.account, id)]
	if ch == nil {
		return nil, wire.Errorf(404, "NoSuchChange", "Could not find resource with ID: %s", id)
	}
	return changeResult{ch.info()}, nil
}

// sortedRecords orders record sets as Route 53 does: by name with its labels reversed, then type.
func sortedRecords(sets map[recordKey]*recordSet) []*recordSet {
	type sortable struct {
		key string
		set *recordSet
	}
	all := make([]sortable, 0, len(sets))
	for _, set := range sets {
		all = append(all, sortable{sortKey(set.name), set})
	}
	slices.SortFunc(all, func(a, b sortable) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.set.kind, b.set.kind))
	})
	out := make([]*recordSet, len(all))
	for i, s := range all {
		out[i] = s.set
	}
	return out
}

// changeAll is what submit takes to publish all of a zone's records.
func (z *hostedZone) changeAll() map[recordKey]*recordSet { return maps.Clone(z.records) }
