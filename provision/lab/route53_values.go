package lab

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// recordTypes are the types that Route 53 has.
func recordTypes() []string {
	return []string{"SOA", "A", "TXT", "NS", "CNAME", "MX", "NAPTR", "PTR", "SRV", "SPF", "AAAA", "CAA", "DS", "TLSA", "SSHFP", "SVCB", "HTTPS"}
}

// checkValue says what is wrong with a record's value, "" when nothing is. The names of the problems
// for A, AAAA, TXT and domain names are those that AWS gives; the others are made in their manner
// (UNSOURCED).
func checkValue(kind, value string) string {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "UnsupportedCharacter (Value contains unsupported characters)"
	}
	fields := strings.Fields(value)
	single := func() bool { return len(fields) == 1 && fields[0] == value }
	switch kind {
	case "A", "AAAA":
		if !single() {
			return kind + "RRDATANotSingleField (Value contains spaces)"
		}
		a, err := netip.ParseAddr(value)
		if kind == "A" && (err != nil || !a.Is4()) {
			return "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
		}
		if kind == "AAAA" && (err != nil || !a.Is6() || a.Zone() != "") {
			return "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
		}
	case "CNAME", "NS", "PTR":
		if !single() {
			return kind + "RRDATANotSingleField (Value contains spaces)"
		}
		_, problem := domainName(value)
		return problem
	case "TXT", "SPF":
		return checkStrings(value)
	case "MX":
		return checkFields(fields, "MX", "priority and mail server", 16)
	case "SRV":
		return checkFields(fields, "SRV", "priority, weight, port and target", 16, 16, 16)
	case "CAA":
		return checkCAA(value)
	case "SOA":
		if len(fields) != 7 {
			return "SOARRDATANotSevenFields (Value must have seven fields)"
		}
		for i, f := range fields {
			if _, err := strconv.ParseUint(f, 10, 32); i >= 2 && err != nil {
				return "SOARRDATAIllegalNumber (Value has a field that is not a number)"
			}
		}
		for _, f := range fields[:2] {
			if _, problem := domainName(f); problem != "" {
				return problem
			}
		}
	default:
		if rr, err := dns.NewRR(". 0 IN " + kind + " " + value); err != nil || rr == nil {
			return kind + "RRDATAIllegal (Value is not valid for a record of this type)"
		}
	}
	return ""
}

// checkFields is for values that are numbers, of the given bits, and then a domain name.
func checkFields(fields []string, kind, what string, bits ...int) string {
	if len(fields) != len(bits)+1 {
		return kind + "RRDATAIllegal (Value must have the fields " + what + ")"
	}
	for i, n := range bits {
		if _, err := strconv.ParseUint(fields[i], 10, n); err != nil {
			return kind + "RRDATAIllegalNumber (Value has a field that is not a number from 0 to 65535)"
		}
	}
	_, problem := domainName(fields[len(bits)])
	return problem
}

// checkCAA is for flags, a tag and a quoted value.
func checkCAA(value string) string {
	fields := strings.SplitN(value, " ", 3)
	if len(fields) != 3 {
		return "CAARRDATAIllegal (Value must have the fields flags, tag and value)"
	}
	if _, err := strconv.ParseUint(fields[0], 10, 8); err != nil || fields[1] == "" || strings.Trim(strings.ToLower(fields[1]), lowerAlnum) != "" {
		return "CAARRDATAIllegal (Value must have flags from 0 to 255 and a tag of letters and digits)"
	}
	return checkStrings(fields[2])
}

// checkStrings is for quoted strings of up to 255 bytes each, separated by spaces.
func checkStrings(value string) string {
	parts, ok := quotedStrings(value)
	if !ok {
		return "InvalidCharacterString (Value should be enclosed in quotation marks)"
	}
	if len(value) > 4000 || slices.ContainsFunc(parts, func(s string) bool { return len(s) > 255 }) {
		return "CharacterStringTooLong (Value is too long)"
	}
	return ""
}

// quotedStrings takes the quotation marks and escapes off a TXT value: \" and \\ and \ooo, octal.
func quotedStrings(value string) (out []string, ok bool) {
	rest := strings.Trim(value, " \t")
	for rest != "" {
		if rest[0] != '"' {
			return nil, false
		}
		var b strings.Builder
		i := 1
		for ; i < len(rest) && rest[i] != '"'; i++ {
			if rest[i] != '\\' {
				b.WriteByte(rest[i])
				continue
			}
			if i+3 < len(rest) {
				if n, err := strconv.ParseUint(rest[i+1:i+4], 8, 8); err == nil {
					b.WriteByte(byte(n))
					i += 3
					continue
				}
			}
			if i++; i < len(rest) {
				b.WriteByte(rest[i])
			}
		}
		if i >= len(rest) {
			return nil, false
		}
		out = append(out, b.String())
		after := rest[i+1:]
		rest = strings.TrimLeft(after, " \t")
		if rest != "" && rest == after {
			return nil, false // two strings without a space between them
		}
	}
	return out, len(out) > 0
}
