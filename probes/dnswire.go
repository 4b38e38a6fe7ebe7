package probes

import (
	"encoding/binary"
	"net"
)

// dnsWire carries the messages of a connected socket. One goroutine receives; those who send take turns.
type dnsWire interface {
	// send sends each question with its id.
	send(qs []*asked) error
	// receive waits for datagrams and has take look at what is there, again and again, until it has seen enough, which is
	// no error. What take gets is only lent to it.
	receive(take func(wires [][]byte) bool) error
}

// oneByOne is for any socket.
type oneByOne struct {
	conn    net.Conn
	out, in []byte
}

func newOneByOne(conn net.Conn) *oneByOne {
	return &oneByOne{conn: conn, in: make([]byte, maxDNSMessage)}
}

func (w *oneByOne) send(qs []*asked) error {
	for _, q := range qs {
		w.out = q.appendTo(w.out[:0])
		if _, err := w.conn.Write(w.out); err != nil {
			return err
		}
	}
	return nil
}

func (w *oneByOne) receive(take func([][]byte) bool) error {
	wires := make([][]byte, 1)
	for {
		n, err := w.conn.Read(w.in)
		if err != nil {
			return err
		}
		if wires[0] = w.in[:n]; !take(wires) {
			return nil
		}
	}
}

// appendTo writes the question as it goes over the wire.
func (q *asked) appendTo(b []byte) []byte {
	at := len(b)
	b = append(b, q.packed...)
	binary.BigEndian.PutUint16(b[at:], q.id)
	return b
}
