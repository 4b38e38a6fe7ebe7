//go:build !linux

package probes

import "net"

func newDNSWire(conn net.Conn) dnsWire { return newOneByOne(conn) }
