package estate_test

import (
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

func TestReserved(t *testing.T) {
	o, err := object.New(object.NewBody(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": estate.ReservedHosts, "namespace": "flux-system"},
		"data": map[string]any{estate.HostDigest("*.auth.example.com"): "", estate.HostDigest("login.example.com"): ""},
	}), object.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	c := &estate.Cluster{FluxNamespace: "flux-system"}
	c.Objects = []*estate.Object{{Object: o, Cluster: c}}
	for host, want := range map[string]string{
		"login.example.com": "login.example.com", "LOGIN.example.com.": "login.example.com", "a.auth.example.com": "*.auth.example.com", "a.b.auth.example.com": "*.auth.example.com",
		"*.auth.example.com": "*.auth.example.com", "auth.example.com": "", "example.com": "", "x": "", "": "",
	} {
		if got := c.Reserved(host); got != want {
			t.Errorf("%q is kept by %q, want %q", host, got, want)
		}
	}
	if got := (&estate.Cluster{}).Reserved("login.example.com"); got != "" {
		t.Errorf("without a contract %q is kept", got)
	}
}
