package sops

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	fage "filippo.io/age"
	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/pgp"
	"golang.org/x/crypto/ssh"
)

// ageKey is a new identity and the master key that encrypts for it.
func ageKey(tb testing.TB) (Secret, *age.MasterKey) {
	tb.Helper()
	identity, err := fage.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	key, err := age.MasterKeyFromRecipient(identity.Recipient().String())
	if err != nil {
		tb.Fatal(err)
	}
	return Secret(identity.String()), key
}

// sshKey is the file of a new private key and the master key that encrypts for it.
func sshKey(tb testing.TB, passphrase string) (string, *age.MasterKey) {
	tb.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		tb.Fatal(err)
	}
	public2, err := ssh.NewPublicKey(public)
	if err != nil {
		tb.Fatal(err)
	}
	key, err := age.MasterKeyFromRecipient(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public2))))
	if err != nil {
		tb.Fatal(err)
	}
	return file(tb, "id_ed25519", pem.EncodeToMemory(block)), key
}

// pgpKey is the file of a new private key and the master key that encrypts for it.
func pgpKey(tb testing.TB, passphrase string) (string, *pgp.MasterKey) {
	tb.Helper()
	entity, err := openpgp.NewEntity("test", "", "test@example.com", nil)
	if err != nil {
		tb.Fatal(err)
	}
	var ring, private bytes.Buffer
	if err := entity.Serialize(&ring); err != nil {
		tb.Fatal(err)
	}
	if passphrase != "" {
		if err := entity.EncryptPrivateKeys([]byte(passphrase), nil); err != nil {
			tb.Fatal(err)
		}
	}
	w, err := armor.Encode(&private, openpgp.PrivateKeyType, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if err := entity.SerializePrivateWithoutSigning(w, nil); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	key := pgp.NewMasterKeyFromFingerprint(strings.ToUpper(hexString(entity.PrimaryKey.Fingerprint)))
	pgp.PubRing(file(tb, "ring.gpg", ring.Bytes())).ApplyToMasterKey(key)
	return file(tb, "key.asc", append(private.Bytes(), '\n')), key
}

func hexString(b []byte) string {
	const digits = "0123456789ABCDEF"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func file(tb testing.TB, name string, data []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// encrypter encrypts with the master keys themselves, which know their rings.
type encrypter []sops.KeyGroup

func (e encrypter) Encrypt(ctx context.Context, r *keyservice.EncryptRequest) (*keyservice.EncryptResponse, error) {
	if k, ok := r.Key.KeyType.(*keyservice.Key_PgpKey); ok {
		for _, group := range e {
			for _, key := range group {
				if key, ok := key.(*pgp.MasterKey); ok && key.Fingerprint == k.PgpKey.Fingerprint {
					err := key.Encrypt(r.Plaintext)
					return &keyservice.EncryptResponse{Ciphertext: key.EncryptedDataKey()}, err
				}
			}
		}
	}
	return keyservice.Server{}.Encrypt(ctx, r)
}

func (e encrypter) Decrypt(context.Context, *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	return nil, errNoIdentity
}

// encrypt is what the sops command does.
func encrypt(tb testing.TB, plain string, f Format, metadata sops.Metadata, groups ...sops.KeyGroup) []byte {
	tb.Helper()
	branches, err := store(f).LoadPlainFile([]byte(plain))
	if err != nil {
		tb.Fatal(err)
	}
	return encryptTree(tb, branches, f, metadata, groups...)
}

func encryptTree(tb testing.TB, branches sops.TreeBranches, f Format, metadata sops.Metadata, groups ...sops.KeyGroup) []byte {
	tb.Helper()
	if metadata.EncryptedRegex+metadata.UnencryptedRegex+metadata.EncryptedSuffix+metadata.EncryptedCommentRegex+metadata.UnencryptedCommentRegex == "" {
		metadata.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	}
	metadata.KeyGroups, metadata.Version = groups, "3.13.2"
	metadata.LastModified = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tree := sops.Tree{Branches: branches, Metadata: metadata}
	key, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(encrypter(groups))})
	if len(errs) > 0 {
		tb.Fatal(errs)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		tb.Fatal(err)
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		tb.Fatal(err)
	}
	out, err := store(f).EmitEncryptedFile(tree)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
