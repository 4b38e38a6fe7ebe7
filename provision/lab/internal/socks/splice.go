package socks

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// halfCloseTime is how long one direction may stay silent after the other has ended.
const halfCloseTime = time.Minute

// splice copies both ways until both have ended. The end of one direction is passed on as such;
// an error in either resets both sides, so that a reset at the target is one for the client too.
func splice(client net.Conn, in io.Reader, target net.Conn) {
	var half atomic.Bool
	var once sync.Once
	end := func(err error, other net.Conn) {
		if err != nil {
			once.Do(func() {
				reset(client)
				reset(target)
			})
			return
		}
		half.Store(true)
		_ = other.SetReadDeadline(time.Now().Add(halfCloseTime))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		end(pump(target, in, client, &half), target)
	}()
	end(pump(client, target, target, &half), client)
	<-done
}

// pump copies from src to dst until src ends, and then ends dst. The reads are those of conn.
func pump(dst net.Conn, src io.Reader, conn net.Conn, half *atomic.Bool) error {
	b := make([]byte, 32<<10)
	for {
		n, err := src.Read(b)
		if n > 0 {
			if _, err := dst.Write(b[:n]); err != nil {
				return err
			}
			if half.Load() {
				_ = conn.SetReadDeadline(time.Now().Add(halfCloseTime))
			}
		}
		if errors.Is(err, io.EOF) {
			closeWrite(dst)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func closeWrite(c net.Conn) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
}

func reset(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0)
	}
	_ = c.Close()
}
