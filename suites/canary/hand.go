package canary

// hand is a goroutine that works for another one, which goes on without it when it does not come back.
type hand struct{ work chan func() }

func newHand() *hand {
	h := &hand{}
	h.renew()
	return h
}

func (h *hand) renew() {
	work := make(chan func())
	h.work = work
	go func() {
		for f := range work {
			f()
		}
	}()
}

// leave ends the goroutine, after what it does now.
func (h *hand) leave() { close(h.work) }
