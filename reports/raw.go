package reports

import (
	"bufio"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// raw gathers what all links hold by digest.
func (r *Report) raw() *Raw {
	all := newRaw()
	for _, l := range r.Links {
		all.Add(l.Raw)
	}
	return all
}

// wirePrefix begins the line of dns.txt that holds a message in wire format.
const wirePrefix = ";; wire: "

// writeMessages writes dns.txt: every DNS message by the digest that run.json knows it by, in wire format (base64) and
// as text.
func writeMessages(w io.Writer, r *Report) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, ";; The DNS answers of this run, as they came and as text. run.json names each by its wireSha256.")
	messages := r.raw().Messages
	for _, id := range slices.Sorted(maps.Keys(messages)) {
		wire := messages[id]
		fmt.Fprintf(b, "\n;; sha256: %s\n%s%s\n", id, wirePrefix, base64.StdEncoding.EncodeToString(wire))
		m := new(dns.Msg)
		text := ""
		if err := m.Unpack(wire); err != nil {
			text = ";; no DNS message: " + err.Error()
		} else {
			text = m.String()
		}
		for line := range strings.Lines(text) {
			fmt.Fprintln(b, clean(strings.TrimRight(strings.ReplaceAll(line, "\t", " "), "\n")))
		}
	}
	return b.Flush()
}

// writeCertificates writes certificates.pem: every certificate that was shown, by the digest that run.json knows it
// by. Text between the blocks is what RFC 7468 calls explanatory.
func writeCertificates(w io.Writer, r *Report) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "The certificates that peers showed in this run. run.json names each by its sha256.")
	certificates := r.raw().Certificates
	for _, id := range slices.Sorted(maps.Keys(certificates)) {
		fmt.Fprintf(b, "\nsha256: %s\n", id)
		if err := pem.Encode(b, &pem.Block{Type: "CERTIFICATE", Bytes: certificates[id]}); err != nil {
			return err
		}
	}
	return b.Flush()
}

// ReadRaw reads dns.txt and certificates.pem.
func ReadRaw(messages, certificates []byte) (*Raw, error) {
	raw := newRaw()
	for line := range strings.Lines(string(messages)) {
		text, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), wirePrefix)
		if !ok {
			continue
		}
		wire, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("read dns.txt: a message is no base64: %w", err)
		}
		put(raw.Messages, wire)
	}
	for rest := certificates; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return raw, nil
		}
		put(raw.Certificates, block.Bytes)
	}
}
