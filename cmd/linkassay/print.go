package main

import (
	"os"

	"golang.org/x/term"

	"github.com/linkassay/linkassay/reports"
)

// printOptions fit what is printed to standard output: as wide as the terminal, with colour only there.
func (a *app) printOptions() reports.PrintOptions {
	o := reports.PrintOptions{}
	if f, ok := a.out.(*os.File); ok && isTerminal(f) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			o.Width = width
		}
		o.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return o
}
