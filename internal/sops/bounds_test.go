package sops

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/getsops/sops/v3"
)

// TestLarge: 10 MB are no trouble, whatever the format.
func TestLarge(t *testing.T) {
	identity, key := ageKey(t)
	d := decrypter(t, Options{AgeKeys: identity})
	long := strings.Repeat("0123456789abcdef", 8<<10) // 128 KiB
	few := func(name, value string) string {
		var b strings.Builder
		for i := range 7 { // encrypted, a value is a third longer
			fmt.Fprintf(&b, name+value+"\n", i, long)
		}
		return b.String()
	}
	for f, text := range map[Format]string{
		YAML:   few("key%d: ", `%q`),
		Dotenv: few("KEY%d=", "%s"),
		INI:    "[main]\n" + few("key%d = ", "%s"),
		Binary: strings.Repeat(long, 7),
		JSON:   "{" + strings.TrimSuffix(strings.ReplaceAll(few(`"key%d": `, `%q`), "\n", ","), ",") + "}",
	} {
		data := encrypt(t, text, f, sops.Metadata{}, sops.KeyGroup{key})
		if len(data) < 9<<17 {
			t.Errorf("%s: only %d bytes", f, len(data))
		}
		out, err := d.Decrypt(data, f)
		if err != nil || len(out) < 7<<17 {
			t.Errorf("%s: %d bytes, %v", f, len(out), err)
		}
	}
}

// TestMany: a file with many values is no trouble either, in the formats where the
// engine is not quadratic.
func TestMany(t *testing.T) {
	identity, key := ageKey(t)
	d := decrypter(t, Options{AgeKeys: identity})
	for f, line := range map[Format]string{YAML: "key%d: value\n", Dotenv: "KEY%d=value\n"} {
		var b strings.Builder
		for i := range 10_000 {
			fmt.Fprintf(&b, line, i)
		}
		data := encrypt(t, b.String(), f, sops.Metadata{EncryptedRegex: "^(key|KEY).*$"}, sops.KeyGroup{key})
		if out, err := d.Decrypt(data, f); err != nil || len(out) < b.Len() {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// hostile are files that the engine alone would spend hours, all memory or the
// process on. The metadata follows them.
func hostile() map[string]struct {
	format Format
	data   string
} {
	const size = 1 << 20
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	return map[string]struct {
		format Format
		data   string
	}{
		"JSON nested":            {JSON, `{"a":` + fill("[")},
		"JSON nested objects":    {JSON, fill(`{"a":`)},
		"JSON broken strings":    {JSON, `{"\"":` + fill(`[`)},
		"binary nested":          {Binary, fill("[")},
		"YAML in flow":           {YAML, "a: " + fill("[")},
		"YAML in blocks":         {YAML, fill("- ")},
		"YAML questions":         {YAML, fill("? ")},
		"YAML comments":          {YAML, fill("#\n")},
		"YAML anchors":           {YAML, fill("&a ")},
		"YAML keys":              {YAML, "--- \n" + fill("a: 1\n")},
		"YAML own keys":          {YAML, lines("k%d: 1\n", size/10)},
		"YAML quotes":            {YAML, "a: '" + fill("''")},
		"YAML documents":         {YAML, fill("---\n")},
		"YAML bomb":              {YAML, bomb},
		"YAML bomb, second":      {YAML, "b: c\n---\n" + bomb},
		"YAML alias in itself":   {YAML, "b: c\n---\na: &a [*a]\n"},
		"YAML alias in a map":    {YAML, "b: c\n---\na: &a {b: *a}\n"},
		"YAML alias as key":      {YAML, "b: c\n---\n&a a: {*a : *a}\n"},
		"YAML alias between":     {YAML, "b: c\n---\na: &a [&b [*a]]\nc: [*b]\n"},
		"YAML much metadata":     {YAML, "b: c\n---\n" + fill("sops: 1\n")},
		"YAML escaped metadata":  {YAML, "b: c\n---\n" + fill("\"\\u0073ops\": 1\n")},
		"YAML metadata by alias": {YAML, "b: c\n---\n? &a sops\n: 1\n" + fill("*a : 1\n")},
		"dotenv metadata":        {Dotenv, fill("sops_a=\n")},
		"dotenv nested metadata": {Dotenv, "sops_a" + fill("__map_b") + "=\n"},
		"dotenv long list":       {Dotenv, "sops_a__list_9223372036854775807=\nsops_a__list_0="},
		"INI sections":           {INI, fill("[a]\n")},
		"INI own sections":       {INI, lines("[a%d]\n", size/10)},
		"INI keys":               {INI, lines("k%d=\n", size/10)},
		"INI nested metadata":    {INI, "[sops]\na" + fill("__map_b") + "=\n"},
		"INI continued":          {INI, "[a]\nb=" + fill("\\\n")},
		"zeros":                  {YAML, fill("\x00")},
	}
}

func lines(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestHostile: refused, and quickly. Without the bounds many of these end the
// process, which no test could report.
func TestHostile(t *testing.T) {
	identity, _ := ageKey(t)
	d := decrypter(t, Options{AgeKeys: identity})
	for name, c := range hostile() {
		t.Run(name, func(t *testing.T) {
			if out, err := d.Decrypt([]byte(c.data), c.format); err == nil || !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrMalformed) {
				t.Errorf("got %d bytes, %v", len(out), err)
			}
			Fingerprint([]byte(c.data), c.format)
		})
	}
	if _, err := d.Decrypt(make([]byte, maxSize+1), YAML); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

// TestHostileTree: files that can be read, but would take too long to decrypt or
// to write.
func TestHostileTree(t *testing.T) {
	identity, key := ageKey(t)
	d := decrypter(t, Options{AgeKeys: identity})
	none := sops.Metadata{EncryptedRegex: "^none$"}
	group := sops.KeyGroup{key}
	replaced := func(data []byte, regex string) []byte {
		return []byte(strings.Replace(string(data), "^none$", regex, 1))
	}
	many := encrypt(t, "a:\n"+strings.Repeat("- b: v\n", 12_000), YAML, none, group)
	commented := append([]byte(strings.Repeat("# c\n", 5000)), encrypt(t, "a: b\n", YAML, sops.Metadata{EncryptedCommentRegex: "^none$"}, group)...)
	deep := strings.Repeat("[", 400) + strings.Repeat("1,", 100_000) + strings.Repeat("]", 400)
	for name, c := range map[string]struct {
		data     []byte
		from, to Format
	}{
		"long expression":       {replaced(many, strings.Repeat("a", 20_000)), YAML, YAML},
		"large expression":      {replaced(many, "(((a{10}){10}){10})"), YAML, YAML},
		"expression of classes": {replaced(many, `(\\pL{100}){10}`), YAML, YAML},
		"wrong expression":      {replaced(many, strings.Repeat("(", 9_000)), YAML, YAML},
		"comments":              {replaced(commented, "(a{10}){100}"), YAML, YAML},
		"a wide list":           {[]byte(strings.Replace(string(encrypt(t, `{"a": [1]}`, JSON, none, group)), "1\n", strings.Repeat("1,", 1<<20)+"1\n", 1)), JSON, JSON},
		"deep and wide":         {[]byte(strings.Replace(string(encrypt(t, "a: x\n", YAML, none, group)), "x", deep, 1)), YAML, YAML},
		"many keys":             {[]byte(strings.Replace(string(many), "    age:\n", "    age:\n"+strings.Repeat("        - recipient: a\n          enc: b\n", 1001), 1)), YAML, YAML},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := d.Convert(c.data, c.from, c.to); !errors.Is(err, ErrTooLarge) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := d.Decrypt(many, YAML); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

func FuzzDecrypt(f *testing.F) {
	identity, key := ageKey(f)
	d := decrypter(f, Options{AgeKeys: identity, CheckMAC: false})
	for _, format := range allFormats {
		f.Add(encrypt(f, plain[format], format, sops.Metadata{}, sops.KeyGroup{key}), int(format), int(YAML))
	}
	for _, c := range hostile() {
		f.Add([]byte(c.data[:min(len(c.data), 2000)]), int(c.format), int(JSON))
	}
	f.Fuzz(func(t *testing.T, data []byte, from, to int) {
		out, err := d.Convert(data, Format(from), Format(to))
		if err != nil {
			known := false
			for _, is := range []error{ErrNotForUs, ErrTampered, ErrMalformed, ErrTooLarge} {
				known = known || errors.Is(err, is)
			}
			if !known || len(out) > 0 || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q, %v", out, err)
			}
		}
		Encrypted(data, Format(from))
		Detect(data)
		ParseValue(string(data))
		if a, b := Fingerprint(data, Format(from)), Fingerprint(data, Format(from)); a != b || len(a) != 64 {
			t.Errorf("%s and %s", a, b)
		}
	})
}
