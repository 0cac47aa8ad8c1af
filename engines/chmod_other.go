//go:build unix && !linux

package engines

import (
	"io/fs"
	"os"
)

func chmodSocket(path string, _ fs.FileInfo, mode os.FileMode) error { return os.Chmod(path, mode) }
