package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// memory is what Redis needs for a session, on average over some of them.
func (b *bench) memory(c *child) (int64, error) {
	ctx := context.Background()
	db := redis.NewClient(&redis.Options{Addr: b.redis.addr, DB: c.db, DisableIdentity: true})
	defer func() { _ = db.Close() }()
	keys, _, err := db.Scan(ctx, 0, "", 200).Result()
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	var sum int64
	for _, k := range keys {
		n, err := db.MemoryUsage(ctx, k).Result()
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum / int64(len(keys)), nil
}

// counters are what the servers have done so far.
type counters struct {
	cpu      time.Duration
	commands map[string]float64
	in, out  float64 // bytes, of MariaDB too
	trips    float64 // how often a client has sent something to Redis
	opened   float64 // connections to Redis
	keys     float64 // in the database of a variant
}

func (b *bench) counters(db int) (counters, error) {
	c := counters{commands: make(map[string]float64)}
	text, err := b.admin.Info(context.Background(), "stats", "cpu", "commandstats", "keyspace").Result()
	if err != nil {
		return c, err
	}
	for line := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(line, ":")
		if command, ok := strings.CutPrefix(name, "cmdstat_"); ok {
			calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
			c.commands[command], _ = strconv.ParseFloat(calls, 64)
		}
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "used_cpu_user", "used_cpu_sys":
			c.cpu += time.Duration(n * float64(time.Second))
		case "total_net_input_bytes":
			c.in = n
		case "total_net_output_bytes":
			c.out = n
		case "total_reads_processed":
			c.trips = n
		case "total_connections_received":
			c.opened = n
		case fmt.Sprintf("db%d", db):
			keys, _, _ := strings.Cut(strings.TrimPrefix(value, "keys="), ",")
			c.keys, _ = strconv.ParseFloat(keys, 64)
		}
	}
	if b.maria == nil {
		return c, nil
	}
	return c, b.addMariaDB(&c)
}

// addMariaDB adds what MariaDB has done.
func (b *bench) addMariaDB(c *counters) error {
	cpu, err := processCPU(b.maria.cmd.Process.Pid)
	if err != nil {
		return err
	}
	c.cpu += cpu
	for name, into := range map[string]*float64{"Bytes_received": &c.in, "Bytes_sent": &c.out} {
		var n float64
		if err := b.sql.QueryRow("SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(new(string), &n); err != nil {
			return err
		}
		*into += n
	}
	return nil
}

// processCPU is what the living threads of a process have used: in nanoseconds, where getrusage(2) of others counts ticks.
func processCPU(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	var sum time.Duration
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		ns, _, _ := strings.Cut(string(data), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		sum += time.Duration(n)
	}
	return sum, err
}
