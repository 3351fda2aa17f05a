package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// acme returns a configuration with certificates for hosts. It obtains them from
// Let's Encrypt with the TLS-ALPN challenge (RFC 8737), which needs port 443, and
// keeps them in dir. Serving may begin at once: the first certificate comes soon
// after. It logs when one is obtained, or cannot be.
func acme(ctx context.Context, hosts []string, email, dir string, log *slog.Logger) (*tls.Config, error) {
	var config *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil },
		Logger:           zap.NewNop(),
	})
	context.AfterFunc(ctx, cache.Stop)
	config = certmagic.New(cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: dir},
		Logger:  zap.NewNop(),
		OnEvent: func(_ context.Context, name string, data map[string]any) error {
			switch name {
			case "cert_obtained":
				log.Info("certificate obtained", "host", data["identifier"])
			case "cert_failed":
				log.Error("obtaining a certificate", "host", data["identifier"], "error", data["error"])
			}
			return nil
		},
	})
	config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(config, certmagic.ACMEIssuer{
		CA:                   certmagic.LetsEncryptProductionCA,
		Email:                email,
		Agreed:               true,
		DisableHTTPChallenge: true,
		Logger:               zap.NewNop(),
	})}
	if err := config.ManageAsync(ctx, hosts); err != nil {
		return nil, fmt.Errorf("managing certificates for %q: %w", hosts, err)
	}
	return &tls.Config{GetCertificate: config.GetCertificate, NextProtos: []string{"acme-tls/1"}}, nil
}
