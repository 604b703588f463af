package main

import (
	"net"
	"net/http"
	"strings"
)

// describe is what a list shows of a device.
func describe(r *http.Request) map[string]string {
	return map[string]string{"device": deviceName(r.UserAgent()), "address": address(r)}
}

// deviceName is what people call their browser. It only has to tell a user's devices apart: the header is what the browser says.
func deviceName(agent string) string {
	first := func(names ...string) string {
		for i := 0; i < len(names); i += 2 {
			if strings.Contains(agent, names[i]) {
				return names[i+1]
			}
		}
		return ""
	}
	// Most browsers also give the names of those after them.
	browser := first("Edg", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "Safari/", "Safari")
	system := first("iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "Mac OS X", "Mac", "Linux", "Linux")
	switch {
	case browser == "":
		return "Unknown browser"
	case system == "":
		return browser
	}
	return browser + " on " + system
}

// address is that of the connection. Behind a proxy of yours it is the proxy's: then take what that adds to X-Forwarded-For.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return host
}
