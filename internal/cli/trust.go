package cli

import (
	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/bench/load"
)

func trustFlags(flags *pflag.FlagSet, t *load.Trust) {
	flags.BoolVar(&t.Insecure, "insecure", false, "https: trust any certificate")
	flags.StringVar(&t.Authorities, "cacert", "", "https: trust the authorities in a PEM `file` rather than the system's")
	flags.StringVar(&t.ServerName, "server-name", "", "https: the `name` to ask for (SNI) and to find in the certificate (default: the host that is connected to)")
	flags.StringVar(&t.Certificate, "cert", "", "https: the client's certificate, with its chain, in a PEM `file`")
	flags.StringVar(&t.Key, "key", "", "https: the key of --cert in a PEM `file` (default: the same file)")
}
