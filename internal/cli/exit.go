package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// The exit codes of the process.
const (
	codeDone       = 0
	codeFindings   = 1 // findings, or a gate that failed
	codeNoAnswer   = 2
	codeIncomplete = 3
)

// problemError is an error that brings its cure, or another exit code than
// codeNoAnswer.
type problemError struct {
	err  error
	hint string // "" when no cure is known
	code int    // 0 stands for codeNoAnswer
}

// Error is the text of the error without the hint.
func (p *problemError) Error() string { return p.err.Error() }

// Unwrap gives the error behind.
func (p *problemError) Unwrap() error { return p.err }

// usage is the error of a command line that makes no sense.
func usage(message, hint string) error {
	return &problemError{err: errors.New(message), hint: hint}
}

// hinted is err with a cure.
func hinted(err error, hint string) error { return &problemError{err: err, hint: hint} }

// exit tells the user about err, if there is one, and returns the exit code.
func (s *streams) exit(err error) int {
	if err == nil {
		return codeDone
	}
	code := codeNoAnswer
	if p := (*problemError)(nil); errors.As(err, &p) && p.code != 0 {
		code = p.code
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	_, _ = fmt.Fprintf(s.err, "bulkhead: error: %s\n", term.Safe(err.Error()))
	if hint := hintOf(err); hint != "" {
		_, _ = fmt.Fprintf(s.err, "bulkhead: hint: %s\n", term.Safe(hint))
	}
	return code
}

// hintOf is the cure for err, or "".
func hintOf(err error) string {
	var (
		problem  *problemError
		unknown  *git.UnknownRevisionError
		missing  *git.MissingObjectError
		document *v1alpha1.DocumentError
	)
	switch {
	case errors.As(err, &problem) && problem.hint != "":
		return problem.hint
	case errors.As(err, &unknown):
		return unknown.Hint
	case errors.As(err, &missing):
		return missing.Hint
	case errors.As(err, &document):
		return document.Hint
	case errors.Is(err, render.ErrNoClusters):
		return "name the folder that Flux starts at: --cluster NAME=PATH"
	case errors.Is(err, git.ErrChanged):
		return "run it again when nothing writes to the files"
	}
	return ""
}

// incomplete is the error of an answer with holes in it, for --strict.
func incomplete(failures, unresolved int) error {
	return &problemError{
		err:  fmt.Errorf("the answer is incomplete: %s, %d unresolved", phrase.Count(failures, "failure"), unresolved),
		code: codeIncomplete,
	}
}
