package preflight

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// expirySoon is how long before its end a certificate should have been renewed.
const expirySoon = 14 * 24 * time.Hour

// Certificate checks the PEM files of a certificate with its chain and of its key.
// An empty name skips that file. Subjects are --cert and --key.
func (r *Report) Certificate(certFile, keyFile string, now time.Time) {
	before := r.Count(Problem)
	var certs, keys []*pem.Block
	if certFile != "" {
		certs = r.certificateBlocks("--cert", certFile)
	}
	if keyFile != "" {
		keys = r.keyBlocks("--key", keyFile)
	}
	chain := r.parseChain(certFile, certs)
	var public crypto.PublicKey
	if len(keys) > 0 {
		public = r.parseKey(keyFile, keys[0])
	}
	if len(chain) > 0 {
		r.chain(certFile, chain, public, now)
	}
	// Whatever crypto/tls does not load is a problem, also where it was not foreseen.
	if certFile != "" && keyFile != "" && before == r.Count(Problem) {
		if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
			r.Fail("--cert", err.Error(), "")
		}
	}
}

// certificateBlocks reads the certificates of a file.
func (r *Report) certificateBlocks(subject, file string) []*pem.Block {
	blocks, isDER, ok := r.readPEM(subject, file)
	certs := slices.DeleteFunc(slices.Clone(blocks), func(b *pem.Block) bool { return b.Type != "CERTIFICATE" })
	switch {
	case !ok || len(certs) > 0:
	case isDER:
		r.Fail(subject, file+": is in DER form, not PEM", "openssl x509 -inform der -in "+file+" -out cert.pem")
	case slices.ContainsFunc(blocks, isKey):
		r.Fail(subject, file+": has a key, and no certificate", "check whether --cert and --key are swapped")
	default:
		r.Fail(subject, file+": has no certificate in PEM form", `use a file with "-----BEGIN CERTIFICATE-----"`)
	}
	return certs
}

// keyBlocks reads the keys of a file.
func (r *Report) keyBlocks(subject, file string) []*pem.Block {
	blocks, isDER, ok := r.readPEM(subject, file)
	keys := slices.DeleteFunc(slices.Clone(blocks), func(b *pem.Block) bool { return !isKey(b) })
	switch {
	case !ok:
	case len(keys) > 0:
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 {
			r.Warn(subject, file+": all users of this machine can read it", "chmod 600 "+file)
		}
	case isDER:
		r.Fail(subject, file+": is in DER form, not PEM", "openssl pkey -inform der -in "+file+" -out key.pem")
	case len(blocks) > 0 && blocks[0].Type == "CERTIFICATE":
		r.Fail(subject, file+": has a certificate, and no key", "check whether --cert and --key are swapped")
	default:
		r.Fail(subject, file+": has no key in PEM form", `use a file with "-----BEGIN PRIVATE KEY-----"`)
	}
	return keys
}

func isKey(b *pem.Block) bool { return strings.HasSuffix(b.Type, "PRIVATE KEY") }

// maxPEM bounds what is read of a file: a chain has some 10 KB.
const maxPEM = 1 << 20

func (r *Report) readPEM(subject, file string) (blocks []*pem.Block, isDER, ok bool) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		r.fileError(subject, err)
		return nil, false, false
	case !info.Mode().IsRegular():
		r.Fail(subject, file+": is not a regular file", "name a PEM file")
		return nil, false, false
	case info.Size() > maxPEM:
		r.Fail(subject, file+": is too large for a certificate or key", "name a PEM file")
		return nil, false, false
	}
	text, err := os.ReadFile(file)
	if err != nil {
		r.fileError(subject, err)
		return nil, false, false
	}
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return blocks, len(text) > 1 && text[0] == 0x30 && text[1]&0x80 != 0, true
		}
		blocks = append(blocks, b)
	}
}

// parseChain parses certificates, up to the first that cannot be.
func (r *Report) parseChain(file string, blocks []*pem.Block) (chain []*x509.Certificate) {
	for i, b := range blocks {
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			r.Fail("--cert", fmt.Sprintf("%s: certificate %d: %s", file, i+1, err), "obtain the file again")
			return chain
		}
		chain = append(chain, c)
	}
	return chain
}

// parseKey returns the public half of the key, or nil.
func (r *Report) parseKey(file string, b *pem.Block) crypto.PublicKey {
	if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
		r.Fail("--key", file+": is encrypted", "openssl pkey -in "+file+" -out key.pem")
		return nil
	}
	// As crypto/tls does, whatever the type of the block says.
	key, err := x509.ParsePKCS8PrivateKey(b.Bytes)
	if rsaKey, rsaErr := x509.ParsePKCS1PrivateKey(b.Bytes); err != nil && rsaErr == nil {
		key, err = rsaKey, nil
	}
	if ecKey, ecErr := x509.ParseECPrivateKey(b.Bytes); err != nil && ecErr == nil {
		key, err = ecKey, nil
	}
	signer, ok := key.(crypto.Signer)
	switch {
	case err != nil:
		r.Fail("--key", file+": "+err.Error(), "obtain the file again")
		return nil
	case !ok:
		r.Fail("--key", fmt.Sprintf("%s: a key of type %T cannot sign", file, key), "use an ECDSA or RSA key")
		return nil
	}
	return signer.Public()
}

// chain checks what clients check of a chain. public is that of the key, or nil.
func (r *Report) chain(file string, chain []*x509.Certificate, public crypto.PublicKey, now time.Time) {
	leaf := chain[0]
	before := r.Count(Problem)
	if public != nil && !samePublic(leaf.PublicKey, public) {
		at := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return samePublic(c.PublicKey, public) })
		if at > 0 {
			r.Fail("--cert", fmt.Sprintf("%s: the certificate of the key is number %d, not the first", file, at+1),
				"put it first, then the certificate of its issuer, and so on")
			leaf = chain[at]
		} else {
			r.Fail("--key", "does not belong to the certificate in "+file, "use the key that this certificate was requested with")
		}
	}
	r.validity(file, leaf, now)
	r.names(file, leaf)
	r.strength(file, leaf)
	if leaf == chain[0] {
		r.order(file, chain, now)
	}
	if before == r.Count(Problem) {
		r.OK("--cert", fmt.Sprintf("%s: for %s, until %s (%d days)", file, strings.Join(namesOf(leaf), ", "),
			leaf.NotAfter.UTC().Format(time.DateOnly), int(leaf.NotAfter.Sub(now).Hours()/24)))
	}
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func (r *Report) validity(file string, leaf *x509.Certificate, now time.Time) {
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		r.Fail("--cert", fmt.Sprintf("%s: is not valid before %s", file, leaf.NotBefore.UTC().Format(time.RFC3339)),
			"check the clock of this machine: it is "+now.UTC().Format(time.RFC3339))
	case left < 0:
		r.Fail("--cert", fmt.Sprintf("%s: has expired on %s: clients reject it", file, leaf.NotAfter.UTC().Format(time.RFC3339)), "renew it")
	case left < expirySoon:
		r.Warn("--cert", fmt.Sprintf("%s: expires on %s", file, leaf.NotAfter.UTC().Format(time.RFC3339)),
			"renew it now, and check that renewing is automatic")
	}
}

// namesOf returns the names that clients compare with the one they asked for.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

func (r *Report) names(file string, leaf *x509.Certificate) {
	if len(namesOf(leaf)) == 0 {
		r.Fail("--cert", fmt.Sprintf("%s: has no subjectAltName; clients ignore the common name %q", file, leaf.Subject.CommonName),
			"request a certificate with the host names as subjectAltName")
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		r.Fail("--cert", file+": is not for servers: extendedKeyUsage lacks serverAuth", "request a certificate for a server")
	}
}

// strength checks for keys and signatures that clients reject.
func (r *Report) strength(file string, leaf *x509.Certificate) {
	weak := func(what string) {
		r.Fail("--cert", fmt.Sprintf("%s: %s: clients reject it", file, what), "request a certificate for a new key: ECDSA on P-256, or RSA with 2048 bits or more")
	}
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < 2048 {
			weak(fmt.Sprintf("its RSA key has %d bits, fewer than 2048", n))
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P224() {
			weak("its key is on the curve P-224, which TLS 1.3 does not have")
		}
	case ed25519.PublicKey:
		r.Warn("--cert", file+": its key is Ed25519, which browsers do not support", "use an ECDSA key on P-256 for browsers")
	default:
		weak(fmt.Sprintf("its key is of type %T", key))
	}
	switch leaf.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.DSAWithSHA256:
		weak("is signed with " + leaf.SignatureAlgorithm.String())
	}
}

// order checks that each certificate is of the issuer of the one before, and that
// the chain leads to a root that this machine trusts.
func (r *Report) order(file string, chain []*x509.Certificate, now time.Time) {
	for i, c := range chain[1:] {
		issued := chain[i]
		if !bytes.Equal(issued.RawIssuer, c.RawSubject) || issued.CheckSignatureFrom(c) != nil {
			r.Fail("--cert", fmt.Sprintf("%s: certificate %d (%s) has not issued certificate %d (%s)", file, i+2, c.Subject, i+1, issued.Subject),
				fmt.Sprintf("order the chain: each certificate after the one that it issued; number %d was issued by %s", i+1, issued.Issuer))
			return
		}
		if now.After(c.NotAfter) {
			r.Warn("--cert", fmt.Sprintf("%s: certificate %d (%s) has expired", file, i+2, c.Subject), "obtain the chain again")
		}
	}
	leaf, last := chain[0], chain[len(chain)-1]
	if bytes.Equal(leaf.RawIssuer, leaf.RawSubject) {
		r.Warn("--cert", file+": is self-signed: clients reject it unless they are told to trust it", "for the public, use --acme or a certificate of a public authority")
		return
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	// The dates were checked: here they are those of the leaf.
	_, err := leaf.Verify(x509.VerifyOptions{Intermediates: intermediates, CurrentTime: leaf.NotAfter.Add(-time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if unknown := new(x509.UnknownAuthorityError); errors.As(err, unknown) {
		advice := "if the authority is a public one, use the file with its intermediate certificates (fullchain.pem)"
		r.Warn("--cert", fmt.Sprintf("%s: this machine does not trust %s, the issuer of its last certificate", file, last.Issuer), advice)
	}
}

// SelfSigned checks the certificate that an earlier run may have left.
func (r *Report) SelfSigned(subject, certFile, keyFile string, now time.Time) {
	if !exists(certFile) || !exists(keyFile) {
		r.OK(subject, "a self-signed certificate for localhost will be created")
		return
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	switch {
	case err != nil:
		r.Fail(subject, fmt.Sprintf("the certificate of an earlier run, %s: %s", certFile, err),
			"remove "+certFile+" and "+keyFile+" to have a new one")
	case now.After(pair.Leaf.NotAfter):
		r.OK(subject, certFile+": has expired; a new self-signed certificate will be created")
	default:
		r.OK(subject, certFile+": self-signed, for localhost")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
