package capture

// A udpTunnel is a protocol that carries packets over UDP.
type udpTunnel struct {
	port uint16
	kind LayerKind // the layer that read adds first
	read layerReader
}

// minTunnelHeader is the length of the shortest header of a udpTunnel.
const minTunnelHeader = 8

// udpTunnels is sorted by port. The port alone does not make a tunnel: where the
// header is not that of the protocol, a datagram is read like any other. To read
// another tunnel, add its row here, its reader in a file of its own, and a line in
// docs/capture.md.
var udpTunnels = []udpTunnel{
	{1701, LayerL2TP, (*scanner).l2tp},
	{2152, LayerGTPU, (*scanner).gtpu},
	{3544, LayerTeredo, (*scanner).teredo},
	{4341, LayerLISP, (*scanner).lisp},
	{4754, LayerGRE, (*scanner).gre}, // RFC 8086
	{4789, LayerVXLAN, (*scanner).vxlan},
	{4790, LayerVXLAN, (*scanner).vxlanGPE},
	{5246, LayerCAPWAP, (*scanner).capwapDTLS},
	{5247, LayerCAPWAP, (*scanner).capwap},
	{6081, LayerGeneve, (*scanner).geneve},
	{6635, LayerMPLS, (*scanner).mpls},   // RFC 7510
	{8472, LayerVXLAN, (*scanner).vxlan}, // Linux before the port was assigned
	{9899, LayerSCTP, (*scanner).sctp},   // RFC 6951
	{37008, LayerTZSP, (*scanner).tzsp},
}

// tunnelOf returns the tunnel of a destination or else a source port, or nil.
// ports are those of a UDP header.
func (s *scanner) tunnelOf(ports uint32) *udpTunnel {
	if (s.tunnelPorts>>(ports&63)|s.tunnelPorts>>(ports>>16&63))&1 == 0 {
		return nil // the usual case, which is inlined
	}
	return s.findTunnel(ports)
}

// findTunnel is tunnelOf without a shortcut.
func (s *scanner) findTunnel(ports uint32) *udpTunnel {
	for _, port := range []uint16{uint16(ports), uint16(ports >> 16)} {
		for i := range s.udpTunnels {
			if t := &s.udpTunnels[i]; t.port == port {
				return t
			}
		}
	}
	return nil
}
