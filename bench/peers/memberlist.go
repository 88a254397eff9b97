// A member of hashicorp/memberlist with its defaults for a LAN. It has no broadcast of its own: messages ride on its gossip by
// its TransmitLimitedQueue, and whoever gets a new one passes it on, as its users (serf) do.
package main

import (
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/memberlist"
)

// queuedMax is how many messages may wait before the sender waits: the queue itself has no limit.
const queuedMax = 256

// riders puts messages on memberlist's gossip, and is told about its members.
type riders struct {
	queue memberlist.TransmitLimitedQueue
	heard tally
	self  string
}

type rider []byte

func (r rider) Invalidates(memberlist.Broadcast) bool { return false }
func (r rider) Message() []byte                       { return r }
func (r rider) Finished()                             {}

func (r *riders) NotifyMsg(message []byte) {
	if r.heard.take(message) {
		r.queue.QueueBroadcast(rider(append([]byte(nil), message...)))
	}
}
func (r *riders) GetBroadcasts(overhead, limit int) [][]byte {
	return r.queue.GetBroadcasts(overhead, limit)
}
func (r *riders) NodeMeta(int) []byte           { return nil }
func (r *riders) LocalState(bool) []byte        { return nil }
func (r *riders) MergeRemoteState([]byte, bool) {}

func (r *riders) NotifyJoin(node *memberlist.Node) {
	if node.Name != r.self {
		up(node.Name)
	}
}
func (r *riders) NotifyLeave(node *memberlist.Node) { down(node.Name) }
func (r *riders) NotifyUpdate(*memberlist.Node)     {}

func memberOfMemberlist(port int, join []int) error {
	config := memberlist.DefaultLANConfig()
	// Names travel in each ping: short ones are to memberlist's advantage.
	config.Name = fmt.Sprintf("m%d", port)
	config.BindAddr, config.BindPort = "127.0.0.1", port
	config.AdvertiseAddr, config.AdvertisePort = "127.0.0.1", port
	config.LogOutput = io.Discard
	r := &riders{self: config.Name}
	config.Events, config.Delegate = r, r
	var list *memberlist.Memberlist
	r.queue.RetransmitMult = config.RetransmitMult
	r.queue.NumNodes = func() int {
		if list == nil {
			return 1
		}
		return list.NumMembers()
	}
	list, err := memberlist.Create(config)
	if err != nil {
		return err
	}
	if len(join) > 0 {
		if _, err := list.Join(addresses(join)); err != nil {
			return err
		}
	}
	return serve(config.Name, &r.heard, func(message []byte, _ bool) {
		for r.queue.NumQueued() >= queuedMax {
			time.Sleep(time.Millisecond)
		}
		// Its own copies come back to it: they are no news.
		r.heard.take(message)
		r.queue.QueueBroadcast(rider(message))
	})
}
