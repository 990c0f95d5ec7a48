package actors

import cmap "github.com/orcaman/concurrent-map"

// The actor library keeps its actors in 1024 maps, each in as many parts as this says: by default 32, which are 32,768
// maps and 4.5 MiB for a few hundred actors. One part each is enough for as many processors as there are.
func init() { cmap.SHARD_COUNT = 1 }
