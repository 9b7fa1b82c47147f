package chart

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// TestSavedIndex: what was saved is read as it was, the times of all zones included; what
// is cut off or changed is an error or another index, never a panic.
func TestSavedIndex(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want, err := Index([]byte(drawIndex(t)))
		if err != nil {
			t.Skip(err)
		}
		for _, list := range want.charts {
			for i := range list {
				list[i].created = time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds"))
			}
		}
		data, err := want.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got := &IndexFile{}
		if err := got.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.charts, got.charts, cmp.AllowUnexported(version{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the saved index (-want +got):\n%s", diff)
		}
		if again, err := got.MarshalBinary(); err != nil || !slices.Equal(again, data) {
			t.Fatalf("saved again it is %q, %v, want %q", again, err, data)
		}
		for name := range want.charts {
			for _, constraint := range []string{"", "1.x", ">0-0", "1.2.3", "one"} {
				a, b := fmt.Sprint(Find(want, name, constraint)), fmt.Sprint(Find(got, name, constraint))
				if a != b {
					t.Fatalf("%s %s: %s, once saved %s", name, constraint, a, b)
				}
			}
		}
		if err := got.UnmarshalBinary(data[:rapid.IntRange(0, len(data)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("no error for the begin of an index")
		}
	})
}

// TestSavedForm holds the form to [SavedForm]: with another form, or with other versions
// in the index for one and the same file, that is to be another one, too.
func TestSavedForm(t *testing.T) {
	t.Parallel()
	ix, err := Index([]byte(smallIndex))
	if err != nil {
		t.Fatal(err)
	}
	data, err := ix.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	want := "\x04\x05empty\x00\x02no\x01\x051.2.3\x05a.tgz\x00\xff\xdb\x8f\xf9\xce\x03\x00\anothing\x00"
	if SavedForm != "2" || !strings.HasPrefix(string(data), want) || len(data) != 166 {
		t.Errorf("form %s is now %d bytes, %q", SavedForm, len(data), data)
	}
}

func FuzzSavedIndex(f *testing.F) {
	ix, err := Index([]byte(smallIndex))
	if err != nil {
		f.Fatal(err)
	}
	data, err := ix.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("\x01\x01a\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ix := &IndexFile{}
		if err := ix.UnmarshalBinary(data); err != nil {
			return
		}
		for name := range ix.charts {
			_, _, _, _ = Find(ix, name, "")
		}
		again, err := ix.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		other := &IndexFile{}
		if err := other.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ix.charts, other.charts, cmp.AllowUnexported(version{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("saved again (-first +again):\n%s", diff)
		}
	})
}

func BenchmarkSavedIndex(b *testing.B) {
	ix, err := Index(bigIndex(20 << 20))
	if err != nil {
		b.Fatal(err)
	}
	data, err := ix.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := new(IndexFile).UnmarshalBinary(data); err != nil {
			b.Fatal(err)
		}
	}
}
