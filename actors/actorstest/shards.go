package actorstest

import cmap "github.com/orcaman/concurrent-map"

// protoactor has a registry of 1024 maps, each of which this library divides into 32 more: they took almost half of the
// time of a simulation that starts a daemon every few moments, and nothing contends for them here.
func init() { cmap.SHARD_COUNT = 1 }
