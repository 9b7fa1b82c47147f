package sops

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/cmd/sops/formats"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/ini"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"
)

// Format says how a file is read and written. The zero value is [Binary]; what is
// none of the five counts as that.
type Format int

// The formats of SOPS. Encrypted, Binary is a JSON object with one value.
const (
	Binary = Format(formats.Binary)
	Dotenv = Format(formats.Dotenv)
	INI    = Format(formats.Ini)
	JSON   = Format(formats.Json)
	YAML   = Format(formats.Yaml)
)

func (f Format) String() string {
	switch f {
	case Dotenv:
		return "dotenv"
	case INI:
		return "INI"
	case JSON:
		return "JSON"
	case YAML:
		return "YAML"
	case Binary:
	}
	return "binary"
}

// MaxFileSize is the size in bytes up to which the controller decrypts a file of a
// source. If a file that a secretGenerator or a patch names is larger, encrypted
// or not, the Kustomization fails.
//
// Source: kustomize-controller v1.9.5 decryptor.go maxEncryptedFileSize.
const MaxFileSize = 5 << 20

// FormatOf is the format of a file by its name, or of the value of a Secret by its
// key.
//
// Source: kustomize-controller v1.9.5 decryptor.go formatForPath.
func FormatOf(name string) Format {
	if strings.HasSuffix(name, ".dockerconfigjson") {
		return JSON
	}
	return Format(formats.FormatForPath(name))
}

// FormatOfEnv is the format of a file that a secretGenerator lists in envs.
//
// Source: kustomize-controller v1.9.5 decryptor.go decryptKustomizationSources.
func FormatOfEnv(name string) Format {
	if f := FormatOf(name); f != Binary {
		return f
	}
	return Dotenv
}

// marker is what a file of this format holds if it is encrypted.
//
// Source: kustomize-controller v1.9.5 decryptor.go sopsFormatToMarkerBytes.
func (f Format) marker() string {
	switch f {
	case Dotenv:
		return "sops_mac=ENC["
	case INI:
		return "[sops]"
	case YAML:
		return "mac: ENC["
	case Binary, JSON:
	}
	return `"mac": "ENC[`
}

// Encrypted reports whether the controller takes a file, or the value of a Secret,
// for an encrypted one of this format. It leaves others as they are.
func Encrypted(data []byte, format Format) bool {
	return bytes.Contains(data, []byte(format.marker()))
}

// Detect is the format of the encrypted value of a Secret. Where several fit, the
// controller takes any of them; here it is the first of JSON, YAML, dotenv, INI.
//
// Source: kustomize-controller v1.9.5 decryptor.go detectFormatFromMarkerBytes,
// which goes over a map.
func Detect(data []byte) (Format, bool) {
	for _, f := range []Format{JSON, YAML, Dotenv, INI} {
		if Encrypted(data, f) {
			return f, true
		}
	}
	return Binary, false
}

// EncryptedObject reports whether the controller decrypts an object of any kind as
// a whole: it has both sops and sops.mac, and neither is null, {} or [].
//
// Source: kustomize-controller v1.9.5 decryptor.go isSOPSEncryptedResource.
func EncryptedObject(object map[string]any) bool {
	metadata, ok := object["sops"].(map[string]any)
	if !ok {
		return false
	}
	switch mac := metadata["mac"].(type) {
	case nil:
		return false
	case map[string]any:
		return len(mac) != 0
	case []any:
		return len(mac) != 0
	}
	return true
}

// store is the engine's reader and writer of a format, as the controller sets it up.
func store(f Format) sops.Store {
	c := config.NewStoresConfig()
	switch f {
	case Dotenv:
		return dotenv.NewStore(&c.Dotenv)
	case INI:
		return ini.NewStore(&c.INI)
	case JSON:
		return json.NewStore(&c.JSON)
	case YAML:
		return yaml.NewStore(&c.YAML)
	case Binary:
	}
	return json.NewBinaryStore(&c.JSONBinary)
}

// load reads an encrypted file, which no longer has its metadata among its values.
func load(data []byte, f Format) (tree sops.Tree, err error) {
	defer func() {
		if recover() != nil {
			tree, err = sops.Tree{}, ErrMalformed
		}
	}()
	if err := checkInput(data, f); err != nil {
		return sops.Tree{}, err
	}
	tree, err = store(f).LoadEncryptedFile(data)
	switch {
	case errors.Is(err, sops.MetadataNotFound):
		return sops.Tree{}, fmt.Errorf("%w: it has no metadata", ErrMalformed)
	case err != nil:
		return sops.Tree{}, ErrMalformed // the engine's text may quote the file
	}
	return tree, nil
}
