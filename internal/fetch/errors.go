package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The kinds of failure. errors.Is tells them apart; each error has one.
var (
	// ErrNotAllowed: the host is not among those that may be reached.
	ErrNotAllowed = errors.New("host is not allowed")
	// ErrPrivate: the host has an address that is not public and was not named.
	ErrPrivate = errors.New("address is not public")
	// ErrNotFound: the other side answers that there is no such thing.
	ErrNotFound = errors.New("not found")
	// ErrUnreachable: no answer, because of the network, TLS, time or the server.
	ErrUnreachable = errors.New("unreachable")
	// ErrDenied: the other side wants other credentials.
	ErrDenied = errors.New("access denied")
	// ErrInvalid: the answer is not what it should be: a wrong digest, too big,
	// a path out of the archive. The controller would fail as well.
	ErrInvalid = errors.New("invalid answer")
	// ErrUnsupported: we cannot fetch this, though a controller might.
	ErrUnsupported = errors.New("not supported")
	// ErrOffline: the cache does not have it and the network is not to be used.
	ErrOffline = errors.New("not in the cache, and the network is not used")
)

// Error is the error of every request. Its texts hold no credentials.
type Error struct {
	Kind error  // one of the Err values
	What string // what was asked for
	Host string // that Kind is about; may be empty
	Text string // the cause; may be empty
	Hint string // what the user may do; may be empty
	ctx  error  // context.Canceled or context.DeadlineExceeded, if that is the reason
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("fetch")
	for _, part := range []string{e.What, e.Kind.Error(), e.Host, e.Text} {
		if part == "" {
			continue
		}
		if part != e.What {
			b.WriteString(":")
		}
		b.WriteString(" " + part)
	}
	return b.String()
}

// Unwrap gives the kind and, where it was the reason, the error of the context.
func (e *Error) Unwrap() []error {
	if e.ctx != nil {
		return []error{e.Kind, e.ctx}
	}
	return []error{e.Kind}
}

// fault makes an error of a kind, before it is known what was asked for.
func fault(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// as gives the [*Error] that err is, nil if it is none or of another kind.
func as(err, kind error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && errors.Is(e, kind) {
		return e
	}
	return nil
}

// explain turns any error into an *Error about what.
func (c *Client) explain(what string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		out := *e
		out.What = c.clean(what)
		out.Text = c.clean(e.Text)
		return &out
	}
	out := &Error{Kind: ErrUnreachable, What: c.clean(what)}
	var unknown x509.UnknownAuthorityError
	var dns *net.DNSError
	var u *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		out.ctx, out.Text = context.Canceled, "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		out.ctx, out.Text = context.DeadlineExceeded, "no complete answer in time"
	case errors.As(err, &unknown):
		out.Text, out.Hint = "its certificate is signed by an unknown authority", "put the authority's certificate where the system looks, or name it in SSL_CERT_FILE"
	case errors.As(err, &dns):
		out.Text = c.clean("no address for " + dns.Name)
	case errors.As(err, &u):
		out.Text = c.clean(u.Err.Error())
	default:
		out.Text = c.clean(err.Error())
	}
	return out
}

// inText finds URLs in a message. It takes more than is one, never less.
var inText = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>]+`)

// maxText bounds a message that a server may have had a part in, in bytes.
const maxText = 400

// clean takes credentials, queries and control characters out of a text.
func (c *Client) clean(s string) string { return c.secrets.hide(cleanText(s)) }

func cleanText(s string) string {
	s = inText.ReplaceAllStringFunc(s, cleanURL)
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || r == 0x2028 || r == 0x2029 || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	return s
}

// cleanURL takes user, password, query and fragment off a URL. What does not
// parse loses all that may be one of these.
func cleanURL(s string) string {
	scheme, rest, _ := strings.Cut(s, "://")
	rest, _, _ = strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(rest, "#")
	authority, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	_, port, _ := strings.Cut(strings.TrimLeft(authority, "[:0123456789abcdefABCDEF]"), ":")
	if i := strings.LastIndexByte(path, '@'); i >= 0 && strings.Trim(port, "0123456789") != "" {
		return scheme + "://" + path[i+1:] // a slash in a password
	}
	if slash {
		path = "/" + path
	}
	return scheme + "://" + authority + path
}

// secrets are the credentials that were used, so that no message repeats them.
type secrets struct {
	mu   sync.Mutex
	seen map[string]bool
}

// shortest is the length below which a secret is not looked for in texts: it
// would be found in ordinary words.
const shortest = 4

func (s *secrets) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		if len(v) >= shortest {
			if s.seen == nil {
				s.seen = map[string]bool{}
			}
			s.seen[v] = true
		}
	}
}

func (s *secrets) hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.seen {
		text = strings.ReplaceAll(text, v, "[redacted]")
		text = strings.ReplaceAll(text, url.QueryEscape(v), "[redacted]")
	}
	return text
}

// failures remembers requests that failed, so that a fleet that asks for one
// thing a hundred times waits once.
type failures struct {
	mu   sync.Mutex
	kept map[string]failure
}

type failure struct {
	err  error
	time time.Time
}

const (
	failureAge  = time.Minute
	maxFailures = 10000
)

func (f *failures) get(key string, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.kept[key]; ok && now.Sub(e.time) < failureAge {
		return e.err
	}
	return nil
}

func (f *failures) put(key string, err error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept == nil || len(f.kept) >= maxFailures {
		f.kept = map[string]failure{}
	}
	f.kept[key] = failure{err, now}
}
