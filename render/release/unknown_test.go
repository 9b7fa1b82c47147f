package release

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// expressions that can't be known, with the form of what they give.
var unknowable = map[string]struct{ expr, form string }{
	"randAlphaNum":      {`randAlphaNum 12`, `^[a-zA-Z0-9]{12}$`},
	"randAlpha":         {`randAlpha 7`, `^[a-zA-Z]{7}$`},
	"randNumeric":       {`randNumeric 9`, `^[0-9]{9}$`},
	"randAscii":         {`randAscii 30`, `^[ -~]{30}$`},
	"randBytes":         {`randBytes 9`, `^[A-Za-z0-9+/]{12}$`},
	"randInt":           {`randInt 10 20`, `^1[0-9]$`},
	"uuidv4":            {`uuidv4`, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
	"shuffle":           {`shuffle "abcdef"`, `^[a-f]{6}$`},
	"bcrypt":            {`bcrypt "secret"`, `^\$2a\$10\$[./A-Za-z0-9]{53}$`},
	"htpasswd":          {`htpasswd "me" "secret"`, `^me:\$2a\$10\$[./A-Za-z0-9]{53}$`},
	"now":               {`now | date "2006-01-02"`, `^\d{4}-\d\d-\d\d$`},
	"date":              {`date "2006" ""`, `^\d{4}$`},
	"htmlDate":          {`htmlDate nil`, `^\d{4}-\d\d-\d\d$`},
	"ago":               {`ago (toDate "2006-01-02" "2020-01-01")`, `^\d+h\d+m\d+s$`},
	"durationRound":     {`durationRound (toDate "2006-01-02" "2020-01-01")`, `^\d+y$`},
	"encryptAES":        {`encryptAES "pw" "plain" | b64dec | len`, `^32$`},
	"genPrivateKey":     {`genPrivateKey "ecdsa"`, `^-----BEGIN EC PRIVATE KEY-----`},
	"genCA":             {`(genCA "me" 10).Cert`, `^-----BEGIN CERTIFICATE-----`},
	"genSelfSignedCert": {`(genSelfSignedCert "me" (list "10.0.0.1") (list "a.b") 10).Key`, `^-----BEGIN RSA PRIVATE KEY-----`},
	"keys":              {`keys (dict "b" 1 "a" 2) | join ","`, `^a,b$`},
	"values":            {`values (dict "b" 1 "a" 2) | join ","`, `^2,1$`},
}

func oneValue(expr string) []File {
	return chartOf("templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  v: {{ "+expr+" | toString | toJson }}\n",
		"templates/b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
}

func valueOf(t *testing.T, o Object) string {
	t.Helper()
	var content struct{ Data map[string]string }
	if err := json.Unmarshal(o.JSON, &content); err != nil {
		t.Fatal(err)
	}
	return content.Data["v"]
}

func TestUnknowable(t *testing.T) {
	for name, tt := range unknowable {
		t.Run(name, func(t *testing.T) {
			in := inputFor(oneValue(tt.expr), nil)
			out := mustRender(t, in)
			got := valueOf(t, out.Objects[0])
			if !regexp.MustCompile(tt.form).MatchString(got) {
				t.Errorf("got %q", got)
			}
			want := []string{name}
			if name == "encryptAES" { // only its length is used
				want = nil
			}
			if diff := cmp.Diff(want, out.Objects[0].Unknowable); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if out.Objects[1].Unknowable != nil {
				t.Errorf("the other file is said to hold %q", out.Objects[1].Unknowable)
			}
			more := oneValue(tt.expr)
			more = append(more, File{Name: "templates/0.yaml", Data: []byte("# {{ " + tt.expr + " | toString | toJson }}")})
			if again := valueOf(t, mustRender(t, inputFor(more, nil)).Objects[0]); again != got {
				t.Errorf("with another file, the value is %q", again)
			}
		})
	}
}

// TestEachCallDiffers holds that the calls of one file differ from each other, and from those of another release.
func TestEachCallDiffers(t *testing.T) {
	in := inputFor(oneValue(`print (randAlphaNum 9) " " (randAlphaNum 9)`), nil)
	a, b, _ := strings.Cut(valueOf(t, mustRender(t, in).Objects[0]), " ")
	if a == b {
		t.Errorf("both calls give %q", a)
	}
	in.Release.ReleaseName = "other"
	if c, _, _ := strings.Cut(valueOf(t, mustRender(t, in).Objects[0]), " "); c == a {
		t.Errorf("both releases get %q", a)
	}
}

// TestCertificates holds that templates may use what the functions for certificates give.
func TestCertificates(t *testing.T) {
	expr := `$ca := genCA "ca" 10 }}{{ $own := buildCustomCert ($ca.Cert | b64enc) ($ca.Key | b64enc) }}` +
		`{{ $k := genPrivateKey "%s" }}{{ $ca2 := genCAWithKey "ca2" 5 $k }}` +
		`{{ $a := genSignedCert "a" (list "10.0.0.1") (list "a.example.com") 9 $own }}{{ $b := genSignedCertWithKey "b" (list) nil 9 $ca2 $k }}` +
		`{{ $c := genSelfSignedCertWithKey "c" (list) nil 9 $k }}{{ list $ca.Cert $a.Cert $a.Key $ca2.Cert $b.Cert $b.Key $c.Cert | join "|"`
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		t.Run(kind, func(t *testing.T) {
			in := inputFor(oneValue(fmt.Sprintf(expr, kind)), nil)
			got := valueOf(t, mustRender(t, in).Objects[0])
			if again := valueOf(t, mustRender(t, in).Objects[0]); again != got {
				t.Error("the second render gives other certificates")
			}
			parts := strings.Split(got, "|")
			for _, pair := range [][3]string{{parts[0], parts[1], parts[2]}, {parts[3], parts[4], parts[5]}} {
				roots := x509.NewCertPool()
				if !roots.AppendCertsFromPEM([]byte(pair[0])) {
					t.Fatalf("no certificate: %s", pair[0])
				}
				block, _ := pem.Decode([]byte(pair[1]))
				cert, err := x509.ParseCertificate(block.Bytes)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: moments[0].Add(1e9)}); err != nil {
					t.Error(err)
				}
				if _, err := tls.X509KeyPair([]byte(pair[1]), []byte(pair[2])); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestStandIns(t *testing.T) {
	for bits := range standIns {
		for variant := range 2 {
			key := standInRSA(bits, variant)
			if err := key.Validate(); err != nil || key.N.BitLen() != bits {
				t.Errorf("key %d/%d of %d bits: %v", bits, variant, key.N.BitLen(), err)
			}
			for _, p := range key.Primes {
				if !p.ProbablyPrime(20) {
					t.Errorf("key %d/%d: a factor is no prime", bits, variant)
				}
			}
		}
	}
}

// TestOtherValuesDiffer holds that the values of the second run differ in each character, so that no part of one
// is taken for known.
func TestOtherValuesDiffer(t *testing.T) {
	a, b := &source{}, &source{variant: 1}
	for _, alphabet := range []string{digits, letters, bcrypts, "01"} {
		x, y := a.pick(alphabet, 200), b.pick(alphabet, 200)
		for i := range x {
			if x[i] == y[i] {
				t.Fatalf("%q: character %d is %q in both", alphabet, i, x[i])
			}
		}
	}
	x, y := base64.RawStdEncoding.EncodeToString(a.bytes(30)), base64.RawStdEncoding.EncodeToString(b.bytes(30))
	for i := range x {
		if x[i] == y[i] {
			t.Fatalf("bytes: character %d is %q in both", i, x[i])
		}
	}
}

// TestRevisionOfNoInterest holds that the revision is not named where it shows in no object.
func TestRevisionOfNoInterest(t *testing.T) {
	out := mustRender(t, inputFor(oneValue(`"Revision"`), nil))
	if len(out.Objects[0].Unknowable) != 0 {
		t.Errorf("unknowable: %q", out.Objects[0].Unknowable)
	}
}
