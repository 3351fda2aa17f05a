package preflight

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// BindError adds the error of opening a socket for the address of a flag. It names
// the program that has the port, if that can be seen. If that is another run of this
// program, it is a warning: it ends before the new one starts.
func (r *Report) BindError(flag string, err error) {
	var op *net.OpError
	var address *net.AddrError
	var dns *net.DNSError
	isOp := errors.As(err, &op)
	switch {
	case errors.As(err, &address), errors.As(err, &dns):
		r.Fail(flag, err.Error(), "use host and port, such as localhost:8443, or :443 for all addresses")
	case errors.Is(err, syscall.EADDRINUSE) && isOp:
		r.inUse(flag, op, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		r.Fail(flag, err.Error(), "use an address of this machine, or :PORT for all of them")
	case errors.Is(err, syscall.EACCES):
		r.Fail(flag, err.Error(), "only privileged programs may open ports below 1024: use a systemd socket (packaging/tlspeek.socket), "+
			"or setcap cap_net_bind_service=+ep on the program, or a port over 1023")
	default:
		r.Fail(flag, err.Error(), "")
	}
}

func (r *Report) inUse(flag string, op *net.OpError, err error) {
	where := op.Addr.String()
	if strings.HasPrefix(where, ":") {
		where = "[::]" + where
	}
	addr, _ := netip.ParseAddrPort(where)
	h, found := holderOf("/proc", op.Net, addr)
	other, look := "use another port", "ss -lntp"
	if op.Net == "udp" {
		other, look = "use another port, or --http3=false", "ss -lnup"
	}
	switch {
	case !found:
		r.Fail(flag, err.Error(), other+", or end the program that has it: as root, "+look+" names it")
	case h.isThis():
		r.Warn(flag, fmt.Sprintf("%s %s is in use by another %s (pid %d)", op.Net, op.Addr, h.name, h.pid),
			"end that one before this one starts")
	default:
		r.Fail(flag, fmt.Sprintf("%s %s is in use by %s (pid %d)", op.Net, op.Addr, h.name, h.pid),
			other+", or end that program")
	}
}

// A holder is a process that has a socket.
type holder struct {
	pid  int
	name string // of its program
}

func (h holder) isThis() bool {
	self, err := os.Executable()
	return err == nil && filepath.Base(self) == h.name
}

// holderOf finds who has a port open, in the tables of Linux under proc. It does not
// find sockets of other users without privileges.
func holderOf(proc, network string, addr netip.AddrPort) (h holder, found bool) {
	table := strings.TrimRight(network, "46")
	inodes := make(map[string]bool)
	for _, name := range [...]string{table, table + "6"} {
		text, _ := os.ReadFile(filepath.Join(proc, "net", name))
		for line := range strings.Lines(string(text)) {
			if inode, ok := listening(line, addr); ok {
				inodes["socket:["+inode+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return h, false
	}
	fds, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err != nil || !inodes[target] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		if _, err := fmt.Sscan(filepath.Base(dir), &h.pid); err != nil || h.pid == os.Getpid() {
			continue
		}
		h.name = "an unknown program"
		if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil {
			h.name = strings.TrimSuffix(filepath.Base(exe), " (deleted)")
		} else if comm, err := os.ReadFile(filepath.Join(dir, "comm")); err == nil {
			h.name = strings.TrimSpace(string(comm))
		}
		return h, true
	}
	return h, false
}

// listening returns the inode of the socket in a line of /proc/net/tcp or udp, if it
// has no peer and its port is that of addr, at the same address or at all.
func listening(line string, addr netip.AddrPort) (inode string, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return "", false
	}
	host, port, _ := strings.Cut(f[1], ":")
	_, peerPort, _ := strings.Cut(f[2], ":")
	if port != fmt.Sprintf("%04X", addr.Port()) || peerPort != "0000" {
		return "", false
	}
	local, ok := procAddr(host)
	if !ok || local != addr.Addr().Unmap() && !local.IsUnspecified() && !addr.Addr().IsUnspecified() {
		return "", false
	}
	return f[9], true
}

// procAddr reads an address as Linux writes it: words of four bytes, each with its
// lowest byte first, where the machine has that order.
func procAddr(s string) (netip.Addr, bool) {
	var raw []byte
	if n, err := fmt.Sscanf(s, "%x", &raw); n != 1 || err != nil || len(raw)%4 != 0 {
		return netip.Addr{}, false
	}
	for w := 0; w < len(raw); w += 4 {
		raw[w], raw[w+1], raw[w+2], raw[w+3] = raw[w+3], raw[w+2], raw[w+1], raw[w]
	}
	a, ok := netip.AddrFromSlice(raw)
	return a.Unmap(), ok
}
