package reports

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"unicode/utf8"
)

// drawing is the path with the place of everything, and the same in words.
type drawing struct {
	Name, Says    string
	Width, Height int
	Heads         []drawnText
	Marks         []drawnText
	Boxes         []drawnBox
	Lines         []drawnLine
	Words         []pathWords
}

// The places are written as attributes already, of numbers and tones alone: a fleet has a million of them.
type drawnText struct {
	At   template.HTMLAttr
	Text string
}

type drawnBox struct {
	Box, Sign template.HTMLAttr
	Tone      tone
	Title     drawnText
	Lines     []drawnText
	Word      drawnText
}

type drawnLine struct {
	At   template.HTMLAttr
	Tone tone
}

// at is the place of a text.
func at(x, y int, text string) drawnText {
	return drawnText{template.HTMLAttr(`x="` + strconv.Itoa(x) + `" y="` + strconv.Itoa(y) + `"`), text}
}

// pathWords is a row of the table that says what the drawing shows.
type pathWords struct {
	Hop, Zone, What string
	Tone            tone
	Word            string
}

// Measures of the drawing, in its own units; a letter is about 6.7 wide.
const (
	rowHeight, rowGap = 84, 14
	headHeight        = 44
	inset             = 12
	linesShown        = 2
	lineHeight        = 15
)

// columnsAt are the left edge and the width of each column, in letters' room too.
func columnsAt() (x, w [columns]int) {
	return [columns]int{1, 217, 421, 685, 889}, [columns]int{184, 176, 232, 172, 170}
}

func draw(p linkPath) *drawing {
	x, w := columnsAt()
	d := &drawing{Name: p.Name, Width: 1060, Height: headHeight + len(p.Zones)*(rowHeight+rowGap) - rowGap + 2}
	for i, name := range columnNames() {
		d.Heads = append(d.Heads, at(x[i], 14, name))
		if len(p.Causes[i]) > 0 {
			d.Marks = append(d.Marks, at(x[i], 32, strings.Join(p.Causes[i], ", ")))
		}
	}
	tall := len(p.Zones)*(rowHeight+rowGap) - rowGap
	tallLines := linesShown + (tall-rowHeight)/lineHeight
	box := func(column, y, height, lines int, h hop) {
		d.Boxes = append(d.Boxes, newBox(x[column], y, w[column], height, lines, h))
	}
	line := func(from int, y int, t tone) {
		d.Lines = append(d.Lines, drawnLine{template.HTMLAttr(fmt.Sprintf(`d="M%d %dH%d"`, x[from]+w[from], y, x[from+1])), t})
	}
	box(consumerColumn, headHeight, tall, tallLines, p.Consumer)
	box(serviceColumn, headHeight, tall, tallLines, p.Service)
	d.say(p.Causes[consumerColumn], "consumer", "", p.Consumer)
	for i, z := range p.Zones {
		y := headHeight + i*(rowHeight+rowGap)
		box(interfaceColumn, y, rowHeight, linesShown, z.Interface)
		box(nodeColumn, y, rowHeight, linesShown, z.Nodes)
		box(targetColumn, y, rowHeight, linesShown, z.Targets)
		for column, t := range []tone{z.Interface.Tone, worse(p.Service.Tone, z.Interface.Tone), z.Nodes.Tone, z.Targets.Tone} {
			line(column, y+rowHeight/2, t)
		}
		d.say(p.Causes[interfaceColumn], "endpoint interface", zoneTitle(z.Zone), z.Interface)
	}
	d.say(p.Causes[serviceColumn], "endpoint service", "", p.Service)
	for _, z := range p.Zones {
		d.say(p.Causes[nodeColumn], "load balancer node", zoneTitle(z.Zone), z.Nodes)
		d.say(p.Causes[targetColumn], "targets", zoneTitle(z.Zone), z.Targets)
	}
	d.Says = p.says()
	return d
}

// worse is the tone of the connection's line in a zone: where there is no interface there is no line to speak of.
func worse(service, here tone) tone {
	if here == dull {
		return dull
	}
	return service
}

// says tells the path in a few sentences.
func (p linkPath) says() string {
	const most = 6
	parts := []string{"Consumer: " + p.Consumer.Word + "."}
	for i, z := range p.Zones {
		if i == most {
			parts = append(parts, fmt.Sprintf("And %d zones more.", len(p.Zones)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s: interface %s; node %s; targets %s.", zoneTitle(z.Zone), z.Interface.Word, z.Nodes.Word, z.Targets.Word))
	}
	return strings.Join(append(parts, "Service: "+p.Service.Word+"."), " ")
}

func (d *drawing) say(causes []string, name, zone string, h hop) {
	if len(causes) > 0 {
		name += " (" + strings.Join(causes, ", ") + ")"
	}
	what := h.Lines
	if zone == "" {
		what = append([]string{h.Title}, h.Lines...)
	}
	word := h.Word
	if h.More != "" {
		word += "; " + h.More
	}
	d.Words = append(d.Words, pathWords{name, zone, strings.Join(what, ", "), h.Tone, word})
}

func newBox(x, y, w, height, most int, h hop) drawnBox {
	letters := (w - 2*inset) / 7
	b := drawnBox{
		Box:  template.HTMLAttr(fmt.Sprintf(`x="%d" y="%d" width="%d" height="%d"`, x, y, w, height)),
		Sign: template.HTMLAttr(fmt.Sprintf(`x="%d" y="%d"`, x+inset, y+height-22)),
		Tone: h.Tone, Title: at(x+inset, y+20, short(h.Title, letters)),
	}
	for i, l := range h.Lines {
		if i == most-1 && len(h.Lines) > most {
			l = fmt.Sprintf("and %d more", len(h.Lines)-i)
		}
		if i == most {
			break
		}
		b.Lines = append(b.Lines, at(x+inset, y+36+lineHeight*i, short(l, letters)))
	}
	b.Word = at(x+inset+18, y+height-11, short(h.Word, letters-2))
	return b
}

// short cuts a text to so many letters; the table below the drawing has all of it.
func short(s string, letters int) string {
	if utf8.RuneCountInString(s) <= letters {
		return s
	}
	return string([]rune(s)[:letters-1]) + "…"
}
