// Command peers is what `npm run bench` measures isogossip against: members of the Go gossip library and of
// hashicorp/memberlist, each in a process of its own, and the Go library's own frame encoder and decoder. It prints one
// JSON object a line.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"
)

const usage = `usage:
  peers member gossip|memberlist PORT [JOIN_PORT ...]   one member on 127.0.0.1; ends with standard input
  peers codec ROUNDS ROUND_MS                           frames encoded and decoded a second, per codec
`

func main() {
	args := os.Args[1:]
	members := map[string]func(port int, join []int) error{"gossip": memberOfGossip, "memberlist": memberOfMemberlist}
	var err error
	switch {
	case len(args) >= 3 && args[0] == "member" && members[args[1]] != nil:
		var ports []int
		for _, text := range args[2:] {
			ports = append(ports, count(text))
		}
		err = members[args[1]](ports[0], ports[1:])
	case len(args) == 3 && args[0] == "codec":
		err = benchCodecs(count(args[1]), time.Duration(count(args[2]))*time.Millisecond)
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func address(port int) string {
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func addresses(ports []int) []string {
	var all []string
	for _, port := range ports {
		all = append(all, address(port))
	}
	return all
}

// count reads a positive number or ends the program.
func count(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	return n
}

// say prints one line of JSON.
func say(line map[string]any) {
	out, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(out))
}
