package render

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/fxamacker/cbor/v2"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render/release"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// savedBuild is a build as it is stored.
type savedBuild struct {
	_ struct{} `cbor:",toarray"`

	Items   []savedItem
	Err     string
	Remote  [2]string // file and URL of the remoteError that Err is, if it is one
	Remotes []string
	Lenient bool
}

type savedItem struct {
	_ struct{} `cbor:",toarray"`

	Group, Version, Kind, Namespace, Name string

	JSON   []byte
	OptOut bool
}

// saveBuild stores a build, unless something in it was decrypted.
func (c *Cache) saveBuild(ctx context.Context, t *tree.Tree, b *build) {
	if c.Store == nil || b.decrypt != nil || ctx.Err() != nil {
		return
	}
	s := savedBuild{Remotes: b.remotes, Lenient: b.lenient, Items: make([]savedItem, len(b.items))}
	var remote *remoteError
	switch {
	case errors.As(b.err, &remote):
		s.Err, s.Remote = remote.Error(), [2]string{remote.file, remote.url}
	case b.err != nil:
		s.Err = b.err.Error()
	}
	for i, it := range b.items {
		s.Items[i] = savedItem{
			Group: it.id.Group, Version: it.id.Version, Kind: it.id.Kind, Namespace: it.id.Namespace, Name: it.id.Name, JSON: it.json, OptOut: it.optOut,
		}
	}
	data, err := cbor.Marshal(s)
	if err != nil {
		return
	}
	c.remember(ctx, c.keyIn("build", b.spec.key()), t, b.reads, data)
	c.keepOrigins(b) //nolint:contextcheck // asked for later, when ctx may be done
}

// savedBuild is the build of spec on t that is stored; nil when there is none.
func (c *Cache) savedBuild(ctx context.Context, t *tree.Tree, spec buildSpec, decrypt Decrypt) *build {
	if c.Store == nil || spec.Decrypt && decrypt != nil {
		return nil
	}
	data, reads := c.recall(ctx, c.keyIn("build", spec.key()), t)
	var s savedBuild
	if data == nil || cbor.Unmarshal(data, &s) != nil {
		return nil
	}
	b := &build{spec: spec, tree: t, reads: reads, remotes: s.Remotes, lenient: s.Lenient, items: make([]*item, len(s.Items))}
	switch {
	case s.Remote != [2]string{}:
		b.err = &remoteError{s.Remote[0], s.Remote[1]}
	case s.Err != "":
		b.err = errors.New(s.Err)
	}
	for i := range s.Items {
		b.items[i] = s.Items[i].item()
	}
	c.keepOrigins(b) //nolint:contextcheck // asked for later, when ctx may be done
	return b
}

// keepOrigins lets the origins of a build outlive the run: they cost as much as the build itself.
func (c *Cache) keepOrigins(b *build) {
	find := b.origins
	if find == nil {
		find = func() []string { return b.findOrigins(c.inspect) }
	}
	b.origins = sync.OnceValue(func() (files []string) {
		reads := traceKey(b.reads)
		key := c.keyIn("origins", b.spec.key(), string(reads[:]))
		data := c.Store.Get(context.Background(), key)
		if data != nil && cbor.Unmarshal(data, &files) == nil && len(files) == len(b.items) {
			return files
		}
		files = find()
		if data, err := cbor.Marshal(files); err == nil {
			c.Store.Put(key, data)
		}
		return files
	})
}

func (s *savedItem) item() *item {
	sharing := func() (out resid.ResId) {
		_ = sharingSchema(false, func() error {
			out = resid.NewResIdWithNamespace(resid.NewGvk(s.Group, s.Version, s.Kind), s.Name, s.Namespace)
			return nil
		})
		return out
	}
	it := &item{id: sharing(), json: s.JSON, optOut: s.OptOut}
	if !it.optOut && bytes.IndexByte(s.JSON, '$') >= 0 {
		it.usage = newUsage(s.JSON)
	}
	return it
}

// savedRelease is what a release holds, as it is stored.
type savedRelease struct {
	_ struct{} `cbor:",toarray"`

	Objects, CRDs, Hooks, Namespace []savedTemplated
	Trigger                         string
	Notes                           []string
	Err                             *release.Error
}

type savedTemplated struct {
	_ struct{} `cbor:",toarray"`

	Hash       object.Hash
	Text       []byte
	File       string
	Unknowable []string
	Defaulted  bool
	Verdict    string
}

// saveRelease stores what a release holds, unless values from Secrets are in it.
func (c *Cache) saveRelease(in release.Input, r *chartOutput) {
	s := savedRelease{Trigger: r.trigger, Notes: r.notes}
	if r.err != nil && (!errors.As(r.err, &s.Err) || s.Err.Stage == release.StageLimit) {
		return
	}
	for _, list := range r.lists(&s) {
		for _, t := range *list.made {
			text, ok := t.body.Text()
			if !ok || len(in.Sensitive) > 0 {
				return
			}
			*list.saved = append(*list.saved, savedTemplated{Hash: t.body.Hash(), Text: text, File: t.file, Unknowable: t.unknowable, Defaulted: t.defaulted, Verdict: t.verdict})
		}
	}
	data, err := cbor.Marshal(s)
	if err != nil {
		return
	}
	c.Store.Put(c.keyIn("release", c.charter.Key(in)), data)
}

// savedRelease is what the store has for a release; nil when that is nothing.
func (c *Cache) savedRelease(ctx context.Context, in release.Input) *chartOutput {
	if len(in.Sensitive) > 0 {
		return nil
	}
	var s savedRelease
	data := c.Store.Get(ctx, c.keyIn("release", c.charter.Key(in)))
	if data == nil || cbor.Unmarshal(data, &s) != nil {
		return nil
	}
	r := &chartOutput{trigger: s.Trigger, notes: s.Notes}
	if s.Err != nil {
		r.err = s.Err
	}
	for _, list := range r.lists(&s) {
		for _, t := range *list.saved {
			*list.made = append(*list.made, &templated{
				body: object.Saved(t.Hash, func() []byte { return t.Text }), file: t.File, unknowable: t.Unknowable, defaulted: t.Defaulted, verdict: t.Verdict,
			})
		}
	}
	return r
}

type releaseList struct {
	made  *[]*templated
	saved *[]savedTemplated
}

// lists pairs what is made with what is stored of it.
func (r *chartOutput) lists(s *savedRelease) []releaseList {
	return []releaseList{{&r.objects, &s.Objects}, {&r.crds, &s.CRDs}, {&r.hooks, &s.Hooks}, {&r.namespace, &s.Namespace}}
}
