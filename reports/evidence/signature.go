package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/reports/evidence/internal/sshsig"
)

// Namespace is what every seal is signed for, as ssh-keygen -Y takes it with -n.
const Namespace = sshsig.Namespace

// Signature says what the signature of a bundle is worth.
type Signature struct {
	// Status is unsigned, unknown (the signature is good, and nobody vouches for its key) or allowed.
	Status SignatureStatus `json:"status"`
	Key    string          `json:"key,omitempty"` // fingerprint, as ssh-keygen -l prints it
	Type   string          `json:"type,omitempty"`
	// Signers are the principals that the list of allowed signers knows the key by.
	Signers []string `json:"signers,omitempty"`
}

// SignatureStatus is what is known of a bundle's signature.
type SignatureStatus string

// The statuses. A signature that does not verify, or whose key the list does not allow, refuses the bundle.
const (
	Unsigned   SignatureStatus = "unsigned"
	UnknownKey SignatureStatus = "unknown key"
	Allowed    SignatureStatus = "allowed"
)

// ErrAllowedSigners says that a list of allowed signers is wrong: nothing was verified.
var ErrAllowedSigners = errors.New("the list of allowed signers is wrong")

// AllowedSignersLine is a line of an allowed signers file that lets the key seal evidence and sign nothing else.
func AllowedSignersLine(principal string, key ssh.PublicKey) string {
	return fmt.Sprintf("%s namespaces=%q %s", principal, Namespace, ssh.MarshalAuthorizedKey(key))
}

// signature checks the signature over SHA256SUMS, where there is one or one is asked for. Whose it is comes after the
// time stamp.
func (v *verification) signature() error {
	v.result.Signature = &Signature{Status: Unsigned}
	armoured, err := readBounded(v.fsys, SignatureFile, maxSmall)
	switch {
	case errors.Is(err, fs.ErrNotExist) && v.o.RequireSignature:
		return refuse("it is not signed")
	case errors.Is(err, fs.ErrNotExist):
		v.result.Notes = append(v.result.Notes, "it is not signed: that proves integrity against accident only")
		return nil
	case err != nil:
		return err
	}
	signature, err := sshsig.Parse(armoured)
	if err == nil {
		err = signature.Verify(Namespace, v.list)
	}
	if err != nil {
		return refuse("%s: %v", SignatureFile, err)
	}
	v.armoured, v.key = armoured, signature.PublicKey
	v.result.Signature = &Signature{Status: UnknownKey, Key: ssh.FingerprintSHA256(v.key), Type: v.key.Type()}
	return nil
}

// signer checks who signed: somebody of the list, at the time of the stamp, or else now.
func (v *verification) signer() error {
	s := v.result.Signature
	if v.key == nil {
		return nil
	}
	if v.o.AllowedSigners == nil {
		if v.o.RequireSignature {
			return refuse("it is signed by the key %s, and no list of allowed signers vouches for it", s.Key)
		}
		v.result.Notes = append(v.result.Notes, fmt.Sprintf("nobody vouches for the key %s that signed it: name a list of allowed signers", s.Key))
		return nil
	}
	list, err := sshsig.ParseAllowedSigners(v.o.AllowedSigners, time.Local)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAllowedSigners, err)
	}
	at := time.Now
	if v.o.Now != nil {
		at = v.o.Now
	}
	if stamp := v.result.Timestamp; stamp != nil {
		at = func() time.Time { return stamp.Time }
	}
	if s.Signers, err = list.Allows(v.o.Principal, v.key, Namespace, at()); err != nil {
		return refuse("%s: %v", SignatureFile, err)
	}
	s.Status = Allowed
	return nil
}

// words says it in one line.
func (s *Signature) words() string {
	switch s.Status {
	case Allowed:
		return fmt.Sprintf("by %s, with the key %s", strings.Join(s.Signers, ", "), s.Key)
	case UnknownKey:
		return fmt.Sprintf("by the key %s, which nobody vouches for", s.Key)
	}
	return "none"
}
