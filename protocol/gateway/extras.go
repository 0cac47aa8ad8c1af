package gateway

import (
	"fmt"
	"net/http"
	"strings"
)

// Extras are what HTTP/1.1 can carry of an answer beside its head and its body:
// interim answers before it and trailers behind it. WSGI has neither, and the
// gateway protocols and HTTP/1.0 have no place for them. All methods are called
// as StartResponse is: by the goroutine that runs the App or Next, and not after
// Close.
type Extras interface {
	// Interim sends an answer that is not the last one: a status from 100 to 199
	// other than 101, as 103 (early hints). It leaves with the next chunk, so
	// that an app which goes on working gives an empty one first. The header is
	// not kept. Once the answer's own head has left, it is an error; so are
	// fields that start would refuse, and a Content-Length. A 100 for a client
	// that has been told to go on already is left out.
	Interim(status int, header []Field) error

	// Announce makes the answer one that trailers can follow: its body is sent in
	// chunks, and the field Trailer names them. It comes before the first
	// non-empty chunk; after that it is an error, as is a name that Trailer would
	// refuse. With a declared Content-Length it has no effect.
	Announce(names ...string) error

	// Trailer states the fields behind the body, in place of those that were
	// stated before. They are read until the Body is closed. They leave at the
	// end of an answer that was announced or happens to be in chunks, and are
	// dropped otherwise. Refused are, beside what start would refuse, fields that
	// say how an answer is to be framed, routed, understood or cached (RFC 9110,
	// section 6.5.1): they come too late for that.
	Trailer(fields []Field) error
}

// Extras returns what the Environ of a request has as its Extras where the client
// can be sent such: the same for all requests of x. send is called from within
// the app, with what has been checked, and keeps nothing.
func (x *Exchange) Extras(send func(status int, header []Field)) Extras {
	x.send = send
	return (*extras)(x)
}

// Trailer returns the fields that follow the body. They stand once Next has
// returned an error, and until Close.
func (x *Exchange) Trailer() []Field { return x.trailer }

// extras is the app's side of an Exchange.
type extras Exchange

var _ Extras = (*extras)(nil)

// Interim implements Extras.
func (x *extras) Interim(status int, header []Field) error {
	switch {
	case x.app == nil:
		return errClosed
	case x.left:
		return fmt.Errorf("%w: the interim answer %d after the head of the answer", ErrStatus, status)
	case status < 100 || status > 199 || status == http.StatusSwitchingProtocols:
		return fmt.Errorf("%w: %d is no interim answer", ErrStatus, status)
	}
	for i := range header {
		if err := checkField(&header[i]); err != nil {
			return err
		}
		if strings.EqualFold(header[i].Name, "Content-Length") { // RFC 9110 section 8.6
			return fmt.Errorf("%w: Content-Length in an interim answer", ErrHeader)
		}
	}
	x.send(status, header)
	return nil
}

// Announce implements Extras.
func (x *extras) Announce(names ...string) error {
	switch {
	case x.app == nil:
		return errClosed
	case x.left:
		return fmt.Errorf("%w: trailers announced after the head of the answer", ErrHeader)
	}
	for _, name := range names {
		if !TrailerName(name) {
			return fmt.Errorf("%w: %q cannot be a trailer", ErrHeader, name)
		}
	}
	x.announced = strings.Join(names, ", ")
	if x.announced == "" {
		return nil
	}
	x.size = -1
	if x.started {
		(*Exchange)(x).announce()
	}
	return nil
}

// announce has the head say what has been announced.
func (x *Exchange) announce() {
	if !x.head.Declared {
		x.head.Length, x.head.Trailer = -1, x.announced
	}
}

// Trailer implements Extras.
func (x *extras) Trailer(fields []Field) error {
	if x.app == nil {
		return errClosed
	}
	for i := range fields {
		if err := checkField(&fields[i]); err != nil {
			return err
		}
		if !TrailerName(fields[i].Name) {
			return fmt.Errorf("%w: %s cannot be a trailer", ErrHeader, fields[i].Name)
		}
	}
	x.trailer = fields
	return nil
}
