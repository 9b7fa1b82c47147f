package object_test

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/bulkhead-dev/bulkhead/object"
)

func ExampleNew() {
	body := object.NewBody(map[string]any{
		"apiVersion": "apps/v1",
		"kind":       "Deployment",
		"metadata":   map[string]any{"namespace": "shop", "name": "web"},
	})
	web, err := object.New(body, object.Origin{
		Cluster: "prod",
		Chain:   []object.Applier{{Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(web.ID, "from", web.Origin.Owner(), "on", web.Origin.Cluster)
	// Output: apps/Deployment/shop/web from Kustomization/flux-system/apps on prod
}

func ExampleDiff() {
	pod := func(image string) *object.Body {
		return object.NewBody(map[string]any{
			"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": image}}},
		})
	}
	for _, e := range object.Diff(pod("web:1"), pod("web:2"), object.DiffOptions{}) {
		fmt.Println(e.Op, e.Path, e.From, e.To)
	}
	// Output: replace spec.containers[name=app].image web:1 web:2
}

func ExampleRedactor() {
	secret := object.NewBody(map[string]any{
		"apiVersion": "v1", "kind": "Secret",
		"data":       map[string]any{"password": "aHVudGVyMg=="},
		"stringData": map[string]any{"copy": "hunter2"},
	})
	out := object.NewRedactor([]byte("salt")).Body(secret)
	_ = json.NewEncoder(os.Stdout).Encode(out)
	// Output: {"apiVersion":"v1","data":{"password":"[redacted hmac:d03a122c2d18]"},"kind":"Secret","stringData":{"copy":"[redacted hmac:d03a122c2d18]"}}
}

func ExampleJoin() {
	named := func(names ...string) object.Set {
		var objs []*object.Object
		for _, n := range names {
			o, err := object.New(object.NewBody(map[string]any{
				"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": n},
			}), object.Origin{})
			if err != nil {
				panic(err)
			}
			objs = append(objs, o)
		}
		return object.NewSet(objs...)
	}
	for a, b := range object.Join(named("one", "two"), named("two", "three")) {
		switch {
		case a == nil:
			fmt.Println("added", b)
		case b == nil:
			fmt.Println("removed", a)
		case !a.Body().Equal(b.Body()):
			fmt.Println("changed", b)
		}
	}
	// Output:
	// removed Namespace/one
	// added Namespace/three
}
