package gate

// Impact is what a change does to the fleet: the value "impact" of expressions. Lists are sorted
// and may be empty; a text that is not known is "".
type Impact struct {
	// Clusters that change, or about which something cannot be said any more.
	Clusters []Cluster `cel:"clusters"`
	// Environments of these clusters, production last. A cluster without one adds none.
	Environments []string `cel:"environments"`
	// Concerns that objects change of: "platform", "cluster", "tenant/NAME".
	Concerns []string `cel:"concerns"`
	// Tenants among the concerns, by name.
	Tenants []string `cel:"tenants"`
	// Counts over all clusters.
	Counts Counts `cel:"counts"`
	// Risks of the changes, waived ones too.
	Risks []Risk `cel:"risks"`
	// Changes to objects. What is the same on several clusters is one.
	Changes []Change `cel:"changes"`
	// Files that differ between the two revisions, from the repository's root.
	Files []string `cel:"files"`
	// FileConcerns says whose a file is, of those files where that is known.
	FileConcerns map[string]string `cel:"fileConcerns"`
	// Labels that the author gave the change on the command line.
	Labels []string `cel:"labels"`
	// Failures after the change.
	Failures []Failure `cel:"failures"`
	// Unresolved is what cannot be known offline, and differs between the two revisions.
	Unresolved []Unresolved `cel:"unresolved"`
	// Unread are changed files that no cluster reads.
	Unread []string `cel:"unread"`
}

// Cluster is one of the fleet.
type Cluster struct {
	// Name of the cluster.
	Name string `cel:"name"`
	// Environment that it belongs to.
	Environment string `cel:"environment"`
	// Labels of its Cluster document. Ask for one with '"region" in c.labels && c.labels.region == "eu"'.
	Labels map[string]string `cel:"labels"`
	// Added objects.
	Added int `cel:"added"`
	// Changed objects.
	Changed int `cel:"changed"`
	// Removed objects.
	Removed int `cel:"removed"`
	// Moved objects: another applier owns them.
	Moved int `cel:"moved"`
	// Total of the four.
	Total int `cel:"total"`
	// Failures after the change.
	Failures int `cel:"failures"`
	// Unresolved parts after the change.
	Unresolved int `cel:"unresolved"`
	// Withheld appliers: nothing can be said about their objects.
	Withheld int `cel:"withheld"`
	// Severity of the worst open risk: "error", "warning", "note" or "".
	Severity string `cel:"severity"`
}

// Counts are sums over all clusters.
type Counts struct {
	// Clusters that change.
	Clusters int `cel:"clusters"`
	// Objects that change, each counted on each of its clusters.
	Objects int `cel:"objects"`
	// Added among the objects.
	Added int `cel:"added"`
	// Changed among the objects.
	Changed int `cel:"changed"`
	// Removed among the objects.
	Removed int `cel:"removed"`
	// Moved among the objects.
	Moved int `cel:"moved"`
	// Failures after the change.
	Failures int `cel:"failures"`
	// NewFailures among them: they are not there before the change.
	NewFailures int `cel:"newFailures"`
	// Unresolved parts after the change.
	Unresolved int `cel:"unresolved"`
	// Withheld appliers: nothing can be said about their objects.
	Withheld int `cel:"withheld"`
	// Fleet is the number of all clusters, also of those that do not change.
	Fleet int `cel:"fleet"`
}

// Risk is what is dangerous about a change.
type Risk struct {
	// ID of the rule, such as "pvc-deleted".
	ID string `cel:"id"`
	// Severity: "error", "warning" or "note".
	Severity string `cel:"severity"`
	// Message in one line.
	Message string `cel:"message"`
	// Clusters that it is about.
	Clusters []string `cel:"clusters"`
	// Environments of these clusters.
	Environments []string `cel:"environments"`
	// Concern of the object.
	Concern string `cel:"concern"`
	// Kind of the object, such as "Deployment".
	Kind string `cel:"kind"`
	// Namespace of the object; "" for a cluster-scoped one.
	Namespace string `cel:"namespace"`
	// Name of the object.
	Name string `cel:"name"`
	// Waived is true when a waiver accepts it.
	Waived bool `cel:"waived"`
}

// Change is what happens to one object, the same on some clusters.
type Change struct {
	// Change is "removed", "moved", "changed" or "added".
	Change string `cel:"change"`
	// Group of the object's API, such as "apps"; "" for the core group.
	Group string `cel:"group"`
	// Kind of the object, such as "Deployment".
	Kind string `cel:"kind"`
	// Namespace of the object; "" for a cluster-scoped one.
	Namespace string `cel:"namespace"`
	// Name of the object.
	Name string `cel:"name"`
	// Clusters on which it happens.
	Clusters []string `cel:"clusters"`
	// Environments of these clusters.
	Environments []string `cel:"environments"`
	// Concern of the object.
	Concern string `cel:"concern"`
	// Fate of a removed object: "deleted", "orphaned" or "unsure"; of a moved one, what its old owner may do.
	Fate string `cel:"fate"`
	// Files of the commit that cause it.
	Files []string `cel:"files"`
	// Risks of it that are open, by ID.
	Risks []string `cel:"risks"`
}

// Failure is what a controller would refuse after the change.
type Failure struct {
	// Cluster on which it is.
	Cluster string `cel:"cluster"`
	// Applier that fails, such as "Kustomization/flux-system/apps".
	Applier string `cel:"applier"`
	// Message in one line.
	Message string `cel:"message"`
	// New is true when it is not there before the change.
	New bool `cel:"new"`
}

// Unresolved is what cannot be known offline on one side, and is not there or is another on the other.
type Unresolved struct {
	// Cluster on which it is.
	Cluster string `cel:"cluster"`
	// Kind of it: "source", "remote", "variable", "encrypted", "path", "chart", "values" or "input".
	Kind string `cel:"kind"`
	// Subject is the URL, variable or object in question.
	Subject string `cel:"subject"`
	// Change is "added" when it is so after the change, "removed" when before.
	Change string `cel:"change"`
}
