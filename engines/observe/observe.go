// Package observe tells, over HTTP and on a plain connection, how a server
// does: as the JSON that uWSGI's stats server prints, which uwsgitop and other
// tools read, and as Prometheus text.
package observe

import (
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/supervise"
)

// Server is a server as it is now.
type Server struct {
	Version string
	Address string // where it listens
	Total   engines.Stats
	Workers []supervise.Worker // one for a server of one process
	Timed   bool               // the Stats have latencies
	Waiting int64              // connections in the kernel's queue; −1 if it does not tell
	Backlog int64              // how many may be there; −1 likewise
}

// The types below are uWSGI's: names and units are its own.

type uwsgi struct {
	Version           string        `json:"version"`
	ListenQueue       int64         `json:"listen_queue"`
	ListenQueueErrors int64         `json:"listen_queue_errors"`
	SignalQueue       int64         `json:"signal_queue"`
	Load              int64         `json:"load"`
	PID               int           `json:"pid"`
	UID               int           `json:"uid"`
	GID               int           `json:"gid"`
	Cwd               string        `json:"cwd"`
	Locks             []struct{}    `json:"locks"`
	Sockets           []uwsgiSocket `json:"sockets"`
	Workers           []uwsgiWorker `json:"workers"`
}

type uwsgiSocket struct {
	Name       string `json:"name"`
	Proto      string `json:"proto"`
	Queue      int64  `json:"queue"`
	MaxQueue   int64  `json:"max_queue"`
	Shared     int    `json:"shared"`
	CanOffload int    `json:"can_offload"`
}

type uwsgiWorker struct {
	ID            int         `json:"id"`
	PID           int         `json:"pid"`
	Accepting     int         `json:"accepting"`
	Requests      int64       `json:"requests"`
	DeltaRequests int64       `json:"delta_requests"` // of the process
	Exceptions    int64       `json:"exceptions"`
	HarakiriCount int64       `json:"harakiri_count"`
	Signals       int64       `json:"signals"`
	SignalQueue   int64       `json:"signal_queue"`
	Status        string      `json:"status"` // idle, busy or cheap
	RSS           int64       `json:"rss"`
	VSZ           int64       `json:"vsz"`
	RunningTime   int64       `json:"running_time"` // µs; not counted, 0
	LastSpawn     int64       `json:"last_spawn"`   // Unix time
	RespawnCount  int64       `json:"respawn_count"`
	TX            int64       `json:"tx"`     // bytes; not counted, 0
	AvgRT         int64       `json:"avg_rt"` // µs; not counted, 0
	Apps          []struct{}  `json:"apps"`
	Cores         []uwsgiCore `json:"cores"`
}

type uwsgiCore struct {
	ID        int        `json:"id"`
	Requests  int64      `json:"requests"`
	InRequest int        `json:"in_request"`
	Vars      []struct{} `json:"vars"`
}

// WriteJSON writes s as uWSGI's stats server would.
func (s *Server) WriteJSON(w io.Writer, proto string) error {
	cwd, _ := os.Getwd()
	u := uwsgi{
		Version: s.Version, ListenQueue: max(s.Waiting, 0), Load: s.Total.Busy,
		PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Cwd: cwd, Locks: []struct{}{},
		Sockets: []uwsgiSocket{{Name: s.Address, Proto: proto, Queue: max(s.Waiting, 0), MaxQueue: max(s.Backlog, 0)}},
	}
	for _, v := range s.Workers {
		x := uwsgiWorker{
			ID: v.ID, PID: v.PID, Requests: v.Requests, DeltaRequests: v.Requests - v.Before, Exceptions: v.Errors,
			HarakiriCount: v.Harakiri, Status: "idle", RSS: max(v.RSS, 0), VSZ: max(v.VSZ, 0),
			RespawnCount: v.Respawns, Apps: []struct{}{},
			Cores: []uwsgiCore{{Requests: v.Requests, Vars: []struct{}{}}},
		}
		x.LastSpawn = max(unixTime(v.Began), 0)
		if v.PID != 0 {
			x.Accepting = 1
		}
		switch {
		case v.Asleep:
			x.Status = "cheap"
		case v.Busy > 0:
			x.Status, x.Cores[0].InRequest = "busy", 1
		}
		u.Workers = append(u.Workers, x)
	}
	out, err := json.MarshalIndent(u, "", "\t")
	if err != nil {
		return err
	}
	_, err = w.Write(append(out, '\n'))
	return err
}

// unixTime is t's; −1 if there is none.
func unixTime(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.Unix()
}
