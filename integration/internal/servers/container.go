package servers

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/netip"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// containerTime bounds each dealing with the container engine. The first one may pull an image.
const containerTime = 3 * time.Minute

// inContainer is a server that runs in a container.
type inContainer struct {
	spec
	c testcontainers.Container
}

func newContainer(t testing.TB, s spec) *inContainer {
	t.Helper()
	return &inContainer{spec: s}
}

func (i *inContainer) start() error {
	ctx, cancel := context.WithTimeout(context.Background(), containerTime)
	defer cancel()
	if i.c != nil {
		return i.c.Start(ctx)
	}
	req := testcontainers.ContainerRequest{
		Image: i.image,
		Cmd:   append([]string{i.name}, i.args...),
		HostConfigModifier: func(h *container.HostConfig) {
			h.Binds = []string{i.dir + ":" + i.dir}
			if i.onHost {
				h.NetworkMode = "host"
			} else if i.port != 0 { // a fixed port, so that it is the same one after a restart
				h.PortBindings = network.PortMap{
					network.MustParsePort(strconv.Itoa(i.port) + "/tcp"): {{
						HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(i.port),
					}},
				}
			}
		},
	}
	if i.port != 0 && !i.onHost {
		req.ExposedPorts = []string{strconv.Itoa(i.port) + "/tcp"}
	}
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: req, Started: true, Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		if c != nil {
			_ = c.Terminate(ctx)
		}
		return fmt.Errorf("start %s in a container of %s (is a container engine running?): %w", i.name, i.image, err)
	}
	i.c = c
	return nil
}

func (i *inContainer) alive() bool {
	ctx, cancel := context.WithTimeout(context.Background(), containerTime)
	defer cancel()
	if i.c == nil {
		return false
	}
	info, err := i.c.Inspect(ctx)
	return err == nil && info.State.Running
}

func (i *inContainer) signal(s syscall.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), containerTime)
	defer cancel()
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return err
	}
	defer docker.Close()
	// The engine sends signals from outside, so that SIGSTOP and SIGKILL reach the first process of the container.
	_, err = docker.ContainerKill(ctx, i.c.GetContainerID(), client.ContainerKillOptions{Signal: strconv.Itoa(int(s))})
	if err != nil || s != syscall.SIGKILL {
		return err
	}
	for i.alive() {
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

func (i *inContainer) remove() {
	if i.c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), containerTime)
	defer cancel()
	if i.alive() {
		_ = i.signal(syscall.SIGKILL) // Terminate would wait for a stopped server
	}
	_ = i.c.Terminate(ctx, testcontainers.StopTimeout(0))
}

func (i *inContainer) output() string {
	if i.c == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), containerTime)
	defer cancel()
	logs, err := i.c.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	text, _ := io.ReadAll(logs)
	return string(text)
}
