package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// h3NoError is the error code of a connection that ends in good order.
const h3NoError = quic.ApplicationErrorCode(http3.ErrCodeNoError)

// acceptConns serves the connections of ln until Shutdown or Close is called or ln fails.
// It returns before they have ended, which is when conns is done.
func (s *HTTP3) acceptConns(ln *quicListener, h3 *http3.Server, conns *sync.WaitGroup) error {
	for {
		conn, err := ln.Accept(s.life.softStop)
		switch {
		case s.life.softStop.Err() != nil:
			if err == nil {
				_ = conn.CloseWithError(h3NoError, "")
			}
			return http.ErrServerClosed
		case err != nil:
			return err
		}
		conns.Go(func() { s.serveConn(conn, h3) })
	}
}

// serveConn serves the requests of conn until it has ended. It does what quic-go does,
// and looks at the streams before it hands them over. It cannot send a GOAWAY frame.
func (s *HTTP3) serveConn(conn *quic.Conn, h3 *http3.Server) {
	raw, err := h3.NewRawServerConn(conn)
	if err != nil { // the client allows no streams, or is gone
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeStreamCreationError), "")
		return
	}
	c, _ := clientOf(conn.Context()).(*quicConn)
	record := newHTTP3Record(c)
	var others, requests sync.WaitGroup
	others.Go(func() {
		for {
			str, err := conn.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			others.Go(func() {
				record.readControl(str)
				raw.HandleUnidirectionalStream(str)
			})
		}
	})
	for {
		str, err := conn.AcceptStream(s.life.softStop)
		if err != nil {
			break
		}
		requests.Go(func() {
			record.readRequest(str)
			raw.HandleRequestStream(str)
		})
	}
	s.endConn(conn, &requests, &others)
}

// endConn ends conn, which accepts no more requests, once those that have begun are
// answered, and at once when Close is called. It returns when all handlers have returned.
func (s *HTTP3) endConn(conn *quic.Conn, requests, others *sync.WaitGroup) {
	defer context.AfterFunc(s.life.hardStop, func() { _ = conn.CloseWithError(h3NoError, "") })()
	others.Go(func() {
		for {
			str, err := conn.AcceptStream(context.Background())
			if err != nil {
				return
			}
			str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestRejected)) // the client may send it again elsewhere
			str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestRejected))
		}
	})
	requests.Wait()
	awaitDelivery(conn)
	_ = conn.CloseWithError(h3NoError, "") // it may be closed
	others.Wait()
}

const (
	maxAckDelay       = 25 * time.Millisecond // unless a client says otherwise (RFC 9000, section 18.2)
	maxDeliveryRounds = 8
)

// awaitDelivery waits until the client has what was sent, so that conn can be closed,
// which drops what it lacks. quic-go does not tell; but while something has not been
// acknowledged, it sends something at least once a probe timeout (RFC 9002, section
// 6.2). It does not wait long for a client that sends without pause.
func awaitDelivery(conn *quic.Conn) {
	for range maxDeliveryRounds {
		before := conn.ConnectionStats()
		probe := before.SmoothedRTT + 4*before.MeanDeviation + maxAckDelay
		select {
		case <-conn.Context().Done():
			return
		case <-time.After(2 * probe):
		}
		if conn.ConnectionStats().PacketsSent == before.PacketsSent {
			return
		}
	}
}
