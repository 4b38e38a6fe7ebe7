package provision

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestNamesKeepTheLimitsOfAWS(t *testing.T) {
	t.Parallel()
	syntax := regexp.MustCompile(`^[a-z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$`)
	rapid.Check(t, func(t *rapid.T) {
		link := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?`).Draw(t, "link")
		other := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?`).Draw(t, "other")
		port := rapid.Uint16Min(1).Draw(t, "port")
		for _, name := range []string{stem(link), targetGroupName(link, port)} {
			if len(name) > 32 || !syntax.MatchString(name) {
				t.Errorf("%q: expected at most 32 letters, digits and inner hyphens", name)
			}
		}
		if link != other && stem(link) == stem(other) {
			t.Errorf("links %q and %q have the same names", link, other)
		}
		token := clientToken(link, partService, "arn", 1)
		if len(token) > 64 || token == clientToken(link, partService, "arn", 2) || token != clientToken(link, partService, "arn", 1) {
			t.Errorf("token %q", token)
		}
	})
	if stem("a-very-long-link-name-indeed-one") == stem("a-very-long-link-name-indeed-two") {
		t.Error("two long names are cut to the same")
	}
}

func TestSubnetBlocksNeverOverlap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(16, 28).Draw(t, "bits")
		block := netip.PrefixFrom(netip.MustParseAddr("10.20.0.0"), bits)
		var taken []netip.Prefix
		for {
			p, ok := freeBlock([]netip.Prefix{block}, taken)
			if !ok {
				break
			}
			if p.Bits() > 28 || !block.Overlaps(p) || p.Bits() < block.Bits() || p != p.Masked() {
				t.Fatalf("%s in %s", p, block)
			}
			for _, q := range taken {
				if p.Overlaps(q) {
					t.Fatalf("%s overlaps %s", p, q)
				}
			}
			taken = append(taken, p)
		}
		if len(taken) != subnetCount(block) {
			t.Errorf("%d subnets in %s, expected %d", len(taken), block, subnetCount(block))
		}
	})
	// What others have in the VPC is avoided, and a second block is used when the first is full.
	got, ok := freeBlock(
		[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/28"), netip.MustParsePrefix("10.1.0.0/16")},
		[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/28"), netip.MustParsePrefix("10.1.0.0/24")})
	if !ok || got.String() != "10.1.16.0/20" {
		t.Errorf("found %s, %t", got, ok)
	}
}

func TestZonePrefix(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"ap-southeast-1": "apse1", "us-east-1": "use1", "eu-central-2": "euc2", "us-gov-west-1": "usgw1",
		"ap-northeast-3": "apne3", "il-central-1": "ilc1", "eusc-de-east-1": "", "nowhere": "",
	} {
		if got := zonePrefix(region); got != want {
			t.Errorf("zone ids of %s begin with %q, expected %q", region, got, want)
		}
	}
}

func TestDefaultImageFitsTheProcessor(t *testing.T) {
	t.Parallel()
	for kind, arch := range map[string]string{
		"t4g.nano": "arm64", "t3.micro": "x86_64", "c7gn.large": "arm64", "g4dn.xlarge": "x86_64", "x2gd.medium": "arm64",
		"a1.medium": "arm64", "m7a.large": "x86_64", "g5g.xlarge": "arm64",
	} {
		if got := defaultImage(kind); !strings.HasSuffix(got, "-"+arch) {
			t.Errorf("%s gets %s, expected %s", kind, got, arch)
		}
	}
}

func TestUnquoteTXT(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"vpce:abc"`: "vpce:abc", `"a" "b"`: "ab", `"say \"hi\""`: `say "hi"`, `bare`: "bare", `""`: "", `"open`: "open",
	} {
		if got := UnquoteTXT(in); got != want {
			t.Errorf("%s reads as %q, expected %q", in, got, want)
		}
	}
}

func TestUserDataSaysItsPorts(t *testing.T) {
	t.Parallel()
	l := walkThrough()
	l.Ports = append(l.Ports, Port{Port: 8080}, Port{Port: 81, TargetPort: 8080}, Port{Port: 9443, TargetPort: 8443, TLS: &TLS{}})
	script := defaultUserData(&l)
	lines := strings.Split(script, "\n")
	if lines[0] != "#!/bin/bash" || lines[1] != "#linkassay:serve http=80,8080 https=443,8443" {
		t.Errorf("begins with %q", lines[:2])
	}
	if strings.Contains(script, "@") && regexp.MustCompile(`@[A-Z]+@`).MatchString(script) {
		t.Error("a place was not filled in")
	}
	if len(script) > maxUserData {
		t.Errorf("%d bytes, EC2 takes %d", len(script), maxUserData)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	check := exec.CommandContext(t.Context(), bash, "-n")
	check.Stdin = strings.NewReader(script)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("bash does not read it: %v\n%s", err, out)
	}
}

// events collects the messages of a run.
func events(into *[]string) Options {
	return Options{Timeout: time.Hour, Progress: func(e Event) { *into = append(*into, e.Message) }}
}

func TestWaitTellsStatesOnceAndPollsLessAndLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said []string
		r := newRunner("api", "apply", events(&said))
		begun, asked := time.Now(), 0
		err := r.wait(t.Context(), "the endpoint", 0, func(context.Context) (string, bool, error) {
			asked++
			if asked < 5 {
				return "pending", false, nil
			}
			return "available", time.Since(begun) > 10*time.Minute, nil
		})
		if err != nil || strings.Join(said, "|") != "waiting for the endpoint: pending|waiting for the endpoint: available" {
			t.Errorf("said %q, %v", said, err)
		}
		// 12 polls reach the longest pause; then one every 10 s.
		if asked < 60 || asked > 80 {
			t.Errorf("asked %d times in ten minutes", asked)
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said []string
		r := newRunner("api", "apply", events(&said))
		begun := time.Now()
		err := r.wait(t.Context(), "the endpoint", time.Minute, func(context.Context) (string, bool, error) { return "pending", false, nil })
		if err == nil || !strings.Contains(err.Error(), "gave up after 1m0s waiting for the endpoint, which is pending") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("took %s", took)
		}
	})
}

func TestWaitStopsWhenInterruptedOrAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRunner("api", "apply", Options{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := r.wait(ctx, "the endpoint", 0, func(context.Context) (string, bool, error) { return "pending", false, nil })
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted while waiting for the endpoint (pending)") {
			t.Errorf("error %v", err)
		}
		no := errors.New("rejected")
		if err := r.wait(t.Context(), "x", 0, func(context.Context) (string, bool, error) { return "", false, no }); !errors.Is(err, no) {
			t.Errorf("error %v", err)
		}
	})
}

func TestAnInterruptedStepSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	r := newRunner("api", "apply", Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := r.do(ctx, Step{Side: SideProvider, Name: "health"}, func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || err.Error() != "link api: interrupted while on the provider side's health: context canceled" {
		t.Errorf("error %v", err)
	}
}

func TestTryRepeatsOnlyWhatPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRunner("api", "apply", Options{})
		passes, n := errors.New("later"), 0
		is := func(err error) bool { return errors.Is(err, passes) }
		if err := r.try(t.Context(), "x", time.Minute, is, func(context.Context) error {
			if n++; n < 4 {
				return passes
			}
			return nil
		}); err != nil || n != 4 {
			t.Errorf("%v after %d calls", err, n)
		}
		if err := r.try(t.Context(), "x", time.Minute, is, func(context.Context) error { return passes }); !errors.Is(err, passes) {
			t.Errorf("what never passed gave %v", err)
		}
		final := errors.New("no")
		n = 0
		if err := r.try(t.Context(), "x", time.Minute, is, func(context.Context) error { n++; return final }); !errors.Is(err, final) || n != 1 {
			t.Errorf("%v after %d calls", err, n)
		}
	})
}

func TestDuration(t *testing.T) {
	t.Parallel()
	var d Duration
	if err := d.UnmarshalText([]byte("1m30s")); err != nil || time.Duration(d) != 90*time.Second || d.String() != "1m30s" {
		t.Errorf("%s, %v", d, err)
	}
	if err := d.UnmarshalText([]byte(strconv.Itoa(3))); err == nil || !strings.Contains(err.Error(), "with a unit") {
		t.Errorf("a bare number gave %v", err)
	}
	if Duration(0).Or(time.Second) != time.Second || Duration(5).Or(time.Second) != 5 {
		t.Error("Or")
	}
}
