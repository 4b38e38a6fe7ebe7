package timestamp

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func oidSHA256() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
}

// info is what the authority signs: a TSTInfo (RFC 3161, section 2.4.2).
type info struct {
	policy   asn1.ObjectIdentifier
	imprint  []byte // SHA-256
	serial   *big.Int
	time     time.Time
	accuracy time.Duration
	nonce    *big.Int // nil = none
}

func parseInfo(der []byte) (info, error) {
	var i info
	var s, imprint, hash, when cryptobyte.String
	var version int64
	input := cryptobyte.String(der)
	i.serial = new(big.Int)
	if !input.ReadASN1(&s, cbasn1.SEQUENCE) || !input.Empty() || !s.ReadASN1Integer(&version) ||
		!s.ReadASN1ObjectIdentifier(&i.policy) || !s.ReadASN1(&imprint, cbasn1.SEQUENCE) {
		return i, errTruncated
	}
	if version != 1 {
		return i, fmt.Errorf("its TSTInfo has the version %d, expected 1", version)
	}
	a, err := readAlgorithm(&imprint)
	if err != nil {
		return i, err
	}
	if !a.oid.Equal(oidSHA256()) {
		return i, fmt.Errorf("it is over a digest of kind %s, expected SHA-256", a.oid)
	}
	if !imprint.ReadASN1(&hash, cbasn1.OCTET_STRING) || !imprint.Empty() || !s.ReadASN1Integer(i.serial) ||
		!s.ReadASN1(&when, cbasn1.GeneralizedTime) {
		return i, errTruncated
	}
	i.imprint = hash
	if i.time, err = parseTime(string(when)); err != nil {
		return i, err
	}
	return i, i.optional(s)
}

// parseTime reads the form that RFC 3161 prescribes for genTime: UTC, fractions without a zero at the end.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse("20060102150405Z", s)
	if err != nil || t.Format("20060102150405.999999999Z") != s {
		return time.Time{}, fmt.Errorf("its time %.40q is not one in UTC", s)
	}
	return t, nil
}

// optional reads what may follow the time: accuracy, ordering, nonce, the authority's name, extensions.
func (i *info) optional(s cryptobyte.String) error {
	var accuracy, extensions cryptobyte.String
	var ok bool
	if !s.ReadOptionalASN1(&accuracy, &ok, cbasn1.SEQUENCE) {
		return errTruncated
	}
	if ok {
		if err := i.readAccuracy(accuracy); err != nil {
			return err
		}
	}
	var ordering bool
	if s.PeekASN1Tag(cbasn1.BOOLEAN) && !s.ReadASN1Boolean(&ordering) {
		return errTruncated
	}
	if s.PeekASN1Tag(cbasn1.INTEGER) {
		i.nonce = new(big.Int)
		if !s.ReadASN1Integer(i.nonce) {
			return errTruncated
		}
	}
	if !s.SkipOptionalASN1(tagged(0)) || !s.ReadOptionalASN1(&extensions, nil, tagged(1)) || !s.Empty() {
		return errTruncated
	}
	return refuseCritical(extensions)
}

func (i *info) readAccuracy(s cryptobyte.String) error {
	units := []struct {
		tag  cbasn1.Tag
		unit time.Duration
	}{
		{cbasn1.INTEGER, time.Second},
		{cbasn1.Tag(0).ContextSpecific(), time.Millisecond},
		{cbasn1.Tag(1).ContextSpecific(), time.Microsecond},
	}
	for _, u := range units {
		if !s.PeekASN1Tag(u.tag) {
			continue
		}
		var n int64
		if !s.ReadASN1Int64WithTag(&n, u.tag) {
			return errTruncated
		}
		if n < 0 || n > 1_000_000 {
			return fmt.Errorf("its accuracy of %d × %s is no accuracy", n, u.unit)
		}
		i.accuracy += time.Duration(n) * u.unit
	}
	if !s.Empty() {
		return errTruncated
	}
	return nil
}

// refuseCritical refuses extensions that must be understood: none is.
func refuseCritical(extensions cryptobyte.String) error {
	for !extensions.Empty() {
		var e cryptobyte.String
		var oid asn1.ObjectIdentifier
		critical := false
		if !extensions.ReadASN1(&e, cbasn1.SEQUENCE) || !e.ReadASN1ObjectIdentifier(&oid) {
			return errTruncated
		}
		if e.PeekASN1Tag(cbasn1.BOOLEAN) && !e.ReadASN1Boolean(&critical) {
			return errTruncated
		}
		if critical {
			return errors.New("it has the critical extension " + oid.String() + ", which is not known")
		}
	}
	return nil
}
