package main_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// binary is the built linkassay that every script runs.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "linkassay-test")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "linkassay")
		build := exec.Command("go", "build", "-o", binary, ".")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build linkassay:", err)
			return 1
		}
		return m.Run()
	}())
}

func TestScripts(t *testing.T) {
	t.Parallel()
	schema, err := filepath.Abs(filepath.Join("..", "..", "provision", "link.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	golden, err := filepath.Abs(filepath.Join("..", "..", "reports", "evidence", "testdata", "run-v1"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// No real credentials, ever: the scripts see none of this machine's.
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			e.Setenv("LINKASSAY", binary)
			e.Setenv("SCHEMA", schema)
			e.Setenv("GOLDEN", golden)
			e.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+e.Getenv("PATH"))
			procs := &processes{running: map[string]*process{}}
			e.Values[procsKey{}] = procs
			e.Defer(procs.stopAll)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"start":  start,
			"await":  await,
			"ended":  ended,
			"signal": sendSignal,
		},
		Condition: func(cond string) (bool, error) {
			if tool, ok := strings.CutPrefix(cond, "tool:"); ok {
				_, err := os.Stat(tool)
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
	})
}

// exits runs a command and compares its exit code: exits CODE COMMAND ARG… . What it printed is
// left for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("run %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

type procsKey struct{}

// processes are the background processes of one script.
type processes struct {
	mu      sync.Mutex
	running map[string]*process
}

type process struct {
	cmd    *exec.Cmd
	stdout string // file that holds its standard output
	stderr string
}

func (p *processes) get(ts *testscript.TestScript, name string) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	proc, ok := p.running[name]
	if !ok {
		ts.Fatalf("no process %s", name)
	}
	return proc
}

func (p *processes) stopAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, proc := range p.running {
		_ = proc.cmd.Process.Kill()
		_ = proc.cmd.Wait()
	}
}

// start runs a command in the background until a line of its output matches: start NAME REGEXP
// COMMAND ARG… . Its output goes to NAME.out and NAME.err.
func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: start NAME REGEXP COMMAND ARG...")
	}
	name, ready := args[0], regexp.MustCompile(args[1])
	path := args[2]
	if path == "linkassay" {
		path = binary
	}
	proc := &process{cmd: exec.Command(path, args[3:]...), stdout: ts.MkAbs(name + ".out"), stderr: ts.MkAbs(name + ".err")}
	proc.cmd.Dir = ts.MkAbs(".")
	proc.cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+ts.Getenv("AWS_CONFIG_FILE"), "AWS_SHARED_CREDENTIALS_FILE="+ts.Getenv("AWS_SHARED_CREDENTIALS_FILE"))
	stdout, err := os.Create(proc.stdout)
	ts.Check(err)
	defer stdout.Close()
	stderr, err := os.Create(proc.stderr)
	ts.Check(err)
	defer stderr.Close()
	proc.cmd.Stdout, proc.cmd.Stderr = stdout, stderr
	ts.Check(proc.cmd.Start())
	procs := ts.Value(procsKey{}).(*processes)
	procs.mu.Lock()
	procs.running[name] = proc
	procs.mu.Unlock()

	proc.await(ts, name, ready)
}

// await waits until a line of a background process matches: await NAME REGEXP.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await NAME REGEXP")
	}
	ts.Value(procsKey{}).(*processes).get(ts, args[0]).await(ts, args[0], regexp.MustCompile(args[1]))
}

func (p *process) await(ts *testscript.TestScript, name string, line *regexp.Regexp) {
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !matches(p.stdout, line) && !matches(p.stderr, line) {
		select {
		case <-deadline:
			out, _ := os.ReadFile(p.stdout)
			errs, _ := os.ReadFile(p.stderr)
			ts.Fatalf("%s: no line like %q within a minute; stdout:\n%s\nstderr:\n%s", name, line, out, errs)
		case <-tick.C:
		}
	}
}

func matches(file string, re *regexp.Regexp) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if re.MatchString(s.Text()) {
			return true
		}
	}
	return false
}

// sendSignal sends a signal to a background process: signal NAME INT|TERM|KILL|HUP.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal NAME INT|TERM|KILL|HUP")
	}
	signals := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}
	s, ok := signals[args[1]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[1])
	}
	ts.Check(ts.Value(procsKey{}).(*processes).get(ts, args[0]).cmd.Process.Signal(s))
}

// ended waits for a background process to end and compares its exit code: ended NAME CODE.
func ended(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ended NAME CODE")
	}
	procs := ts.Value(procsKey{}).(*processes)
	proc := procs.get(ts, args[0])
	done := make(chan struct{})
	go func() {
		_ = proc.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		_ = proc.cmd.Process.Kill()
		<-done
		ts.Fatalf("%s did not end within 30 s", args[0])
	}
	procs.mu.Lock()
	delete(procs.running, args[0])
	procs.mu.Unlock()
	if got := strconv.Itoa(proc.cmd.ProcessState.ExitCode()); got != args[1] {
		errs, _ := os.ReadFile(proc.stderr)
		ts.Fatalf("%s: exit code %s, want %s; stderr:\n%s", args[0], got, args[1], errs)
	}
}
