package signers

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The kinds of places that a key may be in.
const (
	inFile  = "file"
	inAgent = "agent"
	inKMS   = "kms"
)

// maxRef bounds a reference in bytes. KMS takes key ids of up to 2,048.
const maxRef = 4096

// Ref says where a signing key is.
type Ref struct {
	kind, value string
}

// ParseRef reads a reference to a signing key:
//
//	PATH                        a private key file
//	agent:SHA256:FINGERPRINT    the key in the ssh-agent that has the fingerprint (ssh-add -l)
//	agent:PATH                  the key in the ssh-agent that belongs to a public key file
//	kms:ARN                     an AWS KMS key (ECC_NIST_P256), by the ARN of the key or of an alias
//	kms:alias/NAME, kms:ID      the same in the caller's account and Region
//
// A file whose name begins with agent: or kms: is written ./agent:…
func ParseRef(s string) (Ref, error) {
	switch {
	case s == "":
		return Ref{}, errors.New("the reference to a signing key is empty: expected a private key file, agent:FINGERPRINT, agent:PUBLIC-KEY-FILE or kms:KEY")
	case len(s) > maxRef:
		return Ref{}, fmt.Errorf("the reference to a signing key has %d bytes, more than %d", len(s), maxRef)
	}
	if v, ok := strings.CutPrefix(s, "agent:"); ok {
		if v == "" {
			return Ref{}, errors.New("agent: needs the key's fingerprint (ssh-add -l prints it) or its public key file, such as agent:SHA256:… or agent:id_ed25519.pub")
		}
		if digest, ok := strings.CutPrefix(v, fingerprintPrefix); ok && !fingerprint().MatchString(digest) {
			return Ref{}, fmt.Errorf("agent:%s: expected 43 letters of base64 after %s, as ssh-add -l prints them", quote(v), fingerprintPrefix)
		}
		return Ref{inAgent, v}, nil
	}
	if v, ok := strings.CutPrefix(s, "kms:"); ok {
		if !kmsKey().MatchString(v) {
			return Ref{}, fmt.Errorf("kms:%s: expected the ARN of a KMS key or alias, alias/NAME or a key id", quote(v))
		}
		return Ref{inKMS, v}, nil
	}
	return Ref{inFile, s}, nil
}

// String is the reference as ParseRef reads it. It holds no secret.
func (r Ref) String() string {
	if r.kind == inFile {
		return r.value
	}
	return r.kind + ":" + r.value
}

// KMS says whether the key is in AWS KMS, and in which Region if the reference tells.
func (r Ref) KMS() (region string, ok bool) {
	if r.kind != inKMS {
		return "", false
	}
	if part := strings.Split(r.value, ":"); part[0] == "arn" {
		return part[3], true
	}
	return "", true
}

const fingerprintPrefix = "SHA256:"

func fingerprint() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9+/]{43}$`) }

// kmsKey matches what KMS calls a KeyId (API reference of Sign: ARN or id of a key, ARN or name of an
// alias).
func kmsKey() *regexp.Regexp {
	return regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]{1,40}:[0-9]{12}:)?` +
		`(alias/[a-zA-Z0-9/_-]{1,250}|key/(mrk-)?[a-zA-Z0-9-]{1,64})$|^(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)
}

func quote(s string) string {
	const most = 200
	if len(s) > most {
		return fmt.Sprintf("%+q…", s[:most])
	}
	return fmt.Sprintf("%+q", s)
}
