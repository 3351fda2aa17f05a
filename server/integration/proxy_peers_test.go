//go:build peers

package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tlspeek/tlspeek/internal/peertest"
	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// bigMessage is the size of a message of gRPC that takes many frames and windows.
const bigMessage = 8_000_000

// A testService echoes.
type testService struct {
	testgrpc.UnimplementedTestServiceServer
	ended chan error // why the context of a call that waits has ended
}

func payload(n int32) *testgrpc.Payload {
	return &testgrpc.Payload{Body: bytes.Repeat([]byte("x"), int(n))}
}

func (s *testService) UnaryCall(ctx context.Context, in *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	grpc.SetHeader(ctx, metadata.Pairs("echo", strings.Join(md.Get("said"), ","), "echo-bin", "\x00\xff", "ja4", strings.Join(md.Get("x-ja4-fingerprint"), ",")))
	grpc.SetTrailer(ctx, metadata.Pairs("at-the-end", "yes"))
	if code := in.GetResponseStatus().GetCode(); code != 0 {
		st, err := status.New(codes.Code(code), in.ResponseStatus.Message).WithDetails(&errdetails.ErrorInfo{Reason: "a reason"})
		if err != nil {
			return nil, err
		}
		return nil, st.Err()
	}
	return &testgrpc.SimpleResponse{Payload: payload(in.ResponseSize + int32(len(in.GetPayload().GetBody())))}, nil
}

func (s *testService) EmptyCall(ctx context.Context, _ *testgrpc.Empty) (*testgrpc.Empty, error) {
	<-ctx.Done()
	s.ended <- ctx.Err()
	return nil, status.FromContextError(ctx.Err()).Err()
}

func (s *testService) StreamingOutputCall(in *testgrpc.StreamingOutputCallRequest, out testgrpc.TestService_StreamingOutputCallServer) error {
	for _, p := range in.ResponseParameters {
		if err := out.Send(&testgrpc.StreamingOutputCallResponse{Payload: payload(p.Size)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *testService) StreamingInputCall(in testgrpc.TestService_StreamingInputCallServer) error {
	n := 0
	for {
		m, err := in.Recv()
		if err == io.EOF {
			return in.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
		}
		if err != nil {
			return err
		}
		n += len(m.Payload.Body)
	}
}

func (s *testService) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: m.Payload}); err != nil {
			return err
		}
	}
}

// startGRPC serves over h2c, https or unix+h2c. It returns the flags of a proxy.
func startGRPC(t *testing.T, scheme string) (s *testService, flags []string) {
	t.Helper()
	s = &testService{ended: make(chan error, 1)}
	network, addr := "tcp", "127.0.0.1:0"
	if scheme == "unix+h2c" {
		network, addr = "unix", filepath.Join(t.TempDir(), "socket")
	}
	ln, err := net.Listen(network, addr)
	require.NoError(t, err)
	options := []grpc.ServerOption{grpc.MaxRecvMsgSize(2 * bigMessage)}
	if scheme == "https" {
		dir := t.TempDir()
		ca, _, _ := sitetest.Certify(t, dir)
		flags = []string{"--backend-ca", ca, "--backend-server-name", sitetest.Name}
		creds, err := credentials.NewServerTLSFromFile(filepath.Join(dir, "site.pem"), filepath.Join(dir, "site.key"))
		require.NoError(t, err)
		options = append(options, grpc.Creds(creds))
	}
	srv := grpc.NewServer(options...)
	testgrpc.RegisterTestServiceServer(srv, s)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	to := scheme + "://" + ln.Addr().String()
	if network == "unix" {
		to = scheme + ":" + ln.Addr().String()
	}
	return s, append(flags, "--to", to)
}

func trust(t *testing.T, p *peertest.Proxy) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(p.CA)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	return &tls.Config{RootCAs: roots, ServerName: sitetest.Name}
}

var grpcTrials = []struct {
	name string
	run  func(t *testing.T, c testgrpc.TestServiceClient, s *testService) bool
}{
	{"one call", func(t *testing.T, c testgrpc.TestServiceClient, _ *testService) bool {
		out, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{ResponseSize: 10})
		return err == nil && len(out.Payload.Body) == 10
	}},
	{"8 MB each way", func(t *testing.T, c testgrpc.TestServiceClient, _ *testService) bool {
		out, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{Payload: payload(bigMessage)})
		return err == nil && len(out.Payload.Body) == bigMessage
	}},
	{"a stream up", func(t *testing.T, c testgrpc.TestServiceClient, _ *testService) bool {
		stream, err := c.StreamingInputCall(t.Context())
		require.NoError(t, err)
		for range 100 {
			if stream.Send(&testgrpc.StreamingInputCallRequest{Payload: payload(10_000)}) != nil {
				return false
			}
		}
		out, err := stream.CloseAndRecv()
		return err == nil && out.AggregatedPayloadSize == 1_000_000
	}},
	{"a stream down", func(t *testing.T, c testgrpc.TestServiceClient, _ *testService) bool {
		in := &testgrpc.StreamingOutputCallRequest{}
		for n := range int32(100) {
			in.ResponseParameters = append(in.ResponseParameters, &testgrpc.ResponseParameters{Size: n * 1000})
		}
		stream, err := c.StreamingOutputCall(t.Context(), in)
		require.NoError(t, err)
		for n := range 100 {
			m, err := stream.Recv()
			if err != nil || len(m.Payload.Body) != n*1000 {
				return false
			}
		}
		_, err = stream.Recv()
		return err == io.EOF
	}},
	{"both at once", func(t *testing.T, c testgrpc.TestServiceClient, _ *testService) bool {
		stream, err := c.FullDuplexCall(t.Context())
		require.NoError(t, err)
		for n := range int32(20) {
			if stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: payload(n)}) != nil {
				return false
			}
			m, err := stream.Recv()
			if err != nil || len(m.Payload.Body) != int(n) {
				return false
			}
		}
		if stream.CloseSend() != nil {
			return false
		}
		_, err = stream.Recv()
		return err == io.EOF
	}},
	{"metadata, trailers", func(t *testing.T, c testgrpc.TestServiceClient, _ *testService) bool {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "said", "one", "said", "two", "x-ja4-fingerprint", "forged")
		var header, trailer metadata.MD
		_, err := c.UnaryCall(ctx, &testgrpc.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
		return err == nil && strings.Join(header.Get("echo"), "") == "one,two" && strings.Join(header.Get("echo-bin"), "") == "\x00\xff" &&
			strings.Join(trailer.Get("at-the-end"), "") == "yes" && assert.Regexp(t, `^t13d[0-9]{4}h2_`, strings.Join(header.Get("ja4"), ","))
	}},
	{"errors with details", func(t *testing.T, c testgrpc.TestServiceClient, _ *testService) bool {
		_, err := c.UnaryCall(t.Context(), &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: int32(codes.FailedPrecondition), Message: "not now: ü%\n"}})
		st := status.Convert(err)
		if st.Code() != codes.FailedPrecondition || st.Message() != "not now: ü%\n" || len(st.Details()) != 1 {
			return false
		}
		info, ok := st.Details()[0].(*errdetails.ErrorInfo)
		return ok && info.Reason == "a reason"
	}},
	{"an unknown method", func(t *testing.T, c testgrpc.TestServiceClient, _ *testService) bool {
		_, err := c.UnimplementedCall(t.Context(), &testgrpc.Empty{})
		return status.Code(err) == codes.Unimplemented
	}},
	{"cancel", func(t *testing.T, c testgrpc.TestServiceClient, s *testService) bool {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := c.EmptyCall(ctx, &testgrpc.Empty{})
		return status.Code(err) == codes.Canceled && <-s.ended == context.Canceled
	}},
	{"deadline", func(t *testing.T, c testgrpc.TestServiceClient, s *testService) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := c.EmptyCall(ctx, &testgrpc.Empty{})
		return status.Code(err) == codes.DeadlineExceeded && <-s.ended != nil
	}},
}

// TestProxyGRPC: grpc-go on both sides of "tlspeek proxy".
func TestProxyGRPC(t *testing.T) {
	program := sitetest.Build(t)
	names := make([]string, len(grpcTrials))
	for i, c := range grpcTrials {
		names[i] = c.name
	}
	table := peertest.NewTable("grpc-go behind", names...)
	for _, scheme := range []string{"h2c", "https", "unix+h2c"} {
		t.Run(scheme, func(t *testing.T) {
			s, flags := startGRPC(t, scheme)
			p := peertest.Start(t, program, flags...)
			conn, err := grpc.NewClient("passthrough:///"+p.Addr, grpc.WithTransportCredentials(credentials.NewTLS(trust(t, p))),
				grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(2*bigMessage)))
			require.NoError(t, err)
			defer conn.Close()
			client := testgrpc.NewTestServiceClient(conn)
			row := []string{scheme}
			for _, c := range grpcTrials {
				row = append(row, map[bool]string{true: "yes", false: "no"}[c.run(t, client, s)])
			}
			table.Add(row...)
			assert.NotContains(t, p.End(t), "level=ERROR")
		})
	}
	table.Compare(t)
}

// TestProxyWebSocket: coder/websocket on both sides, with what its connections negotiate.
func TestProxyWebSocket(t *testing.T) {
	program := sitetest.Build(t)
	backend := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"echo"}, CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 23)
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if string(b) == "end" {
				c.Close(4001, "as you said")
				return
			}
			if c.Write(r.Context(), kind, b) != nil {
				return
			}
		}
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- backend.Serve(ln) }()
	t.Cleanup(func() {
		backend.Close()
		<-served
	})
	p := peertest.Start(t, program, "--to", "http://"+ln.Addr().String())
	transport := &http.Transport{TLSClientConfig: trust(t, p)}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "wss://"+p.Addr+"/", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Host: sitetest.Name,
		Subprotocols: []string{"other", "echo"}, CompressionMode: websocket.CompressionContextTakeover})
	require.NoError(t, err)
	defer c.CloseNow()
	c.SetReadLimit(1 << 23)
	assert.Equal(t, "echo", c.Subprotocol())
	random := make([]byte, 5_000_000)
	rand.Read(random)
	for _, b := range [][]byte{[]byte("hello"), {}, bytes.Repeat([]byte("a"), 1_000_000), random} {
		require.NoError(t, c.Write(ctx, websocket.MessageBinary, b))
		kind, got, err := c.Read(ctx)
		require.NoError(t, err)
		assert.Equal(t, websocket.MessageBinary, kind)
		assert.True(t, bytes.Equal(b, got))
	}
	pinged := make(chan error, 1)
	reading := make(chan error, 1)
	go func() { // a pong is only seen by who reads
		_, _, err := c.Read(ctx)
		reading <- err
	}()
	go func() { pinged <- c.Ping(ctx) }()
	require.NoError(t, <-pinged)
	require.NoError(t, c.Write(ctx, websocket.MessageText, []byte("end")))
	err = <-reading
	assert.Equal(t, websocket.StatusCode(4001), websocket.CloseStatus(err))
	assert.ErrorContains(t, err, "as you said")
	assert.NotContains(t, p.End(t), "level=ERROR")
}
