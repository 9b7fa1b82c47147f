package release

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"text/template"
	"time"
)

// certificate is what the functions for certificates give. Templates read both fields.
type certificate struct{ Cert, Key string }

// certificates are sprig's functions that draw keys, serial numbers, dates and initial vectors. Theirs are valid:
// a template may sign with them or parse them.
//
// Source: Masterminds/sprig v3.3.0, crypto.go.
func (r *run) certificates(sprigs template.FuncMap) template.FuncMap {
	custom := reflect.ValueOf(sprigs["buildCustomCert"])
	return template.FuncMap{
		"genPrivateKey": func(kind string) string { return genPrivateKey(r.noted("genPrivateKey", kind), kind) },
		"genCA": func(cn string, days int) (certificate, error) {
			s := r.noted("genCA", cn, days)
			return issue(s, &request{cn: cn, days: days, ca: true}, standInRSA(2048, s.variant), nil)
		},
		"genCAWithKey": func(cn string, days int, key string) (certificate, error) {
			return withKey(key, func(priv crypto.PrivateKey) (certificate, error) {
				return issue(r.noted("genCAWithKey", cn, days), &request{cn: cn, days: days, ca: true}, priv, nil)
			})
		},
		"genSelfSignedCert": func(cn string, ips, names []any, days int) (certificate, error) {
			s := r.noted("genSelfSignedCert", cn, ips, names, days)
			return issue(s, &request{cn: cn, ips: ips, names: names, days: days}, standInRSA(2048, s.variant), nil)
		},
		"genSelfSignedCertWithKey": func(cn string, ips, names []any, days int, key string) (certificate, error) {
			return withKey(key, func(priv crypto.PrivateKey) (certificate, error) {
				s := r.noted("genSelfSignedCertWithKey", cn, ips, names, days)
				return issue(s, &request{cn: cn, ips: ips, names: names, days: days}, priv, nil)
			})
		},
		"genSignedCert": func(cn string, ips, names []any, days int, ca certificate) (certificate, error) {
			s := r.noted("genSignedCert", cn, ips, names, days)
			return issue(s, &request{cn: cn, ips: ips, names: names, days: days}, standInRSA(2048, s.variant), &ca)
		},
		"genSignedCertWithKey": func(cn string, ips, names []any, days int, ca certificate, key string) (certificate, error) {
			return withKey(key, func(priv crypto.PrivateKey) (certificate, error) {
				s := r.noted("genSignedCertWithKey", cn, ips, names, days)
				return issue(s, &request{cn: cn, ips: ips, names: names, days: days}, priv, &ca)
			})
		},
		"buildCustomCert": func(cert, key string) (certificate, error) {
			out := custom.Call([]reflect.Value{reflect.ValueOf(cert), reflect.ValueOf(key)})
			err, _ := reflect.TypeAssert[error](out[1])
			return certificate{Cert: out[0].FieldByName("Cert").String(), Key: out[0].FieldByName("Key").String()}, err
		},
		"encryptAES": func(password, text string) (string, error) {
			if text == "" {
				return "", nil
			}
			r.check(r.meter.spend(len(text)))
			return encryptAES(r.noted("encryptAES", text), password, text)
		},
	}
}

// request says what a certificate is for.
type request struct {
	cn         string
	ips, names []any
	days       int
	ca         bool
}

// issue makes a certificate for key, signed by ca, or by itself when that is nil.
func issue(s *source, q *request, key crypto.PrivateKey, ca *certificate) (certificate, error) {
	want, err := q.template(s)
	if err != nil {
		return certificate{}, err
	}
	parent, signer := want, key
	if ca != nil {
		block, _ := pem.Decode([]byte(ca.Cert))
		if block == nil {
			return certificate{}, errors.New("unable to decode certificate")
		}
		if parent, err = x509.ParseCertificate(block.Bytes); err != nil {
			return certificate{}, fmt.Errorf("error parsing certificate: decodedCert.Bytes: %w", err)
		}
		if signer, err = parseKey(ca.Key); err != nil {
			return certificate{}, fmt.Errorf("error parsing private key: %w", err)
		}
	}
	public, ok := key.(interface{ Public() crypto.PublicKey })
	if !ok {
		return certificate{}, fmt.Errorf("error retrieving public key from signee key: unable to get public key for type %T", key)
	}
	// No source of chance: RSA (PKCS #1 v1.5), ed25519 and ECDSA (RFC 6979) then sign alike each time.
	der, err := x509.CreateCertificate(nil, want, parent, public.Public(), signer)
	if err != nil {
		return certificate{}, fmt.Errorf("error creating certificate: %w", err)
	}
	return certificate{Cert: pemText("CERTIFICATE", der), Key: keyText(key)}, nil
}

func (q *request) template(s *source) (*x509.Certificate, error) {
	c := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(s.bytes(16)),
		Subject:               pkix.Name{CommonName: q.cn},
		NotBefore:             moments[s.variant],
		NotAfter:              moments[s.variant].Add(24 * time.Hour * time.Duration(q.days)),
		KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if q.ca {
		c.KeyUsage |= x509.KeyUsageCertSign
		c.IsCA = true
	}
	for _, ip := range q.ips {
		text, ok := ip.(string)
		if !ok {
			return nil, fmt.Errorf("error parsing ip: %v is not a string", ip)
		}
		parsed, err := netip.ParseAddr(text)
		if err != nil || parsed.Zone() != "" {
			return nil, fmt.Errorf("error parsing ip: %s", text)
		}
		c.IPAddresses = append(c.IPAddresses, parsed.AsSlice())
	}
	for _, name := range q.names {
		text, ok := name.(string)
		if !ok {
			return nil, fmt.Errorf("error processing alternate dns name: %v is not a string", name)
		}
		c.DNSNames = append(c.DNSNames, text)
	}
	return c, nil
}

func genPrivateKey(s *source, kind string) string {
	switch kind {
	case "", "rsa":
		return keyText(standInRSA(4096, s.variant))
	case "ecdsa":
		return keyText(standInECDSA(s))
	case "ed25519":
		return keyText(ed25519.NewKeyFromSeed(s.bytes(ed25519.SeedSize)))
	case "dsa":
		return pemText("DSA PRIVATE KEY", s.bytes(832)) // of the right size; no certificate can be made of a DSA key
	default:
		return "Unknown type " + kind
	}
}

func standInECDSA(s *source) *ecdsa.PrivateKey {
	for {
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), s.bytes(32)); err == nil {
			return key
		}
	}
}

func withKey(text string, do func(crypto.PrivateKey) (certificate, error)) (certificate, error) {
	key, err := parseKey(text)
	if err != nil {
		return certificate{}, fmt.Errorf("parsing private key: %w", err)
	}
	return do(key)
}

func parseKey(text string) (crypto.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("no PEM data in input")
	}
	switch {
	case block.Type == "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("decoding PEM as PKCS#8: %w", err)
		}
		return key, nil
	case block.Type == "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing RSA private key from PEM: %w", err)
		}
		return key, nil
	case block.Type == "EC PRIVATE KEY":
		key, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("parsing EC private key from PEM: %w", err)
		}
		return key, nil
	case strings.HasSuffix(block.Type, " PRIVATE KEY"):
		return nil, fmt.Errorf("invalid private key type %s", strings.TrimSuffix(block.Type, " PRIVATE KEY"))
	default:
		return nil, fmt.Errorf("no private key data in PEM block of type %s", block.Type)
	}
}

func keyText(key crypto.PrivateKey) string {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k))
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			return ""
		}
		return pemText("EC PRIVATE KEY", der)
	default:
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			return ""
		}
		return pemText("PRIVATE KEY", der)
	}
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func encryptAES(s *source, password, text string) (string, error) {
	key := make([]byte, 32)
	copy(key, password)
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	padding := aes.BlockSize - len(text)%aes.BlockSize
	plain := append([]byte(text), strings.Repeat(string(rune(padding)), padding)...)
	out := make([]byte, aes.BlockSize+len(plain))
	copy(out, s.bytes(aes.BlockSize))
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], plain)
	return base64.StdEncoding.EncodeToString(out), nil
}
