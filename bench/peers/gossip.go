// A member of the Go gossip library with its own defaults: UDP and TCP, nothing encrypted.
package main

import (
	"github.com/paularlott/gossip"
	"github.com/paularlott/gossip/codec"
)

const messageType = gossip.UserMsg + 1

func memberOfGossip(port int, join []int) error {
	config := gossip.DefaultConfig()
	config.BindAddr = address(port)
	config.MsgCodec = codec.NewShamatonMsgpackCodec()
	config.Transport = gossip.NewSocketTransport(config)
	cluster, err := gossip.NewCluster(config)
	if err != nil {
		return err
	}
	self := cluster.LocalNode().ID
	cluster.HandleNodeStateChangeFunc(func(node *gossip.Node, previous gossip.NodeState) {
		switch state := node.GetObservedState(); {
		case node.ID == self:
		case state == gossip.NodeDead:
			down(node.ID.String())
		case state == gossip.NodeAlive && previous != gossip.NodeSuspect:
			up(node.ID.String())
		}
	})
	var heard tally
	err = cluster.HandleFunc(messageType, func(_ *gossip.Node, packet *gossip.Packet) error {
		var message []byte
		if err := packet.Unmarshal(&message); err != nil {
			return err
		}
		heard.take(message)
		return nil
	})
	if err != nil {
		return err
	}
	cluster.Start()
	if len(join) > 0 {
		if err := cluster.Join(addresses(join)); err != nil {
			return err
		}
	}
	return serve(self.String(), &heard, func(message []byte, reliable bool) {
		if reliable {
			_ = cluster.SendReliable(messageType, message)
		} else {
			_ = cluster.Send(messageType, message)
		}
	})
}
