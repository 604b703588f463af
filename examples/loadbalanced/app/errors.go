package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode"
	"unicode/utf8"

	"github.com/nonstick-go/nonstick/core/session"
)

// InputError says what is wrong with a request.
type InputError struct{ text string }

// Error returns a text that is meant for the visitor.
func (e *InputError) Error() string { return e.text }

// Problem is the answer of the API when it cannot give a State.
type Problem struct {
	Error string `json:"error"`
}

// Status is the HTTP status for an error: 400 for bad input, else session.StatusCode.
func Status(err error) int {
	if _, ok := errors.AsType[*InputError](err); ok {
		return http.StatusBadRequest
	}
	return session.StatusCode(err)
}

// Header is where Retry writes, http.Header or that of another server.
type Header interface{ Set(name, value string) }

// Retry tells clients when to try again, if that may help.
func Retry(h Header, status int) {
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
}

// Explain is what a visitor reads about an error that is answered with status. The cause of a failure on our side
// belongs into the log.
func Explain(status int, err error) Problem {
	switch input, ok := errors.AsType[*InputError](err); {
	case ok:
		return Problem{input.text}
	case errors.Is(err, session.ErrLocked), errors.Is(err, session.ErrLockLost):
		return Problem{"the session is in use by another request, please try again"}
	case status == http.StatusServiceUnavailable:
		return Problem{"the session store does not answer, please try again"}
	case status == http.StatusConflict:
		return Problem{"the session has ended in the meantime"}
	default:
		return Problem{http.StatusText(status)}
	}
}

// CommitFailed makes the answer to a request whose session could not be saved, for session.Options.ErrorResponse.
func CommitFailed(err error) session.Response {
	status := Status(err)
	body, _ := json.Marshal(Explain(status, err)) // one string: cannot fail
	return session.Response{Status: status, ContentType: "application/json", Body: body}
}

// checkText refuses text that is too short or too long, counted in bytes, or not printable.
func checkText(parameter, text string, least, most int) error {
	switch {
	case len(text) < least:
		return &InputError{parameter + " is missing"}
	case len(text) > most:
		return &InputError{fmt.Sprintf("%s has %d bytes, the most is %d", parameter, len(text), most)}
	case !utf8.ValidString(text):
		return &InputError{parameter + " is not valid UTF-8"}
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return &InputError{parameter + " has control characters"}
		}
	}
	return nil
}
