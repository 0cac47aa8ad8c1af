package cli

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// width is how many columns of w to fill: COLUMNS, else the terminal's, else
// what a log or a page holds well.
func width(w io.Writer) int {
	if n := columns(w); n > 0 {
		return n
	}
	return 100
}

// columns are those of w where somebody says how many there are, else 0.
func columns(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := underlying(w).(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	return 0
}
