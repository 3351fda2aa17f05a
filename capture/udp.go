package capture

// udp reads a UDP datagram (RFC 768).
func (s *scanner) udp(addrs, b []byte) {
	const headerLen = 8
	if len(b) <= headerLen {
		return
	}
	ports := portsOf(b)
	p := b[headerLen:]
	if n := int(b[4])<<8 | int(b[5]); n > headerLen && n < len(b) { // else offload, or a jumbogram
		p = b[headerLen:n]
	}
	if src, dst := uint16(ports>>16), uint16(ports); isTunnel(dst) {
		s.udpTunnel(dst, p)
	} else if isTunnel(src) {
		s.udpTunnel(src, p)
	}
}
