package fetch

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
)

// hostPattern is one entry of Options.Hosts or Options.Private.
type hostPattern struct {
	name string // lower case, ASCII, without a trailing dot; an IP address in its short form
	sub  bool   // hosts below name, not name itself
	port string // "" is any
}

type hostList []hostPattern

// parseHosts reads "host", "host:port", "*.host", "*.host:port", "[v6]:port".
func parseHosts(entries []string) (hostList, error) {
	var list hostList
	for _, e := range entries {
		p, err := parseHost(e)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func parseHost(entry string) (hostPattern, error) {
	bad := fmt.Errorf("%q is not a host, as example.com, example.com:5000 or *.example.com", entry)
	rest := strings.TrimSpace(entry)
	var p hostPattern
	rest, p.sub = strings.CutPrefix(rest, "*.")
	if host, port, err := net.SplitHostPort(rest); err == nil {
		rest, p.port = host, port
		if port == "" || strings.Trim(port, "0123456789") != "" {
			return p, bad
		}
	}
	p.name = normalHost(rest)
	_, err := netip.ParseAddr(p.name)
	if p.name == "" || err != nil && strings.ContainsAny(p.name, "/*@:?#[] ") || err == nil && p.sub {
		return p, bad
	}
	return p, nil
}

// normalHost is the one spelling of a host: lower case, punycode, no trailing
// dot, no brackets, an IPv4 address also when it is mapped into IPv6.
func normalHost(host string) string {
	host = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ".")
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().String()
	}
	if ascii, err := idna.Lookup.ToASCII(host); err == nil {
		host = ascii
	}
	return strings.ToLower(host)
}

func (l hostList) has(host, port string) bool {
	host = normalHost(host)
	for _, p := range l {
		if p.port != "" && p.port != port {
			continue
		}
		if p.name == host && !p.sub || p.sub && strings.HasSuffix(host, "."+p.name) {
			return true
		}
	}
	return false
}

// privateList is what need not be public.
type privateList struct {
	hosts hostList
	nets  []netip.Prefix
}

func parsePrivate(entries []string) (privateList, error) {
	var l privateList
	for _, e := range entries {
		if n, err := netip.ParsePrefix(strings.TrimSpace(e)); err == nil {
			l.nets = append(l.nets, n.Masked())
			continue
		}
		p, err := parseHost(e)
		if err != nil {
			return l, fmt.Errorf("%w, nor a network, as 10.0.0.0/8", err)
		}
		l.hosts = append(l.hosts, p)
	}
	return l, nil
}

// allows reports whether a connection to the address a of a host is wanted.
func (l privateList) allows(host, port string, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if public(a) || l.hosts.has(host, port) {
		return true
	}
	for _, n := range l.nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// special are the networks that are not the public internet's.
//
// Source: the IANA IPv4 and IPv6 Special-Purpose Address Registries; 168.63.129.16
// is the address of Azure's host services.
var special = mustPrefixes( //nolint:gochecknoglobals // a constant list
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32",
	"2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func mustPrefixes(all ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, s := range all {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// The networks that hold IPv4 addresses.
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") //nolint:gochecknoglobals // a constant
	sixToFour = netip.MustParsePrefix("2002::/16")    //nolint:gochecknoglobals // a constant
)

// public reports whether an address is one of the public internet, and so is an
// IPv4 address that it holds.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return false
	}
	for _, n := range special {
		if n.Contains(a) {
			return false
		}
	}
	if a.Is4() {
		return true
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return public(netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(a):
		return public(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return true
}
