package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/linkassay/linkassay/reports/live/history"
)

// historyFlags say where the canary keeps its history.
type historyFlags struct {
	path string
	age  ageFlag
	size sizeFlag
}

func (f *historyFlags) register(cmd *cobra.Command) {
	f.age, f.size = ageFlag(history.DefaultAge), history.DefaultSize
	cmd.Flags().StringVar(&f.path, "history", "", "file that keeps rounds and incidents for the status page, and what --state keeps")
	cmd.Flags().Var(&f.age, "history-age", fmt.Sprintf("how long good rounds are kept in it; others are kept %d times as long", history.Longer))
	cmd.Flags().Var(&f.size, "history-size", "how large it may become; the oldest goes first")
}

func (f *historyFlags) check(given func(string) bool) error {
	switch {
	case f.path == "" && (given("history-age") || given("history-size")):
		return usageError("--history-age and --history-size need --history FILE")
	case strings.Contains(f.path, "://"):
		return usageError("--history %q: expected a file on a disk of this host", f.path)
	case time.Duration(f.age) < history.LeastAge:
		return usageError("--history-age %s: expected at least %s", &f.age, history.LeastAge)
	case f.size < history.LeastSize:
		least := sizeFlag(history.LeastSize)
		return usageError("--history-size %s: expected at least %s", &f.size, &least)
	}
	return nil
}

// open opens the history; nil without --history.
func (f *historyFlags) open(ctx context.Context, problem func(error)) (*history.History, error) {
	if f.path == "" {
		return nil, nil
	}
	h, err := history.Open(ctx, f.path, history.Options{Age: time.Duration(f.age), Size: int64(f.size), Problem: problem})
	if err != nil {
		return nil, withCode(exitUntold, fmt.Errorf("--history: %w", err))
	}
	return h, nil
}

// ageFlag is a flag for long times: what time.ParseDuration takes, and days such as 30d.
type ageFlag time.Duration

const day = 24 * time.Hour

func (a *ageFlag) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 100_000 {
			return fmt.Errorf("%q is no number of days", s)
		}
		*a = ageFlag(time.Duration(n) * day)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no time such as 30d or 12h", s)
	}
	*a = ageFlag(d)
	return nil
}

func (a *ageFlag) String() string {
	if d := time.Duration(*a); d%day != 0 || d == 0 {
		return d.String()
	}
	return strconv.Itoa(int(time.Duration(*a)/day)) + "d"
}

func (a *ageFlag) Type() string { return "time" }

// sizeFlag is a flag for sizes: a number of bytes, or one with a unit of 1,024 or 1,000.
type sizeFlag int64

// units are the suffixes of sizes, those that are part of others last.
func units() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}
}

func (b *sizeFlag) Set(s string) error {
	for _, u := range units() {
		if number, ok := strings.CutSuffix(s, u.name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
			if err != nil || n < 0 || n > 1<<50/u.bytes {
				break
			}
			*b = sizeFlag(n * u.bytes)
			return nil
		}
	}
	return fmt.Errorf("%q is no size such as 500MB or 1GiB", s)
}

func (b *sizeFlag) String() string {
	for _, u := range []string{"GiB", "MiB", "KiB"} {
		for _, k := range units() {
			if k.name == u && *b > 0 && int64(*b)%k.bytes == 0 {
				return strconv.FormatInt(int64(*b)/k.bytes, 10) + u
			}
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (b *sizeFlag) Type() string { return "size" }
