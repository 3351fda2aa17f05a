// Package page shows hellos byte by byte in a browser: the client's own, pasted
// ones, those of a capture, how two differ, and new ones as they come.
//
//	p := new(page.Page)
//	mux := http.NewServeMux()
//	mux.Handle("GET /{$}", p)
//	p.Register(mux)
//	srv := &server.Server{Handler: mux, TLSConfig: config}
//
// # Terms
//
// A section is one part of what the page shows of a hello; sections.go lists
// them. The tree has the fields of a message and the dump its bytes; a leaf is a
// field without parts, and every byte lies in one. A flag marks a remarkable
// field. A view is a hello as the sections see it. The input is what a reader of
// the page pastes or drops.
//
// # Bounds
//
// Of a message over 16 KiB the page shows the first 16 KiB. An upload has at most
// 8 MiB, of whose hellos it lists 40. Nothing that is uploaded is kept. What answers cost
// is bounded as in package echo, for each client and in all, and together with what an
// echo.Handler answers that has the page.
//
// # Concurrency
//
// Page and Live are safe for use by several goroutines once their fields are set.
// Package page starts none.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The HTML, its classes and its texts may change in any version; programs use the
// JSON of package echo. Permalinks (/compare#tls.…) stay valid.
package page
