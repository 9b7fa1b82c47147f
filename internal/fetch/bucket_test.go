package fetch

import (
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// s3Server speaks as much S3 as reading a bucket takes: HEAD bucket, location,
// ListObjectsV2 in pages of two, GET object. It may want a signature.
type s3Server struct {
	bucket  string
	objects map[string]string
	key     string // access key that must have signed; "" is anyone
	seen    log
}

func (s *s3Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	bucket, key, _ := strings.Cut(path, "/")
	s.seen.add(r.Method + " " + r.URL.Path)
	fail := func(code int, name string) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(code)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s of %s</Message></Error>", name, name, key)
		}
	}
	switch {
	case s.key != "" && !strings.Contains(r.Header.Get("Authorization"), "Credential="+s.key+"/"):
		fail(403, "AccessDenied")
	case bucket != s.bucket:
		fail(404, "NoSuchBucket")
	case key == "" && r.URL.Query().Has("location"):
		fmt.Fprint(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`)
	case key == "" && r.URL.Query().Get("list-type") == "2":
		s.list(w, r)
	case key == "":
		w.WriteHeader(http.StatusOK)
	default:
		data, ok := s.objects[key]
		if !ok {
			fail(404, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", etag(data))
		w.Header().Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		fmt.Fprint(w, data)
	}
}

func etag(data string) string { return fmt.Sprintf(`"%x"`, md5.Sum([]byte(data))) }

func (s *s3Server) list(w http.ResponseWriter, r *http.Request) {
	type content struct{ Key, ETag string }
	var answer struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []content
	}
	var keys []string
	for k := range s.objects {
		if strings.HasPrefix(k, r.URL.Query().Get("prefix")) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if k <= r.URL.Query().Get("continuation-token") {
			continue
		}
		if len(answer.Contents) == 2 {
			answer.IsTruncated, answer.NextContinuationToken = true, answer.Contents[1].Key
			break
		}
		answer.Contents = append(answer.Contents, content{k, etag(s.objects[k])})
	}
	xml.NewEncoder(w).Encode(answer)
}

func TestBucket(t *testing.T) {
	back := &s3Server{bucket: "fleet", objects: map[string]string{
		"apps/a.yaml": "a", "apps/b.yaml": "b", "apps/skip.md": "s", "apps/": "", "infra/c.yaml": "c", ".github/x.yaml": "x", "top.yaml": "t", ".sourceignore": "*.md\n",
	}}
	s := httptest.NewServer(back)
	defer s.Close()
	ignore := "infra/"
	for name, c := range map[string]struct {
		q     BucketRequest
		files []string
		kind  error
	}{
		"all":         {q: BucketRequest{}, files: []string{".github/x.yaml", ".sourceignore", "apps/a.yaml", "apps/b.yaml", "infra/c.yaml", "top.yaml"}},
		"prefix":      {q: BucketRequest{Prefix: "apps/"}, files: []string{".sourceignore", "apps/a.yaml", "apps/b.yaml"}},
		"ignore":      {q: BucketRequest{Ignore: &ignore}, files: []string{".github/x.yaml", ".sourceignore", "apps/a.yaml", "apps/b.yaml", "top.yaml"}},
		"no bucket":   {q: BucketRequest{Bucket: "other"}, kind: ErrNotFound},
		"odd name":    {q: BucketRequest{Bucket: "../x"}, kind: ErrInvalid},
		"no provider": {q: BucketRequest{Provider: "dropbox"}, kind: ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			c.q.Endpoint, c.q.Insecure = hostOf(t, s), true
			if c.q.Bucket == "" {
				c.q.Bucket = "fleet"
			}
			a, err := client.Bucket(t.Context(), c.q)
			if c.kind != nil {
				want(t, err, c.kind)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range a.Files {
				got = append(got, f.Name)
			}
			if diff := cmp.Diff(c.files, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			var index strings.Builder
			for _, f := range got {
				if f != ".sourceignore" {
					fmt.Fprintf(&index, "%s %s\n", f, strings.Trim(etag(back.objects[f]), `"`))
				}
			}
			if want := digestOf([]byte(index.String())); a.Revision != want {
				t.Errorf("revision is %s, want %s", a.Revision, want)
			}
			before := len(back.seen.all())
			again, err := client.Bucket(t.Context(), c.q)
			if err != nil || !again.FromCache || len(back.seen.all()) != before {
				t.Errorf("the second time: %v", err)
			}
			again.FromCache = false
			if diff := cmp.Diff(a, again); diff != "" {
				t.Errorf("the second time (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBucketChange: after the interval only what has another etag is read.
func TestBucketChange(t *testing.T) {
	back := &s3Server{bucket: "fleet", objects: map[string]string{"a": "1", "b": "1"}}
	s := httptest.NewServer(back)
	defer s.Close()
	c := newClient(t)
	now := time.Now()
	c.now = func() time.Time { return now }
	q := BucketRequest{Endpoint: hostOf(t, s), Bucket: "fleet", Insecure: true}
	if _, err := c.Bucket(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	back.objects["b"] = "2"
	now = now.Add(time.Hour)
	n := len(back.seen.all())
	a, err := c.Bucket(t.Context(), q)
	if err != nil || string(a.Files[1].Data) != "2" {
		t.Fatal(a, err)
	}
	var got []string
	for _, l := range back.seen.all()[n:] {
		if l == "GET /fleet/a" || l == "GET /fleet/b" {
			got = append(got, l)
		}
	}
	if diff := cmp.Diff([]string{"GET /fleet/b"}, got); diff != "" {
		t.Errorf("objects read (-want +got):\n%s", diff)
	}
}

func TestBucketHostile(t *testing.T) {
	for name, c := range map[string]struct {
		objects map[string]string
		files   []string
		kind    error
	}{
		"up":              {map[string]string{"../../etc/passwd": "x", "a": "a"}, []string{"a", "etc/passwd"}, nil},
		"absolute":        {map[string]string{"/etc/passwd": "x"}, []string{"etc/passwd"}, nil},
		"file and folder": {map[string]string{"a": "x", "a/b": "y"}, nil, ErrInvalid},
		"too big":         {map[string]string{"a": strings.Repeat("x", 900), "b": strings.Repeat("x", 900)}, nil, ErrInvalid},
		"too many":        {map[string]string{"a": "", "b": "", "c": "", "d": "", "e": "", "f": ""}, nil, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(&s3Server{bucket: "fleet", objects: c.objects})
			defer s.Close()
			client := newClient(t, func(o *Options) { o.Limits.Unpacked, o.Limits.Files = 1000, 5 })
			a, err := client.Bucket(t.Context(), BucketRequest{Endpoint: hostOf(t, s), Bucket: "fleet", Insecure: true})
			if c.kind != nil {
				want(t, err, c.kind)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range a.Files {
				got = append(got, f.Name)
			}
			if diff := cmp.Diff(c.files, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBucketCredentials(t *testing.T) {
	s := httptest.NewServer(&s3Server{bucket: "fleet", objects: map[string]string{"a": "1"}, key: "AKEY"})
	defer s.Close()
	q := BucketRequest{Endpoint: hostOf(t, s), Bucket: "fleet", Insecure: true}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKEY") // of AWS, so not for this host
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter22")
	_, err := newClient(t).Bucket(t.Context(), q)
	if e := want(t, err, ErrDenied); !strings.Contains(e.Hint, ".mc/config.json") {
		t.Errorf("error is %+v", e)
	}
	write(t, filepath.Join(home, ".mc/config.json"), fmt.Sprintf(`{"version":"10","aliases":{"x":{"url":%q,"accessKey":"AKEY","secretKey":"hunter22"}}}`, s.URL))
	if _, err := newClient(t).Bucket(t.Context(), q); err != nil {
		t.Error(err)
	}
}

func TestGCPBucket(t *testing.T) {
	objects := map[string]string{"a b.yaml": "a", "dir/c.yaml": "c", "d%2f.yaml": "d"}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		const base = "/storage/v1/b/fleet/o"
		switch {
		case !strings.HasPrefix(r.URL.Path, base):
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == base && r.URL.Query().Get("pageToken") == "":
			fmt.Fprint(w, `{"nextPageToken":"2","items":[{"name":"a b.yaml","etag":"e1"},{"name":"dir/c.yaml","etag":"e2"}]}`)
		case r.URL.Path == base:
			fmt.Fprint(w, `{"items":[{"name":"d%2f.yaml","etag":"e3"}]}`)
		default:
			data, ok := objects[strings.TrimPrefix(r.URL.Path, base+"/")]
			if !ok {
				w.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprint(w, data)
		}
	})
	c := newClient(t)
	from := &gcpStore{c: c, rep: &report{c: c}, bucket: "fleet", base: s.URL}
	got := readStore(t, from)
	wanted := map[string]string{"a b.yaml": "a e1", "dir/c.yaml": "c e2", "d%2f.yaml": "d e3"}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	from.bucket = "private"
	err := from.list(t.Context(), "", nil)
	if err := c.explain("x", err); !strings.Contains(want(t, err, ErrDenied).Hint, "anyone may read") {
		t.Error(err)
	}
}

func TestAzureBucket(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("comp") == "list" && r.URL.Query().Get("marker") == "":
			fmt.Fprint(w, `<?xml version="1.0"?><EnumerationResults><Blobs><Blob><Name>a/b c.yaml</Name><Properties><Etag>0x1</Etag></Properties></Blob></Blobs><NextMarker>m</NextMarker></EnumerationResults>`)
		case r.URL.Query().Get("comp") == "list":
			fmt.Fprint(w, `<EnumerationResults><Blobs><Blob><Name>d</Name><Properties><Etag>0x2</Etag></Properties></Blob></Blobs><NextMarker/></EnumerationResults>`)
		case r.URL.Path == "/fleet/a/b c.yaml", r.URL.Path == "/fleet/d":
			w.Header().Set("ETag", `"0x1"`)
			fmt.Fprint(w, r.URL.Path)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	c := newClient(t)
	a, err := c.Bucket(t.Context(), BucketRequest{Provider: "azure", Endpoint: s.URL + "/", Bucket: "fleet"})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Files) != 2 || a.Files[0].Name != "a/b c.yaml" || a.Revision != digestOf([]byte("a/b c.yaml \"0x1\"\nd \"0x1\"\n")) {
		t.Errorf("artifact is %+v", a)
	}
}

func readStore(t *testing.T, from store) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := from.list(t.Context(), "", func(key, etag string) error {
		data, _, err := from.get(t.Context(), key, 100)
		got[key] = string(data) + " " + etag
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
