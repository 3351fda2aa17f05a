// Package signals has aggregates over many clients in bounded memory. For now that
// is the rate limiter:
//
//	rate, err := signals.ParseRate("50/s burst 100")
//	l := signals.NewLimiter(rate, signals.DefaultSlots)
//	key := addr.As4()
//	if now := time.Now(); !l.Allow(key[:], now) {
//		wait := l.Wait(key[:], now) // for Retry-After
//	}
//
// A key is any bytes: an address, a network, a fingerprint, or several of them in
// one.
//
// # Concurrency
//
// A Limiter is safe for use by several goroutines. The package starts none.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
package signals
