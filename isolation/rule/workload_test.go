package rule

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// TestRegistries: an entry of a contract ends where a part of a name does.
func TestRegistries(t *testing.T) {
	for text, wants := range map[string]map[string]bool{
		"ghcr.io/acme/shop/api:1":         {"ghcr.io/acme/shop/": true, "ghcr.io/acme/shop": true, "ghcr.io": true, "ghcr.io/acme/sho": false, "ghcr.io/acme/": true, "https://ghcr.io/acme/": true},
		"ghcr.io/acme/shop-evil/api":      {"ghcr.io/acme/shop": false, "ghcr.io/acme/shop-": true},
		"ghcr.io.evil.example/acme/api:1": {"ghcr.io": false, "ghcr.io/": false},
		"nginx":                           {"docker.io/library/": true, "docker.io": true, "index.docker.io/library": true, "nginx": false},
		"someone/tool@sha256:00":          {"docker.io/someone/": true, "docker.io/library/": false},
		"localhost:5000/tool:2":           {"localhost:5000/": true, "localhost": false},
		"index.docker.io/someone/tool":    {"docker.io/someone": true},
	} {
		i, ok := readImage(text)
		if !ok {
			t.Errorf("%s is no image", text)
		}
		for entry, want := range wants {
			if got := i.from([]string{entry}); got != want {
				t.Errorf("%s from %s: %v", text, entry, got)
			}
		}
	}
	for text, want := range map[string]image{
		"a:5000/b:1.2@sha256:00": {"a:5000/b", "1.2", "sha256:00"}, "a:5000/b": {"a:5000/b", "", ""}, "b:1": {"docker.io/library/b", "1", ""},
	} {
		if got, _ := readImage(text); got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
	for _, text := range []string{"", ":1", "a b", "@sha256:00", "a/"} {
		if _, ok := readImage(text); ok {
			t.Errorf("%q is an image", text)
		}
	}
}

// TestHosts: wildcards stand for what is below them, and paths are compared by their parts.
func TestHosts(t *testing.T) {
	for _, c := range []struct {
		pattern, host string
		want          bool
	}{
		{"a.example.com", "a.example.com", true},
		{"*.example.com", "a.example.com", true},
		{"*.example.com", "b.a.example.com", true},
		{"*.example.com", "*.a.example.com", true},
		{"*.example.com", "example.com", false},
		{"*.example.com", "evilexample.com", false},
		{"*.example.com", "*", false},
		{"*", "a.example.com", true},
		{"*example.com", "evilexample.com", false},
		{"*.example.com", ".example.com", false},
	} {
		if got := coversHost(c.pattern, c.host); got != c.want {
			t.Errorf("%s covers %s: %v", c.pattern, c.host, got)
		}
	}
	for _, c := range []struct {
		a, b []string
		want bool
	}{
		{nil, []string{"/a"}, true},
		{[]string{"/a"}, []string{"/b"}, false},
		{[]string{"/a"}, []string{"/a/b"}, true},
		{[]string{"/a"}, []string{"/ab"}, false},
		{[]string{"/a/"}, []string{"/a"}, true},
		{[]string{"/b", "/c"}, []string{"/d", "/c"}, true},
	} {
		if got := samePaths(c.a, c.b); got != c.want || samePaths(c.b, c.a) != got {
			t.Errorf("%v and %v: %v", c.a, c.b, got)
		}
	}
	for host, want := range map[string]string{
		"app": "here/app", "app.there.svc": "there/app", "app.there.svc.cluster.local.": "there/app", "APP.There.SVC.other.domain": "there/app", "www.example.com": "", "a.b": "",
	} {
		name, ns, ok := serviceName(host, "here")
		if got := ns + "/" + name; ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s %v", host, got, ok)
		}
	}
}

// TestWide: what peers stand for everybody.
func TestWide(t *testing.T) {
	block := func(cidr string, except ...string) []networkingv1.NetworkPolicyPeer {
		return []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: cidr, Except: except}}}
	}
	spaces := func(s metav1.LabelSelector) []networkingv1.NetworkPolicyPeer {
		return []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &s}}
	}
	exists := func(key string, op metav1.LabelSelectorOperator) metav1.LabelSelector {
		return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: op}}}
	}
	for name, c := range map[string]struct {
		peers           []networkingv1.NetworkPolicyPeer
		ingress, egress bool
	}{
		"none":                 {nil, true, true},
		"the world":            {block("0.0.0.0/0"), true, true},
		"half of the world":    {block("128.0.0.0/1"), true, true},
		"the other half":       {block("0.0.0.0/1"), true, false},
		"without metadata":     {block("0.0.0.0/0", "169.254.169.254/32"), false, false},
		"a part of it":         {block("10.0.0.0/8"), false, false},
		"all of IPv6":          {block("::/0"), true, true},
		"no block":             {block("everywhere"), false, false},
		"every namespace":      {spaces(metav1.LabelSelector{}), true, true},
		"each has a name":      {spaces(exists("kubernetes.io/metadata.name", metav1.LabelSelectorOpExists)), true, true},
		"some have a label":    {spaces(exists("team", metav1.LabelSelectorOpExists)), false, false},
		"all but some":         {spaces(exists("team", metav1.LabelSelectorOpDoesNotExist)), true, true},
		"one namespace":        {spaces(metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "a"}}), false, false},
		"pods of this one":     {[]networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}, false, false},
		"an empty peer at all": {[]networkingv1.NetworkPolicyPeer{{}}, false, false},
	} {
		if got := wide(c.peers, true) != ""; got != c.ingress {
			t.Errorf("%s: ingress %v", name, got)
		}
		if got := wide(c.peers, false) != ""; got != c.egress {
			t.Errorf("%s: egress %v", name, got)
		}
	}
}

// TestPodSecurityLevel: what an inferred tenant may have is what its namespace enforces, else baseline.
func TestPodSecurityLevel(t *testing.T) {
	c := &estate.Cluster{Name: "c"}
	c.Objects = []*estate.Object{
		made(t, c, nil, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "strict", "labels": map[string]any{"pod-security.kubernetes.io/enforce": "restrictd"}}}),
		made(t, c, nil, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "open"}}),
	}
	p := &estate.Compartment{Cluster: c, Tenant: &estate.Tenant{Name: "t", Inferred: true, Document: &v1alpha1.Tenant{}}, Namespaces: []string{"missing", "open", "strict"}}
	for ns, want := range map[string]string{"missing": "baseline", "open": "baseline", "strict": "restricted"} {
		if got := podSecurityOf(p, ns); string(got) != want {
			t.Errorf("%s: %s", ns, got)
		}
	}
	found := podSecurityMissing(nil, p)
	if len(found) != 2 || !found[0].Unproven || found[1].Unproven || found[1].Object != c.Objects[1] {
		t.Errorf("%+v", found)
	}
}

func made(tb interface{ Fatal(args ...any) }, c *estate.Cluster, t *estate.Tenant, content map[string]any) *estate.Object {
	o, err := object.New(object.NewBody(content), object.Origin{Cluster: c.Name})
	if err != nil {
		tb.Fatal(err)
	}
	return &estate.Object{Object: o, Cluster: c, Tenant: t, File: func() string { return "" }}
}

// TestHostileWorkloads: objects of tenants may have any shape, and no rule panics or says more than a line.
func TestHostileWorkloads(t *testing.T) {
	kinds := [][2]string{
		{"v1", "Pod"},
		{"apps/v1", "StatefulSet"},
		{"batch/v1", "CronJob"},
		{"v1", "PersistentVolumeClaim"},
		{"v1", "PersistentVolume"},
		{"v1", "Service"},
		{"v1", "ResourceQuota"},
		{"v1", "LimitRange"},
		{"networking.k8s.io/v1", "NetworkPolicy"},
		{"networking.k8s.io/v1", "Ingress"},
		{"gateway.networking.k8s.io/v1", "Gateway"},
		{"gateway.networking.k8s.io/v1", "HTTPRoute"},
		{"gateway.networking.k8s.io/v1beta1", "ReferenceGrant"},
		{"networking.istio.io/v1", "VirtualService"},
		{"traefik.io/v1alpha1", "IngressRoute"},
		{"cilium.io/v2", "CiliumNetworkPolicy"},
		{"cert-manager.io/v1", "Certificate"},
		{"postgresql.cnpg.io/v1", "Cluster"},
		{"v1", "Namespace"},
	}
	keys := []string{
		"spec", "template", "jobTemplate", "metadata", "annotations", "labels", "containers", "initContainers", "volumes", "image", "projected", "sources", "tolerations", "key", "operator", "affinity",
		"rules", "host", "http", "paths", "path", "tls", "hosts", "hostnames", "listeners", "hostname", "allowedRoutes", "namespaces", "from", "selector", "parentRefs", "backendRefs", "namespace", "name",
		"routes", "match", "services", "ingress", "egress", "to", "ipBlock", "cidr", "podSelector", "policyTypes", "hard", "limits", "type", "externalName", "externalIPs", "volumeName", "dataSourceRef",
		"nginx.ingress.kubernetes.io/server-alias", "nginx.ingress.kubernetes.io/auth-url", "external-dns.alpha.kubernetes.io/hostname", "volumeClaimTemplates", "csi", "driver", "claimRef",
	}
	words := []any{"", "a", "*", "*.example.com", "a.example.com", "${X}", "Exists", "All", "Host(`a.b`, \"c\") || HostRegexp(`.*`)", "ghcr.io/a/b:latest", "a\nb", "0.0.0.0/0", "://", "LoadBalancer", "ExternalName", int64(3), true, nil, 1.5}
	var value func(deep int) *rapid.Generator[any]
	value = func(deep int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); {
			case deep == 0 || kind == 0:
				return rapid.SampledFrom(words).Draw(t, "word")
			case kind == 1:
				return rapid.SliceOfN(value(deep-1), 0, 3).Draw(t, "list")
			}
			return rapid.MapOfN(rapid.SampledFrom(keys), value(deep-1), 0, 6).Draw(t, "map")
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		c := &estate.Cluster{Name: "c", Production: true}
		tenant := &estate.Tenant{Name: "t", Document: &v1alpha1.Tenant{Spec: v1alpha1.TenantSpec{Contract: v1alpha1.Contract{Hosts: []string{"a.example.com"}, Registries: []string{"ghcr.io/a/"}}}}}
		other := &estate.Tenant{Name: "u", Inferred: true, Document: &v1alpha1.Tenant{}}
		e := &estate.Estate{Clusters: []*estate.Cluster{c}, Tenants: []*estate.Tenant{tenant, other}}
		for i, who := range []*estate.Tenant{nil, tenant, other} {
			a := &estate.Applier{Applier: object.Applier{Kind: "Kustomization", Namespace: "flux-system", Name: string(rune('a' + i))}, Home: c, Target: c, Tenant: who}
			for range rapid.IntRange(0, 4).Draw(t, "objects") {
				kind := rapid.SampledFrom(kinds).Draw(t, "what")
				content := map[string]any{"apiVersion": kind[0], "kind": kind[1], "spec": value(6).Draw(t, "spec"), "metadata": map[string]any{
					"name": "n", "namespace": rapid.SampledFrom([]string{"one", "two", ""}).Draw(t, "namespace"), "annotations": value(2).Draw(t, "annotations"), "labels": value(1).Draw(t, "labels"),
				}}
				o := made(t, c, who, content)
				o.Applier = a
				a.Objects = append(a.Objects, o)
			}
			c.Appliers, c.Objects = append(c.Appliers, a), append(c.Objects, a.Objects...)
			if who != nil {
				p := &estate.Compartment{Tenant: who, Cluster: c, Namespaces: []string{[]string{"", "one", "two"}[i]}, Appliers: []*estate.Applier{a}}
				c.Compartments = append(c.Compartments, p)
			}
		}
		for _, f := range Find(NewContext(e), nil) {
			for _, r := range f.Message {
				if r < ' ' {
					t.Fatalf("%s says more than a line: %q", f.Rule, f.Message)
				}
			}
		}
	})
}
