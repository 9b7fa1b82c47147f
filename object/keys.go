package object

// mergeKeys says for a field that holds a list which fields of an element tell it from the others. The
// candidates are tried in order; one is used when every element of both lists has all its fields, as
// scalars, and no two elements of one list agree in them. Fields of custom resources that
// happen to have one of these names are thus matched by key too, where that is possible.
//
// Source: the patchMergeKey tags and listMapKey markers of k8s.io/api, k8s.io/apimachinery and
// k8s.io/apiextensions-apiserver v0.36; in the second part, lists that Kubernetes treats as atomic
// and those of Gateway API and Flux, by the field that people tell the elements apart by.
var mergeKeys = map[string][][]string{ //nolint:gochecknoglobals // a table that nothing changes; Go has no constant maps
	"acceptedTypes":             {{"group", "version", "kind"}},
	"addresses":                 {{"type"}, {"ip"}},
	"allocatedResourcesStatus":  {{"name"}},
	"claims":                    {{"name"}},
	"conditions":                {{"type"}},
	"consumesCounters":          {{"counterSet"}},
	"containers":                {{"name"}},
	"devices":                   {{"driver", "pool", "device"}, {"name"}},
	"drivers":                   {{"name"}},
	"env":                       {{"name"}},
	"ephemeralContainers":       {{"name"}},
	"firstAvailable":            {{"name"}},
	"hostAliases":               {{"ip"}},
	"hostIPs":                   {{"ip"}},
	"imagePullSecrets":          {{"name"}},
	"initContainers":            {{"name"}},
	"matchConditions":           {{"name"}},
	"ownerReferences":           {{"uid"}},
	"podGroupTemplates":         {{"name"}},
	"podIPs":                    {{"ip"}},
	"ports":                     {{"containerPort", "protocol"}, {"port", "protocol"}, {"name"}},
	"requests":                  {{"name"}},
	"reservedFor":               {{"uid"}},
	"resourceClaimStatuses":     {{"name"}},
	"resourceClaims":            {{"name"}},
	"resources":                 {{"resource"}, {"resourceID"}, {"name"}},
	"schedulingGates":           {{"name"}},
	"secrets":                   {{"name"}},
	"sharedCounters":            {{"name"}},
	"storageVersions":           {{"apiServerID"}},
	"subresources":              {{"subresource"}},
	"topologySpreadConstraints": {{"topologyKey", "whenUnsatisfiable"}, {"topologyKey"}},
	"variables":                 {{"name"}},
	"versions":                  {{"name"}, {"version"}},
	"volumeDevices":             {{"devicePath"}},
	"volumeMounts":              {{"mountPath"}},
	"volumes":                   {{"name"}},
	"webhooks":                  {{"name"}},
	"x-kubernetes-validations":  {{"rule"}},

	"additionalPrinterColumns": {{"name"}},
	"containerStatuses":        {{"name"}},
	"dependsOn":                {{"kind", "name", "namespace"}, {"name", "namespace"}},
	"healthChecks":             {{"kind", "name", "namespace"}},
	"httpHeaders":              {{"name"}},
	"images":                   {{"name"}},
	"initContainerStatuses":    {{"name"}},
	"items":                    {{"key"}, {"path"}},
	"limits":                   {{"type"}},
	"listeners":                {{"name"}},
	"matchExpressions":         {{"key", "operator"}},
	"parentRefs":               {{"kind", "name", "namespace"}, {"name", "namespace"}},
	"paths":                    {{"path", "pathType"}},
	"policies":                 {{"type"}},
	"readinessGates":           {{"conditionType"}},
	"rules":                    {{"host"}},
	"subjects":                 {{"kind", "name", "namespace"}},
	"substituteFrom":           {{"kind", "name"}},
	"sysctls":                  {{"name"}},
	"taints":                   {{"key", "effect"}},
	"tls":                      {{"secretName"}},
	"valuesFrom":               {{"kind", "name", "valuesKey"}, {"kind", "name"}},
}

// keyDefaults holds the value of a merge key's field in an element that does not have it.
//
// Source: the default marker of ContainerPort.protocol and ServicePort.protocol; a reference
// without a namespace means the namespace of the object it is in, or none.
var keyDefaults = map[string]any{ //nolint:gochecknoglobals // a table that nothing changes; Go has no constant maps
	"protocol":  "TCP",
	"namespace": "",
}

// scalarSets names the lists whose elements are matched by value, when they are scalars
// that differ from each other. The order of any other list of scalars, such as a command line, matters.
//
// Source: listType=set and patchStrategy=merge in the packages named at mergeKeys; and the
// required fields of a JSON schema.
var scalarSets = map[string]bool{ //nolint:gochecknoglobals // a table that nothing changes; Go has no constant maps
	"accessModes":          true,
	"apiGroups":            true,
	"categories":           true,
	"finalizers":           true,
	"namespaces":           true,
	"nonResourceURLs":      true,
	"podCIDRs":             true,
	"policyTypes":          true,
	"required":             true,
	"resourceNames":        true,
	"resources":            true,
	"shortNames":           true,
	"validationActions":    true,
	"values":               true,
	"verbs":                true,
	"volumeLifecycleModes": true,
}

// byValue is the merge key of a list of scalars.
func byValue() []string { return []string{""} }

// keysFor picks the merge key for two lists under a field; nil when they have none. The maps
// find an element by its key.
func keysFor(field string, a, b []any) (names []string, inA, inB map[string]int) {
	candidates := mergeKeys[field]
	if scalarSets[field] {
		candidates = append([][]string{byValue()}, candidates...)
	}
	for _, names := range candidates {
		if inA = indexBy(names, a); inA == nil {
			continue
		}
		if inB = indexBy(names, b); inB != nil {
			return names, inA, inB
		}
	}
	return nil, nil, nil
}

// indexBy maps the key of each element to its position; nil when an element has none or shares it.
func indexBy(names []string, list []any) map[string]int {
	index := make(map[string]int, len(list))
	for i, el := range list {
		k, ok := keyOf(names, el)
		if !ok {
			return nil
		}
		if _, dup := index[k]; dup {
			return nil
		}
		index[k] = i
	}
	return index
}

// keyOf is the element's key as text, different for different keys; false when the element lacks it.
func keyOf(names []string, el any) (string, bool) {
	var e encoder
	for _, name := range names {
		v, ok := keyField(name, el)
		if !ok {
			return "", false
		}
		e.value(v)
		e.buf = append(e.buf, ',')
	}
	return string(e.buf), true
}

// keyField is the scalar an element has under name, or its default; the element itself when name is "".
func keyField(name string, el any) (any, bool) {
	v := el
	if name != "" {
		m, ok := el.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[name]; !ok {
			v, ok = keyDefaults[name]
			return v, ok
		}
	}
	_, ok := scalarText(v)
	return v, ok
}

// selector is the step to an element that has a key.
func selector(names []string, el any) Step {
	s := Step{Kind: Key, Keys: make([]KeyValue, len(names))}
	for i, name := range names {
		v, _ := keyField(name, el)
		s.Keys[i] = KeyValue{Name: name, Value: v}
	}
	return s
}

// keyValue is an element's key as a content: what a Reorder lists.
func keyValue(names []string, el any) any {
	if len(names) == 1 && names[0] == "" {
		return el
	}
	m := make(map[string]any, len(names))
	for _, name := range names {
		m[name], _ = keyField(name, el)
	}
	return m
}
