//go:build !linux

package engines

import "errors"

const balances = false

func setReusePort(int) error { return errors.ErrUnsupported }
