package cli

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// FuzzMerge reviews parts that anybody wrote, in every format: there is an error or an answer, never a panic.
func FuzzMerge(f *testing.F) {
	cases, err := fleetcase.All(filepath.Join("..", "..", "impact", "testdata", "cases"))
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases[:min(len(cases), 12)] {
		shard := render.Shard{Index: 1, Of: 1}
		s, err := fleetstory.TellWith(f.Context(), c, fleetstory.Options{Shard: shard})
		if err != nil {
			f.Fatal(err)
		}
		var file bytes.Buffer
		if err := partOf(f, s, shard, "").Encode(&file); err != nil {
			f.Fatal(err)
		}
		f.Add(file.Bytes())
	}
	f.Add([]byte(`{"schemaVersion":"bulkhead.dev/impact-part/v1","shard":{"index":1,"of":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := part.Decode(bytes.NewReader(data))
		if err != nil || part.Check([]string{"part"}, []*part.Part{p}) != nil {
			return
		}
		for _, only := range []string{"", "platform"} {
			r := review.Of(t.Context(), []*part.Part{p}, review.Options{Only: only})
			for _, format := range impactFormats() {
				if err := write(io.Discard, format, r, term.Colour(false), false); err != nil {
					t.Logf("%s: %v", format, err)
				}
			}
		}
	})
}
