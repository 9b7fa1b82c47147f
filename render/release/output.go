package release

// Output is what a release holds. Nothing of it is shared with the input.
type Output struct {
	Chart Chart `json:"chart"`
	// Objects are what Helm applies, in its order of installation, after post-rendering, with what Helm adds when
	// it applies: the label app.kubernetes.io/managed-by, two annotations, and a namespace.
	Objects []Object `json:"objects,omitempty"`
	// Hooks are in the order that Helm runs those of one event.
	Hooks []Hook `json:"hooks,omitempty"`
	// CRDs are the CustomResourceDefinitions in the crds/ folders of the chart and of its enabled subcharts,
	// with origin labels. Other objects there are left out, as the controller does, with a note.
	CRDs []Object `json:"crds,omitempty"`
	// Namespace is what install.createNamespace makes, or nil.
	Namespace *Object `json:"namespace,omitempty"`
	// Uses says what of the cluster the release may depend on.
	Uses Uses `json:"uses,omitzero"`
	// Notes are what the reader should know: sorted, no text twice, nothing sensitive.
	Notes []string `json:"notes,omitempty"`
}

// Chart is what Chart.yaml says of the chart that was rendered.
type Chart struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	AppVersion  string `json:"appVersion,omitempty"`
	KubeVersion string `json:"kubeVersion,omitempty"`
	Type        string `json:"type,omitempty"`
	Deprecated  bool   `json:"deprecated,omitempty"`
}

// Uses says whether anything in the chart or the values can read .Capabilities. It says yes too often
// rather than too rarely.
type Uses struct {
	KubeVersion bool `json:"kubeVersion,omitempty"`
	APIVersions bool `json:"apiVersions,omitempty"`
}

// Object is one object as Helm sends it.
type Object struct {
	// JSON is the object, with sorted keys.
	JSON []byte `json:"json"`
	// File is the template as in "# Source:", such as "nginx/templates/svc.yaml".
	File string `json:"file,omitempty"`
	// Unknowable names what made a part of it that can't be known without the cluster, sorted: functions such as "now" and
	// "randAlphaNum", ".Release.Revision", and lookups as "lookup v1 Secret namespace/name".
	Unknowable []string `json:"unknowable,omitempty"`
	// Keep says that the annotation helm.sh/resource-policy lets the object outlive the release.
	Keep bool `json:"keep,omitempty"`
	// DefaultedNamespace says that metadata.namespace was not set, and is the release's. Helm does that for
	// namespaced kinds only; the caller takes it off the others.
	DefaultedNamespace bool `json:"defaultedNamespace,omitempty"`
}

// Hook is an object that Helm applies around an action.
type Hook struct {
	Object
	// Events are "pre-install", "post-upgrade", "test" and so on, in the order of the annotation.
	Events []string `json:"events"`
	// Weight orders the hooks of one event, the lowest first.
	Weight int `json:"weight,omitempty"`
	// DeletePolicies are "before-hook-creation" (the default), "hook-succeeded" and "hook-failed".
	DeletePolicies []string `json:"deletePolicies,omitempty"`
	// Test says that the hook is a test.
	Test bool `json:"test,omitempty"`
	// Runs says that one of the events belongs to the action of the release: install, upgrade, or a test when enabled.
	Runs bool `json:"runs,omitempty"`
}
