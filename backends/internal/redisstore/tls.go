package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nonstick-go/nonstick/core/storeurl"
)

// setTLS reads the parameters of a rediss URL. There is none to leave the server's certificate unchecked.
func (c *Config) setTLS(p *storeurl.Params) error {
	ca, cert, key := p.String("ca_file", ""), p.String("cert_file", ""), p.String("key_file", "")
	c.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: p.String("server_name", "")}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("ca_file cannot be read: %w", withoutPath(err))
		}
		c.TLS.RootCAs = x509.NewCertPool()
		if !c.TLS.RootCAs.AppendCertsFromPEM(text) {
			return errors.New("ca_file holds no certificate in PEM form")
		}
	}
	if (cert == "") != (key == "") {
		return errors.New("cert_file and key_file go together")
	}
	if cert != "" {
		own, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("cert_file and key_file cannot be used: %w", withoutPath(err))
		}
		c.TLS.Certificates = []tls.Certificate{own}
	}
	return nil
}

// withoutPath drops the path from an error of the file system: it came from the URL.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err
	}
	return err
}
