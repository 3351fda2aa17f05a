package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlspeek/tlspeek/internal/refusal"
)

// A FailKind says why a request was not answered by its backend, or not in full.
type FailKind int

// The kinds of failures.
const (
	FailConnect FailKind = iota // the backend does not accept connections, or its certificate is not valid
	FailTimeout                 // the backend took too long
	FailReset                   // the backend ended the connection
	FailAnswer                  // the answer is not HTTP, or over a limit
	FailClient                  // the client left, took too long, or its body is malformed
)

// String returns the name of the kind: connect, timeout, reset, answer or client.
func (k FailKind) String() string {
	switch k {
	case FailConnect:
		return "connect"
	case FailTimeout:
		return "timeout"
	case FailReset:
		return "reset"
	case FailAnswer:
		return "answer"
	case FailClient:
		return "client"
	}
	return "FailKind(" + strconv.Itoa(int(k)) + ")"
}

var (
	errClientStalled  = errors.New("the client sends or reads nothing")
	errBackendStalled = errors.New("the backend sends or reads nothing")
	errManyInterim    = errors.New("the backend sends too many interim answers")
	errManyDials      = errors.New("the backend ends each connection without an answer")
	errStatus         = errors.New("the backend answers with a status that is none")
	errBodyLength     = errors.New("the body does not have the length that was announced")
	errSwitch         = errors.New("the backend switches to a protocol that was not asked for")
)

// failure returns the kind of an error of a transport, and the status that answers it.
func failure(err error) (FailKind, int) {
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	var unknownCA x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var invalid *tls.CertificateVerificationError
	switch {
	case strings.HasPrefix(err.Error(), "net/http: invalid "): // nothing was sent
		return FailClient, http.StatusBadRequest
	case errors.Is(err, errManyInterim), errors.Is(err, errSwitch), errors.Is(err, errStatus):
		return FailAnswer, http.StatusBadGateway
	case errors.Is(err, errBackendStalled), errors.As(err, &timeout) && timeout.Timeout():
		return FailTimeout, http.StatusGatewayTimeout
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"),
		errors.As(err, &op) && op.Op == "dial", errors.As(err, &invalid), errors.As(err, &unknownCA), errors.As(err, &record), errors.As(err, &alert):
		return FailConnect, http.StatusBadGateway
	case errors.Is(err, errManyDials), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), isReset(err):
		return FailReset, http.StatusBadGateway
	}
	return FailAnswer, http.StatusBadGateway
}

// isReset reports whether err says that a connection or a stream was ended. net/http has
// no names for these errors.
func isReset(err error) bool {
	text := err.Error()
	for _, part := range [...]string{"server closed idle connection", "stream error", "GOAWAY", "client connection lost", "client conn not usable", "client connection force closed"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// serveError is ReverseProxy's ErrorHandler: no header of an answer has been sent.
func serveError(w http.ResponseWriter, _ *http.Request, err error) {
	x := w.(*exchange)
	if cause := context.Cause(x.Context); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	fromClient := x.body.failed()
	switch stalled := errors.Is(err, errClientStalled) || errors.Is(err, errBackendStalled); {
	case x.in.Context().Err() != nil && !stalled: // nobody reads an answer
		x.fail(FailClient, context.Canceled)
		panic(http.ErrAbortHandler)
	case errors.Is(err, errClientStalled):
		x.fail(FailClient, err)
		refuse(x, http.StatusRequestTimeout, "the request took too long")
	case fromClient != nil:
		x.fail(FailClient, fromClient)
		var tooLarge *http.MaxBytesError
		switch timeout := net.Error(nil); {
		case errors.As(fromClient, &tooLarge):
			refuse(x, http.StatusRequestEntityTooLarge, "the body is too large")
		case errors.As(fromClient, &timeout) && timeout.Timeout():
			refuse(x, http.StatusRequestTimeout, "the request took too long")
		default:
			refuse(x, http.StatusBadRequest, "the body is not whole, or malformed")
		}
	default:
		kind, status := failure(err)
		x.fail(kind, err)
		switch {
		case kind == FailClient:
			refuse(x, status, "the request is not valid")
		case status == http.StatusGatewayTimeout:
			refuse(x, status, "the backend took too long")
		case kind == FailConnect:
			refuse(x, status, "the backend cannot be reached")
		case kind == FailReset:
			refuse(x, status, "the backend ended the connection")
		default:
			refuse(x, status, "the backend's answer is not valid")
		}
	}
}

// refuse answers with one line.
func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, refusalText(status, why), status)
}

// refuseRequest does the same to a request whose body is not read.
func refuseRequest(w http.ResponseWriter, r *http.Request, status int, why string) {
	w.Header().Set("Cache-Control", "no-store")
	refusal.Write(w, r, status, refusalText(status, why))
}

func refusalText(status int, why string) string {
	return strconv.Itoa(status) + " " + http.StatusText(status) + ": " + why
}
