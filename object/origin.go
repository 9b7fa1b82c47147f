package object

// Applier names an object that makes a controller write to a cluster: a Flux Kustomization,
// HelmRelease or ResourceSet.
type Applier struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String is KIND/NAMESPACE/NAME, such as "Kustomization/flux-system/apps"; KIND/NAME when there
// is no namespace; "" for the zero Applier.
func (a Applier) String() string {
	switch {
	case a == Applier{}:
		return ""
	case a.Namespace == "":
		return a.Kind + "/" + a.Name
	default:
		return a.Kind + "/" + a.Namespace + "/" + a.Name
	}
}

// Source is where an applier takes its files from.
type Source struct {
	// URL is the repository's address as the Flux source object spells it.
	URL string `json:"url,omitempty"`
	// Revision is a commit, a digest or a chart version; "" when unknown.
	Revision string `json:"revision,omitempty"`
}

// Origin says how an object came to a cluster.
type Origin struct {
	// Cluster is the name of the cluster the object was rendered for.
	Cluster string `json:"cluster,omitempty"`
	// Chain is the appliers that lead to the object, outermost first; the last one writes it.
	// Objects of one applier may share the slice: do not change it.
	Chain []Applier `json:"chain,omitempty"`
	// Source is what the last applier of Chain reads. Objects that several revisions share do not
	// have it: their applier does.
	Source Source `json:"source,omitzero"`
	// File is the slash-separated path of the manifest from the source's root; "" when unknown.
	File string `json:"file,omitempty"`
}

// Owner is the applier that writes the object: the last of Chain, the zero Applier when Chain is empty.
func (o Origin) Owner() Applier {
	if len(o.Chain) == 0 {
		return Applier{}
	}
	return o.Chain[len(o.Chain)-1]
}
