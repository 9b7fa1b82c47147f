package sops

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"filippo.io/age/agessh"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3/age"
	"golang.org/x/crypto/ssh"
)

// maxKeyFile is the size in bytes of a file of keys.
const maxKeyFile = 1 << 20

// Secret is text that is not printed.
type Secret []byte

// Format writes the same for every secret.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// MarshalText writes the same for every secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Environment names the keys that the sops command would find: SOPS_AGE_KEY,
// SOPS_AGE_KEY_FILE, SOPS_AGE_SSH_PRIVATE_KEY_FILE, sops/age/keys.txt in the user's
// configuration, and of ~/.ssh id_ed25519 and id_rsa, if they are there and have no
// passphrase. Those that are programs (SOPS_AGE_KEY_CMD and its like) and the
// keyring of GnuPG are left out.
//
// Source: sops v3.13.2 age/keysource.go loadIdentities.
func Environment() Options {
	var o Options
	if keys := os.Getenv(age.SopsAgeKeyEnv); keys != "" {
		o.AgeKeys = Secret(keys)
	}
	if file := os.Getenv(age.SopsAgeKeyFileEnv); file != "" {
		o.AgeKeyFiles = append(o.AgeKeyFiles, file)
	}
	if dir, err := configDir(); err == nil {
		file := filepath.Join(dir, filepath.FromSlash(age.SopsAgeKeyUserConfigPath))
		if _, err := os.Stat(file); err == nil {
			o.AgeKeyFiles = append(o.AgeKeyFiles, file)
		}
	}
	if file := os.Getenv(age.SopsAgeSshPrivateKeyFileEnv); file != "" {
		o.SSHKeyFiles = append(o.SSHKeyFiles, file)
	}
	if home, err := os.UserHomeDir(); err == nil {
		for _, name := range []string{"id_ed25519", "id_rsa"} {
			file := filepath.Join(home, ".ssh", name)
			data, err := readKeyFile(file)
			if err == nil {
				_, err = agessh.ParseIdentity(data)
				clear(data)
			}
			if err == nil {
				o.SSHKeyFiles = append(o.SSHKeyFiles, file)
			}
		}
	}
	return o
}

// configDir is where the sops command looks, which differs from Go on macOS.
func configDir() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); runtime.GOOS == "darwin" && dir != "" {
		return dir, nil
	}
	return os.UserConfigDir()
}

func readKeys(o Options) (keyServer, error) {
	s := keyServer{remote: o.Keyservice}
	if err := s.addAge(o.AgeKeys); err != nil {
		return keyServer{}, fmt.Errorf("read age keys: %w", err)
	}
	for _, list := range []struct {
		what  string
		files []string
		add   func([]byte) error
	}{{"age", o.AgeKeyFiles, s.addAge}, {"SSH", o.SSHKeyFiles, s.addSSH}, {"PGP", o.PGPKeyFiles, s.addPGP}} {
		for _, file := range list.files {
			data, err := readKeyFile(file)
			if err != nil {
				return keyServer{}, fmt.Errorf("read %s keys: %w", list.what, err)
			}
			err = list.add(data)
			clear(data)
			if err != nil {
				return keyServer{}, fmt.Errorf("read %s keys of %s: %w", list.what, file, err)
			}
		}
	}
	return s, nil
}

func readKeyFile(file string) ([]byte, error) {
	f, err := os.Open(file) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeNamedPipe == 0 {
		return nil, fmt.Errorf("%s is not a file", file)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(data) > maxKeyFile {
		err = fmt.Errorf("%s has more than %d bytes", file, maxKeyFile)
	}
	return data, err
}

// addAge adds identities. What the parser says of a bad one is left out: it may
// quote it.
func (s *keyServer) addAge(data []byte) error {
	if bytes.HasPrefix(data, []byte("age-encryption")) || bytes.HasPrefix(data, []byte("-----BEGIN AGE")) {
		return errors.New("they are encrypted with a passphrase")
	}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if bytes.HasPrefix(line, []byte("#")) {
			continue
		}
		for word := range bytes.FieldsSeq(line) {
			if bytes.HasPrefix(word, []byte("AGE-PLUGIN-")) {
				continue
			}
			if err := s.age.Import(string(word)); err != nil {
				return fmt.Errorf("line %d is not an age identity", number)
			}
		}
	}
	return nil
}

func (s *keyServer) addSSH(data []byte) error {
	identity, err := agessh.ParseIdentity(data)
	if locked := (*ssh.PassphraseMissingError)(nil); errors.As(err, &locked) {
		return errors.New("it has a passphrase")
	}
	if err != nil {
		return errors.New("it is not an SSH private key of ed25519 or RSA")
	}
	s.age = append(s.age, identity)
	return nil
}

func (s *keyServer) addPGP(data []byte) error {
	r := bufio.NewReader(bytes.NewReader(data))
	open, locked := 0, 0
	for {
		block, err := armor.Decode(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.New("they are not armored PGP keys")
		}
		if block.Type != openpgp.PrivateKeyType {
			_, _ = io.Copy(io.Discard, block.Body)
			continue
		}
		ring, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return errors.New("they are not PGP keys")
		}
		for _, k := range ring.DecryptionKeys() {
			if k.PrivateKey.Encrypted {
				locked++
			} else {
				open++
			}
		}
		s.pgp = append(s.pgp, ring...)
	}
	switch {
	case open == 0 && locked > 0:
		return errors.New("they have a passphrase")
	case open == 0:
		return errors.New("there is no PGP private key that decrypts")
	}
	return nil
}
