package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// asker asks a person for what the flags do not say. A nil asker has nobody to
// ask: what is missing is an error.
type asker struct {
	in  *bufio.Scanner
	out io.Writer
	err func(error) // tells what is wrong with an answer
}

// newAsker asks on the terminal; nil unless both standard input and standard
// error are one.
func newAsker(s *streams) *asker {
	if !terminal(os.Stdin) || !terminal(s.err) {
		return nil
	}
	return &asker{in: bufio.NewScanner(os.Stdin), out: s.err, err: func(err error) { s.exit(err) }}
}

// maxTries bounds the wrong answers to one question.
const maxTries = 5

// missing is the error of flags that have no default.
func missing(example string, flags ...string) error {
	verb := " is missing"
	if len(flags) > 1 {
		verb = " are missing"
	}
	return usage(phrase.List(flags, len(flags))+verb, example)
}

// line sets value from an answer, if it is not set, and checks it either way.
func (a *asker) line(value *string, flag, what, example string, check func(string) error) error {
	if *value != "" {
		return problemOf(check(*value), "")
	}
	if a == nil {
		return missing(flag+" "+example, flag)
	}
	for range maxTries {
		text, err := a.read(what + ", such as " + example + ": ")
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		if err := check(text); err != nil {
			a.err(problemOf(err, ""))
			continue
		}
		*value = text
		return nil
	}
	return missing(flag+" "+example, flag)
}

// lines gives answers to add until one is empty; there is one at least.
func (a *asker) lines(flag, what, example string, add func(string) error) error {
	if a == nil {
		return missing(flag+" "+example, flag)
	}
	_, _ = fmt.Fprintln(a.out, what+", such as "+example+"; an empty line ends them:")
	for taken, tries := 0, 0; tries < maxTries; {
		text, err := a.read("  ")
		if errors.Is(err, io.EOF) && taken > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if text == "" && taken > 0 {
			return nil
		}
		if text == "" {
			tries++
			continue
		}
		if err := add(text); err != nil {
			a.err(err)
			tries++
			continue
		}
		taken, tries = taken+1, 0
	}
	return missing(flag+" "+example, flag)
}

func (a *asker) read(prompt string) (string, error) {
	_, _ = io.WriteString(a.out, prompt)
	if !a.in.Scan() {
		if err := a.in.Err(); err != nil {
			return "", fmt.Errorf("read the answer: %w", err)
		}
		return "", fmt.Errorf("read the answer: %w", io.EOF)
	}
	return strings.TrimSpace(term.Safe(a.in.Text())), nil
}
