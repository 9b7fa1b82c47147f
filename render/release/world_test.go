package release

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestNothingOutside: a chart asks no name server, no network, no environment and no file, whatever its templates call.
func TestNothingOutside(t *testing.T) {
	old, transport := net.DefaultResolver, http.DefaultTransport
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(_ context.Context, network, address string) (net.Conn, error) {
		t.Errorf("%s %s was dialled", network, address)
		return nil, errors.New("no network here")
	}}
	http.DefaultTransport = nil
	t.Cleanup(func() { net.DefaultResolver, http.DefaultTransport = old, transport })
	t.Setenv("BULKHEAD_SECRET", "hunter2")
	secret := t.TempDir() + "/secret"
	if err := os.WriteFile(secret, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a name":       `{{ getHostByName "metadata.example.com" }}`,
		"an address":   `{{ getHostByName "169.254.169.254" }}`,
		"a lookup":     `{{ lookup "v1" "Secret" "flux-system" "" }}`,
		"a file":       `{{ .Files.Get "` + secret + `" }}`,
		"a file above": `{{ .Files.Get "../../../../../../..` + secret + `" }}`,
		"files":        `{{ (.Files.Glob "../**").AsSecrets }}`,
		"a variable":   `{{ env "BULKHEAD_SECRET" }}`,
		"expansion":    `{{ expandenv "$BULKHEAD_SECRET" }}`,
	} {
		t.Run(name, func(t *testing.T) {
			out, err := Render(t.Context(), inputFor(chartOf("templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: |\n    x"+text+"\n"), nil))
			if err != nil {
				if !strings.Contains(err.Error(), "not defined") {
					t.Errorf("error %v", err)
				}
				return
			}
			if len(out.Objects) != 1 {
				t.Fatalf("%d objects", len(out.Objects))
			}
			for i := range out.Objects {
				if data, _ := json.Marshal(&out.Objects[i]); strings.Contains(string(data), "hunter2") || strings.Contains(string(data), "169.254") {
					t.Errorf("the chart got at what is outside: %s", data)
				}
			}
		})
	}
}
