package storeurl

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
)

// TLS returns the configuration that the parameters ca_file, cert_file, key_file and server_name describe, all optional:
// files in PEM form with the authorities to trust instead of the system's, and with the client's certificate and its key,
// and the name that certificates must have if it is not the host's. None leaves the server's certificate unchecked.
func (p *Params) TLS() *tls.Config {
	ca, cert, key := p.String("ca_file", ""), p.String("cert_file", ""), p.String("key_file", "")
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: p.String("server_name", "")}
	if ca != "" {
		text, err := os.ReadFile(ca)
		c.RootCAs = x509.NewCertPool()
		if err != nil {
			p.fail("ca_file cannot be read: %w", withoutPath(err))
		} else if !c.RootCAs.AppendCertsFromPEM(text) {
			p.fail("ca_file holds no certificate in PEM form")
		}
	}
	if (cert == "") != (key == "") {
		p.fail("cert_file and key_file go together")
	} else if cert != "" {
		own, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			p.fail("cert_file and key_file cannot be used: %w", withoutPath(err))
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c
}

// withoutPath drops the path from an error of the file system: it came from the URL.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
