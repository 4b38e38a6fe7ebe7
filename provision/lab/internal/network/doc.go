// Package network is an IP network inside the process: one userspace TCP/IP stack that holds any
// number of addresses, and one link through which every packet passes, also one between two
// addresses of the same network. The link is where a policy drops, rejects or delays packets, so
// a closed security group is silence and a closed port is a reset, as they are on a real network.
//
// Several networks in one process share nothing and may use the same addresses.
package network
