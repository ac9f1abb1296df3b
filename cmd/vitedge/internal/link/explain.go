package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// explain says in one line what is wrong with the connection and, where that
// is known, what to do. The same fault gives the same words, so that it is
// logged once.
func explain(err error) string {
	if text := explainTLS(err); text != "" {
		return text
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the host %s is not known; check mqtt.url and the name server", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused; is the broker running, and listening on this address?"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no route to the broker; is the network up?"
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword):
		return "the broker refused the user name or password; check mqtt.username and mqtt.password_file"
	case errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return "the broker does not authorize this client; check mqtt.username, mqtt.password_file and the broker's access list"
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return "the broker refused the client id; check mqtt.client_id"
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return "the broker says that it is unavailable"
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return "the broker does not speak MQTT 3.1.1"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "the broker did not answer in time"
	case closedByBroker(err):
		return "the broker closed the connection"
	case strings.Contains(err.Error(), "pingresp not received"):
		return "the broker is silent; the connection is dead"
	}
	if op := new(net.OpError); errors.As(err, &op) { // without its addresses, which have another port at every try
		return fmt.Sprintf("the connection failed: %s: %v", op.Op, op.Err)
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// closedByBroker reports whether the other side ended the connection, as a read
// or a write has found.
func closedByBroker(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
