package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bulkhead-dev/bulkhead/report/term"
)

// reportFiles are those of --report, in one of the formats.
func reportFiles(reports, formats []string) (out []reportFile, err error) {
	for _, text := range reports {
		format, path, ok := strings.Cut(text, "=")
		if !ok || path == "" {
			return nil, usage("--report "+term.Quote(text)+" is not FORMAT=FILE", "for instance --report json=out.json")
		}
		if err := checkFormat(format, formats); err != nil {
			return nil, err
		}
		out = append(out, reportFile{format, path})
	}
	return out, nil
}

// replaceFile writes a file as a whole, or leaves the old one.
func replaceFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return hinted(fmt.Errorf("write %s: %w", path, cause(err)), "name a file in a folder that is there")
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	return nil
}
