package permission

import (
	"slices"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// aggregation knows which ClusterRoles are made of others by their labels. What such a role says itself does not count: the controller writes
// over it. Roles that are made of each other have the same rules, so they are looked at together.
//
// Source: Kubernetes v1.36, pkg/controller/clusterroleaggregation.
type aggregation struct {
	roles []*rbacv1.ClusterRole
	index map[string]int // by name; the last of that name
	// selected are the roles that each one is directly made of, sorted by name; nil for one that is not aggregated.
	selected [][]int
	// leaves by circle: the roles with rules of their own that all of its members are made of, as bits.
	circle []int
	leaves [][]uint64
	trees  sync.Map // role -> []int, the role that each one was reached from first
}

func aggregate(roles []rbacv1.ClusterRole) *aggregation {
	a := &aggregation{index: map[string]int{}}
	for i := range roles {
		if at, twice := a.index[roles[i].Name]; twice {
			a.roles[at] = &roles[i]
			continue
		}
		a.index[roles[i].Name] = len(a.roles)
		a.roles = append(a.roles, &roles[i])
	}
	a.selectAll()
	a.circles()
	return a
}

// selectAll finds what each role is directly made of. Equal selectors are asked once, and of labels by which roles can be found, only those.
func (a *aggregation) selectAll() {
	a.selected = make([][]int, len(a.roles))
	pairs, keys, all := map[[2]string][]int{}, map[string][]int{}, make([]int, len(a.roles))
	for i, r := range a.roles {
		all[i] = i
		for k, v := range r.Labels {
			pairs[[2]string{k, v}] = append(pairs[[2]string{k, v}], i)
			keys[k] = append(keys[k], i)
		}
	}
	known := map[string][]int{}
	matching := func(s *metav1.LabelSelector) []int {
		selects, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			return nil
		}
		text := selects.String()
		if found, ok := known[text]; ok {
			return found
		}
		candidates := all
		requirements, _ := selects.Requirements()
		for _, r := range requirements {
			var some []int
			switch r.Operator() {
			case selection.In, selection.Equals, selection.DoubleEquals:
				for v := range r.Values() {
					some = append(some, pairs[[2]string{r.Key(), v}]...)
				}
			case selection.Exists:
				some = keys[r.Key()]
			default:
				continue
			}
			if len(some) < len(candidates) {
				candidates = some
			}
		}
		var found []int
		for _, i := range candidates {
			if selects.Matches(labels.Set(a.roles[i].Labels)) {
				found = append(found, i)
			}
		}
		known[text] = found
		return found
	}
	for i, r := range a.roles {
		if r.AggregationRule == nil {
			continue
		}
		list := []int{}
		for k := range r.AggregationRule.ClusterRoleSelectors {
			list = append(list, matching(&r.AggregationRule.ClusterRoleSelectors[k])...)
		}
		list = slices.DeleteFunc(list, func(other int) bool { return other == i })
		slices.SortFunc(list, func(x, y int) int { return compareNames(a.roles[x], a.roles[y]) })
		a.selected[i] = slices.Compact(list)
	}
}

func compareNames(a, b *rbacv1.ClusterRole) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}

// circles finds the roles that are made of each other, and what each circle is made of. Those below are done first (Tarjan).
func (a *aggregation) circles() {
	n := len(a.roles)
	a.circle = make([]int, n)
	order, low := make([]int, n), make([]int, n)
	var stack []int
	next := 0
	var visit func(i int)
	visit = func(i int) {
		next++
		order[i], low[i] = next, next
		stack = append(stack, i)
		for _, j := range a.selected[i] {
			switch {
			case a.selected[j] == nil: // a leaf
			case order[j] == 0:
				visit(j)
				low[i] = min(low[i], low[j])
			case a.circle[j] == 0:
				low[i] = min(low[i], order[j])
			}
		}
		if low[i] != order[i] {
			return
		}
		at := slices.Index(stack, i)
		a.close(stack[at:])
		stack = stack[:at]
	}
	a.leaves = [][]uint64{nil} // circle 0 is none
	for i := range a.roles {
		if a.selected[i] != nil && order[i] == 0 {
			visit(i)
		}
	}
}

// close makes a circle of its members, all of whose other roles are done.
func (a *aggregation) close(members []int) {
	bits := make([]uint64, (len(a.roles)+63)/64)
	id := len(a.leaves)
	for _, i := range members {
		a.circle[i] = id
	}
	taken := map[int]bool{}
	for _, i := range members {
		for _, j := range a.selected[i] {
			switch other := a.circle[j]; {
			case a.selected[j] == nil:
				bits[j/64] |= 1 << (j % 64)
			case other != id && !taken[other]:
				taken[other] = true
				for w, word := range a.leaves[other] {
					bits[w] |= word
				}
			}
		}
	}
	a.leaves = append(a.leaves, bits)
}

// rules visits those of a role with the role that has them; false stops.
func (a *aggregation) rules(role string, visit func(leaf int, rule *rbacv1.PolicyRule) bool) bool {
	i, ok := a.index[role]
	if !ok {
		return true
	}
	own := func(leaf int) bool {
		for k := range a.roles[leaf].Rules {
			if !visit(leaf, &a.roles[leaf].Rules[k]) {
				return false
			}
		}
		return true
	}
	if a.selected[i] == nil {
		return own(i)
	}
	for w, word := range a.leaves[a.circle[i]] {
		for b := 0; word != 0; b, word = b+1, word>>1 {
			if word&1 == 1 && !own(w*64+b) {
				return false
			}
		}
	}
	return true
}

// via are the roles on the shortest way from a role to one that it is made of, the last one included; empty for the role itself.
func (a *aggregation) via(role string, leaf int) (names []string) {
	from, ok := a.index[role]
	if !ok || from == leaf {
		return nil
	}
	found, ok := a.trees.Load(from)
	if !ok {
		found = a.tree(from)
		a.trees.Store(from, found)
	}
	tree, _ := found.([]int)
	for i := leaf; i != from && tree[i] >= 0; i = tree[i] {
		names = append(names, a.roles[i].Name)
	}
	slices.Reverse(names)
	return names
}

// tree says from which role each one is reached first.
func (a *aggregation) tree(from int) []int {
	parent := make([]int, len(a.roles))
	for i := range parent {
		parent[i] = -1
	}
	parent[from] = from
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		for _, j := range a.selected[queue[0]] {
			if parent[j] < 0 {
				parent[j] = queue[0]
				queue = append(queue, j)
			}
		}
	}
	return parent
}
