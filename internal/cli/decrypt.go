package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/bulkhead-dev/bulkhead/internal/sops"
	"github.com/bulkhead-dev/bulkhead/render"
)

// decryptOptions say whether SOPS ciphertext is opened, and with which keys.
type decryptOptions struct {
	on    bool
	files []string // of keys, besides those where sops looks for them
}

// formats are SOPS' names of its formats.
var formats = map[string]sops.Format{"binary": sops.Binary, "dotenv": sops.Dotenv, "ini": sops.INI, "json": sops.JSON, "yaml": sops.YAML} //nolint:gochecknoglobals // a constant map

// decrypter is nil when nothing is to be decrypted.
func (o *decryptOptions) decrypter() (render.Decrypt, error) {
	if !o.on && len(o.files) == 0 {
		return nil, nil
	}
	keys := sops.Environment()
	for _, file := range o.files {
		data, err := os.ReadFile(file) //nolint:gosec // the user names it
		switch {
		case err != nil:
			return nil, fmt.Errorf("--decrypt-key %s: %w", file, cause(err))
		case bytes.Contains(data, []byte("PGP PRIVATE KEY")):
			keys.PGPKeyFiles = append(keys.PGPKeyFiles, file)
		case bytes.Contains(data, []byte("OPENSSH PRIVATE KEY")):
			keys.SSHKeyFiles = append(keys.SSHKeyFiles, file)
		default:
			keys.AgeKeyFiles = append(keys.AgeKeyFiles, file)
		}
	}
	d, err := sops.New(keys)
	if errors.Is(err, sops.ErrNoKey) {
		return nil, hinted(errors.New("--decrypt: there is no private key"), "name one: --decrypt-key FILE, or set SOPS_AGE_KEY_FILE")
	}
	if err != nil {
		return nil, fmt.Errorf("--decrypt: %w", err)
	}
	return func(data []byte, from, to string) ([]byte, error) {
		out, err := d.Convert(data, formats[from], formats[to])
		if errors.Is(err, sops.ErrNotForUs) || errors.Is(err, sops.ErrTooLarge) {
			return nil, fmt.Errorf("%w: %w", render.ErrNoKey, err)
		}
		return out, err
	}, nil
}
