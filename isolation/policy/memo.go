package policy

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulkhead-dev/bulkhead/object"
)

// memo remembers answers: a fleet brings equal objects to many clusters, where equal policies stand. The zero value is ready.
type memo struct{ answers sync.Map }

// question is all that an answer depends on, but for what an authorizer says.
type question struct {
	program        *program
	now, old, with object.Hash
	// Of the CustomResourceDefinitions of the object and of the parameters, and of the Namespace.
	definition, parameter, space   object.Hash
	namespace, name, user, manager string
	kind                           schema.GroupVersionKind
	resource                       schema.GroupVersionResource
	unknown                        string
	// These follow from no content.
	guessed, stranger, secret bool
}

// evaluate asks a policy about an object that it matches, or remembers what it said. Answers have no action where the binding decides. An answer that
// is not known stands alone. The result is not to be changed.
func (c *Cluster) evaluate(ctx context.Context, v *call) []Verdict {
	p, q, m := v.program, v.asked, v.match
	if p.alone {
		return c.answer(ctx, v)
	}
	id := q.subject().ID
	key := question{
		program: p, now: hashOf(q.Object), old: hashOf(q.Old), with: v.with.hash, namespace: q.attr.GetNamespace(), name: id.Name, user: q.User.User, manager: q.Manager,
		kind: m.kind, resource: m.resource, unknown: v.unknown, guessed: q.guessed, stranger: q.Unknown, secret: confidential(q.Object) || confidential(q.Old),
	}
	if d := c.definitions[m.kind.GroupKind()]; d != nil {
		key.definition = d.hash
	}
	if k := p.policy.Spec.ParamKind; k != nil {
		if d := c.definitions[schema.FromAPIVersionAndKind(k.APIVersion, k.Kind).GroupKind()]; d != nil {
			key.parameter = d.hash
		}
	}
	if q.space != nil && !q.guessed {
		key.space = c.spaces[q.space.Name]
	}
	if said, ok := c.memo.answers.Load(key); ok {
		if list, ok := said.([]Verdict); ok {
			return list
		}
	}
	out := c.answer(ctx, v)
	if ctx.Err() == nil {
		c.memo.answers.Store(key, out)
	}
	return out
}

func hashOf(o *object.Object) (h object.Hash) {
	if o != nil {
		h = o.Body().Hash()
	}
	return h
}
