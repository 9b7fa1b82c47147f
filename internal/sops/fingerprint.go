package sops

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"time"

	"github.com/getsops/sops/v3"
)

// Fingerprint is a digest of what an encrypted file says, for who cannot read it:
// 64 hexadecimal digits. Two files of one fingerprint have the same plain text.
// Two of different fingerprints may have the same nevertheless, as encrypting again
// with another data key or nonce changes the ciphertext.
//
// It covers the format, each key, value and comment in order, encrypted or not, and
// the rules by which values are encrypted. It leaves out how the file is laid out,
// the recipients with their encrypted data keys, the time, the MAC and the version:
// `sops updatekeys` changes no fingerprint, `sops rotate` does. A file that cannot
// be read has the digest of its bytes.
//
// The encryption does not bind a value to its data key. Who writes both files and
// takes great care can make one ciphertext that two data keys open to two plain
// texts; the fingerprint does not see that.
func Fingerprint(data []byte, format Format) string {
	h := sha256.New()
	tree, err := load(data, format)
	if err != nil {
		part(h, "bytes", format.String())
		h.Write(data)
		return hex.EncodeToString(h.Sum(nil))
	}
	m := tree.Metadata
	part(h, "tree", format.String(), m.UnencryptedSuffix, m.EncryptedSuffix, m.UnencryptedRegex, m.EncryptedRegex,
		m.UnencryptedCommentRegex, m.EncryptedCommentRegex)
	for _, branch := range tree.Branches {
		part(h, "document")
		digest(h, branch)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// part writes strings such that no two lists of them are written alike.
func part(h hash.Hash, list ...string) {
	for _, s := range list {
		h.Write(strconv.AppendInt(nil, int64(len(s)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(s))
	}
}

// digest writes a value of the engine's tree, its type included.
func digest(h hash.Hash, in any) {
	switch in := in.(type) {
	case sops.TreeBranch:
		part(h, "map", strconv.Itoa(len(in)))
		for _, item := range in {
			digest(h, item.Key)
			digest(h, item.Value)
		}
	case []any:
		part(h, "list", strconv.Itoa(len(in)))
		for _, v := range in {
			digest(h, v)
		}
	case sops.Comment:
		part(h, "comment", in.Value, strconv.FormatBool(in.Inline))
	case string:
		part(h, "string", in)
	case time.Time:
		part(h, "time", in.Format(time.RFC3339Nano))
	default:
		part(h, fmt.Sprintf("%T", in), fmt.Sprint(in))
	}
}

// envelope is the form of an encrypted value.
//
// Source: sops v3.13.2 aes/cipher.go encre. Its parts may be anything there; here
// they are what the engine writes.
var envelope = regexp.MustCompile(
	`^ENC\[AES256_GCM,data:[A-Za-z0-9+/=]+,iv:[A-Za-z0-9+/=]+,tag:[A-Za-z0-9+/=]+,type:(str|int|float|bool|bytes|time|comment)\]$`)

// ParseValue takes an encrypted value, ENC[...], for what can be said of it without
// a key: the type of the plain text ("str", "int", "float", "bool", "bytes", "time"
// or "comment") and a digest of 64 hexadecimal digits. At the same place of files
// with the same data key, equal digests mean equal plain text; see [Fingerprint].
// The type is not authenticated. For any other text ok is false.
func ParseValue(text string) (kind, digest string, ok bool) {
	match := envelope.FindStringSubmatch(text)
	if match == nil {
		return "", "", false
	}
	sum := sha256.Sum256([]byte(text))
	return match[1], hex.EncodeToString(sum[:]), true
}
