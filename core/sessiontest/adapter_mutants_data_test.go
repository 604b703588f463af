package sessiontest_test

// adapterMutant is a defect and the cases that must find it.
type adapterMutant struct {
	defect defect
	fails  string
}

func adapterMutants() []adapterMutant {
	const endless = " failed-commit/stream-ends writer/failed-stream-ends"
	return []adapterMutant{
		{"", ""},

		// When the session is committed.
		{"commit follows the handler", "*/*"}, // no cookie reaches anybody
		{"only Write commits", "commit/no-content commit/redirect commit/* failed-commit/no-content failed-commit/redirect " +
			"failed-commit/* file/ranges writer/flush-reaches-visitor" + endless},
		{"Flush does not commit", "commit/writer-*flush-first failed-commit/writer-*flush-first failed-commit/stream " +
			"writer/flush-reaches-visitor" + endless},
		{"ReadFrom does not commit", "commit/writer-copy failed-commit/writer-copy"},
		{"Hijack does not commit", "upgrade/both-ways upgrade/failed-commit"},
		{"an empty response is not committed", "commit/nothing failed-commit/nothing"},
		{"103 starts the response", "early-hints/before-set"},
		{"a panic commits", "panic/recovered-outside"},
		{"commit ends with the connection", "connection/hang-up"},
		{"requests end with the server", "connection/shutdown"},

		// What happens to a response whose commit failed.
		{"failed commit does not drop the status", "failed-commit/no-content failed-commit/redirect failed-commit/*"},
		{"failed commit does not drop the body", "failed-commit/* failed-load/budget logout/* renew/store-down " +
			"scope/two-managers-one-down mode/read-only-ignored" + endless},
		{"failed commit keeps Location", "failed-commit/*"},
		{"failed commit keeps Set-Cookie", "failed-commit/*"},
		{"failed commit keeps Content-Encoding", "failed-commit/*"},
		{"failed commit keeps ETag", "failed-commit/*"},
		{"failed commit keeps Content-Type", "failed-commit/*"},
		{"failed commit keeps Content-Length", "failed-commit/sized writer/failed-stream-ends"},
		{"failed commit drops CORS", "failed-commit/*"},
		{"failed commit has no Retry-After", "failed-commit/*"},
		{"failed commit is always 500", "failed-commit/* failed-commit/status failed-load/budget logout/* renew/store-down " +
			"scope/two-managers-one-down upgrade/failed-commit" + endless},
		{"failed commit ignores ErrorResponse", "failed-commit/* failed-commit/custom logout/store-down " +
			"scope/two-managers-one-down mode/read-only-ignored upgrade/failed-commit" + endless},
		{"failed stream is not ended", endless},
		{"Hijack ignores a failed commit", "upgrade/failed-commit"},

		// What the writer can do.
		{"ReadFrom is hidden", "file/sendfile"},
		{"Unwrap is missing", "writer/controller"},
		{"Flush is dropped", "stream/* writer/flush-reaches-visitor" + endless},
		{"the response is buffered", "stream/* file/sendfile writer/flush-reaches-visitor writer/late-get" + endless},

		// What Get gives.
		{"every request loads", "headers/untouched writer/late-get"},
		{"load error deletes the cookie", "failed-load/answer failed-load/budget failed-load/ignored"},
		{"load error gives an anonymous session", "failed-load/answer failed-load/budget failed-load/ignored"},
		{"every Get has its own session", "scope/middleware mode/upgrade"},
		{"the mode is ignored", "mode/read-only mode/read-only-ignored mode/exclusive mode/exclusive-refused"},
		{"the request line is hidden", "mode/exclusive-refused"},
		{"cross-origin requests pass", "cross-origin/refused"},
		{"the peer is hidden", "binding/address"},
		{"the query is shown", "mode/exclusive-refused"},
		{"the first mode counts", "mode/upgrade"},
		{"a missing middleware is not told", "scope/no-middleware"},
		{"the context lacks the session", "stream/reads scope/context scope/two-managers " +
			"scope/two-managers-one-down sharing/goroutines"},
		{"the context never ends", "connection/context-ends writer/failed-stream-ends"},
		{"a connection has one visitor", "connection/many-visitors headers/read"},
		{"made-up tokens are adopted", "token/unknown"},
		{"only the first cookie counts", "token/several"},
		{"the token is echoed", "token/malformed"},

		// The headers of a response.
		{"Vary is missing", "headers/read headers/set cookie/header-instead"},
		{"Vary of the handler is lost", "headers/read headers/set cookie/header-instead"},
		{"every response has Vary", "headers/untouched headers/read headers/set cookie/header-instead"},
		{"Cache-Control is missing", "headers/read headers/set"},
		{"Cache-Control of the handler is lost", "headers/read failed-load/answer"},
		{"Cache-Control of the handler counts", "headers/set"},
		{"the cookie is sent always", "commit/* headers/untouched headers/unchanged token/malformed"},
		{"the cookie is sent twice", "commit/* headers/own-cookies logout/known logout/attributes scope/two-managers"},
		{"the cookie lacks Partitioned", "cookie/configured logout/attributes"},
		{"cookies of the handler are lost", "headers/own-cookies scope/two-managers"},
		{"the deletion lacks Secure", "logout/known logout/attributes"},
		{"the deletion is not sent", "logout/known logout/attributes"},
	}
}
