package lab

import (
	"context"
	"slices"

	"github.com/linkassay/linkassay/provision"
)

// Variant is a healthy link of another shape than the walk-through's.
type Variant struct {
	Name string
	Text string
	// Prepare changes the lab's options, and through Options.Link the link that is built; nil changes
	// nothing.
	Prepare func(o *Options)
	// Set changes the link after it was built, for shapes that apply does not build; nil changes
	// nothing.
	Set func(ctx context.Context, l *Lab, link provision.Link) error
}

// Variants lists the healthy shapes of a link beside the walk-through's own.
func Variants() []Variant { return slices.Concat(familyVariants()) }

// FindVariant returns the variant with this name.
func FindVariant(name string) (Variant, bool) {
	for _, v := range Variants() {
		if v.Name == name {
			return v, true
		}
	}
	return Variant{}, false
}
