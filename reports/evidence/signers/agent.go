package signers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// maxListed bounds how many of an agent's keys an error names.
const maxListed = 10

func openAgent(ctx context.Context, which string, o Options) (*Key, error) {
	socket := o.getenv(agentVariable)
	if socket == "" {
		return nil, fmt.Errorf("%s is not set: start ssh-agent and add the key with ssh-add", agentVariable)
	}
	wanted, blob := which, []byte(nil)
	if !strings.HasPrefix(which, fingerprintPrefix) {
		text, err := readKeyFile(which, false)
		if err != nil {
			return nil, fmt.Errorf("read the public key: %w", err)
		}
		if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
			clear(text)
			return nil, errors.New("it is a private key: name its public key file, or leave agent: out")
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			return nil, fmt.Errorf("read the public key: %w", err)
		}
		wanted, blob = ssh.FingerprintSHA256(key), key.Marshal()
	}
	public, err := findInAgent(ctx, socket, wanted, blob, o)
	if err != nil {
		return nil, err
	}
	var flags agent.SignatureFlags
	if public.Type() == ssh.KeyAlgoRSA {
		flags = agent.SignatureFlagRsaSha512
	}
	return &Key{public: public, sign: func(ctx context.Context, data []byte) (sig *ssh.Signature, err error) {
		err = withAgent(ctx, socket, o, func(a agent.ExtendedAgent) error {
			sig, err = a.SignWithFlags(public, data, flags)
			return err
		})
		return sig, err
	}}, nil
}

// findInAgent finds the key with the fingerprint and, if there is one, the blob.
func findInAgent(ctx context.Context, socket, wanted string, blob []byte, o Options) (ssh.PublicKey, error) {
	var keys []*agent.Key
	err := withAgent(ctx, socket, o, func(a agent.ExtendedAgent) (err error) {
		keys, err = a.List()
		return err
	})
	if err != nil {
		return nil, err
	}
	var there []string
	for _, k := range keys {
		if ssh.FingerprintSHA256(k) == wanted && (blob == nil || bytes.Equal(k.Blob, blob)) {
			return ssh.ParsePublicKey(k.Blob)
		}
		if len(there) < maxListed {
			there = append(there, fmt.Sprintf("%s (%s)", ssh.FingerprintSHA256(k), quote(k.Comment)))
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("ssh-agent has no keys, or is locked: add %s with ssh-add", wanted)
	}
	return nil, fmt.Errorf("ssh-agent has %d keys and not %s: it has %s", len(keys), wanted, strings.Join(there, ", "))
}

// withAgent connects for one exchange, bounded in time whatever the other end does.
func withAgent(ctx context.Context, socket string, o Options, use func(agent.ExtendedAgent) error) error {
	ctx, cancel := o.bound(ctx)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("reach ssh-agent at %s (%s): %w", quote(socket), agentVariable, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// Without its Close the client asks in this goroutine and leaves none behind.
	err = use(agent.NewClient(struct{ io.ReadWriter }{conn}))
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no answer in time: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("ask ssh-agent at %s: %w", quote(socket), err)
	}
	return nil
}
