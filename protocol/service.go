package protocol

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/dynobench/dyno/protocol/gateway"
)

// Service is what an engine serves: the app, the protocol and the rules. All
// connections of an engine share one. An engine that needs other settings
// (its Flags, NoKeepAlive) changes a copy before it makes Sessions; the
// Counters stay shared.
type Service struct {
	App         gateway.App
	Codec       Codec
	Limits      Limits
	Flags       gateway.Flags
	NoKeepAlive bool // close after each response
	Log         *slog.Logger
	Counters    *Counters
}

// NewSession returns a Session for a connection just accepted.
func (s *Service) NewSession(peer Peer) *Session { panic("to come") }

// Limits bound what one client can make the server hold or wait for. A zero
// field means the default, a negative one no limit.
type Limits struct {
	Line        int           // bytes of the request line; beyond: 414. Default 8 KiB
	HeaderCount int           // fields; beyond: 431. Default 100
	HeaderBytes int           // of the header section; beyond: 431. Default 64 KiB
	Body        int64         // bytes of a body; beyond: 413. Default 16 MiB
	HeaderTime  time.Duration // from a request's first byte to the end of its header; beyond: 408. Default 10 s
	BodyTime    time.Duration // from there to the end of its body; beyond: 408. Default 60 s
	IdleTime    time.Duration // between requests; beyond: a silent close. Default 75 s
	WriteTime   time.Duration // without progress of a write; beyond: the connection is cut. Default 60 s
}

// Counters are the Service's own counts, safe for concurrent use.
type Counters struct {
	Requests atomic.Int64 // answered completely, whatever the status
	Errors   atomic.Int64 // refused or broken off, by client, app or engine
}

// Codec is one wire protocol, seen from the server. A Codec is immutable; what
// has state is made per connection.
type Codec interface {
	Name() string // as in --protocol
}
