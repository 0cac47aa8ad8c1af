package meter

import "time"

// Limits are settings of the host that bound or bend what can be measured on
// it. What the system does not tell is empty or 0.
type Limits struct {
	OpenFilesHard     uint64  // up to which this process may raise its own soft limit
	FirstPort         int     // of those that a client's connections get
	LastPort          int     // the last of them
	TimeWaitReuse     string  // tcp_tw_reuse: 0 never, 1 always, 2 on loopback
	CongestionControl string  // of new TCP connections
	IOUringDisabled   string  // 0 for all may, 1 for some, 2 for nobody
	SwapBytes         int64   // swap space there is
	SwapUsedBytes     int64   // and how much of it is in use
	FreeBytes         int64   // memory that can be had without swapping
	QuotaCPUs         float64 // how many CPUs' time the control group gets; 0 is no limit
	Turbo             string  // whether the clock rate follows load and heat: on or off
}

// Throttled is what a quota of CPU time did to a control group.
type Throttled struct {
	Group string        // its folder
	CPUs  float64       // the quota
	For   time.Duration // that it was held back, summed over its CPUs
}
