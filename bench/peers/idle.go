// Idle clusters: N members with the library's own defaults, no traffic of an application, nothing encrypted. The
// caller reads the kernel's counters; this only says when the cluster is whole and, at the end, whether it stayed so.
// Nobody leaves: the process ends, and its members with it.
package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/paularlott/gossip"
	"github.com/paularlott/gossip/codec"
)

// The first member's port; the caller gives each cluster a network namespace of its own, so nothing else has it.
const portFirst = 20000

// cluster is what both libraries look like from here.
type cluster struct {
	// whole tells whether every member sees every member alive.
	whole func() bool
	// changes counts members that any member has seen change state since the start.
	changes *atomic.Int64
}

func idle(kind string, members int, life time.Duration) error {
	start := startGossip
	if kind == "memberlist" {
		start = startMemberlist
	}
	c, err := start(members)
	if err != nil {
		return err
	}

	joined := time.Now()
	for !c.whole() {
		if time.Since(joined) > 30*time.Second {
			return fmt.Errorf("%s: %d members did not find each other within 30 s", kind, members)
		}
		time.Sleep(50 * time.Millisecond)
	}
	before := c.changes.Load()
	say(map[string]any{"event": "ready", "members": members})

	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(life):
	}
	say(map[string]any{"event": "done", "whole": c.whole(), "changes": c.changes.Load() - before})
	return nil
}

func address(i int) string {
	return fmt.Sprintf("127.0.0.1:%d", portFirst+i)
}

func startGossip(members int) (*cluster, error) {
	var changes atomic.Int64
	clusters := make([]*gossip.Cluster, 0, members)
	for i := range members {
		config := gossip.DefaultConfig()
		config.BindAddr = address(i)
		config.MsgCodec = codec.NewShamatonMsgpackCodec()
		config.Transport = gossip.NewSocketTransport(config)
		c, err := gossip.NewCluster(config)
		if err != nil {
			return nil, err
		}
		c.HandleNodeStateChangeFunc(func(*gossip.Node, gossip.NodeState) { changes.Add(1) })
		c.Start()
		clusters = append(clusters, c)
		if i > 0 {
			if err := c.Join([]string{address(0)}); err != nil {
				return nil, err
			}
		}
	}
	whole := func() bool {
		for _, c := range clusters {
			if c.NumAliveNodes() != members {
				return false
			}
		}
		return true
	}
	return &cluster{whole: whole, changes: &changes}, nil
}

// watcher counts what memberlist tells about other members after the join.
type watcher struct{ changes *atomic.Int64 }

func (w watcher) NotifyJoin(*memberlist.Node)   { w.changes.Add(1) }
func (w watcher) NotifyLeave(*memberlist.Node)  { w.changes.Add(1) }
func (w watcher) NotifyUpdate(*memberlist.Node) { w.changes.Add(1) }

func startMemberlist(members int) (*cluster, error) {
	var changes atomic.Int64
	lists := make([]*memberlist.Memberlist, 0, members)
	for i := range members {
		config := memberlist.DefaultLANConfig()
		// Names travel in each ping: short ones are to memberlist's advantage.
		config.Name = fmt.Sprintf("m%d", i)
		config.BindAddr = "127.0.0.1"
		config.BindPort = portFirst + i
		config.AdvertiseAddr = "127.0.0.1"
		config.AdvertisePort = portFirst + i
		config.LogOutput = io.Discard
		config.Events = watcher{&changes}
		list, err := memberlist.Create(config)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
		if i > 0 {
			if _, err := list.Join([]string{address(0)}); err != nil {
				return nil, err
			}
		}
	}
	whole := func() bool {
		for _, list := range lists {
			if list.NumMembers() != members {
				return false
			}
		}
		return true
	}
	return &cluster{whole: whole, changes: &changes}, nil
}
