package rule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// inputRules are about what is made of inputs and of several sources.
func inputRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "OPR-004", Level: finding.High, Title: "A text that outsiders write decides where a ResourceSet's objects go",
				Why:  "Whoever may open a pull request names its branch, and writes its title. In a field such as the namespace, the account or the path, that text chooses what is applied, and where.",
				Hint: "make names of inputs.id or of slugify, filter the inputs by label or branch, and apply them as an account that may do nothing else",
			},
			Boundary: true,
			Unless:   "The provider has a filter of branches, tags or labels, or the template passes the text through slugify or quote.",
			Source:   "Flux Operator: ResourceSetInputProvider fluxcd.controlplane.io/v1, exported inputs; templates of ResourceSets",
			object:   rawInput,
		},
		{
			Rule: finding.Rule{
				ID: "OPR-005", Level: finding.High, Title: "An artifact mixes files of those who do not trust each other",
				Why:  "What is made of several sources is as little to be trusted as the least of them: who writes one of them writes what is applied with the rights of all.",
				Hint: "make one generator for each owner, and apply what it makes as an account of that owner",
			},
			Boundary: true,
			Static:   "whose a source is follows from several objects",
			Source:   "source-watcher v2: ArtifactGenerator source.extensions.fluxcd.io/v1beta1",
			object:   mixes,
		},
	}
}

// inputExpression is what stands between the brackets of a template.
var inputExpression = regexp.MustCompile(`<<-?([^<>]*)>>`)

// openInput are the inputs that whoever opens a pull request chooses.
var openInput = regexp.MustCompile(`\binputs\.(author|branch|tag|title|labels)\b`)

// placeField says of a line of a template which field it sets, when that decides what an object is or where it goes.
var placeField = regexp.MustCompile(`^\s*-?\s*["']?(apiVersion|kind|namespace|targetNamespace|serviceAccountName|path|url|branch|tag|commit|roleRef|subjects)["']?\s*:`)

func rawInput(_ *Context, o *estate.Object) (out []Found) {
	if !o.Is(estate.OperatorGroup, "ResourceSet") {
		return nil
	}
	provider := openProvider(o)
	if provider == nil {
		return nil
	}
	report := func(field, input string) {
		out = append(out, Found{Field: field, Message: fmt.Sprintf("%s: a field that decides where things go is made of %s, which %s %s takes from outsiders", short(o.ID), input, legible(provider.Text("spec", "type")), provider.ID.Name)})
	}
	list, _ := o.At("spec", "resources").([]any)
	for i, r := range list {
		rawFields(fmt.Sprintf("spec.resources[%d]", i), "", r, report)
	}
	for line := range strings.Lines(o.Text("spec", "resourcesTemplate")) {
		if input := raw(line); input != "" && placeField.MatchString(line) {
			report("spec.resourcesTemplate", input)
			break
		}
	}
	return out
}

// raw is an open input that a text uses as it is, or "".
func raw(s string) string {
	for _, m := range inputExpression.FindAllStringSubmatch(s, -1) {
		if input := openInput.FindString(m[1]); input != "" && !strings.Contains(m[1], "slugify") && !strings.Contains(m[1], "quote") {
			return input
		}
	}
	return ""
}

// rawFields visits the fields of a template.
func rawFields(at, key string, v any, report func(field, input string)) {
	switch v := v.(type) {
	case string:
		if input := raw(v); input != "" && placeField.MatchString(key+":") {
			report(at, input)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			inner := k
			if key == "roleRef" || key == "subjects" {
				inner = key
			}
			rawFields(at+"."+k, inner, v[k], report)
		}
	case []any:
		for i, el := range v {
			rawFields(fmt.Sprintf("%s[%d]", at, i), key, el, report)
		}
	}
}

// openProvider is the first provider of a ResourceSet whose inputs outsiders write and that has no filter, or nil.
func openProvider(o *estate.Object) *estate.Object {
	for _, from := range estate.List(o.At("spec"), "inputsFrom") {
		for _, p := range providers(o, from) {
			kind := p.Text("spec", "type")
			if !slices.ContainsFunc([]string{"PullRequest", "MergeRequest", "Branch", "GitTag", "HubTag", "LabTag"}, func(s string) bool { return strings.Contains(kind, s) }) {
				continue
			}
			filter, _ := p.At("spec", "filter").(map[string]any)
			if filter["includeBranch"] == nil && filter["includeTag"] == nil && filter["labels"] == nil && filter["semver"] == nil {
				return p
			}
		}
	}
	return nil
}

// providers that an entry of spec.inputsFrom means: by name, or by labels, in the namespace of the ResourceSet.
func providers(o *estate.Object, from map[string]any) (out []*estate.Object) {
	if name := estate.Text(from, "name"); name != "" {
		return o.Cluster.Get(object.ID{Group: estate.OperatorGroup, Kind: "ResourceSetInputProvider", Namespace: o.ID.Namespace, Name: name})
	}
	selector := labels.Nothing()
	if s, ok := selectorOf(from["selector"]); ok && from["selector"] != nil {
		if parsed, err := metav1.LabelSelectorAsSelector(s); err == nil {
			selector = parsed
		}
	}
	for _, p := range o.Cluster.Kind(estate.OperatorGroup, "ResourceSetInputProvider") {
		if p.ID.Namespace == o.ID.Namespace && selector.Matches(labels.Set(p.Labels())) {
			out = append(out, p)
		}
	}
	return out
}

// contentOf is the tenant who decides what a source holds; nil for the platform, and for third parties that the platform chose.
func contentOf(x *Context, c *estate.Cluster, kind, namespace, name string) *estate.Tenant {
	for _, a := range c.Homed {
		if a.Tenant != nil && a.Author == nil && a.Source.Kind == kind && a.Source.Namespace == namespace && a.Source.Name == name {
			return a.Tenant
		}
	}
	for _, o := range c.Get(object.ID{Group: estate.SourceGroup, Kind: kind, Namespace: namespace, Name: name}) {
		if o.Tenant != nil {
			return o.Tenant
		}
		have := repositoryOf(o.Text("spec", "url"))
		for _, t := range x.Tenants {
			if have != "" && have == repositoryOf(t.Document.Spec.URL()) && !slices.Contains(x.Hub, have) {
				return t
			}
		}
	}
	return nil
}

func mixes(x *Context, o *estate.Object) (out []Found) {
	if !o.Generator() {
		return nil
	}
	c := o.Cluster
	var owners []*estate.Tenant
	for _, id := range o.Reads() {
		if t := contentOf(x, c, id.Kind, id.Namespace, id.Name); !slices.Contains(owners, t) {
			owners = append(owners, t)
		}
	}
	i := slices.IndexFunc(owners, func(t *estate.Tenant) bool { return t != nil })
	if i < 0 {
		return nil
	}
	least := owners[i]
	if len(owners) > 1 {
		other := "the platform"
		if t := owners[1-min(i, 1)]; t != nil {
			other = "tenant " + t.Name
		}
		out = append(out, Found{Field: "spec.sources", Tenant: least, Message: fmt.Sprintf("%s makes one artifact of files of tenant %s and of %s", short(o.ID), least.Name, other)})
	}
	if o.Tenant == nil && o.Text("spec", "pathPattern") != "" {
		out = append(out, Found{
			Level: finding.Medium, Field: "spec.pathPattern", Tenant: least,
			Message: fmt.Sprintf("%s makes an artifact of each folder that tenant %s adds", short(o.ID), least.Name),
		})
	}
	return out
}
