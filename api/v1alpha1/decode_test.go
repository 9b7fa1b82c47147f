package v1alpha1

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestDecodeDesign reads the documents every feature is drawn with.
func TestDecodeDesign(t *testing.T) {
	got, err := Decode("fleet/fleet.yaml", read(t, "testdata/fleet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	want := Documents{
		Fleet: &Fleet{
			TypeMeta: typed(KindFleet), ObjectMeta: metav1.ObjectMeta{Name: "acme"},
			Spec: FleetSpec{
				Layout: HubAndSpoke,
				Sources: []Source{
					{URL: "ssh://git@github.com/acme/billing-apps", Path: "../billing-apps"},
					{URL: "https://github.com/acme/auth", Path: "vendor/auth", Rev: "v1"},
				},
				Gates: []Gate{{Name: "prod-alone", Message: "no", Place: Place{"fleet/fleet.yaml", 12}}},
			},
			Place: Place{"fleet/fleet.yaml", 3},
		},
		Clusters: []Cluster{
			{
				TypeMeta:   typed(KindCluster),
				ObjectMeta: metav1.ObjectMeta{Name: "prod-us-east-1", Labels: map[string]string{"env": "prod", "example.com/region": "us-east-1"}},
				Spec: ClusterSpec{
					Path:              "clusters/prod-us-east-1",
					Ref:               &Ref{Branch: "prod", Commit: strings.Repeat("a1", 20)},
					KubernetesVersion: "1.35",
					Variables:         map[string]string{"domain": "us.acme.example"},
					Lockdown: Lockdown{
						NoCrossNamespaceRefs: &yes, NoRemoteBases: &no, DefaultServiceAccount: "flux",
						StrictPostBuildSubstitutions: &no,
					},
				},
				Place: Place{"fleet/fleet.yaml", 20},
			},
			{
				TypeMeta:   typed(KindCluster),
				ObjectMeta: metav1.ObjectMeta{Name: "azure", Annotations: map[string]string{"a": "b"}},
				Spec:       ClusterSpec{Paths: []string{"infrastructure", "apps/staging"}},
				Place:      Place{"fleet/fleet.yaml", 41},
			},
		},
		Tenants: []Tenant{{
			TypeMeta: typed(KindTenant), ObjectMeta: metav1.ObjectMeta{Name: "billing"},
			Spec: TenantSpec{
				Repository: &Repository{URL: "ssh://git@github.com/acme/billing"},
				Environments: []Environment{
					{Name: "dev", Settings: quick("1")},
					{Name: "prod", Path: "deploy/prod", Settings: quick("8.5")},
				},
			},
			Place: Place{"fleet/fleet.yaml", 53},
		}},
	}
	got.Tenants[0].Lines = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
	for i, want := range [][]string{{"clusters/prod-us-east-1"}, {"infrastructure", "apps/staging"}} {
		if diff := cmp.Diff(want, got.Clusters[i].Spec.EntryPaths()); diff != "" {
			t.Errorf("EntryPaths (-want +got):\n%s", diff)
		}
	}
}

// TestDecodeErrors runs testdata/errors.txtar: each file is decoded, and the
// comment lines at its end are the wanted error and hint.
func typed(kind string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: APIVersion, Kind: kind} }

// quick is a quota of processors and a short interval.
func quick(cpu string) Settings {
	return Settings{
		Quota: corev1.ResourceList{"requests.cpu": resource.MustParse(cpu)}, Sync: Sync{Interval: &metav1.Duration{Duration: 5 * time.Minute}},
	}
}

func TestDecodeErrors(t *testing.T) {
	ar, err := txtar.ParseFile("testdata/errors.txtar")
	if err != nil {
		t.Fatal(err)
	}
	update := os.Getenv("UPDATE") != ""
	for i, f := range ar.Files {
		t.Run(f.Name, func(t *testing.T) {
			input, _, _ := bytes.Cut(f.Data, []byte("#= "))
			_, err := Decode("f.yaml", input)
			var de *DocumentError
			if !errors.As(err, &de) {
				t.Fatalf("Decode gives %v, want a *DocumentError", err)
			}
			got := append(bytes.Clone(input), "#= "+de.Error()+"\n"...)
			if de.Hint != "" {
				got = append(got, "#  "+de.Hint+"\n"...)
			}
			if update {
				ar.Files[i].Data = got
			} else if diff := cmp.Diff(string(f.Data), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if update {
		if err := os.WriteFile("testdata/errors.txtar", txtar.Format(ar), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDecodeOddBytes covers what a text file of cases cannot hold.
func TestDecodeOddBytes(t *testing.T) {
	cluster := "apiVersion: bulkhead.dev/v1alpha1\nkind: Cluster\nmetadata: {name: a}\n"
	for name, c := range map[string]struct{ data, want string }{
		"empty":              {"", ""},
		"only comments":      {"# nothing\n---\n---\n", ""},
		"byte order mark":    {"\ufeff" + cluster + "spec: {path: c}\n", ""},
		"carriage returns":   {strings.ReplaceAll(cluster+"spec: {path: c, pth: d}\n", "\n", "\r\n"), "f.yaml:4: unknown field spec.pth"},
		"not UTF-8":          {cluster + "spec: {path: \"\xff\"}\n", "f.yaml:4: the file is no UTF-8 text"},
		"UTF-16":             {"\xff\xfea\x00", "f.yaml:1: the file is no UTF-8 text"},
		"control character":  {"a: 1\nb: \x01\n", "f.yaml:2: the file holds a control character"},
		"escaped null":       {cluster + `spec: {path: "a\0b"}`, `f.yaml:4: spec.path: "a b" holds a backslash or a control character`},
		"unterminated quote": {"a: b\nx: \"y\n", "f.yaml:2: broken YAML: found unexpected end of stream"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if _, err := Decode("f.yaml", []byte(c.data)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestDecodeHostile gives input made to cost time or memory. The limit on time
// is far above what a case takes (some 100 ms) and far below a runaway.
func TestDecodeHostile(t *testing.T) {
	head := "apiVersion: bulkhead.dev/v1alpha1\nkind: Tenant\nmetadata: {name: a}\nspec: {sync: {interval: {\n"
	in := func(payload string) string {
		return head + strings.ReplaceAll(strings.TrimSuffix(payload, "\n"), "\n", ",\n") + "}}}\n"
	}
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
	merge := "m0: &m0 {a: 1, b: 2}\n"
	for i := 1; i < 20; i++ {
		ref := fmt.Sprintf("*a%d", i-1)
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Join([]string{ref, ref, ref, ref, ref, ref, ref, ref, ref}, ","))
		merge += fmt.Sprintf("m%d: &m%d {<<: [*m%d, *m%d, *m%d]}\n", i, i, i-1, i-1, i-1)
	}
	many := func(aliased int) string {
		var b strings.Builder
		fmt.Fprint(&b, "apiVersion: bulkhead.dev/v1alpha1\nkind: Cluster\nmetadata: {name: a}\nspec:\n  path: c\n  variables:\n    a: &a x\n")
		for i := range aliased {
			fmt.Fprintf(&b, "    a%d: *a\n", i)
		}
		return b.String() + "---\n"
	}
	var keys, inline strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&keys, "k%d: v\n", i)
		fmt.Fprintf(&inline, "k%d: v, ", i)
	}
	const aliases = "YAML aliases stand for more than 10000 values"
	for name, c := range map[string]struct{ data, want string }{
		"10 MB":           {strings.Repeat("a: b\n", 2<<20), "the file has 10485760 bytes, more than the 1048576 a file of documents may have"},
		"alias bomb":      {in(bomb), aliases},
		"merge bomb":      {in(merge), aliases},
		"own parent":      {in("a: &a [*a]\n"), "values are nested deeper than 64"},
		"own merge":       {in("a: &a {<<: *a}\n"), "values are nested deeper than 64"},
		"many bombs":      {strings.Repeat(many(2000), 20), aliases},
		"bomb of another": {"apiVersion: v1\nkind: List\n" + bomb, ""},
		"deep flow":       {in("a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000)), "values are nested deeper than 64"},
		"deeper flow":     {in("a: " + strings.Repeat("[", 200_000)), "broken YAML: exceeded max depth of 10000"},
		"many keys":       {in(keys.String()), "want a duration"},
		"inline merge":    {in("<<: {" + inline.String() + "}\n"), aliases},
		"one long key":    {in("? " + strings.Repeat("k", 500_000) + " : {" + inline.String() + "}\n"), "want a duration"},
		"comments":        {strings.Repeat("#\n", 400_000), ""},
		"documents":       {strings.Repeat("---\n", 50_000), ""},
		"one long list":   {in("a: [" + strings.Repeat("a,", 100_000) + "]\n"), "want a duration"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Decode("f.yaml", []byte(c.data))
			if d := time.Since(start); d > time.Minute {
				t.Errorf("took %v", d)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	at := func(line int) Place { return Place{"b.yaml", line} }
	cluster := func(name string, p Place) Documents {
		return Documents{Clusters: []Cluster{{ObjectMeta: metav1.ObjectMeta{Name: name}, Place: p}}}
	}
	tenant := func(name string, p Place) Documents {
		return Documents{Tenants: []Tenant{{ObjectMeta: metav1.ObjectMeta{Name: name}, Place: p}}}
	}
	waiver := func(name string, p Place) Documents {
		return Documents{Waivers: []Waiver{{ObjectMeta: metav1.ObjectMeta{Name: name}, Place: p}}}
	}
	fleet := func(name string, p Place) Documents {
		return Documents{Fleet: &Fleet{ObjectMeta: metav1.ObjectMeta{Name: name}, Place: p}}
	}
	first := Place{"a.yaml", 1}
	for name, c := range map[string]struct {
		files []Documents
		want  string
	}{
		"none":         {nil, ""},
		"apart":        {[]Documents{cluster("a", first), tenant("a", at(1)), fleet("a", at(9)), cluster("b", at(20))}, ""},
		"two clusters": {[]Documents{cluster("a", first), cluster("a", at(4))}, `b.yaml:4: Cluster "a" is declared twice: here and at a.yaml:1`},
		"two tenants":  {[]Documents{tenant("a", first), tenant("a", at(4))}, `b.yaml:4: Tenant "a" is declared twice: here and at a.yaml:1`},
		"two waivers":  {[]Documents{waiver("a", first), waiver("a", at(4))}, `b.yaml:4: Waiver "a" is declared twice: here and at a.yaml:1`},
		"two fleets":   {[]Documents{fleet("a", first), fleet("b", at(4))}, `b.yaml:4: a second Fleet is declared: here and at a.yaml:1`},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if _, err := Merge(c.files...); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"branch", "commit", "name", "semver", "tag"}
	for word, want := range map[string]string{
		"brnach":                   "did you mean branch?",
		"SemVer":                   "did you mean semver?",
		"comit":                    "did you mean commit?",
		"url":                      "known here: branch, commit, name, semver, tag",
		strings.Repeat("tag", 999): "known here: branch, commit, name, semver, tag",
		"":                         "known here: branch, commit, name, semver, tag",
	} {
		if got := DidYouMean(word, known); got != want {
			t.Errorf("%.20s: got %q, want %q", word, got, want)
		}
	}
	if got := DidYouMean("x", nil); got != "" {
		t.Errorf("nothing known: got %q", got)
	}
}

// FuzzDecode: no panic, an answer in bounded time, errors of the one type with
// a line that exists, and what is accepted obeys the promises of Documents.
func FuzzDecode(f *testing.F) {
	f.Add(read(f, "testdata/fleet.yaml"))
	f.Add(read(f, "testdata/review.yaml"))
	ar, err := txtar.ParseFile(filepath.Join("testdata", "errors.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range ar.Files {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := Decode("f.yaml", data)
		if err != nil {
			var de *DocumentError
			if !errors.As(err, &de) {
				t.Fatalf("%T: %v", err, err)
			}
			if lines := 1 + bytes.Count(data, []byte("\n")); de.Line > lines || de.Line < 0 {
				t.Fatalf("line %d of %d: %v", de.Line, lines, err)
			}
			if strings.Contains(de.Error(), "\n") || len(de.Error()) > 2000 {
				t.Fatalf("not one short line: %q", de.Error())
			}
			return
		}
		for _, c := range docs.Clusters {
			if c.Name == "" || len(c.Spec.EntryPaths()) == 0 {
				t.Fatalf("accepted: %+v", c)
			}
			for _, p := range c.Spec.EntryPaths() {
				if !filepath.IsLocal(p) {
					t.Fatalf("accepted path %q", p)
				}
			}
		}
		checkAccepted(t, docs)
	})
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
