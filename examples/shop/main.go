// Command shop is a program with an HTTP handler of its own that dyno serves on
// any of its engines, and compares them with.
//
//	go build .
//	./shop serve --engine eventloop --master --listen :8000
//	./shop run checkout.yaml --targets goroutine,eventloop,nethttp
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/dynobench/dyno"
	"github.com/dynobench/dyno/protocol/gateway"
)

func main() { dyno.Main(gateway.FromHTTP(shop())) }

// shop is the application: an ordinary http.Handler, which knows nothing of dyno.
func shop() http.Handler {
	var orders atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "Welcome to the shop.")
	})
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		var order struct{ Item string }
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil || order.Item == "" {
			http.Error(w, `an order is {"item": "…"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]any{"item": order.Item, "number": orders.Add(1)}) //nolint:errcheck // the client has gone
	})
	return mux
}
