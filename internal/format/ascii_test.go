package format

import "testing"

func TestPlainText(t *testing.T) {
	for _, c := range []struct {
		term, all, ctype, lang string
		want                   bool
	}{
		{"xterm", "", "", "en_GB.UTF-8", false}, {"xterm", "C", "", "en_GB.UTF-8", true}, {"xterm", "", "C.utf8", "C", false},
		{"dumb", "", "", "en_GB.UTF-8", true}, {"", "", "", "", false}, {"xterm", "", "", "POSIX", true},
	} {
		t.Setenv("TERM", c.term)
		t.Setenv("LC_ALL", c.all)
		t.Setenv("LC_CTYPE", c.ctype)
		t.Setenv("LANG", c.lang)
		if got := PlainTerminal(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
