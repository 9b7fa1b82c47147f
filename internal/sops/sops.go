// Package sops turns SOPS ciphertext into plain text, in memory, with the keys of
// the user.
//
// [New] reads the keys once; [Decrypter.Decrypt] then does what kustomize-controller
// does with a file. No plain text and no key is in an error, a log or a file. What
// it is given may be hostile: it neither panics nor takes long, and it starts no
// program. The network is used only if [Options.Keyservice] allows it.
package sops

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/logging"
)

var (
	// ErrNoKey says that there is no private key among those given.
	ErrNoKey = errors.New("no private key")
	// ErrNotForUs says that no key of ours opens the data key. The controller may
	// have another.
	ErrNotForUs = errors.New("no key opens the ciphertext")
	// ErrTampered says that a value is not as it was encrypted, or stands at another
	// place, or, with [Options.CheckMAC], that the file is not as it was. Without the
	// latter the controller fails too.
	ErrTampered = errors.New("the ciphertext was changed")
	// ErrMalformed says that the file or its metadata cannot be read, or that the
	// plain text cannot be written in the format asked for. The controller fails too.
	ErrMalformed = errors.New("not a readable SOPS file")
	// ErrTooLarge says that an answer would take too much memory or time. The
	// controller has no such limit, but for [MaxFileSize].
	ErrTooLarge = errors.New("the SOPS file is too large")
)

// Options name the keys. Each is optional, but one there must be.
type Options struct {
	AgeKeys     Secret   // age identities, separated by white space; lines with # are comments
	AgeKeyFiles []string // paths of files of age identities
	SSHKeyFiles []string // paths of SSH private keys (ed25519 or RSA) without passphrase, for age
	PGPKeyFiles []string // paths of armored PGP private keys without passphrase

	// Keyservice also asks the key services that a file names (AWS, GCP, Azure and
	// Huawei KMS), with the credentials of the environment, and Vault if the file
	// names the one of VAULT_ADDR. This uses the network. It counts as a key.
	Keyservice bool
	// CheckMAC also checks the MAC of the whole file. The controller does not.
	CheckMAC bool
}

// Decrypter decrypts with the keys that [New] has read. It is safe for concurrent
// use.
type Decrypter struct {
	keys     keyServer
	checkMAC bool
}

// New reads the keys. Without any it is [ErrNoKey]. Identities of age plugins are
// left out, as they are programs.
func New(o Options) (*Decrypter, error) {
	logging.SetLevel(0) // panics only; the engine warns with the values at hand
	keys, err := readKeys(o)
	if err != nil {
		return nil, err
	}
	if len(keys.age) == 0 && len(keys.pgp) == 0 && !keys.remote {
		return nil, ErrNoKey
	}
	return &Decrypter{keys: keys, checkMAC: o.CheckMAC}, nil
}

// Format keeps keys out of whatever prints a Decrypter.
func (d *Decrypter) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// Decrypt gives the plain text of a whole file in its own format. The error wraps
// one of [ErrNotForUs], [ErrTampered], [ErrMalformed] and [ErrTooLarge].
//
// Source: kustomize-controller v1.9.5 Decryptor.SopsDecryptWithFormat. The
// controller checks no MAC, as objects are changed between the encryption and the
// decryption.
func (d *Decrypter) Decrypt(data []byte, format Format) ([]byte, error) {
	return d.Convert(data, format, format)
}

// Convert is [Decrypter.Decrypt] with the plain text in another format. For the
// value of a Secret the formats are [Detect] of the value and [FormatOf] its key;
// an object is JSON in both.
func (d *Decrypter) Convert(data []byte, from, to Format) (out []byte, err error) {
	defer func() {
		if recover() != nil { // its text may hold a value
			out, err = nil, fmt.Errorf("decrypt %s to %s: %w", from, to, ErrMalformed)
		}
	}()
	if out, err = d.convert(data, from, to); err != nil {
		return nil, fmt.Errorf("decrypt %s: %w", from, err)
	}
	return out, nil
}

func (d *Decrypter) convert(data []byte, from, to Format) ([]byte, error) {
	tree, err := load(data, from)
	if err != nil {
		return nil, err
	}
	if err := checkWork(tree, to); err != nil {
		return nil, err
	}
	key, err := d.dataKey(&tree)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	cipher := aes.NewCipher()
	sum, err := tree.Decrypt(key, cipher)
	if err != nil {
		return nil, ErrTampered // the engine's text may hold a value
	}
	if d.checkMAC {
		mac, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
		if err != nil || mac != sum {
			return nil, fmt.Errorf("check MAC: %w", ErrTampered)
		}
	}
	if err := checkOutput(tree.Branches, to); err != nil {
		return nil, err
	}
	out, err := store(to).EmitPlainFile(tree.Branches)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", to, ErrMalformed)
	}
	return out, nil
}

// dataKey opens the data key, or puts it together from its parts.
func (d *Decrypter) dataKey(tree *sops.Tree) ([]byte, error) {
	if err := checkKeys(tree.Metadata.KeyGroups); err != nil {
		return nil, err
	}
	services := []keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(&d.keys)}
	key, err := tree.Metadata.GetDataKeyWithKeyServices(services, sops.DefaultDecryptionOrder)
	if err == nil {
		return key, nil
	}
	if closed := sops.UserError(nil); errors.As(err, &closed) {
		return nil, fmt.Errorf("%w: it is for %s", ErrNotForUs, recipients(tree.Metadata.KeyGroups))
	}
	return nil, fmt.Errorf("join the parts of the data key: %w", ErrMalformed)
}

// recipients names a few of the keys that open the file.
func recipients(groups []sops.KeyGroup) string {
	const most, length = 3, 100
	var names []string
	for _, group := range groups {
		for _, key := range group {
			if len(names) == most {
				return strings.Join(names, ", ") + ", ..."
			}
			name := key.ToString()
			names = append(names, fmt.Sprintf("%s %q", key.TypeToIdentifier(), name[:min(len(name), length)]))
		}
	}
	return strings.Join(names, ", ")
}
