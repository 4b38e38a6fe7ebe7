package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"
)

// ports are where the servers of a child listen: DNS on 127.0.0.1, HTTP on all of 127/8.
type ports struct{ DNS, HTTP uint16 }

// loopbackZones is how many addresses each link of the fleet on loopback has.
const loopbackZones = 3

// addressOf is the address of a link's interface in a zone.
func addressOf(link, zone int) netip.Addr {
	n := link*loopbackZones + zone
	return netip.AddrFrom4([4]byte{127, byte(1 + n>>16), byte(n >> 8), byte(n)})
}

// Names of the fleet begin with the link's number; its zonal ones have the zone's letter before the first dot.
func privateNameOf(link int) string { return fmt.Sprintf("p%05d.intra.chartsinvestor.com", link) }

func endpointOf(link int) string { return fmt.Sprintf("vpce-%017x", link) }

// serveLoopback is the child that all are measured against: it answers until its standard input ends.
func serveLoopback(ctx context.Context, _ []string) error {
	ctx, cancel := context.WithCancel(ctx)
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	_ = pc.SetReadBuffer(1 << 20)
	l, err := net.Listen("tcp4", "0.0.0.0:0") // answers on loopback alone, see serveHTTP
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() { serveDNS(pc) })
	}
	wg.Go(func() { serveHTTP(l) })
	p := ports{uint16(pc.LocalAddr().(*net.UDPAddr).Port), uint16(l.Addr().(*net.TCPAddr).Port)}
	if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
		return err
	}
	<-ctx.Done()
	_, _ = pc.Close(), l.Close()
	wg.Wait()
	return nil
}

// withServers runs f while a child serves.
func withServers(ctx context.Context, f func(p ports) error) error {
	cmd, err := childCommand(ctx, "servers")
	if err != nil {
		return err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var p ports
	err = json.NewDecoder(out).Decode(&p)
	if err == nil {
		err = f(p)
	}
	_ = in.Close()
	return errors.Join(err, cmd.Wait())
}

// serveDNS answers A questions for the fleet's names, and all others with no records.
func serveDNS(pc *net.UDPConn) {
	buf := make([]byte, 1500)
	out := make([]byte, 0, 1500)
	for {
		n, from, err := pc.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		end := 12
		for end < n && buf[end] != 0 {
			end += int(buf[end]) + 1
		}
		if end += 5; end > n {
			continue
		}
		out = append(out[:0], buf[:end]...)
		out[2], out[3] = 0x81, 0x80 // an answer, recursion desired and available
		clear(out[6:12])
		if binary.BigEndian.Uint16(buf[end-4:]) == 1 {
			for _, a := range addressesOf(buf[13 : 13+int(buf[12])]) {
				out[7]++
				ip := a.As4()
				out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ip[0], ip[1], ip[2], ip[3])
			}
		}
		_, _ = pc.WriteToUDPAddrPort(out, from)
	}
}

// addressesOf reads the link and zone from the first label of a name.
func addressesOf(label []byte) []netip.Addr {
	link, rest := label, []byte(nil)
	base := 10
	if id, ok := bytes.CutPrefix(label, []byte("vpce-")); ok {
		link, rest, _ = bytes.Cut(id, []byte("-"))
		base = 16
	} else {
		link = bytes.TrimPrefix(label, []byte("p"))
	}
	n, err := strconv.ParseUint(string(link), base, 32)
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for zone := range loopbackZones {
		if len(rest) == 0 || !bytes.Contains(rest, []byte("-southeast-1")) || rest[len(rest)-1] == zoneLetters[zone] {
			all = append(all, addressOf(int(n), zone))
		}
	}
	return all
}

// zoneLetters are those of the zone names of the recorded Observation's interfaces, in their order.
const zoneLetters = "bca"

// serveHTTP answers each connection once, as a small service does. Who says nothing is waited for.
func serveHTTP(l net.Listener) {
	body := "hello from the fleet\n"
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Fri, 27 Nov 2026 18:00:00 GMT\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\nConnection: close\r\n\r\n" + body)
	var open sync.WaitGroup
	defer open.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		open.Go(func() {
			defer c.Close()
			if !c.LocalAddr().(*net.TCPAddr).IP.IsLoopback() {
				return
			}
			var buf [2048]byte
			for n := 0; n < len(buf); {
				k, err := c.Read(buf[n:])
				if err != nil {
					return
				}
				if n += k; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
					_, _ = c.Write(answer)
					return
				}
			}
		})
	}
}
