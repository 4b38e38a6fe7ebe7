package examples

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/reports/live"
)

// cronJob is what the test reads of the manifest.
type cronJob struct {
	Kind string
	Data map[string]string
	Spec struct {
		ConcurrencyPolicy string `yaml:"concurrencyPolicy"`
		JobTemplate       struct {
			Spec struct {
				BackoffLimit *int `yaml:"backoffLimit"`
				Template     struct {
					Spec struct {
						RestartPolicy string `yaml:"restartPolicy"`
						Containers    []struct{ Command []string }
					}
				}
			}
		} `yaml:"jobTemplate"`
	}
}

func TestCronJob(t *testing.T) {
	t.Parallel()
	f, err := os.Open("schedule/cronjob.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var links, job cronJob
	d := yaml.NewDecoder(f)
	for _, into := range []*cronJob{&links, &job} {
		if err := d.Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "links.yaml")
	if err := os.WriteFile(path, []byte(links.Data["links.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if loaded, err := provision.LoadFile(path); err != nil || links.Kind != "ConfigMap" {
		t.Errorf("%s: %v %v", links.Kind, loaded, err)
	}
	spec := job.Spec.JobTemplate.Spec
	if job.Kind != "CronJob" || job.Spec.ConcurrencyPolicy != "Forbid" || spec.BackoffLimit == nil || *spec.BackoffLimit != 0 || spec.Template.Spec.RestartPolicy != "Never" {
		t.Errorf("%+v", job)
	}
	command := spec.Template.Spec.Containers[0].Command
	value := func(flag string) string { return command[slices.Index(command, flag)+1] }
	if _, err := live.ParseStatePlace(value("--state")); err != nil {
		t.Error(err)
	}
	if _, err := live.ParseTopic(value("--alert-sns")); err != nil {
		t.Error(err)
	}
}

func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not on PATH: the units were not tried")
	}
	units, err := filepath.Glob("schedule/linkassay-*")
	if err != nil || len(units) != 3 {
		t.Fatalf("%v %v", units, err)
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for _, unit := range units {
		b, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Base(unit))
		// Where it is not installed there is no such program.
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(b), "/usr/local/bin/linkassay", "/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || strings.Contains(string(out), dir) {
		t.Errorf("%v\n%s", err, out)
	}
}

// The function's loop against a runtime API that has three events.
func TestLambdaBootstrap(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not on PATH: the function's loop was not tried")
	}
	var answers []string
	events := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/2018-06-01/runtime/invocation/")
		if path != "next" {
			b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10))
			answers = append(answers, path+" "+string(b))
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if events++; events > 3 {
			w.WriteHeader(http.StatusGone)
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprintf("id-%d", events))
		fmt.Fprint(w, "{}")
	}))
	defer server.Close()
	script, err := filepath.Abs("schedule/lambda/bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// It ends with 0, 1 and 3, and keeps what it was asked.
	const fake = "#!/bin/sh\necho \"$@\" >> asked\ncase $(wc -l < asked) in 1) exit 0 ;; 2) exit 1 ;; *) exit 3 ;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "linkassay"), []byte(fake), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"), "STATE=s3://b/k.json", "TOPIC=arn:aws:sns:eu-west-1:111122223333:t")
	if out, err := cmd.CombinedOutput(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	want := []string{`id-1/response {"exitCode":0}`, `id-2/response {"exitCode":1}`, `id-3/error {"errorType":"linkassay.ExitCode","errorMessage":"exit code 3"}`}
	if !slices.Equal(answers, want) {
		t.Errorf("%q", answers)
	}
	asked, err := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || strings.Count(string(asked), "canary -f links.yaml --once --state s3://b/k.json --alert-sns arn:aws:sns:eu-west-1:111122223333:t --quiet\n") != 3 {
		t.Errorf("%v %s", err, asked)
	}
}
