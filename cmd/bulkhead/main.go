// Command bulkhead shows what Flux applies on every cluster of a fleet, and what
// a commit changes there.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/bulkhead-dev/bulkhead/internal/cli"
	_ "github.com/bulkhead-dev/bulkhead/internal/memory" // sets the collector before the other packages begin
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

func main() {
	sandbox.Main(cli.Jobs())
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cli.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
}
