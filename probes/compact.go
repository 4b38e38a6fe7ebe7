package probes

import "sync"

// Compact makes items that were left out take no memory of their own: a fleet's Observations have thousands of them that
// say the same. The Observation must not be in use elsewhere yet; what it says does not change.
func (o *Observation) Compact(shared *Absences) {
	for _, it := range itemTable() {
		it.share(o, shared)
	}
}

// Absences are items without value that many Observations share. The zero value is ready.
type Absences struct{ known sync.Map }

// absenceOf is the key of an item that was left out.
type absenceOf struct {
	item string
	why  Absence
}

// sharedAbsence returns the one item of all that were left out for the same reason, or it itself.
func sharedAbsence[T any](name string, it *Item[T], shared *Absences) *Item[T] {
	if it == nil || it.Absent == "" || it.Error != nil || !it.Started.IsZero() || it.Duration != 0 {
		return it
	}
	one, _ := shared.known.LoadOrStore(absenceOf{name, it.Absent}, &Item[T]{Absent: it.Absent})
	return one.(*Item[T])
}
