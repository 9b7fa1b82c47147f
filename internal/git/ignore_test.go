package git

import "testing"

func FuzzIgnores(f *testing.F) {
	for _, text := range []string{"*.log\n!/a/**/b\n", "[!a-z]\\ \n", "[[:alpha:]", "**/**/x/", "\xff[\xfe-\xff]?", "\uFEFF#x\r\n"} {
		f.Add(text, "a/b.log")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		list := parseIgnores([]byte(text), "a/")
		if first, again := list.ignored(path, true), list.ignored(path, true); first != again {
			t.Error("two answers")
		}
		for i := range list {
			if list[i].match("outside/"+path, true) {
				t.Errorf("pattern of a/ matches outside/%s", path)
			}
		}
	})
}
