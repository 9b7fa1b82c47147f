package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// locks are the flags that keep tenants in, by controller; those of the first kind are good when set, the others when not.
func locks(name string) (good, bad []string) {
	good = []string{"--no-cross-namespace-refs", "--default-service-account"}
	switch name {
	case estate.KustomizeController:
		return append(good, "--no-remote-bases", "--default-decryption-service-account", kubeconfigFlag), []string{"--insecure-kubeconfig-exec", "--insecure-kubeconfig-tls"}
	case estate.HelmController:
		return append(good, kubeconfigFlag), []string{"--insecure-kubeconfig-exec", "--insecure-kubeconfig-tls"}
	}
	return good, nil
}

// locked are the locks of a cluster that hold, as "CONTROLLER FLAG": one that a shard of a controller lacks does not.
func locked(c *estate.Cluster) map[string]bool {
	out := map[string]bool{}
	for _, k := range c.Controllers {
		good, bad := locks(k.Name)
		set := func(flag string, holds bool) {
			key := k.Name + " " + flag
			if was, seen := out[key]; !seen || was {
				out[key] = holds
			}
		}
		for _, flag := range good {
			v, _ := k.Flag(flag)
			set(flag, v != "" && (!strings.HasPrefix(flag, "--no-") || k.On(flag)))
		}
		for _, flag := range bad {
			set(flag, !k.On(flag))
		}
	}
	return out
}

// unlike compares each cluster with those where the same tenant is: it tells of the one that lacks a lock.
func unlike(x *Context) (out []Found) {
	holds := map[*estate.Cluster]map[string]bool{}
	for _, c := range x.Clusters {
		if len(c.Controllers) > 0 {
			holds[c] = locked(c)
		}
	}
	type missed struct {
		flags  []string
		than   *estate.Cluster
		tenant *estate.Tenant
	}
	weaker := map[*estate.Cluster]*missed{}
	for _, t := range x.Tenants {
		for _, p := range t.Compartments {
			mine := holds[p.Cluster]
			if mine == nil {
				continue
			}
			for _, other := range t.Compartments {
				for key, held := range holds[other.Cluster] {
					if own, seen := mine[key]; !held || !seen || own {
						continue
					}
					m := weaker[p.Cluster]
					if m == nil {
						m = &missed{than: other.Cluster, tenant: t}
						weaker[p.Cluster] = m
					}
					if !slices.Contains(m.flags, key) {
						m.flags = append(m.flags, key)
					}
				}
			}
		}
	}
	for c, m := range weaker {
		slices.Sort(m.flags)
		out = append(out, Found{
			Cluster: c, Object: c.Controllers[0].Object,
			Message: fmt.Sprintf("cluster %s lacks a lock that cluster %s has, and tenant %s is on both: %s", c.Name, m.than.Name, m.tenant.Name, strings.Join(m.flags, ", ")),
		})
	}
	slices.SortFunc(out, func(a, b Found) int { return cmp.Compare(a.Cluster.Name, b.Cluster.Name) })
	return out
}
