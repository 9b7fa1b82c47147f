//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/test/lab"
)

const imageAPI = "image.toolkit.fluxcd.io/v1"

// imaged puts images of the tenant into the registry, and lets nobody push to the hub or to the spoke without its password.
func imaged(ctx context.Context, c *stageOf) error {
	return errors.Join(
		c.PushImage(ctx, c.files.name+"/app", "1.0.0", "1.1.0", "2.0.0"),
		c.Git.Protect(c.files.url("hub"), "bot", "correct-horse"), c.Git.Protect(c.files.url("spoke"), "bot", "battery-staple"),
	)
}

// automated is nil when automation of the tenant has written a new image into one file of a repository, and pushed that to a branch.
func (c *stageOf) automated(repository, branch, path string) error {
	first, err := lab.Commit(c.files.of(repository))
	if err != nil {
		return err
	}
	last, err := c.Git.Last(c.files.url(repository), branch)
	if err != nil {
		return err
	}
	if last.Author != c.files.name+" <bot@example.com>" || last.Parent != first {
		return fmt.Errorf("the last commit of %s is by %s, after %s", branch, last.Author, last.Parent)
	}
	before := c.files.files[repository][path]
	after := strings.Replace(before, "registry.example.com/"+c.files.name+"/app:1.0.0", "registry.example.com/"+c.files.name+"/app:1.1.0", 1)
	if text, ok := last.Files[path]; !ok || text != after || len(last.Files) != 1 {
		return fmt.Errorf("the commit changes %d files, and %s to\n%s", len(last.Files), path, text)
	}
	return nil
}
