package main

// One running member: what the library reports is printed, what is read from standard input is done.

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/paularlott/gossip"
	"github.com/paularlott/gossip/leader"
)

type peer struct {
	cluster *gossip.Cluster
	codec   string
	echo    map[int]bool
	stdout  sync.Mutex
	news    sync.Mutex
}

type command struct {
	Cmd       string                     `json:"cmd"`
	Ref       string                     `json:"ref"`
	Type      int                        `json:"type"`
	To        string                     `json:"to"`
	Data      json.RawMessage            `json:"data"`
	Reliable  bool                       `json:"reliable"`
	Tag       string                     `json:"tag"`
	TimeoutMs int                        `json:"timeoutMs"`
	Set       map[string]json.RawMessage `json:"set"`
	Delete    []string                   `json:"delete"`
	Addresses []string                   `json:"addresses"`
}

// elect takes part in the library's own leader election and prints what it tells.
func (p *peer) elect() {
	election := leader.NewLeaderElection(p.cluster, leader.DefaultConfig())
	for event, name := range map[leader.EventType]string{
		leader.LeaderElectedEvent: "elected",
		leader.LeaderLostEvent:    "lost",
		leader.BecameLeaderEvent:  "became",
		leader.SteppedDownEvent:   "stepped-down",
	} {
		election.HandleEventFunc(event, func(_ leader.EventType, id gossip.NodeID) {
			p.emit(map[string]any{"event": "leader", "state": name, "id": id.String()})
		})
	}
	election.Start()
}

func (p *peer) emit(event map[string]any) {
	line, err := json.Marshal(event)
	if err != nil {
		line, _ = json.Marshal(map[string]any{"event": "error", "code": "ERR_CODEC", "message": err.Error()})
	}
	p.stdout.Lock()
	defer p.stdout.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

func (p *peer) answer(ref string, event map[string]any) {
	if ref != "" {
		event["ref"] = ref
	}
	p.emit(event)
}

func (p *peer) fail(ref, code, message string) {
	p.answer(ref, map[string]any{"event": "error", "code": code, "message": message})
}

// told prints what a node looks like now. The library calls handlers from many goroutines: with reading and printing as
// one step, the last line about a node is the newest.
func (p *peer) told(node *gossip.Node, describe func() map[string]any) {
	if p.cluster.NodeIsLocal(node) {
		return
	}
	p.news.Lock()
	defer p.news.Unlock()
	p.emit(describe())
}

// attach registers every handler; the library leaks the connection of a type without one, so all user types have one.
func (p *peer) attach(cluster *gossip.Cluster) {
	p.cluster = cluster
	cluster.HandleNodeStateChangeFunc(func(node *gossip.Node, previous gossip.NodeState) {
		p.told(node, func() map[string]any {
			event := p.describe(node)
			event["event"] = "member"
			event["previous"] = strings.ToLower(previous.String())
			delete(event, "metadata")
			return event
		})
	})
	cluster.HandleNodeMetadataChangeFunc(func(node *gossip.Node) {
		p.told(node, func() map[string]any {
			return map[string]any{
				"event": "metadata", "id": node.ID.String(), "metadata": toJSON(node.Metadata.GetAll()),
			}
		})
	})
	for msgType := 128; msgType <= 255; msgType++ {
		if p.echo[msgType] {
			cluster.HandleFuncWithReply(gossip.MessageType(msgType), p.reply)
		} else {
			cluster.HandleFunc(gossip.MessageType(msgType), func(node *gossip.Node, packet *gossip.Packet) error {
				_, err := p.print(node, packet)
				return err
			})
		}
	}
}

func (p *peer) describe(node *gossip.Node) map[string]any {
	return map[string]any{
		"id": node.ID.String(), "address": node.AdvertisedAddr(), "state": strings.ToLower(node.GetObservedState().String()),
		"tags": node.GetTags(), "metadata": toJSON(node.Metadata.GetAll()), "protocol": "v1",
	}
}

// decode reads a payload without a type. JSON is kept as text: interface{} would round integers beyond 2^53.
func (p *peer) decode(unmarshal func(any) error) (any, error) {
	if p.codec == "json" {
		var text json.RawMessage
		err := unmarshal(&text)
		return text, err
	}
	var value any
	err := unmarshal(&value)
	return value, err
}

func (p *peer) print(node *gossip.Node, packet *gossip.Packet) (any, error) {
	var data any
	if len(packet.Payload()) > 0 {
		var err error
		if data, err = p.decode(packet.Unmarshal); err != nil {
			p.fail("", "ERR_CODEC", fmt.Sprintf("message of type %d: %v", packet.MessageType, err))
			return nil, err
		}
	}
	event := map[string]any{
		"event": "message", "type": int(packet.MessageType), "from": node.ID.String(), "data": toJSON(data),
	}
	if packet.Tag != nil {
		event["tag"] = *packet.Tag
	}
	p.emit(event)
	return data, nil
}

func (p *peer) reply(node *gossip.Node, packet *gossip.Packet) (any, error) {
	data, err := p.print(node, packet)
	if data == nil && err == nil {
		return []any(nil), nil // encodes as nil; for a plain nil the library sends no reply at all
	}
	return data, err
}

// readCommands does one command a line until leave or the end of input.
func (p *peer) readCommands(input io.Reader) {
	reader := bufio.NewReaderSize(input, 1<<16)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 1 {
			var c command
			if err := json.Unmarshal(line, &c); err != nil {
				p.fail("", "ERR_OPTION", err.Error())
			} else if c.Cmd == "leave" {
				p.answer(c.Ref, map[string]any{"event": "ok"})
				return
			} else {
				p.run(c)
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *peer) run(c command) {
	switch c.Cmd {
	case "elect":
		p.elect()
		p.answer(c.Ref, map[string]any{"event": "ok"})
	case "members":
		members := []any{}
		for _, node := range p.cluster.Nodes() {
			members = append(members, p.describe(node))
		}
		p.answer(c.Ref, map[string]any{"event": "members", "members": members})
		return
	case "stats":
		p.answer(c.Ref, map[string]any{"event": "stats", "stats": map[string]any{
			"alive": p.cluster.NumAliveNodes(), "suspect": p.cluster.NumSuspectNodes(), "dead": p.cluster.NumDeadNodes(),
		}})
		return
	case "join":
		go func() {
			p.accept(c.Ref, p.cluster.Join(c.Addresses), "ERR_ADDRESS")
		}()
		return
	case "meta":
		p.accept(c.Ref, p.changeMetadata(c), "ERR_INVALID_DATA")
		return
	}

	data, err := fromJSON(c.Data)
	if err != nil {
		p.fail(c.Ref, "ERR_INVALID_DATA", err.Error())
		return
	}
	msgType := gossip.MessageType(c.Type)
	switch c.Cmd {
	case "broadcast":
		p.accept(c.Ref, p.broadcast(c, msgType, data), "ERR_INVALID_DATA")
	case "send", "request":
		node := p.cluster.GetNodeByIDString(c.To)
		if node == nil {
			p.fail(c.Ref, "ERR_UNKNOWN_MEMBER", c.To)
		} else if c.Cmd == "request" {
			go p.request(c, node, msgType, data)
		} else if c.Reliable {
			p.accept(c.Ref, p.cluster.SendToReliable(node, msgType, data), "ERR_INVALID_DATA")
		} else {
			p.accept(c.Ref, p.cluster.SendTo(node, msgType, data), "ERR_INVALID_DATA")
		}
	default:
		p.fail(c.Ref, "ERR_OPTION", "unknown command "+c.Cmd)
	}
}

func (p *peer) accept(ref string, err error, code string) {
	if err != nil {
		p.fail(ref, code, err.Error())
		return
	}
	p.answer(ref, map[string]any{"event": "ok"})
}

func (p *peer) broadcast(c command, msgType gossip.MessageType, data any) error {
	switch {
	case c.Tag != "" && c.Reliable:
		return p.cluster.SendTaggedReliable(c.Tag, msgType, data)
	case c.Tag != "":
		return p.cluster.SendTagged(c.Tag, msgType, data)
	case c.Reliable:
		return p.cluster.SendReliable(msgType, data)
	}
	return p.cluster.Send(msgType, data)
}

func (p *peer) request(c command, node *gossip.Node, msgType gossip.MessageType, data any) {
	type outcome struct {
		data any
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		answer, err := p.decode(func(into any) error {
			return p.cluster.SendToWithResponse(node, msgType, data, into)
		})
		done <- outcome{answer, err}
	}()
	timeout := time.Duration(c.TimeoutMs) * time.Millisecond
	if timeout == 0 {
		timeout = 2 * time.Second
	}
	select {
	case result := <-done:
		if result.err != nil {
			p.fail(c.Ref, "ERR_UNREACHABLE", result.err.Error())
			return
		}
		p.answer(c.Ref, map[string]any{"event": "response", "from": node.ID.String(), "data": toJSON(result.data)})
	case <-time.After(timeout):
		p.fail(c.Ref, "ERR_TIMEOUT", "no reply")
	}
}

func (p *peer) changeMetadata(c command) error {
	for key, raw := range c.Set {
		value, err := fromJSON(raw)
		if err != nil {
			return err
		}
		if err := p.setMetadata(key, value); err != nil {
			return err
		}
	}
	for _, key := range c.Delete {
		p.cluster.LocalMetadata().Delete(key)
	}
	return nil
}

// setMetadata uses the library's typed setters: they are all it offers.
func (p *peer) setMetadata(key string, value any) error {
	metadata := p.cluster.LocalMetadata()
	switch v := value.(type) {
	case string:
		metadata.SetString(key, v)
	case bool:
		metadata.SetBool(key, v)
	case int64:
		metadata.SetInt64(key, v)
	case uint64:
		metadata.SetUint64(key, v)
	case float64:
		metadata.SetFloat64(key, v)
	case time.Time:
		metadata.SetTime(key, v)
	default:
		return errors.New("the Go library has no setter for this type")
	}
	return nil
}
