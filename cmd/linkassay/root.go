package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// streams are the process's standard streams. Results go to out, progress and logs to err.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// app is what every command shares: streams and the global flags.
type app struct {
	streams
	verbose bool
}

func (a *app) log() *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
}

// newRoot makes the command line. Help, version and completions go to own: results go to s.out.
func newRoot(s streams, own io.Writer) *cobra.Command {
	a := &app{streams: s}
	root := &cobra.Command{
		Use:   "linkassay",
		Short: "Verify AWS PrivateLink connections between accounts, and keep the proof",
		Long: `linkassay verifies AWS PrivateLink connections between accounts: does the link work as both
owners believe, from every place that uses it, and what is the one thing to fix if it does not?

  linkassay demo                     the whole walk-through in an embedded AWS; needs nothing
  linkassay init > link.yaml         a commented example of a link file
  linkassay apply -f link.yaml       build both sides
  linkassay verify -f link.yaml      observe and judge the link
  linkassay diagnose -f link.yaml --to HOST:PORT
                                     walk one connection and show where it ends
  linkassay canary -f link.yaml      watch links, with metrics and incidents

Exit codes: 0 all required checks passed; 1 a required check failed; 2 wrong usage or link file;
3 could not tell (credentials, throttling, vantage out of reach); 4 something that linkassay made
is left over; 130 interrupted.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(s.in)
	root.SetOut(own)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%w; %s --help lists the flags", err, cmd.CommandPath())
	})
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log what is being done to stderr")
	root.AddCommand(
		newDemo(a), newVerify(a), newDiagnose(a), newCanary(a), newApply(a), newDestroy(a), newLab(a),
		newEvidence(a), newReport(a), newInit(a), newValidate(a), newSchema(a), newList(a), newExplain(a),
	)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = func(_ *cobra.Command, args []string) error {
			if _, _, err := root.Find(args); err != nil {
				return usageError("%w; linkassay help lists the commands", err)
			}
			return nil
		}
	}
	root.InitDefaultCompletionCmd("completion")
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args = cobra.ArbitraryArgs
		completion.RunE = func(_ *cobra.Command, args []string) error {
			return usageError("name one shell: linkassay completion bash, zsh, fish or powershell")
		}
	}
	return root
}

// flagsOnly refuses arguments: a link file given without -f is the likely one.
func flagsOnly(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.Flags().Lookup("file") != nil:
		return usageError("unexpected argument %q: a link file is given with -f, as in %s -f %s", args[0], cmd.CommandPath(), args[0])
	}
	return usageError("unexpected argument %q: %s takes flags alone, and --help lists them", args[0], cmd.CommandPath())
}
