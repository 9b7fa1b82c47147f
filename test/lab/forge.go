//go:build linux

package lab

import (
	"context"
	_ "embed" // its configuration
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"code.gitea.io/sdk/gitea"
	"github.com/go-git/go-git/v5"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Forge is Gitea, one for all clusters. A repository is named by its owner and name, like
// "platform/fleet".
type Forge struct {
	URL   string // http://HOST:3000; a repository is at URL/OWNER/NAME.git
	SSH   string // ssh://git@HOST:2222, the same for deploy keys
	User  string // an administrator
	Token string // of the user, for the API and as the password of Git

	knownHosts []byte
}

// Ports of the forge.
const (
	portForge    = 3000
	portForgeSSH = 2222
)

//go:embed manifests/app.ini
var forgeConfig string

// startForge makes the forge's configuration, database and user, and starts it.
func (l *Lab) startForge(ctx context.Context) error {
	f := &Forge{URL: "http://" + l.shared(portForge), SSH: "ssh://git@" + l.shared(portForgeSSH), User: "lab"}
	dir := filepath.Join(l.Dir, "forge")
	config, hostKey := filepath.Join(dir, "app.ini"), filepath.Join(dir, "host_key")
	public, private, err := newSSHKey()
	if err != nil {
		return err
	}
	host := l.shared(0)[:strings.IndexByte(l.shared(0), ':')]
	f.knownHosts = fmt.Appendf(nil, "[%s]:%d %s", host, portForgeSSH, public)
	who, err := user.Current()
	if err != nil {
		return fmt.Errorf("start the forge: %w", err)
	}
	values := map[string]string{
		"user": who.Username, "dir": dir, "host": host, "port": strconv.Itoa(portForge), "url": f.URL,
		"sshPort": strconv.Itoa(portForgeSSH), "hostKey": hostKey, "static": filepath.Join(l.programs["forge"], "static"),
	}
	ini := os.Expand(forgeConfig, func(name string) string { return values[name] })
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(config, []byte(ini), 0o600), os.WriteFile(hostKey, private, 0o600)); err != nil {
		return err
	}
	env := []string{"HOME=" + dir, "GITEA_WORK_DIR=" + dir}
	program := l.program("forge", "gitea")
	if _, err := l.output(ctx, "forge-migrate", env, program, "--config", config, "migrate"); err != nil {
		return err
	}
	out, err := l.output(ctx, "forge-user", env, program, "--config", config, "admin", "user", "create",
		"--username", f.User, "--email", "lab@example.com", "--random-password", "--must-change-password=false", "--admin",
		"--access-token", "--access-token-name=lab", "--access-token-scopes=all")
	if err != nil {
		return err
	}
	words := strings.Fields(out)
	if f.Token = words[len(words)-1]; len(f.Token) != 40 {
		return fmt.Errorf("no token at the end of what Gitea says: %s", out)
	}
	p, err := l.start("forge", env, program, "--config", config, "web")
	if err != nil {
		return err
	}
	if err := l.waitHTTP(ctx, p, f.URL+"/api/healthz"); err != nil {
		return err
	}
	l.Forge = f
	return nil
}

// output runs a program to its end and returns what it says, which is also its log.
func (l *Lab) output(ctx context.Context, name string, env []string, program string, args ...string) (string, error) {
	log, err := os.Create(l.logFile(name))
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // a program of the lab
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir, cmd.Env = l.Dir, l.env(env...)
	if err = spawn(cmd, syscall.SIGKILL); err == nil {
		err = cmd.Wait()
	}
	out, readErr := os.ReadFile(log.Name())
	if err != nil {
		return "", fmt.Errorf("run %s: %w\n%s", name, err, out)
	}
	return string(out), readErr
}

// Client calls the API of the forge, with the rights of its administrator.
func (f *Forge) Client(ctx context.Context) (*gitea.Client, error) {
	return gitea.NewClient(f.URL, gitea.SetToken(f.Token), gitea.SetContext(ctx), gitea.SetGiteaVersion(giteaVersion))
}

// CreateOrg makes an organisation.
func (f *Forge) CreateOrg(ctx context.Context, name string) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if _, _, err = c.CreateOrg(gitea.CreateOrgOption{Name: name, Visibility: gitea.VisibleTypePrivate}); err != nil {
		return fmt.Errorf("create the organisation %s: %w", name, err)
	}
	return nil
}

// CreateRepo makes an empty private repository of an organisation, with the default
// branch main.
func (f *Forge) CreateRepo(ctx context.Context, repository string) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	org, name, _ := strings.Cut(repository, "/")
	if _, _, err = c.CreateOrgRepo(org, gitea.CreateRepoOption{Name: name, Private: true, DefaultBranch: "main"}); err != nil {
		return fmt.Errorf("create the repository %s: %w", repository, err)
	}
	return nil
}

// DeployKey makes a key that may read one repository over SSH and returns the data of a
// Secret for a GitRepository: identity, identity.pub and known_hosts.
func (f *Forge) DeployKey(ctx context.Context, repository string) (map[string][]byte, error) {
	c, err := f.Client(ctx)
	if err != nil {
		return nil, err
	}
	public, private, err := newSSHKey()
	if err != nil {
		return nil, err
	}
	org, name, _ := strings.Cut(repository, "/")
	if _, _, err = c.CreateDeployKey(org, name, gitea.CreateKeyOption{Title: "flux", Key: string(public), ReadOnly: true}); err != nil {
		return nil, fmt.Errorf("create a deploy key for %s: %w", repository, err)
	}
	return map[string][]byte{"identity": private, "identity.pub": public, "known_hosts": f.knownHosts}, nil
}

// Credentials are the data of a Secret for a GitRepository over HTTP.
func (f *Forge) Credentials() map[string][]byte {
	return map[string][]byte{"username": []byte(f.User), "password": []byte(f.Token)}
}

// Hook makes the forge tell a URL of each push, signed with the secret as a Receiver of
// type "github" or "gitea" wants it.
func (f *Forge) Hook(ctx context.Context, repository, url, secret string) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	org, name, _ := strings.Cut(repository, "/")
	_, _, err = c.CreateRepoHook(org, name, gitea.CreateHookOption{
		Type: gitea.HookTypeGitea, Active: true, Events: []string{"push"},
		Config: map[string]string{"url": url, "content_type": "json", "secret": secret},
	})
	if err != nil {
		return fmt.Errorf("create a hook for %s: %w", repository, err)
	}
	return nil
}

// Push makes one commit without parents of the files and pushes it as ref, as [Git.Push]
// does. It returns the commit.
func (f *Forge) Push(ctx context.Context, repository, ref string, files map[string]tree.Blob) (string, error) {
	return push(ctx, f.URL+"/"+repository+".git", ref, files, git.PushOptions{
		Auth: &githttp.BasicAuth{Username: f.User, Password: f.Token},
	})
}
