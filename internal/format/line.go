package format

import (
	"reflect"
	"strings"
)

// Line makes s, which may come from a stranger, one line that shows what is in
// it: blanks of any kind become one, and the rest is Printable.
func Line(s string) string { return Printable(strings.Join(strings.Fields(s), " ")) }

// Lines returns a copy of *v with Line applied to every text in it, however
// deep, except in fields for which raw says so by their name.
func Lines[T any](v *T, raw func(field string) bool) *T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	lines(out, reflect.ValueOf(v).Elem(), raw)
	return out.Addr().Interface().(*T)
}

func lines(to, from reflect.Value, raw func(string) bool) {
	to.Set(from)
	switch from.Kind() {
	case reflect.String:
		to.SetString(Line(from.String()))
	case reflect.Struct:
		for i := range from.NumField() {
			if f := from.Type().Field(i); f.IsExported() && !raw(f.Name) {
				lines(to.Field(i), from.Field(i), raw)
			}
		}
	case reflect.Slice:
		if from.IsNil() || plainKind(from.Type().Elem().Kind()) {
			return
		}
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			lines(to.Index(i), from.Index(i), raw)
		}
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			lines(to.Elem(), from.Elem(), raw)
		}
	case reflect.Map:
		if from.IsNil() {
			return
		}
		to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
		for it := from.MapRange(); it.Next(); {
			k, v := reflect.New(from.Type().Key()).Elem(), reflect.New(from.Type().Elem()).Elem()
			lines(k, it.Key(), raw)
			lines(v, it.Value(), raw)
			to.SetMapIndex(k, v)
		}
	}
}

// plainKind tells whether values of k hold no text.
func plainKind(k reflect.Kind) bool { return k >= reflect.Bool && k <= reflect.Float64 }
