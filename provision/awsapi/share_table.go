package awsapi

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// question is what an operation asks of a table: these ids, or all that pass every filter, or all.
type question struct {
	ids     []string
	filters []ec2types.Filter
}

// table is everything of one kind that an account has in a Region: it is read as a whole, page by page, and asked
// for a part of it. Where few ask, and the whole has many pages, each is asked for on its own.
type table[T any] struct {
	s    *store
	name string
	rare bool
	most int // pages that are read at most; beyond them each question is asked on its own
	// read reads all pages, or most, and says how many there were and whether it were all.
	read   func(ctx context.Context, most int) ([]T, int, bool, error)
	id     func(*T) string
	values func(t *T, filter string) ([]string, bool) // false: a filter that is not answered here
	wrap   func(items []T) any                        // the operation's output
	unwrap func(out any) []T                          // for saw alone
	saw    func(items []T, whole bool, at time.Time)  // is told what was read; nil: nobody is

	mu     sync.Mutex
	asked  map[string]bool // different questions since the epoch began, as many as matter
	few    int             // how many there were in the one before
	epoch  time.Time
	spent  int       // requests of their own in it
	late   int       // requests of their own that were to be younger, since lateAt, or since the whole was read
	lateAt time.Time // when the counting of those began
}

// listing is a table's content at one time.
type listing[T any] struct {
	items []T
	byID  map[string]int
	pages int
	large bool // there is more, or AWS does not give it: each question is asked on its own

	mu sync.Mutex
	by map[string]map[string][]int // by a filter's name, its value
}

// lateSpan is how long a table's requests for what is younger are counted together.
const lateSpan = 10 * time.Second

// ask answers from the whole, or by the request itself.
func (t *table[T]) ask(ctx context.Context, n need, in any, q question, direct func(context.Context) (any, error)) *answer {
	since := n.of(t.rare)
	key := keyOf(in)
	own, whole := t.s.lastOf(key), t.s.lastOf(t.whole())
	pages, large := size[T](whole)
	t.count(key, pages)
	if now := t.s.now().Round(0); own.good(since, now) && (whole == nil || !whole.began.After(own.began)) {
		return own
	} else if !large && whole.good(since, now) {
		if a := t.from(whole, q); a != nil {
			return a
		}
	} else if !large && !t.goesDirect(key, pages, since, n.fresh || whole.good(t.s.usual(t.rare), now)) {
		if whole = t.s.ask(ctx, t.whole(), since, t.readWhole); whole.err != nil {
			return whole
		}
		if a := t.from(whole, q); a != nil {
			return a
		}
	}
	return t.s.ask(ctx, key, since, func(ctx context.Context) (any, error) {
		at := t.s.now().Round(0)
		out, err := direct(ctx)
		if err == nil && t.saw != nil {
			t.saw(t.unwrap(out), false, at)
		}
		return out, err
	})
}

func (t *table[T]) whole() string { return "whole " + t.name }

// size is the number of pages that the whole had, and whether it is too large to be read; 0 pages are not known.
func size[T any](whole *answer) (pages int, large bool) {
	if whole == nil || whole.err != nil {
		return 0, false
	}
	l := whole.value.(*listing[T])
	return l.pages, l.large
}

// count notes that a question was asked. More than the whole has pages need not be told apart.
func (t *table[T]) count(key string, pages int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked == nil {
		t.asked = map[string]bool{}
	}
	if len(t.asked) <= pages {
		t.asked[key] = true
	}
}

// goesDirect decides how a question is asked that nobody has a young answer to. The whole is read where it costs less
// than the questions of the epoch before would. Who wants what is younger than others do (strict) makes requests of his
// own, which are as exact, until those have cost as much.
func (t *table[T]) goesDirect(key string, pages int, since time.Time, strict bool) bool {
	now := t.s.now().Round(0)
	t.mu.Lock()
	defer t.mu.Unlock()
	if strict {
		if now.Sub(t.lateAt) > lateSpan {
			t.late, t.lateAt = 0, now
		}
		t.late++
		return pages > 1 && t.late <= pages
	}
	if t.epoch.Before(since) {
		t.few, t.epoch, t.spent = len(t.asked), now, 0
		clear(t.asked)
		t.asked[key] = true
	}
	t.spent++
	return t.few < pages && t.spent <= pages
}

// readWhole reads all pages.
func (t *table[T]) readWhole(ctx context.Context) (any, error) {
	at := t.s.now().Round(0)
	items, pages, whole, err := t.read(ctx, t.most)
	switch {
	case isMalformed(err):
		whole = false // it can't be asked for as a whole: nobody's own question is to fail for that
	case err != nil:
		return nil, err
	}
	if !whole {
		return &listing[T]{pages: pages, large: true}, nil
	}
	l := &listing[T]{items: items, byID: make(map[string]int, len(items)), pages: pages, by: map[string]map[string][]int{}}
	for i := range items {
		l.byID[t.id(&items[i])] = i
	}
	if t.saw != nil {
		t.saw(items, true, at)
	}
	t.mu.Lock()
	t.late = 0
	t.mu.Unlock()
	return l, nil
}

// from takes a question's answer out of the whole; nil when the whole does not have it: AWS itself is to say so.
func (t *table[T]) from(whole *answer, q question) *answer {
	if whole.err != nil {
		return whole
	}
	l := whole.value.(*listing[T])
	if l.large {
		return nil
	}
	var found []int
	switch {
	case len(q.ids) > 0:
		for _, id := range q.ids {
			i, ok := l.byID[id]
			if !ok {
				return nil
			}
			found = append(found, i)
		}
		slices.Sort(found)
		found = slices.Compact(found)
	case len(q.filters) > 0:
		found = l.matching(t, q.filters)
	default:
		return &answer{began: whole.began, ended: whole.ended, value: t.wrap(l.items)}
	}
	items := make([]T, len(found))
	for i, at := range found {
		items[i] = l.items[at]
	}
	return &answer{began: whole.began, ended: whole.ended, value: t.wrap(items)}
}

// matching finds what passes all filters, in the order of the listing.
func (l *listing[T]) matching(t *table[T], filters []ec2types.Filter) []int {
	var found []int
	for n, f := range filters {
		var pass []int
		index := l.indexOf(t, *f.Name)
		for _, v := range f.Values {
			pass = append(pass, index[v]...)
		}
		slices.Sort(pass)
		if pass = slices.Compact(pass); n > 0 {
			pass = slices.DeleteFunc(pass, func(i int) bool { _, ok := slices.BinarySearch(found, i); return !ok })
		}
		found = pass
	}
	return found
}

// indexOf lists items by a filter's values. It is made when it is asked for first.
func (l *listing[T]) indexOf(t *table[T], filter string) map[string][]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if index, ok := l.by[filter]; ok {
		return index
	}
	index := map[string][]int{}
	for i := range l.items {
		values, _ := t.values(&l.items[i], filter)
		for _, v := range values {
			index[v] = append(index[v], i)
		}
	}
	l.by[filter] = index
	return index
}

// answers says whether the table knows all filters of a question. Values with wildcards are left to AWS.
func (t *table[T]) answers(q question) bool {
	var none T
	for _, f := range q.filters {
		if f.Name == nil || len(f.Values) == 0 || len(f.Values) > 200 || len(q.ids) > 0 {
			return false
		}
		if _, ok := t.values(&none, *f.Name); !ok {
			return false
		}
		for _, v := range f.Values {
			if v == "" || strings.ContainsAny(v, `*?\`) {
				return false
			}
		}
	}
	return true
}
