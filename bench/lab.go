package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/linkassay/linkassay/probes"
	"github.com/linkassay/linkassay/provision"
	"github.com/linkassay/linkassay/provision/lab"
)

func labStart(ctx context.Context, b *book, s settings) error {
	var starts, stops []time.Duration
	for range s.runs {
		t := time.Now()
		l, err := lab.Start(ctx, lab.Options{})
		if err != nil {
			return err
		}
		starts = append(starts, time.Since(t))
		t = time.Now()
		if err := l.Close(); err != nil {
			return err
		}
		stops = append(stops, time.Since(t))
	}
	b.add("start", "ms", goal{}, milliseconds(starts)...)
	b.add("stop", "ms", goal{}, milliseconds(stops)...)
	return nil
}

// demo times the whole process.
func demo(ctx context.Context, b *book, s settings) error {
	if s.binary == "" {
		b.skip("no -binary")
		return nil
	}
	var walls []time.Duration
	for range min(s.runs, 3) {
		var out bytes.Buffer
		cmd := exec.CommandContext(ctx, s.binary, "demo")
		cmd.Stdout, cmd.Stderr = &out, &out
		t := time.Now()
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("demo: %w\n%s", err, out.String())
		}
		walls = append(walls, time.Since(t))
	}
	b.add("wall", "s", atMost(10), seconds(walls)...)
	return nil
}

// withLink runs f on the lab's link, with a vantage in each of the consumer's subnets.
func withLink(ctx context.Context, f func(l *lab.Lab, link provision.Link, src probes.Sources) error) (err error) {
	l, err := lab.Start(ctx, lab.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	link, err := l.Provision(ctx, nil)
	if err != nil {
		return err
	}
	sides, err := provision.Open(ctx, &link, l.Open)
	if err != nil {
		return err
	}
	src := probes.Sources{Provider: sides.Provider, Consumer: sides.Consumer, PublicDNS: l.Internet()}
	for _, s := range l.Subnets(link.Consumer.Account) {
		v, err := l.Vantage(s.ID)
		if err != nil {
			return err
		}
		spec := provision.Vantage{Name: "consumer-" + s.ZoneID, From: "lab", Zone: s.ZoneID}
		link.Vantages = append(link.Vantages, spec)
		src.Vantages = append(src.Vantages, probes.Placed{Spec: spec, Vantage: v})
	}
	return f(l, link, src)
}
