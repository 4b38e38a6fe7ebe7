package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/linkassay/linkassay/reports/live"
)

// A peer that sends back what it was sent: the secrets of the link file that it was sent are in nothing that the canary tells
// or keeps.
func TestTheCanaryTellsNoSecretOfAnEcho(t *testing.T) {
	t.Parallel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = echo.Close() })
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, io.LimitReader(c, 64<<10))
			}()
		}
	}()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	resolver := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(127, 0, 0, 1)})
		}
		_ = w.WriteMsg(m)
	})}
	served := make(chan error, 1)
	go func() { served <- resolver.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		_ = resolver.Shutdown()
		<-served
	})
	const query, token = "qu3ry-s3cr3t-1", "h3ad3r-s3cr3t-2"
	dir := t.TempDir()
	port := echo.Addr().(*net.TCPAddr).Port
	text := fmt.Sprintf(`apiVersion: linkassay/v1
canary: {interval: 1s, controlInterval: 1m, alarm: {failures: 2, of: 3}, clear: 2}
links:
- name: echo
  region: us-east-1
  provider: {access: none, account: "111111111111", serviceName: com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0}
  consumer: {access: none, account: "222222222222", endpointId: vpce-0123456789abcdef0}
  privateDNSName: api.example.com
  ports: [{port: %d, http: {path: "/?token=%s", headers: {Authorization: "Bearer %s"}}}]
  vantages: [{name: here, from: local, resolver: %q}]
  publicDNS: {from: "socks5://127.0.0.1:1"}
  timeouts: {dns: 1s}
`, port, query, token, packets.LocalAddr())
	for name, content := range map[string]string{"links.yaml": text, "told.sh": "#!/bin/sh\ncat >> " + filepath.Join(dir, "alerts") + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const signed = "sh4r3d-s3cr3t"
	posted := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		stamp, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get(live.SignatureHeader), "t="), ",")
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil || live.Sign([]byte(signed), time.Unix(seconds, 0), body) != r.Header.Get(live.SignatureHeader) {
			t.Errorf("signature %q: %v", r.Header.Get(live.SignatureHeader), err)
		}
		posted <- string(body)
	}))
	t.Cleanup(hook.Close)
	shell, state := bare(t), filepath.Join(dir, "state.json")
	shell.env = append(shell.env, "LINKASSAY_ALERT_SECRET="+signed)
	var said strings.Builder
	for _, code := range []int{0, 1} {
		out, got := shell.run(t, binary, "canary", "-f", filepath.Join(dir, "links.yaml"), "--once", "--state", state, "--history", filepath.Join(dir, "h.db"),
			"--bundles", filepath.Join(dir, "ev"), "--ledger", filepath.Join(dir, "runs"), "--alert-command", filepath.Join(dir, "told.sh"), "--alert-webhook", hook.URL+"/hook")
		if got != code {
			t.Errorf("exit code %d, expected %d", got, code)
		}
		said.WriteString(out)
	}
	if !strings.Contains(said.String(), "malformed HTTP status code") {
		t.Errorf("the echo was not heard:\n%s", said.String())
	}
	texts := map[string]string{"stdout and stderr": said.String(), "webhook": ""}
	if n := len(posted); n != 1 {
		t.Errorf("%d alerts were posted, expected one", n)
	} else {
		texts["webhook"] = <-posted
	}
	readAll(t, dir, dir, texts)
	delete(texts, "links.yaml")
	for _, name := range []string{"alerts", "webhook", "state.json", "h.db", "runs/entries/0000000001.json"} {
		if texts[name] == "" {
			t.Errorf("there is no %s to look into", name)
		}
	}
	for name, text := range texts {
		for _, secret := range []string{query, token, signed} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s holds %q: …%q", name, secret, text[max(0, i-100):min(len(text), i+50)])
			}
		}
	}
}
