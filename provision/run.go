package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// The two sides, as they stand in steps, events and leftovers.
const (
	SideProvider = "provider"
	SideConsumer = "consumer"
)

// Step is one thing that Apply or Destroy does.
type Step struct {
	Side string `json:"side"` // provider or consumer
	Name string `json:"step"` // such as "load balancer"
	What string `json:"what"` // in words, such as "create the internal Network Load Balancer linkassay-api"
}

// Event is one line of progress.
type Event struct {
	Time    time.Time
	Side    string
	Step    string
	Message string
	Done    bool // the step is over; Err says how
	Err     error
	Elapsed time.Duration // since the step began
}

// Options steer Apply and Destroy.
type Options struct {
	// Progress gets every event, one at a time; nil: nobody looks.
	Progress func(Event)
	// Timeout bounds each single wait (a load balancer that becomes active, a deletion); default
	// DefaultWait.
	Timeout time.Duration
	// Now is the clock of events; default time.Now.
	Now func() time.Time
}

// DefaultWait bounds a wait where Options gives no timeout. AWS needs minutes for load balancers and
// endpoints.
const DefaultWait = 15 * time.Minute

// StepError says which step of which link failed.
type StepError struct {
	Link string
	Step Step
	Err  error
}

func (e *StepError) Error() string {
	s := fmt.Sprintf("link %s: %s side: %s: %v", e.Link, e.Step.Side, e.Step.Name, e.Err)
	if hint := e.hint(); hint != "" {
		s += " (" + hint + ")"
	}
	return s
}

// Unwrap gives the reason.
func (e *StepError) Unwrap() error { return e.Err }

func (e *StepError) hint() string {
	var api *callError
	if !errors.As(e.Err, &api) {
		return ""
	}
	switch api.class {
	case awsapi.ClassCredentials:
		return "check the " + e.Step.Side + " side's profile or role, and this host's clock"
	case awsapi.ClassDenied:
		return "allow it in the IAM policy of the " + e.Step.Side + " side's credentials"
	case awsapi.ClassThrottled:
		return "AWS throttles this account; run it again to go on"
	case awsapi.ClassNetwork:
		return "is the AWS API in reach? run it again to go on"
	}
	return ""
}

// callError is a failed AWS call: what was attempted, with a message that is safe to print.
type callError struct {
	what                 string
	class, code, message string
	err                  error
}

func (e *callError) Error() string {
	if e.code != "" && e.message != e.code {
		return fmt.Sprintf("%s: %s: %s", e.what, e.code, e.message)
	}
	return e.what + ": " + e.message
}

func (e *callError) Unwrap() error { return e.err }

// attempted wraps an AWS error with what was attempted; nil stays nil.
func attempted(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	e := &callError{what: fmt.Sprintf(format, args...), err: err}
	e.class, e.code, e.message = awsapi.Classify(err)
	return e
}

// runner runs steps one after the other and tells what happens.
type runner struct {
	link    string
	verb    string // apply or destroy, for messages
	o       Options
	current Step
	started time.Time
}

func newRunner(link, verb string, o Options) runner {
	if o.Timeout <= 0 {
		o.Timeout = DefaultWait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return runner{link: link, verb: verb, o: o}
}

// do runs one step.
func (r *runner) do(ctx context.Context, s Step, f func(context.Context) error) error {
	r.current, r.started = s, r.o.Now()
	if err := ctx.Err(); err != nil {
		return r.interrupted(err)
	}
	r.emit(Event{Message: s.What})
	err := f(ctx)
	if errors.Is(err, errEnough) {
		r.emit(Event{Message: s.What, Done: true})
		return err
	}
	if err != nil {
		if cause := ctx.Err(); cause != nil {
			err = r.interrupted(cause)
		} else {
			err = &StepError{Link: r.link, Step: s, Err: err}
		}
	}
	r.emit(Event{Message: s.What, Done: true, Err: err})
	return err
}

// interrupted says where. What to do next is for the caller to say: apply can be run again, demo removes the link.
func (r *runner) interrupted(cause error) error {
	return fmt.Errorf("link %s: interrupted while on the %s side's %s: %w", r.link, r.current.Side, r.current.Name, cause)
}

// say tells something about the current step.
func (r *runner) say(format string, args ...any) {
	r.emit(Event{Message: fmt.Sprintf(format, args...)})
}

func (r *runner) emit(e Event) {
	if r.o.Progress == nil {
		return
	}
	e.Time, e.Side, e.Step = r.o.Now(), r.current.Side, r.current.Name
	e.Elapsed = e.Time.Sub(r.started)
	r.o.Progress(e)
}

// The pace of polling: quick at first, because a lab is quick, then kind to the API's limits.
const (
	firstPause  = 200 * time.Millisecond
	lastPause   = 10 * time.Second
	pauseGrowth = 1.4
)

// wait asks until done, and tells each new state. An error ends it at once. It is bounded by the
// options' timeout, or by most when that is shorter and not zero.
func (r *runner) wait(ctx context.Context, what string, most time.Duration,
	ask func(context.Context) (state string, done bool, err error),
) error {
	bound := r.o.Timeout
	if most > 0 && most < bound {
		bound = most
	}
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	told, pause := "", firstPause
	for {
		state, done, err := ask(ctx)
		if err != nil || done {
			return err
		}
		if state != told {
			r.say("waiting for %s: %s", what, state)
			told = state
		}
		next := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			next.Stop()
			return fmt.Errorf("interrupted while waiting for %s (%s): %w", what, state, ctx.Err())
		case <-deadline.C:
			next.Stop()
			return fmt.Errorf("gave up after %s waiting for %s, which is %s; run %s again to go on waiting",
				bound, what, state, r.verb)
		case <-next.C:
		}
		pause = min(time.Duration(float64(pause)*pauseGrowth), lastPause)
	}
}

// consistencyWait bounds how long AWS may not know yet what it has just made.
const consistencyWait = time.Minute

// try repeats a call as long as it fails in a way that passes by itself.
func (r *runner) try(ctx context.Context, what string, most time.Duration, passes func(error) bool, call func(context.Context) error) error {
	var last error
	err := r.wait(ctx, what, most, func(ctx context.Context) (string, bool, error) {
		last = call(ctx)
		switch {
		case last == nil:
			return "", true, nil
		case ctx.Err() != nil || !passes(last):
			return "", false, last
		}
		_, code, message := awsapi.Classify(last)
		return strings.TrimSuffix("not possible yet: "+code+": "+message, ": "), false, nil
	})
	if err != nil && last != nil && ctx.Err() == nil {
		return last // the reason says more than that the time is over
	}
	return err
}

// notYet says that AWS does not know yet what it has made a moment ago.
func notYet(err error) bool {
	_, code, _ := awsapi.Classify(err)
	return strings.HasSuffix(code, ".NotFound") || strings.HasSuffix(code, "NotFound")
}

// anyOf is a test for AWS error codes.
func anyOf(codes ...string) func(error) bool {
	return func(err error) bool { return awsapi.IsCode(err, codes...) }
}
