package signers_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/linkassay/linkassay/provision/awsapi"
	"github.com/linkassay/linkassay/provision/awsapi/moto"
	"github.com/linkassay/linkassay/reports/evidence/signers"
)

const keyARN = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// fakeKMS answers as KMS does, unless a test changes it.
type fakeKMS struct {
	key       *ecdsa.PrivateKey
	public    func(*kms.GetPublicKeyOutput)
	publicErr error
	signature func([]byte) []byte
	signErr   error
	asked     *kms.SignInput
}

func (f *fakeKMS) GetPublicKey(_ context.Context, in *kms.GetPublicKeyInput, _ ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error) {
	if f.publicErr != nil {
		return nil, f.publicErr
	}
	der, err := x509.MarshalPKIXPublicKey(f.key.Public())
	out := &kms.GetPublicKeyOutput{
		KeyId: aws.String(keyARN), KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify,
		PublicKey: der, SigningAlgorithms: []types.SigningAlgorithmSpec{types.SigningAlgorithmSpecEcdsaSha256},
	}
	if f.public != nil {
		f.public(out)
	}
	return out, err
}

func (f *fakeKMS) Sign(_ context.Context, in *kms.SignInput, _ ...func(*kms.Options)) (*kms.SignOutput, error) {
	f.asked = in
	if f.signErr != nil {
		return nil, f.signErr
	}
	digest := sha256.Sum256(in.Message)
	sig, err := f.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if f.signature != nil {
		sig = f.signature(sig)
	}
	return &kms.SignOutput{KeyId: in.KeyId, Signature: sig, SigningAlgorithm: in.SigningAlgorithm}, err
}

func TestKMS(t *testing.T) {
	t.Parallel()
	_, ec, _ := generate(t)
	f := &fakeKMS{key: ec.(*ecdsa.PrivateKey)}
	key, err := open(t, "kms:alias/evidence", signers.Options{KMS: f})
	if err != nil {
		t.Fatal(err)
	}
	seals(t, key, publicOf(t, ec))
	in := f.asked
	if in.MessageType != "RAW" || in.SigningAlgorithm != "ECDSA_SHA_256" || len(in.Message) > 500 {
		t.Errorf("asked to sign %d bytes as %s with %s", len(in.Message), in.MessageType, in.SigningAlgorithm)
	}
	if aws.ToString(in.KeyId) != keyARN { // the alias may have moved since
		t.Errorf("signed with %s, the public key is of %s", aws.ToString(in.KeyId), keyARN)
	}
	if key.Name() != "kms:alias/evidence" {
		t.Errorf("named %q", key.Name())
	}
}

func TestKMSRefused(t *testing.T) {
	t.Parallel()
	_, ec, rs := generate(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkix := func(k crypto.Signer) []byte {
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User is not \x1b[2Jauthorized"}
	_, other, _ := generate(t)
	otherKey := other.(*ecdsa.PrivateKey)
	digest := sha256.Sum256(message)
	foreign, err := otherKey.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f    fakeKMS
		want string
	}{
		"curve of the spec": {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.KeySpec = types.KeySpecEccNistP384 }}, "ECC_NIST_P384"},
		"RSA":               {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.KeySpec = types.KeySpecRsa2048 }}, "RSA_2048"},
		"for encryption":    {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.KeyUsage = types.KeyUsageTypeEncryptDecrypt }}, "SIGN_VERIFY"},
		"other algorithms":  {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.SigningAlgorithms = nil }}, "ECDSA_SHA_256"},
		"no key id":         {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.KeyId = nil }}, "which key"},
		"curve of the key":  {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.PublicKey = pkix(p384) }}, "P-256"},
		"RSA in the key":    {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.PublicKey = pkix(rs) }}, "P-256"},
		"no key":            {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.PublicKey = nil }}, "read the public key"},
		"another key":       {fakeKMS{public: func(o *kms.GetPublicKeyOutput) { o.PublicKey = pkix(other) }}, "not its signature"},
		"denied key":        {fakeKMS{publicErr: denied}, "allow kms:GetPublicKey"},
		"denied signature":  {fakeKMS{signErr: denied}, "allow kms:Sign"},
		"no DER":            {fakeKMS{signature: func([]byte) []byte { return []byte("hello") }}, "DER"},
		"nothing":           {fakeKMS{signature: func([]byte) []byte { return nil }}, "DER"},
		"trailing":          {fakeKMS{signature: func(b []byte) []byte { return append(b, 0) }}, "DER"},
		"changed":           {fakeKMS{signature: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }}, "not its signature"},
		"of another key":    {fakeKMS{signature: func([]byte) []byte { return foreign }}, "not its signature"},
	} {
		c.f.key = ec.(*ecdsa.PrivateKey)
		key, err := open(t, "kms:"+keyARN, signers.Options{KMS: &c.f})
		if err == nil {
			_, err = key.Seal(t.Context(), message)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), keyARN) {
			t.Errorf("%s: got %v, want the key and %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: a remote text reaches the terminal: %q", name, err)
		}
		if strings.HasPrefix(name, "denied") && !errors.Is(err, denied) {
			t.Errorf("%s: the API's error is lost", name)
		}
	}
	if _, err := open(t, "kms:"+keyARN, signers.Options{}); err == nil || !strings.Contains(err.Error(), "no access to AWS KMS") {
		t.Errorf("without a client: got %v", err)
	}
}

// ofMoto are clients of a moto_server, which ends with the test.
func ofMoto(t *testing.T) *awsapi.Clients {
	t.Helper()
	url := moto.Start(t, "KMS is tried with a fake of our own only")
	clients, err := awsapi.Open(t.Context(), awsapi.Access{Region: "eu-west-1"}, awsapi.WithStatic(url, "test", "test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clients.Close)
	return clients
}

// The real SDK against moto's KMS, and ssh-keygen on the seal.
func TestKMSOfMoto(t *testing.T) {
	t.Parallel()
	api := ofMoto(t).KMS
	made, err := api.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	if _, err := api.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/evidence"), TargetKeyId: id}); err != nil {
		t.Fatal(err)
	}
	var seal []byte
	for _, ref := range []string{"kms:" + aws.ToString(made.KeyMetadata.Arn), "kms:alias/evidence", "kms:" + aws.ToString(id)} {
		key, err := open(t, ref, signers.Options{KMS: api})
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		seal = seals(t, key, key.PublicKey())
	}
	if keygen, err := exec.LookPath("ssh-keygen"); err == nil {
		file := write(t, seal, 0o600)
		c := exec.CommandContext(t.Context(), keygen, "-Y", "check-novalidate", "-n", "linkassay-evidence", "-s", file)
		c.Stdin, c.Env = bytes.NewReader(message), os.Environ()
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("ssh-keygen: %v: %s", err, out)
		}
	}
	wrong, err := api.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP384, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, "kms:"+aws.ToString(wrong.KeyMetadata.Arn), signers.Options{KMS: api}); err == nil || !strings.Contains(err.Error(), "ECDSA_SHA_256") {
		t.Errorf("a key of another curve: got %v", err)
	}
	if _, err := open(t, "kms:alias/absent", signers.Options{KMS: api}); err == nil || !strings.Contains(err.Error(), "NotFoundException") {
		t.Errorf("an alias that is not there: got %v", err)
	}
}
