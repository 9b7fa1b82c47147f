//go:build linux

package lab

import (
	"context"
	"errors"
)

// Forge is Gitea.
type Forge struct{ URL, User, Token string }

// Ports of the forge.
const (
	portForge    = 3000
	portForgeSSH = 2222
)

func (l *Lab) startForge(context.Context) error { return errors.New("not yet") }
