// Package junit writes test reports for those who show them: Jenkins, GitLab and others.
//
// It turns a review into suites of cases ([Suites]) and suites into XML ([Write]). Its invariant: what
// it writes is well-formed, whatever the texts hold.
package junit

import (
	"encoding/xml"
	"io"
	"strings"
	"unicode/utf8"
)

// Suite is cases of one kind.
type Suite struct {
	Name string
	// Properties are told of the suite as a whole, in their order.
	Properties []Property
	Cases      []Case
}

// Property is a fact.
type Property struct{ Name, Value string }

// Case is one thing that passes, fails or is skipped.
type Case struct {
	// Class is the group that it is shown in; Name tells it from the others of the group.
	Class, Name string
	// File and Line of what declares it; zero for none.
	File string
	Line int
	// Failure is one line that says why it failed; "" when it did not. Detail has the rest.
	Failure string
	// Kind of the failure in a word or two.
	Kind string
	// Skipped is why it does not count; "" when it does. A case with a failure is not skipped.
	Skipped string
	// Detail of any case, in lines.
	Detail string
}

// Write writes the suites as one document, in the order given. The error is w's.
//
// Source: the JUnit XML of Apache Ant as Jenkins reads it (its junit-10.xsd); time and timestamp are left
// out, as the same review makes the same bytes.
func Write(w io.Writer, suites []Suite) error {
	doc := testsuites{Name: "bulkhead"}
	for i := range suites {
		s := suiteOf(&suites[i])
		doc.Tests += s.Tests
		doc.Failures += s.Failures
		doc.Suites = append(doc.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

type testsuites struct {
	XMLName  xml.Name    `xml:"testsuites"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Suites   []testsuite `xml:"testsuite"`
}

type testsuite struct {
	Name       string      `xml:"name,attr"`
	Tests      int         `xml:"tests,attr"`
	Failures   int         `xml:"failures,attr"`
	Errors     int         `xml:"errors,attr"`
	Skipped    int         `xml:"skipped,attr"`
	Properties *properties `xml:"properties"`
	Cases      []testcase  `xml:"testcase"`
}

type properties struct {
	Property []property `xml:"property"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testcase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	File    string   `xml:"file,attr,omitempty"`
	Line    int      `xml:"line,attr,omitempty"`
	Skipped *skipped `xml:"skipped"`
	Failure *failure `xml:"failure"`
	Out     string   `xml:"system-out,omitempty"`
}

type skipped struct {
	Message string `xml:"message,attr"`
}

type failure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func suiteOf(s *Suite) testsuite {
	out := testsuite{Name: text(s.Name), Tests: len(s.Cases), Cases: []testcase{}}
	if len(s.Properties) > 0 {
		out.Properties = &properties{}
		for _, p := range s.Properties {
			out.Properties.Property = append(out.Properties.Property, property{text(p.Name), text(p.Value)})
		}
	}
	for i := range s.Cases {
		c := &s.Cases[i]
		t := testcase{Class: text(c.Class), Name: text(c.Name), File: text(c.File), Line: c.Line}
		switch {
		case c.Failure != "":
			out.Failures++
			t.Failure = &failure{Message: text(c.Failure), Type: text(c.Kind), Text: text(c.Detail)}
		case c.Skipped != "":
			out.Skipped++
			t.Skipped = &skipped{Message: text(c.Skipped)}
			t.Out = text(c.Detail)
		default:
			t.Out = text(c.Detail)
		}
		out.Cases = append(out.Cases, t)
	}
	return out
}

// text is s without what XML forbids, which becomes U+FFFD. A carriage return, which a reader of XML
// would drop, becomes a space.
//
// Source: XML 1.0, production 2 (Char).
func text(s string) string {
	if strings.IndexFunc(s, func(c rune) bool { return c != ' ' && !allowed(c) || c == '\r' || c == utf8.RuneError }) < 0 {
		return s
	}
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\r':
			return ' '
		case !allowed(c):
			return utf8.RuneError
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func allowed(c rune) bool {
	return c == '\t' || c == '\n' || c == '\r' || c >= 0x20 && c <= 0xD7FF || c >= 0xE000 && c <= 0xFFFD || c >= 0x10000 && c <= 0x10FFFF
}
