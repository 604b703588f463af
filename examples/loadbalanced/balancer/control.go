package balancer

import (
	"net/http"
)

// nodeState is what the page shows of a node.
type nodeState struct {
	Node string `json:"node"`
	Up   bool   `json:"up"`
}

func (b *balancer) list(w http.ResponseWriter, _ *http.Request) {
	states := make([]nodeState, len(b.nodes))
	for i, n := range b.nodes {
		states[i] = nodeState{n.Name(), n.Address() != ""}
	}
	answer(w, http.StatusOK, states)
}

func (b *balancer) stop(w http.ResponseWriter, r *http.Request) {
	if n := b.named(w, r); n != nil {
		n.Stop()
		b.list(w, r)
	}
}

func (b *balancer) start(w http.ResponseWriter, r *http.Request) {
	n := b.named(w, r)
	if n == nil {
		return
	}
	if err := n.Start(r.Context()); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	b.list(w, r)
}

// named returns the node that the request names, or answers 404.
func (b *balancer) named(w http.ResponseWriter, r *http.Request) Node {
	for _, n := range b.nodes {
		if n.Name() == r.URL.Query().Get("node") {
			return n
		}
	}
	fail(w, http.StatusNotFound, "there is no such node")
	return nil
}
