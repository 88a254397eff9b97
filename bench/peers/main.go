// Command peers is what `npm run bench` measures isogossip against: idle clusters of the Go gossip library and of
// hashicorp/memberlist, and the Go library's own frame encoder and decoder. It prints one JSON object a line.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"
)

const usage = `usage:
  peers idle gossip|memberlist MEMBERS SECONDS   N members in this process, on 127.0.0.1; ends with standard input
  peers codec ROUNDS ROUND_MS                    frames encoded and decoded a second, per codec
`

func main() {
	args := os.Args[1:]
	var err error
	switch {
	case len(args) == 4 && args[0] == "idle" && (args[1] == "gossip" || args[1] == "memberlist"):
		err = idle(args[1], count(args[2]), time.Duration(count(args[3]))*time.Second)
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
