package awsapi_test

import (
	"strings"
	"testing"

	"github.com/linkassay/linkassay/provision/awsapi"
)

// A bucket without a region is told as that, and with what to write.
func TestS3NeedsARegion(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	if _, _, err := awsapi.OpenS3(t.Context(), awsapi.Access{}, ""); err == nil || !strings.Contains(err.Error(), "s3://BUCKET/PREFIX?region=REGION") {
		t.Errorf("no region: %v", err)
	}
	_, done, err := awsapi.OpenS3(t.Context(), awsapi.Access{Region: "eu-west-1"}, "")
	if err != nil {
		t.Fatal(err)
	}
	done()
}
