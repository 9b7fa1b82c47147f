package sops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keyservice"
)

const (
	// maxDataKey is the length in bytes up to which what opens is taken for a data
	// key or a part of one; they have 32 and 33.
	maxDataKey = 1 << 10
	// remoteTime is how long one question to a key service may take.
	remoteTime = 30 * time.Second
)

var errNoIdentity = errors.New("no such key")

// keyServer opens data keys with the keys of the user, in memory. Unlike the
// engine's own it neither looks for keys nor starts a program.
type keyServer struct {
	keyservice.UnimplementedKeyServiceServer

	age    age.ParsedIdentities
	pgp    openpgp.EntityList
	remote bool
}

// Decrypt opens one encrypted data key.
//
// Source: kustomize-controller v1.9.5 internal/sops/keyservice/server.go.
func (s *keyServer) Decrypt(ctx context.Context, r *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	switch k := r.Key.KeyType.(type) {
	case *keyservice.Key_AgeKey:
		return s.openAge(k.AgeKey, r.Ciphertext)
	case *keyservice.Key_PgpKey:
		return s.openPGP(r.Ciphertext)
	case *keyservice.Key_VaultKey:
		// The engine sends the token of the environment to whom the file names.
		address := strings.TrimRight(os.Getenv("VAULT_ADDR"), "/")
		if address == "" || strings.TrimRight(k.VaultKey.VaultAddress, "/") != address {
			return nil, errNoIdentity
		}
	}
	if !s.remote {
		return nil, errNoIdentity
	}
	return ask(ctx, r)
}

func (s *keyServer) openAge(k *keyservice.AgeKey, ciphertext []byte) (*keyservice.DecryptResponse, error) {
	if len(s.age) == 0 { // the engine would look for some
		return nil, errNoIdentity
	}
	key := age.MasterKey{Recipient: k.Recipient, EncryptedKey: string(ciphertext)}
	s.age.ApplyToMasterKey(&key)
	plain, err := key.Decrypt()
	if err != nil {
		return nil, err
	}
	return answer(plain)
}

// openPGP does without the gpg program, which the controller uses, and so without
// a keyring on disk.
//
// Source: sops v3.13.2 pgp/keysource.go decryptWithOpenPGP.
func (s *keyServer) openPGP(ciphertext []byte) (*keyservice.DecryptResponse, error) {
	if len(s.pgp) == 0 {
		return nil, errNoIdentity
	}
	block, err := armor.Decode(strings.NewReader(string(ciphertext)))
	if err != nil {
		return nil, fmt.Errorf("decode armor: %w", err)
	}
	message, err := openpgp.ReadMessage(block.Body, s.pgp, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("read PGP message: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(message.UnverifiedBody, maxDataKey+1))
	if err != nil {
		return nil, fmt.Errorf("read PGP message: %w", err)
	}
	return answer(plain)
}

func answer(plain []byte) (*keyservice.DecryptResponse, error) {
	if len(plain) == 0 || len(plain) > maxDataKey {
		return nil, errors.New("that is no data key")
	}
	return &keyservice.DecryptResponse{Plaintext: plain}, nil
}

// ask gives the question to the engine's own server, which asks over the network.
// The engine does not end when it is told to: after remoteTime its answer is not
// waited for.
func ask(ctx context.Context, r *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	type result struct {
		response *keyservice.DecryptResponse
		err      error
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTime)
	defer cancel()
	done := make(chan result, 1)
	go func() {
		defer func() {
			if recover() != nil {
				done <- result{err: errors.New("the key service panics")}
			}
		}()
		response, err := keyservice.Server{}.Decrypt(ctx, r)
		done <- result{response, err}
	}()
	select {
	case got := <-done:
		if got.err != nil {
			return nil, got.err
		}
		return answer(got.response.Plaintext)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
