package provision

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// errOldToken says that a client token led to something that was deleted long since.
var errOldToken = errors.New("the client token belongs to something that is gone")

// maxTokens is how many builds on the same ground get a token that survives an interruption.
const maxTokens = 5

// usableWait bounds how long a new service may answer 503 Unavailable; minutes have been seen.
const usableWait = 5 * time.Minute

// create calls a create operation with a client token. The token follows from what is built on what, so that a
// repetition after an interruption finds the first one's work. When it leads to something that was
// deleted since, or was built differently, the next token is taken.
func (b *builder) create(ctx context.Context, part, on string, call func(ctx context.Context, token string) error) error {
	begun := b.o.Now()
	passes := func(err error) bool {
		// What is named wrongly in the link file is not found either: that is not waited for as long.
		late := b.o.Now().Sub(begun) > consistencyWait
		return awsapi.IsCode(err, "Unavailable", "ServiceUnavailable") || !late && (notYet(err) || awsapi.IsCode(err, "InvalidServiceName"))
	}
	for attempt := 1; ; attempt++ {
		token := clientToken(b.link.Name, part, on, attempt)
		if attempt > maxTokens {
			token = clientToken(b.link.Name, part, on+strconv.FormatInt(b.o.Now().UnixNano(), 36), attempt)
		}
		err := b.try(ctx, "what it is built on", usableWait, passes, func(ctx context.Context) error { return call(ctx, token) })
		old := errors.Is(err, errOldToken) || awsapi.IsCode(err, "IdempotentParameterMismatch", "IdempotentInstanceTerminated")
		if !old {
			return err
		}
		if attempt > maxTokens+1 {
			return fmt.Errorf("create %s: %w", part, err)
		}
	}
}
