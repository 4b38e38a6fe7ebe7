package reports

import (
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// wrap breaks a clean line into lines of at most width columns, at spaces where it can and inside a
// word where it must: endpoint names are longer than most columns.
func wrap(s string, width int) []string {
	width = max(width, 8)
	var lines []string
	line, used := "", 0
	flush := func() { lines, line, used = append(lines, line), "", 0 }
	for _, word := range strings.Fields(s) {
		w := twwidth.Width(word)
		if used > 0 && used+1+w > width {
			flush()
		}
		for w > width {
			head := twwidth.Truncate(word, width)
			if head == "" {
				head = string([]rune(word)[:1])
			}
			if used > 0 {
				flush()
			}
			line, used = head, width
			flush()
			word = word[len(head):]
			w = twwidth.Width(word)
		}
		if w == 0 {
			continue
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+w
	}
	if used > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// wrapCommand breaks a shell command before its options, with the backslashes that let it be pasted
// as it stands. An argument is never broken.
func wrapCommand(command string, width int) []string {
	var lines []string
	line := ""
	for _, part := range optionsOf(command) {
		switch {
		case line == "":
			line = part
		case twwidth.Width(line)+1+twwidth.Width(part)+2 > width:
			lines, line = append(lines, line+` \`), "  "+part
		default:
			line += " " + part
		}
	}
	return append(lines, line)
}

// optionsOf splits a command before each --option that stands outside quotes.
func optionsOf(command string) []string {
	var parts []string
	start, quoted := 0, false
	for i := 0; i < len(command); i++ {
		switch {
		case command[i] == '\\' && !quoted:
			i++
		case command[i] == '\'':
			quoted = !quoted
		case !quoted && strings.HasPrefix(command[i:], " --"):
			parts, start = append(parts, command[start:i]), i+1
		}
	}
	return append(parts, command[start:])
}
