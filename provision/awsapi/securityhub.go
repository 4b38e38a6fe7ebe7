package awsapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The limits of BatchImportFindings (Security Hub API reference), and of what is read of its answer.
const (
	maxFindings      = 100
	maxImportAnswer  = 1 << 20 // bytes
	securityHub      = "SecurityHub"
	importOperation  = "BatchImportFindings"
	importPath       = "/findings/import"
	securityHubName  = "securityhub" // in endpoints and signatures
	jsonContentType  = "application/json"
	errorTypeHeader  = "X-Amzn-Errortype"
	errorTypeUnknown = "UnknownError"
)

// ImportResult is what Security Hub took.
type ImportResult struct {
	Imported int
	Failed   []FailedFinding // what it refused
}

// FailedFinding is a finding that Security Hub refused, and why. The texts are safe to print.
type FailedFinding struct{ ID, Code, Message string }

// ImportFindings imports findings in the AWS Security Finding Format, 100 in a call. It needs
// securityhub:BatchImportFindings, and Security Hub to be on in the account and Region. The error is of the first call
// that was refused as a whole; what the earlier ones did is in the result.
//
// It is the one REST call, signed, and not the SDK's client: the findings are sent as they were printed, and the client
// has a type for each resource of AWS, which would be compiled and linked for nothing. AWS_ENDPOINT_URL is heeded,
// AWS_ENDPOINT_URL_SECURITYHUB is not.
func (c *Clients) ImportFindings(ctx context.Context, findings []json.RawMessage) (ImportResult, error) {
	var all ImportResult
	for batch := range slices.Chunk(findings, maxFindings) {
		body, err := json.Marshal(map[string]any{"Findings": batch})
		if err != nil {
			return all, fmt.Errorf("encode %d findings: %w", len(batch), err)
		}
		out, err := c.importBatch(ctx, body)
		if err != nil {
			return all, &smithy.OperationError{ServiceID: securityHub, OperationName: importOperation, Err: err}
		}
		all.Imported += out.Imported
		all.Failed = append(all.Failed, out.Failed...)
	}
	return all, nil
}

// importBatch sends one batch until it is answered for good, or its time is over.
func (c *Clients) importBatch(ctx context.Context, body []byte) (ImportResult, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	retries := c.config.Retryer()
	for attempt := 1; ; attempt++ {
		c.calls.Add(1)
		out, err := c.importOnce(ctx, body)
		if class, _, _ := Classify(err); class == ClassThrottled {
			c.throttled.Add(1)
		}
		if err == nil || ctx.Err() != nil || attempt >= retries.MaxAttempts() || !retries.IsErrorRetryable(err) {
			return out, err
		}
		delay, bad := retries.RetryDelay(attempt, err)
		if bad != nil {
			return out, errors.Join(err, bad)
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return out, &exhaustedError{reason: err, clock: ctx.Err()}
		}
	}
}

func (c *Clients) importOnce(ctx context.Context, body []byte) (ImportResult, error) {
	var none ImportResult
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.securityHubURL()+importPath, bytes.NewReader(body))
	if err != nil {
		return none, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", jsonContentType)
	if c.config.Credentials == nil {
		return none, errors.New("get identity: there are no credentials")
	}
	credentials, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return none, fmt.Errorf("get identity: %w", err) // the SDK's words, which Classify knows
	}
	digest := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(digest[:]), securityHubName, c.Region, time.Now()); err != nil {
		return none, &v4.SigningError{Err: err}
	}
	response, err := c.config.HTTPClient.Do(request)
	if err != nil {
		return none, &smithyhttp.RequestSendError{Err: err}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxImportAnswer+1))
	if err != nil {
		return none, &smithyhttp.RequestSendError{Err: err}
	}
	if response.StatusCode != http.StatusOK {
		return none, importRefused(response, answer)
	}
	var out struct {
		SuccessCount   int
		FailedFindings []struct {
			ID           string `json:"Id"`
			ErrorCode    string
			ErrorMessage string
		}
	}
	if len(answer) > maxImportAnswer {
		return none, fmt.Errorf("the answer has more than %d bytes", maxImportAnswer)
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return none, fmt.Errorf("read the answer: %w", err)
	}
	result := ImportResult{Imported: out.SuccessCount}
	for _, f := range out.FailedFindings {
		result.Failed = append(result.Failed, FailedFinding{clean(f.ID, maxMessage), clean(f.ErrorCode, 100), clean(f.ErrorMessage, maxMessage)})
	}
	return result, nil
}

// importRefused makes an API error of an answer, as the SDK does for its REST-JSON services: the code is in a header or
// in the body, and may have a URL after a colon or a namespace before a hash.
func importRefused(response *http.Response, answer []byte) error {
	var said struct {
		Type    string `json:"__type"`
		Code    string
		Message string // whatever its case
	}
	_ = json.Unmarshal(answer, &said) // a proxy's answer is none of JSON: the status tells then
	code, _, _ := strings.Cut(cmp.Or(response.Header.Get(errorTypeHeader), said.Type, said.Code, errorTypeUnknown), ":")
	if _, name, ok := strings.Cut(code, "#"); ok {
		code = name
	}
	api := &smithy.GenericAPIError{Code: code, Message: cmp.Or(said.Message, response.Status)}
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: response}, Err: api}}
}

// securityHubURL is the endpoint of the Region, or the one that the configuration names.
func (c *Clients) securityHubURL() string {
	if base := aws.ToString(c.config.BaseEndpoint); base != "" {
		return strings.TrimSuffix(base, "/")
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(c.Region, "cn-") {
		suffix += ".cn"
	}
	return "https://" + securityHubName + "." + c.Region + "." + suffix
}
