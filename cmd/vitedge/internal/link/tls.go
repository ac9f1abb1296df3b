package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// Files are the PEM files of a TLS connection; empty ones are not used.
type Files struct {
	CA, Cert, Key string
	ServerName    string // in the broker's certificate
}

// config reads the files. It is called for every connection, so that renewed
// certificates need no restart.
func (f Files) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("mqtt.tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt.tls.ca_file: %s holds no certificate in PEM form", f.CA)
		}
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("mqtt.tls.cert_file %s and mqtt.tls.key_file %s: %w", f.Cert, f.Key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// explainTLS says what to do about a failed handshake, or "" when err is of
// another kind.
func explainTLS(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by an unknown authority; name the authority's certificate with mqtt.tls.ca_file"
	case errors.As(err, &host):
		return fmt.Sprintf("the broker's certificate is for another name (%v); set mqtt.tls.server_name if that is the right broker", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the broker's certificate has expired or is not valid yet; renew it, or set the clock of this device"
	case errors.As(err, &invalid):
		return fmt.Sprintf("the broker's certificate is not valid: %v", invalid)
	case errors.As(err, &record):
		return "the broker does not speak TLS on this port; use mqtt:// or the port of its TLS listener"
	case errors.As(err, &op) && op.Op == "remote error":
		// An alert of the broker. The type of op.Err is not exported, its text
		// comes from RFC 8446, section 6.
		switch text := op.Err.Error(); {
		case strings.Contains(text, "certificate"), strings.Contains(text, "unknown certificate authority"):
			return fmt.Sprintf("the broker refused the certificate of this device (%s); check mqtt.tls.cert_file and mqtt.tls.key_file", text)
		case strings.Contains(text, "protocol version"):
			return "the broker does not speak TLS 1.2 or newer"
		default:
			return fmt.Sprintf("the broker ended the TLS handshake: %s", text)
		}
	}
	return ""
}
