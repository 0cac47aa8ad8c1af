package secret

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ words, want []string }{
		{[]string{"dyno", "serve", "--listen", "127.0.0.1:8000"}, []string{"dyno", "serve", "--listen", "127.0.0.1:8000"}},
		{[]string{"taskset", "-c", "0", "env", "GOGC=200", "DB_PASSWORD=hunter2", "PORT={port}", "./srv"}, []string{"taskset", "-c", "0", "env", "GOGC=200", "DB_PASSWORD=***", "PORT={port}", "./srv"}},
		{[]string{"--command", "mine=KEY=hunter2 A='x y' ./srv {addr}"}, []string{"--command", "mine=KEY=*** A=*** ./srv {addr}"}},
		{[]string{"/bin/sh", "-c", "exec env KEY=\"hunter 2\" ./srv --db postgres://u:hunter2@h/db"}, []string{"/bin/sh", "-c", "exec env KEY=*** ./srv --db postgres://u:***@h/db"}},
		{[]string{"./srv", "--api-token", "hunter2", "--password=hunter2", "--token", "--verbose"}, []string{"./srv", "--api-token", "***", "--password=***", "--token", "--verbose"}},
		{[]string{"-H", "Authorization: Bearer hunter2", "-H", "Accept: text/plain"}, []string{"-H", "Authorization: ***", "-H", "Accept: text/plain"}},
		{[]string{"-H", "cookie:a=hunter2; b=hunter2", "http://h/?access_key=hunter2&n=1"}, []string{"-H", "cookie:***", "http://h/?access_key=***&n=1"}},
		{[]string{"c=python3 srv {port} --secret hunter2 --token 'hunter 2' --secret --verbose -n 1"}, []string{"c=python3 srv {port} --secret *** --token *** --secret --verbose -n 1"}},
		{[]string{"--engine", "pool,size=64", "--trials=5"}, []string{"--engine", "pool,size=64", "--trials=5"}},
	} {
		got := Words(c.words)
		if !slices.Equal(got, c.want) || strings.Contains(strings.Join(got, " "), "hunter") {
			t.Errorf("got  %q\nwant %q", got, c.want)
		}
		if again := Words(got); !slices.Equal(again, got) {
			t.Errorf("masked twice: %q", again)
		}
	}
}

func TestHeader(t *testing.T) {
	for name, secret := range map[string]bool{"Authorization": true, "proxy-authorization": true, "COOKIE": true, "X-Api-Key": true, "x-auth-token": true, "Accept": false, "Host": false, "X-Request": false} {
		if Header(name) != secret {
			t.Errorf("%s: %v", name, !secret)
		}
	}
}
