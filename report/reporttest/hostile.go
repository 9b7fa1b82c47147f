package reporttest

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Payloads are texts by which a hostile repository tries to leave its place in one of the formats.
func Payloads() []string {
	return []string{
		"\x00\x01\x07\x08\x0b\x0c\x1b\x7f", "line\nbreak", "line\r\n\r\nbreak\r", "\n\n# heading\n\n", "tab\tend", "::error file=x,line=1::pwned", "\n::error::pwned\n::stop-commands::x",
		"##[error]pwned", "\n##vso[task.complete result=Failed]", "</script><script>window.pwned=1</script>", "<script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>",
		"\"><svg/onload=window.pwned=1>", "' onmouseover='window.pwned=1", "</style><style>*{display:none}</style>", "</details></details></summary>", "<!-- x", "--><b>out</b>", "<!-- bulkhead:impact -->", "]]>", "&lt;b&gt;&amp;#60;",
		"```", "\n```\nout of the fence\n```diff", "~~~~\n", "````````", "`code`", "| a | b |\n|---|---|", "a|b\\|c\\", "[link](https://evil.example/)", "![image](https://evil.example/x.png)", "https://evil.example/x", "www.evil.example",
		"mail@evil.example", "@team", "@acme/owners", "#123", "GH-7", "acme/fleet#9", "!45", "acme/fleet!45", "&epic", "~label", "%milestone", "$42", "[^1]: foot", "[ref]: https://evil.example/", "/approve\n/merge", ":tada:", "**bold** _em_ ~~gone~~ $x^2$", "- [ ] task", "> quote", "1. list", "---", "===", "    indented",
		"\u202e\u2066gnp.exe\u2069", "\u200b\u200f\ufeff", "\u2028\u2029", "\u0085\u009b31m", "\x1b[31mred\x1b[0m\x1b]8;;https://evil.example/\x07link\x1b]8;;\x07", "\x1b[2J\x1b[H", "{{.Secret}}", "{{template \"x\"}}", "${{ github.token }}", "${alert(1)}", "javascript:window.pwned=1",
		"\xff\xfe\xc3\x28", "=cmd|' /C calc'!A0", "%s%n%d", "../../etc/passwd", strings.Repeat("A", 5000), strings.Repeat("é", 2500), strings.Repeat("`", 300), strings.Repeat("<details>", 200), strings.Repeat("> ", 300) + "x", strings.Repeat("- ", 300) + "x", strings.Repeat("[", 500), strings.Repeat("*", 501) + "a", "",
	}
}

// hostile is mixed with something hostile in every text, three reviews' worth of it in one.
func hostile() *review.Review {
	all := Payloads()
	r := mixed()
	for shift := range 3 {
		more := Poison(mixed(), func(s string) string {
			h := fnv.New32a()
			_, _ = h.Write([]byte(s))
			p := all[(int(h.Sum32())%len(all)+shift*29)%len(all)]
			return p + s + p
		})
		if shift == 0 {
			r = more
			continue
		}
		join(r, more)
	}
	for i := range r.Groups {
		r.Groups[i].Key = fmt.Sprintf("%012x", i+1)
	}
	return r
}

// join appends the lists of more to those of r.
func join(r, more *review.Review) {
	r.Headlines, r.Verdict.Reasons = append(r.Headlines, more.Headlines...), append(r.Verdict.Reasons, more.Verdict.Reasons...)
	r.Clusters, r.Environments = append(r.Clusters, more.Clusters...), append(r.Environments, more.Environments...)
	r.Concerns, r.Matrix = append(r.Concerns, more.Concerns...), append(r.Matrix, more.Matrix...)
	r.Files, r.Groups, r.Gates, r.Spokes = append(r.Files, more.Files...), append(r.Groups, more.Groups...), append(r.Gates, more.Gates...), append(r.Spokes, more.Spokes...)
	r.Findings, r.Rules, r.Withheld = append(r.Findings, more.Findings...), append(r.Rules, more.Rules...), append(r.Withheld, more.Withheld...)
	r.Waits, r.Failures, r.Unresolved = append(r.Waits, more.Waits...), append(r.Failures, more.Failures...), append(r.Unresolved, more.Unresolved...)
	r.Unknown, r.Unread, r.Notes = append(r.Unknown, more.Unknown...), append(r.Unread, more.Unread...), append(r.Notes, more.Notes...)
}

// Poison is a copy of r in which each text is text of it, so that names that were equal stay equal. The words of
// the review itself (states, severities, kinds, operations, keys, the schema's version) are left alone. A text may
// be of any bytes.
func Poison(r *review.Review, text func(string) string) *review.Review {
	out, _ := reflect.TypeAssert[*review.Review](poison(reflect.ValueOf(r), text))
	return out
}

func poison(v reflect.Value, text func(string) string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		out.SetString(v.String())
		if v.Type() == reflect.TypeFor[string]() {
			out.SetString(text(v.String()))
		}
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Type() == reflect.TypeFor[*tree.Tree]() {
			return v
		}
		p := poison(v.Elem(), text)
		if v.Kind() == reflect.Pointer {
			q := reflect.New(p.Type())
			q.Elem().Set(p)
			p = q
		}
		out.Set(p)
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(poison(v.Index(i), text))
		}
	case reflect.Map:
		out.Set(reflect.MakeMap(v.Type()))
		for _, k := range v.MapKeys() {
			out.SetMapIndex(poison(k, text), poison(v.MapIndex(k), text))
		}
	case reflect.Struct:
		poisonFields(v, out, text)
	default:
		out.Set(v)
	}
	return out
}

// poisonFields leaves the words of the review alone, as far as their type does not tell them.
func poisonFields(v, out reflect.Value, text func(string) string) {
	out.Set(v) // what is not exported stays as it is
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		own := v.Type() == reflect.TypeFor[review.Line]() && f.Name == "Op" ||
			v.Type() == reflect.TypeFor[review.Group]() && f.Name == "Key" ||
			v.Type() == reflect.TypeFor[review.Review]() && f.Name == "SchemaVersion" ||
			v.Type() == reflect.TypeFor[finding.Waived]() && f.Name == "Expires" ||
			v.Type() == reflect.TypeFor[finding.Rule]() && f.Name == "ID" ||
			v.Type() == reflect.TypeFor[finding.Finding]() && f.Name == "Rule"
		if own {
			out.Field(i).Set(v.Field(i))
			continue
		}
		out.Field(i).Set(poison(v.Field(i), text))
	}
}
