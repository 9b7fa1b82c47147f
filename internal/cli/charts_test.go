package cli_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
)

// repository is a chart repository over HTTP, on loopback.
type repository struct {
	mu   sync.Mutex
	dir  string
	host string
	log  []string
}

// charts DIR serves each folder of DIR as a version of the chart web, packaged by Helm, until the script
// ends; $CHARTS is its host and port. "charts FILE" with -log in front writes what was
// asked for since.
func charts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: charts DIR, or charts -log FILE")
	}
	if args[0] == "-log" {
		r, _ := ts.Value("charts").(*repository)
		r.mu.Lock()
		defer r.mu.Unlock()
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(r.log, "")), 0o600))
		r.log = nil
		return
	}
	r, _ := ts.Value("charts").(*repository)
	if r.host == "" {
		r.dir = filepath.Join(ts.Getenv("WORK"), "packages")
		ts.Check(os.MkdirAll(r.dir, 0o755))
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.mu.Lock()
			r.log = append(r.log, req.URL.Path+"\n")
			r.mu.Unlock()
			http.FileServer(http.Dir(r.dir)).ServeHTTP(w, req)
		}))
		ts.Defer(s.Close)
		r.host = strings.TrimPrefix(s.URL, "http://")
		ts.Setenv("CHARTS", r.host)
	}
	folders, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
	ts.Check(err)
	index := "apiVersion: v1\nentries:\n  web:\n"
	for _, dir := range folders {
		c, err := loader.LoadDir(dir)
		ts.Check(err)
		file, err := chartutil.Save(c, r.dir)
		ts.Check(err)
		data, err := os.ReadFile(file)
		ts.Check(err)
		index += fmt.Sprintf("  - {apiVersion: v2, name: %s, version: %s, digest: %x, urls: [%s]}\n",
			c.Name(), c.Metadata.Version, sha256.Sum256(data), filepath.Base(file))
	}
	ts.Check(os.WriteFile(filepath.Join(r.dir, "index.yaml"), []byte(index), 0o600))
}
