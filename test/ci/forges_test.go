package ci

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// token is what the scripts are given; it may be nowhere but in a header.
const token = "ghs_0123456789abcdefSECRET"

// remark is a comment or note.
type remark struct {
	id     int
	author string
	bot    bool
	body   string
}

// forge is a forge's API on the loopback address: what it does not expect fails the test.
type forge struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	remarks  []remark
	calls    []string // of writes: "POST 3"
	next     int
	me       string // the token's user; "" when it belongs to none
	readOnly bool
	down     bool
	page     int // remarks on a page
}

func (f *forge) start(handle func(w http.ResponseWriter, r *http.Request)) {
	f.next, f.page = 100, 2
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		handle(w, r)
	}))
	f.t.Cleanup(f.Close)
}

// reject answers a request that no forge would take.
func (f *forge) reject(w http.ResponseWriter, r *http.Request, why string) {
	f.t.Errorf("%s %s: %s", r.Method, r.URL, why)
	w.WriteHeader(http.StatusBadRequest)
}

func (f *forge) denied(w http.ResponseWriter) {
	w.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(w, `{"message":"Resource not accessible by integration"}`)
}

// text is the one field that a remark is written with.
func (f *forge) text(r *http.Request) (string, error) {
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		return "", fmt.Errorf("the content is %q", got)
	}
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return "", err
	}
	body, ok := in["body"].(string)
	if !ok || len(in) != 1 {
		return "", fmt.Errorf("it holds %v", in)
	}
	return body, nil
}

// save makes a remark or replaces the one with the id.
func (f *forge) save(r *http.Request, id int, body string) (remark, bool) {
	if id == 0 {
		f.next++
		f.remarks = append(f.remarks, remark{f.next, f.me, f.me == "", body})
		f.calls = append(f.calls, r.Method+" "+strconv.Itoa(f.next))
		return f.remarks[len(f.remarks)-1], true
	}
	for i := range f.remarks {
		if f.remarks[i].id == id {
			f.remarks[i].body = body
			f.calls = append(f.calls, r.Method+" "+strconv.Itoa(id))
			return f.remarks[i], true
		}
	}
	return remark{}, false
}

// some is a page of the remarks, and whether there is another one.
func (f *forge) some(page int) ([]remark, bool) {
	from, to := min((page-1)*f.page, len(f.remarks)), min(page*f.page, len(f.remarks))
	return f.remarks[from:to], to < len(f.remarks)
}

// github is the part of GitHub's API that the action may use, for the pull request 7 of acme/fleet.
//
// Source: docs.github.com/rest/issues/comments, version 2022-11-28.
func github(t *testing.T, me string) *forge {
	t.Helper()
	f := &forge{t: t, me: me}
	f.start(func(w http.ResponseWriter, r *http.Request) {
		const list, one = "/repos/acme/fleet/issues/7/comments", "/repos/acme/fleet/issues/comments/"
		show := func(c remark) map[string]any {
			kind, login := "User", c.author
			if c.bot {
				kind, login = "Bot", "github-actions[bot]"
			}
			return map[string]any{"id": c.id, "body": c.body, "user": map[string]any{"login": login, "type": kind}}
		}
		if r.Header.Get("Authorization") != "Bearer "+token {
			f.reject(w, r, "the token is missing")
			return
		}
		switch id, isOne := strings.CutPrefix(r.URL.Path, one); {
		case r.Method == http.MethodGet && r.URL.Path == "/user":
			if f.me == "" {
				f.denied(w)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"login": f.me})
		case r.Method == http.MethodGet && r.URL.Path == list:
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			these, more := f.some(page)
			if more {
				w.Header().Set("Link", fmt.Sprintf(`<%s%s?per_page=100&page=%d>; rel="next", <x>; rel="last"`, f.URL, list, page+1))
			}
			out := []any{}
			for _, c := range these {
				out = append(out, show(c))
			}
			_ = json.NewEncoder(w).Encode(out)
		case r.Method == http.MethodPost && r.URL.Path == list, r.Method == http.MethodPatch && isOne:
			body, err := f.text(r)
			if err != nil {
				f.reject(w, r, err.Error())
				return
			}
			if f.readOnly {
				f.denied(w)
				return
			}
			n, _ := strconv.Atoi(id)
			if !isOne {
				n = 0
				w.WriteHeader(http.StatusCreated)
			}
			c, ok := f.save(r, n, body)
			if !ok {
				f.reject(w, r, "no such comment")
				return
			}
			_ = json.NewEncoder(w).Encode(show(c))
		default:
			f.reject(w, r, "the action has no business here")
		}
	})
	return f
}

// gitlab is the part of GitLab's API that the template may use, for the merge request 7 of project 42.
//
// Source: docs.gitlab.com/api/notes, version 17.
func gitlab(t *testing.T, me string) *forge {
	t.Helper()
	f := &forge{t: t, me: me}
	f.start(func(w http.ResponseWriter, r *http.Request) {
		const list = "/api/v4/projects/42/merge_requests/7/notes"
		user := func(name string) map[string]any { return map[string]any{"id": len(name), "username": name} }
		show := func(c remark) map[string]any {
			return map[string]any{"id": c.id, "body": c.body, "author": user(c.author), "system": false}
		}
		if r.Header.Get("Private-Token") != token {
			f.reject(w, r, "the token is missing")
			return
		}
		switch id, isOne := strings.CutPrefix(r.URL.Path, list+"/"); {
		case r.Method == http.MethodGet && r.URL.Path == "/api/v4/user":
			_ = json.NewEncoder(w).Encode(user(f.me))
		case r.Method == http.MethodGet && r.URL.Path == list:
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			these, more := f.some(page)
			w.Header().Set("X-Next-Page", "")
			if more {
				w.Header().Set("X-Next-Page", strconv.Itoa(page+1))
			}
			out := []any{}
			for _, c := range these {
				out = append(out, show(c))
			}
			_ = json.NewEncoder(w).Encode(out)
		case r.Method == http.MethodPost && r.URL.Path == list, r.Method == http.MethodPut && isOne:
			body, err := f.text(r)
			if err != nil {
				f.reject(w, r, err.Error())
				return
			}
			if f.readOnly {
				f.denied(w)
				return
			}
			n, _ := strconv.Atoi(id)
			if !isOne {
				n = 0
				w.WriteHeader(http.StatusCreated)
			}
			c, ok := f.save(r, n, body)
			if !ok {
				f.reject(w, r, "no such note")
				return
			}
			_ = json.NewEncoder(w).Encode(show(c))
		default:
			f.reject(w, r, "the template has no business here")
		}
	})
	return f
}
