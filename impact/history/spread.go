package history

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// Spread is how values of commits are distributed.
type Spread struct {
	// None is how many commits have 0.
	None int `json:"none"`
	One  int `json:"one"`
	// Few have 2 to 5.
	Few int `json:"few"`
	// Many have 6 to 20.
	Many int `json:"many"`
	// More have over 20.
	More int `json:"more"`
	// Median is the least value that half of the commits do not exceed.
	Median int `json:"median"`
	// P90 is the least value that nine of ten do not exceed.
	P90 int `json:"p90"`
	Max int `json:"max"`
}

// SpreadOf distributes values, none of which is negative. Nothing gives the zero Spread.
func SpreadOf(values []int) Spread {
	var s Spread
	if len(values) == 0 {
		return s
	}
	for _, v := range values {
		switch {
		case v == 0:
			s.None++
		case v == 1:
			s.One++
		case v <= 5:
			s.Few++
		case v <= 20:
			s.Many++
		default:
			s.More++
		}
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := func(percent int) int { return sorted[(len(sorted)*percent+99)/100-1] }
	s.Median, s.P90, s.Max = rank(50), rank(90), sorted[len(sorted)-1]
	return s
}

// Figures are what many commits say together.
type Figures struct {
	// Compared is the number of commits.
	Compared int `json:"compared"`
	// Changing is how many of them changed an object on some cluster.
	Changing     int    `json:"changing"`
	Clusters     Spread `json:"clusters"`
	Environments Spread `json:"environments"`
	Tenants      Spread `json:"tenants"`
	// Together is how many reached production and another environment.
	Together int `json:"together"`
	// SeveralClusters is how many changed more than one cluster.
	SeveralClusters int `json:"severalClusters"`
	// SeveralTenants is how many touched more than one tenant.
	SeveralTenants int `json:"severalTenants"`
	// Shared is how many of those changed a file that both read.
	Shared int `json:"shared"`
	// Mostly is the smallest folder in which at least half of those changed such a file; its path is empty when that is the root.
	Mostly CommonFolder `json:"mostly"`
	// Through are the folders of files that production and another environment read, and that such commits changed: the most frequent
	// first.
	Through []CommonFolder `json:"through"`
}

// CommonFolder is a folder, and how many commits changed files in it.
type CommonFolder struct {
	Path    string `json:"path"`
	Commits int    `json:"commits"`
}

// Sum puts commits together. Their order makes no difference.
func Sum(commits []Commit) Figures {
	f := Figures{Compared: len(commits), Through: []CommonFolder{}}
	var clusters, environments, tenants []int
	folders, above := map[string]int{}, map[string]int{} // those that hold such files, and those with all above
	for i := range commits {
		c := &commits[i]
		clusters, environments, tenants = append(clusters, len(c.Clusters)), append(environments, len(c.Environments)), append(tenants, len(c.Tenants))
		if len(c.Clusters) > 0 {
			f.Changing++
		}
		if len(c.Clusters) > 1 {
			f.SeveralClusters++
		}
		if len(c.Tenants) > 1 {
			f.SeveralTenants++
		}
		if !c.Together() {
			continue
		}
		f.Together++
		if len(c.Shared) > 0 {
			f.Shared++
		}
		direct, all := map[string]bool{}, map[string]bool{}
		for _, file := range c.Shared {
			direct[path.Dir(file)] = true
			for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
				all[dir] = true
			}
		}
		for dir := range direct {
			folders[dir]++
		}
		for dir := range all {
			above[dir]++
		}
	}
	f.Mostly = mostly(above, f.Shared)
	f.Clusters, f.Environments, f.Tenants = SpreadOf(clusters), SpreadOf(environments), SpreadOf(tenants)
	for dir, n := range folders {
		f.Through = append(f.Through, CommonFolder{dir, n})
	}
	slices.SortFunc(f.Through, func(a, b CommonFolder) int {
		return cmp.Or(cmp.Compare(b.Commits, a.Commits), cmp.Compare(a.Path, b.Path))
	})
	return f
}

// mostly is the smallest of folders that at least half of the commits are in; zero for none.
func mostly(commits map[string]int, all int) CommonFolder {
	var best CommonFolder
	for dir, n := range commits {
		if n*2 < all {
			continue
		}
		f := CommonFolder{dir, n}
		deeper := cmp.Or(cmp.Compare(strings.Count(f.Path, "/"), strings.Count(best.Path, "/")), cmp.Compare(f.Commits, best.Commits), cmp.Compare(best.Path, f.Path))
		if best.Path == "" || deeper > 0 {
			best = f
		}
	}
	return best
}
