// Package socks is a SOCKS5 server (RFC 1928): CONNECT without authentication, for the programs
// of a host that want into one of the lab's networks. Names are resolved where the connections
// are made, not on the host.
package socks
