package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// credentials are the names under which systemd's LoadCredential= may hand
// over secrets, and the keys that they stand for where these are not set.
var credentials = []struct{ name, key string }{
	{"mqtt-password", "mqtt.password_file"},
	{"mqtt-ca", "mqtt.tls.ca_file"},
	{"mqtt-cert", "mqtt.tls.cert_file"},
	{"mqtt-key", "mqtt.tls.key_file"},
}

// credentials points empty *_file keys at the files in systemd's credentials
// directory.
func (l *loader) credentials(dir string) {
	fields := map[string]*string{
		"mqtt.password_file": &l.cfg.MQTT.PasswordFile,
		"mqtt.tls.ca_file":   &l.cfg.MQTT.TLS.CAFile,
		"mqtt.tls.cert_file": &l.cfg.MQTT.TLS.CertFile,
		"mqtt.tls.key_file":  &l.cfg.MQTT.TLS.KeyFile,
	}
	for _, c := range credentials {
		path := filepath.Join(dir, c.name)
		if field := fields[c.key]; *field == "" {
			if _, err := os.Stat(path); err == nil {
				*field = path
				l.origins[c.key] = origin{where: "CREDENTIALS_DIRECTORY"}
			}
		}
	}
}

// maxSecret bounds a password file in bytes; MQTT carries at most 65535.
const maxSecret = 1<<16 - 1

// Password reads the password of the broker. It is read anew for each
// connection, so that a changed file needs no restart. One line end at its
// end is not part of it.
func (m MQTT) Password() (string, error) {
	if m.PasswordFile == "" {
		return "", nil
	}
	f, err := os.Open(m.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("mqtt.password_file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("mqtt.password_file: %w", err)
	}
	if len(data) > maxSecret {
		return "", fmt.Errorf("mqtt.password_file: %s has more than %d bytes", m.PasswordFile, maxSecret)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}
