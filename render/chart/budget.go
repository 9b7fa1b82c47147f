package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// budget is what one package may still read.
type budget struct{ bytes, files int64 }

func newBudget() *budget { return &budget{bytes: maxRead, files: maxFiles} }

// file takes one file of n bytes off the budget.
func (b *budget) file(n int) error {
	if b.files--; b.files < 0 {
		return fmt.Errorf("more than %d files: %w", maxFiles, ErrTooLarge)
	}
	return b.read(n)
}

func (b *budget) read(n int) error {
	if b.bytes -= int64(n); b.bytes < 0 {
		return fmt.Errorf("more than %d MiB with all that is packed in it: %w", maxRead>>20, ErrTooLarge)
	}
	return nil
}

// metered counts what is read through it.
type metered struct {
	r io.Reader
	b *budget
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if over := m.b.read(n); over != nil {
		return n, over
	}
	return n, err
}

// weigh reads a chart archive, and the archives that Helm would unpack from its
// charts/ folders, against the budget. Helm bounds each archive by itself, but neither
// their sum nor the number of files. What else is wrong with an archive is Helm's
// to say; weigh lets it pass.
func weigh(data []byte, b *budget, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("more than %d charts inside each other: %w", maxNested, ErrTooLarge)
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil //nolint:nilerr // not an archive, as Helm will say
	}
	tr := tar.NewReader(metered{zr, b})
	for {
		h, err := tr.Next()
		if err == nil {
			err = weighEntry(h, tr, b, depth)
		}
		switch {
		case errors.Is(err, ErrTooLarge):
			return err
		case err != nil:
			return nil //nolint:nilerr // the end, or what Helm will report
		}
	}
}

func weighEntry(h *tar.Header, r io.Reader, b *budget, depth int) error {
	if err := b.file(0); err != nil {
		return err
	}
	if len(h.Name) > maxName {
		return fmt.Errorf("file name of more than %d bytes, %.40q...: %w", maxName, h.Name, ErrTooLarge)
	}
	if strings.Contains(h.Name, `\`) {
		h.Name = strings.ReplaceAll(h.Name, `\`, "/")
	}
	_, name, _ := strings.Cut(h.Name, "/")
	packed, deep := nested(path.Clean(name))
	if depth+deep > maxNested {
		return fmt.Errorf("%.80q: more than %d charts inside each other: %w", h.Name, maxNested, ErrTooLarge)
	}
	if !packed || h.Size > MaxFile {
		return nil
	}
	inner, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return weigh(inner, b, depth+deep)
}

// inChart is a file's name from the root of the innermost chart that it lies in.
func inChart(name string) string {
	for {
		rest, ok := strings.CutPrefix(name, "charts/")
		if !ok {
			return name
		}
		if _, rest, ok = strings.Cut(rest, "/"); !ok {
			return name
		}
		name = rest
	}
}

// nested says of a file's name from a chart's root whether Helm unpacks the file as a
// chart, and how many charts lie around the file.
func nested(name string) (packed bool, deep int) {
	for {
		rest, ok := strings.CutPrefix(name, "charts/")
		if !ok {
			return false, deep
		}
		deep++
		chart, below, isFolder := strings.Cut(rest, "/")
		if !isFolder {
			return path.Ext(chart) == ".tgz" && strings.IndexAny(chart, "_.") != 0, deep
		}
		name = below
	}
}
