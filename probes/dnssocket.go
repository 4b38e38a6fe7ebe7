package probes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// dnsSocket is one connected socket with its open questions.
type dnsSocket struct {
	server *dnsServer
	conn   net.Conn
	wire   dnsWire

	mu      sync.Mutex
	open    map[uint16]*asked // over ones too, for a while
	waiting int               // those that are not over
	left    int               // questions that may still be asked
	ended   error             // it takes no questions any more
	unasked int               // datagrams in a row that fit no question
	armed   time.Time         // when the reader looks at what is open
	last    time.Time         // when something was asked

	writing sync.Mutex
}

// send is false if the socket takes no questions any more.
func (c *dnsSocket) send(qs []*asked) bool {
	c.mu.Lock()
	if c.ended != nil || c.left <= 0 {
		c.mu.Unlock()
		c.server.drop(c)
		return false
	}
	now := time.Now()
	for _, q := range qs {
		for {
			// Of the runtime's ChaCha8, which nobody outside can foresee.
			if q.id = uint16(rand.Uint32()); c.open[q.id] == nil {
				break
			}
		}
		q.socket, q.sent, q.deadline, q.queued = c, now, now.Add(q.timeout), true
		c.open[q.id] = q
		if due := q.due(); c.armed.IsZero() || due.Before(c.armed) {
			c.arm(due)
		}
	}
	c.last = now
	c.waiting += len(qs)
	c.left -= len(qs)
	spent := c.left <= 0
	c.mu.Unlock()
	if spent {
		c.server.drop(c) // it is read until all is answered
	}

	c.writing.Lock()
	err := c.wire.send(qs)
	c.writing.Unlock()
	if err != nil {
		c.end(err)
	}
	return true
}

// due is when there is something to do for a question that nobody answered.
func (q *asked) due() time.Time {
	if early := q.sent.Add(dnsQueued); q.queued && early.Before(q.deadline) {
		return early
	}
	if q.over {
		return q.forgotten()
	}
	return q.deadline
}

// forgotten is when an answer is not looked for any more: not before all repeats of the question have had their time.
func (q *asked) forgotten() time.Time { return q.deadline.Add(dnsAttempts * q.timeout) }

func (c *dnsSocket) arm(at time.Time) {
	c.armed = at
	_ = c.conn.SetReadDeadline(at)
}

// land ends a question. c.mu is held.
func (c *dnsSocket) land(q *asked) {
	c.leave(q)
	q.ended = q.now()
	q.to.hear(q)
}

// leave takes a question out of those that wait. Its id stays known.
func (c *dnsSocket) leave(q *asked) {
	q.over = true
	c.waiting--
	c.release(q)
}

func (c *dnsSocket) release(q *asked) {
	if q.queued {
		q.queued = false
		<-c.server.slots
	}
}

// giveUp is true if the question has not landed, and now never will.
func (c *dnsSocket) giveUp(q *asked) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.over {
		return false
	}
	c.leave(q)
	return true
}

// end fails all questions that wait, and closes the socket.
func (c *dnsSocket) end(err error) {
	c.mu.Lock()
	first := c.ended == nil
	if first {
		c.ended = err
		for _, q := range c.open {
			if !q.over {
				q.err = err
				c.land(q)
			}
		}
		c.open = nil
	}
	c.mu.Unlock()
	if first {
		_ = c.conn.Close()
		c.server.drop(c)
	}
}

// read takes answers until the socket ends.
func (c *dnsSocket) read() {
	for {
		err := c.wire.receive(c.takeAll)
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			if c.sweep(err) {
				continue
			}
		case errors.Is(err, net.ErrClosed) && c.server.engine.ended():
			err = errEngineClosed
		}
		if err == nil {
			err = net.ErrClosed
		}
		c.end(err)
		return
	}
}

// takeAll is false when the socket has done its work.
func (c *dnsSocket) takeAll(wires [][]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, wire := range wires {
		if !c.take(wire) {
			return false
		}
	}
	return true
}

// take finds the question that a datagram answers. c.mu is held.
func (c *dnsSocket) take(wire []byte) bool {
	q := c.whose(wire)
	switch {
	case q == nil:
		return c.strange(nil, fmt.Errorf("%w: %d bytes with the id of no question", errBadAnswer, len(wire)))
	case q.over:
		return true // it comes late, or twice
	}
	p, sure := parsePlain(wire, q.packed, q.plain.addrs)
	if !sure {
		// The long way, without the lock.
		c.mu.Unlock()
		m, err := q.parse(wire)
		c.mu.Lock()
		if q.over {
			return true // given up in the meantime
		}
		if err != nil {
			return c.strange(q, err)
		}
		q.msg = m
	}
	q.plain, q.wire = p, append(q.wire[:0], wire...)
	c.unasked = 0
	delete(c.open, q.id)
	c.land(q)
	return c.left > 0 || c.waiting > 0
}

// whose is the question with the id of a datagram; nil if there is none.
func (c *dnsSocket) whose(wire []byte) *asked {
	if len(wire) < dnsHeader {
		return nil
	}
	return c.open[binary.BigEndian.Uint16(wire)]
}

// strange holds a datagram that answers nothing against the question whose id it has, or against all: whoever then gets
// no answer, got this one. It is false when there are too many of them.
func (c *dnsSocket) strange(q *asked, why error) bool {
	if q != nil {
		q.stray = why
		if q.strays++; q.strays >= maxStrays {
			q.err = fmt.Errorf("%d datagrams that don't fit the question: %w", maxStrays, why)
			c.land(q)
		}
	} else {
		for _, q := range c.open {
			q.stray = why
		}
	}
	if c.unasked++; c.unasked < maxUnasked {
		return true
	}
	for _, q := range c.open {
		if !q.over {
			q.err = fmt.Errorf("%d datagrams that fit no question: %w", maxUnasked, why)
			c.land(q)
		}
	}
	c.left = 0
	return false
}

// sweep fails questions that were not answered in time; timeout is the error for it. It is false when there is nothing
// more to read.
func (c *dnsSocket) sweep(timeout error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	var next time.Time
	for id, q := range c.open {
		if q.queued && !now.Before(q.sent.Add(dnsQueued)) {
			c.release(q)
		}
		switch {
		case q.over && !now.Before(q.forgotten()):
			delete(c.open, id)
			continue
		case !q.over && !now.Before(q.deadline):
			if q.err = timeout; q.stray != nil {
				q.err = fmt.Errorf("%w, and then: %w", q.stray, timeout)
			}
			c.land(q)
		}
		if due := q.due(); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	if next.IsZero() {
		if next = c.last.Add(dnsIdle); !now.Before(next) {
			c.left = 0 // nobody may ask over it any more
		}
	}
	if c.left <= 0 && c.waiting == 0 {
		return false
	}
	if soon := now.Add(dnsGrain); next.Before(soon) {
		next = soon
	}
	c.arm(next)
	return true
}
