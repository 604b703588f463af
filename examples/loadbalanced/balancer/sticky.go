package balancer

import (
	"context"
	"net/http"
	"slices"
)

// NodeCookie names, for Sticky, the node that answered a visitor last.
const NodeCookie = "node"

// Sticky returns a handler that passes every request to the next node in turn, but while when returns true to the node that
// answered the visitor last, as long as that is up. It is asked for each request. Nodes name themselves in X-Node; that is
// kept in a cookie, unless the answer is an error of the server: who has failed does not have what the visitor last saw.
func Sticky(when func() bool, nodes ...Node) http.Handler {
	b := &balancer{nodes: nodes, sticky: true}
	b.dialer.Timeout = dialTimeout
	proxy := b.proxy()
	return Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie(NodeCookie); err == nil && when() {
			r = r.WithContext(context.WithValue(r.Context(), homeKey{}, c.Value))
		}
		proxy.ServeHTTP(w, r)
	}))
}

// homeKey has, in the context of a request, the name of the node to which it has to go.
type homeKey struct{}

// order returns the nodes in the order in which a request tries them.
func (b *balancer) order(ctx context.Context) []Node {
	turn := int((b.turn.Add(1) - 1) % uint64(len(b.nodes)))
	nodes := slices.Concat(b.nodes[turn:], b.nodes[:turn])
	home, _ := ctx.Value(homeKey{}).(string)
	slices.SortStableFunc(nodes, func(x, y Node) int {
		switch {
		case x.Name() == home:
			return -1
		case y.Name() == home:
			return 1
		}
		return 0
	})
	return nodes
}

// remember tells the visitor's browser which node has answered.
func (b *balancer) remember(resp *http.Response) error {
	if !b.sticky || resp.StatusCode >= http.StatusInternalServerError {
		return nil
	}
	node := resp.Header.Get("X-Node")
	if c, err := resp.Request.Cookie(NodeCookie); node == "" || err == nil && c.Value == node {
		return nil
	}
	cookie := http.Cookie{Name: NodeCookie, Value: node, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	resp.Header.Add("Set-Cookie", cookie.String())
	return nil
}
