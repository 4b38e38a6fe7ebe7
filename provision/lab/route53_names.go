package lab

import (
	"slices"
	"strings"
)

// domainName brings a name into the form in which the world keeps names: lower case, a dot at the
// end, and an asterisk for \052. problem is empty, or what is wrong in the words of Route 53.
// Characters that would need escapes in the DNS are refused, though Route 53 takes them.
func domainName(s string) (name, problem string) {
	name = strings.ToLower(strings.ReplaceAll(s, `\052`, "*"))
	if name == "." {
		return name, ""
	}
	if !strings.HasSuffix(name, ".") {
		name += "."
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		switch {
		case label == "":
			return "", "DomainLabelEmpty (Domain label is empty)"
		case len(label) > 63:
			return "", "DomainLabelTooLong (Domain label is too long)"
		case strings.Trim(label, lowerAlnum+"-_*/") != "":
			return "", "UnsupportedCharacter (Value contains unsupported characters)"
		}
	}
	if len(name) > 254 {
		return "", "DomainNameTooLong (Domain name is too long)"
	}
	return name, ""
}

// showName writes a name as Route 53 does.
func showName(name string) string { return strings.ReplaceAll(name, "*", `\052`) }

// sortKey orders names as Route 53 does: www.example.com. as com.example.www.
func sortKey(name string) string {
	labels := strings.Split(strings.TrimSuffix(showName(name), "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}

// within says whether the name is the zone's own or one below it.
func within(name, zone string) bool { return name == zone || strings.HasSuffix(name, "."+zone) }
