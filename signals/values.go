package signals

// Values are those of one key over the window. What is not counted for its kind is 0:
// JA4s of all but networks, and of networks the other distinct values.
type Values struct {
	Requests    int64   `json:"requests"`     // no more than there were; see Row.AtMost
	Rate        float64 `json:"rate"`         // requests a second over the last 5 to 10 minutes
	Addresses   int64   `json:"addresses"`    // distinct IPv4 addresses and IPv6 /64s
	UserAgents  int64   `json:"user_agents"`  // distinct
	Paths       int64   `json:"paths"`        // distinct
	ServerNames int64   `json:"server_names"` // distinct
	H2Ratio     float64 `json:"h2_ratio"`     // share of requests over HTTP/2
	H3Ratio     float64 `json:"h3_ratio"`     // share of requests over HTTP/3
	TellsRatio  float64 `json:"tells_ratio"`  // share of requests with tells that are evidence
	JA4s        int64   `json:"ja4s"`         // of an address prefix: distinct JA4s
}

// A Row is one key with its Values.
type Row struct {
	Kind  Kind   `json:"-"`
	Value string `json:"value"` // the key
	Values

	// AtMost is the highest that Requests can be. It is more where the key had no
	// counter before, for want of room.
	AtMost int64 `json:"at_most"`

	// DistinctOf is of how many of the requests the distinct values are counted. There
	// is no room to count them for all keys, and a key may get that later. If it is 0,
	// they are 0.
	DistinctOf int64 `json:"distinct_of"`
}

// Stats say how full a [Table] is, for one kind of keys.
type Stats struct {
	Slots    int   `json:"slots"`          // keys that can be counted
	Used     int   `json:"used"`           // keys that are
	Holders  int   `json:"distinct_slots"` // of the slots those that can have distinct values
	Requests int64 `json:"requests"`       // observed since the start
	Replaced int64 `json:"replaced"`       // keys that lost their slot to another since the start
}
