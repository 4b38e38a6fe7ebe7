package main_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
)

// Without -v too the lab says what it was asked for and does not have: a client's author must not
// look for the fault elsewhere.
func TestLabNamesOperationsThatItLacks(t *testing.T) {
	t.Parallel()
	shell := bare(t)
	dir := filepath.Join(shell.dir, "d")
	b := shell.start(t, binary, "lab", "--dir", dir)
	b.untilStdout(t, "ready: ")
	consumer := (&runningLab{dir: dir}).clients(t, "consumer")
	if _, err := consumer.EC2.DescribeFpgaImages(t.Context(), &ec2.DescribeFpgaImagesInput{}); err == nil || !strings.Contains(err.Error(), "InvalidAction") {
		t.Errorf("DescribeFpgaImages: %v, want InvalidAction", err)
	}
	if _, err := consumer.Route53.ListHealthChecks(t.Context(), &route53.ListHealthChecksInput{}); err == nil {
		t.Error("ListHealthChecks: no error")
	}
	b.signal(t, syscall.SIGTERM, 0)
	holds(t, "stderr", b.stderr.String(), "the lab does not have this operation", "action=DescribeFpgaImages", "path=/2013-04-01/healthcheck")
}
