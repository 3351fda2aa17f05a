package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
)

// serveError returns what serve says of flags that it does not go on with.
func serveError(t *testing.T, args ...string) string {
	t.Helper()
	cmd := serveCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(new(bytes.Buffer))
	cmd.SetErr(new(bytes.Buffer))
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		return err.Error()
	}
	return ""
}

func TestServeRefusesFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"--cert needs --key, and --key needs --cert":                                           {"--cert", "server.pem"},
		"--cert and --acme exclude each other":                                                 {"--cert", "a", "--key", "b", "--acme", "c.example", "--listen", ":443"},
		"--hello-json-max-size 0: must be 1 or more":                                           {"--hello-json-max-size", "0"},
		"--hello-json-keep 0: must be 1 or more":                                               {"--hello-json-keep", "0"},
		`--log-format "xml": must be text or json`:                                             {"--log-format", "xml"},
		"--handshake-timeout 0: must be a time, or negative for no limit":                      {"--handshake-timeout", "0"},
		"--pprof needs --admin":                                                                {"--pprof"},
		"reading certificate nowhere and key nowhere: stat nowhere: no such file or directory": {"--cert", "nowhere", "--key", "nowhere"},
		`--trusted-proxies "ten": neither an address nor a network`:                            {"--state-dir", t.TempDir(), "--trusted-proxies", "10.0.0.0/8,10.0.0.1,ten"},
		`--events-fsync "often": must be always, never or an interval such as 1s`:              {"--events-fsync", "often"},
		`invalid argument "x" for "--grace" flag: time: invalid duration "x"`:                  {"--grace", "x"},
	} {
		assert.Equal(t, want, serveError(t, args...))
	}
}

func TestRetryAboveNoHandshakeIsAlways(t *testing.T) {
	assert.Equal(t, -1, (&frontFlags{}).retryAboveField())
	assert.Equal(t, 1, (&frontFlags{retryAbove: 1}).retryAboveField())
}

func TestFlagsFromTheEnvironment(t *testing.T) {
	t.Setenv("TLSPEEK_LOG_FORMAT", "xml")
	t.Setenv("TLSPEEK_HELLO_JSON_KEEP", "1")
	assert.Equal(t, `--log-format "xml": must be text or json`, serveError(t))
	assert.Equal(t, "--pprof needs --admin", serveError(t, "--log-format", "json", "--pprof"), "the command line wins")
	t.Setenv("TLSPEEK_HTTP3", "yes")
	t.Setenv("TLSPEEK_SETTLE", "5")
	assert.Contains(t, serveError(t), `TLSPEEK_HTTP3: invalid argument "yes" for "--http3" flag: strconv.ParseBool: parsing "yes": invalid syntax: write true or false`)
	assert.Contains(t, serveError(t), `TLSPEEK_SETTLE: invalid argument "5" for "--settle" flag: time: missing unit in duration "5": write a time such as 5s`)
	t.Setenv("TLSPEEK_HTTP3", "true")
	t.Setenv("TLSPEEK_SETTLE", "5s")
	t.Setenv("TLSPEEK_HELLO_JSON_KEEP", "many")
	assert.Equal(t, `TLSPEEK_HELLO_JSON_KEEP: invalid argument "many" for "--hello-json-keep" flag: strconv.ParseInt: parsing "many": invalid syntax`, serveError(t))
}
