package render

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// node is an applier that was found, before it is evaluated.
type node struct {
	id     object.Applier
	home   string // cluster that holds it
	root   string // cluster whose entry point led here
	object *object.Object
	chain  []object.Applier
	file   func() string // of the object, at the price of a build; nil: that of its origin
	at     int           // place among the objects that it was found in, where file asks for that
	entry  *Entry        // of a root
	// open is true when an applier above has variables that are not in Git, so
	// that a ${variable} here may be one of them.
	open bool
}

type nodeKey struct {
	home string
	id   object.Applier
}

func (n *node) key() nodeKey { return nodeKey{n.home, n.id} }

// place is the file that the object is in, from the root of its source; "" when that is
// not known.
func (n *node) place() string {
	if n.file == nil {
		return n.object.Origin.File
	}
	return n.file()
}

// evaluation is what came of a node.
type evaluation struct {
	node       *node
	body       object.Hash
	applier    *Applier
	ks         *kustomizev1.Kustomization // as decoded; nil for other kinds, and in a large fleet
	failures   []Failure
	unresolved []Unresolved
	notes      []Note
	children   []*node
	asked      []lookup

	// What else went into it, see revive.
	ground   string
	far      string     // the ground of the cluster that it writes to, if that is another
	target   *reference // of spec.kubeConfig
	opened   []opening
	released bool     // a chart was rendered for it
	given    given    // to the cluster that it was put together for
	own      bool     // it is of one render alone, which may change it
	single   bool     // it holds for this one render: another cannot check what it rests on
	secrets  []string // values that no text of it may hold
}

// evaluator evaluates one Kustomization.
type evaluator struct {
	e       *engine
	ctx     context.Context //nolint:containedctx // lives as long as one evaluation
	ask     *asker
	out     *evaluation
	ks      *kustomizev1.Kustomization
	profile Profile
	// inherited are the values from Secrets that are in the Kustomization itself,
	// secrets all that were met: none may be in a text.
	inherited, secrets []string
	generating         int // how deep in generators that read what others make
}

// evaluate does for one applier what its controller would.
func (e *engine) evaluate(ctx context.Context, n *node, st *state) *evaluation {
	e.cache.evaluated[0].Add(1)
	e.cache.evaluated[1].Add(1)
	out := &evaluation{node: n, body: hashOf(n.object), ground: e.ground(n.home)}
	out.applier = &Applier{Applier: n.id, Home: n.home, Root: n.root, Target: n.home, State: Built, Chain: n.chain}
	v := &evaluator{e: e, ctx: ctx, ask: &asker{state: st}, out: out}
	switch n.id.Kind {
	case kustomizev1.KustomizationKind:
		v.kustomization()
	case helmv2.HelmReleaseKind:
		v.helmRelease()
	default:
		v.resourceSet()
	}
	out.asked, out.secrets = v.ask.asked, v.secrets
	if out.applier.Target != n.home {
		out.far = e.ground(out.applier.Target)
	}
	v.scrub()
	e.cache.compact(out)
	if ctx.Err() == nil {
		e.cache.evaluations.keep(out)
		e.used(out, true)
	}
	return out
}

func (v *evaluator) fail(stage, file, hint, format string, args ...any) {
	a, msg := v.out.applier, hide(fmt.Sprintf(format, args...))
	if a.State == Suspended { // nobody reconciles it
		v.out.notes = append(v.out.notes, Note{a.String(), "would fail when resumed: " + msg})
		return
	}
	a.State, a.Objects, v.out.children = Failed, nil, nil
	v.out.failures = append(v.out.failures, Failure{
		Cluster: a.Target, Applier: a.Applier, Stage: stage, File: file, Message: msg, Hint: hint,
	})
}

// refuse notes that the objects are known, but those from a stage on cannot be
// applied.
func (v *evaluator) refuse(file, hint, message string, from Stage) {
	a := v.out.applier
	if a.State == Suspended {
		v.out.notes = append(v.out.notes, Note{a.String(), "would be refused when resumed: " + message})
		return
	}
	a.refuse(from)
	v.out.failures = append(v.out.failures, Failure{Cluster: a.Target, Applier: a.Applier, Stage: "apply", File: file, Message: message, Hint: hint})
}

func (v *evaluator) unknown(kind, subject, reason, hint string) {
	a := v.out.applier
	if a.State == Suspended {
		v.out.notes = append(v.out.notes, Note{a.String(), "not known while suspended: " + subject + ": " + reason})
		return
	}
	v.out.unresolved = append(v.out.unresolved, Unresolved{
		Cluster: a.Target, Applier: a.Applier, Kind: kind, Subject: subject, Reason: reason, Hint: hint,
	})
}

func (v *evaluator) incomplete() {
	if v.out.applier.State != Suspended {
		v.out.applier.State = Incomplete
	}
}

func (v *evaluator) kustomization() {
	n, a := v.out.node, v.out.applier
	v.ks = &kustomizev1.Kustomization{}
	v.out.ks = v.ks
	body := n.object
	if n.entry != nil {
		// A root applies itself: what it makes of its own object holds.
		if own := v.ask.get(n.home, n.object.ID); own != nil {
			body = own
		}
	}
	v.inherited = body.Body().Sensitive()
	v.secrets = slices.Clone(v.inherited)
	if err := decode(body.Body().Map(), v.ks); err != nil {
		v.fail("apply", n.object.Origin.File, "", "%v", err)
		return
	}
	for _, field := range []string{"patchesStrategicMerge", "patchesJson6902"} {
		if at(body.Body().Map(), "spec", field) != nil {
			v.out.notes = append(v.out.notes, Note{n.id.String(), "spec." + field + " is not a field of kustomize.toolkit.fluxcd.io/v1: it is dropped"})
		}
	}
	v.profile = v.e.profile(v.ask, n.home, kustomizeController)
	spec := &v.ks.Spec
	v.prune(spec)
	v.facts(spec)
	if spec.KubeConfig != nil {
		ref, _ := at(body.Body().Map(), "spec", "kubeConfig").(map[string]any)
		v.aim(ref)
	}
	if spec.Suspend {
		a.State = Suspended
	}
	src, ok := v.source()
	if !ok {
		return
	}
	a.Source, a.Pinned, a.Path = src.source, src.pinned, clamp(spec.Path)
	a.Own, a.Prefix = src.own, src.prefix
	if n.open && strings.Contains(spec.Path, "${") {
		v.incomplete()
		v.unknown(UnresolvedPath, spec.Path, "the path holds a variable that is not in Git", "give it a value: --var "+n.home+":NAME=VALUE")
		return
	}
	rec := tree.Record(src.tree)
	_, err := rec.Stat(a.Path)
	v.read(rec.Trace())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			v.fail("source", a.Path, "", "read %s: %v", a.Path, err)
			return
		}
		v.fail("source", a.Path, "", "kustomization path not found: %s", a.Path)
		return
	}
	v.build(src)
}

// prune drops the fields that the cluster's controller does not know yet.
func (v *evaluator) prune(spec *kustomizev1.KustomizationSpec) {
	p := v.profile
	if p.before(5, 0) {
		spec.DeletionPolicy = ""
	}
	if p.before(7, 0) {
		spec.IgnoreMissingComponents = false
	}
	if p.before(9, 0) {
		spec.BuildMetadata = nil
		if spec.PostBuild != nil {
			spec.PostBuild.SubstituteStrategy = ""
		}
	}
}

// facts copies what others ask of the applier later.
func (v *evaluator) facts(spec *kustomizev1.KustomizationSpec) {
	a := v.out.applier
	a.Prune, a.Force, a.sourceRef = spec.Prune, spec.Force, spec.SourceRef
	if a.DeletionPolicy = spec.DeletionPolicy; a.DeletionPolicy == "" {
		a.DeletionPolicy = kustomizev1.DeletionPolicyMirrorPrune
	}
	a.ServiceAccountName = spec.ServiceAccountName
	if e := v.out.node.entry; a.ServiceAccountName == "" && e != nil && e.instance != nil {
		a.ServiceAccountName = e.instance.account()
	}
	if a.ServiceAccountName == "" {
		a.ServiceAccountName = v.profile.DefaultServiceAccount
	}
	for _, d := range spec.DependsOn {
		ns := d.Namespace
		if ns == "" {
			ns = a.Namespace
		}
		a.DependsOn = append(a.DependsOn, object.Applier{Kind: a.Kind, Namespace: ns, Name: d.Name})
	}
}

// source opens what spec.sourceRef names; false when that is the end of it.
func (v *evaluator) source() (opened, bool) {
	n, ref := v.out.node, v.ks.Spec.SourceRef
	ns := ref.Namespace
	if ns == "" {
		ns = n.id.Namespace
	}
	name := ref.Kind + "/" + ns + "/" + ref.Name
	if !v.allowed(ref.Kind, ns, ref.Name, n.id.Namespace) {
		return opened{}, false
	}
	if !sourceKind(ref.Kind) {
		v.fail("source", "", "", "source kind %q is not supported", ref.Kind)
		return opened{}, false
	}
	o := v.opening(ref.Kind, ns, ref.Name)
	if o.tree == nil && o.data != nil {
		o = v.e.sources.unpacked(v.ctx, o)
	}
	if last := v.last(); o.failure != "" && last != nil {
		v.out.single = true
		what := goesOn
		if last.source.Revision != "" {
			what += ", " + last.source.Revision
		}
		v.out.failures = append(v.out.failures, Failure{
			Cluster: v.out.applier.Target, Applier: v.out.applier.Applier, Stage: "source", Hint: o.hint,
			Message: hide(name+": "+o.failure) + what,
		})
		return *last, true
	}
	switch {
	case o.failure != "":
		v.fail("source", "", o.hint, "%s: %s", name, o.failure)
	case o.tree == nil:
		v.incomplete()
		v.unknown(UnresolvedSource, name, o.unknown, o.hint)
	default:
		v.out.applier.opened = &o
		return o, true
	}
	return opened{}, false
}

// goesOn is said of a source that fails while its Kustomizations do not.
const goesOn = "; Flux goes on with the last artifact"

// last is what the same source held in the revision before: a source that fails keeps
// its artifact, and who applies that does not ask whether the source is ready.
//
// Source: kustomize-controller v1.9.5 kustomization_controller.go, which looks at
// status.artifact alone.
func (v *evaluator) last() *opened {
	old := v.e.previous(v.out)
	if v.out.applier.State == Suspended { // nobody reconciles it
		return nil
	}
	if old == nil || old.opened == nil || old.sourceRef != v.ks.Spec.SourceRef {
		return nil
	}
	return old.opened
}

// previous is the applier in the revision before, as far as it was built; nil when there
// is none.
func (e *engine) previous(ev *evaluation) *Applier {
	if e.opts.Before == nil {
		return nil
	}
	c := e.opts.Before.Cluster(ev.applier.Target)
	if c == nil {
		return nil
	}
	for _, a := range c.Appliers {
		if a.Applier == ev.applier.Applier && a.Home == ev.node.home && a.State == Built {
			return a
		}
	}
	return nil
}

// build builds the folder and turns what comes out into objects.
func (v *evaluator) build(src opened) {
	a := v.out.applier
	spec := newBuildSpec(&v.ks.Spec, a.Path, v.profile)
	spec.Decrypt = v.e.opts.Decrypt != nil && decrypts(&v.ks.Spec)
	b := v.e.cache.build(v.ctx, src.tree, spec, v.e.opts.Decrypt)
	a.build, a.reads, a.from, a.feeds = b, src.traced(b.reads), src.from, src.feeds
	v.read(b.reads)
	v.out.single = v.out.single || b.err != nil // its message may name files that it did not read
	var remote *remoteError
	switch {
	case errors.As(b.err, &remote):
		v.incomplete()
		v.unknown(UnresolvedRemote, remote.url, remote.file+" needs it", "")
		return
	case b.err != nil && len(b.remotes) > 0:
		v.incomplete()
		for _, url := range b.remotes {
			v.unknown(UnresolvedRemote, url, "a remote base is not fetched, and without it the build fails: "+clean(b.err), "")
		}
		return
	case b.err != nil:
		msg := clean(b.err)
		v.fail("build", fileIn(msg, src.tree, a.Path), "", "kustomize build failed: %s", msg)
		return
	}
	for _, url := range b.remotes {
		reason := "a remote base is not fetched: its objects are missing here"
		if b.lenient {
			reason += ", and so are the patches to them"
		}
		v.unknown(UnresolvedRemote, url, reason, "")
	}
	v.substitute(b)
}
