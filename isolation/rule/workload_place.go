package rule

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

func placeRule() Rule {
	return Rule{
		Rule: finding.Rule{
			ID: "WRK-005", Level: finding.Medium, Title: "A pod of a tenant chooses its place past the scheduler",
			Why:  "A pod on a node of the control plane is next to the keys of the cluster. One with a priority of the system drives out the pods of others.",
			Hint: "remove the field that the message names, and leave the place to the scheduler",
		},
		Unless: "the platform gave the tenant nodes of its own, and the field names them",
		Source: "Kubernetes v1.36: taints of the control plane, and the priority classes that it makes",
		object: placed,
	}
}

func placed(_ *Context, o *estate.Object) (out []Found) {
	if o.Tenant == nil {
		return nil
	}
	of, ok := podOf(o)
	if !ok {
		return nil
	}
	add := func(field, format string, args ...any) {
		out = append(out, Found{Field: of.field(field), Message: brief(o) + " " + fmt.Sprintf(format, args...)})
	}
	if node := estate.Text(of.spec, "nodeName"); node != "" {
		add("nodeName", "names the node %s, past the scheduler and its taints", legible(node))
	}
	if s := estate.Text(of.spec, "schedulerName"); s != "" && s != "default-scheduler" {
		add("schedulerName", "asks for another scheduler: %s", legible(s))
	}
	class := estate.Text(of.spec, "priorityClassName")
	switch {
	case strings.HasPrefix(class, "system-"):
		add("priorityClassName", "has the priority %s, which drives out the pods of others", legible(class))
	case outsideClasses(o, class, func(c *v1alpha1.Contract) []string { return c.PriorityClasses }):
		add("priorityClassName", "has the priority %s, which is not in the contract of tenant %s", legible(class), o.Tenant.Name)
	}
	for i, t := range estate.List(of.spec, "tolerations") {
		key, operator := estate.Text(t, "key"), estate.Text(t, "operator")
		switch {
		case key == "" && operator == "Exists":
			add(fmt.Sprintf("tolerations[%d]", i), "tolerates every taint, also those of the control plane")
		case controlPlane(key):
			add(fmt.Sprintf("tolerations[%d]", i), "tolerates the taint of the control plane")
		}
	}
	selector, _ := of.spec["nodeSelector"].(map[string]any)
	for key := range selector {
		if controlPlane(key) {
			add("nodeSelector", "selects nodes of the control plane")
			break
		}
	}
	const required = "requiredDuringSchedulingIgnoredDuringExecution"
	for i, term := range estate.List(of.spec, "affinity", "nodeAffinity", required, "nodeSelectorTerms") {
		for _, e := range estate.List(term, "matchExpressions") {
			if op := estate.Text(e, "operator"); controlPlane(estate.Text(e, "key")) && (op == "Exists" || op == "In") {
				add(fmt.Sprintf("affinity.nodeAffinity.%s.nodeSelectorTerms[%d]", required, i), "selects nodes of the control plane")
			}
		}
	}
	return out
}

func controlPlane(key string) bool {
	return key == "node-role.kubernetes.io/control-plane" || key == "node-role.kubernetes.io/master"
}

func storageRule() Rule {
	return Rule{
		Rule: finding.Rule{
			ID: "WRK-006", Level: finding.High, Title: "A tenant reaches for storage of others",
			Why:  "A claim that names a volume gets what is on it, whoever wrote that. A snapshot of another namespace is a copy of its data.",
			Hint: "let the storage class make the volume, and take data from the tenant's own namespaces",
		},
		Boundary: true,
		Unless:   "data is moved, and whom the volume belonged to has agreed",
		Source:   "Kubernetes v1.36: volumeName and dataSourceRef of a claim, claimRef of a volume, inline CSI volumes",
		object:   foreignStorage,
	}
}

func foreignStorage(_ *Context, o *estate.Object) (out []Found) {
	if o.Tenant == nil {
		return nil
	}
	if o.Is("", "PersistentVolumeClaim") {
		return claimFound(o, o.ID.Name, "spec", o.At("spec"))
	}
	of, ok := podOf(o)
	if !ok {
		return nil
	}
	for i, t := range estate.List(o.Body().Map(), "spec", "volumeClaimTemplates") {
		if o.Is("apps", "StatefulSet") { // its pods' claims are called TEMPLATE-SET-NUMBER
			out = append(out, claimFound(o, "", fmt.Sprintf("spec.volumeClaimTemplates[%d].spec", i), t["spec"])...)
		}
	}
	for at, v := range of.volumes() {
		out = append(out, claimFound(o, "", at+".ephemeral.volumeClaimTemplate.spec", estate.At(v, "ephemeral", "volumeClaimTemplate", "spec"))...)
		if driver := estate.Text(v, "csi", "driver"); driver != "" && !inlineDrivers[driver] {
			out = append(out, Found{
				Level: finding.Medium, Field: at + ".csi.driver",
				Message: fmt.Sprintf("%s has an inline volume of the driver %s, which alone decides what the pod gets", brief(o), legible(driver)),
				Hint:    "use a claim of a storage class, or a driver that gives a pod what is its own",
			})
		}
	}
	return out
}

// inlineDrivers give a pod what its own account and namespace may have.
var inlineDrivers = map[string]bool{"secrets-store.csi.k8s.io": true, "csi.cert-manager.io": true, "spiffe.csi.cert-manager.io": true, "csi.spiffe.io": true} //nolint:gochecknoglobals // a constant table

// claimFound says what is wrong with the spec of a claim. Name is that of the claim; "" when a controller makes it up.
func claimFound(o *estate.Object, name, at string, spec any) (out []Found) {
	if volume := estate.Text(spec, "volumeName"); volume != "" {
		out = append(out, volumeFound(o, name, at+".volumeName", volume)...)
	}
	if class := estate.Text(spec, "storageClassName"); outsideClasses(o, class, func(c *v1alpha1.Contract) []string { return c.StorageClasses }) {
		out = append(out, Found{
			Level: finding.Medium, Field: at + ".storageClassName", Hint: "name a class of storageClasses of the contract",
			Message: fmt.Sprintf("%s asks for storage of class %s, which is not in the contract of tenant %s", brief(o), legible(class), o.Tenant.Name),
		})
	}
	p := o.Compartment()
	for _, field := range []string{"dataSourceRef", "dataSource"} {
		ns := estate.Text(spec, field, "namespace")
		if ns == "" || ns == o.ID.Namespace || p != nil && p.Owns(ns) {
			continue
		}
		out = append(out, Found{
			Field: at + "." + field + ".namespace",
			Message: fmt.Sprintf("%s takes its data from %s %s of namespace %s, which is not of tenant %s", brief(o), legible(estate.Text(spec, field, "kind")),
				legible(estate.Text(spec, field, "name")), legible(ns), o.Tenant.Name),
		})
	}
	return out
}

// volumeFound says whose the volume is that a claim names.
func volumeFound(o *estate.Object, claim, field, volume string) []Found {
	for _, pv := range o.Cluster.Kind("", "PersistentVolume") {
		if pv.ID.Name != volume {
			continue
		}
		ns, name := pv.Text("spec", "claimRef", "namespace"), pv.Text("spec", "claimRef", "name")
		switch {
		case name == "":
			return one(Found{Field: field, Level: finding.Medium, Message: fmt.Sprintf("%s takes the volume %s, which is kept for no claim", brief(o), legible(volume))})
		case ns == o.ID.Namespace && (name == claim || claim == ""):
			return nil
		}
		return one(Found{Field: field, Message: fmt.Sprintf("%s takes the volume %s, which is kept for the claim %s/%s", brief(o), legible(volume), legible(ns), legible(name))})
	}
	return one(Found{Field: field, Unproven: true, Message: fmt.Sprintf("%s takes the volume %s, and Git does not say whose it is", brief(o), legible(volume))})
}
