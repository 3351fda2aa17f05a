// Package signals has aggregates over many clients in bounded memory.
//
// A [Table] says what the requests of the last hour have in common that share a JA4, a
// stable form, a client or a network:
//
//	t := signals.New(signals.Options{})
//	t.Observe(signals.SampleOf(&e), time.Now()) // for each request
//	if v, ok := t.Lookup(e.JA4(), time.Now()); ok && v.Addresses > 1000 {
//		...
//	}
//
// A [Limiter] holds keys to a rate:
//
//	rate, err := signals.ParseRate("50/s burst 100")
//	l := signals.NewLimiter(rate, signals.DefaultSlots)
//	key := addr.As4()
//	if now := time.Now(); !l.Allow(key[:], now) {
//		wait := l.Wait(key[:], now) // for Retry-After
//	}
//
// Its key is any bytes: an address, a network, a fingerprint, or several of them in
// one.
//
// # Concurrency
//
// Both are safe for use by several goroutines. The package starts none.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
package signals
