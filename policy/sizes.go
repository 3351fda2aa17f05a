package policy

import (
	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common/types"
)

// What a hello of 64 KiB, the longest, can have: a text in which each byte is an escape
// of four, and a list of names of one byte. A name has 255 bytes at most.
const (
	maxText = 256 << 10
	maxList = 32 << 10
	maxName = 4 * 255 // in a list
)

// What a value can have that tlspeek itself has made: the names of clients, of tells and
// of rules, addresses and digests.
const (
	maxOwnText = 1 << 10
	maxOwnList = 64
)

// ownKeys are the keys of an Event whose length no client can choose.
var ownKeys = map[string]bool{
	"time": true, "id": true, "packet": true, "transport": true, "src_ip": true, "src_port": true, "dst_ip": true, "dst_port": true,
	"src_mac": true, "dst_mac": true, "address_verified": true, "hello_index": true, "conn": true, "shared": true,
	"community_id": true, "version": true, "ja3": true, "ja3n": true, "ja4": true, "session": true,
	"client": true, "claim": true, "settled": true, "rule": true, "action": true, "tags": true,
}

// sizes has the greatest sizes of what expressions see.
type sizes struct{}

// EstimateSize implements [checker.CostEstimator].
func (sizes) EstimateSize(n checker.AstNode) *checker.SizeEstimate {
	text, list := uint64(maxText), uint64(maxList)
	path := n.Path()
	if len(path) > 1 && path[0] == varEvent {
		path = path[1:]
	}
	switch {
	case len(path) == 0:
	case ownKeys[path[0]]:
		text, list = maxOwnText, maxOwnList
	case len(path) > 1 && path[1] == "@items":
		text = maxName
	}
	switch n.Type().Kind() {
	case types.StringKind, types.BytesKind:
		return &checker.SizeEstimate{Max: text}
	case types.ListKind, types.MapKind:
		return &checker.SizeEstimate{Max: list}
	}
	return nil
}

// callSteps is what a call may cost at the worst of a function that looks at all of a text,
// but of which CEL believes that it costs one step: in a loop, its steps must be counted.
const callSteps = 1 << 12

// EstimateCallCost implements [checker.CostEstimator].
func (sizes) EstimateCallCost(function, _ string, _ *checker.AstNode, _ []checker.AstNode) *checker.CallEstimate {
	switch function {
	case funcHeader, funcInList, funcAgg, "charAt", "indexOf", "lastIndexOf", "size", "ip", "isIP", "cidr", "isCIDR",
		"lowerAscii", "upperAscii", "trim", "substring", "reverse", "split", "format", "strings.quote", "replace", "join":
		return &checker.CallEstimate{CostEstimate: checker.CostEstimate{Min: 1, Max: callSteps}}
	}
	return nil
}
