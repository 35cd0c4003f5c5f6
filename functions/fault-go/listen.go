package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
)

// serveHTTP1 answers every request with a page: a web server where a gRPC server should be.
func serveHTTP1(listener net.Listener) error {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("a page\n"))
	})
	return (&http.Server{Handler: page, ReadHeaderTimeout: time.Minute}).Serve(listener)
}

// serveTLS is a gRPC server behind TLS, with a certificate of its own making.
func serveTLS(listener net.Listener) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	// Valid whatever the guest's clock says: the handshake is what counts.
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(10, 0, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pair := tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: key}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}
	return grpc.NewServer().Serve(tls.NewListener(listener, config))
}

// acceptAnd accepts connections and does one thing with each.
func acceptAnd(do func(net.Conn)) func(net.Listener) error {
	return func(listener net.Listener) error {
		var held []net.Conn
		for {
			connection, err := listener.Accept()
			if err != nil {
				return err
			}
			do(connection)
			held = append(held, connection)
		}
	}
}
