package probes

import (
	"errors"
	"net"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The bounds of what one call sends or receives.
const (
	dnsBatch = 16 // datagrams
	// dnsSlot is more than a server may send who was asked with ednsSize. What is longer is cut.
	dnsSlot = 2048
)

// batches sends and receives several datagrams with one call, since calls cost more than all that is done with an answer
// afterwards.
type batches struct {
	conn *net.UDPConn
	raw  syscall.RawConn

	sending  batch
	out      []byte
	sendFunc func(fd uintptr) bool // sendSome, made once
	unsent   int                   // from here on
	filled   int                   // to here
	sendErr  error

	receiving   batch
	in          []byte // dnsBatch times dnsSlot
	wires       [][]byte
	receiveFunc func(fd uintptr) bool // receiveSome, made once
	take        func([][]byte) bool
	readErr     error
}

// mmsghdr is as in sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// batch is what the kernel reads and writes.
type batch struct {
	heads [dnsBatch]mmsghdr
	parts [dnsBatch]unix.Iovec
}

func (b *batch) set(i int, buf []byte) {
	b.parts[i].Base = &buf[0]
	b.parts[i].SetLen(len(buf))
	b.heads[i].hdr.Iov = &b.parts[i]
	b.heads[i].hdr.SetIovlen(1)
}

// call is sendmmsg or recvmmsg of some of a batch. The socket is one that never blocks.
func (b *batch) call(trap, fd uintptr, from, to int) (int, syscall.Errno) {
	for {
		n, _, errno := unix.Syscall6(trap, fd, uintptr(unsafe.Pointer(&b.heads[from])), uintptr(to-from), 0, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

// newDNSWire knows what to do best with a socket.
func newDNSWire(conn net.Conn) dnsWire {
	udp, ok := conn.(*net.UDPConn)
	if !ok {
		return newOneByOne(conn)
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		return newOneByOne(conn)
	}
	w := &batches{conn: udp, raw: raw, in: make([]byte, dnsBatch*dnsSlot), wires: make([][]byte, 0, dnsBatch)}
	for i := range dnsBatch {
		w.receiving.set(i, w.in[i*dnsSlot:][:dnsSlot])
	}
	w.sendFunc, w.receiveFunc = w.sendSome, w.receiveSome
	return w
}

func (w *batches) send(qs []*asked) error {
	for len(qs) > 0 {
		some := qs[:min(len(qs), dnsBatch)]
		qs = qs[len(some):]
		size := 0
		for _, q := range some {
			size += len(q.packed)
		}
		if cap(w.out) < size {
			w.out = make([]byte, 0, 2*size)
		}
		w.out = w.out[:0]
		for i, q := range some {
			at := len(w.out)
			w.out = q.appendTo(w.out)
			w.sending.set(i, w.out[at:])
		}
		w.unsent, w.filled, w.sendErr = 0, len(some), nil
		err := w.raw.Write(w.sendFunc)
		if err == nil {
			err = w.sendErr
		}
		if err != nil {
			return w.failed("write", err)
		}
	}
	return nil
}

// sendSome is false while there is no room to send.
func (w *batches) sendSome(fd uintptr) bool {
	for w.unsent < w.filled {
		n, errno := w.sending.call(unix.SYS_SENDMMSG, fd, w.unsent, w.filled)
		switch errno {
		case 0:
			w.unsent += n
		case syscall.EAGAIN:
			return false
		default:
			w.sendErr = os.NewSyscallError("write", errno)
			return true
		}
	}
	return true
}

func (w *batches) receive(take func([][]byte) bool) error {
	w.take, w.readErr = take, nil
	err := w.raw.Read(w.receiveFunc)
	if err == nil {
		err = w.readErr
	}
	if err != nil {
		return w.failed("read", err)
	}
	return nil
}

// failed is the error that package net has for it.
func (w *batches) failed(op string, err error) error {
	var known *net.OpError
	if errors.As(err, &known) {
		err = known.Err
	}
	return &net.OpError{Op: op, Net: "udp", Source: w.conn.LocalAddr(), Addr: w.conn.RemoteAddr(), Err: err}
}

// receiveSome is false when all has been taken that is there.
func (w *batches) receiveSome(fd uintptr) bool {
	for {
		n, errno := w.receiving.call(unix.SYS_RECVMMSG, fd, 0, dnsBatch)
		switch errno {
		case 0:
		case syscall.EAGAIN:
			return false
		default:
			w.readErr = os.NewSyscallError("read", errno)
			return true
		}
		w.wires = w.wires[:0]
		for i := range n {
			h := &w.receiving.heads[i]
			wire := w.in[i*dnsSlot:][:min(h.n, dnsSlot)]
			if h.hdr.Flags&unix.MSG_TRUNC != 0 {
				wire = cutShort(wire)
			}
			w.wires = append(w.wires, wire)
		}
		if !w.take(w.wires) {
			return true
		}
	}
}

// cutShort makes of the beginning of a message what a server sends whose answer is too long: the rest is asked for over TCP.
func cutShort(wire []byte) []byte {
	end := questionEnd(wire)
	if end < 0 {
		return wire
	}
	wire[2] |= flagCut
	clear(wire[6:dnsHeader])
	return wire[:end]
}
