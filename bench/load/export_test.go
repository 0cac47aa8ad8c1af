package load

// StartServer starts another process that serves: "null", or "plain".
var StartServer = startServer

// MustSee, MustRun and Something are for the tests against real servers.
var MustSee, MustRun, Something = mustSee, mustRun, something
