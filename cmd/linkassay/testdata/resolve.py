"""Prints the addresses that a VPC's resolver gives for each name, a line each: resolve.py SOCKS_HOST:PORT RESOLVER NAME...

Standard library alone: DNS over TCP through a SOCKS5 proxy, as clients do that nobody here wrote.
"""
import socket
import struct
import sys


def exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError("the connection ended after %d of %d bytes" % (len(data), n))
        data += more
    return data


def through(proxy, address, port):
    host, _, at = proxy.rpartition(":")
    s = socket.create_connection((host, int(at)), timeout=10)
    s.sendall(b"\x05\x01\x00")
    if exactly(s, 2) != b"\x05\x00":
        raise OSError("the proxy wants to know who asks")
    s.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(address) + struct.pack(">H", port))
    reply = exactly(s, 10)
    if reply[1] != 0:
        raise OSError("the proxy answered %d" % reply[1])
    return s


def skip(message, at):
    while message[at] != 0:
        if message[at] & 0xC0:
            return at + 2
        at += message[at] + 1
    return at + 1


def addresses(proxy, resolver, name):
    question = b"".join(bytes([len(l)]) + l.encode() for l in name.rstrip(".").split(".")) + b"\0" + struct.pack(">HH", 1, 1)
    message = struct.pack(">HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + question
    with through(proxy, resolver, 53) as s:
        s.sendall(struct.pack(">H", len(message)) + message)
        answer = exactly(s, struct.unpack(">H", exactly(s, 2))[0])
    count, at = struct.unpack(">H", answer[6:8])[0], skip(answer, 12) + 4
    found = []
    for _ in range(count):
        at = skip(answer, at)
        kind, _, _, size = struct.unpack(">HHIH", answer[at:at + 10])
        at += 10
        if kind == 1:
            found.append(socket.inet_ntoa(answer[at:at + size]))
        at += size
    return sorted(found)


for name in sys.argv[3:]:
    print(" ".join(addresses(sys.argv[1], sys.argv[2], name)))
