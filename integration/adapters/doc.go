// Package adapters runs the conformance suite of each adapter on each store that needs a server.
package adapters
