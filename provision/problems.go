package provision

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// FileError says everything that is wrong with a link file.
type FileError struct {
	Name     string
	Problems []Problem
}

// Problem is one thing that is wrong with a link file. Line and Col count from 1; Col counts
// characters.
type Problem struct {
	Line, Col int
	Message   string // what is wrong, what was expected
	Source    string // the line as it stands in the file
}

// Bounds of what is shown of a wrong file.
const (
	maxProblems   = 100
	maxSourceLine = 160 // characters
)

// Error gives for each problem one line "NAME:LINE:COL: what is wrong, what was expected", the source line and
// a caret under the place.
func (e *FileError) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == maxProblems {
			fmt.Fprintf(&b, "%s: %d more problems\n", e.Name, len(e.Problems)-i)
			break
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s\n", e.Name, p.Line, p.Col, p.Message)
		line, caret := excerpt(p.Source, p.Col)
		if line != "" {
			fmt.Fprintf(&b, "%s\n%s\n", line, caret)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// excerpt gives the source line, cut around the column when it is long, and the caret line.
func excerpt(source string, col int) (line, caret string) {
	runes := []rune(printable(source))
	at := min(max(col-1, 0), len(runes))
	start := 0
	if at > maxSourceLine-20 {
		start = at - (maxSourceLine - 20)
	}
	end := min(len(runes), start+maxSourceLine)
	if strings.TrimSpace(string(runes)) == "" {
		return "", ""
	}
	var c strings.Builder
	for _, r := range runes[start:at] {
		if r != '\t' {
			r = ' ' // tabs stay tabs, so that the caret stands under its character
		}
		c.WriteRune(r)
	}
	return string(runes[start:end]), c.String() + "^"
}

// printable replaces what a terminal could take for a command.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}

// hideSecrets takes the external id out of a problem: it is a secret, and errors end up in logs.
func hideSecrets(p Problem) Problem {
	value := regexp.MustCompile(`(externalId["']?[ \t]*:[ \t]*)[^ \t#].*`)
	if strings.Contains(p.Message, "did you mean externalId?") {
		value = regexp.MustCompile(`(:[ \t]*)[^ \t#].*`)
	}
	p.Source = value.ReplaceAllString(p.Source, "$1…")
	if strings.HasPrefix(p.Message, "externalId is ") {
		p.Message = "externalId is not what it should be, expected text in quotes"
	}
	return p
}

// sortProblems puts problems in the order of the file and drops repetitions.
func sortProblems(p []Problem) []Problem {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(p)
}

// show quotes a value from the file for a message: bounded, with control characters escaped.
func show(s string) string {
	const limit = 80
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
