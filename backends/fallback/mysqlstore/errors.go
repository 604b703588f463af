package mysqlstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"github.com/nonstick-go/nonstick/core/session"
)

// translate turns an error of the driver into one of the contract. Of the server's own errors no more is kept than the
// number: their texts quote users, hosts, statements and values.
func translate(ctx context.Context, err error) error {
	if errors.Is(err, session.ErrUnavailable) { // of our connector
		return err
	}
	n := number(err)
	if errors.Is(err, mysql.ErrPktTooLarge) || n == 1153 || n == 1162 || n == 1301 || n == 1406 {
		return fmt.Errorf("%w: the server takes no packet or value of this size; see max_allowed_packet", session.ErrTooLarge)
	}
	text, hopeless := describe(err)
	cause := errors.New(text)
	if ended := ctx.Err(); ended != nil { // a deadline surfaces as a broken connection
		cause = fmt.Errorf("%w: %w", ended, cause)
	}
	if hopeless {
		cause = fmt.Errorf("%w: %w", session.ErrMisconfigured, cause)
	}
	return fmt.Errorf("%w: %w", session.ErrUnavailable, cause)
}

// describe says in our own words what an error is, and whether only an operator can end it.
func describe(err error) (text string, hopeless bool) {
	if n := number(err); n != 0 {
		hint, hopeless := hints(n)
		if hint != "" {
			hint = " (" + hint + ")"
		}
		return fmt.Sprintf("server answered error %d%s", n, hint), hopeless
	}
	if text := refusedTLS(err); text != "" {
		return text, true
	}
	for _, known := range []error{mysql.ErrNoTLS, mysql.ErrCleartextPassword, mysql.ErrNativePassword, mysql.ErrOldPassword,
		mysql.ErrUnknownPlugin, mysql.ErrOldProtocol} {
		if errors.Is(err, known) {
			return known.Error(), true
		}
	}
	if errors.Is(err, driver.ErrBadConn) {
		return "the server is read-only, or ends all connections", false
	}
	return network(err), false
}

// hints tells what an error of the server means, and whether only an operator can end it.
func hints(n uint16) (hint string, hopeless bool) {
	switch n {
	case 1044, 1142, 1143, 1227, 1370:
		return "the user lacks a permission; see the package documentation", true
	case 1045, 1698, 1251, 1524:
		return "the user or the password is wrong", true
	case 1049:
		return "there is no such database", true
	case 1146:
		return "the table is missing", true
	case 1054, 1136, 1364:
		return "the table is not as Schema makes it", true
	case 1130:
		return "it refuses this host", true
	case 1820, 1862:
		return "the password has expired", true
	case 3118, 4151:
		return "the account is locked", true
	case 3159, 1235:
		return "it wants something that this connection does not have, such as TLS", true
	case 1290, 1792, 1836:
		return "it is read-only", false
	case 1040, 1203, 1226:
		return "too many connections", false
	case 1053, 1077, 1079, 1927:
		return "it shuts down, or has ended the connection", false
	case 1021, 1114:
		return "its disk or table is full", false
	case deadlock, lockWaitTimeout:
		return "somebody else has the row", false
	}
	return "", false
}

// refusedTLS describes an error of a TLS handshake that will come again, or is empty.
func refusedTLS(err error) string {
	if is[*tls.CertificateVerificationError](err) || is[x509.HostnameError](err) || is[x509.UnknownAuthorityError](err) {
		return "the server's certificate is not trusted, or is one for another name"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return "the server refuses our certificate or version of TLS"
	}
	if is[tls.RecordHeaderError](err) {
		return "the server does not speak TLS"
	}
	return ""
}

// network describes an error of a connection without the addresses.
func network(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "timeout"
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, mysql.ErrInvalidConn, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if is[*net.DNSError](err) {
		return "the name of the server cannot be resolved"
	}
	return "the connection failed"
}

func is[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }
