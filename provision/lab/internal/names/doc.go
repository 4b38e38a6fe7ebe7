// Package names is the domain name system of the lab: authoritative zones, an internet with root,
// top-level and hosting name servers that delegate to each other, a recursive resolver that walks
// down from the root, and the resolver of a VPC with its private zones. Every question between
// them is a real DNS message in real packets of a network.Net.
package names
