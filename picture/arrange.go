package picture

import (
	"cmp"
	"slices"
)

// sweeps is how often the layers are gone through for an order with few crossings, and for straight links.
const sweeps = 12

// arrange orders each layer by the middle of the neighbours, from left to right and back. The best order counts.
func (l *layout) arrange() {
	for i, block := range l.blocks {
		for len(l.layers) <= block.layer {
			l.layers = append(l.layers, nil)
		}

		l.layers[block.layer] = append(l.layers[block.layer], i)
	}

	before, after := l.neighbours()
	best, fewest := l.copyLayers(), l.crossings(after)

	for sweep := range sweeps {
		if sweep%2 == 0 {
			for i := 1; i < len(l.layers); i++ {
				l.order(i, before)
			}
		} else {
			for i := len(l.layers) - 2; i >= 0; i-- {
				l.order(i, after)
			}
		}

		if crossings := l.crossings(after); crossings < fewest {
			best, fewest = l.copyLayers(), crossings
		}
	}

	l.layers = best
}

func (l *layout) copyLayers() [][]int {
	copied := make([][]int, len(l.layers))
	for i, layer := range l.layers {
		copied[i] = slices.Clone(layer)
	}

	return copied
}

// neighbours lists, for each block, those that it is linked to in the layer before and after.
func (l *layout) neighbours() (before, after [][]int) {
	before, after = make([][]int, len(l.blocks)), make([][]int, len(l.blocks))

	for _, link := range l.links {
		if link.from == link.to {
			continue
		}

		way := slices.Concat([]int{link.from}, link.bends, []int{link.to})
		for i := range way[1:] {
			if slices.Contains(after[way[i]], way[i+1]) {
				continue // links that begin together share it
			}

			after[way[i]] = append(after[way[i]], way[i+1])
			before[way[i+1]] = append(before[way[i+1]], way[i])
		}
	}

	return before, after
}

// order sorts one layer; who has no neighbours stays where it is.
func (l *layout) order(layer int, neighbours [][]int) {
	place := l.places()
	weight := make(map[int]float64, len(l.layers[layer]))

	for i, block := range l.layers[layer] {
		weight[block] = float64(i)

		if near := neighbours[block]; len(near) > 0 {
			var sum float64
			for _, other := range near {
				sum += place[other]
			}

			weight[block] = sum / float64(len(near)) * float64(len(l.layers[layer]))
		} else {
			weight[block] = (float64(i) + 0.5) / float64(len(l.layers[layer])) * float64(len(l.layers[layer]))
		}
	}

	slices.SortStableFunc(l.layers[layer], func(a, b int) int { return cmp.Compare(weight[a], weight[b]) })
}

// places is where each block stands in its layer, from 0 to 1.
func (l *layout) places() []float64 {
	place := make([]float64, len(l.blocks))

	for _, layer := range l.layers {
		for i, block := range layer {
			place[block] = (float64(i) + 0.5) / float64(len(layer))
		}
	}

	return place
}

// crossings counts how many pairs of links cross.
func (l *layout) crossings(after [][]int) int {
	crossed := 0
	position := make([]int, len(l.blocks))

	for _, layer := range l.layers {
		for i, block := range layer {
			position[block] = i
		}
	}

	for i, layer := range l.layers {
		if i+1 == len(l.layers) {
			break
		}

		tree := make([]int, len(l.layers[i+1])+1) // how many ends there are up to a position (Fenwick)
		total := 0

		for _, block := range layer {
			for _, to := range after[block] {
				crossed += total
				for at := position[to] + 1; at > 0; at -= at & -at {
					crossed -= tree[at]
				}
			}

			for _, to := range after[block] {
				total++

				for at := position[to] + 1; at < len(tree); at += at & -at {
					tree[at]++
				}
			}
		}
	}

	return crossed
}

// place gives every block its coordinates: layers beside each other, and in each the blocks as close to the middle of
// their neighbours as their order and the gaps between them allow.
func (l *layout) place() {
	x := 0.0

	for _, layer := range l.layers {
		width := 0.0
		for _, block := range layer {
			width = max(width, l.blocks[block].width)
		}

		for _, block := range layer {
			l.blocks[block].x = x

			if l.blocks[block].bend {
				l.blocks[block].width = width
			}
		}

		l.widths = append(l.widths, width)
		x += width + layerGap
	}

	before, after := l.neighbours()

	for _, layer := range l.layers {
		l.settle(layer, nil)
	}

	for sweep := range sweeps {
		if sweep%2 == 0 {
			for i := 1; i < len(l.layers); i++ {
				l.settle(l.layers[i], before)
			}
		} else {
			for i := len(l.layers) - 2; i >= 0; i-- {
				l.settle(l.layers[i], after)
			}
		}
	}

	top := 0.0
	for _, block := range l.blocks {
		top = min(top, block.y)
	}

	for i := range l.blocks {
		l.blocks[i].y -= top
	}
}

// run is a part of a layer whose blocks touch: where it wants to begin, and how strongly.
type run struct {
	wish, weight float64
	blocks       int
}

// settle moves the blocks of one layer as close as possible to the middles of their neighbours, in the sense of least
// squares (pool adjacent violators), without changing their order or the gaps.
func (l *layout) settle(layer []int, neighbours [][]int) {
	var runs []run

	offset := 0.0
	offsets := make([]float64, len(layer))

	for i, index := range layer {
		block := &l.blocks[index]
		if i > 0 {
			offset += l.gap(layer[i-1], index)
		}

		offsets[i] = offset
		wish, weight := l.wish(index, neighbours)
		runs = append(runs, run{wish: wish - block.height/2 - offset, weight: weight, blocks: 1})
		offset += block.height

		for len(runs) > 1 && runs[len(runs)-2].wish >= runs[len(runs)-1].wish {
			last, before := runs[len(runs)-1], &runs[len(runs)-2]
			before.wish = (before.wish*before.weight + last.wish*last.weight) / (before.weight + last.weight)
			before.weight += last.weight
			before.blocks += last.blocks
			runs = runs[:len(runs)-1]
		}
	}

	at := 0

	for _, run := range runs {
		for range run.blocks {
			l.blocks[layer[at]].y = run.wish + offsets[at]
			at++
		}
	}
}

func (l *layout) gap(above, below int) float64 {
	if l.blocks[above].bend && l.blocks[below].bend {
		return 6
	}

	return nodeGap
}

// wish is where the middle of a block wants to be; bends want it most, so that long links are straight.
func (l *layout) wish(index int, neighbours [][]int) (middle, weight float64) {
	block := l.blocks[index]
	if neighbours == nil {
		return 0, 1
	}

	near := neighbours[index]
	if len(near) == 0 {
		return block.y + block.height/2, 0.2
	}

	for _, other := range near {
		middle += l.blocks[other].y + l.blocks[other].height/2
	}

	weight = 1
	if block.bend {
		weight = 4
	}

	return middle / float64(len(near)), weight
}
