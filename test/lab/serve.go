//go:build linux

package lab

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Serve puts a server into the network: the controllers find it at the web ports of a
// host, with a certificate that they trust, in place of the Git server.
func (l *Lab) Serve(ctx context.Context, host string, handler http.Handler) error {
	lc := &net.ListenConfig{}
	plain, err := lc.Listen(ctx, "tcp", l.shared(0))
	if err != nil {
		return err
	}
	below, err := lc.Listen(ctx, "tcp", l.shared(0))
	if err != nil {
		_ = plain.Close()
		return err
	}
	secure := tls.NewListener(below, &tls.Config{GetCertificate: l.pki.forName, MinVersion: tls.VersionTLS12})
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(plain) }()
	go func() { _ = server.Serve(secure) }()
	l.atEnd(func() { _ = server.Close() })
	to := func(at net.Listener) func(context.Context, string) (net.Conn, error) {
		return func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", at.Addr().String())
		}
	}
	l.Network.route(net.JoinHostPort(host, "80"), to(plain))
	l.Network.route(net.JoinHostPort(host, "443"), to(secure))
	return nil
}
