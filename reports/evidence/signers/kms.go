package signers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"golang.org/x/crypto/ssh"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// maxRaw is how much KMS signs with MessageType RAW, in bytes (API reference of Sign). What is signed here
// holds a digest, so it has less than 500.
const maxRaw = 4096

// KMS is what sealing asks of AWS KMS. The SDK's client is one. It needs kms:GetPublicKey and kms:Sign on
// the key.
type KMS interface {
	GetPublicKey(context.Context, *kms.GetPublicKeyInput, ...func(*kms.Options)) (*kms.GetPublicKeyOutput, error)
	Sign(context.Context, *kms.SignInput, ...func(*kms.Options)) (*kms.SignOutput, error)
}

func openKMS(ctx context.Context, id string, o Options) (*Key, error) {
	if o.KMS == nil {
		return nil, errors.New("there is no access to AWS KMS")
	}
	bounded, cancel := o.bound(ctx)
	defer cancel()
	out, err := o.KMS.GetPublicKey(bounded, &kms.GetPublicKeyInput{KeyId: aws.String(id)})
	if err != nil {
		return nil, fmt.Errorf("get its public key: %w", kmsError("kms:GetPublicKey", err))
	}
	public, err := kmsPublicKey(out)
	if err != nil {
		return nil, err
	}
	// An alias may point elsewhere by the time of the seal.
	arn := aws.ToString(out.KeyId)
	return &Key{public: public, sign: func(ctx context.Context, data []byte) (*ssh.Signature, error) {
		ctx, cancel := o.bound(ctx)
		defer cancel()
		return signKMS(ctx, o.KMS, arn, data)
	}}, nil
}

func kmsPublicKey(out *kms.GetPublicKeyOutput) (ssh.PublicKey, error) {
	switch {
	case out.KeyUsage != types.KeyUsageTypeSignVerify:
		return nil, fmt.Errorf("the KMS key is for %s: make one for %s", quote(string(out.KeyUsage)), types.KeyUsageTypeSignVerify)
	case out.KeySpec != types.KeySpecEccNistP256 && out.KeySpec != "": // left out by some that speak the protocol
		return nil, fmt.Errorf("the KMS key is a %s: only %s keys sign so that ssh-keygen can verify it", quote(string(out.KeySpec)), types.KeySpecEccNistP256)
	case !slices.Contains(out.SigningAlgorithms, types.SigningAlgorithmSpecEcdsaSha256):
		return nil, fmt.Errorf("the KMS key doesn't sign with %s", types.SigningAlgorithmSpecEcdsaSha256)
	case aws.ToString(out.KeyId) == "":
		return nil, errors.New("KMS did not say which key it is")
	}
	parsed, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("read the public key that KMS sent: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("the public key that KMS sent is not on the curve P-256, which a key of %s has", types.KeySpecEccNistP256)
	}
	return ssh.NewPublicKey(key)
}

// signKMS lets KMS do the hashing: ecdsa-sha2-nistp256 is ECDSA over SHA-256 of the data.
func signKMS(ctx context.Context, api KMS, arn string, data []byte) (*ssh.Signature, error) {
	if len(data) > maxRaw {
		return nil, fmt.Errorf("KMS signs up to %d bytes, these are %d", maxRaw, len(data))
	}
	out, err := api.Sign(ctx, &kms.SignInput{
		KeyId: aws.String(arn), Message: data, MessageType: types.MessageTypeRaw,
		SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	if err != nil {
		return nil, fmt.Errorf("ask KMS to sign: %w", kmsError("kms:Sign", err))
	}
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(out.Signature, &pair)
	if err != nil || len(rest) > 0 {
		return nil, errors.Join(errors.New("what KMS answered is not an ECDSA signature in DER"), err)
	}
	return &ssh.Signature{Format: ssh.KeyAlgoECDSA256, Blob: ssh.Marshal(pair)}, nil
}

// refusal is an error of KMS in words that are safe to print.
type refusal struct {
	text string
	err  error
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.err }

func kmsError(action string, err error) error {
	class, code, message := awsapi.Classify(err)
	if code != "" && code != message {
		message = code + ": " + message
	}
	switch class {
	case awsapi.ClassDenied:
		message += fmt.Sprintf(" (allow %s on the key to the identity that seals)", action)
	case awsapi.ClassCredentials:
		message += " (no usable AWS credentials)"
	}
	return &refusal{message, err}
}
