package cli

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

// seal keeps the engines from speaking and from the network as long as a command
// runs, and returns what undoes it. Kustomize prints warnings to the process's
// standard error; ours goes to the writers that [Main] was given.
func seal() (restore func()) {
	var undo []func()
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		was := os.Stderr
		os.Stderr = null
		undo = append(undo, func() { os.Stderr = was; _ = null.Close() })
	}
	writer := log.Writer()
	log.SetOutput(io.Discard)
	transport := http.DefaultTransport
	http.DefaultTransport = offline{}
	undo = append(undo, func() { log.SetOutput(writer); http.DefaultTransport = transport })

	const protocols = "GIT_ALLOW_PROTOCOL" // Git, if anything ran it, may fetch by none
	was, set := os.LookupEnv(protocols)
	_ = os.Setenv(protocols, "none")
	undo = append(undo, func() {
		if set {
			_ = os.Setenv(protocols, was)
		} else {
			_ = os.Unsetenv(protocols)
		}
	})
	return func() {
		for _, f := range undo {
			f()
		}
	}
}

// offline refuses every request.
type offline struct{}

// RoundTrip implements [http.RoundTripper].
func (offline) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, fmt.Errorf("request to %s refused: bulkhead does not use the network", r.URL.Host)
}
