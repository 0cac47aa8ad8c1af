package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/dynobench/dyno/bench/tune"
	"github.com/dynobench/dyno/engines"
	"github.com/dynobench/dyno/engines/catalog"
	"github.com/dynobench/dyno/internal/suggest"
)

// sweeper knows the settings of an engine on a number of CPUs.
type sweeper struct {
	spec                engines.Spec
	settings, variables []engines.Knob
	cpus                int
}

// knobs are the settings to sweep: those asked for as KEY or KEY=VALUE,…, or all
// that matter for speed. What the spec and the environment set stays.
func knobs(spec engines.Spec, asked []string, cpus int) ([]tune.Knob, error) {
	settings, variables, err := catalog.Knobs(spec)
	if err != nil {
		return nil, err
	}
	s := sweeper{spec, settings, variables, cpus}
	var swept []tune.Knob
	for _, text := range asked {
		k, err := s.asked(text)
		if err != nil {
			return nil, fmt.Errorf("--sweep %s: %w", text, err)
		}
		if slices.ContainsFunc(swept, func(other tune.Knob) bool { return other.Key == k.Key }) {
			return nil, fmt.Errorf("--sweep %s: given twice; separate values by commas", text)
		}
		swept = append(swept, k)
	}
	if len(asked) > 0 {
		return swept, nil
	}
	for _, k := range slices.Concat(settings, variables) {
		if values := k.Try(k.Default, cpus); len(values) > 0 && !s.isSet(k.Key) {
			swept = append(swept, s.knob(k, values))
		}
	}
	if len(swept) == 0 {
		return nil, errors.New("nothing to tune: the spec and the environment already set everything that affects speed")
	}
	return swept, nil
}

// asked is the setting that a value of --sweep names.
func (s sweeper) asked(text string) (tune.Knob, error) {
	key, values, valued := strings.Cut(text, "=")
	all := slices.Concat(s.settings, s.variables)
	i := slices.IndexFunc(all, func(k engines.Knob) bool { return k.Key == key })
	if i < 0 {
		var known []string
		for _, k := range all {
			known = append(known, k.Key)
		}
		return tune.Knob{}, suggest.Unknown("setting", key, known)
	}
	k := all[i]
	switch {
	case s.isSet(key):
		return tune.Knob{}, errors.New("it is already set: remove it from the spec or the environment")
	case valued:
		k.Sweep = strings.Split(values, ",")
	case k.Fixed != "":
		return tune.Knob{}, fmt.Errorf("%s; to sweep it anyway, name the values: --sweep %s=…", k.Fixed, key)
	}
	found := s.knob(k, k.Try(k.Default, s.cpus))
	if len(found.Values) == 0 {
		return tune.Knob{}, fmt.Errorf("on %d CPUs there is nothing to try but the default, %s: name the values, --sweep %s=…", s.cpus, k.Default, key)
	}
	for i, v := range found.Values {
		if _, err := catalog.New(tune.Candidate{{Key: key, Value: v, Variable: found.Variable}}.Spec(s.spec.String())); err != nil {
			return tune.Knob{}, fmt.Errorf("value %d: %w", i+1, err)
		}
	}
	return found, nil
}

func (s sweeper) knob(k engines.Knob, values []string) tune.Knob {
	return tune.Knob{Key: k.Key, Default: k.Default, Variable: s.isVariable(k.Key), Values: values}
}

func (s sweeper) isVariable(key string) bool {
	return slices.ContainsFunc(s.variables, func(k engines.Knob) bool { return k.Key == key })
}

func (s sweeper) isSet(key string) bool {
	if s.isVariable(key) {
		return os.Getenv(key) != ""
	}
	return slices.ContainsFunc(s.spec.Params, func(p engines.Param) bool { return p.Key == key })
}
