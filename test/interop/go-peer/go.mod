module isogossip.test/gopeer

go 1.26.0

require (
	github.com/paularlott/gossip v0.12.7
	github.com/paularlott/logger v0.3.0
)

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/hashicorp/go-msgpack/v2 v2.1.5 // indirect
	github.com/klauspost/compress v1.18.4 // indirect
	github.com/shamaton/msgpack/v3 v3.1.0 // indirect
	github.com/vmihailenco/msgpack/v5 v5.4.1 // indirect
	github.com/vmihailenco/tagparser/v2 v2.0.0 // indirect
)
