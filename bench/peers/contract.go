// What every member program has in common; ../contract.mjs says what is read and printed, this is the same for Go.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"sync"
	"time"
)

// paceInterval is how often a run with a rate sends what is due.
const paceInterval = 5 * time.Millisecond

// headBytes is `[u32 run][u32 number][f64 sent at]`; zeros follow, up to the size that was asked for.
const headBytes = 16

func nowMs() float64 {
	return float64(time.Now().UnixNano()) / 1e6
}

func up(id string)   { say(map[string]any{"event": "up", "id": id, "atMs": nowMs()}) }
func down(id string) { say(map[string]any{"event": "down", "id": id, "atMs": nowMs()}) }

// tally counts what arrives, one run at a time.
type tally struct {
	mutex      sync.Mutex
	run        uint32
	seen       map[uint32]bool
	latencies  []float64
	duplicates int
	lastMs     float64
}

// take notes one message; it tells whether it was new.
func (t *tally) take(message []byte) bool {
	if len(message) < headBytes {
		return false
	}
	run := binary.BigEndian.Uint32(message)
	number := binary.BigEndian.Uint32(message[4:])
	sentMs := math.Float64frombits(binary.BigEndian.Uint64(message[8:]))
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.start(run)
	if t.seen[number] {
		t.duplicates++
		return false
	}
	t.seen[number] = true
	t.lastMs = nowMs()
	t.latencies = append(t.latencies, t.lastMs-sentMs)
	return true
}

func (t *tally) start(run uint32) {
	if run == t.run && t.seen != nil {
		return
	}
	t.run, t.seen, t.latencies, t.duplicates, t.lastMs = run, map[uint32]bool{}, nil, 0, 0
}

func (t *tally) heard(run uint32) map[string]any {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.start(run)
	sorted := slices.Sorted(slices.Values(t.latencies))
	line := map[string]any{
		"event": "heard", "messages": len(sorted), "duplicates": t.duplicates, "lastMs": t.lastMs,
	}
	if n := len(sorted); n > 0 {
		rank := func(q float64) float64 { return sorted[max(0, int(math.Ceil(q*float64(n)))-1)] }
		line["p50Ms"], line["p99Ms"] = rank(0.5), rank(0.99)
	}
	return line
}

type command struct {
	Cmd       string
	Run       uint32
	Seconds   float64
	PerSecond float64
	Bytes     int
	Reliable  bool
}

// serve says that the program runs and answers commands until standard input ends.
func serve(id string, t *tally, send func(message []byte, reliable bool)) error {
	say(map[string]any{"event": "started", "id": id})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		switch c.Cmd {
		case "send":
			go sendAll(c, send)
		case "heard":
			say(t.heard(c.Run))
		}
	}
	return lines.Err()
}

func sendAll(c command, send func(message []byte, reliable bool)) {
	from := time.Now()
	number := uint32(0)
	one := func() {
		message := make([]byte, c.Bytes)
		binary.BigEndian.PutUint32(message, c.Run)
		binary.BigEndian.PutUint32(message[4:], number)
		binary.BigEndian.PutUint64(message[8:], math.Float64bits(nowMs()))
		number++
		send(message, c.Reliable)
	}
	if c.PerSecond == 0 {
		for time.Since(from).Seconds() < c.Seconds {
			one()
		}
	} else {
		for float64(number) < c.Seconds*c.PerSecond {
			for float64(number) < min(c.Seconds, time.Since(from).Seconds())*c.PerSecond {
				one()
			}
			time.Sleep(paceInterval)
		}
	}
	say(map[string]any{"event": "sent", "messages": number, "fromMs": float64(from.UnixNano()) / 1e6})
}
