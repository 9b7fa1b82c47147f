package cli_test

import (
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keyservice"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/yaml"
	"github.com/rogpeppe/go-internal/testscript"
)

// encrypt KEY REGEX FILE encrypts the values of FILE, below keys that match REGEX ("" for
// all), as sops does, for the age key in the file KEY, which is made when it is not there.
func encrypt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: encrypt key regex file")
	}
	keyFile, file := ts.MkAbs(args[0]), ts.MkAbs(args[2])
	text, err := os.ReadFile(keyFile)
	if os.IsNotExist(err) {
		identity, err := age.GenerateX25519Identity()
		ts.Check(err)
		text = []byte(identity.String())
		ts.Check(os.WriteFile(keyFile, text, 0o600))
	}
	identity, err := age.ParseX25519Identity(string(text))
	ts.Check(err)
	master, err := sopsage.MasterKeyFromRecipient(identity.Recipient().String())
	ts.Check(err)
	plain, err := os.ReadFile(file)
	ts.Check(err)
	var store sops.Store = yaml.NewStore(&config.YAMLStoreConfig{})
	if filepath.Ext(file) == ".env" {
		store = dotenv.NewStore(&config.DotenvStoreConfig{})
	}
	branches, err := store.LoadPlainFile(plain)
	ts.Check(err)
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{KeyGroups: []sops.KeyGroup{{master}}, EncryptedRegex: args[1], Version: "3.13.2"}}
	data, errs := tree.GenerateDataKeyWithKeyServices([]keyservice.KeyServiceClient{keyservice.NewLocalClient()})
	if len(errs) > 0 {
		ts.Fatalf("%v", errs)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(data, cipher)
	ts.Check(err)
	tree.Metadata.LastModified = time.Now().UTC()
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, data, tree.Metadata.LastModified.Format(time.RFC3339))
	ts.Check(err)
	out, err := store.EmitEncryptedFile(tree)
	ts.Check(err)
	ts.Check(os.WriteFile(file, out, 0o600))
}
