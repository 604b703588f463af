package redigo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

// master is the server that sentinels name.
type master struct {
	*server
	*lookout
	dialer *dialer

	mu        sync.Mutex
	sentinels []string  // the one to ask first is the first
	at        string    // where the master was last
	asked     time.Time // when a sentinel said so
}

func newMaster(d *dialer) *master {
	m := &master{dialer: d, sentinels: slices.Clone(d.config.Addrs)}
	m.server = d.serverAt(d.config.Master, m.find)
	m.lookout = newLookout(d.config.DialTimeout, func(ctx context.Context) { _, _ = m.find(ctx) })
	return m
}

// do implements router.
func (m *master) do(ctx context.Context, _ string, r request) (reply any, err error) {
	err = redisstore.Retry(ctx, func() (err error) {
		reply, err = m.call(ctx, r)
		return err
	}, m.around)
	return reply, err
}

// find returns where the master is. For a burst of connections a sentinel is asked once; they wait for no longer than the
// time for a connection.
func (m *master) find(ctx context.Context) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at != "" && time.Since(m.asked) < lookPause {
		return m.at, nil
	}
	at, err := m.ask(ctx)
	if err != nil {
		return "", err
	}
	if m.at != "" && at != m.at { // what is idle leads to the one before
		m.broken.Store(time.Now().UnixNano())
	}
	m.at, m.asked = at, time.Now()
	return at, nil
}

// ask asks one sentinel after the other. One that gives no answer is asked last the next time, as it may have taken all of
// the time.
func (m *master) ask(ctx context.Context) (at string, err error) {
	for range m.sentinels {
		if at, err = m.addressFrom(ctx, m.sentinels[0]); err == nil {
			return at, nil
		}
		m.sentinels = append(m.sentinels[1:], m.sentinels[0])
		if ctx.Err() != nil {
			break
		}
	}
	return "", fmt.Errorf("no sentinel names the master: %w", err)
}

func (m *master) addressFrom(ctx context.Context, sentinel string) (at string, err error) {
	reply, err := m.askOne(ctx, sentinel, "get-master-addr-by-name")
	if errors.Is(err, redis.ErrNil) {
		return "", errors.New("it knows no master of that name")
	}
	if err != nil {
		return "", err
	}
	var host string
	var port int64
	if _, err := redis.Scan(reply, &host, &port); err != nil {
		return "", errors.New("it gave an answer that is no address")
	}
	return hostPort(host, port), nil
}

// replicas asks the sentinels for the replicas of the master.
func (m *master) replicas(ctx context.Context) (addrs []string, err error) {
	var entries []any
	for _, sentinel := range m.dialer.config.Addrs {
		if entries, err = m.askOne(ctx, sentinel, "replicas"); err == nil || ctx.Err() != nil {
			break
		}
	}
	for _, entry := range entries {
		fields, err := redis.StringMap(entry, nil)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, net.JoinHostPort(fields["ip"], fields["port"]))
	}
	return addrs, err
}

// askOne asks a sentinel about the master.
func (m *master) askOne(ctx context.Context, sentinel, question string) ([]any, error) {
	config := m.dialer.config
	if err := m.dialer.gate.Blocked(); err != nil {
		return nil, err
	}
	c, err := m.dialer.login(ctx, sentinel, config.SentinelUser, config.SentinelPassword, 0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	reply, err := redis.Values(redis.DoWithTimeout(c, config.ReadTimeout, "SENTINEL", question, config.Master))
	return reply, translate(err)
}

func (m *master) close() error {
	m.lookout.close()
	return m.server.close()
}
