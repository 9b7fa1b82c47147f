package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"helm.sh/helm/v4/pkg/helmpath"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"sigs.k8s.io/yaml"
)

func homeDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return home
}

// mayCarry reports whether credentials may go to a host: not by plain HTTP,
// unless the user named the host as a private one. What a repository writes, as
// insecure: true, must not make a password readable on the way.
func (c *Client) mayCarry(scheme, host, port string) bool {
	return scheme == "https" || c.guard.private.hosts.has(host, port)
}

// registryConfigs are the files with credentials for registries, in the order
// they are asked: Docker's, Podman's, Helm's.
//
// Source: go-containerregistry v0.22.1 authn/keychain.go for the first two; Helm
// v4.2.4 cli/environment.go for the last.
func (c *Client) registryConfigs() []string {
	var files []string
	docker := os.Getenv("DOCKER_CONFIG")
	if docker == "" && c.home != "" {
		docker = filepath.Join(c.home, ".docker")
	}
	if docker != "" {
		files = append(files, filepath.Join(docker, "config.json"))
	}
	files = append(files, os.Getenv("REGISTRY_AUTH_FILE"))
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" {
		files = append(files, filepath.Join(run, "containers", "auth.json"))
	}
	config := os.Getenv("XDG_CONFIG_HOME")
	if config == "" && c.home != "" {
		config = filepath.Join(c.home, ".config")
	}
	if config != "" {
		files = append(files, filepath.Join(config, "containers", "auth.json"))
	}
	helm := os.Getenv("HELM_REGISTRY_CONFIG")
	if helm == "" {
		helm = helmpath.ConfigPath("registry/config.json")
	}
	return append(files, helm)
}

// registryCredential looks a repository up in the user's files, then its
// registry. Credential helpers that these files name are run.
func (c *Client) registryCredential(scheme string, r *repository) auth.CredentialFunc {
	return func(ctx context.Context, hostport string) (auth.Credential, error) {
		u := url.URL{Scheme: scheme, Host: hostport}
		if hostport != r.host || !c.mayCarry(scheme, u.Hostname(), portOf(&u)) {
			return auth.EmptyCredential, nil
		}
		server := credentials.ServerAddressFromHostname(r.host)
		if r.host == "index.docker.io" {
			server = credentials.ServerAddressFromRegistry("docker.io")
		}
		for _, file := range c.registryConfigs() {
			if info, err := os.Stat(file); file == "" || err != nil || info.IsDir() {
				continue
			}
			store, err := credentials.NewStore(file, credentials.StoreOptions{})
			if err != nil {
				return auth.EmptyCredential, fault(ErrDenied, "%s cannot be read", file)
			}
			for _, key := range []string{r.String(), server} {
				cred, err := store.Get(ctx, key)
				if err != nil {
					return auth.EmptyCredential, fault(ErrDenied, "%s gives no credentials for %s", file, r.host)
				}
				if cred != auth.EmptyCredential {
					c.secrets.add(cred.Password, cred.AccessToken, cred.RefreshToken,
						base64.StdEncoding.EncodeToString([]byte(cred.Username+":"+cred.Password)))
					return cred, nil
				}
			}
		}
		return auth.EmptyCredential, nil
	}
}

// helmEntry is a repository in Helm's repositories.yaml.
//
// Source: helm v4.2.4 pkg/repo/v1/chartrepo.go Entry.
type helmEntry struct {
	URL      string `json:"url"`
	Username string `json:"username"`
	Password string `json:"password"`
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
	CAFile   string `json:"caFile"`
	Insecure bool   `json:"insecure_skip_tls_verify"`
}

// helmConfig is what the user told Helm of a repository, by its URL; the zero
// value if nothing.
func (c *Client) helmConfig(repository *url.URL) helmEntry {
	file := os.Getenv("HELM_REPOSITORY_CONFIG")
	if file == "" {
		file = helmpath.ConfigPath("repositories.yaml")
	}
	data, err := os.ReadFile(file) //nolint:gosec // the user's own file
	if err != nil {
		return helmEntry{}
	}
	var all struct {
		Repositories []helmEntry `json:"repositories"`
	}
	if yaml.Unmarshal(data, &all) != nil {
		return helmEntry{}
	}
	for _, e := range all.Repositories {
		u, err := url.Parse(e.URL)
		if err == nil && sameOrigin(u, repository) && strings.TrimRight(u.Path, "/") == strings.TrimRight(repository.Path, "/") {
			return e
		}
	}
	return helmEntry{}
}

// helmClient gives the HTTP client for a Helm repository and what to add to a
// request. pass sends the credentials to other hosts than the repository's as
// well, though never after a redirect.
func (c *Client) helmClient(repository *url.URL, pass bool) (*http.Client, func(*http.Request), error) {
	e := c.helmConfig(repository)
	user, password := e.Username, e.Password
	if u := repository.User; u != nil {
		user = u.Username()
		password, _ = u.Password()
	}
	c.secrets.add(password)
	prepare := func(r *http.Request) {
		if user == "" || password == "" || !pass && !sameOrigin(r.URL, repository) {
			return
		}
		if c.mayCarry(r.URL.Scheme, r.URL.Hostname(), portOf(r.URL)) {
			r.SetBasicAuth(user, password)
		}
	}
	if e.CertFile == "" && e.CAFile == "" && !e.Insecure {
		return c.http, prepare, nil
	}
	t, err := tlsConfig(e)
	if err != nil {
		return nil, nil, err
	}
	return c.guard.with(t).client(), prepare, nil
}

// tlsConfig reads the certificates that repositories.yaml names.
func tlsConfig(e helmEntry) (*tls.Config, error) {
	t := &tls.Config{InsecureSkipVerify: e.Insecure} //nolint:gosec // the user's own file says so for this URL
	if e.CertFile != "" && e.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(e.CertFile, e.KeyFile)
		if err != nil {
			return nil, fault(ErrDenied, "the client certificate in %s cannot be read", e.CertFile)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	if e.CAFile != "" {
		pem, err := os.ReadFile(e.CAFile)
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			return nil, fault(ErrDenied, "no certificate can be read from %s", e.CAFile)
		}
		t.RootCAs = pool
	}
	return t, nil
}

// helmHint says where credentials of a Helm repository are looked for.
func helmHint(err error) error {
	if e := as(err, ErrDenied); e != nil && e.Hint == "" {
		e.Hint = "helm repo add --username ... for this URL: credentials are read from Helm's repositories.yaml"
	}
	return err
}
