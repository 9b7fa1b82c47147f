package phrase_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/phrase"
)

func TestPhrases(t *testing.T) {
	five := []string{"a", "b", "c", "d", "e"}
	tests := map[string]string{
		phrase.Count(1, "cluster"):    "1 cluster",
		phrase.Count(0, "cluster"):    "0 clusters",
		phrase.Count(2, "patch"):      "2 patches",
		phrase.Count(2, "entry"):      "2 entries",
		phrase.Count(3, "day"):        "3 days",
		phrase.Count(3, "class"):      "3 classes",
		phrase.List(nil, 3):           "",
		phrase.List(five, 5):          "a, b, c, d, e",
		phrase.List(five, 4):          "a, b, c, d, e",
		phrase.List(five, 3):          "a, b, c and 2 more",
		phrase.Where(five[:1], 9):     "on a",
		phrase.Where(five, 5):         "on all 5 clusters",
		phrase.Where(five[:2], 2):     "on 2 clusters: a, b",
		phrase.Clip("äöü", 3):         "äöü",
		phrase.Clip("äöüß", 3):        "äö…",
		phrase.Verb(1, "has", "have"): "has",
		phrase.Verb(0, "has", "have"): "have",

		phrase.Revision("main@sha1:0123456789abcdef"): "main (0123456789)",
		phrase.Revision("sha1:0123456789abcdef"):      "commit 0123456789",
		phrase.Revision("v1.2.0@sha256:01"):           "v1.2.0@sha256:01",
	}
	for got, want := range tests {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
