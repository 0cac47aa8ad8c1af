package cli

import (
	"github.com/spf13/pflag"

	"github.com/dynobench/dyno/bench/load/plan"
)

func trustFlags(flags *pflag.FlagSet, t *plan.Trust) {
	flags.BoolVar(&t.Insecure, "insecure", false, "https: trust any certificate")
	flags.StringVar(&t.Authorities, "cacert", "", "https: trust the authorities in this PEM `file`, not the system's")
	flags.StringVar(&t.ServerName, "server-name", "", "https: server `name` for SNI and the certificate (default: the host)")
	flags.StringVar(&t.Certificate, "cert", "", "https: the client's certificate, with its chain, in a PEM `file`")
	flags.StringVar(&t.Key, "key", "", "https: the key of --cert in a PEM `file` (default: the same file)")
}
