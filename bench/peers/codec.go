// Frames a second of the Go library. It has no benchmark of its frames, so this calls its own two functions for them,
// which are private: a linkname reaches them (link.s lets the compiler accept functions without a body). One operation
// is what one message costs: encode = payload, then header and frame; decode = frame and header, then payload.
package main

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"time"
	_ "unsafe"

	"github.com/google/uuid"
	"github.com/paularlott/gossip"
	"github.com/paularlott/gossip/codec"
)

//go:linkname packetToBuffer github.com/paularlott/gossip.(*SocketTransport).packetToBuffer
func packetToBuffer(st *gossip.SocketTransport, packet *gossip.Packet, replyExpected bool) ([]byte, error)

//go:linkname packetFromBuffer github.com/paularlott/gossip.(*SocketTransport).packetFromBuffer
func packetFromBuffer(st *gossip.SocketTransport, data []byte) (*gossip.Packet, bool, error)

// message is the payload both sides encode: a chat message of a realistic size, as a Go application declares it.
type message struct {
	Room   string `msgpack:"room" json:"room" codec:"room"`
	Text   string `msgpack:"text" json:"text" codec:"text"`
	Seq    uint32 `msgpack:"seq" json:"seq" codec:"seq"`
	SentMs uint64 `msgpack:"sentMs" json:"sentMs" codec:"sentMs"`
	Urgent bool   `msgpack:"urgent" json:"urgent" codec:"urgent"`
	Votes  []int  `msgpack:"votes" json:"votes" codec:"votes"`
}

var sample = message{
	Room:   "general",
	Text:   "The quick brown fox jumps over the lazy dog; the five boxing wizards jump quickly.",
	Seq:    70000,
	SentMs: 1764000000123,
	Urgent: false,
	Votes:  []int{3, 1, 4, 1, 5, 9, 2, 6},
}

func benchCodecs(rounds int, round time.Duration) error {
	codecs := []codec.Serializer{
		codec.NewShamatonMsgpackCodec(),
		codec.NewVmihailencoMsgpackCodec(),
		codec.NewHashicorpMsgpackCodec(),
		codec.NewJsonCodec(),
	}
	for _, serializer := range codecs {
		if err := benchCodec(serializer, rounds, round); err != nil {
			return fmt.Errorf("%s: %w", serializer.Name(), err)
		}
	}
	return nil
}

func benchCodec(serializer codec.Serializer, rounds int, round time.Duration) error {
	config := gossip.DefaultConfig()
	config.MsgCodec = serializer
	transport := gossip.NewSocketTransport(config)
	sender := gossip.NodeID(uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057"))

	encode := func() ([]byte, error) {
		packet := gossip.NewPacket()
		defer packet.Release()
		packet.MessageType = 129
		packet.SenderID = sender
		packet.MessageID = 28_000_000_000_001_024
		packet.TTL = 5
		payload, err := serializer.Marshal(&sample)
		if err != nil {
			return nil, err
		}
		packet.SetPayload(payload)
		return packetToBuffer(transport, packet, false)
	}
	decode := func(frame []byte) (*message, error) {
		packet, _, err := packetFromBuffer(transport, frame)
		if err != nil {
			return nil, err
		}
		defer packet.Release()
		var out message
		if err := packet.Unmarshal(&out); err != nil {
			return nil, err
		}
		return &out, nil
	}

	frame, err := encode()
	if err != nil {
		return err
	}
	back, err := decode(frame)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(*back, sample) {
		return fmt.Errorf("decoded to %+v", *back)
	}

	say(map[string]any{
		"codec":    serializer.Name(),
		"frameHex": hex.EncodeToString(frame),
		"encode":   perSecond(rounds, round, func() { _, err = encode() }),
		"decode":   perSecond(rounds, round, func() { _, err = decode(frame) }),
	})
	return err
}

// perSecond runs `work` for one unmeasured round and then `rounds` measured ones, and gives each one's operations a second.
func perSecond(rounds int, round time.Duration, work func()) []float64 {
	results := make([]float64, 0, rounds)
	for i := range rounds + 1 {
		operations := 0
		start := time.Now()
		elapsed := time.Duration(0)
		for elapsed < round {
			for range 100 {
				work()
			}
			operations += 100
			elapsed = time.Since(start)
		}
		if i > 0 {
			results = append(results, float64(operations)/elapsed.Seconds())
		}
	}
	return results
}
