package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/reports/evidence"
	"github.com/linkassay/linkassay/reports/evidence/signers"
)

// sealFlags say how the evidence of verify is sealed.
type sealFlags struct{ sign, timestamp, ca string }

func (f *sealFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.sign, "sign", "", "sign the evidence with this key: a private key file, agent:FINGERPRINT, agent:PUBLIC-KEY-FILE, or kms:KEY")
	cmd.Flags().StringVar(&f.timestamp, "timestamp", "", "have the evidence stamped by the RFC 3161 time stamping authority at this URL")
	cmd.Flags().StringVar(&f.ca, "timestamp-ca", "", "PEM file with the root certificates of that authority; default: the system's")
}

// openSeal finds what can be found wrong with the seal before the run.
func (a *app) openSeal(ctx context.Context, f sealFlags, flags *judgeFlags) error {
	if flags.out == "" && (f.sign != "" || f.timestamp != "") {
		return usageError("--sign and --timestamp need --out: there is nothing to seal without it")
	}
	if f.ca != "" && f.timestamp == "" {
		return usageError("--timestamp-ca needs --timestamp")
	}
	if f.timestamp != "" {
		if u, err := url.Parse(f.timestamp); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return usageError("--timestamp: expected the URL of a time stamping authority, such as https://tsa.example.com/") // it may hold a key
		}
	}
	var err error
	if flags.seal.TimestampRoots, err = certificates("--timestamp-ca", f.ca); err != nil {
		return err
	}
	flags.seal.Timestamp = f.timestamp
	return a.openKey(ctx, f.sign, flags)
}

// certificates reads the root certificates of a PEM file; "" is nil, for the system's.
func certificates(flag, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError("%s: %v", flag, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, usageError("%s: %s holds no PEM certificate", flag, path)
	}
	return pool, nil
}

// openKey opens the key that the evidence is to be signed with.
func (a *app) openKey(ctx context.Context, ref string, flags *judgeFlags) error {
	if ref == "" {
		return nil
	}
	r, err := signers.ParseRef(ref)
	if err != nil {
		return usageError("--sign: %v", err)
	}
	o := signers.Options{Getenv: os.Getenv, Passphrase: a.passphrase()}
	if region, ok := r.KMS(); ok {
		client, err := awsapi.OpenKMS(ctx, awsapi.Access{Region: region})
		if err != nil {
			return usageError("--sign %s: %v", ref, err)
		}
		o.KMS = client
	}
	key, err := signers.Open(ctx, r, o)
	if err != nil {
		if _, kms := r.KMS(); ctx.Err() != nil {
			return withCode(exitInterrupted, err)
		} else if kms {
			return withCode(exitUntold, fmt.Errorf("--sign: %w", err))
		}
		return usageError("--sign: %v", err)
	}
	flags.seal.Key = key
	return nil
}

// passphrase asks at the terminal; nil where there is none.
func (a *app) passphrase() func(context.Context, string) ([]byte, error) {
	in, ok := a.in.(*os.File)
	if !ok || !isTerminal(in) {
		return nil
	}
	return func(_ context.Context, file string) ([]byte, error) {
		fmt.Fprintf(a.err, "Passphrase of %s: ", file)
		defer fmt.Fprintln(a.err)
		return term.ReadPassword(int(in.Fd()))
	}
}

// demoSigner is who the throwaway key of a demo belongs to.
const demoSigner = "linkassay-demo"

// throwaway seals the bundle, if there is to be one, with a key of its own.
func (f *judgeFlags) throwaway() error {
	if f.out == "" {
		return nil
	}
	path, err := f.allowedSigners()
	if err != nil {
		return usageError("--out: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return usageError("--out %s: %s is there already; remove it, or name another directory", f.out, path)
	}
	key, err := signers.Throwaway()
	if err != nil {
		return withCode(exitUntold, err)
	}
	f.seal = evidence.SealOptions{Key: key, Throwaway: true, AllowedSigners: "../" + filepath.Base(path)}
	return nil
}

// allowedSigners is the file beside the bundle that the public half of a demo's key goes to.
func (f *judgeFlags) allowedSigners() (string, error) {
	dir, err := filepath.Abs(f.out)
	return dir + ".allowed_signers", err
}

// sayThrowaway says in the report what the demo's seal is worth.
func (s *assay) sayThrowaway() {
	if s.flags.seal.Throwaway {
		s.report.Notes = append(s.report.Notes, fmt.Sprintf("the evidence is sealed with a key that was made for this run and thrown away: it shows how a seal is checked, and vouches for nothing. Its public half is in %s.allowed_signers", filepath.Clean(s.flags.out)))
	}
}

// writeSigner writes the public half of a throwaway key beside the bundle: it must travel apart.
func (f *judgeFlags) writeSigner() error {
	if !f.seal.Throwaway {
		return nil
	}
	path, err := f.allowedSigners()
	if err != nil {
		return err
	}
	line := evidence.AllowedSignersLine(demoSigner, f.seal.Key.PublicKey())
	if err := os.WriteFile(path, []byte(line), 0o644); err != nil {
		return fmt.Errorf("write the list of allowed signers: %w", err)
	}
	return nil
}
