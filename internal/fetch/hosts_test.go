package fetch

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestPublic(t *testing.T) {
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "8.8.8.8": true, "140.82.121.4": true, "2606:4700:4700::1111": true, "2a00:1450:4001:82a::200e": true,
		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "100.64.0.1": false, "100.127.255.255": false, "100.128.0.1": true,
		"127.0.0.1": false, "127.255.255.254": false, "169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false,
		"172.32.0.1": true, "192.168.1.1": false, "192.0.0.192": false, "192.0.2.1": false, "198.18.0.1": false, "198.51.100.7": false,
		"203.0.113.9": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false, "168.63.129.16": false,
		"::": false, "::1": false, "::7f00:1": false, "::ffff:127.0.0.1": false, "::ffff:10.1.2.3": false, "::ffff:8.8.8.8": true,
		"::ffff:0:127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b::808:808": true, "64:ff9b:1::1": false,
		"2002:7f00:1::": false, "2002:a00:1::1": false, "2002:808:808::1": true, "2001::1": false, "2001:db8::1": false,
		"fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false, "100::1": false,
	} {
		if got := public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("public(%s) = %v, want %v", addr, got, want)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// TestPublicLikeNetip: what the standard library calls loopback, private and so
// on is never public, in no spelling.
func TestPublicLikeNetip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")
		a := netip.AddrFrom4([4]byte(raw))
		inner := !a.IsGlobalUnicast() || a.IsPrivate()
		mapped := netip.AddrFrom16(a.As16())
		six := netip.AddrFrom16([16]byte{0x20, 0x02, raw[0], raw[1], raw[2], raw[3]})
		nat := netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b, 12: raw[0], 13: raw[1], 14: raw[2], 15: raw[3]})
		for _, b := range []netip.Addr{a, mapped, six, nat} {
			if public(b) && inner {
				t.Fatalf("%v is public, %v is not", b, a)
			}
			if public(b) != public(a) {
				t.Fatalf("public(%v) differs from public(%v)", b, a)
			}
		}
	})
}

func TestHosts(t *testing.T) {
	list, err := parseHosts([]string{"Ghcr.IO", "*.example.com", "registry.local:5000", "[::1]:80", "10.0.0.1", "bücher.example."})
	if err != nil {
		t.Fatal(err)
	}
	for hostport, want := range map[[2]string]bool{
		{"ghcr.io", "443"}: true, {"GHCR.io.", "80"}: true, {"xghcr.io", "443"}: false, {"ghcr.io.evil.com", "443"}: false, {"a.ghcr.io", "443"}: false,
		{"a.example.com", "443"}: true, {"a.b.example.com", "1"}: true, {"example.com", "443"}: false, {"badexample.com", "443"}: false,
		{"registry.local", "5000"}: true, {"registry.local", "443"}: false, {"::1", "80"}: true, {"::1", "81"}: false,
		{"10.0.0.1", "443"}: true, {"::ffff:10.0.0.1", "443"}: true, {"xn--bcher-kva.example", "443"}: true, {"bücher.example", "443"}: true, {"", "443"}: false,
	} {
		if got := list.has(hostport[0], hostport[1]); got != want {
			t.Errorf("has(%v) = %v, want %v", hostport, got, want)
		}
	}
	for _, bad := range []string{"", "*", "*.", "https://ghcr.io", "ghcr.io/x", "a*b.com", "user@host", "host:", "host:http", "*.10.0.0.1", "10.0.0.0/8"} {
		if _, err := parseHosts([]string{bad}); err == nil {
			t.Errorf("%q is taken for a host", bad)
		}
	}
}

func TestPrivate(t *testing.T) {
	l, err := parsePrivate([]string{"10.1.0.0/16", "fd00::/8", "registry.local", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, addr string
		want       bool
	}{
		{"x.com", "8.8.8.8", true},
		{"x.com", "10.1.2.3", true},
		{"x.com", "::ffff:10.1.2.3", true},
		{"x.com", "10.2.0.1", false},
		{"registry.local", "10.2.0.1", true},
		{"other.local", "10.2.0.1", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"x.com", "127.0.0.1", false},
		{"x.com", "fd00::1", true},
		{"x.com", "fe80::1%lo", false},
	} {
		if got := l.allows(c.host, "443", netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("allows(%s, %s) = %v, want %v", c.host, c.addr, got, c.want)
		}
	}
	if _, err := parsePrivate([]string{"10.0.0.0/99"}); err == nil {
		t.Error("10.0.0.0/99 is taken for a network")
	}
}
