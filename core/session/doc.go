// Package session gives web applications server-side sessions that stick to no server.
package session
