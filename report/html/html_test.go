package html_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/bulkhead-dev/bulkhead/report/html"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

func TestTmp(t *testing.T) {
	for _, n := range reporttest.Names() {
		r := reporttest.Sample(n)
		var b bytes.Buffer
		s := time.Now()
		if err := html.Write(&b, r); err != nil {
			t.Fatal(err)
		}
		t.Log(n, b.Len(), time.Since(s))
		os.WriteFile("/tmp/shots/"+n+".html", b.Bytes(), 0o644)
	}
}
