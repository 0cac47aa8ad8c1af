package native

import (
	"strings"
	"testing"
)

func TestFrame(t *testing.T) {
	const a, b = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb"
	var f frame
	if f.matches([]byte(a)) || f.matches(nil) || !f.wanted() {
		t.Fatal("an empty frame matches, or wants to stay empty")
	}
	f.learn([]byte(a), 200, false)
	if f.matches([]byte(a)) {
		t.Fatal("a wrong answer is remembered")
	}
	f.learn([]byte(a), 200, true)
	for in, want := range map[string]bool{a: true, a + b: true, a[:len(a)-1]: false, b: false, "": false} {
		if f.matches([]byte(in)) != want {
			t.Errorf("%q: matches %v", in, !want)
		}
	}
	f.learn([]byte(b), 200, true)
	if f.matches([]byte(a)) || !f.matches([]byte(b)) {
		t.Error("the last right answer is not what is remembered")
	}
	f.learn([]byte(strings.Repeat("x", maxFrame+1)), 200, true)
	if !f.matches([]byte(b)) {
		t.Error("an answer beyond the limit replaced one within it")
	}
	// Answers that always differ are not compared for the frame's sake for ever.
	for range maxMissed {
		if !f.wanted() {
			t.Fatal("gave up early")
		}
		f.learn([]byte(a), 200, false)
	}
	if f.wanted() {
		t.Error("still wanted after as many misses as are allowed")
	}
	if f.matches([]byte(b)); !f.wanted() {
		t.Error("not wanted, though the last answer was the same")
	}
}
