package lab

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"sync"
)

// idSource makes ids, keys and names. With the same seed and the same order of calls it makes the
// same ones. It is safe for concurrent use.
type idSource struct {
	seed uint64
	mu   sync.Mutex
	rng  *rand.Rand
}

// newIDSource seeds a source; seed 0 takes a random one.
func newIDSource(seed uint64) *idSource {
	for seed == 0 {
		var b [8]byte
		_, _ = crand.Read(b[:]) // never fails since Go 1.24
		seed = binary.LittleEndian.Uint64(b[:])
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	copy(key[8:], "linkassay lab id source.")
	return &idSource{seed: seed, rng: rand.New(rand.NewChaCha8(key))}
}

const (
	hexDigits   = "0123456789abcdef"
	lowerAlnum  = "abcdefghijklmnopqrstuvwxyz0123456789"
	upperAlnum  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	mixedAlnum  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	uuidPattern = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx"
)

func (s *idSource) from(alphabet string, n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[s.rng.IntN(len(alphabet))]
	}
	return string(b)
}

func (s *idSource) hex(n int) string   { return s.from(hexDigits, n) }
func (s *idSource) alnum(n int) string { return s.from(lowerAlnum, n) }
func (s *idSource) upper(n int) string { return s.from(upperAlnum, n) }
func (s *idSource) mixed(n int) string { return s.from(mixedAlnum, n) }

// uuid makes a version 4 UUID, as request ids are.
func (s *idSource) uuid() string {
	digits := s.hex(len(uuidPattern))
	b := []byte(uuidPattern)
	for i := range b {
		if b[i] == 'x' {
			b[i] = digits[i]
		}
	}
	return string(b)
}
