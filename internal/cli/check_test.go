package cli

import (
	"bytes"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The rules of the wire are judged through TLS, by the certificate's own word
// or without it.
func TestCheckTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
	server.StartTLS()
	defer server.Close()
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authorities, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		trust []string
		code  int
		out   string // one of the lines
		err   string
	}{
		{[]string{"--insecure"}, exitFailed, "✓ wire.absolute", ""}, // net/http breaks a rule
		{[]string{"--cacert", authorities}, exitFailed, "✓ wire.close ", ""},
		{nil, exitFailed, "", "use --cacert FILE to trust the authority"},
		{[]string{"--cacert", "none.pem"}, exitUsage, "", "--cacert: open none.pem"},
	} {
		var stdout, stderr bytes.Buffer
		args := append([]string{"check", server.URL + "/", "--patience", (500 * time.Millisecond).String()}, test.trust...)
		code := run(t.Context(), nil, args, &stdout, &stderr)
		if code != test.code || !strings.Contains(stdout.String(), test.out) || !strings.Contains(stderr.String(), test.err) || (stdout.Len() > 0) != (test.out != "") {
			t.Errorf("%v: exit code %d, want %d, %q and %q:\n%s%s", test.trust, code, test.code, test.out, test.err, &stdout, &stderr)
		}
	}
}
