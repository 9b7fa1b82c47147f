package object

import (
	"bytes"
	"crypto/sha256"
	"slices"
)

// maxCells bounds the table of all longest common subsequences that one Diff looks for: eight lists of
// 2,000 elements that are permutations of each other.
const maxCells = 8 * maxTable

// maxTable bounds the table of one: 2,000 elements on both sides.
const maxTable = 2000 * 2000

// sequence compares lists whose elements have no names: equal elements are matched in order,
// and what lies between matches is compared by position.
func (d *differ) sequence(a, b []any) {
	pairs := [][2]int{}
	if len(a) != 1 || len(b) != 1 {
		pairs = d.align(a, b)
	}
	i, j := 0, 0
	for _, p := range append(pairs, [2]int{len(a), len(b)}) {
		for i < p[0] && j < p[1] {
			d.compare(Step{Kind: Index, Index: i}, a[i], b[j])
			i, j = i+1, j+1
		}
		for ; i < p[0]; i++ {
			d.remove(Step{Kind: Index, Index: i}, a[i])
		}
		for ; j < p[1]; j++ {
			d.add(Step{Kind: Index, Index: j}, b[j])
		}
		i, j = p[0]+1, p[1]+1
	}
}

// align pairs equal elements, rising on both sides.
func (d *differ) align(a, b []any) [][2]int {
	left, right := ranks(a, b)
	var pairs [][2]int
	head := 0
	for head < len(left) && head < len(right) && left[head] == right[head] {
		pairs = append(pairs, [2]int{head, head})
		head++
	}
	tail := 0
	for tail < len(left)-head && tail < len(right)-head &&
		left[len(left)-1-tail] == right[len(right)-1-tail] {
		tail++
	}
	for _, p := range d.middle(left[head:len(left)-tail], right[head:len(right)-tail]) {
		pairs = append(pairs, [2]int{head + p[0], head + p[1]})
	}
	for k := tail; k > 0; k-- {
		pairs = append(pairs, [2]int{len(left) - k, len(right) - k})
	}
	return pairs
}

// ranks numbers the elements of both lists: equal elements have one number. The numbers do not depend on
// which list comes first.
func ranks(a, b []any) (left, right []int) {
	e := encoder{sum: sha256.New()}
	hashes := make([]Hash, 0, len(a)+len(b))
	for _, el := range a {
		hashes = append(hashes, e.hash(el))
	}
	for _, el := range b {
		hashes = append(hashes, e.hash(el))
	}
	sorted := slices.Clone(hashes)
	slices.SortFunc(sorted, func(x, y Hash) int { return bytes.Compare(x[:], y[:]) })
	number := make(map[Hash]int, len(sorted))
	for i, h := range sorted {
		number[h] = i
	}
	out := make([]int, len(hashes))
	for i, h := range hashes {
		out[i] = number[h]
	}
	return out[:len(a)], out[len(a):]
}

// middle pairs equal numbers along a longest common subsequence, or not at all when that
// would take too long. It first sets aside the elements that only one side has.
func (d *differ) middle(a, b []int) [][2]int {
	ia, ib := shared(a, b), shared(b, a)
	cells := (len(ia) + 1) * (len(ib) + 1)
	if len(ia) == 0 || len(ib) == 0 || cells > maxTable+2*2000+1 || cells > d.cells {
		return nil
	}
	d.cells -= cells
	va, vb := pick(a, ia), pick(b, ib)
	// Which of several longest subsequences is found depends on the order of the arguments; fix
	// it, so that both directions agree.
	swap := slices.Compare(va, vb) > 0
	if swap {
		va, vb, ia, ib = vb, va, ib, ia
	}
	pairs := subsequence(va, vb)
	for k, p := range pairs {
		pairs[k] = [2]int{ia[p[0]], ib[p[1]]}
		if swap {
			pairs[k] = [2]int{ib[p[1]], ia[p[0]]}
		}
	}
	return pairs
}

// shared lists the positions of a whose numbers b has too.
func shared(a, b []int) []int {
	in := make(map[int]bool, len(b))
	for _, v := range b {
		in[v] = true
	}
	var out []int
	for i, v := range a {
		if in[v] {
			out = append(out, i)
		}
	}
	return out
}

func pick(list, positions []int) []int {
	out := make([]int, len(positions))
	for i, p := range positions {
		out[i] = list[p]
	}
	return out
}

// subsequence pairs the positions of a longest common subsequence.
func subsequence(a, b []int) [][2]int {
	w := len(b) + 1
	// The shorter side bounds every length: at most 2,001, which fits.
	table := make([]uint16, (len(a)+1)*w)
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				table[i*w+j] = table[(i+1)*w+j+1] + 1
			} else {
				table[i*w+j] = max(table[(i+1)*w+j], table[i*w+j+1])
			}
		}
	}
	var pairs [][2]int
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case table[(i+1)*w+j] >= table[i*w+j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}
