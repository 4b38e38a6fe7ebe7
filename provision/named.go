package provision

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// CheckFiles reads the certificate files that the links name, those of all links when no names are given, and
// says with their place in the link file which are not there or hold something else. The error is a *FileError.
// Load leaves that out: what is to be removed needs no certificates.
func (f *File) CheckFiles(names ...string) error {
	if f.source == nil {
		return nil
	}
	d := &document{nodes: f.source.nodes, lines: f.source.lines, keys: f.source.keys, wrong: map[string]bool{}}
	chosen := map[string]bool{}
	for _, n := range names {
		chosen[n] = true
	}
	for i, l := range f.Links {
		if len(names) > 0 && !chosen[l.Name] {
			continue
		}
		for j, p := range l.Ports {
			if p.TLS != nil {
				d.checkCertificates(fmt.Sprintf("/links/%d/ports/%d/tls/", i, j), p.TLS)
			}
		}
	}
	if len(d.problems) > 0 {
		return &FileError{Name: f.source.name, Problems: sortProblems(d.problems)}
	}
	return nil
}

func (d *document) checkCertificates(place string, t *TLS) {
	ca, known := d.readNamed(place+"ca", t.CA, "expected a PEM file of CA certificates")
	d.rule(!known || x509.NewCertPool().AppendCertsFromPEM(ca), place+"ca", "tls.ca %s holds no certificate, expected a PEM file of CA certificates", t.CA)

	cert, isCert := d.readNamed(place+"clientCert", t.ClientCert, "expected a PEM file of the client's certificate")
	key, isKey := d.readNamed(place+"clientKey", t.ClientKey, "expected a PEM file of the client's private key")
	if !isCert || !isKey {
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		d.addAt(place+"clientCert", fmt.Sprintf("tls.clientCert %s and tls.clientKey %s are no pair, expected a certificate and its key in PEM (%s)",
			t.ClientCert, t.ClientKey, bytes.TrimPrefix([]byte(err.Error()), []byte("tls: "))))
	}
}

// readNamed reads a file that the link file names. It is not known what a FIFO holds: reading it would take
// it away from the probes.
func (d *document) readNamed(place, path, expected string) (text []byte, known bool) {
	if path == "" {
		return nil, false
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, false
	}
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		if inner, ok := errors.AsType[*fs.PathError](err); ok {
			err = inner.Err // without the path, which stands before it
		}
		d.addAt(place, fmt.Sprintf("the file %s cannot be read (%v), %s", path, err, expected))
	}
	return text, err == nil
}
