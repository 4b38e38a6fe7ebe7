package provision

import (
	"fmt"
	"strings"
)

// defaultUserData is the script that a launched target starts with: servers on the link's target
// ports, HTTP or HTTPS as the link file says, with a certificate that they make themselves. They
// understand the proxy protocol where it is sent. The second line says the ports to whoever cannot
// run the script, such as a lab.
func defaultUserData(l *Link) string {
	var plain, secure []string
	seen := map[uint16]bool{}
	for _, p := range l.Ports {
		port := p.targetPort()
		if seen[port] {
			continue
		}
		seen[port] = true
		if p.TLS != nil {
			secure = append(secure, fmt.Sprint(port))
		} else {
			plain = append(plain, fmt.Sprint(port))
		}
	}
	marker := "#linkassay:serve"
	if len(plain) > 0 {
		marker += " http=" + strings.Join(plain, ",")
	}
	if len(secure) > 0 {
		marker += " https=" + strings.Join(secure, ",")
	}
	name := either(l.PrivateDNSName, "linkassay.invalid")
	return strings.NewReplacer(
		"@MARKER@", marker, "@NAME@", name, "@HTTP@", strings.Join(plain, " "), "@HTTPS@", strings.Join(secure, " "),
	).Replace(userDataScript)
}

const userDataScript = `#!/bin/bash
@MARKER@
set -eu
umask 077
mkdir -p /opt/linkassay
cd /opt/linkassay
openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj '/CN=linkassay target' \
  -addext 'subjectAltName=DNS:@NAME@' -keyout key.pem -out cert.pem
cat > serve.py <<'END'
import http.server, socket, socketserver, ssl, struct, sys, threading, time

PROXY = b"\r\n\r\n\x00\r\nQUIT\n"  # signature of the proxy protocol, version 2


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = ("linkassay target %s\n" % socket.gethostname()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *args):
        pass


def read_all(conn, left):
    data = b""
    while len(data) < left:
        part = conn.recv(left - len(data))
        if not part:
            raise ConnectionError("closed inside the proxy header")
        data += part
    return data


def skip_proxy_header(conn):
    head = b""
    while len(head) < len(PROXY) and PROXY.startswith(head):
        more = conn.recv(len(PROXY), socket.MSG_PEEK)
        if not more:
            raise ConnectionError("closed before a request")
        if len(more) == len(head):
            time.sleep(0.01)
        head = more
    if head == PROXY:
        fixed = read_all(conn, 16)
        read_all(conn, struct.unpack("!H", fixed[14:16])[0])


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    context = None

    def finish_request(self, conn, address):
        conn.settimeout(30)
        try:
            skip_proxy_header(conn)
            if self.context:
                conn = self.context.wrap_socket(conn, server_side=True)
            Handler(conn, address, self)
        except OSError:
            pass
        finally:
            conn.close()


def serve(port, context):
    server = Server(("", port), Handler)
    server.context = context
    server.serve_forever()


def ports(names):
    return [int(n) for n in names.split()]


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
threads = [threading.Thread(target=serve, args=(p, None)) for p in ports(sys.argv[1])]
threads += [threading.Thread(target=serve, args=(p, context)) for p in ports(sys.argv[2])]
for t in threads:
    t.start()
for t in threads:
    t.join()
END
cat > /etc/systemd/system/linkassay.service <<'END'
[Unit]
Description=linkassay target
[Service]
WorkingDirectory=/opt/linkassay
ExecStart=/usr/bin/python3 serve.py "@HTTP@" "@HTTPS@"
Restart=always
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now linkassay.service
`
