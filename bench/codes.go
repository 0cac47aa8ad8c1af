package bench

// Codes of the validity gates that need to see the server or the host; those
// of the generator are in bench/load. docs/validity.md explains every one.
const (
	CodeSteal       = "steal"        // the hypervisor took the CPUs away
	CodeServerDied  = "server-died"  // the process ended in the trial
	CodeTreeChanged = "tree-changed" // worker processes ended or came in the window
	CodeGenerator   = "generator"    // the generator failed, or could not reach the server
	CodeKilled      = "killed"       // the server did not end when asked
	CodeSharedCPUs  = "shared-cpus"  // server and generator on the same CPUs
)

// Bounds of the gates.
const (
	maxStealPct = 5.0
)
