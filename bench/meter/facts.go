package meter

// Facts are what figures depend on and a reader of them cannot see. What the
// system does not tell is empty or 0.
type Facts struct {
	Kernel      string // release
	CPUModel    string
	CPUs        int    // that this process may use
	MemoryBytes int64  // of the host
	Virtual     string // the hypervisor's or the machine's name, or "yes"; empty on bare metal
	ClockSource string
	Governor    string // of the frequency; a virtual machine has none
	OpenFiles   uint64 // soft limit of this process
	SoMaxConn   int    // the longest queue of connections not yet accepted
}
