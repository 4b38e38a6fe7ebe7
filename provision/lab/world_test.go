package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linkassay/linkassay/provision/lab/internal/wire"
)

func TestAfterRunsInOrderAndStops(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	w := newWorld(Options{}, newIDSource(1), nil)
	var mu sync.Mutex
	var got []string
	ran := make(chan struct{}, 8)
	note := func(s string) func() {
		return func() {
			if w.mu.TryLock() {
				t.Error("a transition ran without the world's lock")
			}
			mu.Lock()
			got = append(got, s)
			mu.Unlock()
			ran <- struct{}{}
		}
	}
	w.mu.Lock() // callers hold it: after must not wait
	w.after(30*time.Millisecond, "late", note("late"))
	w.after(0, "first", note("first"))
	w.after(-time.Second, "past", note("past"))
	w.after(time.Hour, "never", note("never"))
	w.mu.Unlock()
	for range 3 {
		select {
		case <-ran:
		case <-time.After(10 * time.Second):
			t.Fatal("a transition did not run")
		}
	}
	w.close()
	w.close() // twice is harmless
	w.after(0, "closed", note("closed"))
	if want := []string{"past", "first", "late"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	goleak.VerifyNone(t, leaks)
}

func TestAllocate(t *testing.T) {
	t.Parallel()
	w := newWorld(Options{}, newIDSource(1), nil)
	t.Cleanup(w.close)
	s := &subnet{owned: owned{id: "subnet-1"}, cidr: netip.MustParsePrefix("10.0.0.16/28"), used: map[netip.Addr]string{}}
	addr := netip.MustParseAddr
	if a, err := w.allocate(s, addr("10.0.0.25")); err != nil || a != addr("10.0.0.25") {
		t.Fatalf("asked for 10.0.0.25: %v %v", a, err)
	}
	for _, tc := range []struct{ want, code string }{
		{"10.0.0.25", "InvalidIPAddress.InUse"},
		{"10.0.0.19", "InvalidParameterValue"},
		{"10.0.0.31", "InvalidParameterValue"},
		{"10.0.0.32", "InvalidParameterValue"},
	} {
		_, err := w.allocate(s, addr(tc.want))
		if e := new(wire.Error); !errors.As(err, &e) || e.Code != tc.code {
			t.Errorf("asked for %s: got %v, want %s", tc.want, err, tc.code)
		}
	}
	var got []string
	for freeAddresses(s) > 0 {
		a, err := w.allocate(s, netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.String())
	}
	want := []string{}
	for i := 20; i <= 30; i++ {
		if i != 25 {
			want = append(want, fmt.Sprintf("10.0.0.%d", i))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := w.allocate(s, netip.Addr{}); err == nil {
		t.Error("a full subnet gave an address")
	}
	delete(s.used, addr("10.0.0.22"))
	if a, err := w.allocate(s, netip.Addr{}); err != nil || a != addr("10.0.0.22") {
		t.Errorf("the one free address: %v %v", a, err)
	}
}

// A freed address rests while there are others: packets of its former owner may be on their way.
func TestAllocateDoesNotReuseAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(Options{}, newIDSource(1), nil)
	t.Cleanup(w.close)
	s := &subnet{owned: owned{id: "subnet-1"}, cidr: netip.MustParsePrefix("10.0.0.0/24"), used: map[netip.Addr]string{}}
	first, _ := w.allocate(s, netip.Addr{})
	delete(s.used, first)
	if second, err := w.allocate(s, netip.Addr{}); err != nil || second == first {
		t.Errorf("got %v after %v (%v)", second, first, err)
	}
}

func TestWildcard(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"*", "", true},
		{"?", "", false},
		{"a?c", "abc", true},
		{"a*c", "abbbc", true},
		{"a*c", "abbb", false},
		{"*b*", "abc", true},
		{`a\*c`, "a*c", true},
		{`a\*c`, "abc", false},
		{`a\?`, "a?", true},
		{`\\`, `\`, true},
		{`a\b`, `a\b`, true},
		{"ABC", "abc", false},
		{"**a**", "a", true},
		{"", "", true},
		{"é?", "éx", true},
	} {
		if got := wildcard(tc.pattern, tc.s); got != tc.want {
			t.Errorf("wildcard(%q, %q) = %v", tc.pattern, tc.s, got)
		}
	}
}

func FuzzWildcard(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add(`\*`, "*")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		wildcard(pattern, s) // ends, without a panic
		if !wildcard("*", s) {
			t.Errorf("* does not match %q", s)
		}
		if !wildcard("*"+pattern, "x") && wildcard(pattern, "x") {
			t.Errorf("%q matches x, with a star before it not", pattern)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	f.Add("MTExMTExMTExMTExL0Rlc2NyaWJlI-w", 3)
	f.Add("", 5)
	f.Fuzz(func(t *testing.T, token string, n int) {
		v := url.Values{"NextToken": {token}, "MaxResults": {fmt.Sprint(n)}}
		c := &call{account: "111111111111", action: "Describe", params: wire.NewParams(v)}
		items, _, err := page(c, []int{1, 2, 3, 4, 5, 6, 7}, 5, 1000)
		if err == nil && len(items) > 7 {
			t.Errorf("%d items", len(items))
		}
	})
}

func TestZoneMappings(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed < 50; seed++ {
		w := newWorld(Options{Accounts: []Account{{ID: "1"}, {ID: "2"}, {ID: "3"}}}, newIDSource(seed), nil)
		for _, r := range regions() {
			for _, pair := range [][2]string{{"1", "2"}, {"2", "3"}, {"1", "3"}} {
				for _, z := range w.zonesOf(pair[0], r.name) {
					if other := w.zoneName(pair[1], r.name, z.id); other == "" || other == z.name {
						t.Errorf("seed %d, %s: accounts %v call %s %q and %q", seed, r.name, pair, z.id, z.name, other)
					}
				}
			}
		}
		w.close()
	}
}
