// Package html writes a review as one page that stands for itself.
//
// It turns a [review.Review] into one file: no request, no script but its own, everything readable without
// scripts. Its invariant: whatever the texts of the review are, the page has the elements and attributes of
// its template only, and a Content-Security-Policy that allows nothing else. Start at [Write].
package html

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // style, script and template of the page
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

//go:embed page.css
var style string

//go:embed page.js
var script string

//go:embed page.gohtml
var body string

// Write writes r as a page. The error is that of w.
func Write(w io.Writer, r *review.Review) error {
	t, err := template.New("page").Funcs(functions()).Parse(body)
	if err != nil {
		return fmt.Errorf("read template of the page: %w", err)
	}
	var b bytes.Buffer
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta http-equiv=\"Content-Security-Policy\" content=\"" + policy() + "\">\n<style>" + style + "</style>\n")
	if err := t.Execute(&b, newPage(r)); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	b.WriteString("<script>" + script + "</script>\n</body>\n</html>\n")
	if _, err := w.Write(visible(b.Bytes())); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// policy allows this style and this script, and nothing else at all.
func policy() string {
	return "default-src 'none'; style-src '" + hash(style) + "'; script-src '" + hash(script) +
		"'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// visible shows as escapes what a browser would not show, or would show elsewhere: control characters, characters that
// change the direction of writing, bytes that are not UTF-8. The page's own text has none of them.
func visible(page []byte) []byte {
	out := make([]byte, 0, len(page)+len(page)/64)
	for len(page) > 0 {
		r, n := utf8.DecodeRune(page)
		switch {
		case r < utf8.RuneSelf && r >= ' ' && r != '\x7f' || r == '\n' || r == '\t':
			out = append(out, page[0])
		case r >= utf8.RuneSelf && r != utf8.RuneError && !unicode.IsControl(r) && !unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			out = append(out, page[:n]...)
		default:
			out = append(out, term.Safe(string(page[:n]))...)
		}
		page = page[n:]
	}
	return out
}

// thousands writes 1500 as "1,500".
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return thousands(n/1000) + "," + fmt.Sprintf("%03d", n%1000)
}
