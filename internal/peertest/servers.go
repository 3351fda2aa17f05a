//go:build unix

package peertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The names of the fields that servers show at /fields.
var shown = []string{
	"X-JA4-Fingerprint", "X-TLS-Client", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "Host",
}

// StartNginx serves the site with nginx. It returns the value of --to.
func (s *Site) StartNginx(t testing.TB) (to string) {
	t.Helper()
	dir := publicDir(t)
	addr := FreeAddr(t)
	var text strings.Builder
	for _, name := range shown {
		fmt.Fprintf(&text, "%s: $http_%s\\n", name, strings.ReplaceAll(strings.ToLower(name), "-", "_"))
	}
	uploads := filepath.Join(dir, "uploads")
	require.NoError(t, os.Mkdir(uploads, 0o777))
	require.NoError(t, os.Chmod(uploads, 0o777))
	// It takes names with an underscore for those with a hyphen.
	config := fmt.Sprintf(`daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log;
worker_processes 1;
events {}
http {
	access_log off;
	types { text/plain txt; }
	client_body_temp_path %[1]s/body;
	underscores_in_headers on;
	client_max_body_size 100m;
	server {
		listen %[2]s;
		root %[3]s;
		gzip on;
		gzip_min_length 1;
		gzip_types text/plain;
		location = /fields { default_type text/plain; return 200 "%[4]s"; }
		location /upload { root %[5]s; dav_methods PUT DELETE; create_full_put_path on; }
	}
}
`, dir, addr, s.Dir, text.String(), uploads)
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o644))
	run(t, addr, exec.Command("nginx", "-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log")))
	return "http://" + addr
}

// StartApache serves the site with Apache, and /fields and /upload with a CGI program.
func (s *Site) StartApache(t testing.TB) (to string) {
	t.Helper()
	dir := publicDir(t)
	addr := FreeAddr(t)
	for name, text := range map[string]string{
		"fields": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv | grep -E '^(HTTP|REMOTE|REQUEST)_'\n",
		"upload": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nsha256sum\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	config := fmt.Sprintf(`ServerRoot %[1]s
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Listen %[2]s
ServerName www.shop.example
User www-data
Group www-data
LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule cgi_module /usr/lib/apache2/modules/mod_cgi.so
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
TypesConfig /dev/null
AddType text/plain .txt
AddOutputFilterByType DEFLATE text/plain
DocumentRoot %[3]s
ScriptAlias /fields %[1]s/fields
ScriptAlias /upload %[1]s/upload
StartServers 2
`, dir, addr, s.Dir)
	file := filepath.Join(dir, "apache2.conf")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o644))
	run(t, addr, exec.Command("apache2", "-d", dir, "-f", file, "-D", "FOREGROUND"))
	return "http://" + addr
}

// StartPython serves the site with a WSGI server of Python's standard library, whose
// environment has names as those of CGI.
func (s *Site) StartPython(t testing.TB) (to string) {
	t.Helper()
	addr := FreeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	run(t, addr, exec.Command("/usr/bin/python3", "-c", wsgi, s.Dir, port))
	return "http://" + addr
}

const wsgi = `
import hashlib, os, socketserver, sys
from wsgiref.simple_server import make_server, WSGIServer, WSGIRequestHandler

def app(env, start):
    path = env["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if path == "/fields":
        body = "".join(f"{k}: {v}\n" for k, v in sorted(env.items()) if k.startswith("HTTP_")).encode()
    elif path == "/upload":
        body = hashlib.sha256(env["wsgi.input"].read(int(env.get("CONTENT_LENGTH") or 0))).hexdigest().encode()
    else:
        with open(os.path.join(sys.argv[1], os.path.basename(path)), "rb") as f:
            body = f.read()
    start("200 OK", headers + [("Content-Length", str(len(body)))])
    return [] if env["REQUEST_METHOD"] == "HEAD" else [body]

class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

make_server("127.0.0.1", int(sys.argv[2]), app, Server, Quiet).serve_forever()
`

// StartPythonFiles serves the files of the site with http.server, over HTTP/1.1.
func (s *Site) StartPythonFiles(t testing.TB) (to string) {
	t.Helper()
	addr := FreeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	run(t, addr, exec.Command("/usr/bin/python3", "-m", "http.server", "--protocol", "HTTP/1.1", "--directory", s.Dir, "--bind", "127.0.0.1", port))
	return "http://" + addr
}

// run starts a server, which ends with the test, and waits until it listens.
func run(t testing.TB, addr string, cmd *exec.Cmd) {
	t.Helper()
	log := &Proxy{}
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Apache ends its whole group
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}, 20*time.Second, 20*time.Millisecond, "%s", log)
}
