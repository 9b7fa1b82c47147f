//go:build e2e && linux

package e2e

import (
	"fmt"
	"maps"
)

// objectDice throws objects that the API server takes, but for policies.
type objectDice struct{ dice }

// body is an object. What comes after its content is merged into the metadata.
func body(apiVersion, kind, namespace, name string, content map[string]any, meta ...map[string]any) map[string]any { //nolint:revive // the fields of an object, in their order
	m := map[string]any{"name": name}
	if namespace != "" {
		m["namespace"] = namespace
	}
	for _, more := range meta {
		maps.Copy(m, more)
	}
	out := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": m}
	maps.Copy(out, content)
	return out
}

// podded is the content of what runs pods.
func podded(spec map[string]any, image string) map[string]any {
	out := map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": "x"}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": "x"}},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "x", "image": image}}},
		},
	}
	maps.Copy(out, spec)
	return map[string]any{"spec": out}
}

func (r *objectDice) half() bool { return r.IntN(2) == 0 }

// meta is labels and annotations that policies look at.
func (r *objectDice) meta() map[string]any {
	labels, out := map[string]any{}, map[string]any{}
	if r.half() {
		labels["team"] = r.of("a", "b", "ops")
	}
	for _, l := range []string{"exempt", "checked", "sized", "costly"} {
		if r.IntN(4) == 0 {
			labels[l] = r.of("yes", "yes", "no")
		}
	}
	if len(labels) > 0 {
		out["labels"] = labels
	}
	if r.IntN(3) > 0 {
		out["annotations"] = map[string]any{"owner": "x"}
	}
	return out
}

func (r *objectDice) attempt(i int) *attempt {
	namespace := r.of("a", "a", "b", "b", "c")
	out := &attempt{namespace: r.of("a", "b"), account: "flux", apply: r.half()}
	apiVersion, kind, content := r.content(i)
	if kind == "Namespace" || kind == "PriorityClass" || kind == "StorageClass" {
		namespace = ""
	}
	name := fmt.Sprintf("x%d", r.IntN(6))
	if kind == "Namespace" {
		name = fmt.Sprintf("ns%d", i)
	}
	if kind == "Box" { // a field that is not in the schema is an error when it is applied
		out.apply = false
	}
	meta := r.meta()
	if kind == "Namespace" && r.half() {
		meta = map[string]any{}
	}
	if kind == "Namespace" && r.IntN(3) == 0 {
		meta["labels"] = map[string]any{"free": ""}
	}
	out.now = body(apiVersion, kind, namespace, name, content, meta)
	return out
}

func (r *objectDice) content(i int) (apiVersion, kind string, content map[string]any) {
	spec := func(m map[string]any) map[string]any { return map[string]any{"spec": m} }
	switch i % 22 {
	case 0, 1, 2:
		return "v1", "ConfigMap", r.data()
	case 3, 4:
		return "v1", "Secret", r.secret()
	case 5, 6:
		return "v1", "Service", r.service()
	case 7, 8:
		return "apps/v1", "Deployment", r.deployment()
	case 9:
		return "apps/v1", "StatefulSet", r.stateful()
	case 10:
		return "apps/v1", "DaemonSet", r.daemon()
	case 11:
		return "batch/v1", "Job", spec(r.job())
	case 12:
		s := map[string]any{"schedule": "@daily", "jobTemplate": spec(r.job())}
		if r.half() {
			s["suspend"] = true
		}
		return "batch/v1", "CronJob", spec(s)
	case 13:
		return "networking.k8s.io/v1", "Ingress", r.ingress()
	case 14:
		return "networking.k8s.io/v1", "NetworkPolicy", r.network()
	case 15:
		return "v1", "ServiceAccount", nil
	}
	return r.other(i)
}

func (r *objectDice) other(i int) (apiVersion, kind string, content map[string]any) {
	spec := func(m map[string]any) map[string]any { return map[string]any{"spec": m} }
	switch i % 22 {
	case 16:
		return "rbac.authorization.k8s.io/v1", "Role", map[string]any{"rules": []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"pods"}, "verbs": []any{"get"}}}}
	case 17:
		subject := map[string]any{"kind": r.of("User", "Group"), "name": "jane"}
		if r.half() {
			subject = map[string]any{"kind": "ServiceAccount", "name": "flux", "namespace": "a"}
		}
		return "rbac.authorization.k8s.io/v1", "RoleBinding", map[string]any{
			"roleRef": map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": r.of("edit", "view", "admin")}, "subjects": []any{subject},
		}
	case 18:
		return r.storage()
	case 19:
		scale := map[string]any{"maxReplicas": int64(5), "scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}
		if r.half() {
			scale["minReplicas"] = int64(2)
		}
		if r.half() {
			return "autoscaling/v1", "HorizontalPodAutoscaler", spec(scale)
		}
		if r.half() {
			scale["behavior"] = map[string]any{"scaleDown": map[string]any{"stabilizationWindowSeconds": int64(60)}}
		}
		return "autoscaling/v2", "HorizontalPodAutoscaler", spec(scale)
	case 20:
		box := map[string]any{"unknown": "x"}
		if r.half() {
			box["size"] = int64(r.IntN(9))
		}
		return "policy.example.com/" + r.of("v1", "v2"), "Box", spec(box)
	}
	switch r.IntN(4) {
	case 0:
		return "v1", "Namespace", nil
	case 1:
		return "scheduling.k8s.io/v1", "PriorityClass", map[string]any{"value": int64(r.IntN(2000))}
	case 2:
		return "policy/v1", "PodDisruptionBudget", spec(map[string]any{"minAvailable": int64(1), "selector": map[string]any{"matchLabels": map[string]any{"app": "x"}}})
	}
	out := map[string]any{"provisioner": "example.com/disk"}
	if r.half() {
		out["reclaimPolicy"] = "Retain"
	}
	return "storage.k8s.io/v1", "StorageClass", out
}

func (r *objectDice) data() map[string]any {
	data := map[string]any{}
	for _, k := range []string{"a", "b", "c", "size"} {
		if r.half() {
			data[k] = r.of("7", "5", "12", "x")
		}
	}
	if len(data) == 0 {
		return nil
	}
	return map[string]any{"data": data}
}

func (r *objectDice) secret() map[string]any {
	out := map[string]any{"stringData": map[string]any{"a": "b"}}
	if r.half() {
		out["type"] = "example.com/key"
	}
	return out
}

func (r *objectDice) service() map[string]any {
	s := map[string]any{"ports": []any{map[string]any{"port": int64(80)}}, "selector": map[string]any{"app": "x"}}
	switch r.IntN(4) {
	case 0:
		s["type"] = "LoadBalancer"
	case 1:
		s["type"] = "NodePort"
		s["sessionAffinity"] = "ClientIP"
	case 2:
		s = map[string]any{"type": "ExternalName", "externalName": "example.com"}
	}
	return map[string]any{"spec": s}
}

func (r *objectDice) deployment() map[string]any {
	spec := map[string]any{}
	if r.half() {
		spec["replicas"] = int64(r.IntN(6))
	}
	switch r.IntN(4) {
	case 0:
		spec["strategy"] = map[string]any{"type": "Recreate"}
	case 1:
		spec["strategy"] = map[string]any{"rollingUpdate": map[string]any{"maxSurge": int64(1)}}
	}
	out := podded(spec, r.of("x:v1", "x:v1", "registry:5000/x", "x@sha256:0123456789012345678901234567890123456789012345678901234567890123", "x:latest"))
	pod := out["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	if r.half() {
		pod["securityContext"] = map[string]any{"runAsUser": int64(r.IntN(2))}
	}
	if r.half() {
		r.rich(pod)
	}
	return out
}

// rich gives pods much of what has defaults.
func (r *objectDice) rich(pod map[string]any) {
	pod["serviceAccountName"] = "flux"
	pod["hostNetwork"] = r.half()
	pod["volumes"] = []any{
		map[string]any{"name": "a"},
		map[string]any{"name": "b", "configMap": map[string]any{"name": "b"}},
		map[string]any{"name": "c", "secret": map[string]any{"secretName": "c"}},
		map[string]any{"name": "d", "hostPath": map[string]any{"path": "/d"}},
		map[string]any{"name": "e", "projected": map[string]any{"sources": []any{
			map[string]any{"serviceAccountToken": map[string]any{"path": "token"}},
			map[string]any{"downwardAPI": map[string]any{"items": []any{map[string]any{"path": "name", "fieldRef": map[string]any{"fieldPath": "metadata.name"}}}}},
		}}},
		map[string]any{"name": "f", "downwardAPI": map[string]any{"items": []any{map[string]any{"path": "name", "fieldRef": map[string]any{"fieldPath": "metadata.name"}}}}},
		map[string]any{"name": "g", "ephemeral": map[string]any{"volumeClaimTemplate": claim("1Gi")}},
	}
	probe := map[string]any{"httpGet": map[string]any{"port": int64(80)}}
	c := pod["containers"].([]any)[0].(map[string]any)
	maps.Copy(c, map[string]any{
		"ports": []any{map[string]any{"containerPort": int64(80)}}, "readinessProbe": probe, "livenessProbe": map[string]any{"grpc": map[string]any{"port": int64(80)}, "periodSeconds": int64(5)},
		"startupProbe": map[string]any{"tcpSocket": map[string]any{"port": "80"}},
		"lifecycle":    map[string]any{"preStop": map[string]any{"httpGet": map[string]any{"port": int64(80), "path": "/stop"}}},
		"env":          []any{map[string]any{"name": "NODE", "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "spec.nodeName"}}}},
		"resources":    map[string]any{"limits": map[string]any{"cpu": "0.5", "memory": "1024Mi"}},
	})
	delete(c["startupProbe"].(map[string]any), "tcpSocket")
	c["startupProbe"].(map[string]any)["exec"] = map[string]any{"command": []any{"true"}}
	pod["initContainers"] = []any{map[string]any{"name": "init", "image": "init", "restartPolicy": "Always"}}
}

func claim(size string) map[string]any {
	return map[string]any{"spec": map[string]any{"accessModes": []any{"ReadWriteOnce"}, "resources": map[string]any{"requests": map[string]any{"storage": size}}}}
}

func (r *objectDice) stateful() map[string]any {
	spec := map[string]any{"serviceName": "x"}
	if r.half() {
		c := claim("1Gi")
		c["metadata"] = map[string]any{"name": "data"}
		spec["volumeClaimTemplates"] = []any{c}
	}
	if r.half() {
		spec["updateStrategy"] = map[string]any{"type": r.of("OnDelete", "RollingUpdate")}
	}
	if r.half() {
		spec["replicas"] = int64(r.IntN(6))
	}
	return podded(spec, r.of("x", "x:v1"))
}

func (r *objectDice) daemon() map[string]any {
	spec := map[string]any{}
	if r.half() {
		spec["updateStrategy"] = map[string]any{"type": "OnDelete"}
	}
	out := podded(spec, "x:v1")
	if r.half() {
		out["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["nodeSelector"] = map[string]any{"role": r.of("a", "")}
	}
	return out
}

func (r *objectDice) job() map[string]any {
	out := map[string]any{"template": map[string]any{"spec": map[string]any{
		"restartPolicy": r.of("Never", "OnFailure"), "containers": []any{map[string]any{"name": "x", "image": "x:v1"}},
	}}}
	if r.half() {
		out["backoffLimit"] = int64(r.IntN(8))
	}
	if r.half() {
		out["parallelism"] = int64(2)
	}
	if r.half() {
		out["suspend"] = true
	}
	return out
}

func (r *objectDice) ingress() map[string]any {
	var list []any
	for range 1 + r.IntN(2) {
		rule := map[string]any{"http": map[string]any{"paths": []any{map[string]any{
			"path": "/", "pathType": "Prefix", "backend": map[string]any{"service": map[string]any{"name": "x", "port": map[string]any{"number": int64(80)}}},
		}}}}
		if r.IntN(4) > 0 {
			rule["host"] = r.of("shop.example.com", "shop.example.com", "shop.example.org")
		}
		list = append(list, rule)
	}
	return map[string]any{"spec": map[string]any{"rules": list}}
}

func (r *objectDice) network() map[string]any {
	spec := map[string]any{"podSelector": map[string]any{}}
	if r.half() {
		spec["ingress"] = []any{map[string]any{
			"ports": []any{map[string]any{"port": int64(80)}}, "from": []any{map[string]any{"ipBlock": map[string]any{"cidr": r.of("10.1.0.0/16", "192.168.0.0/16")}}},
		}}
	}
	if r.half() {
		spec["egress"] = []any{map[string]any{"ports": []any{map[string]any{"port": int64(53)}}}}
	}
	return map[string]any{"spec": spec}
}

func (r *objectDice) storage() (apiVersion, kind string, content map[string]any) {
	switch r.IntN(3) {
	case 0:
		return "v1", "PersistentVolumeClaim", claim(r.of("1Gi", "0.5Ti", "2048Mi"))
	case 1:
		return "v1", "ResourceQuota", map[string]any{"spec": map[string]any{"hard": map[string]any{"requests.cpu": r.of("4", "0.5", "20", "10000m"), "pods": r.of("5", "50")}}}
	}
	limit := map[string]any{"type": r.of("Container", "Container", "Pod"), "max": map[string]any{"cpu": "1"}}
	if limit["type"] == "Container" && r.half() {
		limit["min"] = map[string]any{"cpu": "100m", "memory": "1Mi"}
	}
	return "v1", "LimitRange", map[string]any{"spec": map[string]any{"limits": []any{limit}}}
}
