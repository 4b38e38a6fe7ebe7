package main

import (
	"cmp"
	"context"
	"os"
	"os/exec"

	"github.com/linkassay/linkassay/reports/live"
	"github.com/linkassay/linkassay/suites/canary"
)

// Secrets are not for command lines, which everybody on the host can read.
const (
	webhookURL    = "LINKASSAY_ALERT_WEBHOOK"
	webhookSecret = "LINKASSAY_ALERT_SECRET"
)

// alerts are the sinks that tell people.
func (f *canaryFlags) alerts(ctx context.Context) ([]canary.Sink, error) {
	var all []canary.Sink
	if f.command != "" {
		path, err := exec.LookPath(f.command)
		if err != nil {
			return nil, usageError("--alert-command: %w", err)
		}
		all = append(all, live.NewCommand(ctx, path))
	}
	if address := cmp.Or(f.webhook, os.Getenv(webhookURL)); address != "" {
		hook, err := live.NewWebhook(ctx, address, []byte(os.Getenv(webhookSecret)))
		if err != nil {
			return nil, usageError("--alert-webhook: %w (the secret is taken from %s)", err, webhookSecret)
		}
		all = append(all, hook)
	}
	if f.sns != "" {
		topic, err := live.ParseTopic(f.sns)
		if err != nil {
			return nil, usageError("--alert-sns %w", err)
		}
		sink, err := live.OpenSNS(ctx, topic)
		if err != nil {
			return nil, usageError("--alert-sns %s: %w", f.sns, err)
		}
		all = append(all, sink)
	}
	return all, nil
}
