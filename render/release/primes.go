package release

import (
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"math/big"
	"sync"
)

// The keys that stand in for those that the cluster would draw. They protect nothing: everybody can derive them.
// Each prime is the first at or after a number that its name gives; offsets say how far after.
var standIns = map[int]*[2]struct { //nolint:gochecknoglobals // constants, with what is computed of them once
	p, q int64
	once sync.Once
	key  *rsa.PrivateKey
}{
	2048: {{p: 1088, q: 260}, {p: 1044, q: 2386}},
	4096: {{p: 1126, q: 1814}, {p: 466, q: 198}},
}

// standInRSA is an RSA key of that many bits, one of two.
func standInRSA(bits, variant int) *rsa.PrivateKey {
	k := &standIns[bits][variant]
	k.once.Do(func() {
		p, q := standInPrime(bits, variant, "p", k.p), standInPrime(bits, variant, "q", k.q)
		one, e := big.NewInt(1), big.NewInt(65537)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		k.key = &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
			D:         new(big.Int).ModInverse(e, phi),
			Primes:    []*big.Int{p, q},
		}
		k.key.Precompute()
	})
	return k.key
}

func standInPrime(bits, variant int, name string, offset int64) *big.Int {
	var b []byte
	for i := 0; len(b) < bits/16; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "bulkhead stand-in %d %d %s %d", bits, variant, name, i))
		b = append(b, sum[:]...)
	}
	b[0] |= 0xc0
	b[len(b)-1] |= 1
	return new(big.Int).Add(new(big.Int).SetBytes(b), big.NewInt(offset))
}
