package format

import (
	"os"
	"strings"
)

// ASCII replaces the signs that dyno prints and a terminal without UTF-8 lacks.
var ASCII = strings.NewReplacer("µ", "u", "·", "-", "–", "-", "−", "-", "×", "x", "…", "~", "→", "->", "✓", "ok ", "✗", "no ", "≥", ">=", "≤", "<=", "±", "+-", "⚠", "!", "▸", ">", "†", "*", "‡", "**", "²", "^2", "√", "sqrt ", "│", "|", "─", "-")

// PlainTerminal tells whether the terminal may know no more than ASCII, by TERM
// and the locale.
func PlainTerminal() bool {
	if os.Getenv("TERM") == "dumb" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return !strings.Contains(v, "utf-8") && !strings.Contains(v, "utf8")
		}
	}
	return false // nothing is said, as in a container: UTF-8 is what there is
}
