// Command go-peer is a member of the Go library github.com/paularlott/gossip behind the same options and JSON lines as
// `isogossip member --json`, so that one test harness drives both kinds of peers.
package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/paularlott/gossip"
	"github.com/paularlott/gossip/codec"
	"github.com/paularlott/gossip/compression"
	"github.com/paularlott/gossip/encryption"
)

type options struct {
	bind, advertise, id, transport, path, codec, cipher, compressor, bearer, appVersion, acceptAppVersion string
	join, tags, keys, meta                                                                                []string
	echo                                                                                                  map[int]bool
	compressMin                                                                                           int
}

// usage ends the process the way the command does for a bad option or an address in use.
func usage(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "go-peer: "+format+"\n", values...)
	os.Exit(2)
}

func parseOptions(args []string) options {
	o := options{echo: map[int]bool{}}
	if len(args) == 0 || args[0] != "member" {
		usage("the only command is: member")
	}
	flags := flag.NewFlagSet("member", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	list := func(name string, into *[]string) {
		flags.Func(name, "", func(value string) error {
			*into = append(*into, value)
			return nil
		})
	}
	flags.StringVar(&o.bind, "bind", "127.0.0.1:0", "")
	flags.StringVar(&o.advertise, "advertise", "", "")
	flags.StringVar(&o.id, "id", "", "")
	flags.StringVar(&o.transport, "transport", "socket", "")
	flags.StringVar(&o.path, "path", "/gossip", "")
	flags.StringVar(&o.codec, "codec", "msgpack", "")
	flags.StringVar(&o.cipher, "cipher", "", "")
	flags.StringVar(&o.compressor, "compressor", "", "")
	flags.IntVar(&o.compressMin, "compress-min", 256, "")
	flags.StringVar(&o.bearer, "bearer", "", "")
	flags.StringVar(&o.appVersion, "app-version", "", "")
	flags.StringVar(&o.acceptAppVersion, "accept-app-version", "", "")
	flags.Bool("json", true, "")
	list("join", &o.join)
	list("tag", &o.tags)
	list("key", &o.keys)
	list("meta", &o.meta)
	flags.Func("echo", "", func(value string) error {
		msgType, err := strconv.Atoi(value)
		if err != nil || msgType < 128 || msgType > 255 {
			return errors.New("--echo wants a type from 128 to 255")
		}
		o.echo[msgType] = true
		return nil
	})
	if err := flags.Parse(args[1:]); err != nil {
		usage("%v", err)
	}
	if flags.NArg() > 0 {
		usage("unexpected argument %q", flags.Arg(0))
	}
	return o
}

func newConfig(o options) *gossip.Config {
	config := gossip.DefaultConfig()
	config.NodeID = o.id
	config.Tags = o.tags
	config.ApplicationVersion = o.appVersion
	config.BearerToken = o.bearer
	config.CompressMinSize = o.compressMin

	switch o.codec {
	case "msgpack":
		config.MsgCodec = codec.NewShamatonMsgpackCodec()
	case "vmihailenco":
		config.MsgCodec = codec.NewVmihailencoMsgpackCodec()
	case "msgpack-raw":
		config.MsgCodec = codec.NewHashicorpMsgpackCodec()
	case "json":
		config.MsgCodec = codec.NewJsonCodec()
	default:
		usage("--codec %s is not available here", o.codec)
	}

	switch o.cipher {
	case "":
		if len(o.keys) > 0 {
			usage("--key needs --cipher")
		}
	case "aes-gcm":
		if len(o.keys) != 1 {
			usage("--cipher aes-gcm takes exactly one --key here")
		}
		key, err := hex.DecodeString(o.keys[0])
		if err != nil {
			usage("--key is not hexadecimal")
		}
		config.Cipher = encryption.NewAESEncryptor()
		config.EncryptionKey = key
	default:
		usage("--cipher %s is not available here", o.cipher)
	}

	switch o.compressor {
	case "":
	case "snappy":
		config.Compressor = compression.NewSnappyCompressor()
	default:
		usage("--compressor %s is not available here", o.compressor)
	}

	if o.acceptAppVersion != "" {
		config.ApplicationVersionCheck = func(version string) bool {
			if prefix, isPrefix := strings.CutSuffix(o.acceptAppVersion, "x"); isPrefix {
				return strings.HasPrefix(version, prefix)
			}
			return version == o.acceptAppVersion
		}
	}
	return config
}

// pickPort replaces port 0: the library advertises the bind address as it is written. Ports below the range the kernel
// gives to outgoing connections, so that nothing takes the port before the library does.
func pickPort(bind string) string {
	host, port, err := net.SplitHostPort(bind)
	if err != nil {
		usage("--bind %s: %v", bind, err)
	}
	if port != "0" {
		return bind
	}
	for range 100 {
		candidate := net.JoinHostPort(host, strconv.Itoa(20000+rand.Intn(12000)))
		if portFree(candidate) == nil {
			return candidate
		}
	}
	usage("no free port at %s", host)
	return ""
}

func portFree(address string) error {
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	return udp.Close()
}

func main() {
	o := parseOptions(os.Args[1:])
	config := newConfig(o)
	bind := pickPort(o.bind)
	if err := portFree(bind); err != nil {
		usage("address in use: %v", err)
	}

	p := &peer{echo: o.echo, codec: o.codec}
	config.Logger = stderrLogger{peer: p}
	config.AdvertiseAddr = o.advertise
	var listener net.Listener
	var handler *gossip.HTTPTransport
	switch o.transport {
	case "socket":
		config.BindAddr = bind
		if config.AdvertiseAddr == "" {
			config.AdvertiseAddr = bind
		}
		config.Transport = gossip.NewSocketTransport(config)
	case "http":
		config.BindAddr = o.path
		if config.AdvertiseAddr == "" {
			config.AdvertiseAddr = "http://" + bind + o.path
		}
		var err error
		if listener, err = net.Listen("tcp", bind); err != nil {
			usage("address in use: %v", err)
		}
		handler = gossip.NewHTTPTransport(config)
		config.Transport = handler
	default:
		usage("--transport %s is not available here", o.transport)
	}

	cluster, err := gossip.NewCluster(config)
	if err != nil {
		usage("%v", err)
	}
	p.attach(cluster)
	for _, pair := range o.meta {
		key, text, found := strings.Cut(pair, "=")
		if !found {
			usage("--meta wants KEY=VALUE")
		}
		value, err := fromJSON([]byte(text))
		if err != nil {
			value = text
		}
		if err := p.setMetadata(key, value); err != nil {
			usage("--meta %s: %v", key, err)
		}
	}

	cluster.Start()
	if listener != nil {
		mux := http.NewServeMux()
		mux.HandleFunc(o.path, handler.HandleGossipRequest)
		go http.Serve(listener, mux)
	}
	p.emit(map[string]any{
		"event": "started", "id": cluster.LocalNode().ID.String(), "address": config.AdvertiseAddr,
	})
	if len(o.join) > 0 {
		go cluster.Join(o.join)
	}

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	left := make(chan struct{})
	go func() {
		p.readCommands(os.Stdin)
		close(left)
	}()
	select {
	case <-signals:
	case <-left:
	}
	// Not Stop(): it closes a channel that the library's readers may still be sending on, and panics under traffic.
	cluster.Leave()
	p.emit(map[string]any{"event": "stopped"})
	os.Exit(0)
}
