package fallback

import (
	"encoding/json"
	"net/http"
)

// StatusHandler returns a handler that answers GET and HEAD with the Status as JSON, for a load balancer, a readiness probe or a
// person. Its status code is 200 as long as the node can serve sessions and change them, be it without one store or another;
// else it is 503. It makes no call of a store, so it answers at once whatever has become of them.
//
// What it tells is no secret, but nobody's business: keep it off the public address.
func (s *Store) StatusHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		status := s.Status()
		body, err := json.Marshal(status)
		if err != nil {
			panic(err) // there is nothing in it that JSON does not have
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !status.Serves {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(append(body, '\n')) // whoever asked has gone
	})
}
