//go:build linux

package lab

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"

	"github.com/things-go/go-socks5"
)

// Network is what the controllers take for the internet: a SOCKS proxy that every one of
// them is told to use. Web and SSH ports of each host lead to the lab's Git server, so the
// URLs of a fleet stay as they are, and any other connection is refused, so nothing
// leaves the machine.
type Network struct {
	addr string

	mu     sync.Mutex
	routes map[string]func(ctx context.Context, host string) (net.Conn, error) // by port, or by host and port
	asked  map[string]int
}

// Asked counts, by host and port, what was asked for and refused.
func (n *Network) Asked() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.asked)
}

// Proxy is the URL of the SOCKS proxy that leads into the network.
func (n *Network) Proxy() string { return "socks5h://" + n.addr }

// env tells a Go program to use the network. Loopback addresses are never asked for.
func (n *Network) env() []string {
	url := n.Proxy()
	return []string{"HTTP_PROXY=" + url, "HTTPS_PROXY=" + url, "ALL_PROXY=" + url, "NO_PROXY=127.0.0.0/8,localhost"}
}

// nowhere resolves no name: what a host is, the routes say.
type nowhere struct{}

func (nowhere) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, net.IPv4zero, nil
}

func (l *Lab) startNetwork(ctx context.Context) error {
	n := &Network{routes: map[string]func(context.Context, string) (net.Conn, error){}, asked: map[string]int{}}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.shared(0))
	if err != nil {
		return fmt.Errorf("start the network: %w", err)
	}
	n.addr = listener.Addr().String()
	server := socks5.NewServer(socks5.WithResolver(nowhere{}), socks5.WithDialAndRequest(
		func(ctx context.Context, _, _ string, r *socks5.Request) (net.Conn, error) {
			host := r.RawDestAddr.FQDN
			if host == "" {
				host = r.RawDestAddr.IP.String()
			}
			return n.dial(ctx, host, strconv.Itoa(r.RawDestAddr.Port))
		}))
	go func() { _ = server.Serve(listener) }()
	l.atEnd(func() { _ = listener.Close() })
	l.Network = n
	return nil
}

func (n *Network) dial(ctx context.Context, host, port string) (net.Conn, error) {
	n.mu.Lock()
	route := n.routes[net.JoinHostPort(host, port)]
	if route == nil {
		route = n.routes[port]
	}
	if route == nil {
		n.asked[net.JoinHostPort(host, port)]++
	}
	n.mu.Unlock()
	if route == nil {
		return nil, fmt.Errorf("refused: the lab has no %s port %s", host, port)
	}
	return route(ctx, host)
}

// route leads a port of every host, or a host and port, to an address.
func (n *Network) route(port string, to func(ctx context.Context, host string) (net.Conn, error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.routes[port] = to
}
