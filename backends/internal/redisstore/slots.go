package redisstore

import (
	"errors"
	"net"
	"strconv"
	"strings"
)

// Slots is how many slots a cluster has.
const Slots = 16384

// SlotRange is some slots of a cluster and the addresses of the nodes that have them: the master, and then its replicas.
type SlotRange struct {
	From, To int
	Nodes    []string
}

// Slot is that of a key without a hash tag, as prefixes hold no braces and ids neither: its CRC16 (XMODEM), as the
// specification of Redis Cluster says.
func Slot(key string) int {
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			crc = crc<<1 ^ crc>>15*0x1021
		}
	}
	return int(crc % Slots)
}

// ParseSlots reads the answer to CLUSTER SLOTS. A node that does not know its own name is at the host that was asked.
func ParseSlots(reply any, asked string) ([]SlotRange, error) {
	entries, ok := reply.([]any)
	if !ok {
		return nil, errNoSlots()
	}
	if len(entries) == 0 { // the node was taken out of the cluster; others know better
		return nil, errors.New("the node has no cluster")
	}
	ranges := make([]SlotRange, 0, len(entries))
	for _, entry := range entries { // from, to, and then the nodes: host, port, ...
		fields, _ := entry.([]any)
		if len(fields) < 3 {
			return nil, errNoSlots()
		}
		from, ok1 := fields[0].(int64)
		to, ok2 := fields[1].(int64)
		if !ok1 || !ok2 || from < 0 || to >= Slots {
			return nil, errNoSlots()
		}
		r := SlotRange{From: int(from), To: int(to)}
		for _, field := range fields[2:] {
			node, _ := field.([]any)
			if len(node) < 2 {
				return nil, errNoSlots()
			}
			host := textOf(node[0])
			port, ok := node[1].(int64)
			if !ok {
				return nil, errNoSlots()
			}
			if host == "" || host == "?" {
				host, _, _ = net.SplitHostPort(asked)
			}
			r.Nodes = append(r.Nodes, net.JoinHostPort(host, strconv.FormatInt(port, 10)))
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func errNoSlots() error { return errors.New("CLUSTER SLOTS gave an answer that is none") }

// Redirection reads an error such as "MOVED 3999 127.0.0.1:6381", of the node at an address. One that does not know its own
// host leaves that out.
func Redirection(text, from string) (kind, to string, ok bool) {
	fields := strings.Fields(text)
	if len(fields) != 3 || fields[0] != "MOVED" && fields[0] != "ASK" {
		return "", "", false
	}
	to = fields[2]
	if strings.LastIndex(to, ":") == 0 {
		to = from[:strings.LastIndex(from, ":")] + to
	}
	colon := strings.LastIndex(to, ":")
	if colon < 0 {
		return "", "", false
	}
	port, err := strconv.ParseUint(to[colon+1:], 10, 16)
	if err != nil {
		return "", "", false
	}
	return fields[0], net.JoinHostPort(strings.Trim(to[:colon], "[]"), strconv.FormatUint(port, 10)), true
}
