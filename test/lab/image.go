//go:build linux

package lab

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// PushImage puts an empty image into the registry, under each of these tags.
func (l *Lab) PushImage(ctx context.Context, repository string, tags ...string) error {
	for _, tag := range tags {
		to, err := name.ParseReference(l.Registry+"/"+repository+":"+tag, name.Insecure)
		if err != nil {
			return err
		}
		if err := remote.Write(to, empty.Image, remote.WithContext(ctx)); err != nil {
			return fmt.Errorf("push the image %s: %w", to, err)
		}
	}
	return nil
}
