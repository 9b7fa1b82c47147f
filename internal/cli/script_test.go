package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"

	"github.com/bulkhead-dev/bulkhead/internal/cli"
	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main(cli.Jobs())
	if !strings.HasPrefix(filepath.Base(os.Args[0]), "bulkhead") { // the user's own cache is no part of tests
		if err := os.Setenv("BULKHEAD_CACHE", "off"); err != nil {
			panic(err)
		}
	}
	testscript.Main(m, map[string]func(){
		"bulkhead": func() {
			os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
		},
	})
}

// TestScript runs the command line as its users type it. Every script finds the
// files of testdata/fleet.txtar, two clusters, in the folder fleet.
func TestScript(t *testing.T) {
	fleet, err := txtar.ParseFile("testdata/fleet.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files, scripts := map[string]string{}, jobScripts(t)
	for _, f := range fleet.Files {
		files[f.Name] = string(f.Data)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			for _, v := range [][2]string{
				{"HOME", e.WorkDir},
				{"GIT_CONFIG_GLOBAL", os.DevNull},
				{"GIT_CONFIG_NOSYSTEM", "1"},
				{"GIT_AUTHOR_NAME", "A"},
				{"GIT_AUTHOR_EMAIL", "a@acme.example"},
				{"GIT_AUTHOR_DATE", "2025-03-03T09:00:00Z"},
				{"GIT_COMMITTER_NAME", "A"},
				{"GIT_COMMITTER_EMAIL", "a@acme.example"},
				{"GIT_COMMITTER_DATE", "2025-03-03T09:00:00Z"},
				{"BULKHEAD_SALT", "test"},
				{"BULKHEAD_CACHE", filepath.Join(e.WorkDir, ".cache", "renders")},
			} {
				e.Setenv(v[0], v[1])
			}
			e.Values["charts"] = &repository{}
			dir := filepath.Join(e.WorkDir, "fleet")
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			for name, text := range scripts {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name), []byte(text), 0o600); err != nil {
					return err
				}
			}
			return fleetgen.Write(dir, files)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"validate": validate, "subst": subst, "charts": charts, "encrypt": encrypt},
	})
}

// validate SCHEMA FILE checks a JSON file ("stdout" for that of the last exec)
// against docs/reference/SCHEMA.schema.json, and that it has no null.
func validate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: validate schema file")
	}
	text := []byte(ts.ReadFile(args[1]))
	ts.Check(validJSON(args[0], text))
}

func validJSON(name string, text []byte) error {
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(wd, "../../docs/reference", name+".schema.json"))
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if err := schema.Validate(v); err != nil {
		return err
	}
	return nulls("", v)
}

// nulls looks for null in what is ours: manifests and edits may hold it.
func nulls(at string, v any) error {
	switch v := v.(type) {
	case nil:
		return fmt.Errorf("null at %s", at)
	case []any:
		for i, e := range v {
			if err := nulls(fmt.Sprintf("%s[%d]", at, i), e); err != nil {
				return err
			}
		}
	case map[string]any:
		for k, e := range v {
			if slices.Contains([]string{"manifest", "from", "to"}, k) {
				continue
			}
			if err := nulls(at+"."+k, e); err != nil {
				return err
			}
		}
	case json.Number, string, bool:
	}
	return nil
}

// subst FILE OLD NEW replaces every OLD in a file; there must be one.
func subst(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: subst file old new")
	}
	text := []byte(ts.ReadFile(args[0]))
	if !bytes.Contains(text, []byte(args[1])) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.ReplaceAll(text, []byte(args[1]), []byte(args[2])), 0o600))
}
