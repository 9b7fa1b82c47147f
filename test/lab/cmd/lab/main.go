//go:build linux

// Command lab builds the programs of the lab, or runs one until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/bulkhead-dev/bulkhead/test/lab"
)

const usage = `usage: lab build [--forge --s3]
       lab up [--helm --notifications --images --workloads --forge --s3 --lockdown] [NAME...]`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab: error:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 || args[0] != "build" && args[0] != "up" {
		return errors.New("no such command; " + usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	flags.Usage = func() { fmt.Fprintln(os.Stderr, usage) }
	forge := flags.Bool("forge", false, "Gitea")
	s3 := flags.Bool("s3", false, "buckets")
	if args[0] == "build" {
		_ = flags.Parse(args[1:]) // it exits
		var with []string
		if *forge {
			with = append(with, "forge")
		}
		if *s3 {
			with = append(with, "s3")
		}
		folders, err := lab.Build(ctx, os.Stderr, with...)
		for _, name := range slices.Sorted(maps.Keys(folders)) {
			_, _ = fmt.Fprintln(out, folders[name])
		}
		return err
	}
	opts := []lab.Option{lab.Progress(os.Stderr)}
	for name, opt := range map[string]func() lab.Option{
		"helm": lab.WithHelm, "notifications": lab.WithNotifications, "images": lab.WithImages, "workloads": lab.WithWorkloads, "lockdown": lab.Lockdown,
	} {
		flags.BoolFunc(name, "", func(string) error { opts = append(opts, opt()); return nil })
	}
	_ = flags.Parse(args[1:]) // it exits
	if *forge {
		opts = append(opts, lab.WithForge())
	}
	if *s3 {
		opts = append(opts, lab.WithS3())
	}
	return up(ctx, out, flags.Args(), append(opts, lab.Clusters(flags.Args()...)))
}

// up runs a lab until it is interrupted, or one of its processes dies.
func up(ctx context.Context, out io.Writer, names []string, opts []lab.Option) error {
	l, err := lab.New(ctx, opts...)
	if err != nil {
		return err
	}
	defer l.Close()
	if len(names) == 0 {
		names = []string{"a"}
	}
	for _, name := range names {
		file, err := l.Cluster(name).KubeconfigFile("admin")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%-12s %s  export KUBECONFIG=%s\n", name, l.Cluster(name).Config.Host, file)
	}
	if l.Forge != nil {
		_, _ = fmt.Fprintf(out, "%-12s %s  %s  user %s, token %s\n", "forge", l.Forge.URL, l.Forge.SSH, l.Forge.User, l.Forge.Token)
	}
	if l.S3 != nil {
		_, _ = fmt.Fprintf(out, "%-12s %s, over plain HTTP  accesskey %s, secretkey %s\n", "s3", l.S3.Endpoint, l.S3.AccessKey, l.S3.SecretKey)
	}
	_, _ = fmt.Fprintf(out, "%-12s oci://%s, over plain HTTP\n%-12s %s\n", "registry", l.Registry, "proxy", l.Network.Proxy())
	bytes, err := l.Memory()
	_, _ = fmt.Fprintf(out, "%-12s %s\n%-12s %d MiB\n", "files", l.Dir, "memory", bytes>>20)
	fmt.Fprintln(os.Stderr, "lab: it runs until Ctrl-C")
	if err == nil {
		err = l.Wait(ctx, "an interrupt", func(context.Context) (bool, error) { return false, nil })
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}
