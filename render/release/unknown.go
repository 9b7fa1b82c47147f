package release

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"
)

// revisionName is what .Release.Revision is called among the unknowable.
const revisionName = ".Release.Revision"

// installName is what .Release.IsInstall and .Release.IsUpgrade are called among them: what is rendered is an upgrade, and
// what is live may be from the install.
const installName = ".Release.IsInstall"

// Moments that stand in for the clock: one, and one that differs from it in every part.
var moments = [2]time.Time{ //nolint:gochecknoglobals // constants
	time.Date(2026, time.January, 2, 3, 4, 5, 678_901_234, time.UTC),
	time.Date(2037, time.November, 23, 14, 35, 46, 123_456_789, time.UTC),
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
	bcrypts = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	maxRand = 1 << 20
)

// noted counts a call of an unknowable function and returns the source of its value. What the value
// depends on: the release, the template file that runs, the function, its operands, how many such calls that file made
// before, and whether this run varies the function.
func (r *run) noted(name string, args ...any) *source {
	r.check(r.meter.step(16))
	variant := r.use(name)
	call := fmt.Sprintf("%q %q %q %q %s", r.release.ReleaseNamespace, r.release.ReleaseName, r.current, name, operands(args))
	sum := sha256.Sum256([]byte(call))
	r.calls[sum]++
	s := &source{variant: variant}
	copy(s.seed[:], sum[:])
	binary.BigEndian.PutUint64(s.seed[len(sum):], uint64(r.calls[sum])) //nolint:gosec // a count
	return s
}

// use notes that the file that runs called name, and says whether this run varies it: 0 or 1.
func (r *run) use(name string) int {
	if r.used[name] == nil {
		r.used[name] = map[string]bool{}
	}
	r.used[name][r.current] = true
	if r.vary == name {
		return 1
	}
	return 0
}

func operands(args []any) string {
	data, err := json.Marshal(args)
	if err != nil {
		return fmt.Sprintf("%d", len(args))
	}
	return string(data)
}

// source gives bytes that look like chance. Those of the two variants differ in every character picked.
type source struct {
	seed    [sha256.Size + 8]byte
	variant int
	block   [sha256.Size]byte
	left    int
	counter uint32
}

func (s *source) byte() byte {
	if s.left == 0 {
		s.counter++
		s.block = sha256.Sum256(binary.BigEndian.AppendUint32(s.seed[:], s.counter))
		s.left = len(s.block)
	}
	s.left--
	return s.block[s.left]
}

func (s *source) below(n uint64) uint64 {
	var v uint64
	for range 8 {
		v = v<<8 | uint64(s.byte())
	}
	return (v%n + uint64(s.variant)) % n //nolint:gosec // 0 or 1
}

func (s *source) pick(alphabet string, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[s.below(uint64(len(alphabet)))]
	}
	return string(out)
}

func (s *source) bytes(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		if out[i] = s.byte(); s.variant == 1 {
			out[i] = ^out[i]
		}
	}
	return out
}

// unknowable are the functions whose result can't be known, with stable ones in their place: of the right type, length
// and alphabet.
//
// Source: Masterminds/sprig v3.3.0, and helm.sh/helm/v4 v4.2.4 pkg/engine for lookup.
func (r *run) unknowable(sprigs template.FuncMap) template.FuncMap {
	out := template.FuncMap{
		"uuidv4": func() string {
			s := r.noted("uuidv4")
			h := func(n int) string { return s.pick("0123456789abcdef", n) }
			return h(8) + "-" + h(4) + "-4" + h(3) + "-" + s.pick("89ab", 1) + h(3) + "-" + h(12)
		},
		"randBytes": func(n int) (string, error) {
			s := r.noted("randBytes", n)
			if err := r.sized(n); err != nil {
				return "", err
			}
			return base64.StdEncoding.EncodeToString(s.bytes(n)), nil
		},
		"randInt": func(low, high int) (int, error) {
			if high <= low {
				return 0, fmt.Errorf("invalid argument to Intn")
			}
			return low + int(r.noted("randInt", low, high).below(uint64(high)-uint64(low))), nil //nolint:gosec // two's complement
		},
		"shuffle": func(text string) string {
			runes := []rune(text)
			s := r.noted("shuffle", text)
			s.variant = 0
			for i := len(runes) - 1; i > 0; i-- {
				j := int(s.below(uint64(i) + 1)) //nolint:gosec // at most i
				runes[i], runes[j] = runes[j], runes[i]
			}
			if r.vary == "shuffle" && len(runes) > 1 {
				runes = append(runes[1:], runes[0])
			}
			return string(runes)
		},
		"bcrypt":   func(password string) string { return r.hashed("bcrypt", password) },
		"htpasswd": r.htpasswd,
		"keys":     r.keys,
		"values":   r.values,
		"lookup": func(apiVersion, kind, namespace, name string) (map[string]any, error) {
			r.check(r.meter.step(16))
			object := name
			if namespace != "" {
				object = namespace + "/" + name
			}
			r.use(strings.TrimRight(fmt.Sprintf("lookup %s %s %s", apiVersion, kind, object), " "))
			return map[string]any{}, nil
		},
	}
	for name, alphabet := range map[string]string{
		"randAlphaNum": letters + digits, "randAlpha": letters, "randNumeric": digits, "randAscii": printable(),
	} {
		out[name] = func(n int) (string, error) {
			s := r.noted(name, n)
			if err := r.sized(n); err != nil {
				return "", err
			}
			return s.pick(alphabet, max(n, 0)), nil
		}
	}
	maps.Copy(out, r.times(sprigs))
	maps.Copy(out, r.certificates(sprigs))
	return out
}

func (r *run) sized(n int) error {
	if n > maxRand {
		return r.meter.stop("its templates draw more than %d characters at once", maxRand)
	}
	return r.meter.spend(max(n, 0))
}

// printable are the characters that sprig's randAscii draws from.
func printable() string {
	var b strings.Builder
	for c := byte(32); c < 127; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

func (r *run) htpasswd(user, password string) string {
	if strings.Contains(user, ":") {
		return "invalid username: " + user
	}
	return user + ":" + r.hashed("htpasswd", password)
}

// hashed looks like what bcrypt makes of a password. Only the operand's hash enters the value.
func (r *run) hashed(name, password string) string {
	if len(password) > 72 {
		return "failed to encrypt string with bcrypt" + ": bcrypt: password length exceeds 72 bytes"
	}
	return "$2a$10$" + r.noted(name, password).pick(bcrypts, 53)
}

// keys gives the keys in order, where sprig's are in that of Go's maps, which is none.
func (r *run) keys(dicts ...map[string]any) []string {
	out := []string{}
	many := false
	for _, d := range dicts {
		sorted := slices.Sorted(maps.Keys(d))
		many = many || len(sorted) > 1
		if len(sorted) > 1 && r.vary == "keys" {
			slices.Reverse(sorted)
		}
		out = append(out, sorted...)
	}
	r.check(r.meter.step(1 + len(out)/16))
	r.check(r.meter.spend(16 * len(out)))
	if many {
		r.use("keys")
	}
	return out
}

// values is [run.keys] for the values.
func (r *run) values(dict map[string]any) []any {
	sorted := slices.Sorted(maps.Keys(dict))
	r.check(r.meter.step(1 + len(sorted)/16))
	r.check(r.meter.spend(16 * len(sorted)))
	if len(sorted) > 1 {
		if r.use("values") == 1 {
			slices.Reverse(sorted)
		}
	}
	out := []any{}
	for _, k := range sorted {
		out = append(out, dict[k])
	}
	return out
}

// settle puts stable values into the root context of a template file.
func (r *run) settle(context map[string]any) {
	if files, ok := ambiguous(context["Files"]); ok {
		context["Files"] = files
	}
	release, ok := context["Release"].(map[string]any)
	if !ok || !r.release.Upgrade {
		return
	}
	release["Revision"] = 2
	if r.vary == revisionName {
		release["Revision"] = 3
	}
}
