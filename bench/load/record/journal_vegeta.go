package record

import (
	"fmt"
	"io"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// VegetaFormats are the encodings of WriteVegeta.
var VegetaFormats = []string{"gob", "csv", "json"}

// WriteVegeta writes each request as a result of vegeta's, in one of
// VegetaFormats, for vegeta report, plot and encode. Its timestamp is when the
// request was due and its latency counts from then. BytesOut is of the bodies,
// as vegeta counts; URL and BytesOut of requests with placeholders are those of
// their text. BytesIn is what was read, with the native generator heads
// included. The attack has the name dyno.
//
// Vegeta takes a result for a success by its status alone. An answer whose
// status or body is not what it has to be therefore has status 0 where its own
// would make it one; the error text names the status.
func (j *Journal) WriteVegeta(w io.Writer, format string) error {
	var encode vegeta.Encoder
	switch format {
	case "gob":
		encode = vegeta.NewEncoder(w)
	case "csv":
		encode = vegeta.NewCSVEncoder(w)
	case "json":
		encode = vegeta.NewJSONEncoder(w)
	default:
		return fmt.Errorf("unknown encoding %q of vegeta's results (known: %v)", format, VegetaFormats)
	}
	var seq uint64
	for r := range j.All() {
		result := vegeta.Result{
			Attack: "dyno", Seq: seq, Code: uint16(r.Status), Timestamp: r.Intended, Latency: r.Latency,
			BytesOut: uint64(r.Asked.Body), BytesIn: uint64(r.Bytes), Error: r.Failure,
			Method: r.Asked.Method, URL: r.Asked.URL,
		}
		if r.Failure != "" && r.Status < 400 {
			result.Code = 0
		}
		if err := encode(&result); err != nil {
			return fmt.Errorf("write vegeta's results: %w", err)
		}
		seq++
	}
	return nil
}
