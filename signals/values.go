package signals

// Values are what is known of one value, such as a JA4, over an hour.
type Values struct {
	Requests    int64   `json:"requests"`     // with the value
	Rate        float64 `json:"rate"`         // of them a second
	Addresses   int64   `json:"addresses"`    // distinct ones of clients
	UserAgents  int64   `json:"user_agents"`  // distinct ones
	Paths       int64   `json:"paths"`        // distinct ones
	ServerNames int64   `json:"server_names"` // distinct ones
	H2Ratio     float64 `json:"h2_ratio"`     // share of requests over HTTP/2
	H3Ratio     float64 `json:"h3_ratio"`     // share of requests over HTTP/3
	TellsRatio  float64 `json:"tells_ratio"`  // share with tells that are evidence
	JA4s        int64   `json:"ja4s"`         // distinct ones; of an address alone
}
