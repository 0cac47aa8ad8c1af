package results

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Histograms hold nanoseconds from 1 ns to 1 hour at three significant
// digits, so that any two of dyno's merge without loss.
const (
	histogramMin    = 1
	histogramMax    = int64(3600e9)
	histogramDigits = 3
	stepDigits      = 2
)

// NewHistogram returns an empty histogram of nanoseconds. It takes some
// 300 KiB and is not safe for concurrent use.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(histogramMin, histogramMax, histogramDigits)
}

// NewStepHistogram returns an empty histogram like NewHistogram's, but to two
// significant digits, for the steps of a series. It takes some 30 KiB.
func NewStepHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(histogramMin, histogramMax, stepDigits)
}

// RecordNS records ns, brought into the histogram's range: a clock that
// stands still counts as 1 ns, a wait of more than an hour as an hour.
func RecordNS(h *hdrhistogram.Histogram, ns int64) {
	h.RecordValue(min(max(ns, histogramMin), histogramMax)) //nolint:errcheck // in range by construction
}

// RecordManyNS records ns n times.
func RecordManyNS(h *hdrhistogram.Histogram, ns, n int64) {
	h.RecordValues(min(max(ns, histogramMin), histogramMax), n) //nolint:errcheck // in range by construction
}

// EncodeHistogram returns h in HdrHistogram's V2 encoding, deflated, base64:
// the field that every HdrHistogram library reads.
func EncodeHistogram(h *hdrhistogram.Histogram) (string, error) {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	return string(b), nil
}

// mostSamples bounds a histogram, so that those of a run can be added up.
const mostSamples = int64(1e15)

// DecodeHistogram is the inverse of EncodeHistogram. The text may come from
// somebody else: what EncodeHistogram cannot have made of one of dyno's own
// histograms is an error, found before anything is allocated for it.
func DecodeHistogram(s string) (*hdrhistogram.Histogram, error) {
	if err := checkGeometry(s); err != nil {
		return nil, fmt.Errorf("decode histogram: %w", err)
	}
	h, err := hdrhistogram.Decode([]byte(s))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decode histogram: %w", err)
	case h.TotalCount() > mostSamples:
		return nil, fmt.Errorf("decode histogram: %d samples are more than possible", h.TotalCount())
	case h.TotalCount() > 0 && h.ValueAtQuantile(0) < histogramMin:
		return nil, errors.New("decode histogram: it has samples of 0 ns, which are impossible")
	}
	return h, nil
}

// checkGeometry holds the header of an encoded histogram against those that
// NewHistogram and NewStepHistogram give.
func checkGeometry(s string) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return fmt.Errorf("not base64: %w", err)
	}
	const outer, inner = 8, 40 // bytes of the header before the compressed part, and in it
	if len(b) < outer {
		return errors.New("too short")
	}
	z, err := zlib.NewReader(bytes.NewReader(b[outer:]))
	if err != nil {
		return err
	}
	defer z.Close() //nolint:errcheck // it is only read
	head := make([]byte, inner)
	if _, err := io.ReadFull(z, head); err != nil {
		return fmt.Errorf("too short: %w", err)
	}
	offset, digits := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
	least, most := binary.BigEndian.Uint64(head[16:]), binary.BigEndian.Uint64(head[24:])
	ratio := math.Float64frombits(binary.BigEndian.Uint64(head[32:]))
	if offset != 0 || digits != histogramDigits && digits != stepDigits || least != histogramMin || most != uint64(histogramMax) || ratio != 1 {
		return fmt.Errorf("of %d to %d to %d digits (offset %d, ratio %v): not one that dyno made", least, most, digits, offset, ratio)
	}
	return nil
}

// minBeyond is how many samples must lie beyond a percentile before it is
// stated. With fewer, one sample more or less moves it by its whole tail.
const minBeyond = 10

// Percentile returns the p-th percentile of h in microseconds (p is 99.9 for
// 99.9 %) and whether h supports it: false with fewer than ten samples beyond
// it, however much a reader would like to have the number.
func Percentile(h *hdrhistogram.Histogram, p float64) (us float64, ok bool) {
	if n := float64(h.TotalCount()); n*(100-p) < 100*minBeyond-1e-6 { // 100−99.9 is not quite 0.1
		return 0, false
	}
	return float64(h.ValueAtQuantile(p)) / 1e3, true
}

// SamplesFor is how many samples Percentile needs for the p-th percentile.
func SamplesFor(p float64) int64 { return int64(math.Ceil(100*minBeyond/(100-p) - 1e-6)) }

// QuantilesOf summarises h in microseconds. Percentiles with fewer than ten
// samples beyond them stay zero and so are absent from JSON.
func QuantilesOf(h *hdrhistogram.Histogram) Quantiles {
	if h.TotalCount() == 0 {
		return Quantiles{}
	}
	at := func(p float64) float64 {
		us, _ := Percentile(h, p)
		return us
	}
	return Quantiles{
		Min: float64(h.Min()) / 1e3, Mean: h.Mean() / 1e3, Max: float64(h.Max()) / 1e3,
		P50: at(50), P90: at(90), P95: at(95), P99: at(99), P999: at(99.9), P9999: at(99.99),
	}
}

// Main returns the latency that l is about and the class it belongs to: that
// of the first class where there are several (of "fast" in the scenario
// "mixed", whose other requests are slow on purpose), else that of all, with
// an empty name.
func (l *Load) Main() (class string, latency Quantiles) {
	if len(l.Classes) < 2 {
		return "", l.LatencyUS
	}
	return l.Classes[0].Class, l.Classes[0].LatencyUS
}
