package fleetgen

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed files/peers-*.txtar
var peersFiles embed.FS

// Peers makes the fleet that other tools have been timed with, byte for byte: every
// cluster has every application, a Kustomization of three objects; every third
// application brings a HelmRelease too, of a chart of two objects.
//
//	clusters/c000/flux-system/...    odd clusters are production, even ones staging
//	clusters/c000/cluster-vars.yaml  cluster_name, region
//	clusters/c000/apps.yaml          the Kustomizations
//	apps/base/a000/...               three objects, and the HelmRelease
//	apps/overlays/ENV/a000/...       a patch, a component
func Peers(clusters, apps int) map[string]string {
	files := map[string]string{}
	fill := func(to map[string]string, name string, v values) { v.fill(to, peersTemplate(name)) }
	fill(files, "shape", values{})
	app := func(i int) string { return fmt.Sprintf("a%03d", i) }
	envs := []struct{ name, replicas string }{{"staging", "1"}, {"production", "4"}}
	for i := range apps {
		v := values{"app": app(i), "release": ""}
		if i%3 == 0 {
			v["release"] = ", release.yaml"
			fill(files, "release", v)
		}
		fill(files, "app", v)
		for _, e := range envs {
			v["env"], v["replicas"] = e.name, e.replicas
			fill(files, "overlay", v)
		}
	}
	for i := range clusters {
		v := values{"cluster": Cluster(i), "region": fmt.Sprintf("r%d", i%4), "env": envs[i%2].name}
		fill(files, "cluster", v)
		var docs []string
		for j := range apps {
			v["app"] = app(j)
			one := map[string]string{}
			fill(one, "kustomization", v)
			docs = append(docs, one["app.yaml"])
		}
		files["clusters/"+Cluster(i)+"/apps.yaml"] = strings.Join(docs, "---\n")
	}
	return files
}

func peersTemplate(name string) string {
	data, err := peersFiles.ReadFile("files/peers-" + name + ".txtar")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(data)
}
