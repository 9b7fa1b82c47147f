package render

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kube "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render/release"
	"github.com/bulkhead-dev/bulkhead/render/values"
)

// helmRelease renders a HelmRelease.
//
// Source: helm-controller v1.6.4, HelmReleaseReconciler.reconcileRelease.
func (v *evaluator) helmRelease() {
	n, a := v.out.node, v.out.applier
	content := n.object.Body().Map()
	v.inherited = n.object.Body().Sensitive()
	v.secrets = slices.Clone(v.inherited)
	var hr helmv2.HelmRelease
	if err := decode(content, &hr); err != nil {
		v.fail("apply", n.object.Origin.File, "", "%v", err)
		return
	}
	hr.Namespace, hr.Name = a.Namespace, a.Name
	v.profile = v.e.profile(v.ask, n.home, helmController)
	if ref, ok := at(content, "spec", "kubeConfig").(map[string]any); ok {
		v.aim(ref)
	}
	v.releaseFacts(&hr)
	if hr.Spec.Suspend {
		a.State = Suspended
	}
	c, ok := v.chart(&hr)
	if !ok {
		return
	}
	a.Release.Chart, a.Release.Version = c.pkg.Name, c.pkg.Version
	a.chart = &packed{name: c.pkg.Name, version: c.pkg.Version, digest: c.pkg.Digest, get: func() *charted { return c }}
	composed, sensitive, open, ok := v.values(&hr)
	if !ok {
		return
	}
	in := release.Input{Values: composed, Release: release.Describe(&hr), Sensitive: sensitive}
	for _, f := range c.pkg.Files {
		in.Files = append(in.Files, release.File{Name: f.Name, Data: f.Data})
	}
	in.Kubernetes, in.APIVersions = v.capabilities(a.Target)
	v.out.released = true
	r := v.e.cache.release(v.ctx, in, v.e.opts.Charts)
	switch {
	case r.err != nil && len(open) > 0:
		v.incomplete()
		v.unknown(UnresolvedValues, strings.Join(open, ", "), "without these values the chart does not render: "+clean(r.err), "")
	case r.err != nil:
		v.refuseChart(c, r.err)
	default:
		v.openValues(open)
		v.released(c, r)
		if len(open) == 0 && serverSide(&hr, v.profile) {
			v.releaseRefusals(c, r)
		}
	}
}

// releaseFacts copies what others ask of the applier later.
func (v *evaluator) releaseFacts(hr *helmv2.HelmRelease) {
	a := v.out.applier
	a.Prune = true // an upgrade deletes what the new manifest lacks, and the finalizer uninstalls
	if a.ServiceAccountName = hr.Spec.ServiceAccountName; a.ServiceAccountName == "" {
		a.ServiceAccountName = v.profile.DefaultServiceAccount
	}
	for _, d := range hr.GetDependsOn() {
		ns := d.Namespace
		if ns == "" {
			ns = a.Namespace
		}
		a.DependsOn = append(a.DependsOn, object.Applier{Kind: a.Kind, Namespace: ns, Name: d.Name})
	}
	named := release.Describe(hr)
	a.Release = &Release{
		Name: named.ReleaseName, Namespace: named.ReleaseNamespace, StorageNamespace: hr.GetStorageNamespace(),
		InstallCRDs: policy(hr.GetInstall().CRDs), UpgradeCRDs: policy(hr.GetUpgrade().CRDs),
		UpdatesCRDs:  updatesCRDs(hr, v.profile),
		RenamesChart: hr.GetUpgrade().GetChartNameChangeStrategy() != helmv2.ChartNameChangeStrategyReinstall,
	}
}

// policy is what helm-controller makes of a CRD policy that is not set.
//
// Source: helm-controller v1.6.4 internal/action/crds.go crdPolicyOrDefault. The
// documentation says Skip for upgrades; the code does not.
func policy(p helmv2.CRDsPolicy) string {
	if p == "" {
		return string(helmv2.Create)
	}
	return string(p)
}

// updatesCRDs reports whether an upgrade changes CRDs that are there.
//
// Source: helm-controller v1.6.4 internal/action/crds.go and ssa.go: Create applies
// server-side, and then never finds that something exists.
func updatesCRDs(hr *helmv2.HelmRelease, p Profile) bool {
	switch policy(hr.GetUpgrade().CRDs) {
	case string(helmv2.Skip):
		return false
	case string(helmv2.CreateReplace):
		return true
	}
	return serverSide(hr, p)
}

// serverSide reports whether an upgrade applies on the server's side.
//
// Source: helm-controller v1.6.4 internal/action upgrade.go and install.go.
func serverSide(hr *helmv2.HelmRelease, p Profile) bool {
	switch hr.GetUpgrade().ServerSideApply {
	case helmv2.ServerSideApplyEnabled:
		return true
	case helmv2.ServerSideApplyDisabled:
		return false
	case helmv2.ServerSideApplyAuto: // as the install did, also when it is not set
	}
	if on := hr.GetInstall().ServerSideApply; on != nil {
		return *on
	}
	return !p.Gates["UseHelm3Defaults"]
}

// values composes the values of a release. Open are the references whose values are
// not known: they are left out.
func (v *evaluator) values(hr *helmv2.HelmRelease) (composed map[string]any, sensitive, open []string, ok bool) {
	n := v.out.node
	refs := slices.Clone(hr.Spec.ValuesFrom)
	found := map[[2]string]*object.Object{}
	for i := 0; i < len(refs); i++ {
		ref := refs[i]
		o := v.ask.get(n.home, object.ID{Kind: ref.Kind, Namespace: hr.Namespace, Name: ref.Name})
		name := ref.Kind + "/" + ref.Name
		switch {
		case o != nil && sopsHeld(o):
			open = append(open, fmt.Sprintf("%s is encrypted (%s)", name, o.Body().Hash().String()[:8]))
		case o != nil:
			found[[2]string{ref.Kind, ref.Name}] = o
			v.secrets = append(v.secrets, o.Body().Sensitive()...)
			continue
		case ref.Optional:
			v.out.notes = append(v.out.notes, Note{n.id.String(), "optional " + name + " is taken to be absent: it is not in Git"})
			continue
		default:
			open = append(open, name+" is not in Git")
		}
		refs = slices.Delete(refs, i, i+1)
		i--
	}
	composed, sensitive, err := values.Compose(v.ctx, hr.Namespace, hr.GetValues(), refs, func(kind, _, name string) (map[string]any, error) {
		if o := found[[2]string{kind, name}]; o != nil {
			return o.Body().Map(), nil
		}
		return nil, nil
	})
	sensitive = append(sensitive, v.inherited...)
	v.secrets = append(v.secrets, sensitive...)
	slices.Sort(v.secrets)
	if err != nil && len(open) == 0 {
		v.fail(release.StageValues, "", "", "%s", strings.TrimPrefix(err.Error(), "compose values: "))
		return nil, nil, nil, false
	}
	if err != nil {
		v.incomplete()
		v.unknown(UnresolvedValues, strings.Join(open, ", "), "without these values the others cannot be composed: "+err.Error(), "")
		return nil, nil, nil, false
	}
	return composed, sensitive, slices.Compact(open), true
}

func (v *evaluator) openValues(open []string) {
	for _, o := range open {
		name, why, _ := strings.Cut(o, " ")
		v.unknown(UnresolvedValues, name, why+": the chart is rendered without these values", "")
	}
}

// refuseChart notes why the controller cannot render the chart, or that nobody knows
// whether it can.
func (v *evaluator) refuseChart(c *charted, err error) {
	var e *release.Error
	if !errors.As(err, &e) {
		v.fail(release.StageTemplate, "", "", "%s", clean(err))
		return
	}
	if len(e.Unknowable) > 0 {
		v.incomplete()
		v.unknown(UnresolvedChart, strings.Join(e.Unknowable, ", "), "the chart looks into the cluster, and does not render where it finds nothing: "+hide(e.Message), "")
		return
	}
	v.fail(e.Stage, c.file(e.File), "", "%s", clean(errors.New(e.Message)))
	if n := len(v.out.failures); n > 0 {
		v.out.failures[n-1].Line = e.Line
	}
}

// released gives the objects of a release their origin.
func (v *evaluator) released(c *charted, r *chartOutput) {
	a, n := v.out.applier, v.out.node
	chain := append(slices.Clone(n.chain), a.Applier)
	place := func(r *templated) *object.Object {
		o, err := object.New(r.body, object.Origin{Cluster: a.Target, Chain: chain, File: c.file(r.file)})
		if err != nil {
			v.fail("template", c.file(r.file), "", "%v", err)
			return nil
		}
		return o
	}
	crds := r.crds
	if a.Release.InstallCRDs == string(helmv2.Skip) && a.Release.UpgradeCRDs == string(helmv2.Skip) {
		crds = nil
	}
	for _, list := range []struct {
		from  []*templated
		to    *[]*object.Object
		extra bool
	}{{crds, &a.Objects, true}, {r.namespace, &a.Objects, true}, {r.objects, &a.Objects, false}, {r.hooks, &a.Release.Hooks, false}} {
		for _, t := range list.from {
			o := place(t)
			if o == nil {
				a.Objects = nil
				return
			}
			*list.to = append(*list.to, o)
			if t.defaulted {
				if a.Release.Defaulted == nil {
					a.Release.Defaulted = map[object.ID]bool{}
				}
				a.Release.Defaulted[o.ID] = true
			}
			if list.extra {
				if a.Release.Extra == nil {
					a.Release.Extra = map[object.ID]bool{}
				}
				a.Release.Extra[o.ID] = true
			}
			if len(t.unknowable) > 0 {
				if a.Release.Unknowable == nil {
					a.Release.Unknowable = map[object.ID][]string{}
				}
				a.Release.Unknowable[o.ID] = t.unknowable
			}
		}
	}
	a.Release.Trigger = r.trigger
	for _, note := range r.notes {
		v.out.notes = append(v.out.notes, Note{n.id.String(), note})
	}
	v.adopt(a.Objects, false)
	if a.State == Suspended {
		a.Objects, a.Held = nil, a.Objects
	}
}

// releaseRefusals reports the objects of a release that the API server refuses. Helm ends
// at the first; which of the others are applied before it is not known.
func (v *evaluator) releaseRefusals(c *charted, r *chartOutput) {
	for _, t := range slices.Concat(r.objects, r.hooks) {
		if t.verdict != "" && len(t.unknowable) == 0 {
			v.refuse(c.file(t.file), "", t.verdict, Definitions)
		}
	}
}

// adopt finds the appliers among what an applier applies.
func (v *evaluator) adopt(objects []*object.Object, open bool) {
	a, n := v.out.applier, v.out.node
	for _, o := range objects {
		if fluxApplier(o) {
			v.out.children = append(v.out.children, &node{
				id:   object.Applier{Kind: o.ID.Kind, Namespace: o.ID.Namespace, Name: o.ID.Name},
				home: a.Target, root: n.root, object: o, chain: o.Origin.Chain, open: n.open || open,
			})
		}
	}
}

// capabilities is what charts are told of a cluster: its version, by default the newest
// known, and its APIs. The list is the same slice for clusters that are alike.
func (v *evaluator) capabilities(cluster string) (version string, versions []string) {
	known := v.e.fleet.apis[cluster]
	if version = known.kubernetes; version == "" {
		version = fmt.Sprintf("%d.%d", newestKubernetes[0], newestKubernetes[1])
	}
	crds := v.ask.list(cluster, crdKind.GroupKind())
	key := keyOf(known.kubernetes, known.versions, hashAll(crds).String())
	if list, ok := v.e.served.Load(key); ok {
		versions, _ = list.([]string)
		return version, versions
	}
	s := &serving{apis: known, crds: map[kube.GroupKind][]string{}, seen: map[kube.GroupVersionKind]standing{}}
	for _, crd := range crds {
		s.add(crd.Body().Map())
	}
	versions = s.all()
	v.e.served.Store(key, versions)
	return version, versions
}

// file is the path of a template from the root of the chart's source: a path in the
// tree for a chart that is a folder of it, and as Helm writes it for one that is not.
func (c *charted) file(template string) string {
	if c.dir == "" || template == "" {
		return template
	}
	_, inside, ok := strings.Cut(template, "/")
	if !ok {
		return c.dir
	}
	return path.Join(c.dir, inside)
}
