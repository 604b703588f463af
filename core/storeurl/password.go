package storeurl

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
)

// Password is that of a store's user: what the URL says, or what the file of its parameter password_file holds. It formats
// as a fixed text with every verb. The zero value is that of a URL that says nothing. It is safe for concurrent use.
type Password struct{ text, file string }

// Password returns the password of u, or that of the file that the parameter password_file names. Both at once are an error
// for Err, and so is a file that has no password now.
func (p *Params) Password(u *url.URL) Password {
	var w Password
	w.text, _ = u.User.Password()
	w.file = p.String("password_file", "")
	if w.text != "" && w.file != "" {
		p.fail("the URL has a password and a password_file")
	} else if _, err := w.Read(); err != nil {
		p.errs = append(p.errs, err)
	}
	return w
}

// IsZero reports whether the URL says nothing about a password.
func (w Password) IsZero() bool { return w == Password{} }

// Read returns the password for a new connection; an empty one only if the URL says nothing. A file is read each time, so
// that a new password takes effect without a restart: connections that are there already go on until something ends them.
// The end of the file's last line is no part of the password, other white space is. An error is a *PasswordError.
func (w Password) Read() (string, error) {
	if w.file == "" {
		return w.text, nil
	}
	text, err := os.ReadFile(w.file)
	if err != nil {
		return "", &PasswordError{withoutPath(err)}
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", &PasswordError{errors.New("it is empty")}
	}
	return password, nil
}

// Format implements fmt.Formatter. It shows nothing.
func (Password) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "storeurl.Password") }

// PasswordError says why there is no password in the password_file. Only an operator can end that.
type PasswordError struct{ Err error }

// Error returns the cause, without the path of the file: it came from the URL.
func (e *PasswordError) Error() string { return "password_file cannot be read: " + e.Err.Error() }

// Unwrap returns the cause, such as fs.ErrNotExist.
func (e *PasswordError) Unwrap() error { return e.Err }
