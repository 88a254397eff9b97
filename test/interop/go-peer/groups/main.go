// Tells whom the Go library's node groups take: for each line {"kind","value","criterion"} on the input, whether a member
// with that value under a key is in a group with that criterion, as true or false.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/paularlott/gossip"
	"github.com/paularlott/gossip/codec"
)

type question struct {
	Kind      string `json:"kind"`
	Value     string `json:"value"`
	Criterion string `json:"criterion"`
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	config := gossip.DefaultConfig()
	config.BindAddr = "127.0.0.1:0"
	config.AdvertiseAddr = "127.0.0.1:1"
	config.MsgCodec = codec.NewShamatonMsgpackCodec()
	config.Transport = gossip.NewSocketTransport(config)
	cluster := must(gossip.NewCluster(config))

	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		var q question
		if err := json.Unmarshal(input.Bytes(), &q); err != nil {
			panic(err)
		}
		metadata := cluster.LocalMetadata()
		metadata.Delete("key")
		switch q.Kind {
		case "string":
			metadata.SetString("key", q.Value)
		case "int64":
			metadata.SetInt64("key", must(strconv.ParseInt(q.Value, 10, 64)))
		case "uint64":
			metadata.SetUint64("key", must(strconv.ParseUint(q.Value, 10, 64)))
		case "float64":
			metadata.SetFloat64("key", must(strconv.ParseFloat(q.Value, 64)))
		case "bool":
			metadata.SetBool("key", q.Value == "true")
		}
		group := gossip.NewNodeGroup(cluster, map[string]string{"key": q.Criterion}, nil)
		fmt.Println(group.Contains(cluster.LocalNode().ID))
		group.Close()
	}
}
